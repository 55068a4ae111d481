//! A disk that is really full, that became read-only, or that is gone.

use std::time::Duration;

use super::super::support::agent::Kind;
use super::super::support::effort::{is_unprivileged, run, shown};
use super::super::support::volume::Volume;
use super::super::support::{segment, wait};
use super::{KILL_WINDOW, REPEAT_WINDOW, Scene};

/// The pause after a failure is ten seconds; a busy machine may need longer.
const HEALING: Duration = Duration::from_secs(45);

const FAILURES: &str = "prometheus_tsdb_wal_writes_failed_total";
const RELIEF: &str = "log is written again";

/// Runs an agent on a volume that `spoil` makes useless and `mend` useful again.
fn survive(
    what: &str,
    make: impl FnOnce(&mut Scene) -> Volume,
    spoil: impl FnOnce(&mut Scene, &Volume),
    mend: impl FnOnce(&mut Scene, &Volume),
) {
    if is_unprivileged(what) {
        return;
    }
    let mut scene = Scene::new(4, 25);
    let volume = make(&mut scene);
    scene.begin();
    spoil(&mut scene, &volume);
    let excused = scene
        .agent
        .kind
        .is_excused("it wedges until it is restarted");
    if !excused {
        let failed = || scene.agent.metric(FAILURES, "").expect("the metric") >= 2.0;
        wait::until_true("two failures", HEALING, failed);
    }
    scene.ledger.wait_for(10);
    let audit = scene.settle(&format!("{what}, receiver there"));
    // What fits memory waits there for a receiver that is away.
    scene.receiver.go_away();
    let first_left = wait::now();
    scene.ledger.wait_for(10);
    scene.receiver.come_back();
    let waited = scene.settle(&format!("{what}, receiver away for a while"));
    let reliefs = |scene: &Scene| scene.agent.log().matches(RELIEF).count();
    let earlier = reliefs(&scene);
    mend(&mut scene, &volume);
    let mended = wait::now();
    if excused {
        return;
    }
    audit.assert_exact();
    assert_eq!((waited.lost(), waited.stale), (0, 0), "{waited}");
    wait::until_true("relief", HEALING, || reliefs(&scene) > earlier);
    println!("{what}: writing again after {:?}", wait::now() - mended);
    assert!(scene.agent.ended().is_none(), "{}", scene.agent.log());
    // It is safe on disk again: a kill costs a second, not what memory had.
    scene.receiver.go_away();
    let left = wait::now();
    scene.ledger.wait_for(15);
    scene.agent.kill();
    let killed = wait::now();
    scene.agent.start();
    scene.receiver.come_back();
    let audit = scene.settle_after_loss(&format!("{what}, then a kill"));
    audit.assert_lost_only_near(&[killed], KILL_WINDOW);
    audit.assert_repeated_only_near(&[first_left, left, killed], REPEAT_WINDOW);
    assert_eq!(
        scene.agent.metric("narthex_log_unlogged_samples_total", ""),
        Some(0.0)
    );
    drop(scene);
}

#[test]
fn a_full_tmpfs_is_survived_and_used_again() {
    survive(
        "a full tmpfs",
        |scene| Volume::tmpfs(&scene.agent.data(), 1024),
        |_, volume| volume.fill(),
        |_, volume| volume.free(),
    );
}

#[test]
fn a_full_ext4_is_survived_and_used_again() {
    survive(
        "a full ext4",
        |scene| Volume::made("ext4", &scene.agent.data(), 16),
        |_, volume| volume.fill(),
        |_, volume| volume.free(),
    );
}

/// `mount -o remount,ro` is refused by the kernel while files are open for writing, so no running
/// agent can meet it. What it can meet is the same error for every change and every new file:
/// that of files and folders that were made immutable.
fn change_attribute(scene: &Scene, attribute: &str) {
    let data = scene.agent.data();
    let arguments = ["-R", attribute, shown(&data)];
    run("chattr", &arguments).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_disk_that_turns_read_only_is_survived_and_used_again() {
    survive(
        "a read-only disk",
        |scene| Volume::made("ext4", &scene.agent.data(), 16),
        |scene, _| {
            let data = scene.agent.data();
            let remounted = run("mount", &["-o", "remount,ro", shown(&data)]);
            assert!(remounted.is_err_and(|error| error.contains("busy")));
            change_attribute(scene, "+i");
        },
        |scene, _| change_attribute(scene, "-i"),
    );
}

/// What a limit of the size of files does to an agent that runs: the log's and others.
fn limit_files(scene: &mut Scene, limit: &str) {
    let arguments = [
        format!("--pid={}", scene.agent.pid()),
        format!("--fsize={limit}"),
    ];
    run("prlimit", &arguments.each_ref().map(String::as_str))
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_limit_of_the_size_of_files_is_survived() {
    survive(
        "a limit of the size of files",
        |scene| Volume::tmpfs(&scene.agent.data(), 4096),
        |scene, _| limit_files(scene, "16:"),
        |scene, _| limit_files(scene, "unlimited:"),
    );
}

#[test]
fn a_device_that_is_plugged_in_again_is_used_again() {
    survive(
        "a device that comes back",
        |scene| Volume::made("ext4", &scene.agent.data(), 16),
        |_, volume| volume.cut_power(),
        |_, volume| volume.plug_in_again(),
    );
}

#[test]
fn a_device_that_is_plugged_in_again_is_used_again_in_the_sandbox() {
    survive(
        "a device that comes back to a sandbox",
        |scene| {
            if scene.agent.kind == Kind::Narthex {
                scene.agent.add_flag("--sandbox=required");
            }
            Volume::made("ext4", &scene.agent.data(), 16)
        },
        |_, volume| volume.cut_power(),
        |_, volume| volume.plug_in_again(),
    );
}

#[test]
fn an_empty_device_in_its_place_is_used() {
    survive(
        "an empty device in its place",
        |scene| Volume::made("ext4", &scene.agent.data(), 16),
        |_, volume| volume.cut_power(),
        |_, volume| volume.exchange(),
    );
}

#[test]
fn a_dead_device_leaves_an_agent_that_delivers_from_memory() {
    if is_unprivileged("a dead device") {
        return;
    }
    let mut scene = Scene::new(4, 25);
    let volume = Volume::made("ext4", &scene.agent.data(), 16);
    scene.begin();
    volume.cut_power();
    if !scene.agent.kind.is_excused("it wedges") {
        let failed = || scene.agent.metric(FAILURES, "").expect("the metric") >= 3.0;
        wait::until_true("tries again and again", HEALING, failed);
    }
    scene.ledger.wait_for(20);
    let audit = scene.settle("a dead device");
    let (status, took) = scene.agent.terminate();
    println!("{:?}: stopped after {took:?}, {status}", scene.agent.kind);
    if scene.agent.kind == super::Kind::Prometheus {
        return;
    }
    audit.assert_exact();
    let lines = scene.agent.log().lines().count();
    assert!(lines < 60, "{lines} lines:\n{}", scene.agent.log());
    assert!(took < Duration::from_secs(10), "took {took:?}");
    volume.restore_power();
    assert!(!segment::list(&scene.agent.data()).is_empty());
    scene.agent.start();
    let audit = scene.settle_after_loss("the device is back");
    assert_eq!(audit.stale, 0, "{audit}");
    drop(scene);
}
