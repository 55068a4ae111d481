//! The provider against scripted gateways. Real ones are in `tests/e2e/stores`.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::super::EtcdConfig;
use super::super::gateway::Login;
use super::super::value::Format;
use super::*;
use crate::config::http_client::HttpClientConfig;
use crate::config::secret::{Secret, SecretSource};
use crate::discovery::plan::{Plan, PlannedJob, PlannedProvider};
use crate::discovery::testing::{SOON, addresses, env};
use crate::discovery::{DiscoveryHandle, start};
use crate::net::testing::{Received, Server, answer, receive};

fn discover(endpoints: &[&Server], pace: Pace) -> DiscoveryHandle {
    discover_as(None, endpoints, pace)
}

fn discover_as(login: Option<Login>, endpoints: &[&Server], pace: Pace) -> DiscoveryHandle {
    let config = EtcdConfig {
        endpoints: endpoints.iter().map(|server| server.url("")).collect(),
        prefixes: vec!["/t/".to_owned()],
        format: Format::Auto,
        login,
        pace,
        client: HttpClientConfig::default(),
    };
    let provider = PlannedProvider {
        mechanism: "etcd",
        label: "e".into(),
        config: Arc::new(config),
    };
    let job = PlannedJob {
        name: "e".into(),
        providers: vec![0],
    };
    let plan = Plan {
        jobs: vec![job],
        providers: vec![provider],
    };
    start(plan, env()).expect("started")
}

const SLOW: Duration = Duration::from_secs(3600);

fn wait_for(handle: &DiscoveryHandle, expected: &[&str]) {
    let (sets, wake) = handle.output();
    while addresses(&sets.load(), "e") != expected {
        wake.recv_timeout(SOON)
            .unwrap_or_else(|_| panic!("not {expected:?}: {:?}", handle.status()));
    }
}

/// Waits until the provider shows an error that contains `expected`.
fn wait_for_error(handle: &DiscoveryHandle, expected: &str) {
    let ticks = crossbeam_channel::tick(Duration::from_millis(10));
    let gave_up = crossbeam_channel::after(3 * SOON);
    loop {
        let error = handle.status().pop().and_then(|status| status.last_error);
        let error = error.map(|(_, text)| text).unwrap_or_default();
        if error.contains(expected) {
            return;
        }
        crossbeam_channel::select! {
            recv(ticks) -> _ => {}
            recv(gave_up) -> _ => panic!("not {expected:?} but {error:?}"),
        }
    }
}

fn json(body: &str) -> Vec<u8> {
    answer(
        "200 OK",
        &["Content-Type: application/json"],
        body.as_bytes(),
    )
}

