//! The same page in text and in protobuf, scraped again and again, and one of native histograms.

use std::fmt::Write;
use std::hint::black_box;

use narthex::exposition::protocol::{Dialect, Format};
use narthex::exposition::transcode::{Histograms, Options, Transcoder};

use crate::measure::Bench;
use crate::messages::{
    Bucket, BucketSpan, COUNTER, Counter, GAUGE, Gauge, HISTOGRAM, Histogram, Metric, MetricFamily,
    delimited, family, labels,
};
use crate::paths::{Target, job};

/// Versions of each page, so that values differ from scrape to scrape.
const VERSIONS: u64 = 4;

/// Families of gauges, of counters, and of histograms.
const FAMILIES: [usize; 3] = [30, 30, 10];
const SERIES: usize = 8;
const BUCKETS: u64 = 12;
const NATIVE_BUCKETS: u64 = 40;

fn labelled(number: usize) -> Metric {
    let device = format!("device{number}");
    let pairs = [
        ("device", device.as_str()),
        ("mode", "user"),
        ("path", "/var/lib/data"),
    ];
    Metric {
        label: labels(&pairs),
        ..Metric::default()
    }
}

fn classic(version: u64) -> Histogram {
    let bucket = (1..BUCKETS).map(|number| Bucket {
        cumulative_count: number * (version + 90),
        upper_bound: number as f64 * 0.25,
        ..Bucket::default()
    });
    Histogram {
        sample_count: BUCKETS * (version + 90),
        sample_sum: 17.25 * version as f64,
        bucket: bucket.collect(),
        ..Histogram::default()
    }
}

fn native(version: u64) -> Histogram {
    Histogram {
        sample_count: NATIVE_BUCKETS * (version + 3),
        sample_sum: 17.25,
        schema: 3,
        zero_threshold: 1e-128,
        positive_span: vec![BucketSpan {
            offset: -10,
            length: NATIVE_BUCKETS as u32,
        }],
        positive_delta: (0..NATIVE_BUCKETS)
            .map(|number| if number == 0 { version as i64 + 3 } else { 0 })
            .collect(),
        ..Histogram::default()
    }
}

fn families(kind: i32, count: usize, fill: impl Fn(usize, &mut Metric)) -> Vec<MetricFamily> {
    let metrics = || {
        let series = (0..SERIES).map(|number| {
            let mut own = labelled(number);
            fill(number, &mut own);
            own
        });
        series.collect()
    };
    (0..count)
        .map(|number| {
            family(
                &format!("bench_family_{kind}_{number}_total"),
                kind,
                metrics(),
            )
        })
        .collect()
}

fn page(version: u64) -> Vec<MetricFamily> {
    let value = |number: usize| number as f64 * 1234.5 + version as f64;
    let mut all = families(GAUGE, FAMILIES[0], |number, own| {
        own.gauge = Some(Gauge {
            value: value(number),
        });
    });
    all.extend(families(COUNTER, FAMILIES[1], |number, own| {
        own.counter = Some(Counter {
            value: value(number),
            ..Counter::default()
        });
    }));
    all.extend(families(HISTOGRAM, FAMILIES[2], |_, own| {
        own.histogram = Some(classic(version));
    }));
    all
}

/// The page as its exporter would write it in text.
fn text(families: &[MetricFamily]) -> String {
    let mut out = String::new();
    let kinds = [
        (GAUGE, "gauge"),
        (COUNTER, "counter"),
        (HISTOGRAM, "histogram"),
    ];
    for family in families {
        let name = &family.name;
        let kind = kinds.iter().find(|(number, _)| *number == family.r#type);
        let kind = kind.map_or("untyped", |(_, word)| word);
        let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
        for metric in &family.metric {
            let pairs = metric.label.iter();
            let own: Vec<_> = pairs
                .map(|one| format!("{}=\"{}\"", one.name, one.value))
                .collect();
            let own = own.join(",");
            let gauge = metric.gauge.map(|own| own.value);
            let counter = metric.counter.as_ref().map(|own| own.value);
            if let Some(value) = gauge.or(counter) {
                let _ = writeln!(out, "{name}{{{own}}} {value}");
            }
            let Some(histogram) = &metric.histogram else {
                continue;
            };
            for one in &histogram.bucket {
                let (bound, count) = (one.upper_bound, one.cumulative_count);
                let _ = writeln!(out, "{name}_bucket{{{own},le=\"{bound}\"}} {count}");
            }
            let (count, sum) = (histogram.sample_count, histogram.sample_sum);
            let _ = writeln!(out, "{name}_bucket{{{own},le=\"+Inf\"}} {count}");
            let _ = writeln!(
                out,
                "{name}_sum{{{own}}} {sum}\n{name}_count{{{own}}} {count}"
            );
        }
    }
    out
}

/// Measures both dialects, native histograms, and classic ones that are gathered.
pub(crate) fn measure(bench: &mut Bench) {
    let pages: Vec<_> = (0..VERSIONS).map(page).collect();
    let texts: Vec<_> = pages.iter().map(|page| text(page)).collect();
    bench.group("one page in two dialects", &texts);
    let as_bytes = texts.into_iter().map(String::into_bytes);
    let texts: Vec<_> = as_bytes.collect();
    let plain = Histograms::default();
    let text = Dialect::Text(Format::Text);
    run(bench, "repeated scrape of text", text, &texts, plain);
    let bodies: Vec<_> = pages.iter().map(|page| delimited(page)).collect();
    let protobuf = Dialect::Protobuf;
    run(
        bench,
        "repeated scrape of protobuf",
        protobuf,
        &bodies,
        plain,
    );
    let custom = Histograms {
        to_custom: true,
        ..plain
    };
    run(bench, "the same text, gathered", text, &texts, custom);
    let natives = (0..VERSIONS).map(|version| {
        let all = families(HISTOGRAM, FAMILIES[2], |_, own| {
            own.histogram = Some(native(version));
        });
        delimited(&all)
    });
    let natives: Vec<_> = natives.collect();
    let wanted = Histograms {
        native: true,
        ..plain
    };
    run(bench, "native histograms", protobuf, &natives, wanted);
}

fn run(
    bench: &mut Bench,
    path: &str,
    dialect: Dialect,
    bodies: &[Vec<u8>],
    histograms: Histograms,
) {
    let mut target = Target::new(1, &job(""));
    let mut transcoder = Transcoder::default();
    let options = Options {
        histograms,
        ..Options::default()
    };
    let rows = target
        .page(&transcoder.page(dialect, &bodies[0], options))
        .counts
        .scraped;
    let mut step = 0;
    bench.run(path, rows, || {
        step += 1;
        let body = &bodies[step % bodies.len()];
        black_box(target.page(&transcoder.page(dialect, body, options)));
    });
}
