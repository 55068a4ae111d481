use super::parser::{Refusal, RequestParser, Step};
use super::request::{Method, Request, RequestHead};
use super::response::{Exchange, Response};
use crate::limits;
use crate::model::time::Wall;
use proptest::prelude::*;

const BODY_MAX: u64 = 100;

fn cap(_: &RequestHead) -> u64 {
    BODY_MAX
}

/// All requests of `bytes`, handed over in pieces of the given sizes (then the rest), or the
/// refusal that ended them.
fn read_all(bytes: &[u8], pieces: &[usize]) -> (Vec<Request>, Option<Refusal>) {
    let mut parser = RequestParser::default();
    let (mut input, mut rest, mut requests) = (Vec::new(), bytes, Vec::new());
    let mut pieces = pieces.iter().copied().chain([usize::MAX]);
    while !rest.is_empty() || !input.is_empty() {
        match parser.read(&mut input, &cap) {
            Ok(Step::Complete(request)) => requests.push(request),
            Ok(Step::Continue) => {}
            Ok(Step::NeedMore) if rest.is_empty() => return (requests, None),
            Ok(Step::NeedMore) => {
                let take = pieces.next().unwrap_or(usize::MAX).clamp(1, rest.len());
                input.extend_from_slice(&rest[..take]);
                rest = &rest[take..];
            }
            Err(refusal) => return (requests, Some(refusal)),
        }
    }
    (requests, None)
}

fn refusal(bytes: &str) -> Option<Refusal> {
    read_all(bytes.as_bytes(), &[]).1
}

const PIPELINE: &[u8] = b"GET /a?b=c%20d+e&x HTTP/1.1\r\nHost: h\r\nX-Y:  z \r\n\r\n\
    POST /w HTTP/1.1\r\nhost: h\r\nContent-Length: 5\r\n\r\nhello\
    \r\nPUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n\
    3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n\
    GET http://h/abs?q HTTP/1.0\r\n\r\n";

#[test]
fn a_pipeline_is_read_request_by_request() {
    let (requests, refusal) = read_all(PIPELINE, &[]);
    assert_eq!(refusal, None);
    let [get, post, put, old] = requests.as_slice() else {
        panic!("{requests:?}");
    };
    assert_eq!((get.head.method, &*get.head.path), (Method::Get, "/a"));
    assert_eq!(get.head.parameter("b").as_deref(), Some("c d e"));
    assert_eq!(get.head.parameter("x").as_deref(), Some(""));
    assert_eq!(get.head.header("x-y"), Some("z"));
    assert!(get.head.keep_alive);
    assert_eq!(post.body, b"hello");
    assert_eq!(put.body, b"abc0123456789");
    assert_eq!((&*old.head.path, &*old.head.query), ("/abs", "q"));
    assert!(!old.head.keep_alive);
}

#[test]
fn few_empty_lines_are_read_over_and_many_are_no_request() {
    let lines =
        |count: usize| [&"\r\n".repeat(count), "GET / HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
    assert_eq!(refusal(&lines(limits::HTTP_EMPTY_LINES_MAX)), None);
    let many = lines(8 * 1024);
    for pieces in [&[][..], &[1; 100], &[3; 100]] {
        let (requests, refusal) = read_all(many.as_bytes(), pieces);
        assert_eq!((requests.len(), refusal), (0, Some(Refusal::Malformed)));
    }
}

#[test]
fn ambiguous_and_malformed_framing_is_refused() {
    let post = |headers: &str| refusal(&format!("POST / HTTP/1.1\r\nHost: h\r\n{headers}\r\n\r\n"));
    for headers in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Content-Length: 3\r\nContent-Length: 3",
        "Content-Length: +3",
        "Content-Length: 3, 3",
        "Content-Length:",
        "Content-Length: 9999999999999999999999",
    ] {
        assert_eq!(post(headers), Some(Refusal::Length), "{headers}");
    }
    assert_eq!(
        post("Transfer-Encoding: gzip, chunked"),
        Some(Refusal::Coding)
    );
    assert_eq!(
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        Some(Refusal::Coding)
    );
    assert_eq!(post("Content-Length: 101"), Some(Refusal::BodyTooLarge));
    assert_eq!(post("Content-Length : 3"), Some(Refusal::Malformed));
    assert_eq!(post("A: b\r\n c"), Some(Refusal::Malformed));
    assert_eq!(post("A: b\nC: d"), Some(Refusal::Malformed));
    assert_eq!(post("Expect: tea"), Some(Refusal::Expectation));
    assert_eq!(post("Host: again"), Some(Refusal::Host));
    for chunks in [
        "g\r\n",
        "3\r\nabcd\r\n",
        "\r\n",
        "-1\r\n",
        "3 x\r\n",
        "3\nabc",
        "FFFFFFFFFFFFFFFFF\r\n",
    ] {
        let text = format!("Transfer-Encoding: chunked\r\n\r\n{chunks}");
        assert_eq!(post(&text), Some(Refusal::BadChunk), "{chunks}");
    }
    assert_eq!(
        post(
            "Transfer-Encoding: chunked\r\n\r\n40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n25\r\n"
        ),
        Some(Refusal::BodyTooLarge)
    );
}

