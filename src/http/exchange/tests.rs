//! Responses whole, in pieces and broken.

use proptest::prelude::*;

use super::*;

type Outcome = Result<(u16, Vec<u8>, bool), ExchangeError>;

/// Feeds the pieces, then the end of the connection if the response is not complete.
fn run(limit: u64, pieces: &[&[u8]]) -> Outcome {
    let mut exchange = Exchange::new(limit).expect("begun");
    let mut body = Vec::new();
    for piece in pieces {
        exchange.receive(piece, &mut body)?;
    }
    if !exchange.is_done() {
        exchange.end()?;
    }
    let status = exchange.head().expect("head").status;
    Ok((status, body, exchange.is_reusable()))
}

fn whole(text: &str) -> Outcome {
    run(0, &[text.as_bytes()])
}

fn body(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
    4;x=1\r\nWiki\r\n6\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nT: railer\r\n\r\n";

const WELL_FORMED: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello",
    "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
    CHUNKED,
    "HTTP/1.0 200 OK\r\n\r\nuntil the end",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone",
    "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
];

#[test]
fn every_way_to_delimit_a_body_is_understood() {
    let outcomes: Vec<_> = WELL_FORMED.iter().map(|text| whole(text)).collect();
    let expected = [
        Ok((200, body("hello"), true)),
        Ok((200, body("hi"), true)),
        Ok((200, body("Wikipedia in \r\n\r\nchunks."), true)),
        Ok((200, body("until the end"), false)),
        Ok((204, body(""), true)),
        Ok((404, body(""), true)),
        Ok((302, body(""), true)),
    ];
    assert_eq!(outcomes, expected);
}

#[test]
fn the_head_keeps_what_a_scrape_needs() {
    let mut exchange = Exchange::new(0).expect("begun");
    let text =
        "HTTP/1.1 503 Out of\tLuck \r\nContent-Encoding: gzip\r\nContent-Type: a/b; c=d\r\n\r\n";
    exchange
        .receive(text.as_bytes(), &mut Vec::new())
        .expect("received");
    let head = exchange.head().expect("head");
    assert_eq!((head.status, head.reason.as_str()), (503, "Out of.Luck"));
    assert_eq!(head.content_type.as_deref(), Some("a/b; c=d"));
    assert!(head.gzip);
    assert!(!exchange.is_done());
}

#[test]
fn doubts_about_framing_end_the_connection_or_the_response() {
    let both =
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(whole(both), Ok((200, body(""), false)));
    let extra = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK";
    assert_eq!(whole(extra), Ok((200, body("ok"), false)));
    let close = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    assert_eq!(whole(close), Ok((200, body("ok"), false)));
    let lengths = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok";
    assert!(matches!(whole(lengths), Err(ExchangeError::Malformed(_))));
    let negative = "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok";
    assert!(matches!(whole(negative), Err(ExchangeError::Malformed(_))));
    let encoded = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n";
    assert_eq!(whole(encoded), Err(ExchangeError::TransferEncoding));
    let folded = "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n";
    assert!(matches!(whole(folded), Err(ExchangeError::Malformed(_))));
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert_eq!(whole(chunks), Err(ExchangeError::Chunks));
}

#[test]
fn another_protocol_is_told_at_once() {
    let mut exchange = Exchange::new(0).expect("begun");
    let error = exchange.receive(b"SSH-2.0-OpenSSH_9.6\r\n", &mut Vec::new());
    let text = error.expect_err("no HTTP").to_string();
    assert_eq!(text, "malformed HTTP response \"SSH-2.0-OpenSSH_9.6\"");
}

