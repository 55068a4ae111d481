//! The books of losses against what was appended, across restarts and power cuts.

use proptest::prelude::*;

use super::*;
use crate::limits;
use crate::model::loss::{LossReason, LossRecorder, Losses, Lost};
use crate::sys::fs_sim::Fault;
use crate::wal::losses::read;
use crate::wal::queues::Registered;

/// A queue at work: reads in order, holds a few blocks, settles some, loses a sample of others.
struct Worker {
    registered: Registered,
    reader: LogReader,
    after: Sequence,
    held: Vec<(Sequence, u64)>,
    delivered: BTreeMap<u64, u64>,
    refused: BTreeMap<u64, u64>,
}

impl Worker {
    fn start(sim: &Sim) -> Worker {
        let registered = sim.opened.queues.register("q");
        let log = Arc::clone(&sim.opened.log);
        let (seat, settled) = (Arc::clone(&registered.seat), registered.settled.clone());
        Worker {
            reader: LogReader::new(log, "q", seat, settled),
            after: registered.start.floor(),
            registered,
            held: Vec::new(),
            delivered: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Goes on after a restart, with what was delivered before.
    fn restart(self, sim: &Sim) -> Worker {
        Worker {
            delivered: self.delivered,
            refused: self.refused,
            ..Worker::start(sim)
        }
    }

    fn read(&mut self, blocks: usize) {
        for _ in 0..blocks {
            match self.reader.next(self.after).expect("readable") {
                Next::Block(block) => {
                    self.after = block.sequence;
                    if !self.registered.start.contains(block.sequence) {
                        let samples = block.sample_count() as u64;
                        self.held.push((block.sequence, samples));
                    }
                }
                Next::Gap { first, last, .. } => {
                    self.registered.settled.with(|own| own.insert(first, last));
                    self.after = last;
                }
                Next::CaughtUp => break,
            }
        }
    }

    /// Delivers what is held but for one sample of every third block, which is refused.
    fn send(&mut self, sim: &Sim, blocks: usize) {
        let count = blocks.min(self.held.len());
        for (sequence, samples) in self.held.drain(..count) {
            let refused = u64::from(sequence.0 % 3 == 0 && samples > 0);
            sim.opened.log.losses.lost(Lost {
                queue: "q",
                job: "node",
                reason: LossReason::Invalid,
                sequence,
                samples: refused,
            });
            self.refused.insert(sequence.0, refused);
            self.delivered.insert(sequence.0, samples - refused);
            self.registered
                .settled
                .with(|own| own.insert(sequence, sequence));
        }
    }
}

fn by_reason(losses: &Losses, reason: LossReason) -> u64 {
    let own = losses.iter().filter(|(key, _)| key.reason == reason);
    own.map(|(_, loss)| loss.samples).sum()
}

fn samples(rendered: &str) -> u64 {
    let values = rendered.lines().skip(1);
    values
        .filter(|line| !line.ends_with("7ff0000000000003"))
        .count() as u64
}

fn small() -> Options {
    Options {
        budget_bytes: 1 << 20,
        ..options()
    }
}

#[test]
fn what_the_budget_costs_is_counted_to_the_sample_and_by_job() {
    let mut sim = Sim::new(21, small());
    let mut worker = Worker::start(&sim);
    while sim.opened.log.catalog.lock().trimmed.0 < 2000 {
        for _ in 0..40 {
            sim.append();
        }
        worker.read(7);
        worker.send(&sim, 3);
        sim.pass(1_000);
    }
    // It is still sending what it had read; nothing else may come from what is gone.
    let trimmed = sim.opened.log.catalog.lock().trimmed.0;
    assert!(worker.held.len() > 3, "{}", worker.held.len());
    worker.read(usize::MAX);
    worker.send(&sim, usize::MAX);
    sim.pass(11_000);
    sim.pass(11_000);
    let losses = sim.opened.log.losses.snapshot();
    let (lost, refused) = (
        by_reason(&losses, LossReason::Budget),
        by_reason(&losses, LossReason::Invalid),
    );
    let appended: u64 = sim.appended.values().map(|own| samples(own)).sum();
    let delivered: u64 = worker.delivered.values().sum();
    assert!(lost > 0 && delivered > 0 && refused > 0);
    assert_eq!(delivered + lost + refused, appended);
    assert!(
        losses
            .iter()
            .all(|(key, _)| key.queue == "q" && key.job == "node")
    );
    assert!(worker.delivered.keys().any(|number| *number <= trimmed));
    let stored = read(&sim.disk, Path::new("/data/narthex")).expect("readable");
    assert_eq!(stored, Some(losses));
}

#[test]
fn what_grows_too_old_is_given_up_and_counted_to_the_sample() {
    let options = Options {
        age_max: Some(Duration::from_secs(800)),
        ..options()
    };
    let mut sim = Sim::new(22, options);
    // In 1970 nothing is old: segments that a wrong clock made would look ancient once it is set.
    let today = limits::CLOCK_PLAUSIBLE_AFTER_MS + 86_400_000;
    sim.clock.step_wall_ms(5_000 - sim.clock.wall().0);
    sim.begin_epoch(1, false);
    let mut worker = Worker::start(&sim);
    for round in 0..200 {
        sim.append();
        sim.pass(10_000);
        if round == 50 {
            assert_eq!(sim.opened.log.catalog.lock().trimmed, Sequence::ZERO);
            sim.clock.step_wall_ms(today - sim.clock.wall().0);
            sim.begin_epoch(2, true);
        }
    }
    let trimmed = sim.opened.log.catalog.lock().trimmed.0;
    // 2,000 s went by: what is left is 800 s old, and at most an eighth more.
    assert!((100..=120).contains(&trimmed), "{trimmed}");
    let old = sim.appended.range(..=trimmed).map(|(_, own)| samples(own));
    let losses = sim.opened.log.losses.snapshot();
    assert_eq!(by_reason(&losses, LossReason::Age), old.sum::<u64>());
    worker.read(usize::MAX);
    assert_eq!(worker.held.first().map(|(own, _)| own.0), Some(trimmed + 1));
}

#[test]
fn what_never_got_to_disk_is_counted_once() {
    let mut sim = Sim::new(4, options());
    let mut worker = Worker::start(&sim);
    for _ in 0..10 {
        sim.append();
    }
    sim.pass(2_000);
    worker.read(4);
    sim.disk.inject(sim.disk.operations() + 1, Fault::Full);
    for _ in 0..200 {
        sim.append();
        sim.pass(500);
    }
    sim.disk.heal();
    sim.pass(11_000);
    worker.read(usize::MAX);
    worker.send(&sim, usize::MAX);
    let losses = sim.opened.log.losses.snapshot();
    let lost = by_reason(&losses, LossReason::Unlogged);
    let refused = by_reason(&losses, LossReason::Invalid);
    let appended: u64 = sim.appended.values().map(|own| samples(own)).sum();
    let delivered: u64 = worker.delivered.values().sum();
    assert!(lost > 0);
    assert_eq!(delivered + refused + lost, appended, "{losses:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// After any power cuts, each refused sample of what survived is in the books; twice only if a
    /// cut fell between the books and the positions of one storing.
    #[test]
    fn a_refusal_is_counted_once_across_power_cuts(
        seed in 0u64..1000, cuts in prop::collection::vec((1u64..60, any::<u64>()), 1..4),
    ) {
        let mut sim = Sim::new(seed, options());
        let mut worker = Worker::start(&sim);
        let mut doubled = 0;
        for (at, dice) in cuts {
            sim.disk.inject(sim.disk.operations() + at, Fault::Halt);
            for _ in 0..40 {
                sim.append();
                worker.read(3);
                worker.send(&sim, 2);
                sim.pass(700);
            }
            let disk = sim.disk.crash(dice);
            let stored = read(&disk, Path::new("/data/narthex")).expect("readable");
            let before = by_reason(&stored.unwrap_or_default(), LossReason::Invalid);
            sim = sim.restart(disk);
            worker = worker.restart(&sim);
            let settled = worker.registered.start.clone();
            let certain = worker.refused.iter();
            let certain: u64 = certain
                .filter(|(number, _)| settled.contains(Sequence(**number)))
                .map(|(_, samples)| samples)
                .sum();
            // Never less than what the position says is done.
            prop_assert!(before >= certain + doubled, "{before} of {certain} and {doubled}");
            // What is beyond is refused again if it survived. Its numbers come again if not.
            worker.refused.retain(|number, _| settled.contains(Sequence(*number)));
            let last = sim.last_in_segments().max(settled.floor());
            sim.appended.retain(|number, _| *number <= last.0);
            doubled = before - certain;
        }
        worker.read(usize::MAX);
        worker.send(&sim, usize::MAX);
        let losses = sim.opened.log.losses.snapshot();
        let refused: u64 = worker.refused.values().sum();
        prop_assert_eq!(by_reason(&losses, LossReason::Invalid), refused + doubled);
    }
}

#[test]
fn what_a_full_disk_never_took_is_in_the_books_at_the_end() {
    let mut options = options();
    options.ring_bytes = 1 << 20;
    let mut sim = Sim::new(4, options);
    let mut worker = Worker::start(&sim);
    // Twice: both slots of the books are there, and are written in place.
    for _ in 0..2 {
        for _ in 0..6 {
            sim.append();
        }
        worker.read(6);
        worker.send(&sim, 6);
        sim.pass(11_000);
        sim.pass(11_000);
    }
    sim.disk.inject(sim.disk.operations() + 1, Fault::Full);
    for _ in 0..10 {
        sim.append();
    }
    sim.pass(1_500);
    assert!(sim.opened.core.status().failing.is_some());
    // Some are delivered from memory, some are in hand, some were never read.
    worker.read(7);
    worker.send(&sim, 4);
    let refused: u64 = worker.refused.values().sum();
    let delivered: u64 = worker.delivered.values().sum();
    let appended: u64 = sim.appended.values().map(|own| samples(own)).sum();
    sim.opened.core.end(sim.clock.mono());
    let disk = sim.disk.clone();
    let sim = sim.restart(disk);
    let losses = sim.opened.log.losses.snapshot();
    let unlogged = by_reason(&losses, LossReason::Unlogged);
    assert_eq!(by_reason(&losses, LossReason::Invalid), refused);
    assert!(unlogged > 0);
    assert_eq!(delivered + refused + unlogged, appended);
}

/// Fills a log until it has more than one segment, harms the first and goes on until that one went
/// for its space. Returns what is counted as lost, and what was in it.
fn lost_with_a_harmed_segment(harm: impl Fn(&Sim, u64, usize)) -> (u64, u64, u64) {
    let mut sim = Sim::new(21, small());
    let worker = Worker::start(&sim);
    while sim.opened.log.catalog.lock().segments.len() < 2 {
        sim.append();
        sim.pass(1_000);
    }
    let frames = sim.frames(1);
    let (at, header) = frames[frames.len() / 2];
    harm(&sim, 1, at as usize);
    while sim.opened.log.catalog.lock().trimmed == Sequence::ZERO {
        sim.append();
        sim.pass(1_000);
    }
    let trimmed = sim.opened.log.catalog.lock().trimmed.0;
    let gone = sim.appended.range(..=trimmed).map(|(_, own)| samples(own));
    let losses = sim.opened.log.losses.snapshot();
    drop(worker);
    (
        by_reason(&losses, LossReason::Budget),
        gone.sum(),
        header.samples.into(),
    )
}

#[test]
fn what_leaves_behind_a_damaged_header_is_estimated() {
    let (lost, gone, frame) = lost_with_a_harmed_segment(|sim, number, at| {
        assert!(sim.disk.flip_bit(&sim.segment_path(number), at + 13, 1));
    });
    assert!(lost.abs_diff(gone) < frame, "{lost} of {gone}, {frame}");
}

#[test]
fn what_leaves_behind_a_page_that_cannot_be_read_is_counted() {
    let (lost, gone, _) = lost_with_a_harmed_segment(|sim, number, at| {
        let page = at / 4096 * 4096;
        let path = sim.segment_path(number);
        sim.disk.unreadable(&path, page..page + 4096);
    });
    assert!(lost.abs_diff(gone) <= gone / 50, "{lost} of {gone}");
}
