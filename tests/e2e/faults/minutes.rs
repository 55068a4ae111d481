//! A long outage for real: memory, the size of the log, and how fast the backlog goes.

use std::time::Duration;

use super::super::support::http::{HttpServer, Request};
use super::super::support::{config, effort, target, wait};
use super::Scene;

/// Pages recorded one after the other.
const PAGES: usize = 8;

/// How much more memory an outage may take, in KiB.
const GROWTH_KIB: u64 = 8 * 1024;

/// From when a receiver writes a request down to its answer, on a busy machine.
const UNANSWERED: Duration = Duration::from_secs(1);

/// Catching up, with a receiver that writes everything down.
fn catching_up() -> Duration {
    Duration::from_secs(effort::pick(60, 1800))
}

/// Targets that show the recorded pages, one after the other.
fn exporters(count: usize) -> Vec<HttpServer> {
    let serve = || {
        HttpServer::start(|request: &Request| {
            let page = request.number % PAGES;
            let page = target::recorded(&format!("node_exporter.0{page}.prom"));
            target::text(String::from_utf8(page).expect("text"))
        })
    };
    (0..count).map(|_| serve()).collect()
}

/// A scene with such targets beside the ledger, running and delivering.
fn running(exporters: &[HttpServer]) -> Scene {
    let mut scene = Scene::new(2, 50);
    let addresses: Vec<_> = exporters.iter().map(HttpServer::address).collect();
    let node = format!(
        "- job_name: node\n  scrape_interval: 1s\n  static_configs: [{{targets: [{}]}}]\n",
        addresses.join(", ")
    );
    let jobs = [scene.ledger.job("ledger", "1s"), node];
    let text = config(&scene.receiver.url(), &jobs);
    scene.agent.write_config(&text);
    scene.agent.start();
    scene.ledger.wait_for(5);
    scene.settle("before the outage").assert_exact();
    scene
}

/// Samples taken, and bytes of the log.
fn counts(scene: &Scene) -> (f64, f64) {
    let value = |name| scene.agent.metric(name, "").unwrap_or(f64::NAN);
    (
        value("prometheus_agent_samples_appended_total"),
        value("prometheus_tsdb_wal_storage_size_bytes"),
    )
}

#[test]
fn an_outage_for_real_costs_no_memory_and_is_caught_up_with() {
    let exporters = exporters(effort::pick(4, 20));
    let mut scene = running(&exporters);
    scene.receiver.go_away();
    let left = wait::now();
    let (samples, log) = counts(&scene);
    scene.ledger.wait_for(5);
    let before = scene.agent.resident_bytes() >> 10;
    let length = Duration::from_secs(effort::pick(15, 600));
    let ended = wait::try_until(length, || scene.agent.ended());
    assert!(ended.is_none(), "{}", scene.agent.log());
    let after = scene.agent.resident_bytes() >> 10;
    let (samples, log) = (counts(&scene).0 - samples, counts(&scene).1 - log);
    println!(
        "{:?}: {length:?} without a receiver, {samples} samples, {:.2} bytes a sample in the log; \
         resident {before} KiB after 5 s, {after} KiB at the end",
        scene.agent.kind,
        log / samples,
    );
    let had = scene.receiver.books(|books| books.samples);
    let back = wait::now();
    scene.receiver.come_back();
    // Audits cost more than the catching up: first it is only counted.
    let sent = || (scene.receiver.books(|books| books.samples) - had) as f64;
    wait::until_true("the backlog", catching_up(), || sent() >= samples);
    let (took, sent) = (wait::now() - back, sent());
    let audit = scene.settle("an outage for real");
    let peak = scene.agent.peak_bytes() >> 10;
    println!(
        "{sent} samples in {took:?} from the receiver's return, {:.0} a second; resident {peak} KiB \
         at most",
        sent / took.as_secs_f64(),
    );
    assert_eq!(audit.lost(), 0, "{audit}");
    // The receiver writes a request down before it answers: the cut may take the answer.
    audit.assert_repeated_only_near(&[left], UNANSWERED);
    if !scene
        .agent
        .kind
        .is_excused("it keeps the backlog's series in memory")
    {
        assert!(after < before + GROWTH_KIB, "{before} to {after} KiB");
    }
}
