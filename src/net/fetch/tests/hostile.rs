//! Servers that break rules: bombs, drips, endless heads, cuts, lies.

use std::io::Write;

use super::*;
use crate::net::testing::{Server, answer, gzip, read_head};

/// A server that answers each connection with these bytes and closes it.
fn saying(bytes: impl Into<Vec<u8>>) -> Server {
    let bytes = bytes.into();
    Server::start(move |mut stream, _| {
        let _head = read_head(&mut stream);
        let _gone = stream.write_all(&bytes);
    })
}

fn failure(server: &Server) -> String {
    Rig::new()
        .fetch(&spec(&server.url("/")))
        .expect_err("refused")
}

#[test]
fn a_gzip_bomb_ends_at_the_limit() {
    let bomb = gzip(&vec![0; 256 << 20]);
    assert!(bomb.len() < 1 << 20);
    let server = Server::http(move |_| answer("200 OK", &["Content-Encoding: gzip"], &bomb));
    let mut rig = Rig::new();
    let result = rig.fetch(&spec(&server.url("/")));
    assert_eq!(result, Err("body size limit exceeded".to_owned()));
}

#[test]
fn an_endless_body_ends_at_the_limit() {
    let endless = |head: &'static str, piece: &'static [u8]| {
        let server = Server::start(move |mut stream, _| {
            let _head = read_head(&mut stream);
            let _gone = stream.write_all(head.as_bytes());
            let piece = piece.repeat(1000);
            while stream.write_all(&piece).is_ok() {}
        });
        failure(&server)
    };
    let limit = "body size limit exceeded";
    assert_eq!(endless("HTTP/1.1 200 OK\r\n\r\n", b"0123456789"), limit);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(endless(chunked, b"a\r\n0123456789\r\n"), limit);
    let gzip = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
    assert_eq!(endless(gzip, b"\x1f\x8b\x08\0\0\0"), limit);
    let head = endless("HTTP/1.1 200 OK\r\nX: ", b"0123456789");
    assert!(head.contains("server response headers exceeded"), "{head}");
}

#[test]
fn a_slow_drip_ends_at_the_deadline_and_delays_nobody() {
    let drip = Server::start(|mut stream, _| {
        let _head = read_head(&mut stream);
        let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n");
        let (_never, pause) = crossbeam_channel::bounded::<()>(0);
        while stream.write_all(b"x").is_ok() {
            let _pause = pause.recv_timeout(Duration::from_millis(5));
        }
    });
    let server = Server::http(|_| answer("200 OK", &[], b"up 1\n"));
    let mut rig = Rig::new();
    let timeout = Duration::from_millis(300);
    for key in 0..20 {
        rig.start(key, &spec(&drip.url("/")), timeout);
    }
    rig.start(99, &spec(&server.url("/")), timeout);
    assert!(rig.collect(1)[&99].is_ok());
    for (_, result) in rig.collect(20) {
        assert_eq!(result, Err("context deadline exceeded".to_owned()));
    }
}

#[test]
fn cut_bodies_are_errors_wherever_they_are_cut() {
    let packed = gzip(b"up 1\n");
    let whole = answer("200 OK", &["Content-Encoding: gzip"], &packed);
    let body_at = whole.len() - packed.len();
    let mut rig = Rig::new();
    for end in 0..whole.len() {
        let server = saying(&whole[..end]);
        let error = rig.fetch(&spec(&server.url("/"))).expect_err("cut");
        let expected = if end < body_at {
            "EOF"
        } else {
            "unexpected EOF"
        };
        assert!(error.ends_with(expected), "{end}: {error}");
    }
    let close = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
    let server = saying([close.as_bytes(), &packed[..packed.len() - 1]].concat());
    assert_eq!(failure(&server), "gzip: invalid or truncated body");
}

#[test]
fn another_protocol_and_broken_framing_are_named() {
    let ssh = failure(&saying("SSH-2.0-OpenSSH_9.6\r\n"));
    assert!(
        ssh.ends_with("malformed HTTP response \"SSH-2.0-OpenSSH_9.6\""),
        "{ssh}"
    );
    let lengths = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab";
    assert!(failure(&saying(lengths)).contains("malformed HTTP response"));
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert_eq!(failure(&saying(chunks)), "malformed chunked encoding");
}

