//! Tests of a shard as a whole; its searching and its setting aside have their own.

mod failing;
mod repeating;
mod searching;

use std::collections::{BTreeSet, HashMap};

use super::*;
use crate::model::block::SideTables;
use crate::model::testing::Observed;
use crate::model::value::ABSENT;
use crate::remote::request::{RequestBuilder, Rules};
use crate::remote::testing::{Books, block, decode, list, piece};
use crate::wire::compress::Compression;
use crate::wire::prompb::WriteRequest;
use proptest::prelude::*;

const ALL: Rules = Rules {
    oldest_ms: i64::MIN,
    exemplars: true,
    histograms: true,
};

fn settings() -> ShardSettings {
    ShardSettings {
        samples: 100,
        raw_bytes: 1 << 20,
        deadline: Duration::from_secs(5),
        min_backoff: Duration::from_millis(30),
        max_backoff: Duration::from_secs(5),
    }
}

fn at(seconds: u64) -> Mono {
    Mono::from_millis(seconds * 1000)
}

fn sequences(shard: &Shard) -> Vec<u64> {
    let numbers = shard.batch().iter().map(|piece| piece.sequence().0);
    numbers.collect()
}

fn settled(shard: &mut Shard) -> Vec<u64> {
    shard.take_settled().map(|sequence| sequence.0).collect()
}

fn request(shard: &Shard) -> WriteRequest {
    let mut builder = RequestBuilder::default();
    builder
        .build(Compression::Snappy, shard.batch(), ALL)
        .expect("built");
    decode(builder.finish().expect("finished"))
}

/// Samples given up since the last call, by reason.
fn given_up(shard: &mut Shard) -> HashMap<Refusal, u64> {
    let mut counts = HashMap::new();
    for own in shard.take_given_up() {
        *counts.entry(own.refusal).or_default() += own.piece.samples;
    }
    counts
}

fn push(shard: &mut Shard, now: Mono, sequence: u64, target: u64, series: usize) {
    shard.push(piece(now, block(sequence, &list(target, series))));
}

/// As [`push`], what an earlier run may have sent.
fn push_again(shard: &mut Shard, now: Mono, sequence: u64, target: u64, series: usize) {
    let mut piece = piece(now, block(sequence, &list(target, series)));
    piece.uncertain = true;
    shard.push(piece);
}

#[test]
fn a_batch_leaves_when_it_is_full_or_its_deadline_comes() {
    let mut shard = Shard::new(settings());
    assert_eq!(shard.step(at(0), false), Step::Idle);
    push(&mut shard, at(0), 1, 1, 40);
    push(&mut shard, at(1), 2, 2, 40);
    assert_eq!(shard.step(at(1), false), Step::Wait(at(5)));
    push(&mut shard, at(2), 3, 3, 40);
    assert_eq!(shard.step(at(2), false), Step::Send);
    assert_eq!(sequences(&shard), [1, 2]);
    assert_eq!(
        shard.answered(at(2), &Verdict::Accepted, 0.0),
        Outcome::Delivered
    );
    assert_eq!(settled(&mut shard), [1, 2]);
    assert_eq!(shard.step(at(2), false), Step::Wait(at(7)));
    assert_eq!(shard.step(at(7), false), Step::Send);
    assert_eq!(sequences(&shard), [3]);
}

#[test]
fn bytes_fill_a_batch_too() {
    let entry = piece(at(0), block(1, &list(1, 10))).bytes() / 10;
    let mut shard = Shard::new(ShardSettings {
        raw_bytes: 25 * entry,
        ..settings()
    });
    push(&mut shard, at(0), 1, 1, 10);
    push(&mut shard, at(0), 2, 1, 10);
    assert!(matches!(shard.step(at(0), false), Step::Wait(_)));
    push(&mut shard, at(0), 3, 1, 10);
    assert_eq!(shard.step(at(0), false), Step::Send);
    assert_eq!(sequences(&shard), [1, 2]);
}

