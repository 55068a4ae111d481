use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::limits;
use crate::model::block::{EpochId, Sequence};
use crate::model::histogram::{Buckets, Counts, NativeHistogram};
use crate::model::labels::Labels;
use crate::model::series::{ChunkBuilder, SeriesList, TargetIdentity};
use crate::model::testing::{Observed, histogram, render};
use crate::wal::codec::spans;
use crate::wal::codec::values::Span;

const SLOTS: usize = 50;

fn list(slots: usize) -> Arc<SeriesList> {
    let mut series = ChunkBuilder::default();
    for slot in 0..slots {
        series.push([("n", slot.to_string().as_str())]);
    }
    let identity = TargetIdentity {
        id: 1,
        job: "j".into(),
        labels: Labels::default(),
    };
    Arc::new(SeriesList::new(
        Arc::new(identity),
        vec![Arc::new(series.finish(None))],
    ))
}

fn block(values: Vec<f64>, side: SideTables) -> ScrapeBlock {
    ScrapeBlock {
        sequence: Sequence(1),
        epoch: EpochId(1),
        offset_ms: 0,
        series: list(values.len()),
        values: values.into(),
        side: Some(Box::new(side)),
    }
}

/// Everything that must survive, bit by bit.
fn all(block: &ScrapeBlock) -> String {
    let side = block.side.as_deref().cloned().unwrap_or_default();
    let histograms = side.histograms.iter();
    let histograms: Vec<_> = histograms
        .map(|(slot, own)| format!("{slot} {}", render(own)))
        .collect();
    let bits: Vec<_> = block.values.iter().map(|own| own.to_bits()).collect();
    let exemplars = side.exemplars;
    format!(
        "{:?} {:?} {exemplars:?} {histograms:?} {bits:?}",
        side.timestamps, side.starts
    )
}

fn past_of<'a>(spans: &'a [Span], block: Option<&'a ScrapeBlock>, states: &'a [State]) -> Past<'a> {
    Past {
        spans,
        block,
        states,
    }
}

/// Writes and reads blocks one after another, each against the one before; returns the bytes of
/// the sections of each.
fn survive(blocks: &[ScrapeBlock], spans: &[Span]) -> Vec<usize> {
    let (mut written, mut read) = (Vec::new(), Vec::new());
    let mut sizes = Vec::new();
    let mut before: Option<&ScrapeBlock> = None;
    for own in blocks {
        let fresh = spans::fresh(own.values.len());
        let spans = if before.is_some() { spans } else { &fresh };
        let (mut states, mut sections) = (Vec::new(), Vec::new());
        let past = past_of(spans, before, &written);
        put(&mut sections, own, past, &mut states).expect("not too many");
        written = states;
        sizes.push(sections.len());
        let mut values = histograms::column(own).into_owned();
        let mut states = Vec::new();
        let past = past_of(spans, before, &read);
        let found = take(&sections, &mut values, past, &mut states).expect("decodes");
        read = states;
        assert_eq!(found.unknown, 0);
        let back = ScrapeBlock {
            values: values.into(),
            side: found.side,
            ..own.clone()
        };
        assert_eq!(all(&back), all(own));
        before = Some(own);
    }
    sizes
}

fn sorted<T>(table: Vec<(u32, T)>) -> Vec<(u32, T)> {
    let mut table = table;
    table.sort_by_key(|(slot, _)| *slot);
    table
}

prop_compose! {
    fn side()(
        timestamps in prop::collection::btree_map(
            0..50u32, prop_oneof![any::<i64>(), 1_000_000..1_000_004i64], 0..20),
        starts in prop::collection::btree_map(
            0..50u32, prop_oneof![any::<i64>(), 1_000_000..1_000_002i64], 0..20),
        exemplars in prop::collection::vec(
            (0..50u32, any::<i32>(), any::<Option<i64>>(), "[a-c]{0,3}"), 0..9),
        histograms in prop::collection::btree_map(0..50u32, histogram(), 0..5),
    ) -> SideTables {
        let exemplars = exemplars.into_iter().map(|(slot, value, at, trace)| {
            let labels = Labels::from_pairs([("trace", trace)]);
            (slot, Exemplar { labels, value: value.into(), timestamp_ms: at })
        });
        SideTables {
            timestamps: timestamps.into_iter().collect(),
            starts: starts.into_iter().collect(),
            exemplars: sorted(exemplars.collect()),
            histograms: histograms.into_iter().collect(),
        }
    }
}

