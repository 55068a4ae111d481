//! Native histograms and start timestamps in bodies of both versions.

use super::*;
use crate::model::histogram::{CUSTOM_BUCKETS, NativeHistogram};
use crate::model::testing::{Observed, histogram, render};
use crate::model::value::is_stale;
use crate::remote::body::BodyBuilder;
use crate::remote::testing::decode_v2;
use crate::wire::prompb::{TimeSeries, WriteRequest};
use crate::wire::prompb_v2;
use crate::wire::version::Protocol;

/// What a series of a list has at a time: value, histogram, start.
#[derive(Clone, Debug, Default)]
struct Cell {
    value: f64,
    histogram: Option<NativeHistogram>,
    start: Option<i64>,
}

fn scrape(sequence: u64, list: &Arc<SeriesList>, cells: &[Cell]) -> Piece {
    let mut own = block(sequence, list);
    let mut side = SideTables::default();
    for (slot, cell) in (0..).zip(cells) {
        own.values[slot as usize] = cell.value;
        side.histograms
            .extend(cell.histogram.clone().map(|own| (slot, own)));
        side.starts.extend(cell.start.map(|start| (slot, start)));
    }
    own.side = Some(Box::new(side));
    piece(Mono(0), own)
}

fn observed() -> NativeHistogram {
    let mut own = Observed::new(2, 3);
    own.observe(40, 4.0);
    own.histogram()
}

fn custom() -> NativeHistogram {
    NativeHistogram {
        schema: CUSTOM_BUCKETS,
        custom_values: [0.5, 1.0].into(),
        ..observed()
    }
}

fn cell(value: f64, histogram: Option<NativeHistogram>) -> Cell {
    Cell {
        value,
        histogram,
        start: None,
    }
}

fn built(version: Protocol, pieces: &[Piece], rules: Rules) -> (Counts, WriteRequest) {
    let mut builder = BodyBuilder::default();
    let counts = builder.build(version, pieces, rules).expect("built");
    let body = builder.finish().expect("finished");
    let request = match version {
        Protocol::V1 => decode(body),
        Protocol::V1Zstd => decode_zstd(body),
        Protocol::V2 => decode_v2(body),
    };
    (counts, request)
}

/// Samples of both kinds by time.
fn kinds(series: &TimeSeries) -> Vec<(i64, &'static str)> {
    let floats = series.samples.iter().map(|own| {
        let kind = if is_stale(own.value) {
            "stale"
        } else {
            "float"
        };
        (own.timestamp, kind)
    });
    let histograms = series.histograms.iter();
    floats
        .chain(histograms.map(|own| (own.timestamp, "histogram")))
        .collect()
}

#[test]
fn an_entry_has_one_kind_of_samples_and_entries_are_in_the_order_of_time() {
    let list = list(1, 2);
    let own = || cell(7.5, Some(observed()));
    let rows = [
        [own(), own()],
        [own(), cell(ABSENT, None)],
        // A marker ends the series; what stands beside it counts for nothing.
        [cell(STALE, Some(observed())), own()],
        [own(), cell(1.0, None)],
    ];
    let scrapes = (1..).zip(&rows).map(|(at, cells)| scrape(at, &list, cells));
    let pieces: Vec<Piece> = scrapes.collect();
    assert_eq!(pieces.iter().map(|own| own.histograms).sum::<u64>(), 5);
    for version in [Protocol::V1, Protocol::V1Zstd, Protocol::V2] {
        let (counts, request) = built(version, &pieces, ALL);
        let entries: Vec<_> = request
            .timeseries
            .iter()
            .map(|own| (series_name(own), kinds(own)))
            .collect();
        let h = "histogram";
        let expected = [
            ("t1/0", vec![(1000, h), (2000, h)]),
            ("t1/0", vec![(3000, "stale")]),
            ("t1/0", vec![(4000, h)]),
            ("t1/1", vec![(1000, h), (3000, h)]),
            ("t1/1", vec![(4000, "float")]),
        ];
        let expected = expected.map(|(name, kinds)| (name.to_owned(), kinds));
        assert_eq!(entries, expected, "{version:?}");
        assert_eq!((counts.samples, counts.histograms), (2, 5));
        assert_eq!((counts.all(), counts.highest_ms), (7, 4000));
    }
}

#[test]
fn what_an_endpoint_does_not_get_is_left_out_and_counted() {
    let list = list(1, 3);
    let cells = [
        cell(1.0, Some(observed())),
        cell(2.0, Some(custom())),
        cell(3.0, None),
    ];
    let pieces = [scrape(1, &list, &cells)];
    let said = |version, rules| {
        let (counts, request) = built(version, &pieces, rules);
        let sent: usize = request
            .timeseries
            .iter()
            .map(|own| own.histograms.len())
            .sum();
        assert_eq!(sent as u64, counts.histograms);
        assert_eq!(counts.samples, 1);
        (counts.histograms, counts.unwanted, counts.custom_buckets)
    };
    let none = Rules {
        histograms: false,
        ..ALL
    };
    // Only 2.0 has custom buckets.
    assert_eq!(said(Protocol::V1, ALL), (1, 0, 1));
    assert_eq!(said(Protocol::V2, ALL), (2, 0, 0));
    assert_eq!(said(Protocol::V1, none), (0, 2, 0));
    assert_eq!(said(Protocol::V2, none), (0, 2, 0));
    let old = Rules {
        oldest_ms: 2000,
        ..ALL
    };
    let (counts, request) = built(Protocol::V2, &pieces, old);
    assert_eq!(
        (counts.all(), counts.too_old, request.timeseries.len()),
        (0, 3, 0)
    );
}