#[test]
fn bytes_behind_a_response_never_reach_the_next_exchange() {
    let server = Server::start(|mut stream, number| {
        let _head = read_head(&mut stream);
        let mut bytes = answer("200 OK", &[], number.to_string().as_bytes());
        bytes.extend(answer("200 OK", &[], b"smuggled"));
        let _gone = stream.write_all(&bytes);
        let _head = read_head(&mut stream);
    });
    let (mut rig, spec) = (Rig::new(), spec(&server.url("/")));
    for number in 0..5 {
        assert_eq!(rig.page(&spec), number.to_string().into_bytes());
    }
}

#[test]
fn a_status_is_not_lost_with_the_body_behind_it() {
    let cut = saying("HTTP/1.1 503 Busy\r\nContent-Length: 99\r\n\r\nsor");
    let outcome = Rig::new().fetch(&spec(&cut.url("/"))).expect("status");
    assert_eq!((outcome.status, outcome.body.len()), (503, 0));
    let hanging = Server::start(|mut stream, _| {
        let _head = read_head(&mut stream);
        let _gone = stream.write_all(b"HTTP/1.1 500 Oops\r\n\r\nsor");
        let _end = read_head(&mut stream);
    });
    let mut rig = Rig::new();
    rig.start(1, &spec(&hanging.url("/")), Duration::from_millis(100));
    let results = rig.collect(1);
    assert_eq!(results[&1].as_ref().expect("status").status, 500);
}

#[test]
fn interim_responses_are_skipped() {
    let text = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let server = saying(text);
    assert_eq!(Rig::new().page(&spec(&server.url("/"))), b"ok");
}

#[test]
fn all_bodies_together_are_bounded_but_one_alone_may_be_large() {
    let megabytes = limits::FETCH_BODIES_BYTES >> 20;
    let server = Server::start(move |mut stream, _| {
        let _head = read_head(&mut stream);
        let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..megabytes / 2 + 1 {
            let _gone = stream.write_all(&piece);
        }
        // Holds its body open until the other has been counted too.
        let _head = read_head(&mut stream);
    });
    let mut rig = Rig::new();
    let spec = spec_with(&server.url("/"), &HttpClientConfig::default(), 0);
    rig.start(1, &spec, PATIENCE);
    rig.start(2, &spec, PATIENCE);
    let refused = rig.collect(1).into_values().next().expect("result");
    assert_eq!(
        refused,
        Err("too many bytes of other targets in memory".to_owned())
    );
    rig.fetcher.cancel(1);
    rig.fetcher.cancel(2);
    assert_eq!(rig.fetcher.body_bytes, 0);
}

#[test]
fn a_small_body_does_not_pay_for_a_large_one() {
    let megabytes = limits::FETCH_BODIES_BYTES >> 20;
    let greedy = Server::start(move |mut stream, _| {
        let _head = read_head(&mut stream);
        let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..megabytes {
            let _gone = stream.write_all(&piece);
        }
        // Sits on what it has filled.
        let _head = read_head(&mut stream);
    });
    let modest = Server::http(|_| answer("200 OK", &[], &[b'y'; 5000]));
    let mut rig = Rig::new();
    let spec = spec_with(&greedy.url("/"), &HttpClientConfig::default(), 0);
    rig.start(1, &spec, PATIENCE);
    let end = SystemClock.mono() + PATIENCE;
    while rig.fetcher.body_bytes < limits::FETCH_BODIES_BYTES {
        rig.turn(end);
    }
    rig.start(2, &super::spec(&modest.url("/")), PATIENCE);
    let mut results = rig.collect(2);
    let page = results.remove(&2).expect("a result");
    assert_eq!(page.map(|page| page.body.len()), Ok(5000));
    let crowded = "too many bytes of other targets in memory".to_owned();
    assert_eq!(results.remove(&1), Some(Err(crowded)));
}
