//! Remote write 2.0: what the specification demands of a receiver, and what it checks of a sender.

use super::*;
use crate::receive::decode::DecodeError;
use crate::receive::resolve::resolve;
use crate::wire::prompb_histogram::{Count, Histogram};
use crate::wire::prompb_v2::{self as v2, Request};

const TYPE: &str = "Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request\r\n";

fn headers() -> String {
    format!(
        "{TYPE}Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 2.0.0\r\nUser-Agent: test\r\n"
    )
}

fn symbols(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn sample(value: f64, timestamp: i64) -> v2::Sample {
    v2::Sample {
        value,
        timestamp,
        start_timestamp: 0,
    }
}

/// `up{job="node"}` with one sample, one exemplar and metadata.
fn good(timestamp: i64) -> Request {
    Request {
        symbols: symbols(&[
            "", "__name__", "up", "job", "node", "trace_id", "abc", "Help.",
        ]),
        timeseries: vec![v2::TimeSeries {
            labels_refs: vec![1, 2, 3, 4],
            samples: vec![sample(1.0, timestamp)],
            histograms: Vec::new(),
            exemplars: vec![v2::Exemplar {
                labels_refs: vec![5, 6],
                value: 0.5,
                timestamp,
            }],
            metadata: Some(v2::Metadata {
                kind: 2,
                help_ref: 7,
                unit_ref: 0,
            }),
        }],
    }
}

fn body(request: &Request) -> Vec<u8> {
    packed_bytes(&request.encode_to_vec())
}

fn findings(request: &Request) -> (Result<Message, DecodeError>, Vec<Broken>) {
    let mut found = Vec::new();
    let resolved = resolve(request, |broken| found.push(broken));
    (resolved, found)
}

#[test]
fn references_become_texts() {
    let (resolved, found) = findings(&good(5));
    let resolved = resolved.expect("resolved");
    assert_eq!((found, resolved.metadata), (Vec::new(), 1));
    let mut expected = series(&[("__name__", "up"), ("job", "node")], &[(1.0, 5)]);
    expected.exemplars = vec![crate::wire::prompb::Exemplar {
        labels: series(&[("trace_id", "abc")], &[]).labels,
        value: 0.5,
        timestamp: 5,
    }];
    let expected = Message::from(request(vec![expected]));
    assert_eq!(resolved.series, expected.series);
}

#[test]
fn each_rule_of_2_0_is_checked() {
    let change = |change: fn(&mut Request)| {
        let mut request = good(5);
        change(&mut request);
        findings(&request).1
    };
    assert_eq!(change(|_| {}), []);
    assert_eq!(
        change(|request| request.symbols[0] = "x".to_owned()),
        [Broken::FirstSymbol]
    );
    assert_eq!(
        change(|request| request.symbols.push("up".to_owned())),
        [Broken::RepeatedSymbol]
    );
    assert_eq!(
        change(|request| request.timeseries[0].labels_refs.push(1)),
        [Broken::OddReferences]
    );
    assert_eq!(
        change(|request| request.timeseries[0].histograms.push(Histogram::default())),
        [Broken::MixedSamples]
    );
    assert_eq!(
        change(|request| request.timeseries[0].exemplars[0].timestamp = 0),
        [Broken::ExemplarTimestamp]
    );
    assert_eq!(
        change(|request| request.timeseries[0].samples.clear()),
        [Broken::NoSamples]
    );
}

#[test]
fn a_reference_must_point_to_a_symbol() {
    type Change = fn(&mut v2::TimeSeries);
    let changes: [Change; 3] = [
        |series| series.labels_refs[3] = 8,
        |series| series.exemplars[0].labels_refs[0] = 8,
        |series| series.metadata.as_mut().expect("metadata").help_ref = 8,
    ];
    for change in changes {
        let mut request = good(5);
        change(&mut request.timeseries[0]);
        let (resolved, _) = findings(&request);
        let expected = DecodeError::Reference { at: 8, symbols: 8 };
        assert_eq!(resolved, Err(expected));
    }
}

#[test]
fn a_message_that_unfolds_to_too_much_is_refused() {
    let mut request = good(5);
    request.symbols.push("x".repeat(1 << 20));
    request.timeseries[0].labels_refs = [1, 8].repeat(100);
    let (resolved, _) = findings(&request);
    assert!(matches!(resolved, Err(DecodeError::Unfolds(_))));
}

#[test]
fn receivers_must_say_what_they_have_written() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("out.txt");
    let receiver = start(true, Some(path.clone()));
    let written = |answer: &str, counts: [u64; 3]| {
        for (name, count) in ["Samples", "Histograms", "Exemplars"].iter().zip(counts) {
            let line = format!("X-Prometheus-Remote-Write-{name}-Written: {count}\r\n");
            assert!(answer.contains(&line), "{line} is missing in {answer}");
        }
    };
    let mut histogram = good(10);
    let mut entry = histogram.timeseries[0].clone();
    entry.samples.clear();
    entry.exemplars.clear();
    entry.labels_refs = vec![1, 6, 3, 4];
    entry.histograms = vec![Histogram {
        count: Some(Count::Int(0)),
        timestamp: 10,
        start_timestamp: 4,
        ..Histogram::default()
    }];
    histogram.timeseries.push(entry);
    let answer = receiver.post(&headers(), &body(&histogram));
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    written(&answer, [1, 1, 1]);
    // Whatever the status.
    let answer = receiver.post(&headers(), &body(&good(5)));
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("out of order sample\n"), "{answer}");
    written(&answer, [0, 0, 0]);
    let mut lost = good(20);
    lost.symbols.truncate(5);
    let answer = receiver.post(&headers(), &body(&lost));
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    written(&answer, [0, 0, 0]);
    let lines = std::fs::read_to_string(&path).expect("file");
    let zeros = "{count:0,sum:0,schema:0,zero_threshold:0,zero_count:0}";
    let expected = format!("up{{job=\"node\"}} 1 10\nabc{{job=\"node\"}} {zeros} 10 st@4\n");
    assert_eq!(lines, expected);
    let shown = receiver.stop();
    for line in [
        "requests_v2: 2\n",
        "exemplars: 1\n",
        "histograms: 1\n",
        "start_timestamps: 1\n",
    ] {
        assert!(shown.contains(line), "{line} is missing in {shown}");
    }
}