#[test]
fn native_histograms_fill_a_batch_too() {
    let mut shard = Shard::new(ShardSettings {
        samples: 1 << 20,
        raw_bytes: 1 << 30,
        ..settings()
    });
    let histogram = Observed::new(0, 1).histogram();
    let half = limits::REMOTE_BATCH_HISTOGRAMS as usize / 2;
    let mut scrape = |sequence| {
        let mut own = block(sequence, &list(1, half + 1));
        let slots = 0..half as u32;
        own.side = Some(Box::new(SideTables {
            histograms: slots.map(|slot| (slot, histogram.clone())).collect(),
            ..SideTables::default()
        }));
        shard.push(piece(at(0), own));
        (shard.step(at(0), false), shard.pending_histograms())
    };
    let (step, pending) = scrape(1);
    assert!(matches!(step, Step::Wait(_)));
    assert_eq!(pending, limits::REMOTE_BATCH_HISTOGRAMS / 2);
    assert_eq!(scrape(2), (Step::Send, limits::REMOTE_BATCH_HISTOGRAMS));
    shard.answered(at(0), &Verdict::Accepted, 0.0);
    assert_eq!(
        (shard.pending_samples(), shard.pending_histograms()),
        (0, 0)
    );
}

#[test]
fn what_is_passed_over_is_settled_and_no_word_of_the_receiver() {
    let mut shard = Shard::new(settings());
    push(&mut shard, at(0), 1, 1, 100);
    assert_eq!(shard.step(at(0), false), Step::Send);
    shard.pass_over(at(0));
    assert_eq!(settled(&mut shard), [1]);
    assert_eq!((shard.answers, shard.pending_samples()), (0, 0));
}

#[test]
fn a_giant_block_is_cut_and_settled_as_a_whole() {
    let mut shard = Shard::new(settings());
    push(&mut shard, at(0), 1, 1, 250);
    let mut sizes = Vec::new();
    while shard.step(at(0), true) == Step::Send {
        assert_eq!(settled(&mut shard), [0u64; 0]);
        sizes.push(request(&shard).timeseries.len());
        shard.answered(at(0), &Verdict::Accepted, 0.0);
    }
    assert_eq!(sizes, [100, 100, 50]);
    assert_eq!(settled(&mut shard), [1]);
    assert_eq!(shard.pending_samples(), 0);
}

#[test]
fn a_failed_batch_waits_and_goes_first() {
    let mut shard = Shard::new(settings());
    push(&mut shard, at(0), 1, 1, 100);
    assert_eq!(shard.step(at(0), false), Step::Send);
    let wish = Verdict::Retry(Some(Duration::from_secs(9)));
    assert_eq!(shard.answered(at(0), &wish, 0.0), Outcome::Kept);
    push(&mut shard, at(1), 2, 1, 100);
    assert_eq!(shard.step(at(1), true), Step::Wait(at(9)));
    assert_eq!(shard.step(at(9), false), Step::Send);
    assert_eq!((sequences(&shard), shard.attempt()), (vec![1], 1));
    shard.answered(at(9), &Verdict::Accepted, 0.0);
    assert_eq!(shard.step(at(9), false), Step::Send);
    assert_eq!((sequences(&shard), shard.attempt()), (vec![2], 0));
}

#[test]
fn a_receiver_that_wants_repair_is_asked_once_a_minute() {
    let mut shard = Shard::new(settings());
    push(&mut shard, at(0), 1, 1, 1);
    for minute in 0..3 {
        let now = at(minute * 60);
        assert_eq!(shard.step(now, true), Step::Send);
        assert_eq!(shard.answered(now, &Verdict::Hold, 0.0), Outcome::Kept);
        assert_eq!(shard.step(now, true), Step::Wait(at(minute * 60 + 60)));
    }
    assert_eq!(settled(&mut shard), [0u64; 0]);
}

#[test]
fn requests_are_small_while_memory_runs_short() {
    let settings = ShardSettings {
        samples: 160,
        ..settings()
    };
    let mut shard = Shard::new(settings);
    push(&mut shard, at(0), 1, 1, 50);
    push(&mut shard, at(0), 2, 2, 15);
    let mut sizes = Vec::new();
    for small in [true, true, false] {
        shard.keep_requests_small(small);
        assert_eq!(shard.step(at(0), true), Step::Send);
        let series = request(&shard).timeseries;
        sizes.push(series.iter().map(|own| own.samples.len()).sum::<usize>());
        shard.answered(at(0), &Verdict::Accepted, 0.0);
    }
    assert_eq!(sizes, [20, 20, 25]);
    assert_eq!(settled(&mut shard), [1, 2]);
}

