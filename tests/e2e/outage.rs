//! The receiver is away, ill or lying, and the agent is stopped or killed meanwhile.
//!
//! The books of both ends say what was lost. Each test prints its figures, so that a run with
//! `NARTHEX_E2E_AGENT=prometheus` yields the figures to compare with.

use std::time::Duration;

use super::support::agent::Agent;
use super::support::http::Reply;
use super::support::ledger::{Audit, Ledger};
use super::support::prom::Server;
use super::support::receiver::{Answer, Receiver};
use super::support::{config, wait};

/// Restarting and draining, on a busy machine.
const DRAIN: Duration = Duration::from_secs(30);

/// What `kill -9` may cost: a second until the system has a block, and what a busy machine adds.
const KILL_WINDOW: Duration = Duration::from_millis(1250);

struct Scene {
    receiver: Receiver,
    ledger: Ledger,
    agent: Agent,
}

/// An agent that has delivered some scrapes of a ledger.
fn running() -> Scene {
    let receiver = Receiver::start();
    let ledger = Ledger::start(4, 25);
    let mut agent = Agent::with_config(&config(&receiver.url(), &[ledger.job("ledger", "200ms")]));
    agent.start();
    ledger.wait_for(5);
    ledger.settle(&receiver, DRAIN);
    Scene {
        receiver,
        ledger,
        agent,
    }
}

impl Scene {
    fn settle(&self, what: &str) -> Audit {
        let audit = self.ledger.settle(&self.receiver, DRAIN);
        println!("{:?}, {what}: {audit}", self.agent.kind);
        audit.assert_sound();
        self.receiver.assert_clean();
        audit
    }
}

/// Nothing lost, and nothing sent twice without need.
fn assert_complete(audit: &Audit, duplicates: usize) {
    assert_eq!(audit.lost(), 0, "{audit}");
    assert!(audit.duplicated <= duplicates, "{audit}");
    assert_eq!(audit.stale, 0, "{audit}");
}

#[test]
fn an_absent_receiver_gets_everything_when_it_is_back() {
    let scene = running();
    scene.receiver.go_away();
    scene.ledger.wait_for(15);
    scene.receiver.come_back();
    // A request under way when the connection was cut may have been kept.
    assert_complete(&scene.settle("receiver away"), 1000);
}

#[test]
fn an_ill_receiver_gets_everything_when_it_is_well() {
    let scene = running();
    let mut number = 0;
    scene.receiver.answer(move |_| {
        number += 1;
        match number {
            1..=6 => Answer::status(503),
            7 => Answer::status(500),
            8 => Answer::Refuse(Reply::status(503, "").header("Retry-After", "1")),
            _ => Answer::Accept,
        }
    });
    scene.ledger.wait_for(15);
    assert_complete(&scene.settle("503 eight times"), 0);
}

#[test]
fn a_busy_receiver_is_asked_again() {
    let scene = running();
    let mut number = 0;
    scene.receiver.answer(move |_| {
        number += 1;
        if number > 3 {
            return Answer::Accept;
        }
        Answer::Refuse(Reply::status(429, "slow down\n").header("Retry-After", "1"))
    });
    scene.ledger.wait_for(10);
    let audit = scene.settle("429 three times");
    if !scene
        .agent
        .kind
        .is_excused("it drops what gets 429 unless told otherwise")
    {
        assert_complete(&audit, 0);
    }
}

#[test]
fn a_request_that_is_too_large_is_split() {
    let scene = running();
    scene.receiver.go_away();
    scene.ledger.wait_for(10);
    scene.receiver.answer(|facts| {
        if facts.samples > 60 {
            return Answer::status(413);
        }
        Answer::Accept
    });
    scene.receiver.come_back();
    let audit = scene.settle("413 above 60 samples");
    if !scene.agent.kind.is_excused("it drops what gets 413") {
        assert_complete(&audit, 1000);
    }
}

