//! Remote write 2.0 as the real program sends it, and receivers that do not understand it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::support::agent::{Agent, Kind, NARTHEX};
use super::support::http::{HttpServer, Reply, Request};
use super::support::ledger::Ledger;
use super::support::process::Process;
use super::support::prom::Server;
use super::support::receiver::{Receiver, label};
use super::support::target::{OPENMETRICS, TEXT, recorded};
use super::support::victoria::Victoria;
use super::support::{config, ports, wait, with_v2};

/// What is sent is ours alone: Debian's Prometheus does not speak 2.0.
fn agent(config: &str) -> Agent {
    Agent::of(Kind::Narthex, &with_v2(config))
}

fn job(name: &str, target: &HttpServer) -> String {
    let address = target.address();
    format!(
        "- job_name: {name}\n  scrape_interval: 500ms\n  static_configs: [{{targets: ['{address}']}}]\n"
    )
}

/// Samples in the new version may arrive before the gauge says which it is.
fn wait_for_version(agent: &Agent, version: f64) {
    wait::until_true("the version in use", wait::LONG, || {
        agent.metric("narthex_remote_protocol_version", "") == Some(version)
    });
}

#[test]
fn every_sample_of_many_targets_is_delivered_exactly_once_in_2_0() {
    let receiver = Receiver::start();
    let ledger = Ledger::start(10, 50);
    let mut agent = agent(&config(&receiver.url(), &[ledger.job("ledger", "200ms")]));
    agent.start();
    ledger.wait_for(15);
    let audit = ledger.settle(&receiver, wait::LONG);
    println!("{audit}");
    audit.assert_exact();
    receiver.assert_clean();
    let versions = receiver.books(|books| books.versions);
    assert!(versions[0] == 0 && versions[1] > 0, "{versions:?}");
    wait_for_version(&agent, 2.0);
}

#[test]
fn type_help_unit_and_exemplars_come_with_every_series() {
    let page = "# TYPE disk_bytes counter\n# UNIT disk_bytes bytes\n# HELP disk_bytes Written.\n\
                disk_bytes_total{d=\"a\"} 5 # {trace_id=\"t\"} 1.5\n\
                # TYPE load gauge\nload 1.5\nbare 3\n# EOF\n";
    let target = HttpServer::start(move |_: &Request| Reply::ok(OPENMETRICS, page));
    let receiver = Receiver::start();
    let mut agent = agent(&config(&receiver.url(), &[job("om", &target)]));
    agent.start();
    let told = receiver.until("four kinds of series", wait::LONG, |books| {
        let told: BTreeMap<String, _> = books
            .described
            .iter()
            .map(|(labels, told)| (label(labels, "__name__").to_owned(), told.clone()))
            .collect();
        let names = ["disk_bytes_total", "load", "bare", "up"];
        names
            .iter()
            .all(|name| told.contains_key(*name))
            .then_some(told)
    });
    let of = |kind, help: &str, unit: &str| Some((kind, help.to_owned(), unit.to_owned()));
    assert_eq!(told["disk_bytes_total"], of(1, "Written.", "bytes"));
    assert_eq!(told["load"], of(2, "", ""));
    assert_eq!(told["bare"], None);
    assert_eq!(told["up"].as_ref().map(|(kind, ..)| *kind), Some(2));
    receiver.until("an exemplar", wait::LONG, |books| {
        let mut own = books.exemplars.values().flatten();
        own.any(|(labels, ..)| label(labels, "trace_id") == "t")
            .then_some(())
    });
    receiver.assert_clean();
}

#[test]
fn a_receiver_that_answers_415_gets_everything_as_1_0() {
    let receiver = Receiver::start();
    receiver.refuse_v2();
    let ledger = Ledger::start(4, 20);
    let mut agent = agent(&config(&receiver.url(), &[ledger.job("ledger", "200ms")]));
    agent.start();
    ledger.wait_for(10);
    ledger.settle(&receiver, wait::LONG).assert_exact();
    receiver.assert_clean();
    let versions = receiver.books(|books| books.versions);
    assert!(versions[0] > 0 && versions[1] == 0, "{versions:?}");
    wait_for_version(&agent, 1.0);
    wait::until_true("the fallback to be counted", wait::LONG, || {
        agent.metric("narthex_remote_version_fallbacks_total", "") >= Some(1.0)
    });
    wait::until_true("a word about it", wait::LONG, || {
        agent.log().contains("does not understand remote write 2.0")
    });
    // 1.0 has its own metadata, and the ledger's targets say a type.
    receiver.until("metadata", wait::LONG, |books| {
        (!books.metadata.is_empty()).then_some(())
    });
}

