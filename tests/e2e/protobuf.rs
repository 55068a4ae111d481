//! Targets that speak protobuf, scraped by the real program.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::support::agent::{Agent, Kind};
use super::support::http::{HttpServer, Reply, Request};
use super::support::prom::Server;
use super::support::receiver::{Books, Receiver, label};
use super::support::strict::Strict;
use super::support::target::TEXT;
use super::support::{config, endpoint, wait, with_v2};

#[allow(dead_code, reason = "the whole definition is there for all tests")]
#[path = "../../src/exposition/proto/testing.rs"]
mod messages;

use messages::{
    Bucket, BucketSpan, COUNTER, Counter, GAUGE, GAUGE_HISTOGRAM, Gauge, HISTOGRAM, Histogram,
    Metric, MetricFamily, Quantile, SUMMARY, Summary, delimited, family, labels,
};

const PROTOBUF: &str = "application/vnd.google.protobuf; \
                        proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// What is asked with the default formats when native histograms are wanted, as Prometheus asks.
const ACCEPT: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
    encoding=delimited;q=0.6,\
    application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
    application/openmetrics-text;version=0.0.1;q=0.4,\
    text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";

fn job(name: &str, target: &HttpServer, more: &str) -> String {
    let address = target.address();
    format!(
        "- job_name: {name}\n  scrape_interval: 500ms\n{more}  static_configs: [{{targets: ['{address}'], labels: {{instance: one}}}}]\n"
    )
}

fn bucket(upper_bound: f64, cumulative_count: u64) -> Bucket {
    Bucket {
        upper_bound,
        cumulative_count,
        ..Bucket::default()
    }
}

fn classic() -> Histogram {
    Histogram {
        sample_count: 5,
        sample_sum: 7.25,
        bucket: vec![bucket(0.5, 2), bucket(1.0, 3)],
        ..Histogram::default()
    }
}

fn plain_families() -> Vec<MetricFamily> {
    let counter = Metric {
        label: labels(&[("path", "/a\"b\\c\n")]),
        counter: Some(Counter {
            value: 12.0,
            ..Counter::default()
        }),
        ..Metric::default()
    };
    let gauge = |timestamp_ms| Metric {
        gauge: Some(Gauge { value: f64::NAN }),
        timestamp_ms,
        ..Metric::default()
    };
    let summary = Metric {
        summary: Some(Summary {
            sample_count: 3,
            sample_sum: 0.125,
            quantile: vec![Quantile {
                quantile: 0.5,
                value: 0.25,
            }],
            start_timestamp: None,
        }),
        ..Metric::default()
    };
    let histogram = Metric {
        label: labels(&[("zone", "a")]),
        histogram: Some(classic()),
        ..Metric::default()
    };
    vec![
        family("requests_total", COUNTER, vec![counter]),
        family("level", GAUGE, vec![gauge(0)]),
        family("duration", SUMMARY, vec![summary]),
        family("size", HISTOGRAM, vec![histogram]),
    ]
}

/// The same in text.
const PLAIN_TEXT: &str = "# HELP requests_total About requests_total.\n\
    # TYPE requests_total counter\n\
    requests_total{path=\"/a\\\"b\\\\c\\n\"} 12\n\
    # TYPE level gauge\nlevel NaN\n\
    # TYPE duration summary\n\
    duration{quantile=\"0.5\"} 0.25\nduration_sum 0.125\nduration_count 3\n\
    # TYPE size histogram\n\
    size_bucket{zone=\"a\",le=\"0.5\"} 2\n\
    size_bucket{zone=\"a\",le=\"1\"} 3\n\
    size_bucket{zone=\"a\",le=\"+Inf\"} 5\n\
    size_sum{zone=\"a\"} 7.25\nsize_count{zone=\"a\"} 5\n";

/// Values by labels, without the job, of what a job exposed: the last one of each series.
fn exposed(books: &Books, job: &str) -> BTreeMap<Vec<(String, String)>, u64> {
    let own = books.series.iter().filter(|(labels, _)| {
        label(labels, "job") == job && !label(labels, "__name__").starts_with("scrape_duration")
    });
    let rows = own.filter_map(|(labels, points)| {
        let labels = labels.iter().filter(|(name, _)| name != "job");
        Some((labels.cloned().collect(), points.last()?.bits))
    });
    rows.collect()
}

