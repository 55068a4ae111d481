//! Receivers as they refuse in the field: their limits, statuses and words, one endpoint for each
//! under one agent. What is good arrives at all of them, and what is bad costs only itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::support::agent::{Agent, Kind};
use super::support::http::Reply;
use super::support::ledger::{Audit, Ledger};
use super::support::receiver::{Answer, Facts, Receiver};
use super::support::{endpoint, wait};

/// Delivering everything with one refusal after another, on a busy machine.
const DRAIN: Duration = Duration::from_secs(90);

const TARGETS: u64 = 2;
const SERIES: u64 = 20;

/// Every fourth scrape of these series is refused.
const BAD: [u64; 2] = [3, 33];

fn is_bad(value: f64) -> bool {
    Ledger::parts(value).is_some_and(|(series, scrape)| BAD.contains(&series) && scrape % 4 == 0)
}

/// Refuses a request as a whole for one bad sample in it.
fn whole(status: u16, words: &'static str) -> impl FnMut(Facts<'_>) -> Answer {
    move |facts| match facts.any(is_bad) {
        true => Answer::Refuse(Reply::status(status, words)),
        false => Answer::Accept,
    }
}

/// Says this to the first requests.
fn first<F: FnMut(Facts<'_>) -> Answer>(
    times: usize,
    reply: Reply,
    mut then: F,
) -> impl FnMut(Facts<'_>) -> Answer {
    let mut number = 0;
    move |facts| {
        number += 1;
        match number <= times {
            true => Answer::Refuse(reply.clone()),
            false => then(facts),
        }
    }
}

/// Takes requests of so many samples at most.
fn small<F: FnMut(Facts<'_>) -> Answer>(
    most: usize,
    words: &'static str,
    mut then: F,
) -> impl FnMut(Facts<'_>) -> Answer {
    move |facts| match facts.samples > most {
        true => Answer::Refuse(Reply::status(413, words)),
        false => then(facts),
    }
}

/// Writes what is good and refuses the request, as stores do that are made of many: what is sent again
/// then goes back in time, and is refused for that.
fn partly(status: u16, bad: &'static str, old: &'static str) -> impl FnMut(Facts<'_>) -> Answer {
    let mut newest: BTreeMap<u64, u64> = BTreeMap::new();
    move |facts| {
        let (mut dropped, mut refusal) = (BTreeSet::new(), None);
        for value in facts.named("ledger_value") {
            let Some((series, scrape)) = Ledger::parts(value) else {
                continue;
            };
            let last = newest.entry(series).or_insert(scrape);
            if is_bad(value) {
                refusal = Some(bad);
                dropped.insert(value.to_bits());
            } else if scrape < *last {
                refusal = refusal.or(Some(old));
                dropped.insert(value.to_bits());
            } else {
                *last = scrape;
            }
        }
        match refusal {
            Some(words) => Answer::CommitBut(dropped, Reply::status(status, words)),
            None => Answer::Accept,
        }
    }
}

/// Mimir, and Grafana Cloud in front of it: a limit of requests, then partial writes.
fn mimir() -> impl FnMut(Facts<'_>) -> Answer {
    let limited = "the request has been rejected because the tenant exceeded the request rate limit, set \
                   to 10 requests/s (err-mimir-tenant-max-request-rate)\n";
    first(
        2,
        Reply::status(429, limited).header("Retry-After", "1"),
        partly(
            400,
            "failed pushing to ingester ingester-1: user=1: received a series whose label value length \
             exceeds the limit (err-mimir-label-value-too-long)\n",
            "failed pushing to ingester ingester-1: user=1: the sample has been rejected because another \
             sample with a more recent timestamp has already been ingested and out-of-order samples are \
             not allowed (err-mimir-sample-out-of-order)\n",
        ),
    )
}

