mod crowd;
mod secure;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::conversation::{Conversation, Now, Phase};
use super::*;
use crate::http::server::request::Method;
use crate::model::pressure::Relief;
use crate::model::time::{Mono, Wall};
use crate::sys::clock::SystemClock;
use crate::telemetry::registry::Registry;

const BODY_MAX: u64 = 4 << 20;
const WAIT: Duration = Duration::from_secs(10);

/// Answers with the length of the body; `/later` from another thread, `/never` not at all.
struct Echo;

impl Handler for Echo {
    fn body_bytes_max(&self, head: &RequestHead) -> u64 {
        if head.method == Method::Post {
            BODY_MAX
        } else {
            0
        }
    }

    fn handle(&mut self, request: Request, promises: &Promises<'_>) -> Answer {
        let text = format!("{} {}\n", request.head.path, request.body.len());
        match request.head.path.as_str() {
            "/later" => {
                let reply = promises.promise();
                thread::spawn("echo", move || reply.send(Response::text(200, text)))
                    .expect("spawn");
                Answer::Later
            }
            "/never" => {
                drop(promises.promise());
                Answer::Later
            }
            // More than what the sockets between take in.
            "/large" => Answer::Now(Response::text(200, vec![0; 24 << 20])),
            "/room" => {
                let room = promises.room();
                Answer::Now(Response::text(200, format!("{room} bytes\n")))
            }
            "/panic" => panic!("as asked"),
            _ => Answer::Now(Response::text(200, text)),
        }
    }
}

fn server(clients_max: usize) -> ServerHandle {
    server_with(clients_max, MemoryBudget::unlimited())
}

fn server_with(clients_max: usize, memory: MemoryBudget) -> ServerHandle {
    let options = ServerOptions {
        thread_name: "http-test",
        clients_max,
        idle_timeout: WAIT,
        memory,
    };
    let listener = bind("127.0.0.1:0").expect("bind");
    start(
        vec![listener],
        Box::new(Echo),
        options,
        Arc::new(SystemClock),
    )
    .expect("start")
}

fn connect(server: &ServerHandle) -> TcpStream {
    let stream = TcpStream::connect(server.addresses()[0]).expect("connect");
    stream.set_read_timeout(Some(WAIT)).expect("timeout");
    stream
}

/// Sends `request` and returns all that comes until the server closes.
fn ask(server: &ServerHandle, request: &[u8]) -> String {
    let mut stream = connect(server);
    stream.write_all(request).expect("write");
    read_to_end(&mut stream)
}

fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    answer
}

fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut answer, mut byte) = (String::new(), [0]);
    while !answer.ends_with(end) {
        stream.read_exact(&mut byte).expect("read");
        answer.push(char::from(byte[0]));
    }
    answer
}

fn get(path: &str, close: bool) -> String {
    let connection = if close { "Connection: close\r\n" } else { "" };
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n{connection}\r\n")
}

#[test]
fn very_few_clients_are_served_while_memory_runs_short() {
    let memory = MemoryBudget::short_of(&Registry::default(), Relief::Visitors);
    let server = server_with(8, memory.clone());
    let mut served: Vec<TcpStream> = (0..limits::MEMORY_CLIENTS)
        .map(|_| {
            let mut stream = connect(&server);
            stream
                .write_all(get("/a", false).as_bytes())
                .expect("write");
            read_until(&mut stream, "/a 0");
            stream
        })
        .collect();
    let mut another = connect(&server);
    // Closed without an answer, or reset.
    assert_eq!(another.read(&mut [0; 10]).unwrap_or(0), 0);
    assert_eq!(memory.counted(Relief::Visitors), 1.0);
    served[0]
        .write_all(get("/b", true).as_bytes())
        .expect("write");
    assert!(read_to_end(&mut served[0]).contains("/b 0"));
    assert!(server.stop());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = server(4);
    let requests = [get("/a", false), get("/later", false), get("/c", true)].concat();
    let answer = ask(&server, requests.as_bytes());
    let places: Vec<_> = ["/a 0", "/later 0", "/c 0"]
        .map(|text| answer.find(text))
        .into();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{answer}"
    );
    assert!(server.stop());
}

