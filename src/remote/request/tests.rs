use proptest::prelude::*;

use super::*;
use crate::model::block::SideTables;
use crate::model::labels::Labels;
use crate::model::time::Mono;
use crate::model::value::{ABSENT, STALE};
use crate::remote::testing::{Books, block, decode, list, piece, series_name, twin_list};

const ALL: Rules = Rules {
    oldest_ms: i64::MIN,
    exemplars: true,
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
    let counts = builder.build(pieces, rules).expect("built");
    (counts, decode(builder.finish().expect("finished")))
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
    }));
    let pieces = [piece(Mono(0), sparse)];
    let rules = Rules {
        oldest_ms: 1000,
        exemplars: true,
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
        metadata: 0,
        too_old: 1,
        highest_ms: 5000,
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

proptest! {
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
