//! The same inside TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use super::{WAIT, get};
use crate::http::server::request::{Request, RequestHead};
use crate::http::server::response::Response;
use crate::net::server::{Answer, Handler, Promises, ServerHandle, ServerOptions, bind, start};
use crate::net::testing::certificates::Authority;
use crate::net::tls::provider;
use crate::sys::clock::SystemClock;
use crate::telemetry::budget::MemoryBudget;

const PAGE_BYTES: usize = 3 << 20;

/// Answers with as many bytes as came, or many.
struct Page {
    tls: Arc<ServerConfig>,
    failures: Arc<Mutex<Vec<String>>>,
}

impl Handler for Page {
    fn body_bytes_max(&self, _head: &RequestHead) -> u64 {
        1 << 20
    }

    fn handle(&mut self, request: Request, _promises: &Promises<'_>) -> Answer {
        let bytes = match request.head.path.as_str() {
            "/large" => PAGE_BYTES,
            _ => request.body.len(),
        };
        Answer::Now(Response::text(200, vec![b'x'; bytes]))
    }

    fn tls(&mut self) -> Option<Arc<ServerConfig>> {
        Some(Arc::clone(&self.tls))
    }

    fn handshake_failed(&mut self, _peer: std::net::SocketAddr, error: &str) {
        self.failures.lock().expect("lock").push(error.to_owned());
    }
}

struct Scene {
    server: ServerHandle,
    authority: Authority,
    failures: Arc<Mutex<Vec<String>>>,
}

fn scene() -> Scene {
    let authority = Authority::new();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let page = Page {
        tls: authority.issue("edge7").server(),
        failures: Arc::clone(&failures),
    };
    let options = ServerOptions {
        thread_name: "https-test",
        clients_max: 4,
        idle_timeout: WAIT,
        memory: MemoryBudget::unlimited(),
    };
    let listeners = vec![bind("127.0.0.1:0").expect("bind")];
    let server = start(listeners, Box::new(page), options, Arc::new(SystemClock)).expect("start");
    Scene {
        server,
        authority,
        failures,
    }
}

impl Scene {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.addresses()[0]).expect("connect");
        stream.set_read_timeout(Some(WAIT)).expect("timeout");
        stream
    }

    fn secure(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.authority.pem.as_bytes()).expect("pem");
        roots.add(root).expect("root");
        let client = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("edge7").expect("name");
        let session = ClientConnection::new(Arc::new(client), name).expect("session");
        StreamOwned::new(session, self.connect())
    }
}

#[test]
fn large_bodies_pass_both_ways_and_the_end_is_announced() {
    let scene = scene();
    let mut stream = scene.secure();
    let body = vec![b'x'; 1 << 20];
    let head = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("head");
    stream.write_all(&body).expect("body");
    stream
        .write_all(get("/large", true).as_bytes())
        .expect("second request");
    let mut answer = Vec::new();
    // Fails without a farewell of TLS at the end.
    stream.read_to_end(&mut answer).expect("both answers");
    let count = answer.iter().filter(|byte| **byte == b'x').count();
    assert!(count >= body.len() + PAGE_BYTES, "{count}");
    assert!(scene.server.stop());
}

#[test]
fn who_speaks_no_tls_is_told_and_counted() {
    let scene = scene();
    let mut plain = scene.connect();
    plain.write_all(get("/", true).as_bytes()).expect("write");
    let mut answer = String::new();
    let read = plain.read_to_string(&mut answer);
    assert!(
        answer.ends_with("Client sent an HTTP request to an HTTPS server.\n"),
        "{read:?} {answer}"
    );
    let mut garbled = scene.connect();
    garbled
        .write_all(b"\x16\x03\x01\x00\x04c\x00\x00\x00")
        .expect("write");
    let mut rest = Vec::new();
    let _reset = garbled.read_to_end(&mut rest);
    let failures = scene.failures.lock().expect("lock").clone();
    assert_eq!(
        failures[0],
        "client sent an HTTP request to an HTTPS server"
    );
    assert!(failures[1].starts_with("tls: "), "{failures:?}");
}

#[test]
fn a_byte_at_a_time_is_a_handshake_too() {
    let scene = scene();
    let mut stream = scene.secure();
    let mut wire = Vec::new();
    stream.conn.write_tls(&mut wire).expect("hello");
    for byte in wire {
        stream.sock.write_all(&[byte]).expect("byte");
        stream.sock.flush().expect("flush");
    }
    stream
        .write_all(get("/", true).as_bytes())
        .expect("request");
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => panic!("{error}"),
        _ => assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}"),
    }
}
