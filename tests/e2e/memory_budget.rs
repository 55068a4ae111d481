//! A memory budget that the fleet does not fit into: load is shed in order, and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::support::agent::Agent;
use super::support::http::{HttpServer, Reply, Request};
use super::support::ledger::Ledger;
use super::support::receiver::{self, Receiver};
use super::support::{config, target, wait};

const MIB: u64 = 1024 * 1024;

/// The budget, and what the program needs beside what its allocator holds (the build under test is
/// not the one that is shipped).
const BUDGET: u64 = 8 * MIB;
const BESIDE: u64 = 24 * MIB;

/// Targets that fit into the budget one by one and not together.
const LARGE: usize = 20;
const SERIES: usize = 5000;

/// What the large targets answer: an error, their page, hardly anything.
const ABSENT: u8 = 0;
const FULL: u8 = 1;
const SMALL: u8 = 2;

/// The page of a large target: series that no other target has.
fn page(number: usize) -> String {
    let row = |series| format!("large_{number}_{series}{{some=\"label\"}} 1\n");
    (0..SERIES).map(row).collect()
}

/// How many of the last `up` of the large targets say so.
fn up(receiver: &Receiver) -> usize {
    receiver.books(|books| {
        let own = books.named("up").filter(|(labels, points)| {
            let large = receiver::label(labels, "job") == "large";
            large
                && points
                    .last()
                    .is_some_and(|last| f64::from_bits(last.bits) == 1.0)
        });
        own.count()
    })
}

#[test]
fn load_beyond_the_budget_is_shed_in_order_and_comes_back() {
    let receiver = Receiver::start();
    let healthy = Ledger::start(2, 10);
    let manner = Arc::new(AtomicU8::new(ABSENT));
    let large: Vec<HttpServer> = (0..LARGE)
        .map(|number| {
            let manner = Arc::clone(&manner);
            let full = page(number);
            HttpServer::start(move |_: &Request| match manner.load(Ordering::Relaxed) {
                ABSENT => Reply::status(503, ""),
                FULL => target::text(full.as_str()),
                _ => target::text("value 1\n"),
            })
        })
        .collect();
    let addresses: Vec<String> = large.iter().map(HttpServer::address).collect();
    // Rarely: what they showed has to be delivered, by a build for tests and in small requests, before
    // the memory for it is free.
    let crowd = format!(
        "- job_name: large\n  scrape_interval: 3s\n  static_configs: [{{targets: [{}]}}]\n",
        addresses.join(", ")
    );
    let jobs = [healthy.job("healthy", "200ms"), crowd];
    let agent = Agent::with_config(&config(&receiver.url(), &jobs));
    let mut agent = agent.flags(&[&format!("--memory.max-bytes={}MB", BUDGET / MIB)]);
    if agent.kind.is_excused("it has no memory budget") {
        return;
    }
    agent.start();
    // Known before there is no memory for those who are new.
    healthy.wait_for(5);
    manner.store(FULL, Ordering::Relaxed);
    let shed = |agent: &Agent, measure: &str| {
        let part = format!("measure=\"{measure}\"");
        agent
            .metric("narthex_memory_shed_total", &part)
            .unwrap_or(0.0)
    };
    wait::until_true("series to be left out", wait::LONG, || {
        shed(&agent, "new_series") > 0.0
    });
    healthy.wait_for(20);
    let peak = agent.peak_bytes();
    println!(
        "{:?}: {} MiB at most, {} of {LARGE} up",
        agent.kind,
        peak / MIB,
        up(&receiver)
    );
    assert!(peak < BUDGET + BESIDE, "{} MiB", peak / MIB);
    // A step may end for a moment and come back.
    wait::until_true("a measure in force", wait::LONG, || {
        agent.metric("narthex_memory_step", "") >= Some(1.0)
    });
    wait::until_true("what fits to be carried", wait::LONG, || up(&receiver) > 0);
    // The fleet shrinks: everything is taken again.
    manner.store(SMALL, Ordering::Relaxed);
    wait::until_true("all targets to be up", 3 * wait::LONG, || {
        up(&receiver) == LARGE
    });
    wait::until_true("no measure to be in force", 3 * wait::LONG, || {
        agent.metric("narthex_memory_step", "") == Some(0.0)
    });
    healthy.wait_for(5);
    healthy.settle(&receiver, wait::LONG).assert_exact();
    assert!(agent.ended().is_none());
}