/// Two blocks of which the second has most of the first one's tables, a few entries changed.
fn pair() -> impl Strategy<Value = [ScrapeBlock; 2]> {
    let values = || prop::collection::vec(any::<u64>().prop_map(f64::from_bits), SLOTS);
    (side(), side(), values(), values(), any::<u64>()).prop_map(
        |(one, other, first, second, keep)| {
            let mut two = one.clone();
            let kept = |slot: u32| keep >> (slot % 64) & 1 != 0;
            let starts = other.starts.iter().filter(|(slot, _)| !kept(*slot));
            two.starts.retain(|(slot, _)| kept(*slot));
            two.starts.extend(starts.copied());
            two.starts = sorted(two.starts);
            let fresh = other
                .histograms
                .into_iter()
                .filter(|(slot, _)| !kept(*slot));
            two.histograms.retain(|(slot, _)| kept(*slot));
            two.histograms.extend(fresh);
            two.histograms = sorted(two.histograms);
            [block(first, one), block(second, two)]
        },
    )
}

proptest! {
    #[test]
    fn tables_survive(blocks in pair(), cut in 0..50usize, from in 0..50usize) {
        survive(&blocks, &spans::same(SLOTS));
        let span = |len, first: usize| Span {
            len,
            base: Some(first).filter(|first| first + len <= SLOTS),
        };
        survive(&blocks, &[span(cut, from), span(SLOTS - cut, 0)]);
    }

    #[test]
    fn any_bytes_are_read_without_panic(
        tag in 0..5u64, payload: Vec<u8>, before in side(),
        change: prop::sample::Index, byte: u8,
    ) {
        let before = block(vec![0.5; SLOTS], before);
        let (mut states, mut sections) = (Vec::new(), Vec::new());
        let fresh = spans::fresh(SLOTS);
        let past = Past { spans: &fresh, block: None, states: &[] };
        put(&mut sections, &before, past, &mut states).expect("not too many");
        let mut mutated = sections.clone();
        if !mutated.is_empty() {
            let at = change.index(mutated.len());
            mutated[at] = byte;
        }
        let mut foreign = Vec::new();
        record::put(&mut foreign, tag, &payload);
        let same = spans::same(SLOTS);
        for bytes in [&foreign, &payload, &mutated, &sections] {
            for block in [None, Some(&before)] {
                let past = Past { spans: &same, block, states: &states };
                let mut values = vec![0.0; SLOTS];
                let found = take(bytes, &mut values, past, &mut Vec::new());
                let Some(Sections { side: Some(side), .. }) = found else {
                    continue;
                };
                let inside = |slot: &u32| (*slot as usize) < SLOTS;
                prop_assert!(side.timestamps.iter().all(|(slot, _)| inside(slot)));
                prop_assert!(side.exemplars.iter().all(|(slot, _)| inside(slot)));
                prop_assert!(side.starts.iter().all(|(slot, _)| inside(slot)));
                prop_assert!(side.histograms.iter().all(|(slot, _)| inside(slot)));
                prop_assert!(side.starts.is_sorted_by_key(|(slot, _)| *slot));
                prop_assert!(side.histograms.is_sorted_by_key(|(slot, _)| *slot));
            }
        }
    }
}

#[test]
fn start_timestamps_that_stay_cost_nothing() {
    let starts = |own: &dyn Fn(u32) -> i64| SideTables {
        starts: (0..1000).map(|slot| (slot, own(slot))).collect(),
        ..SideTables::default()
    };
    let same = |slot: u32| 1_700_000_000_000 + i64::from(slot % 7);
    let reset = |slot: u32| {
        if slot == 500 {
            1_700_000_100_000
        } else {
            same(slot)
        }
    };
    let blocks = [&same as &dyn Fn(u32) -> i64, &same, &reset].map(starts);
    let blocks = blocks.map(|side| block(vec![1.0; 1000], side));
    let sizes = survive(&blocks, &spans::same(1000));
    println!("1000 start timestamps: {sizes:?} bytes");
    assert!(sizes[0] <= 2010, "{sizes:?}");
    assert_eq!(sizes[1], 3);
    assert!(sizes[2] <= 12, "{sizes:?}");
}

