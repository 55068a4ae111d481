use super::*;
use crate::model::time::Mono;
use crate::sys::clock::ManualClock;
use crate::sys::fs_sim::SimFs;

const DIR: &str = "/data/narthex";

fn open(disk: &SimFs, wall: i64, registry: &Registry) -> LossBook {
    let clock = Arc::new(ManualClock::new(Mono(0), Wall(wall)));
    let storage = Arc::new(disk.clone());
    let (book, sound) = LossBook::open(storage, Path::new(DIR), clock, registry).expect("opens");
    assert!(sound);
    book
}

fn lose(book: &LossBook, sequence: u64, samples: u64) {
    book.lost(Lost {
        queue: "q",
        job: "j",
        reason: LossReason::Invalid,
        sequence: Sequence(sequence),
        samples,
    });
}

/// What a start after a crash at this moment finds.
fn after_crash(disk: &SimFs) -> u64 {
    let registry = Registry::default();
    open(&disk.crash(3), 9, &registry).snapshot().total("q")
}

#[test]
fn a_loss_is_stored_with_the_position_that_settles_its_block() {
    let (disk, registry) = (SimFs::default(), Registry::default());
    let book = open(&disk, 7, &registry);
    lose(&book, 5, 2);
    lose(&book, 5, 1);
    lose(&book, 8, 10);
    assert_eq!(book.snapshot().total("q"), 13);
    book.store(&[("q", &AckRanges::up_to(Sequence(4)))])
        .expect("stored");
    assert_eq!(after_crash(&disk), 0);
    book.store(&[("q", &AckRanges::up_to(Sequence(5)))])
        .expect("stored");
    assert_eq!(after_crash(&disk), 3);
    book.store(&[("q", &AckRanges::up_to(Sequence(9)))])
        .expect("stored");
    assert_eq!(after_crash(&disk), 13);
    assert_eq!(book.snapshot().total("q"), 13);
}

#[test]
fn metrics_go_on_across_restarts() {
    let (disk, registry) = (SimFs::default(), Registry::default());
    let book = open(&disk, 7, &registry);
    lose(&book, 1, 4);
    book.store(&[("q", &AckRanges::up_to(Sequence(1)))])
        .expect("stored");
    let registry = Registry::default();
    let book = open(&disk, 100, &registry);
    lose(&book, 2, 3);
    let labels = [("remote_name", "q"), ("job", "j"), ("reason", "invalid")];
    let counter = registry.counter("narthex_samples_lost_total", "", &labels);
    assert_eq!(counter.get(), 7.0);
    let lines = book.snapshot();
    let (_, line) = lines.iter().next().expect("a line");
    assert_eq!((line.first, line.last), (Wall(7), Wall(100)));
}

#[test]
fn blocks_in_a_queues_hands_are_lost_only_if_the_process_ends() {
    let (disk, registry) = (SimFs::default(), Registry::default());
    let book = open(&disk, 7, &registry);
    let held = |sequence, samples| Held {
        sequence: Sequence(sequence),
        job: "j".into(),
        samples,
    };
    book.hold("q", LossReason::Budget, vec![held(3, 10), held(4, 20)]);
    assert_eq!(book.snapshot().total("q"), 0);
    book.store(&[("q", &AckRanges::up_to(Sequence(2)))])
        .expect("stored");
    assert_eq!(after_crash(&disk), 30);
    book.store(&[("q", &AckRanges::up_to(Sequence(3)))])
        .expect("stored");
    assert_eq!(after_crash(&disk), 20);
    book.store(&[("q", &AckRanges::up_to(Sequence(4)))])
        .expect("stored");
    assert_eq!(after_crash(&disk), 0);
}

#[test]
fn a_position_that_never_moves_cannot_fill_the_memory() {
    let (disk, registry) = (SimFs::default(), Registry::default());
    let book = open(&disk, 7, &registry);
    let count = 3 * limits::LOSS_OPEN as u64;
    for sequence in 0..count {
        lose(&book, sequence, 1);
    }
    assert!(book.state.lock().open.len() <= limits::LOSS_OPEN);
    assert_eq!(book.snapshot().total("q"), count);
    book.store(&[]).expect("stored");
    assert_eq!(book.snapshot().total("q"), count);
}

#[test]
fn a_block_that_is_held_again_counts_once() {
    let (disk, registry) = (SimFs::default(), Registry::default());
    let book = open(&disk, 7, &registry);
    let held = |sequence, samples| Held {
        sequence: Sequence(sequence),
        job: "j".into(),
        samples,
    };
    book.hold("other", LossReason::Budget, vec![held(4, 1)]);
    for _ in 0..3 {
        book.hold("q", LossReason::Budget, vec![held(4, 10), held(5, 20)]);
    }
    // One of them was settled, the segment is still there.
    book.hold("q", LossReason::Budget, vec![held(5, 20)]);
    book.store(&[("q", &AckRanges::up_to(Sequence(4)))])
        .expect("stored");
    assert_eq!(after_crash(&disk), 20);
}
