//! More clients than places, some of them hostile.

use super::*;

#[test]
fn clients_whose_requests_stand_still_lose_their_places() {
    let server = server(4);
    let unfinished = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n";
    let _stuck: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = connect(&server);
            stream.write_all(unfinished).expect("write");
            stream
        })
        .collect();
    assert!(ask(&server, get("/a", true).as_bytes()).ends_with("/a 0\n"));
}

#[test]
fn clients_that_do_not_take_their_answers_lose_their_places() {
    let server = server(4);
    let _deaf: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = connect(&server);
            stream
                .write_all(get("/large", false).as_bytes())
                .expect("write");
            // The answer has begun, so the server is at it.
            read_until(&mut stream, "\r\n\r\n");
            stream
        })
        .collect();
    assert!(ask(&server, get("/a", true).as_bytes()).ends_with("/a 0\n"));
}

#[test]
fn a_body_on_its_way_keeps_its_place_as_long_as_it_moves() {
    let mut talk = Conversation::new(at(0).mono, WAIT);
    talk.received(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n");
    assert_eq!(talk.next_request(at(1), &|_| 9000), None);
    assert_eq!(talk.waiting_since(), Some(at(1).mono));
    talk.received(&[b'x'; limits::HTTP_PROGRESS_BYTES]);
    assert_eq!(talk.next_request(at(2), &|_| 9000), None);
    assert_eq!(talk.waiting_since(), Some(at(2).mono));
    // A byte now and then is no progress.
    for second in 3..6 {
        talk.received(b"x");
        assert_eq!(talk.next_request(at(second), &|_| 9000), None);
        assert_eq!(talk.waiting_since(), Some(at(2).mono));
    }
}

#[test]
fn a_large_answer_goes_out_as_it_is_and_is_held_no_longer_than_that() {
    let mut talk = Conversation::new(at(0).mono, WAIT);
    talk.received(get("/", false).as_bytes());
    assert!(talk.next_request(at(0), &|_| 0).is_some());
    let body: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
    talk.answer(at(0), Response::text(200, body.clone()));
    let (mut out, held) = (Vec::new(), talk.held());
    assert!(held >= body.len() && held < body.len() + 1000, "{held}");
    while talk.phase() == Phase::Writing {
        let piece = talk.output().len().min(7777);
        out.extend_from_slice(&talk.output()[..piece]);
        assert!(!talk.wrote(at(1).mono, piece));
    }
    assert_eq!((out.len(), talk.held()), (held, 0));
    assert!(out.ends_with(&body));
}

/// The room that the server says it has for an answer.
fn room(stream: &mut TcpStream) -> usize {
    stream
        .write_all(get("/room", false).as_bytes())
        .expect("write");
    let answer = read_until(stream, " bytes\n");
    let number = answer.rsplit("\r\n").next().expect("body");
    number.trim_end_matches(" bytes\n").parse().expect("number")
}

#[test]
fn answers_that_nobody_takes_share_one_allowance() {
    let server = server(8);
    let mut watcher = connect(&server);
    let all = limits::HTTP_ANSWERS_BYTES_MAX;
    assert_eq!(room(&mut watcher), all);
    let mut deaf = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(&server);
        let request = get("/large", false);
        stream.write_all(request.as_bytes()).expect("write");
        read_until(&mut stream, "\r\n\r\n");
        deaf.push(stream);
    }
    // Part of it is in the sockets.
    assert!(room(&mut watcher) < all / 2);
    drop(deaf);
    let end = SystemClock.mono() + WAIT;
    while room(&mut watcher) < all {
        assert!(SystemClock.mono() < end);
    }
}

#[test]
fn there_is_room_for_small_answers_only_while_memory_runs_short() {
    let memory = MemoryBudget::short_of(&Registry::default(), Relief::Visitors);
    let server = server_with(8, memory);
    assert_eq!(room(&mut connect(&server)), limits::HTTP_ANSWER_BYTES_MIN);
    let memory = MemoryBudget::new(&Registry::default(), Some(160 << 20), || 0);
    let server = server_with(8, memory);
    assert_eq!(room(&mut connect(&server)), 10 << 20);
}