#[test]
fn receivers_must_answer_415_to_what_they_do_not_support() {
    for strict in [false, true] {
        let receiver = start(strict, None);
        for (kind, encoding) in [
            ("application/x-protobuf;proto=other.Request", "snappy"),
            ("application/json", "snappy"),
            (TYPE.trim().trim_start_matches("Content-Type: "), "zstd"),
        ] {
            let headers = format!("Content-Type: {kind}\r\nContent-Encoding: {encoding}\r\n");
            let answer = receiver.post(&headers, &body(&good(5)));
            assert!(answer.starts_with("HTTP/1.1 415 "), "{kind}: {answer}");
        }
        assert!(receiver.stop().contains("refused: 3\n"));
    }
}

#[test]
fn receivers_must_go_by_the_content_type() {
    // Read as 1.0 the message is empty: that is what the type says.
    let receiver = start(false, None);
    let answer = receiver.post(HEADERS, &body(&good(5)));
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert!(!answer.contains("Written"), "{answer}");
    let answer = receiver.post(&headers(), &body(&good(5)));
    assert!(answer.contains("Samples-Written: 1\r\n"), "{answer}");
    assert!(receiver.stop().contains("2 requests, 1 samples"));
}

#[test]
fn receivers_must_read_any_2_x_sender() {
    let receiver = start(true, None);
    let mut later = good(5).encode_to_vec();
    // A field that 2.0 does not have: number 15, a varint.
    later.extend([15 << 3, 1]);
    let headers = headers().replace("2.0.0", "2.7.0");
    let answer = receiver.post(&headers, &packed_bytes(&later));
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert!(receiver.stop().contains("1 requests, 1 samples"));
}

#[test]
fn receivers_must_take_a_retry_of_what_they_have() {
    let receiver = start(true, None);
    for _ in 0..2 {
        let answer = receiver.post(&headers(), &body(&good(5)));
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
        assert!(answer.contains("Samples-Written: 1\r\n"), "{answer}");
    }
}

#[test]
fn receivers_must_answer_5xx_when_the_write_fails() {
    let receiver = start(false, Some(PathBuf::from("/dev/full")));
    let answer = receiver.post(&headers(), &body(&good(5)));
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("Samples-Written: 0\r\n"), "{answer}");
    assert!(answer.contains("cannot write the file"), "{answer}");
}
