//! Targets from ZooKeeper and etcd, against real servers.
//!
//! Needs the Debian packages `libzookeeper-java` (with a Java) and `etcd-server`; a server that is missing fails its tests.

mod etcd;
mod etcd_server;
mod keeper;
mod relay;
mod zookeeper;
mod zookeeper_writer;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::support::agent::{Agent, Kind};
use super::support::wait;

/// What discovery says of a target.
type Labels = BTreeMap<String, String>;

/// An agent with one job for each section, none of whose targets is scraped: all are dropped, which
/// leaves them to be looked at.
fn agent(kind: Kind, sections: &[(&str, String)]) -> Agent {
    let job = |(name, section): &(&str, String)| {
        format!("- job_name: {name}\n  relabel_configs: [{{action: drop}}]\n  {section}\n")
    };
    let jobs: String = sections.iter().map(job).collect();
    let agent = Agent::of(kind, &format!("scrape_configs:\n{jobs}"));
    match kind {
        Kind::Narthex => agent.flags(&["--scrape.discovery-reload-interval=100ms"]),
        // The harness gives it that flag anyway.
        Kind::Prometheus => agent.flags(&[]),
    }
}

/// All that was discovered for a job, labels that every target has left out.
fn discovered(agent: &Agent, job: &str) -> BTreeSet<Labels> {
    let answer = agent.get("/api/v1/targets").json();
    let dropped = answer["data"]["droppedTargets"].as_array();
    let labels = |target: &serde_json::Value| {
        let found: Labels = serde_json::from_value(target["discoveredLabels"].clone())
            .unwrap_or_else(|error| panic!("{error}: {target}"));
        found
    };
    let all = dropped.into_iter().flatten().map(labels);
    let mine = all.filter(|labels| labels.get("job").is_some_and(|it| it == job));
    let usual = |name: &String| {
        name == "job"
            || name.starts_with("__") && !name.starts_with("__meta") && name != "__address__"
    };
    mine.map(|labels| {
        labels
            .into_iter()
            .filter(|(name, _)| !usual(name))
            .collect()
    })
    .collect()
}

fn addresses(agent: &Agent, job: &str) -> Vec<String> {
    let found = discovered(agent, job);
    let mut found: Vec<String> = found
        .iter()
        .map(|labels| labels["__address__"].clone())
        .collect();
    found.sort_unstable();
    found
}

/// Waits until a job has these addresses, sorted.
fn wait_for(agent: &Agent, job: &str, expected: &[&str]) {
    let mut last = Vec::new();
    let found = wait::try_until(wait::LONG, || {
        last = addresses(agent, job);
        (last == expected).then_some(())
    });
    assert!(
        found.is_some(),
        "{job} has {last:?}, not {expected:?}; log:\n{}",
        agent.log()
    );
}

/// Waits until the agent has counted so many failed refreshes of a mechanism.
fn wait_for_failures(agent: &Agent, mechanism: &str, count: f64) {
    wait::until_true("failures to be counted", wait::LONG, || {
        failures(agent, mechanism) >= count
    });
}

fn failures(agent: &Agent, mechanism: &str) -> f64 {
    let part = format!("mechanism=\"{mechanism}\"");
    let found = agent.metric("prometheus_sd_refresh_failures_total", &part);
    found.expect("a counter")
}

/// Waits until the status page shows an error.
fn wait_for_status(agent: &Agent, expected: &str) {
    wait::until_true(expected, wait::LONG, || {
        agent.get("/agent").body.contains(expected)
    });
}
