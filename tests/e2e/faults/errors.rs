//! A disk that refuses: single calls, several, all of them; then it works again.
//!
//! What can be asked each time: delivery goes on from memory; metrics, log and readiness say what
//! there is to say, the log not more than once; when the disk works again the agent writes again,
//! without a restart, also what it had only in memory.

use std::time::Duration;

use super::super::support::strace::Sabotage;
use super::super::support::{effort, wait};
use super::{KILL_WINDOW, Scene};

/// The pause before a new try after a failed write, and more than enough for a busy machine.
const HEALING: Duration = Duration::from_secs(60);

const FAILURES: &str = "prometheus_tsdb_wal_writes_failed_total";

const FAILING: &str = "narthex_log_failing";

/// What the log says once, when writing fails.
const COMPLAINT: &str = "log cannot be written, samples are delivered from memory";

/// What it says when that is over.
const RELIEF: &str = "log is written again";

fn count(text: &str, needle: &str) -> usize {
    text.matches(needle).count()
}

/// The disk refuses as told, for each of its threads, until it is let go, which is after `failures` failures or more.
fn refuse(what: &str, injections: &[&str], failures: f64) {
    if effort::is_unprivileged(what) {
        return;
    }
    let mut scene = Scene::new(4, 25);
    if scene.agent.kind.is_excused("a failed write wedges it") {
        return;
    }
    if injections.iter().any(|one| one.contains("when=")) {
        // The calls that are counted are those to the disk.
        scene.agent.write_straight_to_disk();
    }
    scene.begin();
    let pid = scene.agent.pid();
    let injections: Vec<String> = injections.iter().map(|one| (*one).to_owned()).collect();
    let calls = "pwrite64,fdatasync,fsync";
    let sabotage = Sabotage::begin(pid, scene.agent.dir(), calls, &injections);
    let failed = || scene.agent.metric(FAILURES, "").expect("the metric");
    wait::until_true("failures", HEALING, || failed() >= failures);
    // Everything is delivered all the same.
    scene.ledger.wait_for(10);
    scene.settle(what).assert_exact();
    if failures > 1.0 {
        wait::until_true("the gauge of failing", HEALING, || {
            scene.agent.metric(FAILING, "") == Some(1.0)
        });
    }
    assert_eq!(scene.agent.get("/-/ready").status, 200);
    // From here on the log alone keeps what is scraped.
    scene.receiver.go_away();
    scene.ledger.wait_for(5);
    sabotage.end();
    let healed = wait::now();
    wait::until_true("relief", HEALING, || count(&scene.agent.log(), RELIEF) > 0);
    println!(
        "{what}: {} failures, healed after {:?}",
        failed(),
        wait::now() - healed
    );
    // The log may tell it first.
    wait::until_true("the gauge of failing", HEALING, || {
        scene.agent.metric(FAILING, "") == Some(0.0)
    });
    let complaints = count(&scene.agent.log(), COMPLAINT);
    let reliefs = count(&scene.agent.log(), RELIEF);
    assert!(
        complaints <= reliefs + 1 && complaints <= 3,
        "{}",
        scene.agent.log()
    );
    assert_eq!(
        scene.agent.metric("narthex_log_unlogged_samples_total", ""),
        Some(0.0)
    );
    scene.ledger.wait_for(15);
    scene.agent.kill();
    let killed = wait::now();
    scene.agent.start();
    scene.receiver.come_back();
    let audit = scene.settle_after_loss(what);
    audit.assert_lost_only_near(&[killed], KILL_WINDOW);
}

#[test]
fn a_failed_write_is_made_up_for_elsewhere() {
    refuse(
        "one frame and one position fail",
        &["pwrite64:error=EIO:when=1..2"],
        1.0,
    );
}

#[test]
fn failed_writes_are_made_up_for_when_they_succeed() {
    refuse("all writes fail", &["pwrite64:error=EIO"], 2.0);
}

#[test]
fn a_range_of_writes_without_space_is_made_up_for() {
    refuse(
        "no space for some writes",
        &["pwrite64:error=ENOSPC:when=2..4"],
        1.0,
    );
}

#[test]
fn a_failed_sync_is_not_believed_when_it_is_repeated() {
    refuse(
        "one sync of each file fails",
        &["fdatasync:error=EIO:when=1..2"],
        1.0,
    );
}

#[test]
fn syncs_that_fail_for_long_are_made_up_for() {
    refuse(
        "all syncs fail",
        &["fdatasync:error=EIO", "fsync:error=EIO"],
        5.0,
    );
}
