use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::model::block::SideTables;
use crate::model::labels::Labels;
use crate::model::metadata::{Family, MetricType};
use crate::model::series::{ChunkBuilder, SeriesList, TargetIdentity};
use crate::model::time::Mono;
use crate::model::value::{ABSENT, STALE, is_stale};
use crate::relabel::regex::compile;
use crate::relabel::rule::{Action, NameScheme, Rule};
use crate::remote::outgoing::OutgoingCache;
use crate::remote::piece::Item;
use crate::remote::testing::{Books, block, decode_v2, list, piece, series_name, twin_list};
use crate::wire::compress::{self, Compression};
use crate::wire::prompb::WriteRequest;
use crate::wire::prompb_v2;

mod conformance;

const ALL: Rules = Rules {
    oldest_ms: i64::MIN,
    exemplars: true,
    histograms: true,
};

fn samples_of(request: &WriteRequest) -> Vec<(String, Vec<i64>)> {
    let entry = |series: &crate::wire::prompb::TimeSeries| {
        let times = series.samples.iter().map(|sample| sample.timestamp);
        (series_name(series), times.collect())
    };
    request.timeseries.iter().map(entry).collect()
}

fn build(pieces: &[Piece], rules: Rules) -> (Counts, WriteRequest) {
    let mut builder = RequestBuilder::default();
    let counts = builder.build(pieces, rules).expect("built");
    (counts, decode_v2(builder.finish().expect("finished")))
}

