//! A storage folder in disorder: the agent starts and uses all that can be read.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::support::agent::Agent;
use super::super::support::volume::Volume;
use super::super::support::{effort, segment, wait};
use super::{DRAIN, Scene, copy};

const SERIES: u64 = 25;

/// A start takes two seconds at most; a machine that is busy with other tests is allowed more.
const START: Duration = Duration::from_secs(if cfg!(debug_assertions) { 15 } else { 2 });

/// A log of three segments, of which nothing was sent; none for an agent that keeps no such log.
fn backlog() -> Option<Scene> {
    let mut scene = Scene::new(4, SERIES);
    if scene.agent.kind.is_excused("it forgets what was not sent") {
        return None;
    }
    scene.receiver.go_away();
    for _ in 0..3 {
        scene.agent.start();
        scene.ledger.wait_for(8);
        scene.agent.terminate();
    }
    scene.receiver.come_back();
    Some(scene)
}

fn all_blocks(data: &Path) -> u64 {
    segment::list(data)
        .iter()
        .map(|path| segment::blocks(path))
        .sum()
}

/// Starts an agent on a disturbed copy of the log; returns it and the scrapes it delivered, which
/// should be all of the blocks less `lost` of them.
fn disturbed(scene: &Scene, what: &str, lost: u64, disturb: impl FnOnce(&Path)) -> Agent {
    let expected = all_blocks(&scene.agent.data()) - lost;
    let mut drainer = scene.drainer();
    copy(&scene.agent.data(), &drainer.data());
    disturb(&drainer.data());
    scene.receiver.forget();
    let begun = wait::now();
    drainer.start();
    let took = wait::now() - begun;
    let delivered = || scene.delivered_scrapes(SERIES);
    let all = wait::try_until(DRAIN, || (delivered() >= expected).then_some(()));
    println!(
        "{what}: started in {took:?}, {} of {expected} scrapes",
        delivered()
    );
    assert!(
        all.is_some() && delivered() == expected,
        "{}",
        drainer.log()
    );
    assert!(took < START, "{took:?}");
    drainer
}

fn positions(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data.join("narthex/positions")).expect("a folder of positions");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("to write");
}

#[test]
fn a_missing_segment_costs_what_was_in_it() {
    let Some(scene) = backlog() else { return };
    let segments = segment::list(&scene.agent.data());
    let gone = segments[1].file_name().expect("a name");
    let lost = segment::blocks(&segments[1]);
    assert!(
        segments.len() == 3 && lost > 20,
        "{lost} blocks in {segments:?}"
    );
    disturbed(&scene, "the middle segment is missing", lost, |data| {
        fs::remove_file(segment::folder(data).join(gone)).expect("to remove it");
    });
}

#[test]
fn empty_files_and_foreign_ones_are_in_nobodys_way() {
    let Some(scene) = backlog() else { return };
    let drainer = disturbed(&scene, "empty and foreign files", 0, |data| {
        let segments = segment::folder(data);
        write(&segments.join("0000000000000009.seg"), b"");
        write(&segments.join("0000000000000001.seg.bak"), b"not ours");
        write(&segments.join("notes.txt"), b"not ours");
        write(&segments.join("zzzzzzzzzzzzzzzz.seg"), b"not ours");
        write(&data.join("narthex/positions/readme"), b"not ours");
        write(&data.join("queue"), b"not ours");
        fs::create_dir_all(data.join("wal/00000001")).expect("a folder of others");
        fs::create_dir(segments.join("0000000000000008.seg")).expect("a folder with our name");
    });
    let data = drainer.data();
    for foreign in [
        "segments/notes.txt",
        "segments/0000000000000001.seg.bak",
        "positions/readme",
    ] {
        let kept = fs::read(data.join("narthex").join(foreign)).expect("still there");
        assert_eq!(kept, b"not ours");
    }
    assert!(data.join("wal/00000001").is_dir() && data.join("queue").is_file());
}

#[test]
fn a_spoilt_position_costs_duplicates_alone() {
    let Some(scene) = backlog() else { return };
    let spoil = |what: &str, bytes: &[u8]| {
        disturbed(&scene, what, 0, |data| {
            let files = positions(data);
            assert!(!files.is_empty());
            files.iter().for_each(|file| write(file, bytes));
        })
    };
    spoil("an empty position", b"");
    let mut garbage = vec![0; 8192];
    let mut dice = effort::dice("garbage");
    garbage.fill_with(|| dice.next_u64().to_le_bytes()[0]);
    let drainer = spoil("a position of garbage", &garbage);
    let found = drainer.metric("prometheus_agent_corruptions_total", "");
    assert!(
        found.is_some_and(|found| found >= 1.0),
        "not counted: {found:?}"
    );
}

#[test]
fn a_position_without_its_log_does_not_silence_what_comes() {
    let mut scene = Scene::running();
    if scene.agent.kind.is_excused("it has no positions") {
        return;
    }
    scene.agent.terminate();
    for path in segment::list(&scene.agent.data()) {
        fs::remove_file(path).expect("to remove it");
    }
    let until = wait::now();
    scene.receiver.forget();
    scene.agent.start();
    scene.ledger.wait_for(10);
    let first_new = scene.ledger.scrapes();
    let new = || scene.delivered_scrapes(SERIES);
    wait::until_true("what comes after", DRAIN, || new() >= 4 * 5);
    println!(
        "position without a log: {} scrapes of {first_new} since {until:?}",
        new()
    );
}

#[test]
fn a_read_only_folder_is_named_and_refused() {
    if effort::is_unprivileged("a read-only folder") {
        return;
    }
    let mut scene = Scene::new(1, SERIES);
    let data = scene.agent.data();
    let volume = Volume::tmpfs(&data, 512);
    effort::run("mount", &["-o", "remount,ro", effort::shown(&data)])
        .unwrap_or_else(|error| panic!("{error}"));
    let begun = wait::now();
    scene.agent.launch();
    let status = scene.agent.wait(START);
    let log = scene.agent.log();
    println!(
        "{:?}: {status} after {:?}",
        scene.agent.kind,
        wait::now() - begun
    );
    assert!(!status.success());
    let named = log.contains(effort::shown(&data)) && log.contains("ead-only file system");
    assert!(named, "{log}");
    drop(scene);
    drop(volume);
}

#[test]
fn a_second_agent_names_the_folder_that_the_first_one_uses() {
    let mut scene = Scene::running();
    if scene
        .agent
        .kind
        .is_excused("2.42 replaces the other's lock file")
    {
        return;
    }
    let mut twin = scene.agent.twin();
    let begun = wait::now();
    let status = twin.wait(START);
    println!("the twin: {status} after {:?}", wait::now() - begun);
    assert!(!status.success());
    assert!(
        twin.log()
            .contains("locked: another process uses this storage folder")
    );
    assert!(scene.agent.ended().is_none());
    // The lock of a dead process blocks nobody.
    scene.agent.kill();
    assert!(scene.agent.data().join("narthex/lock").exists());
    let begun = wait::now();
    scene.agent.start();
    println!("a stale lock: started in {:?}", wait::now() - begun);
    scene.settle_after_loss("a stale lock");
}
