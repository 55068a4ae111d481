//! Places that the disk cannot read, and files that do not open: they cost what is on them, and are
//! never in the way of the rest.

use std::io;

use super::*;
use crate::limits::{self, KEY_BLOCK_INTERVAL};
use crate::model::loss::LossReason;
use crate::sys::fs::Storage;

const PAGE: usize = 4096;

/// A log of one segment of many small frames, of which memory has next to nothing.
fn filled() -> Sim {
    let mut sim = Sim::new(3, options());
    sim.begin_epoch(1, true);
    let _holds_segments = sim.opened.queues.register("q");
    for _ in 0..300 {
        for _ in 0..4 {
            sim.append();
        }
        sim.pass(1_000);
    }
    sim.pass(11_000);
    sim
}

/// Makes the page in the middle of the first segment unreadable. Returns the last block of the
/// frames before it, and the first of those behind it.
fn harm(sim: &Sim) -> (u64, u64) {
    let frames = sim.frames(1);
    let (at, _) = frames[frames.len() / 2];
    let page = at as usize / PAGE * PAGE;
    sim.disk.unreadable(&sim.segment_path(1), page..page + PAGE);
    let before = |(at, header): &&(u64, FrameHeader)| at + header.frame_bytes() <= page as u64;
    let behind = |(at, _): &&(u64, FrameHeader)| *at >= (page + PAGE) as u64;
    let last = frames.iter().filter(before).map(|own| own.1.last().0).max();
    let first = frames.iter().find(behind).map(|own| own.1.first.0);
    (last.expect("some"), first.expect("some"))
}

/// What is read behind `after` by somebody who tries again after each error, and how many there
/// were.
fn read_patiently(reader: &mut LogReader, mut after: Sequence) -> (Vec<u64>, u32) {
    let (mut read, mut errors) = (Vec::new(), 0);
    loop {
        match reader.next(after) {
            Ok(Next::Block(block)) => {
                read.push(block.sequence.0);
                after = block.sequence;
            }
            Ok(Next::Gap { last, .. }) => after = last,
            Ok(Next::CaughtUp) => return (read, errors),
            Err(_) => errors += 1,
        }
        assert!(errors < 100, "it tries for ever");
    }
}

/// Nothing before the page is missing, and behind it only what leans on it.
fn check(read: &[u64], before: u64, behind: u64, all: u64) {
    let readable = behind + 2 * u64::from(KEY_BLOCK_INTERVAL);
    assert!(readable < all);
    let owed = (1..=before).chain(readable..=all);
    let missing: Vec<_> = owed.filter(|own| !read.contains(own)).collect();
    assert_eq!(missing, [0u64; 0], "before {before}, behind {behind}");
}

#[test]
fn a_page_that_cannot_be_read_costs_the_frames_on_it() {
    let sim = filled();
    let (before, behind) = harm(&sim);
    let all = sim.appended.len() as u64;
    let (read, errors) = read_patiently(&mut sim.reader(), Sequence::ZERO);
    check(&read, before, behind, all);
    // The frame that reaches into it, and the page.
    assert!(errors <= 2 * limits::LOG_READ_ATTEMPTS, "{errors}");
}

#[test]
fn a_reader_that_begins_behind_a_page_that_cannot_be_read_gets_there() {
    let sim = filled();
    let (before, behind) = harm(&sim);
    let all = sim.appended.len() as u64;
    for after in [all - 20, behind + 70, before - 5] {
        let (read, _) = read_patiently(&mut sim.reader(), Sequence(after));
        let read: Vec<_> = (1..=after).chain(read).collect();
        check(&read, before, behind, all);
    }
}

#[test]
fn a_segment_of_which_nothing_can_be_read_does_not_hold_a_reader_up_for_hours() {
    let sim = filled();
    let disk = sim.disk.clone();
    let mut sim = sim.restart(disk);
    let path = sim.segment_path(1);
    let first = sim.append();
    sim.pass(11_000);
    sim.disk.unreadable(&path, 0..usize::MAX);
    let (read, errors) = read_patiently(&mut sim.reader(), Sequence::ZERO);
    assert_eq!(read, [first.0]);
    assert!(errors < 90, "{errors}");
}

#[test]
fn a_log_opens_though_places_of_it_cannot_be_read() {
    let sim = filled();
    let (before, behind) = harm(&sim);
    let all = sim.appended.len() as u64;
    let disk = sim.disk.clone();
    let mut sim = sim.restart(disk);
    assert_eq!(sim.opened.core.status().progress.taken.0, all);
    assert!(sim.opened.damaged > 0);
    let (read, _) = read_patiently(&mut sim.reader(), Sequence::ZERO);
    check(&read, before, behind, all);
    // The header of a segment that is not the newest, the position, the books.
    sim.append();
    sim.pass(11_000);
    let registered = sim.opened.queues.register("q");
    lose(&sim, all);
    for last in [20, 30] {
        registered
            .settled
            .with(|own| own.insert(Sequence(1), Sequence(last)));
        sim.pass(11_000);
    }
    sim.disk.heal();
    sim.disk.unreadable(&sim.segment_path(1), 0..PAGE);
    let folder = Path::new("/data/narthex");
    sim.disk
        .unreadable(&folder.join("positions/q.pos"), 0..PAGE);
    sim.disk.unreadable(&folder.join("losses"), 0..100_000);
    let disk = sim.disk.clone();
    let sim = sim.restart(disk);
    let floor = sim.opened.queues.register("q").start.floor().0;
    assert!([20, 30].contains(&floor), "{floor}");
    let (read, _) = read_patiently(&mut sim.reader(), Sequence::ZERO);
    assert!(read.len() as u64 > all - 150, "{}", read.len());
}