/// Bytes of the sections of a histogram that is observed into between scrapes: of the first block,
/// and of the others on average.
fn cost(schema: i8, spread: f64, before: u64, between: u64) -> (usize, usize, f64) {
    let mut own = Observed::new(schema, 7);
    own.observe(before, spread);
    let blocks: Vec<_> = (0..64)
        .map(|_| {
            own.observe(between, spread);
            let side = SideTables {
                histograms: vec![(0, own.histogram())],
                ..SideTables::default()
            };
            block(vec![own.sum], side)
        })
        .collect();
    let sizes = survive(&blocks, &spans::same(1));
    let rest = &sizes[1..];
    let mean = rest.iter().sum::<usize>() as f64 / rest.len() as f64;
    (own.histogram().bucket_count(), sizes[0], mean)
}

#[test]
fn a_histogram_costs_what_changed() {
    for (schema, spread, before, between, bound) in [
        (3, 8.0, 5_000, 0, 8.0),
        (3, 8.0, 5_000, 5, 24.0),
        (3, 8.0, 100_000, 50, 40.0),
        (5, 8.0, 100_000, 5, 30.0),
        (5, 8.0, 1_000_000, 500, 140.0),
    ] {
        let (buckets, key, mean) = cost(schema, spread, before, between);
        println!("schema {schema}, {buckets} buckets, {between} observations: {key} {mean:.1}");
        assert!(
            mean <= bound,
            "{buckets} buckets, {between} observations: {mean}"
        );
    }
}

#[test]
fn counts_beyond_what_a_double_holds_are_told_as_they_are() {
    let own = |count| NativeHistogram {
        counts: Counts::Integer(Buckets {
            count,
            zero: u64::MAX,
            positive: [].into(),
            negative: [].into(),
        }),
        ..form::nothing()
    };
    let side = |count| SideTables {
        histograms: vec![(0, own(count)), (1, own(5))],
        ..SideTables::default()
    };
    let blocks = [u64::MAX, 0, 9].map(|count| block(vec![1.0, f64::NAN], side(count)));
    survive(&blocks, &spans::same(2));
    // Nor is one whose spans name other buckets than it has.
    let mut torn = own(1);
    torn.positive_spans = [crate::model::histogram::Span {
        offset: 0,
        length: u32::MAX,
    }]
    .into();
    let side = SideTables {
        histograms: vec![(0, torn)],
        ..SideTables::default()
    };
    let torn = block(vec![1.0], side);
    survive(&[torn.clone(), torn], &spans::same(1));
}

#[test]
fn a_block_holds_so_many_buckets_and_no_more() {
    let wide = |length: u32| {
        let mut own = form::nothing();
        own.positive_spans = [crate::model::histogram::Span { offset: 0, length }].into();
        own.counts = Counts::Integer(Buckets {
            count: 0,
            zero: 0,
            positive: vec![0; length as usize].into(),
            negative: [].into(),
        });
        let side = SideTables {
            histograms: vec![(0, own)],
            ..SideTables::default()
        };
        block(vec![1.0], side)
    };
    let fresh = spans::fresh(1);
    let past = Past {
        spans: &fresh,
        block: None,
        states: &[],
    };
    let most = limits::BLOCK_HISTOGRAM_PARTS_MAX as u32 - 4;
    let mut sections = Vec::new();
    let fits = put(&mut sections, &wide(most), past, &mut Vec::new());
    assert_eq!(fits, Some(()));
    assert!(take(&sections, &mut [0.0], past, &mut Vec::new()).is_some());
    let fits = put(&mut Vec::new(), &wide(most + 1), past, &mut Vec::new());
    assert_eq!(fits, None);
}

/// A program that does not know histograms finds no sum where a sample would be.
#[test]
fn the_value_column_has_no_sums() {
    let mut own = Observed::new(0, 1);
    own.observe(5, 2.0);
    let side = SideTables {
        histograms: vec![(1, own.histogram())],
        ..SideTables::default()
    };
    let block = block(vec![1.0, own.sum, 3.0], side);
    let column = histograms::column(&block);
    assert_eq!((column[0], column[2]), (1.0, 3.0));
    assert!(crate::model::value::is_absent(column[1]));
}
