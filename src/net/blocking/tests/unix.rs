//! Servers behind a Unix socket.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::bounded;

use super::LIMIT;
use crate::config::http_client::{HttpClientConfig, ProxyConfig};
use crate::config::secret::Secret;
use crate::net::blocking::{Client, ClientError, ClientOptions, Request, Response, is_silence};
use crate::net::testing::{PATIENCE, answer, receive};

/// Serves each connection on a thread of its own; counts them.
fn serve(
    path: &Path,
    reply: impl Fn(&mut UnixStream, &str) -> bool + Send + Sync + 'static,
) -> Arc<AtomicUsize> {
    let listener = UnixListener::bind(path).expect("bound");
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let reply = Arc::new(reply);
    crate::sys::thread::spawn("test-server", move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            counted.fetch_add(1, Ordering::SeqCst);
            let reply = Arc::clone(&reply);
            crate::sys::thread::spawn("test-connection", move || {
                while let Some(request) = receive(&mut stream) {
                    if !reply(&mut stream, &request.head) {
                        return;
                    }
                }
            })
            .expect("thread");
        }
    })
    .expect("thread");
    connections
}

fn client(path: &Path, config: &HttpClientConfig) -> Client {
    let mut options = ClientOptions::new("narthex/test");
    options.unix_socket = Some(path.to_owned());
    Client::new(config, options).expect("client")
}

fn plain(path: &Path) -> Client {
    client(path, &HttpClientConfig::default())
}

fn get(client: &Client) -> Result<Response, ClientError> {
    client.send(&Request::get("http://localhost/x?y", PATIENCE, LIMIT))
}

fn socket() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("s");
    (folder, path)
}

#[test]
fn the_socket_is_asked_and_the_connection_kept_whatever_proxy_is_configured() {
    let (_folder, path) = socket();
    let connections = serve(&path, |stream, head| {
        let line = head.lines().next().unwrap_or_default();
        let bytes = answer("200 OK", &[], line.as_bytes());
        stream.write_all(&bytes).is_ok()
    });
    for proxy in [
        ProxyConfig::None,
        ProxyConfig::Url {
            url: Secret::new("https://proxy.test:1"),
            no_proxy: String::new(),
            connect_headers: Vec::new(),
        },
    ] {
        connections.store(0, Ordering::SeqCst);
        let config = HttpClientConfig {
            proxy,
            ..HttpClientConfig::default()
        };
        let client = client(&path, &config);
        for _ in 0..3 {
            let response = get(&client).expect("answer");
            assert_eq!(response.body, b"GET /x?y HTTP/1.1");
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_connection_that_the_server_closed_is_replaced() {
    let (_folder, path) = socket();
    let (closed, is_closed) = bounded(1);
    let connections = serve(&path, move |stream, _| {
        let sent = stream.write_all(&answer("200 OK", &[], b"x"));
        let shut = stream.shutdown(std::net::Shutdown::Both);
        closed.send(sent.and(shut).is_ok()).expect("the test waits");
        false
    });
    let client = plain(&path);
    for count in 1..=3 {
        assert_eq!(get(&client).expect("answer").body, b"x");
        // One that closes while the next request is on its way is an error, as it must be.
        assert_eq!(is_closed.recv_timeout(PATIENCE), Ok(true));
        assert_eq!(connections.load(Ordering::SeqCst), count);
    }
}

#[test]
fn a_missing_socket_and_one_that_accepts_nothing_more_are_errors_at_once() {
    let (_folder, path) = socket();
    let missing = get(&plain(&path)).expect_err("missing").to_string();
    assert!(missing.starts_with("connecting: No such file"), "{missing}");
    let _listener = UnixListener::bind(&path).expect("bound");
    let text = get_when_full(&path);
    assert!(text.starts_with("connecting: "), "{text}");
}

/// What an attempt gives once the backlog of a listener that accepts nothing is full.
fn get_when_full(path: &Path) -> String {
    let flags = rustix::net::SocketFlags::NONBLOCK;
    let address = rustix::net::SocketAddrUnix::new(path).expect("address");
    let mut waiting = Vec::new();
    loop {
        let socket = rustix::net::socket_with(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::STREAM,
            flags,
            None,
        )
        .expect("socket");
        let connected = rustix::net::connect(&socket, &address);
        waiting.push(socket);
        if connected.is_err() {
            break;
        }
    }
    get(&plain(path)).expect_err("full").to_string()
}

#[test]
fn a_server_that_says_nothing_costs_the_time_limit_and_no_more() {
    let (_folder, path) = socket();
    let (release, held) = bounded::<()>(0);
    serve(&path, move |_, _| held.recv().is_ok());
    let limit = Duration::from_millis(50);
    let request = Request::get("http://localhost/", limit, LIMIT);
    let error = plain(&path).send(&request).expect_err("late");
    assert!(error.is_timeout(), "{error}");
    drop(release);
}

#[test]
fn shutting_down_ends_a_stream_and_silence_is_an_error_in_time() {
    let (_folder, path) = socket();
    let (asked, was_asked) = bounded(4);
    serve(&path, move |stream, _| {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n";
        let sent = stream.write_all(head);
        asked.send(()).expect("heard");
        sent.is_ok()
    });
    let client = Arc::new(plain(&path));
    let request = Request::get("http://localhost/", PATIENCE, 0);
    let silence = Duration::from_millis(50);
    let (_, mut stream) = client.stream(&request, silence).expect("stream");
    let mut buffer = [0; 8];
    assert_eq!(stream.read(&mut buffer).expect("bytes"), 2);
    let silent = stream.read(&mut buffer).expect_err("silence");
    assert!(is_silence(&silent), "{silent}");

    let other = Arc::clone(&client);
    let (ended_tx, ended) = bounded(1);
    crate::sys::thread::spawn("test-reader", move || {
        let (_, mut stream) = other
            .stream(&Request::get("http://localhost/", PATIENCE, 0), PATIENCE)
            .expect("stream");
        let mut all = Vec::new();
        let _error_or_end = stream.read_to_end(&mut all);
        ended_tx.send(all).expect("heard");
    })
    .expect("thread");
    for _ in 0..2 {
        was_asked.recv_timeout(PATIENCE).expect("asked");
    }
    client.shutdown();
    assert_eq!(ended.recv_timeout(PATIENCE).expect("ended"), b"ab");
}