#[test]
fn what_is_too_large_is_halved_and_smaller_requests_follow() {
    let mut shard = Shard::new(settings());
    push(&mut shard, at(0), 1, 1, 60);
    push(&mut shard, at(0), 2, 1, 40);
    push(&mut shard, at(0), 3, 1, 90);
    let (mut sizes, mut books) = (Vec::new(), Books::default());
    while shard.step(at(0), true) == Step::Send {
        let request = request(&shard);
        let samples: usize = request.timeseries.iter().map(|own| own.samples.len()).sum();
        sizes.push(samples);
        if samples > 30 {
            shard.answered(at(0), &Verdict::Split, 0.0);
        } else {
            books.store(&request);
            shard.answered(at(0), &Verdict::Accepted, 0.0);
        }
    }
    assert_eq!(sizes, [100, 60, 30, 30, 40, 20, 20, 50, 25, 25, 30, 10]);
    books.assert_in_order();
    assert_eq!(books.samples(), 190);
    assert_eq!(settled(&mut shard), [1, 2, 3]);
}

#[test]
fn one_sample_that_is_too_large_is_given_up_alone() {
    let mut shard = Shard::new(settings());
    push(&mut shard, at(0), 1, 1, 2);
    for _ in 0..3 {
        assert_eq!(shard.step(at(0), true), Step::Send);
        shard.answered(at(0), &Verdict::Split, 0.0);
    }
    assert_eq!(shard.step(at(0), true), Step::Idle);
    assert_eq!(
        given_up(&mut shard),
        HashMap::from([(Refusal::TooLarge, 2)])
    );
    assert_eq!(settled(&mut shard), [1]);
}

fn samples(request: &WriteRequest) -> usize {
    let samples = request.timeseries.iter().map(|own| own.samples.len());
    samples.sum()
}

/// Samples of the requests that are sent until nothing is left, each answered by a rule.
fn send_by(shard: &mut Shard, mut rule: impl FnMut(&WriteRequest) -> Verdict) -> Vec<usize> {
    let mut sizes = Vec::new();
    while shard.step(at(0), true) == Step::Send {
        let request = request(shard);
        sizes.push(samples(&request));
        shard.answered(at(0), &rule(&request), 0.0);
    }
    sizes
}

#[test]
fn a_sample_that_is_too_large_alone_leaves_requests_large() {
    for bad in [0, 37, 99] {
        let mut shard = Shard::new(settings());
        push(&mut shard, at(0), 1, 1, 100);
        let name = format!("t1/{bad}");
        send_by(&mut shard, |request| {
            let mut series = request.timeseries.iter();
            match series.any(|own| crate::remote::testing::series_name(own) == name) {
                true => Verdict::Split,
                false => Verdict::Accepted,
            }
        });
        assert_eq!(given_up(&mut shard)[&Refusal::TooLarge], 1);
        push(&mut shard, at(0), 2, 2, 100);
        assert_eq!(shard.step(at(0), true), Step::Send);
        assert!(request(&shard).timeseries.len() >= 50, "series {bad}");
    }
}

#[test]
fn requests_grow_again_after_a_time_in_which_everything_was_too_large() {
    let mut shard = Shard::new(settings());
    for sequence in 1..=20 {
        push(&mut shard, at(0), sequence, 1, 100);
    }
    send_by(&mut shard, |_| Verdict::Split);
    assert_eq!(given_up(&mut shard)[&Refusal::TooLarge], 2000);
    for sequence in 21..=40 {
        push(&mut shard, at(0), sequence, 1, 100);
    }
    let sizes = send_by(&mut shard, |_| Verdict::Accepted);
    assert_eq!(sizes.last(), Some(&100));
    assert!(sizes.len() < 1000, "{}", sizes.len());
}