#[test]
fn wrong_credentials_hold_the_data_until_they_are_right() {
    let scene = running();
    scene.receiver.answer(|_| Answer::status(401));
    scene.ledger.wait_for(10);
    scene.receiver.answer(|_| Answer::Accept);
    // The slow retry has its own pace, of a minute at most.
    let audit = scene
        .ledger
        .settle(&scene.receiver, Duration::from_secs(90));
    println!("{:?}, 401 for two seconds: {audit}", scene.agent.kind);
    if !scene.agent.kind.is_excused("it drops what gets 401") {
        assert_complete(&audit, 0);
    }
}

#[test]
fn a_lost_answer_costs_duplicates_only() {
    let scene = running();
    let mut number = 0;
    scene.receiver.answer(move |_| {
        number += 1;
        if number % 3 == 0 && number < 20 {
            Answer::CommitThenClose
        } else {
            Answer::Accept
        }
    });
    scene.ledger.wait_for(15);
    let audit = scene.settle("answers lost");
    assert_eq!(audit.lost(), 0);
    assert!(
        audit.duplicated > 0,
        "the answers were lost, so something came twice: {audit}"
    );
}

#[test]
fn a_receiver_that_hangs_is_left_after_the_timeout() {
    let scene = running();
    let mut number = 0;
    scene.receiver.answer(move |_| {
        number += 1;
        if number == 1 {
            Answer::Hang
        } else {
            Answer::Accept
        }
    });
    scene.ledger.wait_for(10);
    assert_complete(&scene.settle("one request hangs"), 0);
}

#[test]
fn a_captive_portal_is_no_receiver() {
    let scene = running();
    scene.receiver.answer(|_| Answer::Portal);
    scene.ledger.wait_for(10);
    scene.receiver.answer(|_| Answer::Accept);
    let audit = scene.settle("captive portal");
    if !scene
        .agent
        .kind
        .is_excused("any 2xx is an acknowledgement to it")
    {
        assert_complete(&audit, 0);
    }
}

#[test]
fn a_stop_during_an_outage_is_quick_and_loses_nothing() {
    let mut scene = running();
    scene.receiver.go_away();
    scene.ledger.wait_for(15);
    let (status, took) = scene.agent.terminate();
    let stopped = wait::now();
    println!("{:?}: SIGTERM took {took:?}, {status}", scene.agent.kind);
    scene.agent.start();
    scene.receiver.come_back();
    scene.ledger.wait_for(3);
    let audit = scene.settle("SIGTERM in an outage");
    if scene.agent.kind.is_excused("it forgets the backlog") {
        return;
    }
    assert!(status.success(), "ended with {status}");
    assert!(took < Duration::from_secs(2), "took {took:?}");
    // Scrapes that were under way are cut.
    audit.assert_lost_only_near(&[stopped], took + Duration::from_millis(100));
    assert!(audit.duplicated <= 1000 && audit.stale == 0, "{audit}");
}

#[test]
fn a_receiver_that_hangs_for_ever_costs_no_memory_and_delays_no_stop() {
    let receiver = Receiver::start();
    let ledger = Ledger::start(4, 500);
    let mut agent = Agent::with_config(&config(&receiver.url(), &[ledger.job("ledger", "200ms")]));
    receiver.answer(|_| Answer::Hang);
    agent.start();
    ledger.wait_for(10);
    let before = agent.resident_bytes();
    ledger.wait_for(30);
    let grown = agent.resident_bytes().saturating_sub(before) >> 20;
    let pending = agent.metric("prometheus_remote_storage_samples_pending", "");
    println!(
        "{:?}: {pending:?} samples wait, {grown} MiB more",
        agent.kind
    );
    let (status, took) = agent.terminate();
    let stopped = wait::now();
    println!("{:?}: SIGTERM took {took:?}, {status}", agent.kind);
    receiver.answer(|_| Answer::Accept);
    agent.start();
    ledger.wait_for(3);
    let audit = ledger.settle(&receiver, DRAIN);
    println!("{:?}, hung receiver: {audit}", agent.kind);
    audit.assert_sound();
    receiver.assert_clean();
    if agent
        .kind
        .is_excused("it waits a minute and forgets the backlog")
    {
        return;
    }
    assert!(status.success(), "ended with {status}");
    assert!(took < Duration::from_secs(2), "took {took:?}");
    // Two shards, each with a batch, its capacity and one block beyond.
    assert!(
        pending.is_some_and(|samples| (500.0..=2.0 * 3006.0).contains(&samples)),
        "{pending:?}"
    );
    assert!(grown < 8, "{grown} MiB more");
    audit.assert_lost_only_near(&[stopped], took + Duration::from_millis(100));
    assert_eq!((audit.duplicated, audit.stale), (0, 0), "{audit}");
}