fn lose(sim: &Sim, sequence: u64) {
    use crate::model::loss::{LossRecorder, Lost};
    sim.opened.log.losses.lost(Lost {
        queue: "q",
        job: "node",
        reason: LossReason::Invalid,
        sequence: Sequence(sequence),
        samples: 1,
    });
}

#[test]
fn a_segment_that_cannot_be_read_at_all_is_left_alone() {
    let mut sim = filled();
    let all = sim.appended.len() as u64;
    let disk = sim.disk.clone();
    sim = sim.restart(disk);
    let last = sim.append();
    sim.pass(11_000);
    let path = sim.segment_path(1);
    sim.disk.unreadable(&path, 0..usize::MAX);
    let disk = sim.disk.clone();
    let sim = sim.restart(disk);
    let (read, _) = read_patiently(&mut sim.reader(), Sequence::ZERO);
    assert_eq!(read, [last.0]);
    // By the next start the cable may sit again.
    sim.disk.heal();
    let disk = sim.disk.clone();
    let sim = sim.restart(disk);
    let read = sim.read_all(&mut sim.reader(), Sequence::ZERO);
    assert_eq!(read.len() as u64, all + 1);
}

/// A reader for a queue, so that what it misses is counted.
fn queue_reader(sim: &Sim) -> LogReader {
    let registered = sim.opened.queues.register("q");
    let log = Arc::clone(&sim.opened.log);
    LogReader::new(log, "q", registered.seat, registered.settled)
}

#[test]
fn a_file_that_does_not_open_for_a_while_costs_nothing() {
    for kind in [io::ErrorKind::Other, io::ErrorKind::OutOfMemory] {
        let sim = filled();
        let mut reader = queue_reader(&sim);
        sim.disk.refuse(&sim.segment_path(1), kind);
        for _ in 0..60 {
            assert!(reader.next(Sequence::ZERO).is_err());
            sim.clock.advance_ms(1_000);
        }
        sim.disk.heal();
        let read = sim.read_all(&mut reader, Sequence::ZERO);
        assert_eq!(read.len(), sim.appended.len());
    }
}

#[test]
fn a_file_that_never_opens_is_given_up_and_what_is_in_it_estimated() {
    let sim = filled();
    let mut reader = queue_reader(&sim);
    sim.disk.refuse(&sim.segment_path(1), io::ErrorKind::Other);
    let mut tries = 0;
    let first = loop {
        match reader.next(Sequence::ZERO) {
            Ok(next) => break next,
            Err(_) => sim.clock.advance_ms(1_000),
        }
        tries += 1;
        assert!(tries < 90_000, "it tries for ever");
    };
    assert!(tries > 600, "{tries}");
    assert!(matches!(first, Next::Gap { .. }), "{first:?}");
    let losses = sim.opened.log.losses.snapshot();
    assert!(losses.total("q") > sim.appended.len() as u64);
}

#[test]
fn a_file_that_is_gone_is_given_up_soon_and_what_was_in_it_estimated() {
    let sim = filled();
    let mut reader = queue_reader(&sim);
    sim.disk.remove(&sim.segment_path(1)).expect("removed");
    let (_, errors) = read_patiently(&mut reader, Sequence::ZERO);
    assert!(errors < limits::LOG_READ_ATTEMPTS, "{errors}");
    let losses = sim.opened.log.losses.snapshot();
    assert!(losses.total("q") > sim.appended.len() as u64);
}

#[test]
fn what_the_end_of_the_newest_segment_had_is_missing_afterwards_and_not_replaced() {
    let sim = filled();
    let frames = sim.frames(1);
    let (at, header) = frames[frames.len() - 12];
    let page = at as usize / PAGE * PAGE;
    sim.disk.unreadable(&sim.segment_path(1), page..usize::MAX);
    let all = sim.appended.len() as u64;
    let disk = sim.disk.clone();
    let mut sim = sim.restart(disk);
    let mut reader = queue_reader(&sim);
    // As many as before, more or less.
    let taken = sim.opened.core.status().progress.taken.0;
    assert!(taken > header.first.0, "{taken} of {all}");
    assert!(taken < all + 200, "{taken} of {all}");
    sim.appended.retain(|number, _| *number <= taken);
    let next = sim.append();
    sim.pass(11_000);
    let (read, _) = read_patiently(&mut reader, Sequence::ZERO);
    assert!(read.contains(&next.0) && !read.contains(&(next.0 - 1)));
    assert!(sim.opened.log.losses.snapshot().total("q") > 0);
}
