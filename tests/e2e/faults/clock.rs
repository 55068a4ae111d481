//! A wall clock that is wrong, steps, or stands still with its process.
//!
//! Only the agent's wall clock is changed (`support::wallclock`): that of targets and receiver is
//! true, so timestamps can be compared with the moment of the scrape.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::super::support::prom::Server;
use super::super::support::wallclock::WallClock;
use super::super::support::{config, effort, wait};
use super::{DRAIN, GAP, Scene};

const HOUR: i64 = 3600;

/// How far a timestamp may be from the wall clock at the scrape, in milliseconds: the clock is
/// looked at from time to time, the rest is a busy machine.
const TOLERANCE_MS: i64 = 500;

/// A step of the clock is noticed so soon, at most: samples until then carry the old time.
const NOTICED: Duration = Duration::from_secs(3);

fn scene() -> Option<Scene> {
    let scene = Scene::new(2, 10);
    let left_out = effort::is_unprivileged("changing the clock of a process");
    (!left_out).then_some(scene)
}

impl Scene {
    fn stamp_errors(&self) -> BTreeMap<Instant, i64> {
        self.receiver.books(|books| self.ledger.stamp_errors(books))
    }

    /// Waits until everything has arrived, whatever its timestamps.
    fn settle_anyhow(&self, what: &str) {
        let audit = self.ledger.settle(&self.receiver, DRAIN);
        let gap = self.longest_gap();
        println!(
            "{:?}, {what}: {audit}; longest gap between scrapes {gap:?}",
            self.agent.kind
        );
        let sound = audit.invented + audit.torn + audit.duplicated + audit.stale;
        assert_eq!(
            (audit.lost(), sound),
            (0, 0),
            "{audit}\n{}",
            self.agent.log()
        );
        assert!(audit.issued > 0 && gap < GAP, "{gap:?}");
        self.assert_in_order();
    }

    /// Values of a series grow with each scrape: they must arrive in that order.
    fn assert_in_order(&self) {
        self.receiver.books(|books| {
            for (labels, points) in books.named("ledger_value") {
                let ordered = points
                    .windows(2)
                    .all(|two| f64::from_bits(two[0].bits) < f64::from_bits(two[1].bits));
                assert!(ordered, "out of order: {labels:?}");
            }
        });
    }
}

/// Stamps are right, but for scrapes so soon after a step that it was not noticed.
fn assert_stamps(errors: &BTreeMap<Instant, i64>, steps: &[(Instant, i64)]) {
    let mut wrong = 0;
    for (at, error) in errors {
        let last = steps.iter().rev().find(|(step, _)| step <= at);
        let ahead = last.map_or(0, |(_, ahead)| 1000 * ahead);
        let fresh = last.is_some_and(|(step, _)| *at < *step + NOTICED);
        if (error - ahead).abs() > TOLERANCE_MS {
            assert!(fresh, "{error} ms off, {ahead} expected, {steps:?}");
            wrong += 1;
        }
    }
    println!(
        "{wrong} of {} stamps were made before a step was noticed",
        errors.len()
    );
}

#[test]
fn samples_of_1970_wait_and_get_their_true_time() {
    let Some(mut scene) = scene() else { return };
    let back = wait::wall_ms() / 1000 - 60;
    let clock = WallClock::start(&mut scene.agent, -back);
    scene.ledger.wait_for(15);
    let early = scene.receiver.books(|books| books.samples);
    clock.set(0);
    scene.ledger.wait_for(10);
    if scene.agent.kind.is_excused("it sends samples of 1970") {
        println!("{early} samples of 1970 were sent");
        return;
    }
    assert_eq!(early, 0, "samples of 1970 were sent");
    scene.settle_anyhow("booted in 1970");
    let errors = scene.stamp_errors();
    let worst = errors.values().map(|error| error.abs()).max();
    println!("worst stamp: {worst:?} ms off");
    assert!(
        worst.is_some_and(|worst| worst <= TOLERANCE_MS),
        "{worst:?}"
    );
}

