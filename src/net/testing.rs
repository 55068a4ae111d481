//! Scripted servers on loopback, for tests of both clients.
//!
//! A [`Server`] runs a closure for each connection on a thread of its own and counts connections;
//! dropping it stops accepting. What is received can be looked at afterwards.

pub(crate) mod certificates;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// Long enough for a loaded machine; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A request as a server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Request line and headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or("")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    connections: AtomicUsize,
    received: Mutex<Vec<Received>>,
}

impl Server {
    /// Hands each connection and its number to `serve`.
    pub(crate) fn start(serve: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Server {
        Server::launch(move |stream, number, _| serve(stream, number))
    }

    /// Answers each request with the bytes `reply` gives; closes the connection on none.
    pub(crate) fn http(reply: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static) -> Server {
        Server::launch(move |mut stream, _, shared| {
            while let Some(received) = receive(&mut stream) {
                shared.received.lock().push(received.clone());
                let answer = reply(&received);
                if answer.is_empty() || stream.write_all(&answer).is_err() {
                    return;
                }
            }
        })
    }

    /// The same inside TLS.
    pub(crate) fn https(
        config: Arc<rustls::ServerConfig>,
        reply: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static,
    ) -> Server {
        Server::launch(move |stream, _, shared| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("tls");
            let mut stream = rustls::StreamOwned::new(connection, stream);
            while let Some(received) = receive(&mut stream) {
                shared.received.lock().push(received.clone());
                let answer = reply(&received);
                if answer.is_empty() || stream.write_all(&answer).is_err() {
                    return;
                }
                let _gone = stream.flush();
            }
        })
    }

    fn launch(serve: impl Fn(TcpStream, usize, &Shared) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("address");
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let serve = Arc::new(serve);
        crate::sys::thread::spawn("test-server", move || {
            while let Ok((stream, _)) = listener.accept() {
                if seen.stop.load(Ordering::Acquire) {
                    return;
                }
                let number = seen.connections.fetch_add(1, Ordering::AcqRel);
                let (serve, seen) = (Arc::clone(&serve), Arc::clone(&seen));
                crate::sys::thread::spawn("test-connection", move || {
                    stream.set_read_timeout(Some(PATIENCE)).expect("socket");
                    serve(stream, number, &seen);
                })
                .expect("thread");
            }
        })
        .expect("thread");
        Server { address, shared }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// All requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        // Wakes the accepting thread.
        let _gone = TcpStream::connect(self.address);
    }
}

/// Reads a request; none at the end of the connection.
pub(crate) fn receive(stream: &mut impl Read) -> Option<Received> {
    let head = read_head(stream)?;
    let mut received = Received {
        head,
        body: Vec::new(),
    };
    let length = received
        .header("content-length")
        .map_or(0, |text| text.parse().expect("length"));
    received.body.resize(length, 0);
    stream.read_exact(&mut received.body).ok()?;
    Some(received)
}

/// Reads up to the empty line.
pub(crate) fn read_head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// An answer with a length.
pub(crate) fn answer(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        bytes.push_str(header);
        bytes.push_str("\r\n");
    }
    bytes.push_str("\r\n");
    [bytes.as_bytes(), body].concat()
}

/// A redirect.
pub(crate) fn redirect(location: &str) -> Vec<u8> {
    answer("302 Found", &[&format!("Location: {location}")], b"")
}

/// Compresses.
pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).expect("compressed");
    encoder.finish().expect("compressed")
}

/// A proxy that tunnels CONNECT to wherever `to` is, whatever name is asked for, and answers other
/// requests itself with their request line.
pub(crate) fn connect_proxy(to: SocketAddr) -> Server {
    Server::launch(move |mut client, _, shared| {
        while let Some(received) = receive(&mut client) {
            shared.received.lock().push(received.clone());
            if !received.head.starts_with("CONNECT ") {
                let line = received.head.lines().next().unwrap_or("").to_owned();
                let sent = client.write_all(&answer("200 OK", &[], line.as_bytes()));
                if sent.is_err() {
                    return;
                }
                continue;
            }
            let server = TcpStream::connect(to).expect("connected");
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("sent");
            relay(client, server);
            return;
        }
    })
}

/// Copies in both directions until either side ends.
pub(crate) fn relay(client: TcpStream, server: TcpStream) {
    let (mut from, mut to) = (
        server.try_clone().expect("cloned"),
        client.try_clone().expect("cloned"),
    );
    let back = crate::sys::thread::spawn("test-relay", move || {
        let _ended = std::io::copy(&mut from, &mut to);
        let _gone = to.shutdown(std::net::Shutdown::Both);
    })
    .expect("thread");
    let (mut from, mut to) = (client, server);
    let _ended = std::io::copy(&mut from, &mut to);
    let _gone = to.shutdown(std::net::Shutdown::Both);
    back.join().expect("joined");
}
