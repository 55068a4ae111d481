//! The provider against servers that are none. Real ones are in `tests/stores`.

use std::io::{Read, Write};

use crossbeam_channel::bounded;

use crate::discovery::plan::plan;
use crate::discovery::testing::{SOON, addresses, config, env};
use crate::discovery::{DiscoveryHandle, start};
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
    wait_for_error(&handle, "connection");
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
