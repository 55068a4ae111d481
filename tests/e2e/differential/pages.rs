//! What the scripted targets of the table answer: pages by number of the scrape.

use std::time::Duration;

use super::Scene;
use super::observe::STEP_MS;
use crate::support::http::{Manner, Reply, Request};
use crate::support::target::{openmetrics, recorded, text};

pub(crate) fn counters(_: &Scene, n: usize, _: &Request) -> Reply {
    let big = 9_007_199_254_740_993_u64;
    text(format!(
        "# HELP requests_total Requests.\n# TYPE requests_total counter\n\
         requests_total{{code=\"200\",method=\"get\"}} {}\nrequests_total{{code=\"500\",method=\"get\"}} {}\n\
         # TYPE bytes_total counter\nbytes_total {}\nreset_total {}\nbig_total {big}\nunchanged_total 7\n",
        n * 3,
        n / 2,
        n * 1_000_000,
        n % 4
    ))
}

pub(crate) fn gauges(_: &Scene, n: usize, _: &Request) -> Reply {
    text(format!(
        "# TYPE temperature gauge\ntemperature{{room=\"a\"}} {}.25\ntemperature{{room=\"b\"}} -{n}\n\
         small 1e-{n}\nlarge {n}e+{n}\nnever_sent_gauge {n}\nfraction 0.{n}{n}{n}\n",
        20 + n
    ))
}

pub(crate) fn histogram(_: &Scene, n: usize, _: &Request) -> Reply {
    text(format!(
        "# HELP latency_seconds Latency.\n# TYPE latency_seconds histogram\n\
         latency_seconds_bucket{{path=\"/\",le=\"0\"}} 0\nlatency_seconds_bucket{{path=\"/\",le=\"0.005\"}} {n}\n\
         latency_seconds_bucket{{path=\"/\",le=\"1\"}} {}\nlatency_seconds_bucket{{path=\"/\",le=\"2.5\"}} {}\n\
         latency_seconds_bucket{{path=\"/\",le=\"100000\"}} {}\nlatency_seconds_bucket{{path=\"/\",le=\"1e+06\"}} {}\n\
         latency_seconds_bucket{{path=\"/\",le=\"+Inf\"}} {}\nlatency_seconds_sum{{path=\"/\"}} {}.5\n\
         latency_seconds_count{{path=\"/\"}} {}\n",
        n + 1,
        n + 2,
        n + 2,
        n + 2,
        n + 3,
        n * 2,
        n + 3
    ))
}

pub(crate) fn summary(_: &Scene, n: usize, _: &Request) -> Reply {
    text(format!(
        "# TYPE pause_seconds summary\npause_seconds{{quantile=\"0\"}} 0.{n}\n\
         pause_seconds{{quantile=\"0.5\"}} NaN\npause_seconds{{quantile=\"1\"}} {n}\n\
         pause_seconds_sum {n}.125\npause_seconds_count {n}\n"
    ))
}

pub(crate) fn untyped(_: &Scene, n: usize, _: &Request) -> Reply {
    text(format!(
        "bare {n}\n# TYPE declared untyped\ndeclared {n}\n# a comment\n#\n# HELP alone Only help.\n\
         untyped_bucket{{le=\"1\"}} {n}\nuntyped_quantile{{quantile=\"1\"}} {n}\n"
    ))
}

pub(crate) fn metadata(_: &Scene, n: usize, _: &Request) -> Reply {
    text(format!(
        "# HELP meta_counter Counts\\nin two lines, with a \\\\.\n# TYPE meta_counter counter\nmeta_counter {n}\n\
         # TYPE meta_gauge gauge\n# HELP meta_gauge Type first.\nmeta_gauge {n}\n\
         # HELP meta_histogram Buckets.\n# TYPE meta_histogram histogram\n\
         meta_histogram_bucket{{le=\"+Inf\"}} {n}\nmeta_histogram_sum {n}\nmeta_histogram_count {n}\n\
         # TYPE meta_summary summary\nmeta_summary_sum {n}\nmeta_summary_count {n}\n\
         # HELP meta_untyped   Spaces before.\n# TYPE meta_untyped untyped\nmeta_untyped {n}\n"
    ))
}

