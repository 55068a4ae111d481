//! The sink: reads what narthex and prost write, finds faults of order, goes away and comes back.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use narthex::wire::prompb;
use prost::Message;

use crate::basics::now;
use crate::sampler::wait_for;
use crate::sink::Sink;
use crate::sink::books::Books;
use crate::sink::message::{Malformed, Sample, Version, samples};

/// A message of remote write 2.0, as far as the sink reads it.
#[derive(Clone, PartialEq, Message)]
struct Request2 {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    timeseries: Vec<Series2>,
}

#[derive(Clone, PartialEq, Message)]
struct Series2 {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<prompb::Sample>,
}

fn sample(value: f64, timestamp: i64) -> prompb::Sample {
    prompb::Sample { value, timestamp }
}

/// One series and its samples.
fn request(name: &str, samples: Vec<prompb::Sample>) -> Vec<u8> {
    let label = prompb::Label {
        name: "__name__".to_owned(),
        value: name.to_owned(),
    };
    let series = prompb::TimeSeries {
        labels: vec![label],
        samples,
        ..Default::default()
    };
    let request = prompb::WriteRequest {
        timeseries: vec![series],
        ..Default::default()
    };
    request.encode_to_vec()
}

fn read(version: Version, body: &[u8]) -> Result<Vec<Sample>, Malformed> {
    let mut out = Vec::new();
    samples(version, body, &mut out).map(|()| out)
}

#[test]
fn both_messages_are_read() {
    let body = request("a", vec![sample(1.5, 7), sample(0.0, -8)]);
    let found = read(Version::V1, &body).expect("a message");
    let seen: Vec<_> = found
        .iter()
        .map(|sample| (sample.bits, sample.timestamp_ms))
        .collect();
    assert_eq!(seen, [(1.5f64.to_bits(), 7), (0, -8)]);
    assert_eq!(found[0].series, found[1].series);
    let other = read(Version::V1, &request("b", vec![sample(1.0, 1)])).expect("a message");
    assert_ne!(found[0].series, other[0].series);

    let series = |refs: [u32; 2]| Series2 {
        labels_refs: refs.to_vec(),
        samples: vec![sample(2.0, 9)],
    };
    let symbols = ["", "__name__", "a", "b"].map(str::to_owned).to_vec();
    let mut message = Request2 {
        symbols,
        timeseries: vec![series([1, 2]), series([1, 3]), series([1, 2])],
    };
    let found = read(Version::V2, &message.encode_to_vec()).expect("a message");
    assert_eq!(found.len(), 3);
    assert!(found[0].series == found[2].series && found[0].series != found[1].series);
    message.timeseries.push(series([1, 4]));
    assert_eq!(read(Version::V2, &message.encode_to_vec()), Err(Malformed));
}

#[test]
fn a_cut_message_is_none() {
    let body = request("a", vec![sample(1.5, 7)]);
    for cut in 1..body.len() {
        assert_eq!(
            read(Version::V1, &body[..cut]),
            Err(Malformed),
            "{cut} bytes"
        );
    }
}

#[test]
fn faults_of_order_are_counted_for_each_series() {
    let mut books = Books::default();
    let entry = |series, timestamp_ms| Sample {
        series,
        timestamp_ms,
        bits: 0,
    };
    books.enter(now(), 10, &[entry(1, 5), entry(2, 3), entry(1, 6)]);
    assert_eq!((books.counts.out_of_order, books.counts.repeated), (0, 0));
    books.enter(now(), 10, &[entry(1, 6), entry(2, 2), entry(2, 4)]);
    let counts = books.counts;
    assert_eq!((counts.out_of_order, counts.repeated), (1, 1));
    assert_eq!((counts.requests, counts.bytes, counts.samples), (2, 20, 6));
    assert!(books.catch_up.first.is_none());
    books.returned(100);
    books.enter(now(), 10, &[entry(1, 99), entry(2, 100), entry(3, 101)]);
    assert_eq!(books.catch_up.late, 1);
    let first = books.catch_up.last_late();
    books.enter(now(), 10, &[entry(1, 100)]);
    assert_eq!(
        (books.catch_up.late, books.catch_up.last_late()),
        (1, first)
    );
    let late: Vec<Sample> = (0..98).map(|series| entry(series, 50)).collect();
    let (second, third) = (now(), now() + Duration::from_secs(1));
    books.enter(second, 10, &late);
    books.enter(third, 10, &[entry(1, 60)]);
    let caught = &books.catch_up;
    assert_eq!((caught.late, caught.last_late()), (100, Some(third)));
    assert_eq!(caught.at_percent(1), first);
    assert_eq!(
        (caught.at_percent(95), caught.at_percent(100)),
        (Some(second), Some(third))
    );
}

/// Posts a compressed body, zstd in the protocol that it belongs to; returns the first line of the answer, nothing if there is none.
fn post(sink: &Sink, encoding: &str, body: &[u8]) -> String {
    let url = sink.url();
    let address = url
        .trim_start_matches("http://")
        .split('/')
        .next()
        .expect("an address");
    let Ok(mut stream) = TcpStream::connect(address) else {
        return String::new();
    };
    let victoria = match encoding {
        "zstd" => "X-VictoriaMetrics-Remote-Write-Version: 1\r\n",
        _ => "",
    };
    let head = format!(
        "POST /api/v1/write HTTP/1.1\r\nContent-Encoding: {encoding}\r\n{victoria}\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let limit = Some(Duration::from_secs(30));
    stream.set_read_timeout(limit).expect("a limit");
    let mut answer = String::new();
    let sent = stream.write_all(&[head.as_bytes(), body].concat());
    let ended = sent.and_then(|()| stream.shutdown(std::net::Shutdown::Write));
    if ended
        .and_then(|()| stream.read_to_string(&mut answer))
        .is_err()
    {
        return String::new();
    }
    answer.lines().next().unwrap_or_default().to_owned()
}

fn snappy(body: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new()
        .compress_vec(body)
        .expect("snappy")
}

#[test]
fn the_sink_reads_snappy_and_zstd_and_refuses_the_rest() {
    let sink = Sink::start();
    let body = request("a", vec![sample(1.0, 5)]);
    assert_eq!(
        post(&sink, "snappy", &snappy(&body)),
        "HTTP/1.1 204 No Content"
    );
    let later = request("a", vec![sample(1.0, 6)]);
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let zstd = ruzstd::encoding::compress_to_vec(later.as_slice(), level);
    assert_eq!(post(&sink, "zstd", &zstd), "HTTP/1.1 204 No Content");
    assert_eq!(post(&sink, "snappy", &body), "HTTP/1.1 400 Bad Request");
    let counts = sink.books().counts;
    assert_eq!(
        (counts.requests, counts.samples, counts.repeated),
        (2, 2, 0)
    );
    assert!(sink.books().first_sample.is_some());
}

#[test]
fn a_sink_that_is_away_takes_nothing_until_it_is_back() {
    let sink = Sink::start();
    let body = snappy(&request("a", vec![sample(1.0, 5)]));
    assert!(post(&sink, "snappy", &body).contains("204"));
    sink.go_away();
    assert_eq!(post(&sink, "snappy", &body), "");
    assert_eq!(sink.books().counts.requests, 1);
    let returned = sink.come_back();
    let limit = Duration::from_secs(30);
    let answered = wait_for(limit, || {
        post(&sink, "snappy", &body).contains("204").then_some(())
    });
    assert!(answered.is_some());
    let caught = sink.books().catch_up.clone();
    assert_eq!(caught.late, 1, "it was scraped long before");
    assert!(caught.first.is_some_and(|first| first >= returned));
}
