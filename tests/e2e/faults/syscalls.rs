//! Death at the n-th system call of each kind that touches the log, recovery included.
//!
//! A first life under `strace` shows which calls there are. The folder is the same for all lives,
//! so a death during one's recovery is followed by the recovery from that.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::super::support::{effort, strace, wait};
use super::{KILL_WINDOW, REPEAT_WINDOW, Scene};

/// Kinds of calls that a log could make; those that it does make are tried.
const KINDS: &str = "openat,mkdir,flock,pwrite64,pwritev,pwritev2,fallocate,ftruncate,fdatasync,fsync,\
                     sync_file_range,rename,renameat,renameat2,unlink,unlinkat,link,linkat";

/// The life that shows the calls, and the longest of the others.
const LIFE: Duration = Duration::from_millis(4500);

/// A place to die at: a kind of call, and how many of it a thread has made by then.
type Place = (String, usize);

/// The n-th calls of each thread that touch the storage folder, from the log of a trace.
fn places(trace: &str) -> BTreeSet<Place> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut places = BTreeSet::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        let call = call.trim_start();
        let Some((kind, arguments)) = call.split_once('(').filter(|_| !call.starts_with('<'))
        else {
            continue;
        };
        let count = counts.entry((thread, kind)).or_default();
        *count += 1;
        // Calls with a path may be about other files; those with a descriptor are the log's.
        if !arguments.contains('"') || arguments.contains("/data") || kind == "pwrite64" {
            places.insert((kind.to_owned(), *count));
        }
    }
    places
}

/// Lives that show what there is: the first of a folder, and the second, which deletes segments.
fn learn(
    scene: &mut Scene,
    needed: &[&str],
    lives: usize,
    ends: &mut Vec<Instant>,
) -> BTreeSet<Place> {
    let mut found = BTreeSet::new();
    let log = scene.agent.dir().join("trace");
    for _ in 0..lives {
        scene.agent.launch_under(&strace::command(&log, KINDS, &[]));
        scene.agent.wait_until_ready();
        scene.ledger.wait_for(20);
        scene.agent.kill();
        ends.push(wait::now());
        let trace = std::fs::read_to_string(&log).expect("the trace");
        found.extend(places(&trace));
    }
    for kind in needed {
        let seen = found.iter().any(|(own, _)| own == kind);
        assert!(seen, "no {kind} among {found:?}");
    }
    found
}

/// What of the places is tried: all in a soak, else some of each kind.
fn choose(places: &BTreeSet<Place>) -> Vec<Place> {
    let mut order: Vec<Place> = places.iter().cloned().collect();
    let mut dice = effort::dice("death at a system call");
    dice.shuffle(&mut order);
    if effort::is_soak() {
        return order;
    }
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    order.retain(|(kind, _)| {
        let count = kept.entry(kind.clone()).or_default();
        *count += 1;
        *count <= 3
    });
    order
}

/// One life that ends at a place, or by `kill -9` if it never comes there. True if it did.
fn die_at(scene: &mut Scene, (kind, number): &Place, ends: &mut Vec<Instant>) -> bool {
    let log = scene.agent.dir().join("trace");
    let injection = format!("{kind}:signal=SIGKILL:when={number}");
    let command = strace::command(&log, KINDS, &[injection]);
    scene.agent.launch_under(&command);
    let Some(status) = wait::try_until(LIFE, || scene.agent.ended()) else {
        scene.agent.kill();
        ends.push(wait::now());
        return false;
    };
    ends.push(wait::now());
    let signal = status.signal();
    assert_eq!(
        signal,
        Some(Signal::KILL.as_raw()),
        "{kind} {number}: it ended by itself, {status}:\n{}",
        scene.agent.log()
    );
    true
}