type Script = Box<dyn FnMut(Facts<'_>) -> Answer + Send>;

/// Names of receivers with what they answer.
fn scripts() -> Vec<(&'static str, Script)> {
    let busy = Reply::status(503, "cannot handle more than 8 concurrent inserts\n");
    vec![
        ("mimir", Box::new(mimir())),
        (
            "cortex",
            Box::new(whole(400, "series 1: max-series-per-user exceeded\n")),
        ),
        (
            "thanos",
            Box::new(whole(
                409,
                "store locally for endpoint 10.0.0.1:10901: conflict\n",
            )),
        ),
        (
            "victoriametrics",
            Box::new(first(
                2,
                busy.header("Retry-After", "1"),
                whole(400, "cannot parse the request\n"),
            )),
        ),
        (
            "amazon",
            Box::new(small(
                60,
                "{\"message\":\"Request body exceeds the limit\"}\n",
                whole(400, "{\"message\":\"ValidationException\"}\n"),
            )),
        ),
        (
            "influx",
            Box::new(partly(
                422,
                "partial write: bad value\n",
                "partial write: out of order sample\n",
            )),
        ),
    ]
}

/// Samples that an endpoint has lost, by reason.
fn losses(agent: &Agent, endpoint: &str) -> BTreeMap<String, u64> {
    let lines = agent.get("/api/v1/status/losses").json();
    let lines = lines["data"].as_array().expect("lines").iter();
    let own = lines.filter(|line| line["remote_name"] == endpoint);
    own.map(|line| {
        let reason = line["reason"].as_str().expect("a text").to_owned();
        (reason, line["samples"].as_u64().expect("a number"))
    })
    .collect()
}

/// Samples that an endpoint has not taken care of.
fn pending(agent: &Agent, endpoint: &str) -> Option<f64> {
    let part = format!("remote_name=\"{endpoint}\"");
    agent.metric("prometheus_remote_storage_samples_pending", &part)
}

#[test]
fn what_is_good_arrives_whatever_receivers_refuse_and_how() {
    if Kind::under_test().is_excused("it drops a request for one bad sample") {
        return;
    }
    let ledger = Ledger::start(TARGETS, SERIES);
    let scripts = scripts();
    let names: Vec<&str> = scripts.iter().map(|(name, _)| *name).collect();
    let receivers: Vec<Receiver> = scripts
        .into_iter()
        .map(|(_, script)| {
            let receiver = Receiver::start();
            receiver.answer(script);
            receiver
        })
        .collect();
    let mut text = format!(
        "scrape_configs:\n{}remote_write:\n",
        ledger.job("ledger", "200ms")
    );
    for (name, receiver) in names.iter().zip(&receivers) {
        let own = endpoint(&receiver.url());
        let url = format!("- url: {}\n", receiver.url());
        text += &own.replace(&url, &format!("{url}  name: {name}\n"));
    }
    let mut agent = Agent::with_config(&text);
    agent.start();
    ledger.wait_for(16);
    let until = wait::now();
    for (name, receiver) in names.iter().zip(&receivers) {
        let mut seen = String::new();
        let audit = wait::try_until(DRAIN, || {
            let audit = receiver.books(|books| ledger.audit(books, until));
            seen = format!("{audit}; {:?} pending", pending(&agent, name));
            only_bad_ones_are_missing(&audit).then_some(audit)
        });
        let audit = audit.unwrap_or_else(|| panic!("{name} after {DRAIN:?}: {seen}"));
        println!("{name}: {audit}; {:?}", losses(&agent, name));
        assert_eq!((audit.invented, audit.reordered), (0, 0), "{name}: {audit}");
        receiver.assert_clean();
        receiver.books(|books| {
            for (labels, points) in books.named("ledger_value") {
                let mut values = points.iter().map(|point| f64::from_bits(point.bits));
                assert!(!values.any(is_bad), "{name}: {labels:?}");
            }
        });
        // Partial writes leave some of it to be told apart from what is there already.
        let told = wait::until("the books", DRAIN, || {
            let own = losses(&agent, name);
            (!own.is_empty()).then_some(own)
        });
        assert_eq!(
            told.keys().collect::<Vec<_>>(),
            ["invalid"],
            "{name}: {told:?}"
        );
    }
}

/// Of every scrape at most the bad series of its target is missing, and some are.
fn only_bad_ones_are_missing(audit: &Audit) -> bool {
    let mut lost = audit.lost.iter();
    !audit.lost.is_empty() && lost.all(|(_, samples)| *samples == 1)
}