pub(crate) fn special_floats(_: &Scene, n: usize, _: &Request) -> Reply {
    const VALUES: [&str; 8] = ["NaN", "+Inf", "-Inf", "-0", "1e308", "5e-324", "Inf", "nan"];
    let mut page = format!("turns {}\n", VALUES[n % VALUES.len()]);
    for (index, value) in VALUES.iter().enumerate() {
        page.push_str(&format!("stays{{index=\"{index}\"}} {value}\n"));
    }
    page.push_str("digits 0.1234567890123456789012345\nplus +3\nexp 1E3\npoint .5\ntail 5.\n");
    text(page)
}

/// Pages that may look odd, one for each scrape of two targets; most are valid.
const ODD: [&str; 16] = [
    "  leading 1\n",
    "\ttabbed\t1\t\n",
    "trailing{a=\"1\",} 1\n",
    "no_labels{} 1\n",
    "empty_value{gone=\"\",kept=\"k\"} 1\n",
    "escapes{v=\"a\\\\b\\\"c\\nd\"} 1\n",
    "utf8{v=\"\u{e4}\u{2192}\u{65e5}\u{672c}\"} 1\n",
    "braces{v=\"}{,=\"} 1\n",
    ":colon:name 1\n",
    "_under{_l=\"x\"} 1\n",
    "unsorted{z=\"1\",a=\"2\",m=\"3\"} 1\n\n\n",
    "comment_like{v=\"# not a comment\"} 1\n",
    "last_line_without_newline 1",
    "spaces_behind{a=\"1\"} 1 \n",
    "inner_spaces{ a=\"1\", b=\"2\" } 1\n",
    "two_commas{a=\"1\",,b=\"2\"} 1\n",
];

pub(crate) fn odd_0(_: &Scene, n: usize, _: &Request) -> Reply {
    text(ODD[n % 8])
}

pub(crate) fn odd_8(_: &Scene, n: usize, _: &Request) -> Reply {
    text(ODD[8 + n % 8])
}

fn explicit(scene: &Scene, request: &Request, n: usize) -> i64 {
    // Beside every scrape's own timestamp, so that the two are never mistaken.
    scene.epoch(request) + STEP_MS * i64::try_from(n).expect("small") + 337
}

pub(crate) fn timestamps(scene: &Scene, n: usize, request: &Request) -> Reply {
    let at = explicit(scene, request, n);
    text(format!(
        "stamped {n} {at}\nplain {n}\nsometimes {n}{}\n",
        stamp(n.is_multiple_of(2), at)
    ))
}

pub(crate) fn stamps_that_end(scene: &Scene, n: usize, request: &Request) -> Reply {
    let at = explicit(scene, request, n);
    let ends = if n < 3 {
        format!("stamped {n} {at}\nplain {n}\n")
    } else {
        String::new()
    };
    text(format!("{ends}goes_on {n}\n"))
}

pub(crate) fn far_future(scene: &Scene, n: usize, request: &Request) -> Reply {
    let far = explicit(scene, request, n) + 3_600_000;
    text(format!("ahead {n} {far}\nnow {n}\n"))
}

pub(crate) fn backwards(scene: &Scene, n: usize, request: &Request) -> Reply {
    let order = [0, 1, 3, 2, 4, 5, 7, 6];
    let at = explicit(scene, request, order[n % order.len()]);
    text(format!("wobbles {n} {at}\nnow {n}\n"))
}

pub(crate) fn repeated_stamp(scene: &Scene, n: usize, request: &Request) -> Reply {
    let at = explicit(scene, request, n - n % 3);
    text(format!("repeats 42 {at}\nnow {n}\n"))
}

fn stamp(on: bool, at: i64) -> String {
    if on { format!(" {at}") } else { String::new() }
}

pub(crate) fn duplicates(_: &Scene, n: usize, _: &Request) -> Reply {
    text(format!(
        "twice {n}\nonce {n}\ntwice {}\nsame 1\nsame 1\n",
        n + 100
    ))
}

