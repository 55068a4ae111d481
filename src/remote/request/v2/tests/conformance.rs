//! What the specification of remote write 2.0 says of a message, one test for each sentence and named
//! after it, on requests of many shapes. What it says of requests and answers stands in
//! `remote::tests::speaking`, `remote::speech` and `remote::answer`, of receivers in
//! `receive::tests::v2`.

use std::collections::BTreeSet;

use super::*;
use crate::model::testing::Observed;
use crate::wire::prompb_v2::{Request, TimeSeries};

/// Requests of every shape there is: shared chunks, lists that change, parts of blocks, backlog,
/// rules, families, exemplars, explicit and start timestamps, histograms, staleness, absent slots.
fn requests() -> Vec<Request> {
    let family = Family::new("m", MetricType::Counter, "Help.", "bytes");
    let bare = Family::new("bare", MetricType::Gauge, "", "");
    let chunks = [
        chunk(0..3, Some(family)),
        chunk(3..5, Some(bare)),
        chunk(5..6, None),
    ];
    let lists: Vec<_> = (1..4).map(|target| alike(target, &chunks)).collect();
    let shorter = alike(1, &chunks[..2]);
    let mut observed = Observed::new(2, 9);
    let mut sequence = 0;
    let mut rich = |list: &Arc<SeriesList>| {
        sequence += 1;
        let mut block = block(sequence, list);
        observed.observe(5, 4.0);
        let last = block.values.len() as u32 - 1;
        block.values[1] = STALE;
        block.values[2] = ABSENT;
        block.values[3] = 0.0;
        let exemplar = |timestamp_ms| Exemplar {
            labels: Labels::from_pairs([("span", "1"), ("trace_id", "abc")]),
            value: 0.0,
            timestamp_ms,
        };
        block.side = Some(Box::new(SideTables {
            timestamps: vec![(4, 1)],
            starts: vec![(0, 3), (last, 4)],
            exemplars: vec![(0, exemplar(None)), (3, exemplar(Some(7)))],
            // Now and then the series is a float.
            histograms: Vec::from_iter((sequence % 5 != 0).then(|| (last, observed.histogram()))),
        }));
        piece(Mono(0), block)
    };
    let backlog: Vec<Piece> = lists.iter().cycle().take(12).map(&mut rich).collect();
    let changing = [rich(&lists[0]), rich(&shorter), rich(&lists[0])];
    let (left, right) = rich(&lists[1]).cut(2);
    let batches = [backlog, changing.into(), vec![left], vec![right]];
    let mut builder = RequestBuilder::default();
    let build = |pieces: &Vec<Piece>| {
        builder.build(pieces, ALL).expect("built");
        raw(builder.finish().expect("finished"))
    };
    batches.iter().map(build).collect()
}

fn series() -> Vec<(Request, TimeSeries)> {
    let all = requests().into_iter().flat_map(|request| {
        let own = request.timeseries.clone().into_iter();
        own.map(move |series| (request.clone(), series))
    });
    all.collect()
}

fn labels(request: &Request, refs: &[u32]) -> Vec<(String, String)> {
    let text = |at: u32| request.symbols[at as usize].clone();
    refs.chunks(2)
        .map(|pair| (text(pair[0]), text(pair[1])))
        .collect()
}

/// Every reference of a series and what hangs on it.
fn references(series: &TimeSeries) -> Vec<u32> {
    let exemplars = series.exemplars.iter().flat_map(|own| &own.labels_refs);
    let own = series.labels_refs.iter().chain(exemplars).copied();
    let metadata = series
        .metadata
        .iter()
        .flat_map(|own| [own.help_ref, own.unit_ref]);
    own.chain(metadata).collect()
}

#[test]
fn the_block_format_of_snappy_must_be_used() {
    let mut builder = RequestBuilder::default();
    let pieces = [piece(Mono(0), block(1, &list(1, 3000)))];
    builder.build(&pieces, ALL).expect("built");
    let body = builder.finish().expect("finished");
    let mut decoder = snap::raw::Decoder::new();
    let message = decoder.decompress_vec(body).expect("one block");
    assert!(message.len() > 1 << 16, "more than snappy looks back to");
    let series = Request::decode(message.as_slice())
        .expect("valid")
        .timeseries;
    assert_eq!(series.len(), 3000);
}

#[test]
fn a_request_should_hold_samples_of_several_series() {
    for request in requests() {
        assert!(request.timeseries.len() > 1);
    }
}

#[test]
fn the_first_symbol_must_be_an_empty_string() {
    for request in requests() {
        assert_eq!(request.symbols.first().map(String::as_str), Some(""));
    }
}

#[test]
fn the_symbols_must_be_deduplicated() {
    for request in requests() {
        let unique: BTreeSet<_> = request.symbols.iter().collect();
        assert_eq!(unique.len(), request.symbols.len());
    }
}

#[test]
fn the_symbols_must_be_strings_that_are_used() {
    for request in requests() {
        let used: BTreeSet<u32> = request.timeseries.iter().flat_map(references).collect();
        let unused = (1..request.symbols.len() as u32).filter(|at| !used.contains(at));
        let unused: Vec<_> = unused.map(|at| &request.symbols[at as usize]).collect();
        // Texts of a series whose samples were left out may stay; there is none here.
        assert_eq!(unused, Vec::<&String>::new());
    }
}

#[test]
fn references_must_point_to_an_existing_index() {
    for (request, series) in series() {
        let symbols = request.symbols.len() as u32;
        assert!(references(&series).into_iter().all(|at| at < symbols));
    }
}