#[test]
fn a_kill_during_an_outage_costs_at_most_the_last_second() {
    let mut scene = running();
    scene.receiver.go_away();
    scene.ledger.wait_for(15);
    scene.agent.kill();
    let killed = wait::now();
    scene.agent.start();
    scene.receiver.come_back();
    scene.ledger.wait_for(3);
    let audit = scene.settle("kill -9 in an outage");
    if scene.agent.kind.is_excused("it forgets the backlog") {
        return;
    }
    audit.assert_lost_only_near(&[killed], KILL_WINDOW);
}

#[test]
fn repeated_kills_in_and_out_of_outages_lose_only_their_last_seconds() {
    let mut scene = running();
    if scene.agent.kind.is_excused("it forgets the backlog") {
        return;
    }
    let mut kills = Vec::new();
    for round in 0..4 {
        if round % 2 == 0 {
            scene.receiver.go_away();
        }
        scene.ledger.wait_for(7);
        scene.agent.kill();
        kills.push(wait::now());
        scene.receiver.come_back();
        scene.agent.start();
        scene.ledger.wait_for(3);
    }
    let audit = scene.settle("four kills");
    audit.assert_lost_only_near(&kills, KILL_WINDOW);
}

#[test]
fn a_refused_sample_takes_at_most_its_own_scrape_with_it() {
    let scene = running();
    let scrape = u32::try_from(scene.ledger.scrapes()).expect("few") + 8;
    let poison = Ledger::first_value(scrape);
    scene.receiver.answer(move |facts| {
        if facts.contains(poison) {
            return Answer::status(400);
        }
        Answer::Accept
    });
    scene.receiver.go_away();
    scene.ledger.wait_for(15);
    scene.receiver.come_back();
    let until = wait::now();
    let audit = wait::try_until(DRAIN, || {
        let audit = scene
            .receiver
            .books(|books| scene.ledger.audit(books, until));
        (audit.lost() <= 25).then_some(audit)
    });
    let books = || {
        scene
            .receiver
            .books(|books| scene.ledger.audit(books, until))
    };
    let audit = audit.unwrap_or_else(books);
    println!("{:?}, 400 for one sample: {audit}", scene.agent.kind);
    if !scene.agent.kind.is_excused("it drops the whole request") {
        assert!((1..=25).contains(&audit.lost()), "{audit}");
        assert_eq!(audit.lost.len(), 1, "{audit}");
    }
}

#[test]
fn a_replay_after_a_kill_is_no_poison_to_a_real_server() {
    let server = Server::start();
    let ledger = Ledger::start(4, 25);
    let mut agent = Agent::with_config(&config(&server.url(), &[ledger.job("ledger", "200ms")]));
    let mut kills = Vec::new();
    for _ in 0..3 {
        agent.start();
        ledger.wait_for(7);
        agent.kill();
        kills.push(wait::now());
    }
    agent.start();
    ledger.wait_for(7);
    let audit = ledger.settle_with(wait::now(), None, DRAIN, |look| {
        look(&server.books("ledger_value"))
    });
    println!(
        "{:?}, three kills before a real server: {audit}",
        agent.kind
    );
    audit.assert_sound();
    if !agent.kind.is_excused("it forgets what was not sent") {
        audit.assert_lost_only_near(&kills, KILL_WINDOW);
    }
}