fn put(key: &str, value: &str, revision: i64) -> String {
    let (key, value) = (STANDARD.encode(key), STANDARD.encode(value));
    format!(r#"{{"key":"{key}","value":"{value}","mod_revision":"{revision}"}}"#)
}

fn header(revision: i64) -> String {
    format!(r#""header":{{"cluster_id":"1","revision":"{revision}"}}"#)
}

/// A page with one key, as of revision 5.
fn page() -> Vec<u8> {
    json(&format!(
        "{{{},\"kvs\":[{}]}}",
        header(5),
        put("/t/a", "a:1", 5)
    ))
}

/// Begins the answer to a watch, at this revision of the store.
fn begin(stream: &mut TcpStream, revision: i64) {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sent");
    let created = format!(
        "{{\"result\":{{{},\"watch_id\":\"1\",\"created\":true}}}}\n",
        header(revision)
    );
    chunk(stream, &created);
}

fn chunk(stream: &mut TcpStream, text: &str) {
    let chunk = format!("{:x}\r\n{text}\r\n", text.len());
    let _gone = stream.write_all(chunk.as_bytes());
}

/// A gateway whose watches report what they were asked and do what `watch` says.
fn gateway(
    report: Sender<Received>,
    watch: impl Fn(&mut TcpStream, usize) + Send + Sync + 'static,
) -> Server {
    let watches = AtomicUsize::new(0);
    Server::start(move |mut stream, _| {
        while let Some(request) = receive(&mut stream) {
            let asked = report.send(request.clone());
            if request.path() == wire::RANGE {
                stream.write_all(&page()).expect("sent");
                continue;
            }
            let number = watches.fetch_add(1, Ordering::SeqCst);
            // Later watches begin after what the first one may have told.
            begin(&mut stream, if number == 0 { 5 } else { 7 });
            watch(&mut stream, number);
            if asked.is_err() {
                return;
            }
        }
    })
}

/// The next watch that a gateway is asked for; the number of readings before it is added.
fn next_watch(requests: &Receiver<Received>, readings: &mut usize) -> String {
    loop {
        let request = requests.recv_timeout(SOON).expect("a request");
        if request.path() == wire::WATCH {
            return String::from_utf8(request.body).expect("text");
        }
        *readings += 1;
    }
}

#[test]
fn a_silent_watch_is_replaced_and_goes_on_where_it_was() {
    let (report, requests) = bounded(100);
    let server = gateway(report, |stream, number| {
        if number == 0 {
            let event = format!("{{\"kv\":{}}}", put("/t/b", "b:1", 7));
            let line = format!(
                "{{\"result\":{{{},\"watch_id\":\"1\",\"events\":[{event}]}}}}\n",
                header(7)
            );
            // In two pieces, cut inside the line.
            let (one, two) = line.split_at(40);
            chunk(stream, one);
            chunk(stream, two);
        }
        let _until_closed = receive(stream);
    });
    let pace = Pace {
        refresh: SLOW,
        silence: Duration::from_millis(300),
    };
    let handle = discover(&[&server], pace);
    wait_for(&handle, &["a:1", "b:1"]);
    let mut readings = 0;
    let first = next_watch(&requests, &mut readings);
    let second = next_watch(&requests, &mut readings);
    assert!(first.contains(r#""start_revision":6,"#), "{first}");
    assert!(second.contains(r#""start_revision":8,"#), "{second}");
    assert_eq!(readings, 1, "silence alone is no reason to read");
    assert_eq!(handle.status()[0].last_error, None);
    handle.stop().expect("stopped");
}

#[test]
fn everything_is_read_again_once_per_interval() {
    let (report, requests) = bounded(100);
    let server = gateway(report, |stream, _| {
        let _until_closed = receive(stream);
    });
    let interval = Duration::from_millis(200);
    let pace = Pace {
        refresh: interval,
        silence: interval,
    };
    let handle = discover(&[&server], pace);
    let mut readings = 0;
    while readings < 3 {
        next_watch(&requests, &mut readings);
    }
    wait_for(&handle, &["a:1"]);
    handle.stop().expect("stopped");
}

#[test]
fn a_store_that_wants_to_be_read_again_and_again_is_not_served_in_a_busy_loop() {
    let (report, requests) = bounded(1000);
    let server = gateway(report, |stream, _| {
        let over = r#"{"result":{"header":{"cluster_id":"1"},"watch_id":"1","canceled":true,"compact_revision":"9"}}"#;
        chunk(stream, &format!("{over}\n"));
        let _until_closed = receive(stream);
    });
    let pace = Pace {
        refresh: SLOW,
        silence: SLOW,
    };
    let handle = discover(&[&server], pace);
    wait_for(&handle, &["a:1"]);
    wait_for_error(&handle, "faster than it can be read");
    drop(requests);
    handle.stop().expect("stopped");
}

#[test]
fn pages_that_are_too_large_are_asked_for_in_smaller_ones() {
    let (report, limits_asked) = bounded(100);
    let server = Server::start(move |mut stream, _| {
        while let Some(request) = receive(&mut stream) {
            if request.path() == wire::WATCH {
                begin(&mut stream, 5);
                let _until_closed = receive(&mut stream);
                return;
            }
            let asked: serde_json::Value = serde_json::from_slice(&request.body).expect("json");
            let limit = asked["limit"].as_u64().expect("a number");
            report.send(limit).expect("heard");
            let body = if limit > 100 {
                json(&" ".repeat(limits::ETCD_BODY_BYTES + 1))
            } else {
                page()
            };
            if stream.write_all(&body).is_err() {
                return;
            }
        }
    });
    let pace = Pace {
        refresh: SLOW,
        silence: SLOW,
    };
    let handle = discover(&[&server], pace);
    wait_for(&handle, &["a:1"]);
    let asked: Vec<u64> = limits_asked.try_iter().collect();
    assert_eq!(asked, [500, 250, 125, 62]);
    handle.stop().expect("stopped");
}

#[test]
fn the_next_endpoint_is_asked_when_one_fails_and_targets_stay_when_all_do() {
    let (report, requests) = bounded(100);
    let failing = Server::http(|_| answer("503 Service Unavailable", &[], b"no leader"));
    let good = gateway(report, |stream, _| {
        let _closed = stream.shutdown(std::net::Shutdown::Both);
    });
    let pace = Pace {
        refresh: SLOW,
        silence: SLOW,
    };
    let handle = discover(&[&failing, &good], pace);
    wait_for(&handle, &["a:1"]);
    // The watch ends at once and the good one is gone for the next connection.
    drop(good);
    drop(requests);
    wait_for_error(&handle, "etcd http://127.0.0.1");
    assert_eq!(addresses(&handle.output().0.load(), "e"), ["a:1"]);
    handle.stop().expect("stopped");
}

#[test]
fn a_password_that_etcd_repeats_is_not_shown() {
    let server = Server::http(|received| {
        let sent = String::from_utf8_lossy(&received.body).replace('"', "'");
        let body = format!("{{\"message\":\"cannot take {sent}\"}}");
        answer("400 Bad Request", &[], body.as_bytes())
    });
    let login = Login {
        username: "reader".to_owned(),
        password: SecretSource::Inline(Secret::new("HUNTER2")),
    };
    let pace = Pace {
        refresh: SLOW,
        silence: SLOW,
    };
    let handle = discover_as(Some(login), &[&server], pace);
    wait_for_error(&handle, "'reader'");
    let shown = format!("{:?}", handle.status());
    assert!(shown.contains("<secret>"), "{shown}");
    assert!(!shown.contains("HUNTER2"), "{shown}");
}

#[test]
fn stopping_ends_a_watch() {
    let (report, requests) = bounded(100);
    let (closed, was_closed) = bounded(1);
    let server = gateway(report, move |stream, _| {
        stream.set_read_timeout(None).expect("no limit");
        let _until_closed = receive(stream);
        closed.send(()).expect("heard");
    });
    let pace = Pace {
        refresh: SLOW,
        silence: SLOW,
    };
    let handle = discover(&[&server], pace);
    let mut readings = 0;
    next_watch(&requests, &mut readings);
    handle.stop().expect("stopped");
    was_closed.recv_timeout(SOON).expect("closed");
}
