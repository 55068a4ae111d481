use super::*;
use crate::model::metadata::MetricType;
use crate::model::series::{ChunkBuilder, Encoded};
use crate::wire::prompb;
use proptest::prelude::*;
use prost::Message;
use std::collections::BTreeMap;

type Map = BTreeMap<String, String>;

fn names() -> impl Strategy<Value = Map> {
    prop::collection::btree_map("[a-e_]{1,2}", "[x-zü]{0,3}|.{0,300}", 0..6)
}

fn message_labels(labels: &Map) -> Vec<prompb::Label> {
    let message = |(name, value): (&String, &String)| prompb::Label {
        name: name.clone(),
        value: value.clone(),
    };
    labels.iter().map(message).collect()
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

fn exemplar_message(exemplar: &Exemplar, scrape_ms: i64) -> prompb::Exemplar {
    let labels: Map = exemplar
        .labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    prompb::Exemplar {
        labels: message_labels(&labels),
        value: exemplar.value,
        timestamp: exemplar.timestamp_ms.unwrap_or(scrape_ms),
    }
}

fn value() -> impl Strategy<Value = f64> {
    let any = any::<u64>().prop_map(f64::from_bits);
    prop_oneof![Just(0.0), Just(crate::model::value::STALE), Just(1.5), any]
        .prop_filter("prost drops the sign of minus zero", |value| {
            value.to_bits() != (-0.0f64).to_bits()
        })
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

proptest! {
    #[test]
    fn the_bytes_are_those_of_prost(
        own in names(), target in names(), external in names(),
        samples in prop::collection::vec((value(), any::<i64>()), 0..4),
        exemplars in prop::collection::vec(exemplar(), 0..2),
        families in prop::collection::vec(family(), 0..3),
    ) {
        let target: Map = target.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let mut chunk = ChunkBuilder::default();
        chunk.push(own.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let chunk = chunk.finish(None);

        let mut out = Vec::new();
        let shared = SharedLabels::new(&set(&target), &set(&external));
        let series = begin_series(&mut out);
        append_labels(&mut out, chunk.encoded(0), &shared);
        for (value, timestamp) in &samples {
            append_sample(&mut out, *value, &SampleTime::new(*timestamp));
        }
        for exemplar in &exemplars {
            append_exemplar(&mut out, exemplar, 77);
        }
        end_series(&mut out, &series);
        let abandoned = begin_series(&mut out);
        append_label(&mut out, "never", "sent");
        abandon_series(&mut out, &abandoned);
        for family in &families {
            append_metadata(&mut out, family);
        }

        let expected = prompb::WriteRequest {
            timeseries: vec![prompb::TimeSeries {
                labels: message_labels(&merged(&own, &target, &external)),
                samples: samples
                    .iter()
                    .map(|(value, timestamp)| prompb::Sample { value: *value, timestamp: *timestamp })
                    .collect(),
                exemplars: exemplars.iter().map(|own| exemplar_message(own, 77)).collect(),
                histograms: Vec::new(),
            }],
            metadata: families
                .iter()
                .map(|family| prompb::MetricMetadata {
                    kind: i32::from(family.kind() as u8),
                    metric_family_name: family.name().to_string(),
                    help: family.help().to_string(),
                    unit: family.unit().to_string(),
                })
                .collect(),
        };
        prop_assert_eq!(out, expected.encode_to_vec());
    }

    #[test]
    fn damaged_own_labels_end_the_labels_only(own: Vec<u8>) {
        let mut out = Vec::new();
        let shared = SharedLabels::new(&Labels::from_pairs([("job", "j")]), &Labels::default());
        append_labels(&mut out, Encoded::new(&own), &shared);
        prop_assert!(out.windows(3).any(|bytes| bytes == b"\x12\x01j"));
    }
}

#[test]
fn minus_zero_keeps_its_sign() {
    let mut out = Vec::new();
    let series = begin_series(&mut out);
    append_sample(&mut out, -0.0, &SampleTime::new(1));
    end_series(&mut out, &series);
    let message = prompb::WriteRequest::decode(out.as_slice()).expect("valid");
    let value = message.timeseries[0].samples[0].value;
    assert_eq!(value.to_bits(), (-0.0f64).to_bits());
}

#[test]
fn a_removed_target_label_lets_the_external_one_show() {
    let target = Labels::from_pairs([("job", "target")]);
    let external = Labels::from_pairs([("job", "external"), ("site", "s")]);
    let mut chunk = ChunkBuilder::default();
    chunk.push([("job", ""), ("site", "")]);
    let mut out = Vec::new();
    let series = begin_series(&mut out);
    let shared = SharedLabels::new(&target, &external);
    append_labels(&mut out, chunk.finish(None).encoded(0), &shared);
    end_series(&mut out, &series);
    let message = prompb::WriteRequest::decode(out.as_slice()).expect("valid");
    let labels = message.timeseries[0].labels.iter();
    let pairs: Vec<_> = labels.map(|label| (&*label.name, &*label.value)).collect();
    assert_eq!(pairs, [("job", "external"), ("site", "s")]);
}