#[test]
fn a_page_in_protobuf_gives_what_the_same_page_gives_in_text() {
    let body = delimited(&plain_families());
    let protobuf = HttpServer::start(move |_: &Request| Reply::ok(PROTOBUF, body.clone()));
    let text = HttpServer::start(|_: &Request| Reply::ok(TEXT, PLAIN_TEXT));
    let receiver = Receiver::start();
    let jobs = [
        job(
            "protobuf",
            &protobuf,
            "  scrape_protocols: [PrometheusProto]\n",
        ),
        job("text", &text, ""),
    ];
    let mut agent = Agent::of(Kind::Narthex, &config(&receiver.url(), &jobs));
    agent.start();
    let settled = |job: &str| {
        receiver.until(&format!("two scrapes of {job}"), wait::LONG, |books| {
            let mut found = books.named("size_count");
            let twice =
                found.any(|(labels, points)| label(labels, "job") == job && points.len() >= 2);
            twice.then(|| exposed(books, job))
        })
    };
    let (protobuf, text) = (settled("protobuf"), settled("text"));
    assert_eq!(protobuf, text);
    assert!(protobuf.len() >= 10, "{protobuf:?}");
    receiver.assert_clean();
}

/// One metric with a native histogram, and a classic bucket beside it.
fn native(is_float: bool) -> Vec<Metric> {
    let mut own = Histogram {
        sample_sum: 3.5,
        schema: 3,
        zero_threshold: 0.001,
        positive_span: vec![BucketSpan {
            offset: 1,
            length: 2,
        }],
        bucket: vec![bucket(1.0, 1)],
        ..Histogram::default()
    };
    if is_float {
        own.sample_count_float = 3.5;
        own.positive_count = vec![1.5, 2.0];
    } else {
        own.sample_count = 3;
        own.positive_delta = vec![1, 1];
    }
    let metric = Metric {
        histogram: Some(own),
        ..Metric::default()
    };
    vec![metric]
}

