use std::cell::Cell;
use std::net::UdpSocket;

use simple_dns::{Packet, RCODE};

use super::*;
use crate::sys::clock::SystemClock;

fn resolver(dir: &Path, port: u16) -> Resolver {
    let resolv_conf = dir.join("resolv.conf");
    let text = "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n";
    std::fs::write(&resolv_conf, text).expect("written");
    let source = ResolverSource { resolv_conf, port };
    Resolver::new(source, Arc::new(SystemClock), Jitter::from_system())
}

#[test]
fn a_forged_reply_is_passed_over_and_the_real_one_taken() {
    let dir = tempfile::tempdir().expect("folder");
    let server = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let port = server.local_addr().expect("address").port();
    let thread = crate::sys::thread::spawn("dns-test", move || {
        let mut buffer = [0; 512];
        let (length, peer) = server.recv_from(&mut buffer).expect("question");
        let asked = Packet::parse(&buffer[..length]).expect("parsed");
        let mut reply = Packet::new_reply(asked.id() ^ 1);
        reply.questions = asked.questions.clone();
        let forged = reply.build_bytes_vec().expect("built");
        server.send_to(&forged, peer).expect("sent");
        reply.set_id(asked.id());
        *reply.rcode_mut() = RCODE::NameError;
        let real = reply.build_bytes_vec().expect("built");
        server.send_to(&real, peer).expect("sent");
    })
    .expect("thread");
    let outcome = resolver(dir.path(), port).lookup("a.test", RecordKind::A, &|| false);
    thread.join().expect("server");
    assert_eq!(outcome.expect("denied"), []);
}

#[test]
fn a_closed_port_is_an_error_at_once() {
    let dir = tempfile::tempdir().expect("folder");
    let unused = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let port = unused.local_addr().expect("address").port();
    drop(unused);
    let outcome = resolver(dir.path(), port).lookup("a.test", RecordKind::A, &|| false);
    let error = outcome.expect_err("nobody there").to_string();
    assert!(error.contains("refused"), "{error}");
}

#[test]
fn waiting_for_a_silent_server_ends_when_asked_to_stop() {
    let dir = tempfile::tempdir().expect("folder");
    let silent = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let port = silent.local_addr().expect("address").port();
    let polls = Cell::new(0);
    let stopped = || {
        polls.set(polls.get() + 1);
        polls.get() > 2
    };
    let outcome = resolver(dir.path(), port).lookup("a.test", RecordKind::A, &stopped);
    assert!(matches!(outcome, Err(ResolveError::Stopped)), "{outcome:?}");
}

#[test]
fn a_missing_list_of_servers_is_an_error_with_its_path() {
    let source = ResolverSource {
        resolv_conf: "/nonexistent/resolv.conf".into(),
        port: 53,
    };
    let mut resolver = Resolver::new(source, Arc::new(SystemClock), Jitter::seeded(1));
    let error = resolver.lookup("a", RecordKind::A, &|| false);
    let text = error.expect_err("no file").to_string();
    assert!(
        text.starts_with("cannot read /nonexistent/resolv.conf: "),
        "{text}"
    );
}