#[test]
fn one_bad_series_costs_only_itself_in_2_0() {
    let page = "good 1\npoison 666\nother 2\n";
    let target = HttpServer::start(move |_: &Request| Reply::ok(TEXT, page));
    let receiver = Receiver::start();
    receiver.answer(|facts| {
        if facts.contains(666.0) {
            let refusal = Reply::status(400, "label value is poison\n");
            let refusal = refusal.header("X-Prometheus-Remote-Write-Samples-Written", "0");
            return super::support::receiver::Answer::Refuse(refusal);
        }
        super::support::receiver::Answer::Accept
    });
    let mut agent = agent(&config(&receiver.url(), &[job("bad", &target)]));
    agent.start();
    receiver.until("three scrapes of both good series", wait::LONG, |books| {
        let enough = |name| books.named(name).any(|(_, points)| points.len() >= 3);
        (enough("good") && enough("other")).then_some(())
    });
    receiver.assert_clean();
    let versions = receiver.books(|books| books.versions);
    assert_eq!(versions[0], 0, "{versions:?}");
    assert!(receiver.books(|books| books.named("poison").next().is_none()));
}

#[test]
fn the_agent_keeps_every_rule_that_narthex_receive_checks() {
    let names = ["node_exporter", "haproxy", "consul", "etcd"];
    let targets = names.map(|name| {
        let page = recorded(&format!("{name}.00.prom"));
        let reply = Reply::ok(TEXT, page).gzipped();
        HttpServer::start(move |_: &Request| reply.clone())
    });
    let dir = tempfile::tempdir().expect("a scratch folder");
    let (port, file) = (ports::free(), dir.path().join("samples.txt"));
    let args = [
        "receive".to_owned(),
        "--strict".to_owned(),
        "--quiet".to_owned(),
        format!("--listen-address=127.0.0.1:{port}"),
        format!("--file={}", file.display()),
    ];
    let log = dir.path().join("log");
    let mut receive = Process::start(NARTHEX, &args, dir.path(), &log);
    let jobs: Vec<String> = names
        .iter()
        .zip(&targets)
        .map(|(name, target)| job(name, target))
        .collect();
    let url = format!("http://127.0.0.1:{port}/api/v1/write");
    let mut agent = agent(&config(&url, &jobs));
    agent.start();
    let lines = wait::until("every job's samples as lines", wait::LONG, || {
        let text = fs::read_to_string(&file).ok()?;
        let count = |name: &str| text.matches(&format!("job=\"{name}\"")).count();
        names.iter().all(|name| count(name) > 600).then_some(text)
    });
    let line = lines
        .lines()
        .find(|line| line.starts_with("node_load1{"))
        .expect("a series of node_exporter");
    assert!(line.contains("job=\"node_exporter\"} "), "{line}");
    let (status, _) = agent.terminate();
    assert!(status.success(), "{status}");
    receive.signal(rustix::process::Signal::TERM);
    receive.wait(Duration::from_secs(10));
    let summary = receive.log();
    assert!(summary.contains("requests_v2: "), "{summary}");
    for rule in [
        "refused",
        "undecodable",
        "symbol",
        "references",
        "version",
        "order",
    ] {
        assert!(!summary.contains(&format!("{rule}: ")), "{summary}");
    }
}

#[test]
fn recorded_pages_arrive_whole_at_victoria_metrics() {
    let names = ["node_exporter", "haproxy"];
    let targets = names.map(|name| {
        let page = recorded(&format!("{name}.00.prom"));
        let reply = Reply::ok(TEXT, page).gzipped();
        HttpServer::start(move |_: &Request| reply.clone())
    });
    let victoria = Victoria::start();
    let jobs: Vec<String> = names
        .iter()
        .zip(&targets)
        .map(|(name, target)| job(name, target))
        .collect();
    // Debian's takes a request of 2.0 for an empty one of 1.0, and gets 1.0 then.
    let mut agent = agent(&config(&victoria.url(), &jobs));
    agent.start();
    for name in names {
        let page = recorded(&format!("{name}.00.prom"));
        let page = String::from_utf8(page).expect("text");
        // For VictoriaMetrics a NaN is a gap.
        let rows = page.lines().filter(|line| !line.starts_with('#'));
        let rows = rows.filter(|line| !line.ends_with(" NaN")).count();
        let stored = format!("count({{job='{name}',__name__!~'up|scrape_.+'}})");
        victoria.until(&stored, |count| count == rows as f64);
    }
    wait_for_version(&agent, 1.0);
}

#[test]
fn a_prometheus_that_knows_1_0_only_gets_1_0() {
    let target = HttpServer::start(move |_: &Request| Reply::ok(TEXT, "lonely 42\n"));
    let server = Server::start();
    let mut agent = agent(&config(&server.url(), &[job("one", &target)]));
    agent.start();
    server.until("lonely{job='one'}", wait::LONG, |value| value == 42.0);
    wait_for_version(&agent, 1.0);
}
