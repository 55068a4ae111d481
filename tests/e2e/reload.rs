//! A new configuration without a restart.

use std::time::Duration;

use super::support::agent::Agent;
use super::support::http::{HttpServer, Manner, Request};
use super::support::ledger::Ledger;
use super::support::receiver::{Answer, Receiver};
use super::support::{config, target, wait};

#[test]
fn a_hang_up_adds_and_removes_jobs_and_disturbs_the_others() {
    let receiver = Receiver::start();
    let (stays, leaves, comes) = (
        Ledger::start(2, 10),
        Ledger::start(1, 5),
        Ledger::start(1, 5),
    );
    let before = [stays.job("stays", "200ms"), leaves.job("leaves", "200ms")];
    let after = [stays.job("stays", "200ms"), comes.job("comes", "200ms")];
    let mut agent = Agent::with_config(&config(&receiver.url(), &before));
    agent.start();
    stays.wait_for(3);
    leaves.wait_for(3);
    assert_eq!(comes.scrapes(), 0);

    agent.write_config(&config(&receiver.url(), &after));
    agent.hang_up();
    comes.wait_for(3);
    let gone = leaves.scrapes();
    stays.wait_for(3);
    assert!(
        leaves.scrapes() <= gone + 1,
        "the removed job is still scraped"
    );
    let audit = receiver.books(|books| stays.audit(books, wait::now() - Duration::from_secs(1)));
    println!("{:?}, the job that stays: {audit}", agent.kind);
    audit.assert_sound();
    assert_eq!(stays.settle(&receiver, wait::LONG).stale, 0);
    // Targets are scraped before the whole of it is done.
    wait_for_verdict(&agent, 1.0);
}

/// Waits until the agent says how its last reload went.
fn wait_for_verdict(agent: &Agent, expected: f64) {
    wait::until_true("the verdict on the reload", wait::LONG, || {
        agent.metric("prometheus_config_last_reload_successful", "") == Some(expected)
    });
}

#[test]
fn a_bad_configuration_changes_nothing() {
    let receiver = Receiver::start();
    let ledger = Ledger::start(1, 5);
    let good = config(&receiver.url(), &[ledger.job("ledger", "200ms")]);
    let mut agent = Agent::with_config(&good);
    agent.start();
    ledger.wait_for(2);
    for bad in [
        "scrape_configs: [{job_name: }]\n",
        "no: such\n",
        "{",
        "global: {scrape_interval: 0x}\n",
    ] {
        agent.write_config(bad);
        let answer = agent.reload();
        assert_eq!(answer.status, 500, "{bad}: {}", answer.body);
        assert!(
            answer.body.contains("agent.yml"),
            "names no file: {}",
            answer.body
        );
        wait_for_verdict(&agent, 0.0);
    }
    agent.hang_up();
    ledger.wait_for(5);
    agent.write_config(&good);
    let answer = agent.reload();
    assert_eq!(answer.status, 200, "{}", answer.body);
    wait_for_verdict(&agent, 1.0);
    let audit = ledger.settle(&receiver, wait::LONG);
    println!("{:?}: {audit}", agent.kind);
    audit.assert_exact();
}

#[test]
fn changed_queue_settings_during_an_outage_lose_nothing() {
    let receiver = Receiver::start();
    let ledger = Ledger::start(2, 10);
    let text = config(&receiver.url(), &[ledger.job("ledger", "200ms")]);
    let mut agent = Agent::with_config(&text);
    agent.start();
    ledger.wait_for(3);
    ledger.settle(&receiver, wait::LONG);
    receiver.go_away();
    ledger.wait_for(10);
    if agent
        .kind
        .is_excused("a changed queue starts from now, after a minute of flushing")
    {
        return;
    }
    agent.write_config(&text.replace("max_samples_per_send: 500", "max_samples_per_send: 300"));
    assert_eq!(agent.reload().status, 200);
    receiver.come_back();
    ledger.wait_for(3);
    let audit = ledger.settle(&receiver, wait::LONG);
    println!("{:?}: {audit}", agent.kind);
    audit.assert_sound();
    assert_eq!(audit.lost(), 0, "{audit}");
}

#[test]
fn reloads_beside_a_hanging_receiver_keep_main_free() {
    let silent = HttpServer::start(|_: &Request| target::text("").manner(Manner::Hang));
    let ledger = Ledger::start(1, 5);
    let url = format!("http://{}/write", silent.address());
    let text = config(&url, &[ledger.job("ledger", "200ms")]);
    let mut agent = Agent::with_config(&text);
    agent.start();
    wait::until_true("a request to hang", wait::LONG, || silent.count() > 0);
    let begun = wait::now();
    for samples in 301..321 {
        let changed = format!("max_samples_per_send: {samples}");
        agent.write_config(&text.replace("max_samples_per_send: 500", &changed));
        assert_eq!(agent.reload().status, 200);
    }
    let reloads = wait::now() - begun;
    let (_, stop) = agent.terminate();
    println!("{:?}: 20 reloads {reloads:?}, stop {stop:?}", agent.kind);
    if agent.kind.is_excused("it flushes at each") {
        return;
    }
    assert!(reloads < Duration::from_secs(2), "{reloads:?}");
    assert!(stop < Duration::from_millis(1500), "{stop:?}");
}

#[test]
fn an_endpoint_that_is_removed_and_comes_back_has_one_sender() {
    let (receiver, ledger) = (Receiver::start(), Ledger::start(1, 10));
    let text = config(&receiver.url(), &[ledger.job("ledger", "100ms")]);
    let text = text.replace(
        "max_shards: 2, max_samples_per_send: 500",
        "max_shards: 1, max_samples_per_send: 20",
    );
    let (without, _) = text.split_once("remote_write:").expect("a section");
    let mut agent = Agent::with_config(&text);
    agent.start();
    receiver.go_away();
    ledger.wait_for(60);
    if agent
        .kind
        .is_excused("what an endpoint that is removed has not sent is lost")
    {
        return;
    }
    receiver.answer(|_| Answer::AcceptSlowly(Duration::from_millis(200)));
    receiver.come_back();
    let samples = || receiver.books(|books| books.samples);
    let more = |what: &str, count: usize| {
        let before = samples();
        wait::until_true(what, wait::LONG, || samples() >= before + count);
    };
    more("a backlog to be sent", 40);
    agent.write_config(without);
    assert_eq!(agent.reload().status, 200);
    more("the flush of what was removed", 60);
    agent.write_config(&text);
    assert_eq!(agent.reload().status, 200);
    more("both to send", 200);
    receiver.answer(|_| Answer::Accept);
    let audit = ledger.settle(&receiver, wait::LONG);
    println!("{:?}: {audit}", agent.kind);
    assert_eq!((audit.lost(), audit.invented), (0, 0), "{audit}");
    assert!(audit.duplicated <= 20, "more than one request: {audit}");
    // The end of the former one has not taken away the metrics of this one.
    let requests = || agent.metric("narthex_remote_requests_total", "");
    wait::until_true("the metrics", wait::LONG, || requests().is_some());
}