#[test]
fn death_at_any_system_call_costs_at_most_the_last_second() {
    let mut scene = Scene::new(4, 25);
    if scene.agent.kind.is_excused("its calls are others") {
        return;
    }
    let needed = [
        "openat",
        "mkdir",
        "pwrite64",
        "fdatasync",
        "fsync",
        "unlink",
    ];
    let mut ends = Vec::new();
    let places = learn(&mut scene, &needed, 2, &mut ends);
    let mut reached: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (round, place) in choose(&places).iter().enumerate() {
        match round % 4 {
            0 => {
                scene.receiver.go_away();
                ends.push(wait::now());
            }
            2 => scene.receiver.come_back(),
            _ => {}
        }
        let died = die_at(&mut scene, place, &mut ends);
        let (deaths, tries) = reached.entry(place.0.clone()).or_default();
        *deaths += usize::from(died);
        *tries += 1;
    }
    scene.receiver.come_back();
    scene.agent.start();
    let audit = scene.settle_after_loss("death at system calls");
    println!(
        "of {} places, deaths of tries: {reached:?}; oldest loss {:?}, oldest repeat {:?} before \
         an end",
        places.len(),
        audit.worst_loss(&ends),
        audit.worst_repeat(&ends)
    );
    let deaths: usize = reached.values().map(|(deaths, _)| deaths).sum();
    assert!(2 * deaths > ends.len() / 2, "hardly any place was reached");
    audit.assert_lost_only_near(&ends, KILL_WINDOW);
    audit.assert_repeated_only_near(&ends, REPEAT_WINDOW);
}

#[test]
fn a_folder_half_made_is_made_whole() {
    let mut scene = Scene::new(1, 25);
    if scene.agent.kind.is_excused("its calls are others") {
        return;
    }
    let places = learn(
        &mut scene,
        &["openat", "mkdir", "flock"],
        1,
        &mut Vec::new(),
    );
    for place in choose(&places) {
        // A folder of its own, and so the first start.
        let mut scene = Scene::new(1, 25);
        let died = die_at(&mut scene, &place, &mut Vec::new());
        let before = wait::now();
        scene.agent.start();
        let audit = scene.settle_after_loss(&format!("first start, death {died} at {place:?}"));
        audit.assert_lost_only_near(&[before], LIFE);
        assert!(audit.issued > 0);
    }
}

#[test]
fn places_are_counted_by_thread_and_kind() {
    let trace = "10 openat(AT_FDCWD, \"/etc/x\", 0) = 3\n\
                 10    openat(AT_FDCWD, \"/t/data/lock\", 0 <unfinished ...>\n\
                 11 fdatasync(7) = 0\n\
                 10 <... openat resumed>) = 4\n\
                 11 fdatasync(7) = 0\n";
    let found: Vec<_> = places(trace).into_iter().collect();
    let expected = [("fdatasync", 1), ("fdatasync", 2), ("openat", 2)];
    assert_eq!(
        found,
        expected.map(|(kind, number)| (kind.to_owned(), number))
    );
}

#[test]
fn the_names_of_new_folders_are_made_durable() {
    let mut scene = Scene::new(1, 1);
    if scene.agent.kind.is_excused("it syncs none of its folders") {
        return;
    }
    let log = scene.agent.dir().join("trace");
    scene
        .agent
        .launch_under(&strace::command(&log, "mkdir,mkdirat,fsync", &[]));
    scene.agent.wait_until_ready();
    scene.agent.kill();
    let trace = std::fs::read_to_string(&log).expect("the trace");
    let data = scene.agent.data();
    for made in ["", "/narthex", "/narthex/segments", "/narthex/positions"] {
        let folder = format!("{}{made}", data.display());
        let parent = std::path::Path::new(&folder).parent().expect("a parent");
        let (before, after) = trace
            .split_once(&format!("(\"{folder}\""))
            .unwrap_or_else(|| panic!("{folder} was not made: {trace}"));
        assert!(
            before
                .lines()
                .last()
                .is_some_and(|call| call.contains("mkdir"))
        );
        let synced = format!("<{}>)", parent.display());
        let is_sync = |call: &str| call.contains("fsync(") && call.contains(&synced);
        assert!(after.lines().any(is_sync), "{folder}: {trace}");
    }
}