#[test]
fn a_fixed_limit_is_seldom_exceeded() {
    let mut shard = Shard::new(settings());
    for sequence in 1..=1000 {
        push(&mut shard, at(0), sequence, 1, 100);
    }
    let rule = |request: &WriteRequest| match samples(request) > 30 {
        true => Verdict::Split,
        false => Verdict::Accepted,
    };
    let sizes = send_by(&mut shard, rule);
    assert!(given_up(&mut shard).is_empty());
    let refused = sizes.iter().filter(|samples| **samples > 30).count();
    assert!(refused < 30, "{refused} of {}", sizes.len());
    assert!(sizes.len() < 4600, "{}", sizes.len());
}

#[test]
fn throttled_batches_are_dropped_where_the_configuration_says_so() {
    let mut shard = Shard::new(settings());
    push(&mut shard, at(0), 1, 1, 10);
    assert_eq!(shard.step(at(0), true), Step::Send);
    shard.answered(at(0), &Verdict::Throttled, 0.0);
    assert_eq!(settled(&mut shard), [1]);
    assert_eq!(
        given_up(&mut shard),
        HashMap::from([(Refusal::Throttled, 10)])
    );
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        4 => Just(Verdict::Accepted),
        2 => Just(Verdict::Retry(None)),
        2 => Just(Verdict::Failed(None)),
        1 => Just(Verdict::Retry(Some(Duration::from_secs(400)))),
        1 => Just(Verdict::Hold),
        1 => Just(Verdict::Split),
        2 => any::<bool>().prop_map(|repeated| Verdict::Refused { repeated }),
        1 => Just(Verdict::Throttled),
        1 => Just(Verdict::Unauthorized),
    ]
}

proptest! {
    #[test]
    fn any_answers_end_with_every_block_settled_once_and_series_in_order(
        blocks in prop::collection::vec((1u64..4, 1usize..12, 0usize..4), 1..20),
        answers in prop::collection::vec(verdict(), 0..60),
        samples in 1u64..30, moves in prop::collection::btree_set(0usize..60, 0..3),
    ) {
        let settings = ShardSettings { samples, ..settings() };
        let mut shard = Shard::new(settings.clone());
        let (mut total, mut now) = (0, at(0));
        for (index, (target, series, absent)) in blocks.iter().enumerate() {
            let mut own = block(index as u64 + 1, &list(*target, *series));
            for slot in 0..(*absent).min(series - 1) {
                own.values[slot] = ABSENT;
            }
            let own = piece(now, own);
            total += own.samples;
            shard.push(own);
        }
        let (mut books, mut done, mut lost) = (Books::default(), Vec::new(), 0);
        let mut answers = answers.into_iter().enumerate();
        loop {
            match shard.step(now, true) {
                Step::Idle => break,
                Step::Wait(until) => now = until,
                Step::Send => {
                    let (turn, answer) = answers.next().unwrap_or((usize::MAX, Verdict::Accepted));
                    let sent = request(&shard);
                    let most: usize = sent.timeseries.iter().map(|own| own.samples.len()).sum();
                    prop_assert!(most as u64 <= samples.max(1));
                    if shard.answered(now, &answer, 0.5) == Outcome::Delivered {
                        books.store(&sent);
                    }
                    lost += given_up(&mut shard).values().sum::<u64>();
                    done.extend(shard.take_settled());
                    if moves.contains(&turn) {
                        // Resharding: what is left moves to another shard.
                        let mut fresh = Shard::new(settings.clone());
                        for piece in shard.into_pieces() {
                            fresh.push(piece);
                        }
                        shard = fresh;
                    }
                }
            }
        }
        lost += given_up(&mut shard).values().sum::<u64>();
        done.extend(shard.take_settled());
        books.assert_in_order();
        prop_assert_eq!(books.samples() as u64 + lost, total);
        let unique: BTreeSet<_> = done.iter().collect();
        prop_assert_eq!(unique.len(), done.len());
        prop_assert_eq!(done.len(), blocks.len());
        prop_assert_eq!(shard.pending_samples(), 0);
    }
}