#[test]
fn native_histograms_are_asked_for_first_and_leave_the_rest_as_it_is() {
    let mut families = plain_families();
    families.push(family("latency", HISTOGRAM, native(false)));
    families.push(family("queue", GAUGE_HISTOGRAM, native(true)));
    let body = Arc::new(delimited(&families));
    let target = HttpServer::start(move |_: &Request| Reply::ok(PROTOBUF, body.to_vec()));
    let receiver = Receiver::start();
    let jobs = [
        job("native", &target, "  scrape_native_histograms: true\n"),
        job("classic", &target, ""),
    ];
    let mut agent = Agent::of(Kind::Narthex, &config(&receiver.url(), &jobs));
    agent.start();
    let scraped = |job: &str| {
        receiver.until(&format!("a scrape of {job}"), wait::LONG, |books| {
            let samples = books.last("scrape_samples_scraped", ("job", job))?;
            Some((samples, exposed(books, job)))
        })
    };
    let name = |own: &[(String, String)]| {
        let mut own = own.iter().filter(|(name, _)| name == "__name__");
        own.next()
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    let (samples, series) = scraped("native");
    // Ten series without native histograms, and two with.
    assert_eq!(samples, 12.0);
    assert!(
        !series
            .keys()
            .any(|own| name(own).ends_with("latency_count"))
    );
    let (samples, series) = scraped("classic");
    assert_eq!(samples, 18.0, "four series of each in their place");
    for wanted in [
        "latency_bucket",
        "latency_sum",
        "latency_count",
        "queue_bucket",
    ] {
        assert!(series.keys().any(|own| name(own) == wanted), "{wanted}");
    }
    let requests = target.requests();
    let accepted: Vec<_> = requests
        .iter()
        .filter_map(|own| own.header("accept"))
        .collect();
    assert!(accepted.contains(&ACCEPT), "{accepted:?}");
    assert!(accepted.iter().any(|accept| !accept.contains("protobuf")));
    receiver.assert_clean();
}

#[test]
fn native_histograms_arrive_whole_and_end_with_their_target() {
    let families = [
        family("latency", HISTOGRAM, native(false)),
        family("queue", GAUGE_HISTOGRAM, native(true)),
    ];
    let body = delimited(&families);
    let target = HttpServer::start(move |_: &Request| Reply::ok(PROTOBUF, body.clone()));
    let text = HttpServer::start(|_: &Request| Reply::ok(TEXT, PLAIN_TEXT));
    let server = Server::with(&["--enable-feature=native-histograms"]);
    let receiver = Strict::start();
    let custom = "  convert_classic_histograms_to_nhcb: true\n";
    let jobs = [
        job("native", &target, "  scrape_native_histograms: true\n"),
        job("custom", &text, custom),
    ];
    let endpoints = [endpoint(&server.url()), with_v2(&endpoint(&receiver.url()))];
    let endpoints = endpoints.map(|own| format!("{own}  send_native_histograms: true\n"));
    let jobs = jobs.concat();
    let written = format!(
        "scrape_configs:\n{jobs}remote_write:\n{}",
        endpoints.concat()
    );
    let mut agent = Agent::of(Kind::Narthex, &written);
    agent.start();
    for (query, expected) in [
        ("histogram_count(latency)", Some(3.0)),
        ("histogram_sum(latency)", Some(3.5)),
        ("histogram_count(queue)", Some(3.5)),
        ("size_count{job='custom'}", None),
    ] {
        wait::until_true(query, wait::LONG, || server.scalar(query) == expected);
    }
    for line in [
        "latency{instance=\"one\",job=\"native\"} {count:3,sum:3.5,schema:3,zero_threshold:0.001,zero_count:0,\
         positive_spans:[1:2],positive_buckets:[1,2]}",
        "queue{instance=\"one\",job=\"native\"} {count:3.5,sum:3.5,schema:3,zero_threshold:0.001,zero_count:0,\
         positive_spans:[1:2],positive_buckets:[1.5,2],reset:gauge}",
        "size{instance=\"one\",job=\"custom\",zone=\"a\"} {count:5,sum:7.25,schema:-53,\
         custom_values:[0.5,1],positive_spans:[0:3],positive_buckets:[2,1,2]}",
    ] {
        let arrived = wait::try_until(wait::LONG, || receiver.text().contains(line).then_some(()));
        assert!(
            arrived.is_some(),
            "{line} is not in\n{}\n{}",
            receiver.text(),
            receiver.log()
        );
    }
    // 1.0 has no custom buckets: what it does not carry is counted.
    let name = "prometheus_remote_storage_histograms_dropped_total";
    wait::until_true("what 1.0 leaves out to be counted", wait::LONG, || {
        agent.metric(name, "nhcb_in_rw1_not_supported") >= Some(1.0)
    });
    target.pause();
    wait::until_true("the histogram to end", wait::LONG, || {
        server.scalar("histogram_count(latency)").is_none()
    });
    let ended = "latency{instance=\"one\",job=\"native\"} StaleNaN";
    wait::until_true("its marker", wait::LONG, || receiver.text().contains(ended));
}

#[test]
fn a_broken_page_and_one_over_the_limit_of_buckets_are_down_with_a_reason() {
    let broken = HttpServer::start(|_: &Request| Reply::ok(PROTOBUF, vec![9, 10, 200]));
    let own = Histogram {
        sample_count: 2,
        schema: 0,
        positive_span: vec![
            BucketSpan {
                offset: -900,
                length: 1,
            },
            BucketSpan {
                offset: 1800,
                length: 1,
            },
        ],
        positive_delta: vec![1, 0],
        ..Histogram::default()
    };
    let metric = Metric {
        histogram: Some(own),
        ..Metric::default()
    };
    let body = delimited(&[family("far", HISTOGRAM, vec![metric])]);
    let far = HttpServer::start(move |_: &Request| Reply::ok(PROTOBUF, body.clone()));
    let receiver = Receiver::start();
    let limit = "  scrape_native_histograms: true\n  native_histogram_bucket_limit: 1\n";
    let jobs = [job("broken", &broken, ""), job("far", &far, limit)];
    let mut agent = Agent::of(Kind::Narthex, &config(&receiver.url(), &jobs));
    agent.start();
    for name in ["broken", "far"] {
        receiver.until(&format!("{name} to be down"), wait::LONG, |books| {
            (books.last("up", ("job", name))? == 0.0).then_some(())
        });
    }
    for reason in [
        "protobuf: a metric family at byte 0 has a wrong length",
        "histogram bucket limit exceeded",
    ] {
        wait::until_true(reason, wait::LONG, || {
            agent.get("/api/v1/targets").body.contains(reason)
        });
    }
    let name = "prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total";
    wait::until_true(name, wait::LONG, || agent.metric(name, "") >= Some(1.0));
}
