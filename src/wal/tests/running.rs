//! The log with its thread, on a real file system.

use super::super::{Options, Wal, open};
use super::*;
use crate::limits;
use crate::model::block::ScrapeBlock;
use crate::model::position::AckRanges;
use crate::sys::clock::{Clock, ManualClock, SystemClock};
use crate::sys::fs::RealFs;
use crate::wal::positions::PositionFile;

fn running(dir: &Path, registry: &Registry) -> Wal {
    running_at(dir, registry, Arc::new(SystemClock))
}

fn running_at(dir: &Path, registry: &Registry, clock: Arc<dyn Clock>) -> Wal {
    let options = Options {
        budget_bytes: 1 << 30,
        age_max: None,
        sync_interval: Duration::from_millis(20),
        ring_bytes: 20_000,
        stage_dir: None,
    };
    let storage = Arc::new(RealFs);
    open(dir, options, storage, clock, registry).expect("opens")
}

fn epoch(id: u32, frozen: bool) -> Epoch {
    Epoch {
        id: EpochId(id),
        base_wall: Wall(5),
        frozen,
    }
}

/// Reads until `count` blocks came, waiting for wake-ups.
fn drain(queue: &mut super::super::Queue, count: usize) -> Vec<Arc<ScrapeBlock>> {
    let mut after = queue.start.floor();
    let mut blocks = Vec::new();
    while blocks.len() < count {
        match queue.source.next(after).expect("readable") {
            Next::Block(block) => {
                after = block.sequence;
                blocks.push(block);
            }
            Next::CaughtUp => {
                let woken = queue.wake.recv_timeout(Duration::from_secs(10));
                assert_eq!(woken, Ok(()), "not woken");
            }
            gap @ Next::Gap { .. } => panic!("{gap:?}"),
        }
    }
    blocks
}

#[test]
fn what_is_appended_reaches_queues_and_survives_a_restart() {
    let dir = tempfile::tempdir().expect("folder");
    let registry = Registry::default();
    let wal = running(dir.path(), &registry);
    wal.begin_epoch(epoch(1, true));
    let mut queue = wal.register_queue("one");
    let appender = wal.appender().expect("open");
    let mut workload = Workload::new(1, 3);
    let blocks: Vec<_> = (0..500).map(|_| workload.next_block()).collect();
    for block in &blocks[..100] {
        assert!(appender.send(block.clone()));
    }
    assert!(appender.send_many(blocks[100..].to_vec()));
    let read = drain(&mut queue, 500);
    for (one, two) in read.iter().zip(&blocks) {
        let two = ScrapeBlock {
            sequence: one.sequence,
            ..two.clone()
        };
        assert_eq!(render(one), render(&two));
    }
    queue
        .settled
        .with(|own| own.insert(Sequence(1), Sequence(200)));
    queue.totals.with(|own| own.acknowledged = 77);
    wal.finish_appending();
    assert!(wal.appender().is_none());
    drop(appender);
    assert!(wal.join());

    let wal = running(dir.path(), &registry);
    assert_eq!(wal.last_epoch(), Some(epoch(1, true)));
    let mut queue = wal.register_queue("one");
    assert_eq!(queue.start.floor(), Sequence(200));
    assert_eq!(queue.totals.with(|own| own.acknowledged), 77);
    let again = drain(&mut queue, 300);
    for (one, two) in again.iter().zip(&read[200..]) {
        assert_eq!(render(one), render(two));
    }
    assert!(wal.is_alive());
    assert!(wal.join());
    let samples: usize = blocks.iter().map(ScrapeBlock::sample_count).sum();
    let counted = ["float", "histogram"].map(|kind| {
        let name = "prometheus_agent_samples_appended_total";
        registry.counter(name, "", &[("type", kind)]).get()
    });
    assert_eq!(counted[0] + counted[1], samples as f64);
    assert!(counted.iter().all(|own| *own > 0.0), "{counted:?}");
}

#[test]
fn a_second_process_is_told_who_is_in_the_way() {
    let dir = tempfile::tempdir().expect("folder");
    let wal = running(dir.path(), &Registry::default());
    let options = Options {
        budget_bytes: 0,
        age_max: None,
        sync_interval: Duration::ZERO,
        ring_bytes: 0,
        stage_dir: None,
    };
    let second = open(
        dir.path(),
        options,
        Arc::new(RealFs),
        Arc::new(SystemClock),
        &Registry::default(),
    );
    let text = second.map(drop).map_err(|error| error.to_string());
    let text = text.expect_err("locked");
    assert!(
        text.ends_with("is locked: another process uses this storage folder"),
        "{text}"
    );
    assert!(wal.join());
}

