//! What an agent with a small fleet holds: measured from outside, a little above what it takes, so that
//! a buffer or a thread more is noticed.

use super::support::agent::Agent;
use super::support::http::{HttpServer, Request};
use super::support::receiver::Receiver;
use super::support::{config, target, wait};

const SERIES: usize = 1000;

/// The page of a target with 100 families of ten series.
fn page() -> String {
    let family = |number: usize| {
        let name = format!("footprint_metric_{number}_total");
        let rows = (0..10).map(|row| format!("{name}{{device=\"dev{row}\"}} {row}.5\n"));
        let head = format!("# HELP {name} What it counts.\n# TYPE {name} counter\n");
        rows.fold(head, |page, row| page + &row)
    };
    (0..SERIES / 10).map(family).collect()
}

/// A field of `/proc/PID/status`, in KiB.
fn kibibytes(pid: i32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("running");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

#[test]
fn a_small_fleet_takes_little_memory_and_few_pages_of_the_program() {
    let receiver = Receiver::start();
    let targets: Vec<HttpServer> = (0..5)
        .map(|_| {
            let page = page();
            HttpServer::start(move |_: &Request| target::text(page.as_str()))
        })
        .collect();
    let addresses: Vec<String> = targets.iter().map(HttpServer::address).collect();
    let job = format!(
        "- job_name: small\n  scrape_interval: 1s\n  static_configs: [{{targets: [{}]}}]\n",
        addresses.join(", ")
    );
    let mut agent = Agent::with_config(&config(&receiver.url(), &[job]));
    if agent.kind.is_excused("it takes ten times as much") {
        return;
    }
    agent.start();
    wait::until_true("twenty scrapes", wait::LONG, || {
        targets.iter().all(|target| target.count() >= 20)
    });
    let pid = agent.pid();
    let own = kibibytes(pid, "RssAnon:");
    let file = kibibytes(pid, "RssFile:");
    println!("{:?}: {own} KiB of its own, {file} of files", agent.kind);
    // A build for tests has more to relocate: half a MiB.
    assert!(own < 4608, "{own} KiB");
    // Pages that only the start needed are gone by now. Without that it is twice as much.
    let program = std::fs::metadata(agent.program()).expect("program").len() >> 10;
    assert!(file < program / 5, "{file} of {program} KiB");
    wait::until_true("samples to arrive", wait::LONG, || {
        receiver.books(|books| books.named("footprint_metric_0_total").count() >= 50)
    });
}