pub(crate) fn disappearing(_: &Scene, n: usize, _: &Request) -> Reply {
    let mut page = String::from("always 1\n");
    if n % 3 != 2 {
        page.push_str(&format!("often {n}\n"));
    }
    if n == 0 {
        page.push_str("first 1\n");
    }
    if n >= 4 {
        page.push_str(&format!("late{{n=\"{n}\"}} 1\n"));
    }
    if n % 2 == 1 {
        page.insert_str(0, &format!("odd_in_front {n}\n"));
    }
    text(page)
}

pub(crate) fn flapping(_: &Scene, n: usize, _: &Request) -> Reply {
    if (2..4).contains(&n) || n == 6 {
        return Reply::status(503, "warming up\n");
    }
    text(format!("flaps {n}\nsteady 1\n"))
}

pub(crate) fn always_500(_: &Scene, _: usize, _: &Request) -> Reply {
    Reply::status(500, "never_stored 1\n")
}

pub(crate) fn vanisher_keeper(scene: &Scene, n: usize, _: &Request) -> Reply {
    if n == super::cases::REMOVED_AT {
        scene.write_targets("vanishing.json", &[0]);
    }
    text(format!("stays {n}\n"))
}

pub(crate) fn vanisher(_: &Scene, n: usize, _: &Request) -> Reply {
    text(format!("leaves {n}\nleaves_too{{a=\"b\"}} {n}\n"))
}

fn good(n: usize) -> Reply {
    text(format!("value {n}\nother{{a=\"b\"}} {n}\n"))
}

pub(crate) fn cut(_: &Scene, n: usize, _: &Request) -> Reply {
    if n % 3 == 1 {
        good(n).manner(Manner::Cut(9))
    } else {
        good(n)
    }
}

pub(crate) fn reset(_: &Scene, n: usize, _: &Request) -> Reply {
    if n % 3 == 1 {
        good(n).manner(Manner::Reset(9))
    } else {
        good(n)
    }
}

pub(crate) fn slow(_: &Scene, n: usize, _: &Request) -> Reply {
    match n % 4 {
        1 => good(n).manner(Manner::Hang),
        2 => good(n).manner(Manner::Drip(1, Duration::from_millis(50))),
        _ => good(n),
    }
}

pub(crate) fn oversized(_: &Scene, n: usize, _: &Request) -> Reply {
    // Exactly the limit of 1 KiB is already too much.
    let line = format!("value {n}\n");
    let size = match n % 3 {
        0 => 1023,
        1 => 1024,
        _ => 5000,
    };
    text(format!("{line}#{}\n", "x".repeat(size - line.len() - 2)))
}

pub(crate) fn oversized_gzip(scene: &Scene, n: usize, request: &Request) -> Reply {
    oversized(scene, n, request).gzipped()
}

pub(crate) fn label_conflicts(_: &Scene, n: usize, request: &Request) -> Reply {
    // The inner job names the case, so that its series can be found.
    let case = request.path.trim_start_matches("/");
    text(format!(
        "plain {n}\nboth{{job=\"{case}.inner\",instance=\"inner:1\"}} {n}\n\
         one{{instance=\"other:2\"}} {n}\nempty_job{{job=\"\",instance=\"\",case=\"{case}\"}} {n}\n\
         already{{job=\"{case}.inner\",exported_job=\"taken\",exported_exported_job=\"too\"}} {n}\n\
         static_conflict{{team=\"scraped\",exported_team=\"e\"}} {n}\n\
         external_conflict{{site=\"page\"}} {n}\n"
    ))
}

pub(crate) fn report_names(_: &Scene, n: usize, _: &Request) -> Reply {
    text(format!(
        "up{{of=\"page\"}} 17\nscrape_samples_scraped{{a=\"b\"}} {n}\nvalue {n}\n"
    ))
}

pub(crate) fn relabelled(_: &Scene, n: usize, request: &Request) -> Reply {
    text(format!(
        "asked{{path=\"{}\"}} {n}\nkeep_this{{a=\"1\",b=\"1\",upper=\"MiXed\"}} {n}\n\
         drop_this {n}\nrename_this{{a=\"1\",b=\"2\"}} {n}\nhash_this{{a=\"x{n}\",tmp_one=\"1\",tmp_two=\"2\"}} {n}\n\
         collide{{a=\"1\",c=\"1\"}} {n}\n",
        request.path
    ))
}