#[test]
fn start_timestamps_are_sent_in_2_0_alone() {
    let list = list(1, 3);
    let started = |cell: Cell| Cell {
        start: Some(77),
        ..cell
    };
    let cells = [
        started(cell(1.0, None)),
        started(cell(2.0, Some(observed()))),
        cell(3.0, None),
    ];
    let pieces = [scrape(1, &list, &cells)];
    let mut builder = BodyBuilder::default();
    builder.build(Protocol::V2, &pieces, ALL).expect("built");
    let message = snap::raw::Decoder::new()
        .decompress_vec(builder.finish().expect("finished"))
        .expect("snappy");
    let request = <prompb_v2::Request as prost::Message>::decode(&*message).expect("valid");
    let starts: Vec<i64> = request
        .timeseries
        .iter()
        .flat_map(|own| {
            let floats = own.samples.iter().map(|own| own.start_timestamp);
            floats.chain(own.histograms.iter().map(|own| own.start_timestamp))
        })
        .collect();
    assert_eq!(starts, [77, 77, 0]);
    let (_, request) = built(Protocol::V1, &pieces, ALL);
    assert_eq!(request.timeseries[1].histograms[0].start_timestamp, 0);
}

#[test]
fn a_piece_is_cut_where_its_histograms_fill_a_request() {
    let list = list(1, 12);
    let mut large = Observed::new(8, 5);
    large.observe(3000, 40.0);
    let own = || cell(1.0, Some(large.histogram()));
    let cells: Vec<Cell> = (0..12)
        .map(|slot| if slot < 6 { cell(1.0, None) } else { own() })
        .collect();
    let whole = scrape(1, &list, &cells);
    assert_eq!((whole.samples, whole.histograms), (12, 6));
    let one = crate::wire::native_histogram::encoded_len_max(&large.histogram());
    assert!(one > 1000, "{one}");
    let floats = whole.item.outgoing.entry_bytes() * 6;
    let bound = floats + 2 * (one + whole.item.outgoing.entry_bytes());
    assert_eq!(whole.fitting(100, bound), 8);
    assert_eq!(whole.fitting(3, bound), 3);
    assert_eq!(whole.fitting(100, 1), 1, "one at least");
    let (first, rest) = whole.cut(8);
    assert_eq!((first.histograms, rest.histograms), (2, 4));
    assert_eq!(first.bytes() + rest.bytes(), whole.bytes());
    assert!(first.bytes() <= bound);
    // The estimate is above what is sent.
    for version in [Protocol::V1, Protocol::V1Zstd, Protocol::V2] {
        let mut builder = BodyBuilder::default();
        builder
            .build(version, std::slice::from_ref(&whole), ALL)
            .expect("built");
        let body = builder.finish().expect("finished");
        let raw = snap::raw::decompress_len(body).expect("snappy");
        assert!(raw <= whole.bytes(), "{raw} > {}", whole.bytes());
    }
}

proptest! {
    /// Whatever a histogram is: both versions carry every bit of it, but 1.0 no custom buckets.
    #[test]
    fn every_histogram_arrives(
        all in prop::collection::vec((histogram(), any::<i16>(), any::<Option<i64>>()), 1..6)
    ) {
        let list = list(1, all.len());
        let cells: Vec<Cell> = all
            .iter()
            .map(|(own, sum, start)| Cell {
                value: (*sum).into(),
                histogram: Some(own.clone()),
                start: *start,
            })
            .collect();
        let pieces = [scrape(3, &list, &cells)];
        for version in [Protocol::V1, Protocol::V1Zstd, Protocol::V2] {
            let (counts, request) = built(version, &pieces, ALL);
            let sent = all.iter().filter(|(own, ..)| {
                version == Protocol::V2 || own.schema != CUSTOM_BUCKETS
            });
            let sent: Vec<_> = sent.collect();
            prop_assert_eq!(counts.histograms as usize, sent.len());
            prop_assert_eq!(request.timeseries.len(), sent.len());
            for (series, (own, sum, start)) in request.timeseries.iter().zip(sent) {
                let got = &series.histograms[0];
                prop_assert_eq!(render(&got.to_model().expect("valid")), render(own));
                prop_assert_eq!((got.sum, got.timestamp), (f64::from(*sum), 3000));
                let start = start.filter(|_| version == Protocol::V2);
                prop_assert_eq!(got.start_timestamp, start.unwrap_or(0));
            }
        }
    }
}