fn raw(body: &[u8]) -> prompb_v2::Request {
    let mut raw = Vec::new();
    compress::decompress(body, &mut raw, 64 << 20).expect("snappy");
    prompb_v2::Request::decode(raw.as_slice()).expect("protobuf")
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

/// A list of a target whose chunks are those of all others.
fn alike(target: u64, chunks: &[Arc<SeriesChunk>]) -> Arc<SeriesList> {
    let identity = TargetIdentity {
        id: target,
        job: "job".into(),
        labels: Labels::from_pairs([("instance", format!("t{target}")), ("job", "job".into())]),
    };
    Arc::new(SeriesList::new(Arc::new(identity), chunks.to_vec()))
}

fn chunk(numbers: std::ops::Range<u32>, family: Option<Family>) -> Arc<SeriesChunk> {
    let mut builder = ChunkBuilder::default();
    for number in numbers {
        builder.push([("__name__", "m"), ("n", number.to_string().as_str())]);
    }
    Arc::new(builder.finish(family.map(Arc::new)))
}

#[test]
fn targets_that_share_chunks_are_written_side_by_side() {
    let chunks = [chunk(0..2, None), chunk(2..3, None)];
    // The second has them the other way round, and explicit timestamps.
    let backwards: Vec<_> = chunks.iter().rev().map(Arc::clone).collect();
    let mut stamped = block(2, &alike(2, &backwards));
    stamped.side = Some(Box::new(SideTables {
        timestamps: vec![(0, 70), (1, 71), (2, 72)],
        ..SideTables::default()
    }));
    let pieces = [
        piece(Mono(0), block(1, &alike(1, &chunks))),
        piece(Mono(0), stamped),
    ];
    let (_, request) = build(&pieces, ALL);
    let expected = [
        ("t1/0", 1000),
        ("t2/0", 71),
        ("t1/1", 1000),
        ("t2/1", 72),
        ("t1/2", 1000),
        ("t2/2", 70),
    ];
    let expected = expected.map(|(name, time)| (name.to_owned(), vec![time]));
    assert_eq!(samples_of(&request), expected);
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
fn a_part_of_a_block_holds_its_slots_only() {
    let whole = piece(Mono(0), block(1, &list(1, 7)));
    let (left, right) = whole.cut(4);
    for (part, expected) in [(left, 0..4), (right, 4..7)] {
        let (counts, request) = build(&[part], ALL);
        let expected: Vec<_> = expected.map(|n| (format!("t1/{n}"), vec![1000])).collect();
        assert_eq!(counts.samples, expected.len() as u64);
        assert_eq!(samples_of(&request), expected);
    }
}

#[test]
fn absent_old_and_timestamped_slots_are_told_apart() {
    let exemplar = |value: f64, timestamp_ms| Exemplar {
        labels: Labels::from_pairs([("trace_id", "abc")]),
        value,
        timestamp_ms,
    };
    let mut sparse = block(5, &list(1, 4));
    sparse.values = vec![1.0, ABSENT, STALE, 2.0].into();
    sparse.side = Some(Box::new(SideTables {
        timestamps: vec![(0, 100), (3, 4000)],
        exemplars: vec![
            (1, exemplar(1.0, None)),
            (3, exemplar(2.0, Some(7))),
            (3, exemplar(3.0, None)),
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
    assert!(is_stale(request.timeseries[0].samples[0].value));
    let exemplars = request.timeseries[1].exemplars.iter();
    let times: Vec<_> = exemplars.map(|one| (one.value, one.timestamp)).collect();
    assert_eq!(times, [(2.0, 7), (3.0, 5000)]);
    let expected = Counts {
        samples: 2,
        exemplars: 2,
        metadata: 0,
        too_old: 1,
        highest_ms: 5000,
        ..Counts::default()
    };
    assert_eq!(counts, expected);
    let mut builder = RequestBuilder::default();
    builder.build(&pieces, rules).expect("built");
    assert_eq!(builder.too_old(), [(0, 1)]);
}

#[test]
fn every_series_carries_what_its_family_says() {
    let family = Family::new("m", MetricType::Counter, "What it counts.", "bytes");
    let chunks = [chunk(0..2, Some(family)), chunk(2..3, None)];
    let mut builder = RequestBuilder::default();
    let pieces = [piece(Mono(0), block(1, &alike(1, &chunks)))];
    let counts = builder.build(&pieces, ALL).expect("built");
    assert_eq!(counts.metadata, 2);
    let request = raw(builder.finish().expect("finished"));
    let told = request.timeseries.iter().map(|series| {
        let own = series.metadata?;
        let text = |at: u32| request.symbols[at as usize].as_str();
        Some((own.kind, text(own.help_ref), text(own.unit_ref)))
    });
    let told: Vec<_> = told.collect();
    let known = Some((1, "What it counts.", "bytes"));
    assert_eq!(told, [known, known, None]);
}

#[test]
fn rules_change_labels_and_drop_series() {
    let rule = |action, regex: &str| Rule {
        action,
        source_labels: vec!["n".to_owned()],
        separator: ";".to_owned(),
        regex: compile(regex).expect("valid"),
        modulus: 0,
        target_label: "n".to_owned(),
        replacement: "two".to_owned(),
        scheme: NameScheme::Utf8,
    };
    let rules = [rule(Action::Drop, "1"), rule(Action::Replace, "2")];
    let block = block(1, &list(1, 4));
    let external = Labels::from_pairs([("site", "s")]);
    let outgoing = OutgoingCache::default().get(&block.series, &external, &rules);
    let whole = Piece::whole(Item {
        wall_ms: block.offset_ms,
        outgoing,
        arrived: Mono(0),
        block: Arc::new(block),
    });
    let (_, request) = build(&[whole], ALL);
    let names = request.timeseries.iter().map(series_name);
    assert_eq!(names.collect::<Vec<_>>(), ["t1/0", "t1/two", "t1/3"]);
    for series in &request.timeseries {
        assert!(series.labels.iter().any(|label| label.value == "s"));
    }
}

#[test]
fn a_reused_builder_writes_the_same_bytes() {
    let pieces = [piece(Mono(0), block(1, &list(1, 400)))];
    let other = [piece(Mono(0), block(2, &list(2, 30)))];
    let mut builder = RequestBuilder::default();
    let mut body = |pieces: &[Piece]| {
        builder.build(pieces, ALL).expect("built");
        let body = builder.finish().expect("finished").to_vec();
        builder.shrink();
        body
    };
    let first = body(&pieces);
    body(&other);
    assert_eq!(body(&pieces), first);
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

    #[test]
    fn both_versions_carry_the_same_samples(
        scraped in prop::collection::vec((0u64..4, 1usize..9), 1..20), oldest in 0i64..20_000,
    ) {
        let pieces = scraped.iter().zip(1..).map(|((target, series), sequence)| {
            piece(Mono(0), block(sequence, &list(*target, *series)))
        });
        let pieces: Vec<_> = pieces.collect();
        let rules = Rules { oldest_ms: oldest, ..ALL };
        let (counts, request) = build(&pieces, rules);
        let mut first = crate::remote::request::RequestBuilder::default();
        let expected = first.build(Compression::Snappy, &pieces, rules).expect("built");
        prop_assert_eq!(counts, expected);
        let body = first.finish().expect("finished");
        let mut expected = samples_of(&crate::remote::testing::decode(body));
        let mut found = samples_of(&request);
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
    }
}