pub(crate) fn many_samples(_: &Scene, n: usize, _: &Request) -> Reply {
    let count = if n % 3 == 2 { 6 } else { 5 };
    text(
        (0..count)
            .map(|i| format!("sample{{i=\"{i}\"}} {n}\n"))
            .collect::<String>(),
    )
}

pub(crate) fn many_labels(_: &Scene, n: usize, _: &Request) -> Reply {
    // With job, instance and the name these are 5 and 6 labels.
    let extra = if n % 3 == 2 { ",c=\"3\"" } else { "" };
    text(format!(
        "labelled{{a=\"1\",b=\"2\"{extra}}} {n}\nbare {n}\n"
    ))
}

pub(crate) fn long_names(_: &Scene, n: usize, _: &Request) -> Reply {
    let name = if n % 3 == 2 { "a_long_name" } else { "short" };
    text(format!("v{{{name}=\"1\"}} {n}\n"))
}

pub(crate) fn long_values(_: &Scene, n: usize, _: &Request) -> Reply {
    let value = "v".repeat(if n % 3 == 2 { 31 } else { 30 });
    text(format!("v{{a=\"{value}\"}} {n}\n"))
}

pub(crate) fn needs_basic(_: &Scene, n: usize, request: &Request) -> Reply {
    // scraper:s3cret
    if request.header("Authorization") == Some("Basic c2NyYXBlcjpzM2NyZXQ=") {
        return good(n);
    }
    Reply::status(401, "who?\n")
}

pub(crate) fn needs_bearer(_: &Scene, n: usize, request: &Request) -> Reply {
    if request.header("Authorization") == Some("Bearer t0ken") {
        return good(n);
    }
    Reply::status(401, "who?\n")
}

pub(crate) fn redirected(_: &Scene, n: usize, request: &Request) -> Reply {
    if request.path.starts_with("/metrics") {
        return Reply::status(302, "").header("Location", "/elsewhere?x=1");
    }
    // Two requests make one scrape.
    good(n / 2)
}

pub(crate) fn gzipped(scene: &Scene, n: usize, request: &Request) -> Reply {
    histogram(scene, n, request).gzipped()
}

pub(crate) fn empty(_: &Scene, n: usize, _: &Request) -> Reply {
    match n % 4 {
        1 => text(""),
        2 => text("# only a comment\n"),
        _ => good(n),
    }
}

pub(crate) fn exemplars(scene: &Scene, n: usize, request: &Request) -> Reply {
    let at = explicit(scene, request, n);
    openmetrics(&format!(
        "# TYPE calls counter\n# HELP calls Calls.\ncalls_total {n} # {{trace_id=\"t{n}\"}} 0.5 {}.{:03}\n\
         # TYPE size histogram\n# UNIT size bytes\nsize_bucket{{le=\"1.0\"}} {n} # {{trace_id=\"b{n}\"}} 0.67\n\
         size_bucket{{le=\"+Inf\"}} {n}\nsize_sum {n}\nsize_count {n}\n",
        at / 1000, at % 1000
    ).replace("# TYPE size histogram\n# UNIT size bytes\n", "# TYPE size histogram\n"))
}

/// Exemplars that stay from page to page: taken once, and again when they change.
pub(crate) fn lasting_exemplars(scene: &Scene, n: usize, request: &Request) -> Reply {
    let at = explicit(scene, request, n / 2 * 2);
    let long = "x".repeat(126);
    openmetrics(&format!(
        "# TYPE kept counter\nkept_total {n} # {{trace_id=\"same\"}} 0.5\n\
         # TYPE moved counter\nmoved_total {n} # {{trace_id=\"t{}\"}} 0.5 {}.{:03}\n\
         # TYPE most counter\nmost_total {n} # {{t=\"{long}y\"}} 1\n\
         # TYPE over counter\nover_total {n} # {{t=\"{long}yz\"}} 1\n",
        n / 2,
        at / 1000,
        at % 1000
    ))
}