#[test]
fn bad_request_lines_are_refused() {
    for (text, expected) in [
        ("GET / HTTP/1.1\r\n\r\n", Refusal::Host),
        ("GET a HTTP/1.1\r\nHost: h\r\n\r\n", Refusal::Target),
        ("GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", Refusal::Target),
        ("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", Refusal::Target),
        ("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", Refusal::Method),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", Refusal::Malformed),
        ("GET /\r\n\r\n", Refusal::Malformed),
        ("\u{16}\u{3}\u{1}", Refusal::Malformed),
    ] {
        assert_eq!(refusal(text), Some(expected), "{text:?}");
    }
}

#[test]
fn heads_are_bounded_before_they_end() {
    let line = "x".repeat(limits::HTTP_REQUEST_LINE_BYTES_MAX);
    assert_eq!(refusal(&format!("GET /{line}")), Some(Refusal::LineTooLong));
    let value = "x".repeat(limits::HTTP_HEAD_BYTES_MAX);
    let text = format!("GET / HTTP/1.1\r\nA: {value}");
    assert_eq!(refusal(&text), Some(Refusal::HeadTooLarge));
    let many = "A: b\r\n".repeat(limits::HTTP_HEADERS_MAX + 1);
    let text = format!("GET / HTTP/1.1\r\n{many}\r\n");
    assert_eq!(refusal(&text), Some(Refusal::HeadTooLarge));
}

#[test]
fn a_client_that_waits_is_told_to_continue_once() {
    let mut parser = RequestParser::default();
    let head = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";
    let mut input = head.to_vec();
    assert_eq!(parser.read(&mut input, &cap), Ok(Step::Continue));
    assert_eq!(parser.read(&mut input, &cap), Ok(Step::NeedMore));
    input.extend_from_slice(b"ok");
    assert!(matches!(
        parser.read(&mut input, &cap),
        Ok(Step::Complete(_))
    ));
    // Who sends the body unasked needs no telling.
    let mut input = [head.as_slice(), b"ok"].concat();
    assert!(matches!(
        parser.read(&mut input, &cap),
        Ok(Step::Complete(_))
    ));
}

#[test]
fn responses_carry_what_the_exchange_needs() {
    let encoded = |response: &Response, head_only, keep_alive| {
        let mut out = Vec::new();
        let now = Wall(0);
        let exchange = Exchange {
            head_only,
            keep_alive,
            now,
        };
        let body = response.clone().encode(exchange, &mut out);
        out.extend_from_slice(&body);
        String::from_utf8(out).expect("utf-8")
    };
    let response = Response::text(200, "hi\n").with("Location", "/a\r\nX: y");
    assert_eq!(
        encoded(&response, false, true),
        "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
         Content-Type: text/plain; charset=utf-8\r\nLocation: /a  X: y\r\n\
         Content-Length: 3\r\n\r\nhi\n"
    );
    let head = encoded(&response, true, false);
    assert!(head.ends_with("Content-Length: 3\r\nConnection: close\r\n\r\n"));
    assert!(!encoded(&Response::empty(204), false, true).contains("Length"));
}

proptest! {
    #[test]
    fn any_split_of_the_input_yields_the_same_requests(pieces in prop::collection::vec(1usize..40, 0..40)) {
        prop_assert_eq!(read_all(PIPELINE, &pieces), read_all(PIPELINE, &[]));
    }

    #[test]
    fn garbage_never_panics_and_never_differs_by_split(
        bytes in prop::collection::vec(
            prop_oneof![4 => prop::sample::select(&b"GET /:;\r\n\r\n01aHost chunkedTransfer-Encoding"[..]), 1 => any::<u8>()],
            0..300,
        ),
        pieces in prop::collection::vec(1usize..9, 0..40),
    ) {
        let whole = [b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", bytes.as_slice()].concat();
        for input in [&bytes, &whole] {
            prop_assert_eq!(read_all(input, &pieces).0, read_all(input, &[]).0);
        }
    }
}
