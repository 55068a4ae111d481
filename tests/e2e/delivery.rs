//! From a target to a receiver: everything, once, in order.

use std::time::Duration;

use super::support::agent::{Agent, Kind};
use super::support::http::HttpServer;
use super::support::ledger::Ledger;
use super::support::process::Process;
use super::support::prom::Server;
use super::support::receiver::{Point, Receiver, label};
use super::support::target::{TEXT, recorded};
use super::support::{client, config, endpoint, ports, remote_write, wait};

/// Where Debian's package puts it.
const NODE_EXPORTER: &str = "/usr/bin/prometheus-node-exporter";

#[test]
fn every_sample_of_many_targets_is_delivered_exactly_once() {
    let receiver = Receiver::start();
    let ledger = Ledger::start(10, 50);
    let mut agent = Agent::with_config(&config(&receiver.url(), &[ledger.job("ledger", "200ms")]));
    agent.start();
    ledger.wait_for(15);
    let audit = ledger.settle(&receiver, wait::LONG);
    println!("{:?}: {audit}", agent.kind);
    audit.assert_exact();
    receiver.assert_clean();
    let (status, took) = agent.terminate();
    assert!(status.success(), "ended with {status}");
    assert!(took < Duration::from_secs(5), "took {took:?} to stop");
}

#[test]
fn a_real_exporter_arrives_at_a_real_server() {
    let dir = tempfile::tempdir().expect("a scratch folder");
    let port = ports::free();
    let address = format!("--web.listen-address=127.0.0.1:{port}");
    let log = dir.path().join("log");
    let _exporter = Process::start(NODE_EXPORTER, &[address], dir.path(), &log);
    wait::until_true("node_exporter", wait::LONG, || {
        client::get(port, "/metrics").is_ok()
    });

    let server = Server::start();
    let job = format!(
        "- job_name: node\n  scrape_interval: 500ms\n  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
    );
    let mut agent = Agent::with_config(&config(&server.url(), &[job]));
    agent.start();
    server.until("up{job='node'}", wait::LONG, |up| up == 1.0);
    server.until(
        "sum(rate(node_cpu_seconds_total{job='node'}[10s]))",
        wait::LONG,
        |cpus| cpus > 0.1,
    );
    let scraped = "sum(scrape_samples_scraped{job='node'})";
    let stored = "count({job='node',__name__!~'up|scrape_.+'})";
    server.until(&format!("{scraped} - {stored}"), wait::LONG, |difference| {
        difference == 0.0
    });
    let metadata = server.scalar("count(node_uname_info{job='node'})");
    assert_eq!(metadata, Some(1.0));
}

#[test]
fn recorded_pages_arrive_whole_at_a_real_server() {
    let pages = ["node_exporter", "haproxy", "consul", "etcd"];
    let targets = pages.map(|name| {
        let page = recorded(&format!("{name}.00.prom"));
        let reply = super::support::http::Reply::ok(TEXT, page).gzipped();
        HttpServer::start(move |_: &super::support::http::Request| reply.clone())
    });
    let jobs: Vec<String> = pages
        .iter()
        .zip(&targets)
        .map(|(name, target)| {
            let address = target.address();
            format!("- job_name: {name}\n  static_configs: [{{targets: ['{address}']}}]\n")
        })
        .collect();
    let server = Server::start();
    let mut agent = Agent::with_config(&config(&server.url(), &jobs));
    agent.start();
    for name in pages {
        let page = String::from_utf8(recorded(&format!("{name}.00.prom"))).expect("text");
        let lines = page
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let expected = lines.count();
        let stored = format!("count({{job='{name}',__name__!~'up|scrape_.+'}})");
        server.until(&stored, wait::LONG, |count| count == expected as f64);
    }
}

#[test]
fn a_new_endpoint_gets_the_first_scrapes_too() {
    if Kind::under_test().is_excused("endpoints that start with it may miss them") {
        return;
    }
    let (endpoints, targets) = (100, 40);
    let receiver = Receiver::start();
    let ledger = Ledger::start(targets, 1);
    let one = endpoint(&receiver.url());
    let named = |number| one.replacen('\n', &format!("\n  name: number-{number}\n"), 1);
    let all: String = (0..endpoints).map(named).collect();
    let job = ledger.job("ledger", "300ms");
    let mut agent = Agent::with_config(&format!("scrape_configs:\n{job}remote_write:\n{all}"));
    agent.start();
    let is_first =
        |point: &Point| Ledger::parts(f64::from_bits(point.bits)).is_some_and(|own| own.1 == 0);
    receiver.until("the first scrape of every target", wait::LONG, |books| {
        let mut series = books.named("ledger_value");
        let all = series
            .all(|(_, points)| points.iter().filter(|own| is_first(own)).count() == endpoints);
        (all && books.named("ledger_value").count() == targets as usize).then_some(())
    });
}

#[test]
fn two_receivers_get_everything_and_a_dead_one_delays_nobody() {
    let (one, other) = (Receiver::start(), Receiver::start());
    let ledger = Ledger::start(3, 20);
    let both = remote_write(&one.url()).trim_end().to_owned();
    let second = remote_write(&other.url()).replace("remote_write:\n", "");
    let text = format!(
        "scrape_configs:\n{}{both}\n{second}",
        ledger.job("ledger", "200ms")
    );
    let mut agent = Agent::with_config(&text);
    agent.start();
    ledger.wait_for(3);
    other.go_away();
    ledger.wait_for(10);
    let healthy = ledger.settle(&one, wait::LONG);
    println!("{:?}, the healthy one: {healthy}", agent.kind);
    healthy.assert_exact();
    other.come_back();
    let returned = ledger.settle(&other, wait::LONG);
    println!("{:?}, the one that was away: {returned}", agent.kind);
    returned.assert_sound();
    assert_eq!(returned.lost(), 0);
}

#[test]
fn samples_carry_the_time_of_their_scrape() {
    let receiver = Receiver::start();
    let ledger = Ledger::start(1, 1);
    let mut agent = Agent::with_config(&config(&receiver.url(), &[ledger.job("ledger", "200ms")]));
    let before = wait::wall_ms();
    agent.start();
    ledger.wait_for(10);
    ledger.settle(&receiver, wait::LONG);
    let after = wait::wall_ms();
    let times = receiver.books(|books| {
        let (labels, points) = books.named("ledger_value").next().expect("a series");
        assert_eq!(label(labels, "job"), "ledger");
        points
            .iter()
            .map(|point| point.timestamp)
            .collect::<Vec<_>>()
    });
    assert!(
        times.iter().all(|time| (before..=after).contains(time)),
        "{times:?}"
    );
    let even = times
        .windows(2)
        .filter(|two| (150..250).contains(&(two[1] - two[0])));
    assert!(
        even.count() * 2 > times.len(),
        "hardly any interval is 200 ms: {times:?}"
    );
}