#[test]
fn labels_refs_must_be_provided_in_pairs() {
    for (_, series) in series() {
        assert!(!series.labels_refs.is_empty());
        assert!(series.labels_refs.len().is_multiple_of(2));
    }
}

#[test]
fn at_least_one_sample_or_histogram_must_be_provided_and_not_both() {
    for (_, series) in series() {
        assert_ne!(series.samples.is_empty(), series.histograms.is_empty());
    }
}

#[test]
fn a_series_that_mixes_both_must_have_a_message_for_each() {
    let mixed = requests().into_iter().any(|request| {
        let last = request.timeseries.iter().filter(|own| {
            let labels = labels(&request, &own.labels_refs);
            labels[1].1 == "t1" && labels[3].1 == "5"
        });
        let kinds: BTreeSet<bool> = last.map(|own| own.samples.is_empty()).collect();
        kinds.len() == 2
    });
    assert!(mixed, "a request has floats and histograms of one series");
}

#[test]
fn a_histogram_must_be_what_its_counts_say() {
    let mut histograms = 0;
    for (_, series) in series() {
        for own in &series.histograms {
            histograms += 1;
            let model = own.to_model().expect("known numbers");
            let named: u32 = own.positive_spans.iter().map(|span| span.length).sum();
            assert_eq!(named as usize, model.bucket_count());
            assert!(!own.is_float() && own.positive_counts.is_empty());
        }
    }
    assert!(histograms > 0);
}

#[test]
fn the_complete_set_of_labels_must_be_sent_with_a_name() {
    for (request, series) in series() {
        let names = labels(&request, &series.labels_refs).into_iter();
        let names: Vec<_> = names.map(|(name, _)| name).collect();
        assert_eq!(names, ["__name__", "instance", "job", "n"]);
    }
}

#[test]
fn label_names_must_be_sorted_and_not_repeated() {
    for (request, series) in series() {
        let exemplars = series.exemplars.iter().map(|own| &own.labels_refs);
        for refs in exemplars.chain([&series.labels_refs]) {
            let labels = labels(&request, refs);
            assert!(labels.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }
}

#[test]
fn label_names_and_values_must_not_be_empty() {
    for (_, series) in series() {
        assert!(series.labels_refs.iter().all(|at| *at != 0));
        let mut exemplars = series.exemplars.iter().flat_map(|own| &own.labels_refs);
        assert!(exemplars.all(|at| *at != 0));
    }
}

#[test]
fn samples_must_be_sent_in_the_order_of_their_timestamps() {
    let mut several = 0;
    for (_, series) in series() {
        let floats = series.samples.iter().map(|own| own.timestamp);
        let histograms = series.histograms.iter().map(|own| own.timestamp);
        let times: Vec<_> = floats.chain(histograms).collect();
        assert!(times.is_sorted(), "{times:?}");
        several = several.max(times.len());
    }
    assert!(several > 1, "a backlog has several samples of a series");
}

#[test]
fn stale_markers_must_be_signalled_by_the_special_nan() {
    let mut markers = 0;
    for (request, series) in series() {
        let number = labels(&request, &series.labels_refs)[3].1.clone();
        for sample in &series.samples {
            let bits = sample.value.to_bits();
            assert_eq!(bits == 0x7ff0_0000_0000_0002, number == "1");
            assert_ne!(bits, ABSENT.to_bits(), "an absent slot is not sent");
            markers += usize::from(number == "1");
        }
    }
    assert!(markers > 0);
}

#[test]
fn start_timestamps_should_be_provided_and_must_be_zero_where_not_known() {
    let mut started = BTreeSet::new();
    for (request, series) in series() {
        let number = labels(&request, &series.labels_refs)[3].1.clone();
        let floats = series.samples.iter().map(|own| own.start_timestamp);
        let histograms = series.histograms.iter().map(|own| own.start_timestamp);
        let expected = match number.as_str() {
            "0" => [3].as_slice(),
            // The last of the longer lists, and of the shorter one.
            "5" => &[4],
            "4" => &[0, 4],
            _ => &[0],
        };
        for start in floats.chain(histograms) {
            assert!(expected.contains(&start), "{number}: {start}");
            started.insert((number.clone(), start));
        }
    }
    for (number, start) in [("0", 3), ("4", 4), ("5", 4)] {
        assert!(started.contains(&(number.to_owned(), start)), "{started:?}");
    }
}

#[test]
fn exemplars_should_be_provided_and_must_contain_a_timestamp() {
    let mut exemplars = 0;
    for (_, series) in series() {
        assert!(series.exemplars.iter().all(|own| own.timestamp != 0));
        exemplars += series.exemplars.len();
    }
    assert!(exemplars > 0);
}

#[test]
fn metadata_should_be_provided() {
    for (request, series) in series() {
        let number = labels(&request, &series.labels_refs)[3].1.clone();
        let told = series.metadata.map(|own| {
            let text = |at: u32| request.symbols[at as usize].as_str();
            (own.kind, text(own.help_ref), text(own.unit_ref))
        });
        let expected = match number.as_str() {
            "0" | "1" | "2" => Some((1, "Help.", "bytes")),
            "3" | "4" => Some((2, "", "")),
            _ => None,
        };
        assert_eq!(told, expected, "{number}");
    }
}

#[test]
fn a_receiver_that_takes_it_for_1_0_should_see_an_empty_message() {
    for request in requests() {
        let bytes = request.encode_to_vec();
        let wrong = WriteRequest::decode(bytes.as_slice()).expect("reserved fields");
        assert_eq!(wrong, WriteRequest::default());
    }
}
