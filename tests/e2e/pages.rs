//! What pages of targets become, beyond what Debian's Prometheus can be compared in.

use super::support::agent::{Agent, Kind};
use super::support::http::{HttpServer, Request};
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
