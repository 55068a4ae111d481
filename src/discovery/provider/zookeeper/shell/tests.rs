//! The provider against servers that are none. Real ones are in `tests/e2e/stores`.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::bounded;

use super::super::jute::{Reader, Writer};
use super::{Orders, Provider, Waiting};
use crate::discovery::plan::{Plan, PlannedJob, PlannedProvider, plan};
use crate::discovery::provider::{Opened, ProviderConfig, ProviderContext, ProviderError, Runner};
use crate::discovery::testing::{SOON, addresses, config, env};
use crate::discovery::{DiscoveryHandle, start};
use crate::model::target_group::LabelMap;
use crate::net::testing::Server;

fn discover(servers: &[std::net::SocketAddr], more: &str) -> DiscoveryHandle {
    let servers: Vec<String> = servers.iter().map(|one| format!("'{one}'")).collect();
    let entry = format!("{{servers: [{}], paths: [/s], {more}}}", servers.join(", "));
    let jobs = format!("- job_name: z\n  nerve_sd_configs: [{entry}]\n");
    start(plan(&config(&jobs)).expect("valid"), env()).expect("started")
}

/// Waits until the provider shows an error that contains `expected`.
fn wait_for_error(handle: &DiscoveryHandle, expected: &str) {
    let ticks = crossbeam_channel::tick(std::time::Duration::from_millis(10));
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

#[test]
fn servers_that_speak_something_else_are_told_and_named() {
    let http = Server::start(|mut stream, _| {
        let _request = stream.read(&mut [0; 64]);
        let _gone = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let handle = discover(&[http.address()], "timeout: 10s");
    wait_for_error(
        &handle,
        &format!("ZooKeeper server {}: message of", http.address()),
    );
    handle.stop().expect("stopped");
    let closing = Server::start(|stream, _| drop(stream));
    let handle = discover(&[closing.address()], "timeout: 10s");
    // Closed or reset, as the system likes.
    wait_for_error(&handle, "onnection");
    handle.stop().expect("stopped");
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let silent = Server::start(|mut stream, _| {
        let _closed = stream.read_to_end(&mut Vec::new());
    });
    let handle = discover(&[silent.address()], "timeout: 1s");
    wait_for_error(&handle, "no word for 666");
    assert!(addresses(&handle.output().0.load(), "z").is_empty());
    handle.stop().expect("stopped");
}

#[test]
fn stopping_ends_a_wait_for_a_server_that_says_nothing() {
    let (report, heard) = bounded(2);
    let silent = Server::start(move |mut stream, _| {
        report.send("connected").expect("heard");
        stream.set_read_timeout(None).expect("no limit");
        let _closed = stream.read_to_end(&mut Vec::new());
        report.send("closed").expect("heard");
    });
    let handle = discover(&[silent.address()], "timeout: 1h");
    assert_eq!(heard.recv_timeout(SOON), Ok("connected"));
    handle.stop().expect("stopped");
    assert_eq!(heard.recv_timeout(SOON), Ok("closed"));
}

#[test]
fn the_next_server_is_tried_when_one_refuses() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let refusing = listener.local_addr().expect("address");
    drop(listener);
    let (report, heard) = bounded(100);
    let other = Server::start(move |stream, _| {
        report.send(()).expect("heard");
        drop(stream);
    });
    let handle = discover(&[refusing, other.address()], "timeout: 10s");
    heard.recv_timeout(SOON).expect("tried");
    handle.stop().expect("stopped");
}

/// A member, after a panic that happens once.
fn stumbling(data: &[u8], path: &str) -> Result<LabelMap, String> {
    static STUMBLED: AtomicBool = AtomicBool::new(false);
    assert!(STUMBLED.swap(true, Ordering::SeqCst), "stumbled");
    super::super::member::nerve(data, path)
}

#[derive(Debug, PartialEq)]
struct Stumbling(std::net::SocketAddr);

impl ProviderConfig for Stumbling {
    fn open(&self, context: &ProviderContext) -> Result<Opened, ProviderError> {
        let orders = Orders {
            servers: vec![at(self.0)],
            paths: vec!["/s".to_owned()],
            timeout: SOON,
            parse: stumbling,
        };
        let failures = context.registry.counter("t", "", &[]);
        let waiting = Waiting::new()?;
        let provider = Provider::new(orders, waiting, failures, context.jitter.clone());
        Ok(Opened::new(Runner::Watch(Box::new(provider))))
    }
}

fn at(address: std::net::SocketAddr) -> super::Server {
    super::Server::parse(&address.to_string()).expect("a server")
}

fn frame(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut message = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

/// A server with one node, `/s`.
fn one_node(mut stream: std::net::TcpStream) -> Option<()> {
    frame(&mut stream)?;
    let granted = Writer::default().i32(0).i32(10_000).i64(7);
    let granted = granted.buffer(&[0; 16]).bool(false).frame();
    stream.write_all(&granted).ok()?;
    loop {
        let request = frame(&mut stream)?;
        let mut reader = Reader::new(&request);
        let (xid, op) = (reader.i32().ok()?, reader.i32().ok()?);
        let answer = Writer::default().i32(xid).i64(1).i32(0);
        let answer = match op {
            4 => answer.buffer(br#"{"host":"a","port":1}"#),
            8 => answer.i32(0),
            _ => answer,
        };
        stream.write_all(&answer.frame()).ok()?;
    }
}

#[test]
fn a_panic_costs_one_round_and_nothing_is_passed_on_before_all_was_read_again() {
    let server = Server::start(|stream, _| {
        let _ended = one_node(stream);
    });
    let provider = PlannedProvider {
        mechanism: "nerve",
        label: "z".into(),
        config: Arc::new(Stumbling(server.address())),
    };
    let job = PlannedJob {
        name: "z".into(),
        providers: vec![0],
    };
    let plan = Plan {
        jobs: vec![job],
        providers: vec![provider],
    };
    let env = env();
    let panics = env
        .registry
        .counter("narthex_sd_panics_total", "", &[("mechanism", "nerve")]);
    let handle = start(plan, env).expect("started");
    let (sets, wake) = handle.output();
    while addresses(&sets.load(), "z") != ["a:1"] {
        wake.recv_timeout(3 * SOON).expect("found in the end");
    }
    assert_eq!((panics.get(), server.connections()), (1.0, 2));
    handle.stop().expect("stopped");
}
