use proptest::prelude::*;

use std::sync::Arc;

use super::*;
use crate::model::block::SideTables;
use crate::model::exemplar::Exemplar;
use crate::model::labels::Labels;
use crate::model::series::{ChunkBuilder, SeriesChunk, SeriesList, TargetIdentity};
use crate::model::time::Mono;
use crate::model::value::{ABSENT, STALE};
use crate::remote::outgoing::OutgoingCache;
use crate::remote::piece::Item;
use crate::remote::testing::{
    Books, block, decode, decode_zstd, list, piece, series_name, twin_list,
};

mod histograms;

const ALL: Rules = Rules {
    oldest_ms: i64::MIN,
    exemplars: true,
    histograms: true,
};

fn samples_of(request: &crate::wire::prompb::WriteRequest) -> Vec<(String, Vec<i64>)> {
    let entry = |series: &crate::wire::prompb::TimeSeries| {
        let times = series.samples.iter().map(|sample| sample.timestamp);
        (series_name(series), times.collect())
    };
    request.timeseries.iter().map(entry).collect()
}

fn build(pieces: &[Piece], rules: Rules) -> (Counts, crate::wire::prompb::WriteRequest) {
    let mut builder = RequestBuilder::default();
    let snappy = Compression::Snappy;
    let counts = builder.build(snappy, pieces, rules).expect("built");
    let request = decode(builder.finish().expect("finished"));
    let zstd = build_zstd(&mut builder, pieces, rules);
    assert_eq!(zstd, (counts, sorted(&request)));
    (counts, request)
}

/// The same with zstd, and its entries in an order of their own.
fn build_zstd(
    builder: &mut RequestBuilder,
    pieces: &[Piece],
    rules: Rules,
) -> (Counts, Vec<Vec<u8>>) {
    let zstd = Compression::Zstd;
    let counts = builder.build(zstd, pieces, rules).expect("built");
    let request = decode_zstd(builder.finish().expect("finished"));
    (counts, sorted(&request))
}

/// Entries by their labels, those of a series in their order; as bytes, because NaN is not itself.
fn sorted(request: &crate::wire::prompb::WriteRequest) -> Vec<Vec<u8>> {
    let mut entries = request.timeseries.clone();
    entries.sort_by_key(|entry| format!("{:?}", entry.labels));
    entries.iter().map(prost::Message::encode_to_vec).collect()
}

#[test]
fn consecutive_blocks_of_a_target_share_their_entries() {
    let (one, two) = (list(1, 2), list(2, 1));
    let blocks = [block(1, &one), block(2, &two), block(3, &one)];
    let pieces = blocks.map(|block| piece(Mono(0), block));
    let (counts, request) = build(&pieces, ALL);
    let expected = [
        ("t1/0".to_owned(), vec![1000, 3000]),
        ("t1/1".to_owned(), vec![1000, 3000]),
        ("t2/0".to_owned(), vec![2000]),
    ];
    assert_eq!(samples_of(&request), expected);
    assert_eq!((counts.samples, counts.highest_ms), (5, 3000));
}

#[test]
fn a_changed_list_does_not_reorder_a_series() {
    let (old, new) = (list(1, 2), list(1, 3));
    let blocks = [block(1, &old), block(2, &new), block(3, &old)];
    let pieces = blocks.map(|block| piece(Mono(0), block));
    let (_, request) = build(&pieces, ALL);
    let mut books = Books::default();
    books.store(&request);
    books.assert_in_order();
    assert_eq!(books.samples(), 7);
}