#[test]
fn heads_are_bounded_in_bytes_headers_and_interim_responses() {
    let mut long = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
    long.resize(limits::HTTP_HEAD_BYTES + 1, b'a');
    assert_eq!(run(0, &[&long]), Err(ExchangeError::HeadTooLarge));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(129));
    assert_eq!(whole(&many), Err(ExchangeError::HeadTooLarge));
    let flood = "HTTP/1.1 102 Processing\r\n\r\n".repeat(limits::HTTP_HEAD_BYTES / 20);
    assert_eq!(whole(&flood), Err(ExchangeError::HeadTooLarge));
    let trailers = format!(
        "{}{}",
        &CHUNKED[..CHUNKED.len() - 13],
        "A: b\r\n".repeat(20_000)
    );
    let pieces: Vec<_> = trailers.as_bytes().chunks(1000).collect();
    assert_eq!(run(0, &pieces), Err(ExchangeError::Chunks));
}

#[test]
fn bodies_fail_at_the_limit_not_above_it() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(run(6, &[text.as_bytes()]), Ok((200, body("hello"), true)));
    assert_eq!(run(5, &[text.as_bytes()]), Err(ExchangeError::BodyTooLarge));
    assert_eq!(
        run(20, &[CHUNKED.as_bytes()]),
        Err(ExchangeError::BodyTooLarge)
    );
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
    assert_eq!(
        run(1000, &[announced.as_bytes()]),
        Err(ExchangeError::BodyTooLarge)
    );
}

#[test]
fn unwanted_bodies_are_read_a_little_and_dropped() {
    let text = format!(
        "HTTP/1.1 500 No\r\nContent-Length: 9999999\r\n\r\n{}",
        "x".repeat(5000)
    );
    assert_eq!(whole(&text), Ok((500, body(""), false)));
}

#[test]
fn an_early_end_is_told_apart() {
    assert_eq!(run(0, &[]), Err(ExchangeError::Eof));
    assert_eq!(whole("HTTP/1.1 200 OK\r\nA"), Err(ExchangeError::Eof));
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell";
    assert_eq!(whole(short), Err(ExchangeError::UnexpectedEof));
    assert_eq!(
        whole(&CHUNKED[..CHUNKED.len() - 4]),
        Err(ExchangeError::UnexpectedEof)
    );
}

/// Cuts bytes at the given fractions.
fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn where_the_bytes_are_cut_does_not_matter(
        which in 0..WELL_FORMED.len(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        limit in prop::sample::select(vec![0, 10, 1000]),
    ) {
        let bytes = WELL_FORMED[which].as_bytes();
        prop_assert_eq!(run(limit, &cut(bytes, &cuts)), run(limit, &[bytes]));
    }

    #[test]
    fn broken_responses_never_panic_and_cuts_do_not_matter(
        which in 0..WELL_FORMED.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut bytes = WELL_FORMED[which].as_bytes().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        // Which of two faults is met first may depend on the cut; that there is one may not.
        let (cut, whole) = (run(0, &cut(&bytes, &cuts)), run(0, &[&bytes]));
        prop_assert_eq!(cut.ok(), whole.ok());
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _outcome = run(100, &[b"HTTP/1.1 200 ", &bytes]);
        let _outcome = run(100, &[&bytes]);
    }
}

#[test]
fn a_line_that_does_not_end_is_looked_at_once() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for line in ["5;x", "5\r\nhello\r\n0\r\nT: "] {
        let mut exchange = Exchange::new(0).expect("begun");
        let mut body = Vec::new();
        let begun = [head, line].concat();
        exchange
            .receive(begun.as_bytes(), &mut body)
            .expect("begun");
        let mut receive = |byte: u8| exchange.receive(&[byte], &mut body);
        let refused = (0..=limits::HTTP_HEAD_BYTES).position(|at| receive(b"x\n"[at % 2]).is_err());
        assert!(refused.is_some());
        // Each look makes room for as much of a body as there is of the line.
        assert!(body.capacity() < 100, "{}", body.capacity());
    }
}

#[test]
fn a_line_may_end_anywhere_between_two_pieces() {
    let text = CHUNKED.as_bytes();
    for first in 0..text.len() {
        for second in first..text.len().min(first + 4) {
            let pieces = [&text[..first], &text[first..second], &text[second..]];
            let outcome = run(0, &pieces).expect("response");
            assert_eq!(outcome.1, body("Wikipedia in \r\n\r\nchunks."));
        }
    }
}