pub(crate) fn open_metrics(scene: &Scene, n: usize, request: &Request) -> Reply {
    let at = explicit(scene, request, n);
    openmetrics(&format!(
        "# TYPE done counter\ndone_total {n}\ndone_created 1500000000.5\n# TYPE heat_celsius gauge\n# UNIT heat_celsius celsius\n\
         heat_celsius{{a=\"b\"}} {n}.5\nheat_celsius{{a=\"stamped\"}} {n} {}.{:03}\n# TYPE build info\nbuild_info{{version=\"1\"}} 1\n\
         # TYPE state stateset\nstate{{state=\"on\"}} 1\nstate{{state=\"off\"}} 0\n# TYPE odd unknown\nodd {n}\n\
         # TYPE depth gaugehistogram\ndepth_bucket{{le=\"1.0\"}} {n}\ndepth_bucket{{le=\"+Inf\"}} {n}\ndepth_gcount {n}\ndepth_gsum {n}\n",
        at / 1000,
        at % 1000
    ))
}

/// Bodies that fail a scrape, one after another between good ones.
const REFUSED: [&str; 16] = [
    "value\n",
    "value 1 2 3\n",
    "value one\n",
    "value{a=\"b\" 1\n",
    "value{a=b} 1\n",
    "value{a=\"b} 1\n",
    "value 1\n9leading 1\n",
    "value 1\r\n",
    "value 0x1p3\n",
    "value 1_000\n",
    "value 1 -5\n",
    "value 1 1.5\n",
    "value{a=\"\\x\"} 1\n<html>\n",
    "value{a-b=\"c\"} 1\n",
    "{a=\"no name\"} 1\n",
    "value 1\nvalue{a=\"1\",a=\"2\"} 1\n",
];

fn refused(n: usize, from: usize) -> Reply {
    if n.is_multiple_of(2) {
        good(n)
    } else {
        text(REFUSED[from + n / 2])
    }
}

pub(crate) fn refused_0(_: &Scene, n: usize, _: &Request) -> Reply {
    refused(n % 8, 0)
}

pub(crate) fn refused_4(_: &Scene, n: usize, _: &Request) -> Reply {
    refused(n % 8, 4)
}

pub(crate) fn refused_8(_: &Scene, n: usize, _: &Request) -> Reply {
    refused(n % 8, 8)
}

pub(crate) fn refused_12(_: &Scene, n: usize, _: &Request) -> Reply {
    refused(n % 8, 12)
}

/// OpenMetrics bodies that fail a scrape, without the closing line, which some of them lack.
const REFUSED_OPENMETRICS: [&str; 4] = [
    "value 1\n",
    "value 1\n# EOF\nvalue 2\n",
    "value  1\n# EOF\n",
    "# TYPE a_total nonsense\na_total 1\n# EOF\n",
];

pub(crate) fn refused_openmetrics(_: &Scene, n: usize, _: &Request) -> Reply {
    if n.is_multiple_of(2) {
        return openmetrics(&format!("value {n}\n"));
    }
    let mut reply = openmetrics("");
    reply.body = REFUSED_OPENMETRICS[n / 2 % 4].into();
    reply
}

/// The n-th recorded page of an exporter, all in Prometheus text.
fn page(exporter: &str, n: usize, media: &str) -> Reply {
    let body = recorded(&format!("{exporter}.{:02}.prom", n.min(super::SCRAPES - 1)));
    Reply::ok(media, body).gzipped()
}

pub(crate) fn node_exporter(_: &Scene, n: usize, _: &Request) -> Reply {
    page("node_exporter", n, crate::support::target::TEXT)
}

pub(crate) fn haproxy(_: &Scene, n: usize, _: &Request) -> Reply {
    page("haproxy", n, crate::support::target::TEXT)
}

pub(crate) fn consul(_: &Scene, n: usize, _: &Request) -> Reply {
    page("consul", n, crate::support::target::TEXT)
}

pub(crate) fn etcd(_: &Scene, n: usize, _: &Request) -> Reply {
    page("etcd", n, crate::support::target::TEXT)
}

/// Text that claims to be OpenMetrics, whose closing line it lacks.
pub(crate) fn prometheus_om(_: &Scene, n: usize, _: &Request) -> Reply {
    page("prometheus", n, crate::support::target::OPENMETRICS)
}