#[test]
fn absent_old_and_timestamped_slots_are_told_apart() {
    let list = list(1, 4);
    let mut sparse = block(5, &list);
    sparse.values = vec![1.0, ABSENT, STALE, 2.0].into();
    sparse.side = Some(Box::new(SideTables {
        timestamps: vec![(0, 100), (3, 4000)],
        exemplars: vec![
            (1, exemplar("absent", None)),
            (3, exemplar("one", Some(7))),
            (3, exemplar("two", None)),
        ],
        ..SideTables::default()
    }));
    let pieces = [piece(Mono(0), sparse)];
    let rules = Rules {
        oldest_ms: 1000,
        ..ALL
    };
    let (counts, request) = build(&pieces, rules);
    let expected = [
        ("t1/2".to_owned(), vec![5000]),
        ("t1/3".to_owned(), vec![4000]),
    ];
    assert_eq!(samples_of(&request), expected);
    let stale = request.timeseries[0].samples[0].value;
    assert!(crate::model::value::is_stale(stale));
    let times: Vec<i64> = request.timeseries[1]
        .exemplars
        .iter()
        .map(|exemplar| exemplar.timestamp)
        .collect();
    assert_eq!(times, [7, 5000]);
    let expected = Counts {
        samples: 2,
        exemplars: 2,
        too_old: 1,
        highest_ms: 5000,
        ..Counts::default()
    };
    assert_eq!(counts, expected);
    let (counts, request) = build(
        &pieces,
        Rules {
            exemplars: false,
            ..ALL
        },
    );
    assert_eq!((counts.samples, counts.exemplars), (3, 0));
    assert!(
        request
            .timeseries
            .iter()
            .all(|own| own.exemplars.is_empty())
    );
}

fn exemplar(trace: &str, timestamp_ms: Option<i64>) -> Exemplar {
    Exemplar {
        labels: Labels::from_pairs([("trace_id", trace)]),
        value: 0.5,
        timestamp_ms,
    }
}

#[test]
fn parts_of_a_block_hold_their_slots_only() {
    let list = list(1, 10);
    let whole = piece(Mono(0), block(1, &list));
    let (left, right) = whole.cut(4);
    assert_eq!((left.samples, right.samples), (4, 6));
    let (_, request) = build(&[left], ALL);
    assert_eq!(request.timeseries.len(), 4);
    let (_, request) = build(&[right], ALL);
    assert_eq!(samples_of(&request)[0].0, "t1/4");
    assert_eq!(request.timeseries.len(), 6);
}

/// Chunks that several targets have: some series hide labels of their targets, or remove them.
fn pool() -> Vec<Arc<SeriesChunk>> {
    let series: [&[&[(&str, &str)]]; 4] = [
        &[&[("__name__", "a")], &[("__name__", "a"), ("le", "1")]],
        &[&[("__name__", "b"), ("instance", "own"), ("z", "1")]],
        &[
            &[("__name__", "c"), ("job", "")],
            &[("B", "c"), ("__name__", "c")],
        ],
        &[&[("__name__", "d"), ("k", "x"), ("z", "y")]],
    ];
    let chunk = |series: &&[&[(&str, &str)]]| {
        let mut builder = ChunkBuilder::default();
        for labels in *series {
            builder.push(labels.iter().copied());
        }
        Arc::new(builder.finish(None))
    };
    series.iter().map(chunk).collect()
}

/// A target's labels: not all targets have the same names.
fn target_labels(target: u64) -> Labels {
    let instance = format!("host{target}:9100");
    let zone = if target.is_multiple_of(3) { "z" } else { "" };
    Labels::from_pairs([
        ("instance", instance.as_str()),
        ("job", "j"),
        ("zone", zone),
    ])
}

/// Some chunks of the pool. What one target shows first another shows last.
fn chunks_in_any_order() -> impl Strategy<Value = Vec<usize>> {
    prop::sample::subsequence(vec![0, 1, 2, 3], 1..5).prop_shuffle()
}