#[test]
fn large_and_oversized_bodies_end_well() {
    let server = server(4);
    let body = vec![b'x'; 3 << 20];
    let head = format!(
        "POST /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answer = ask(&server, &[head.as_bytes(), &body].concat());
    assert!(answer.ends_with("/big 3145728\n"), "{answer}");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n",
        BODY_MAX + 1
    );
    let answer = ask(&server, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let answer = ask(
        &server,
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn broken_promises_and_panics_are_answered_and_the_server_goes_on() {
    let server = server(4);
    assert!(ask(&server, get("/never", true).as_bytes()).starts_with("HTTP/1.1 503 "));
    assert!(ask(&server, get("/panic", true).as_bytes()).starts_with("HTTP/1.1 500 "));
    assert!(ask(&server, get("/a", true).as_bytes()).ends_with("/a 0\n"));
}

#[test]
fn a_client_that_closes_its_side_still_gets_its_answer() {
    let server = server(4);
    let mut stream = connect(&server);
    stream
        .write_all(get("/a", false).as_bytes())
        .expect("write");
    stream.shutdown(Shutdown::Write).expect("shutdown");
    assert!(read_to_end(&mut stream).ends_with("/a 0\n"));
}

#[test]
fn a_hundred_clients_share_few_places() {
    let server = server(8);
    let mut streams: Vec<_> = (0..100).map(|_| connect(&server)).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        // Half of them would like to stay: they are sent away when others need their place.
        let request = get(&format!("/n{number}"), number % 2 == 0);
        stream.write_all(request.as_bytes()).expect("write");
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        let answer = read_until(stream, " 0\n");
        assert!(answer.ends_with(&format!("/n{number} 0\n")), "{answer}");
    }
}

#[test]
fn silent_clients_lose_their_places_to_those_who_speak() {
    let server = server(4);
    let _silent: Vec<_> = (0..4).map(|_| connect(&server)).collect();
    assert!(ask(&server, get("/a", true).as_bytes()).ends_with("/a 0\n"));
}

#[test]
fn a_waiting_client_is_told_to_continue() {
    let server = server(4);
    let mut stream = connect(&server);
    let head = "POST /c HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("write");
    assert_eq!(
        read_until(&mut stream, "\r\n\r\n"),
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    stream.write_all(b"ok").expect("write");
    assert!(read_until(&mut stream, "/c 2\n").starts_with("HTTP/1.1 200 "));
}

#[test]
fn stopping_closes_idle_clients_and_refuses_new_ones() {
    let server = server(4);
    let address = server.addresses()[0];
    let mut stream = connect(&server);
    stream
        .write_all(get("/a", false).as_bytes())
        .expect("write");
    read_until(&mut stream, "/a 0\n");
    assert!(server.stop());
    assert_eq!(read_to_end(&mut stream), "");
    assert!(TcpStream::connect(address).is_err());
}

/// A conversation and the time that its test lets pass.
fn at(secs: u64) -> Now {
    Now {
        mono: Mono::from_millis(secs * 1000),
        wall: Wall(0),
    }
}

fn output(talk: &Conversation) -> String {
    String::from_utf8_lossy(talk.output()).into_owned()
}

#[test]
fn a_head_that_drips_is_cut_after_its_deadline_and_told_why() {
    let mut talk = Conversation::new(at(0).mono, WAIT);
    for second in 0..5 {
        talk.received(b"G");
        assert_eq!(talk.next_request(at(second), &|_| 0), None);
        talk.expire(at(second));
        assert_eq!(talk.phase(), Phase::Head);
    }
    talk.expire(at(5));
    assert!(output(&talk).starts_with("HTTP/1.1 408 "));
    let bytes = talk.output().len();
    assert!(talk.wrote(at(5).mono, bytes));
    talk.received(b"more that nobody reads");
    assert_eq!(talk.phase(), Phase::Lingering);
    talk.expire(at(6));
    assert_eq!(talk.phase(), Phase::Closed);
}

#[test]
fn a_silent_client_is_closed_without_a_word() {
    let mut talk = Conversation::new(at(0).mono, WAIT);
    talk.expire(at(5));
    assert_eq!(
        (talk.phase(), output(&talk)),
        (Phase::Closed, String::new())
    );
}

#[test]
fn bodies_handlers_and_idle_times_have_their_own_deadlines() {
    let mut talk = Conversation::new(at(0).mono, WAIT);
    talk.received(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx");
    assert_eq!(talk.next_request(at(4), &|_| 2), None);
    assert_eq!(talk.deadline(), at(4).mono + limits::HTTP_BODY_TIMEOUT);
    talk.received(b"yGET");
    assert!(talk.next_request(at(33), &|_| 2).is_some());
    assert!(!talk.wants_input());
    talk.answer(at(34), Response::empty(200));
    let bytes = talk.output().len();
    assert!(!talk.wrote(at(35).mono, bytes));
    assert_eq!(
        (talk.phase(), talk.deadline()),
        (Phase::Idle, at(35).mono + WAIT)
    );
    // The next request has begun already.
    assert_eq!(talk.next_request(at(35), &|_| 2), None);
    assert_eq!(talk.deadline(), at(35).mono + limits::HTTP_HEAD_TIMEOUT);
}

#[test]
fn a_handler_that_never_answers_is_reported() {
    let mut talk = Conversation::new(at(0).mono, WAIT);
    talk.received(get("/", false).as_bytes());
    assert!(talk.next_request(at(0), &|_| 0).is_some());
    talk.expire(at(60));
    assert!(output(&talk).starts_with("HTTP/1.1 504 "));
}
