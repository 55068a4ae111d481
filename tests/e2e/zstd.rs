//! VictoriaMetrics' variant of remote write 1.0 as the real program sends it, and receivers that do not
//! understand it.

use super::support::agent::{Agent, Kind, NARTHEX};
use super::support::http::{HttpServer, Reply, Request};
use super::support::ledger::Ledger;
use super::support::process::Process;
use super::support::prom::Server;
use super::support::receiver::Receiver;
use super::support::target::{TEXT, recorded};
use super::support::victoria::Victoria;
use super::support::{config, ports, wait};

/// What is sent is ours alone: no Prometheus knows the setting.
fn agent(url: &str, jobs: &[String]) -> Agent {
    let plain = format!("- url: {url}\n");
    let own = format!("{plain}  narthex: {{compression: zstd}}\n");
    Agent::of(Kind::Narthex, &config(url, jobs).replace(&plain, &own))
}

fn job(name: &str, target: &HttpServer) -> String {
    let address = target.address();
    format!(
        "- job_name: {name}\n  scrape_interval: 500ms\n  static_configs: [{{targets: ['{address}']}}]\n"
    )
}

fn exporters() -> [(&'static str, HttpServer); 2] {
    ["node_exporter", "haproxy"].map(|name| {
        let page = recorded(&format!("{name}.00.prom"));
        let reply = Reply::ok(TEXT, page).gzipped();
        (name, HttpServer::start(move |_: &Request| reply.clone()))
    })
}

#[test]
fn narthex_receive_takes_zstd_and_finds_no_rule_broken() {
    let dir = tempfile::tempdir().expect("a scratch folder");
    let port = ports::free();
    let args = ["receive", "--strict", "--quiet"].map(str::to_owned);
    let args = [&args[..], &[format!("--listen-address=127.0.0.1:{port}")]].concat();
    let mut receive = Process::start(NARTHEX, &args, dir.path(), &dir.path().join("log"));
    let exporters = exporters();
    let jobs: Vec<String> = exporters
        .iter()
        .map(|(name, target)| job(name, target))
        .collect();
    let url = format!("http://127.0.0.1:{port}/api/v1/write");
    let mut agent = agent(&url, &jobs);
    agent.start();
    let acknowledged = "narthex_remote_samples_acknowledged_total";
    wait::until_true("samples are acknowledged", wait::LONG, || {
        agent.metric(acknowledged, "") > Some(5000.0)
    });
    assert_eq!(agent.metric("narthex_remote_zstd", ""), Some(1.0));
    let (status, _) = agent.terminate();
    assert!(status.success(), "{status}");
    receive.signal(rustix::process::Signal::TERM);
    receive.wait(wait::LONG);
    let summary = receive.log();
    assert!(summary.contains("requests_zstd: "), "{summary}");
    for rule in ["refused", "undecodable", "version", "order", "encoding"] {
        assert!(!summary.contains(&format!("{rule}: ")), "{summary}");
    }
}

#[test]
fn a_receiver_without_zstd_gets_everything_with_snappy() {
    let receiver = Receiver::start();
    let ledger = Ledger::start(4, 20);
    let mut agent = agent(&receiver.url(), &[ledger.job("ledger", "200ms")]);
    agent.start();
    ledger.wait_for(10);
    ledger.settle(&receiver, wait::LONG).assert_exact();
    receiver.assert_clean();
    assert_eq!(agent.metric("narthex_remote_zstd", ""), Some(0.0));
    let fallbacks = agent.metric("narthex_remote_version_fallbacks_total", "");
    // One of each shard that was sending.
    assert!(fallbacks >= Some(1.0), "{fallbacks:?}");
    let log = agent.log();
    let words = "does not understand remote write 1.0 with zstd, it gets remote write 1.0";
    assert!(log.contains(words), "{log}");
}

#[test]
fn recorded_pages_arrive_whole_at_victoria_metrics_by_its_own_protocol() {
    let victoria = Victoria::start();
    let exporters = exporters();
    let jobs: Vec<String> = exporters
        .iter()
        .map(|(name, target)| job(name, target))
        .collect();
    let mut agent = agent(&victoria.url(), &jobs);
    agent.start();
    for (name, _target) in &exporters {
        let page = recorded(&format!("{name}.00.prom"));
        let page = String::from_utf8(page).expect("text");
        // For VictoriaMetrics a NaN is a gap.
        let rows = page.lines().filter(|line| !line.starts_with('#'));
        let rows = rows.filter(|line| !line.ends_with(" NaN")).count();
        let stored = format!("count({{job='{name}',__name__!~'up|scrape_.+'}})");
        victoria.until(&stored, |count| count == rows as f64);
    }
    // Debian's is older than the protocol and says 400.
    let knows = f64::from(u8::from(victoria.knows_zstd()));
    assert_eq!(agent.metric("narthex_remote_zstd", ""), Some(knows));
    let fallbacks = agent.metric("narthex_remote_version_fallbacks_total", "");
    assert_eq!(fallbacks, Some(1.0 - knows));
    // What it counts as arrived is what we count as sent, and by whom: one connection's requests.
    let acknowledged = agent.metric("narthex_remote_samples_acknowledged_total", "");
    assert!(acknowledged > Some(1000.0), "{acknowledged:?}");
}

#[test]
fn a_prometheus_gets_snappy() {
    let target = HttpServer::start(move |_: &Request| Reply::ok(TEXT, "lonely 42\n"));
    let server = Server::start();
    let mut agent = agent(&server.url(), &[job("one", &target)]);
    agent.start();
    server.until("lonely{job='one'}", wait::LONG, |value| value == 42.0);
    assert_eq!(agent.metric("narthex_remote_zstd", ""), Some(0.0));
}