#[test]
fn an_epoch_is_known_before_its_first_block_is_read() {
    let dir = tempfile::tempdir().expect("folder");
    let wal = running(dir.path(), &Registry::default());
    let mut queue = wal.register_queue("q");
    let appender = wal.appender().expect("open");
    let mut workload = Workload::new(2, 1);
    for id in 1..=20 {
        workload.epoch = EpochId(id);
        wal.begin_epoch(epoch(id, false));
        assert!(appender.send(workload.next_block()));
    }
    let timeline = wal.timeline();
    for block in drain(&mut queue, 20) {
        assert!(timeline.load().get(block.epoch).is_some());
    }
    drop(queue);
    drop(appender);
    assert!(wal.join());
}

/// Waits until the log's thread has done all that it was given.
fn wait_for_rest(wal: &Wal) {
    let deadline = SystemClock.mono() + Duration::from_secs(10);
    while wal.pulse().read().is_working() {
        assert!(
            SystemClock.mono() < deadline,
            "the log's thread does not rest"
        );
        std::thread::yield_now();
    }
}

/// A log that gathers, by a clock that stands still, so that this does not end by itself. Its queue has
/// read what there was.
fn gathering(dir: &Path) -> (Wal, Arc<ManualClock>, super::super::Queue, Workload) {
    let clock = Arc::new(ManualClock::new(Mono::from_millis(5000), Wall(5)));
    let wal = running_at(dir, &Registry::default(), Arc::clone(&clock) as _);
    wal.begin_epoch(epoch(1, true));
    let mut queue = wal.register_queue("q");
    let appender = wal.appender().expect("open");
    let mut workload = Workload::new(3, 2);
    for _ in 0..2 {
        assert!(appender.send(workload.next_block()));
        queue.start = AckRanges::up_to(drain(&mut queue, 1)[0].sequence);
        // A block can be read before its thread looks for the next one, which must not find it yet.
        wait_for_rest(&wal);
    }
    (wal, clock, queue, workload)
}

#[test]
fn blocks_that_come_often_are_taken_together_and_none_is_left_behind() {
    let dir = tempfile::tempdir().expect("folder");
    let (wal, clock, mut queue, mut workload) = gathering(dir.path());
    let appender = wal.appender().expect("open");
    for _ in 1..limits::LOG_GATHER_BLOCKS {
        let next = queue.source.next(queue.start.floor()).expect("readable");
        assert!(matches!(next, Next::CaughtUp), "{next:?}");
        assert!(appender.send(workload.next_block()));
    }
    assert!(appender.send(workload.next_block()));
    let read = drain(&mut queue, limits::LOG_GATHER_BLOCKS);
    queue.start = AckRanges::up_to(read.last().expect("blocks").sequence);
    assert!(appender.send(workload.next_block()));
    clock.advance_ms(limits::LOG_GATHER.as_millis() as u64);
    queue.start = AckRanges::up_to(drain(&mut queue, 1)[0].sequence);
    assert!(appender.send(workload.next_block()));
    wal.finish_appending();
    drop(appender);
    drain(&mut queue, 1);
    assert!(wal.join());
}

#[test]
fn the_last_blocks_can_be_read_once_they_are_said_to_be_taken() {
    let dir = tempfile::tempdir().expect("folder");
    let (wal, _clock, mut queue, mut workload) = gathering(dir.path());
    let appender = wal.appender().expect("open");
    assert!(appender.send(workload.next_block()));
    wal.finish_appending();
    assert!(!wal.wait_until_taken(Duration::ZERO), "more may come");
    drop(appender);
    assert!(wal.wait_until_taken(Duration::from_secs(10)));
    let next = queue.source.next(queue.start.floor()).expect("readable");
    assert!(matches!(next, Next::Block(_)), "{next:?}");
    assert!(wal.join());
}

#[test]
fn positions_go_to_the_disk_that_stands_at_the_path_by_now() {
    let dir = tempfile::tempdir().expect("folder");
    let opened = super::super::open::open(
        dir.path(),
        options(),
        Arc::new(RealFs),
        Arc::new(SystemClock),
        &Registry::default(),
    )
    .expect("opens");
    let seat = opened.queues.register("q");
    opened.queues.store(Sequence(0)).expect("stored");
    let path = super::super::folder(dir.path()).join("positions/q.pos");
    let stored = || {
        let (_, position) = PositionFile::open(&RealFs, &path).expect("there");
        position.expect("sound").settled.floor()
    };
    assert_eq!(stored(), Sequence(0));
    // As when a disk is mounted over the folder, or taken from above it.
    let folder = path.parent().expect("a folder");
    std::fs::rename(folder, dir.path().join("aside")).expect("taken away");
    seat.settled
        .with(|own| own.insert(Sequence(1), Sequence(5)));
    opened.queues.store(Sequence(5)).expect("stored");
    assert_eq!(stored(), Sequence(5));
}
