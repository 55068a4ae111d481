use std::io::Read;
use std::net::TcpStream;

use crossbeam_channel::{Sender, bounded};
use prost::Message as _;

use super::ledger::{Findings, Ledger};
use super::message::Message;
use super::rules::Broken;
use super::*;
use crate::model::value;
use crate::sys::clock::SystemClock;
use crate::sys::thread;
use crate::wire::prompb::{Label, Sample, TimeSeries, WriteRequest};

mod histograms;
mod v2;

const WAIT: Duration = Duration::from_secs(10);

fn series(labels: &[(&str, &str)], samples: &[(f64, i64)]) -> TimeSeries {
    let label = |(name, value): &(&str, &str)| Label {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    };
    let sample = |&(value, timestamp): &(f64, i64)| Sample { value, timestamp };
    TimeSeries {
        labels: labels.iter().map(label).collect(),
        samples: samples.iter().map(sample).collect(),
        ..TimeSeries::default()
    }
}

fn request(timeseries: Vec<TimeSeries>) -> WriteRequest {
    WriteRequest {
        timeseries,
        metadata: Vec::new(),
    }
}

fn good(timestamp: i64) -> WriteRequest {
    let labels = [("__name__", "up"), ("instance", "a:1"), ("job", "node")];
    request(vec![series(
        &labels,
        &[(1.0, timestamp), (0.5, timestamp + 1)],
    )])
}

fn broken_by(ledger: &Ledger, request: &WriteRequest) -> Vec<Broken> {
    let mut findings = Findings::default();
    ledger.judge(&request.clone().into(), &mut findings);
    findings.iter().map(|(broken, _)| broken).collect()
}

#[test]
fn each_rule_about_labels_is_checked() {
    let one = |labels: &[(&str, &str)]| {
        broken_by(
            &Ledger::default(),
            &request(vec![series(labels, &[(1.0, 1)])]),
        )
    };
    let name = ("__name__", "up");
    assert_eq!(one(&[name, ("a", "1")]), []);
    assert_eq!(one(&[]), [Broken::NoLabels]);
    assert_eq!(one(&[("a", "1")]), [Broken::NoMetricName]);
    assert_eq!(
        one(&[("__name__", "")]),
        [Broken::EmptyValue, Broken::NoMetricName]
    );
    assert_eq!(one(&[("", "x"), name]), [Broken::EmptyName]);
    assert_eq!(one(&[("a", "1"), name]), [Broken::Unsorted]);
    assert_eq!(one(&[name, ("a", "1"), ("a", "2")]), [Broken::RepeatedName]);
    let empty = request(vec![series(&[name], &[])]);
    assert_eq!(broken_by(&Ledger::default(), &empty), [Broken::NoSamples]);
}

#[test]
fn order_is_checked_within_and_across_requests() {
    let mut ledger = Ledger::default();
    assert_eq!(broken_by(&ledger, &good(10)), []);
    ledger.take(&good(10).into(), &Findings::default());
    // The same sample again is what a retry sends.
    let labels = [("__name__", "up"), ("instance", "a:1"), ("job", "node")];
    let again = |samples| request(vec![series(&labels, samples)]);
    assert_eq!(broken_by(&ledger, &again(&[(0.5, 11)])), []);
    assert_eq!(
        broken_by(&ledger, &again(&[(0.7, 11)])),
        [Broken::DuplicateTimestamp]
    );
    assert_eq!(
        broken_by(&ledger, &again(&[(0.5, 12), (0.5, 9)])),
        [Broken::OutOfOrder]
    );
    assert_eq!(ledger.jobs["node"].series, 1);
    assert_eq!((ledger.jobs["node"].targets, ledger.samples), (1, 2));
}

#[test]
fn jobs_beyond_the_limit_are_counted_together() {
    let mut ledger = Ledger::default();
    for job in 0..limits::RECEIVE_JOBS_MAX + 5 {
        let labels = [("__name__", "up"), ("job", &*job.to_string())];
        let one = request(vec![series(&labels, &[(1.0, 1)])]);
        ledger.take(&one.into(), &Findings::default());
    }
    assert_eq!(ledger.jobs.len(), limits::RECEIVE_JOBS_MAX + 1);
    assert_eq!(ledger.jobs["(other jobs)"].samples, 5);
    assert!(ledger.is_full());
}

#[test]
fn lines_stay_lines_whatever_a_label_holds() {
    let labels = [("__name__", "x"), ("a", "q\"\n\u{1b}[2J")];
    let hostile = request(vec![series(&labels, &[(1e6, 7), (value::STALE, 8)])]);
    let lines: Vec<String> = Message::from(hostile).series[0].lines().collect();
    let series = "x{a=\"q\\\"\\n\\u{1b}[2J\"}";
    assert_eq!(
        lines,
        [format!("{series} 1e+06 7"), format!("{series} StaleNaN 8")]
    );
}