proptest! {
    #[test]
    fn what_is_sent_is_what_the_blocks_hold(
        scraped in prop::collection::vec(
            (0u64..5, chunks_in_any_order(), 0u64..4), 1..12),
    ) {
        let external = Labels::from_pairs([("site", "s"), ("job", "hidden")]);
        let (pool, mut cache) = (pool(), OutgoingCache::default());
        let (mut lists, mut expected) = (std::collections::BTreeMap::new(), Vec::new());
        let mut pieces = Vec::new();
        for ((target, chunks, seed), sequence) in scraped.iter().zip(1u64..) {
            let new = || {
                let labels = target_labels(*target);
                let identity = TargetIdentity { id: *target, job: "j".into(), labels };
                let chunks = chunks.iter().map(|chunk| Arc::clone(&pool[*chunk])).collect();
                Arc::new(SeriesList::new(Arc::new(identity), chunks))
            };
            let list = Arc::clone(lists.entry((*target, chunks)).or_insert_with(new));
            let mut block = block(sequence, &list);
            let value = |slot: u64| match (slot + seed) % 4 {
                0 => 0.0,
                1 if slot > 0 => ABSENT,
                other => other as f64,
            };
            block.values = (0..list.len() as u64).map(value).collect();
            let slots = (0..list.len() as u32).filter(|slot| (u64::from(*slot) + seed) % 3 == 0);
            let stamped = |slot: u32| (slot, block.offset_ms + 3);
            block.side = Some(Box::new(SideTables {
                timestamps: slots.clone().map(stamped).collect(),
                exemplars: slots.clone().map(|slot| (slot, exemplar(&slot.to_string(), None))).collect(), ..SideTables::default() }));
            let slots: Vec<_> = slots.collect();
            for (slot, (chunk, index)) in list.iter().enumerate() {
                let value = block.values[slot];
                if !crate::model::value::is_absent(value) {
                    let labels = external.iter().chain(list.labels(chunk, index));
                    let labels = Labels::from_pairs(labels);
                    let has_side = slots.contains(&(slot as u32));
                    let time = block.offset_ms + if has_side { 3 } else { 0 };
                    expected.push(format!("{labels} {value} @{time}"));
                    if has_side {
                        expected.push(format!("{labels} exemplar {slot} @{}", block.offset_ms));
                    }
                }
            }
            pieces.push(Piece::whole(Item {
                wall_ms: block.offset_ms,
                outgoing: cache.get(&list, &external, &[]),
                arrived: Mono(0),
                block: Arc::new(block),
            }));
        }
        let (counts, request) = build(&pieces, ALL);
        prop_assert_eq!(counts.samples + counts.exemplars, expected.len() as u64);
        let mut sent: Vec<String> = Vec::new();
        let mut last = std::collections::BTreeMap::new();
        for series in &request.timeseries {
            let pairs = series.labels.iter().map(|label| (&label.name, &label.value));
            let labels = Labels::from_pairs(pairs);
            for exemplar in &series.exemplars {
                let slot = &exemplar.labels[0].value;
                sent.push(format!("{labels} exemplar {slot} @{}", exemplar.timestamp));
            }
            for sample in &series.samples {
                sent.push(format!("{labels} {} @{}", sample.value, sample.timestamp));
                let before = last.insert(labels.clone(), sample.timestamp);
                // Two targets may expose one series if it hides what tells them apart.
                let shared = labels.get("instance") == Some("own");
                prop_assert!(shared || before.is_none_or(|before| before < sample.timestamp));
            }
        }
        sent.sort();
        expected.sort();
        prop_assert_eq!(sent, expected);
    }

    #[test]
    fn no_series_goes_back_in_time_whichever_targets_expose_it(
        scraped in prop::collection::vec((0u64..3, 0u64..3, 1usize..4), 1..60),
    ) {
        // Targets 0, 1 and 2, each with two twins, whose pages differ in size.
        let mut lists = std::collections::BTreeMap::new();
        let mut samples = 0;
        let pieces = scraped.iter().zip(1..).map(|((target, twin, series), sequence)| {
            let key = (*target, *twin, *series);
            let new = || twin_list(target * 3 + twin, *target, *series);
            samples += series;
            piece(Mono(0), block(sequence, lists.entry(key).or_insert_with(new)))
        });
        let pieces: Vec<_> = pieces.collect();
        let (_, request) = build(&pieces, ALL);
        let mut books = Books::default();
        books.store(&request);
        books.assert_in_order();
        prop_assert_eq!(books.samples(), samples);
    }
}
