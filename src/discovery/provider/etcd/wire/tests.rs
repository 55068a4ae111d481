use proptest::prelude::*;

use super::*;

#[test]
fn a_prefix_ends_before_whatever_sorts_after_it() {
    let end = |prefix: &str| Range::of_prefix(prefix).end;
    assert_eq!(end("/a/"), b"/a0");
    assert_eq!(end("a"), b"b");
    assert_eq!(end("\u{7f}"), [0x80]);
    let full = Range::of_prefix("/a/").after(b"/a/1");
    assert_eq!(
        (full.from.as_slice(), full.end.as_slice()),
        (&b"/a/1\0"[..], &b"/a0"[..])
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_range_of_a_prefix_is_the_keys_that_begin_with_it(prefix in ".{1,4}", key in ".{0,6}") {
        let range = Range::of_prefix(&prefix);
        let inside = key.as_bytes() >= &range.from[..]
            && (range.end == [0] || key.as_bytes() < &range.end[..]);
        prop_assert_eq!(inside, key.starts_with(&prefix));
        let longer = format!("{prefix}{key}");
        prop_assert!(longer.as_bytes() >= &range.from[..]);
        prop_assert!(range.end == [0] || longer.as_bytes() < &range.end[..]);
    }

    #[test]
    fn any_cut_of_the_stream_gives_the_same_lines(
        lines in prop::collection::vec("[a-z{}\"]{1,40}", 0..8),
        size in 1..50usize,
    ) {
        let stream: String = lines.iter().map(|line| format!("{line}\n\n")).collect();
        let (mut cutter, mut found) = (Lines::default(), Vec::new());
        for piece in stream.as_bytes().chunks(size) {
            cutter.push(piece).expect("short");
            while let Some(line) = cutter.line() {
                found.push(String::from_utf8(line).expect("text"));
            }
        }
        prop_assert_eq!(found, lines);
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _read = (said(&bytes), serde_json::from_slice::<Page>(&bytes));
    }
}

#[test]
fn requests_look_as_the_gateway_expects_them() {
    let prefix = Range::of_prefix("/a/");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    assert_eq!(
        text(range(&prefix, 5, 7)),
        r#"{"key":"L2Ev","range_end":"L2Ew","limit":5,"revision":7}"#
    );
    let two = text(watch([(&prefix, 7), (&prefix, 8)].into_iter()));
    let lines: Vec<&str> = two.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[1].contains(r#""start_revision":9,"watch_id":2,"#),
        "{two}"
    );
    assert_eq!(
        text(authenticate("u", "a\"b")),
        r#"{"name":"u","password":"a\"b"}"#
    );
}

/// As etcd 3.4.23 wrote them.
#[test]
fn answers_of_a_real_gateway_are_read() {
    let page = r#"{"header":{"cluster_id":"324952591200643719","member_id":"3319814642761637952","revision":"7","raft_term":"2"},"kvs":[{"key":"L3QvYQ==","create_revision":"2","mod_revision":"2","version":"1","value":"MTAuMC4wLjE6YQ=="}],"more":true,"count":"3"}"#;
    let page: Page = serde_json::from_str(page).expect("a page");
    assert_eq!((page.header.revision, page.more), (7, true));
    assert_eq!(page.header.cluster_id, 324_952_591_200_643_719);
    assert_eq!(page.kvs[0].key, b"/t/a");
    assert_eq!(page.kvs[0].value, b"10.0.0.1:a");
    let line = r#"{"result":{"header":{"cluster_id":"1","revision":"10"},"watch_id":"1","events":[{"type":"DELETE","kv":{"key":"L3QvYQ==","mod_revision":"10"}},{"kv":{"key":"L3QvYg==","mod_revision":"10","value":"eA=="}}]}}"#;
    let told = said(line.as_bytes()).expect("a line").expect("a result");
    assert_eq!((told.watch_id, told.events.len()), (1, 2));
    assert!(told.events[0].is_deletion() && !told.events[1].is_deletion());
    let line = r#"{"result":{"header":{"cluster_id":"1","raft_term":"2"},"canceled":true,"compact_revision":"8"}}"#;
    let told = said(line.as_bytes()).expect("a line").expect("a result");
    assert_eq!((told.canceled, told.compact_revision), (true, 8));
    let line =
        r#"{"error":{"grpc_code":16,"http_code":401,"message":"etcdserver: invalid auth token"}}"#;
    let failure = said(line.as_bytes())
        .expect("a line")
        .expect_err("an error");
    assert!(failure.is_about_the_token());
    let body = r#"{"error":"etcdserver: user name is empty","message":"etcdserver: user name is empty","code":3}"#;
    let failure: Failure = serde_json::from_str(body).expect("a failure");
    assert_eq!((failure.code, failure.is_about_the_token()), (3, false));
}

#[test]
fn lines_without_end_are_refused() {
    let mut lines = Lines::default();
    let piece = vec![b'x'; limits::ETCD_BODY_BYTES / 2];
    assert_eq!(lines.push(&piece), Ok(()));
    assert_eq!(lines.push(&piece), Ok(()));
    assert_eq!(lines.line(), None);
    assert_eq!(lines.push(b"x"), Err(TooLong));
}
