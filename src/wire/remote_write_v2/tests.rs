use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use prost::Message;

use super::labels::{append_labels, look_up, share};
use super::*;
use crate::model::labels::Labels;
use crate::model::metadata::MetricType;
use crate::model::series::{ChunkBuilder, Encoded};
use crate::model::value::STALE;
use crate::wire::prompb_v2::{self, Request};

type Map = BTreeMap<String, String>;

fn names() -> impl Strategy<Value = Map> {
    prop::collection::btree_map("[a-e_]{1,2}", "[x-zü]{0,3}|.{0,300}", 0..6)
}

fn set(labels: &Map) -> Labels {
    Labels::from_pairs(labels)
}

/// The rule, spelled out on maps: own over target, then external labels where nothing stands.
fn merged(own: &Map, target: &Map, external: &Map) -> Map {
    let mut labels = target.clone();
    labels.extend(own.clone());
    labels.retain(|_, value| !value.is_empty());
    for (name, value) in external.iter().filter(|(_, value)| !value.is_empty()) {
        labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
    labels
}

fn value() -> impl Strategy<Value = f64> {
    let any = any::<u64>().prop_map(f64::from_bits);
    prop_oneof![Just(0.0), Just(-0.0), Just(STALE), Just(1.5), any]
}

fn exemplar() -> impl Strategy<Value = Exemplar> {
    (names(), value(), any::<Option<i64>>()).prop_map(|(labels, value, timestamp_ms)| Exemplar {
        labels: set(&labels),
        value,
        timestamp_ms,
    })
}

fn family() -> impl Strategy<Value = Family> {
    ("[a-z]{0,5}", 0u8..8, ".{0,200}", "[a-z]{0,3}").prop_map(|(name, kind, help, unit)| {
        Family::new(&name, MetricType::from_number(kind), &help, &unit)
    })
}

/// One series, as the test wants it.
#[derive(Clone, Debug)]
struct Wanted {
    own: Map,
    samples: Vec<(f64, i64)>,
    exemplars: Vec<Exemplar>,
    family: Option<Family>,
}

fn wanted() -> impl Strategy<Value = Wanted> {
    (
        names(),
        prop::collection::vec((value(), any::<i64>()), 1..4),
        prop::collection::vec(exemplar(), 0..2),
        prop::option::of(family()),
    )
        .prop_map(|(own, samples, exemplars, family)| Wanted {
            own,
            samples,
            exemplars,
            family,
        })
}

/// Series of one target as a message's bytes.
fn written(series: &[Wanted], target: &Labels, external: &Labels) -> Vec<u8> {
    let chunks: Vec<_> = series
        .iter()
        .map(|one| {
            let mut chunk = ChunkBuilder::default();
            let own = one.own.iter();
            chunk.push(own.map(|(name, value)| (name.as_str(), value.as_str())));
            chunk.finish(None)
        })
        .collect();
    let (mut symbols, mut out) = (Symbols::default(), Vec::new());
    let (mut shared, mut own) = (Vec::new(), Vec::new());
    share(&mut shared, &mut symbols, target, external);
    for (one, chunk) in series.iter().zip(&chunks) {
        let entry = begin_series(&mut out);
        look_up(&mut own, &mut symbols, chunk.encoded(0));
        append_labels(&mut out, &own, &shared);
        for (value, timestamp) in &one.samples {
            append_sample(&mut out, *value, *timestamp);
        }
        for exemplar in &one.exemplars {
            append_exemplar(&mut out, &mut symbols, exemplar, 77);
        }
        if let Some(family) = &one.family {
            append_metadata(&mut out, &mut symbols, family);
        }
        end_series(&mut out, &entry);
        let abandoned = begin_series(&mut out);
        append_sample(&mut out, 5.0, 5);
        abandon_series(&mut out, &abandoned);
    }
    [symbols.fields(), &out].concat()
}

fn resolve(request: &Request, refs: &[u32]) -> Vec<(String, String)> {
    let text = |at: &u32| request.symbols[*at as usize].clone();
    refs.chunks(2)
        .map(|pair| (text(&pair[0]), text(&pair[1])))
        .collect()
}

fn bits(samples: &[prompb_v2::Sample]) -> Vec<(u64, i64)> {
    let pair = |sample: &prompb_v2::Sample| (sample.value.to_bits(), sample.timestamp);
    samples.iter().map(pair).collect()
}

fn pairs(labels: &Map) -> Vec<(String, String)> {
    labels.clone().into_iter().collect()
}

fn check(request: &Request, entry: &prompb_v2::TimeSeries, wanted: &Wanted, labels: &Map) {
    assert_eq!(resolve(request, &entry.labels_refs), pairs(labels));
    let samples = wanted.samples.iter();
    let samples: Vec<_> = samples.map(|(value, at)| (value.to_bits(), *at)).collect();
    assert_eq!(bits(&entry.samples), samples);
    assert_eq!(entry.exemplars.len(), wanted.exemplars.len());
    for (found, wanted) in entry.exemplars.iter().zip(&wanted.exemplars) {
        let own = wanted.labels.iter();
        let own: Vec<_> = own.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        assert_eq!(resolve(request, &found.labels_refs), own);
        assert_eq!(found.value.to_bits(), wanted.value.to_bits());
        assert_eq!(found.timestamp, wanted.timestamp_ms.unwrap_or(77));
    }
    let told = entry.metadata.map(|own| {
        let text = |at: u32| request.symbols[at as usize].as_str();
        (own.kind, text(own.help_ref), text(own.unit_ref))
    });
    let family = wanted.family.as_ref();
    let family = family.map(|own| (i32::from(own.kind() as u8), own.help(), own.unit()));
    assert_eq!(told, family);
}

proptest! {
    #[test]
    fn a_message_is_read_by_prost_as_it_was_meant(
        series in prop::collection::vec(wanted(), 0..4), target in names(), external in names(),
    ) {
        let target: Map = target.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let bytes = written(&series, &set(&target), &set(&external));
        let request = Request::decode(bytes.as_slice()).expect("valid");
        let unique: BTreeSet<&String> = request.symbols.iter().collect();
        prop_assert_eq!(unique.len(), request.symbols.len(), "symbols are unique");
        prop_assert_eq!(&request.symbols[0], "");
        prop_assert_eq!(request.timeseries.len(), series.len());
        for (entry, wanted) in request.timeseries.iter().zip(&series) {
            check(&request, entry, wanted, &merged(&wanted.own, &target, &external));
        }
        // Nothing is in the bytes that the message does not have.
        let again = Request::decode(request.encode_to_vec().as_slice()).expect("valid");
        prop_assert_eq!(again.symbols, request.symbols);
    }

    #[test]
    fn damaged_own_labels_end_the_labels_only(stored: Vec<u8>) {
        let (mut symbols, mut out) = (Symbols::default(), Vec::new());
        let (mut shared, mut own) = (Vec::new(), Vec::new());
        let target = Labels::from_pairs([("job", "j")]);
        let external = Labels::default();
        share(&mut shared, &mut symbols, &target, &external);
        look_up(&mut own, &mut symbols, Encoded::new(&stored));
        append_labels(&mut out, &own, &shared);
        prop_assert!(out.len() >= 4);
    }
}

#[test]
fn the_bytes_are_these() {
    let series = Wanted {
        own: Map::from([("__name__".to_owned(), "up".to_owned())]),
        samples: vec![(1.0, 300), (0.0, 301)],
        exemplars: vec![Exemplar {
            labels: Labels::from_pairs([("id", "x")]),
            value: 2.0,
            timestamp_ms: None,
        }],
        family: Some(Family::new("", MetricType::Gauge, "H", "s")),
    };
    let target = Labels::from_pairs([("job", "j")]);
    let bytes = written(&[series], &target, &Labels::default());
    let mut expected = Vec::new();
    for symbol in ["", "job", "j", "__name__", "up", "id", "x", "H", "s"] {
        expected.extend_from_slice(&[0x22, symbol.len() as u8]);
        expected.extend_from_slice(symbol.as_bytes());
    }
    let two = 2.0f64.to_le_bytes();
    let entry: Vec<u8> = [
        // labels_refs
        &[0x0a, 4, 3, 4, 1, 2][..],
        // Sample: timestamp, value
        &[0x12, 12, 0x10, 0xac, 0x02, 0x09],
        &1.0f64.to_le_bytes(),
        // Sample: timestamp; zero is left out
        &[0x12, 3, 0x10, 0xad, 0x02],
        // Exemplar: labels_refs, value, timestamp
        &[0x22, 15, 0x0a, 2, 5, 6, 0x11],
        &two,
        &[0x18, 77],
        // Metadata: type, help_ref, unit_ref
        &[0x2a, 6, 0x08, 2, 0x18, 7, 0x20, 8],
    ]
    .concat();
    expected.extend_from_slice(&[0x2a, entry.len() as u8]);
    expected.extend_from_slice(&entry);
    assert_eq!(bytes, expected);
}

#[test]
fn a_removed_target_label_lets_the_external_one_show() {
    let target = Map::from([("job".to_owned(), "target".to_owned())]);
    let external = [("job", "external"), ("site", "s")];
    let own = [("job", ""), ("site", "")];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let series = Wanted {
        own: own.into(),
        samples: vec![(1.0, 1)],
        exemplars: Vec::new(),
        family: None,
    };
    let bytes = written(&[series], &set(&target), &Labels::from_pairs(external));
    let request = Request::decode(bytes.as_slice()).expect("valid");
    let labels = resolve(&request, &request.timeseries[0].labels_refs);
    let expected = external.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(labels, expected);
}

#[test]
fn a_shrunken_table_begins_anew() {
    let mut symbols = Symbols::default();
    let long = "x".repeat(1000);
    assert_eq!(symbols.refer(long.as_bytes()), 1);
    symbols.shrink_to(100);
    assert_eq!(symbols.refer(b""), 0);
    assert_eq!(symbols.refer(b"y"), 1);
    assert_eq!(symbols.fields(), b"\x22\x00\x22\x01y");
}
