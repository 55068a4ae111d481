//! What pages of targets become, beyond what Debian's Prometheus can be compared in.

use std::sync::atomic::{AtomicI64, Ordering};

use super::support::agent::{Agent, Kind};
use super::support::http::{HttpServer, Reply, Request};
use super::support::receiver::Receiver;
use super::support::target::{openmetrics, text};
use super::support::{config, wait};

/// A job with that name, target and further keys.
fn job(name: &str, target: &HttpServer, keys: &str) -> String {
    let address = target.address();
    format!(
        "- job_name: {name}\n  scrape_interval: 200ms\n{keys}  static_configs:\n  \
         - {{targets: ['{address}']}}\n"
    )
}

#[test]
fn created_lines_are_no_series_with_st_storage() {
    if Kind::under_test().is_excused("Debian's knows no start timestamps") {
        return;
    }
    let target = HttpServer::start(|request: &Request| {
        let number = request.number;
        openmetrics(&format!(
            "# TYPE done counter\ndone_total {number} # {{trace_id=\"t\"}} 0.5\n\
             done_created 1500000000.5\n# TYPE other gauge\nother_created 7\n"
        ))
    });
    for feature in [true, false] {
        let receiver = Receiver::start();
        let mut agent = Agent::with_config(&config(&receiver.url(), &[job("om", &target, "")]));
        if feature {
            agent = agent.flags(&["--enable-feature=st-storage"]);
        }
        agent.start();
        receiver.until("several scrapes", wait::LONG, |books| {
            let mut series = books.named("done_total").map(|(_, points)| points.len());
            series.any(|points| points >= 4).then_some(())
        });
        receiver.books(|books| {
            let with = ("job", "om");
            let lines = f64::from(3 - u8::from(feature));
            assert_eq!(books.last("scrape_samples_scraped", with), Some(lines));
            assert_eq!(books.last("other_created", with), Some(7.0));
            assert_eq!(books.last("done_created", with).is_none(), feature);
            let exemplars: usize = books.exemplars.values().map(Vec::len).sum();
            assert_eq!(exemplars, 1, "the page showed it all the time");
        });
    }
}

#[test]
fn a_counter_that_begins_between_two_scrapes_arrives_with_a_zero() {
    if Kind::under_test().is_excused("Debian's takes no start timestamps from text") {
        return;
    }
    // After the second scrape began, and long before the third does.
    let began = AtomicI64::new(0);
    let target = HttpServer::start(move |request: &Request| {
        if request.number == 1 {
            // Far from either scrape, which may be late.
            began.store(wait::wall_ms() + 300, Ordering::Relaxed);
        }
        if request.number < 2 {
            return openmetrics("");
        }
        let began = began.load(Ordering::Relaxed);
        let (seconds, millis) = (began / 1000, began % 1000);
        openmetrics(&format!(
            "# TYPE done counter\ndone_total 5\ndone_created {seconds}.{millis:03}\n"
        ))
    });
    let receiver = Receiver::start();
    let job = job("om", &target, "").replace("200ms", "1s");
    let agent = Agent::with_config(&config(&receiver.url(), &[job]));
    let mut agent = agent.flags(&["--enable-feature=created-timestamp-zero-ingestion"]);
    agent.start();
    let points = receiver.until("the counter twice", wait::LONG, |books| {
        let (_, points) = books.named("done_total").next()?;
        (points.len() >= 3).then(|| points.clone())
    });
    let values: Vec<f64> = points.iter().map(|one| f64::from_bits(one.bits)).collect();
    assert_eq!(values[..3], [0.0, 5.0, 5.0]);
    let times: Vec<i64> = points.iter().map(|one| one.timestamp).collect();
    assert!(times.is_sorted(), "{times:?}");
    let apart = times[1] - times[0];
    assert!((1..1000).contains(&apart), "{times:?}");
    assert!(receiver.books(|books| books.named("done_created").next().is_none()));
    receiver.assert_clean();
}

/// Jobs with the content type of their target, and why they are down without a fallback.
const KINDS: [(&str, &str, Option<&str>); 4] = [
    ("upper", "TEXT/PLAIN; VERSION=0.0.4; CHARSET=UTF-8", None),
    ("blank", "", Some("sending blank Content-Type")),
    (
        "html",
        "text/html",
        Some("received unsupported Content-Type"),
    ),
    ("broken", "text/plain; a", Some("cannot parse Content-Type")),
];

#[test]
fn a_page_that_does_not_say_what_it_is_needs_a_fallback() {
    if Kind::under_test().is_excused("Debian's takes everything for text") {
        return;
    }
    let targets = KINDS
        .map(|(_, kind, _)| HttpServer::start(move |_: &Request| Reply::ok(kind, "value 1\n")));
    let mut jobs = Vec::new();
    for ((name, ..), target) in KINDS.iter().zip(&targets) {
        jobs.push(job(name, target, ""));
        let keys = "  fallback_scrape_protocol: PrometheusText0.0.4\n  metrics_path: /fallback\n";
        jobs.push(job(&format!("{name}-told"), target, keys));
    }
    let receiver = Receiver::start();
    let mut agent = Agent::with_config(&config(&receiver.url(), &jobs));
    agent.start();
    for (name, _, refusal) in KINDS {
        let up = if refusal.is_none() { 1.0 } else { 0.0 };
        receiver.until(name, wait::LONG, |books| {
            let of = |job: &str| books.last("up", ("job", job));
            (of(name) == Some(up) && of(&format!("{name}-told")) == Some(1.0)).then_some(())
        });
        wait::until_true(name, wait::LONG, || {
            let shown = agent.get("/api/v1/targets").body;
            shown.contains(refusal.unwrap_or_default())
        });
    }
    let asked = targets[0].requests().remove(0);
    let expected = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                    application/openmetrics-text;version=0.0.1;q=0.5,\
                    text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                    text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    assert_eq!(asked.header("Accept"), Some(expected));
}

#[test]
fn a_target_that_repeats_its_token_is_shown_without_it() {
    if Kind::under_test().is_excused("Debian's shows the token") {
        return;
    }
    // As a page it is wrong, and the error quotes it.
    let target = HttpServer::start(|request: &Request| {
        let sent = request.header("authorization").unwrap_or_default();
        text(format!("{sent} is not welcome\n"))
    });
    let receiver = Receiver::start();
    let keys = "  authorization: {credentials_file: token}\n";
    let mut agent = Agent::with_config(&config(&receiver.url(), &[job("echo", &target, keys)]));
    agent.write("token", "HUNTER2-FROM-FILE\n");
    agent.start();
    let shown = wait::until("an error", wait::LONG, || {
        let body = agent.get("/api/v1/targets").body;
        body.contains("strconv").then_some(body)
    });
    assert!(shown.contains("\\u003csecret\\u003e"), "{shown}");
    assert!(!shown.contains("HUNTER2"), "{shown}");
    assert!(!agent.log().contains("HUNTER2"));
}
