use super::super::jute::Writer;
use super::super::wire::What;
use super::*;

const TIMEOUT: Duration = Duration::from_secs(9);

fn at(seconds: u64) -> Mono {
    Mono::from_millis(seconds * 1000)
}

fn granted(timeout: i32, id: i64) -> Vec<u8> {
    let message = Writer::default().i32(0).i32(timeout).i64(id);
    message.buffer(b"password").bool(false).frame()
}

fn reply(xid: i32, zxid: i64, error: i32) -> Writer {
    Writer::default().i32(xid).i64(zxid).i32(error)
}

fn question(what: What) -> Question {
    Question {
        what,
        path: "/a".to_owned(),
    }
}

/// A session that was opened at second 0.
fn open() -> Session {
    let mut session = Session::new(TIMEOUT);
    session.connect(at(0));
    let heard = session.receive(at(0), &granted(9000, 5));
    assert_eq!(heard, Ok(vec![Heard::Open]));
    session
}

/// Number of the session and newest state in a handshake.
fn opening(frame: &[u8]) -> (i64, i64) {
    let mut reader = super::super::jute::Reader::new(&frame[8..]);
    let zxid = reader.i64().expect("zxid");
    reader.i32().expect("timeout");
    (reader.i64().expect("session"), zxid)
}

#[test]
fn answers_find_their_questions_and_events_come_between() {
    let mut session = open();
    session.ask(at(1), question(What::Data));
    session.ask(at(1), question(What::Children));
    assert!(session.waits() && session.has_room());
    let event = reply(wire::XID_EVENT, -1, 0).i32(3).i32(3).buffer(b"/b");
    let stream = [
        reply(1, 70, 0).buffer(b"data").frame(),
        event.frame(),
        reply(wire::XID_PING, 71, 0).frame(),
        reply(2, 72, -101).frame(),
    ];
    let heard = session.receive(at(2), &stream.concat()).expect("fine");
    let expected = [
        Heard::Answer(question(What::Data), Ok(Answer::Data(b"data".to_vec()))),
        Heard::Event(Change::Data, "/b".to_owned()),
        Heard::Answer(question(What::Children), Err(Code::NO_NODE)),
    ];
    assert_eq!(heard, expected);
    assert!(!session.waits());
}

#[test]
fn another_connection_goes_on_with_the_session_until_it_is_over() {
    let mut session = open();
    session.ask(at(1), question(What::Data));
    session
        .receive(at(1), &reply(1, 70, -101).frame())
        .expect("fine");
    session.disconnect();
    assert_eq!(opening(&session.connect(at(9))), (5, 70));
    assert!(
        !session.waits(),
        "what was asked there is not answered here"
    );
    session.disconnect();
    assert_eq!(
        opening(&session.connect(at(11))),
        (0, 0),
        "not heard of for 9 s"
    );
}

#[test]
fn a_session_that_the_server_does_not_know_is_replaced_but_not_what_was_seen() {
    let mut session = open();
    session.ask(at(1), question(What::Data));
    session
        .receive(at(1), &reply(1, 70, -101).frame())
        .expect("fine");
    session.connect(at(2));
    let heard = session.receive(at(2), &granted(0, 0));
    assert_eq!(heard, Err(SessionError::Expired));
    assert_eq!(opening(&session.connect(at(3))), (0, 70));
}

#[test]
fn pings_go_out_in_silence_and_a_silent_server_is_given_up() {
    let mut session = open();
    assert_eq!(session.deadline(), at(3));
    assert_eq!(session.beat(at(2)), Ok(Vec::new()));
    assert_eq!(session.beat(at(3)), Ok(wire::ping()));
    assert_eq!(session.deadline(), at(6));
    let pong = reply(wire::XID_PING, 1, 0).frame();
    session.receive(at(3), &pong).expect("fine");
    assert_eq!(session.beat(at(8)), Ok(wire::ping()));
    let silent = SessionError::Silent(Duration::from_secs(6));
    assert_eq!(session.beat(at(9)), Err(silent));
}

#[test]
fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let mut session = Session::new(TIMEOUT);
    session.connect(at(100));
    assert!(!session.has_room());
    assert_eq!(
        session.beat(at(105)),
        Ok(Vec::new()),
        "no ping before the handshake"
    );
    assert_eq!(session.deadline(), at(106));
    assert!(session.beat(at(106)).is_err());
}

#[test]
fn answers_that_were_not_asked_for_end_the_connection() {
    let mut session = open();
    let heard = session.receive(at(1), &reply(1, 1, 0).frame());
    let expected = 0;
    assert_eq!(heard, Err(SessionError::OutOfOrder { found: 1, expected }));
    let mut session = open();
    session.ask(at(1), question(What::Data));
    assert!(session.receive(at(1), &reply(2, 1, 0).frame()).is_err());
    assert_eq!(session.deadline(), Mono::NEVER, "nothing is left of it");
}

#[test]
fn questions_under_way_are_bounded() {
    let mut session = open();
    for _ in 0..limits::ZK_IN_FLIGHT {
        assert!(session.has_room());
        session.ask(at(1), question(What::Data));
    }
    assert!(!session.has_room());
}

#[test]
fn neither_password_nor_answers_are_printed() {
    let session = open();
    let shown = format!("{session:?}");
    assert!(
        !shown.contains("password") && !shown.contains("112, 97"),
        "{shown}"
    );
}