/// Hands every write on to the test.
struct Pipe(Sender<String>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.0.send(text).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A running receiver.
struct Running {
    signals: Sender<Signal>,
    shown: Receiver<String>,
    address: String,
    thread: std::thread::JoinHandle<Result<(), ReceiveError>>,
}

fn start(strict: bool, file: Option<PathBuf>) -> Running {
    let (signals, inbox) = bounded(4);
    let (out, shown) = bounded(1000);
    let options = ReceiveOptions {
        listen_address: "127.0.0.1:0".to_owned(),
        file,
        view: View::Lines,
        strict,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let body = move || run(&options, &inbox, &clock, &mut Pipe(out));
    let thread = thread::spawn("receive-test", body).expect("spawn");
    let greeting = shown.recv_timeout(WAIT).expect("greeting");
    let address = greeting.trim_start_matches("receiving on http://");
    let address = address.trim_end_matches("/api/v1/write\n").to_owned();
    Running {
        signals,
        shown,
        address,
        thread,
    }
}

impl Running {
    fn post(&self, headers: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("connect");
        stream.set_read_timeout(Some(WAIT)).expect("timeout");
        let length = body.len();
        let head = format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        stream
            .write_all(&[head.as_bytes(), body].concat())
            .expect("write");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        answer
    }

    fn send(&self, request: &WriteRequest) -> String {
        self.post(HEADERS, &packed(request))
    }

    /// Stops it and returns the rest of what it showed.
    fn stop(self) -> String {
        self.signals.send(Signal::Stop).expect("signal");
        self.thread.join().expect("joined").expect("ended well");
        self.shown.try_iter().collect()
    }
}

const HEADERS: &str = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
    X-Prometheus-Remote-Write-Version: 0.1.0\r\nUser-Agent: test\r\n";

fn packed(request: &WriteRequest) -> Vec<u8> {
    let bytes = request.encode_to_vec();
    snap::raw::Encoder::new()
        .compress_vec(&bytes)
        .expect("compress")
}

#[test]
fn what_is_sent_is_shown_and_written() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("out.txt");
    let receiver = start(false, Some(path.clone()));
    assert!(receiver.send(&good(10)).starts_with("HTTP/1.1 204 "));
    let broken = request(vec![series(&[("job", "x")], &[(2.0, 5)])]);
    assert!(receiver.send(&broken).starts_with("HTTP/1.1 204 "));
    let written = std::fs::read_to_string(&path).expect("file");
    assert_eq!(
        written,
        "up{instance=\"a:1\",job=\"node\"} 1 10\nup{instance=\"a:1\",job=\"node\"} 0.5 11\n{job=\"x\"} 2 5\n"
    );
    let shown = receiver.stop();
    assert!(
        shown.contains("  up{instance=\"a:1\",job=\"node\"} 1 10\n"),
        "{shown}"
    );
    assert!(shown.contains("2 requests, 3 samples"), "{shown}");
    assert!(
        shown.contains("node ") && shown.contains("no_metric_name: 1\n"),
        "{shown}"
    );
}

#[test]
fn a_strict_receiver_refuses_as_a_real_one_does() {
    let receiver = start(true, None);
    assert!(receiver.send(&good(10)).starts_with("HTTP/1.1 204 "));
    let answer = receiver.send(&good(5));
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("out of order sample\n"));
    let answer = receiver.post("", &packed(&good(20)));
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
    let shown = receiver.stop();
    assert!(
        shown.contains("3 requests, 2 samples") && shown.contains("refused: 2\n"),
        "{shown}"
    );
}

#[test]
fn bombs_and_garbage_are_refused() {
    let receiver = start(false, None);
    // A snappy header that promises 4 GiB.
    for body in [
        &b"\xff\xff\xff\xff\x0f\x00"[..],
        b"",
        b"garbage",
        &packed_bytes(b"\x0a\x01\x0a"),
    ] {
        let answer = receiver.post(HEADERS, body);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert!(receiver.stop().contains("undecodable: 4\n"));
}

/// As `HEADERS`, of VictoriaMetrics' protocol.
const ZSTD_HEADERS: &str = "Content-Type: application/x-protobuf\r\nContent-Encoding: zstd\r\n\
    X-VictoriaMetrics-Remote-Write-Version: 1\r\nUser-Agent: vmagent\r\n";

fn packed_zstd(bytes: &[u8]) -> Vec<u8> {
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    ruzstd::encoding::compress_to_vec(bytes, level)
}

#[test]
fn zstd_of_1_0_is_taken_and_has_a_header_of_its_own() {
    let receiver = start(true, None);
    let body = packed_zstd(&good(10).encode_to_vec());
    let answer = receiver.post(ZSTD_HEADERS, &body);
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    let wrong = HEADERS.replace("snappy", "zstd");
    let answer = receiver.post(&wrong, &body);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("header with the version"), "{answer}");
    let shown = receiver.stop();
    for line in [
        "2 requests, 2 samples",
        "requests_zstd: 2\n",
        "version: 1\n",
    ] {
        assert!(shown.contains(line), "{line} is missing in {shown}");
    }
}

#[test]
fn bombs_and_garbage_with_zstd_are_refused() {
    let receiver = start(false, None);
    let bomb = packed_zstd(&vec![0; limits::RECEIVE_MESSAGE_BYTES_MAX + 1]);
    let sound = packed_zstd(&good(10).encode_to_vec());
    for (body, words) in [
        (&bomb[..], "zstd: message of more than"),
        (b"", "zstd: damaged frame"),
        (b"garbage", "zstd: damaged frame"),
        (&packed(&good(10)), "zstd: damaged frame"),
        (&sound[..sound.len() - 1], "zstd: damaged frame"),
        (&packed_zstd(b"\x0a\x01\x0a"), "protobuf: "),
    ] {
        let answer = receiver.post(ZSTD_HEADERS, body);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains(words), "{answer}");
    }
    assert!(receiver.stop().contains("undecodable: 6\n"));
}

fn packed_bytes(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new()
        .compress_vec(bytes)
        .expect("compress")
}