#[test]
fn a_clock_that_was_ahead_silences_nothing() {
    let Some(mut scene) = scene() else { return };
    let begun = wait::now();
    let clock = WallClock::start(&mut scene.agent, HOUR);
    scene.ledger.wait_for(10);
    let corrected = wait::now();
    clock.set(0);
    scene.ledger.wait_for(25);
    let audit = scene.ledger.settle(&scene.receiver, Duration::from_secs(5));
    if scene
        .agent
        .kind
        .is_excused("it refuses samples until the time comes again")
    {
        println!("{:?}, ahead by an hour: {audit}", scene.agent.kind);
        return;
    }
    scene.settle_anyhow("booted an hour ahead");
    assert_stamps(&scene.stamp_errors(), &[(begun, HOUR), (corrected, 0)]);
}

#[test]
fn steps_while_running_cost_nothing() {
    let Some(mut scene) = scene() else { return };
    let clock = WallClock::start(&mut scene.agent, 0);
    scene.ledger.wait_for(5);
    let mut steps = Vec::new();
    for ahead in [2 * HOUR, 2 * HOUR - 30, -300, 0] {
        steps.push((wait::now(), ahead));
        clock.set(ahead);
        scene.ledger.wait_for(20);
    }
    if scene
        .agent
        .kind
        .is_excused("it refuses samples after a step back")
    {
        let audit = scene.ledger.settle(&scene.receiver, Duration::from_secs(5));
        println!("{:?}, steps while running: {audit}", scene.agent.kind);
        return;
    }
    scene.settle_anyhow("steps while running");
    assert_stamps(&scene.stamp_errors(), &steps);
}

/// A strict receiver refuses what is older than what it has: after a step back from the future it
/// must get the rest, and be sent the new samples too.
#[test]
fn a_strict_server_goes_on_after_a_step_forward() {
    let Some(mut scene) = scene() else { return };
    let server = Server::start();
    scene.agent.write_config(&config(
        &server.url(),
        &[scene.ledger.job("ledger", "200ms")],
    ));
    // Behind, so that the correction is a step forward.
    let clock = WallClock::start(&mut scene.agent, -HOUR / 4);
    scene.ledger.wait_for(10);
    clock.set(0);
    scene.ledger.wait_for(20);
    let look = |look: &dyn Fn(&_) -> _| look(&server.books("ledger_value"));
    let audit = scene.ledger.settle_with(wait::now(), None, DRAIN, look);
    println!(
        "{:?}, a step forward before a real server: {audit}",
        scene.agent.kind
    );
    audit.assert_sound();
    assert_eq!(audit.lost(), 0, "{audit}");
}

#[test]
fn a_suspended_process_scrapes_once_when_it_goes_on() {
    let mut scene = Scene::running();
    let suspended = wait::now();
    scene.agent.signal(Signal::STOP);
    let ended = wait::try_until(Duration::from_secs(4), || scene.agent.ended());
    assert!(ended.is_none());
    let resumed = wait::now();
    scene.agent.signal(Signal::CONT);
    scene.ledger.wait_for(10);
    let audit = scene.settle("suspended for four seconds");
    let window = resumed..resumed + Duration::from_millis(150);
    let bursts = scene.ledger.times().into_iter().map(|times| {
        assert!(
            !times
                .iter()
                .any(|at| (suspended + GAP..resumed).contains(at))
        );
        times.iter().filter(|at| window.contains(*at)).count()
    });
    let worst = bursts.max().unwrap_or_default();
    println!(
        "{:?}: at most {worst} scrapes of a target at once on resume",
        scene.agent.kind
    );
    assert!(worst <= 2, "{worst} scrapes in {window:?}: a burst");
    assert_eq!((audit.lost(), audit.duplicated), (0, 0), "{audit}");
}
