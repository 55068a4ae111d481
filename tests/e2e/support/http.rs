//! A scripted HTTP/1.1 server: every way a peer can behave, on plain threads.
//!
//! It serves as scrape target, as receiver and as discovery source. One thread per connection;
//! stopping closes every socket, which ends the threads. It is no example of a good server: it
//! exists to be told to reset, drip, hang and lie.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use flate2::{Compression, write::GzEncoder};
use parking_lot::Mutex;

use super::wait;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Position among the requests of this server, from 0.
    pub(crate) number: usize,
    pub(crate) method: String,
    /// Path and query, as sent.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) at: Instant,
    pub(crate) wall_ms: i64,
}

impl Request {
    /// The value of a header, by name in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// How the bytes of a reply leave.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// All at once.
    Whole,
    /// So many bytes at a time, with a pause before each.
    Drip(usize, Duration),
    /// The head announces the whole body, but the connection ends after so many bytes of it.
    Cut(usize),
    /// The connection is reset after so many bytes of the body.
    Reset(usize),
    /// Nothing is answered until the peer gives up.
    Hang,
    /// The body is sent again and again, chunked, until the peer gives up.
    Endless,
    /// These bytes instead of a head, then the body; then the connection closes.
    Raw(Vec<u8>),
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Compress, if the request allows it.
    pub(crate) gzip: bool,
    pub(crate) manner: Manner,
}

impl Reply {
    /// A status with a short plain body.
    pub(crate) fn status(status: u16, body: &str) -> Reply {
        Reply {
            status,
            headers: vec![(
                "Content-Type".to_owned(),
                "text/plain; charset=utf-8".to_owned(),
            )],
            body: body.as_bytes().to_vec(),
            gzip: false,
            manner: Manner::Whole,
        }
    }

    /// 200 with a body of that content type; no such header when it is empty.
    pub(crate) fn ok(content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        let mut reply = Reply::status(200, "");
        reply.body = body.into();
        reply.headers.clear();
        if content_type.is_empty() {
            return reply;
        }
        reply.header("Content-Type", content_type)
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the manner.
    pub(crate) fn manner(mut self, manner: Manner) -> Reply {
        self.manner = manner;
        self
    }

    /// Compresses the body when the request allows it.
    pub(crate) fn gzipped(mut self) -> Reply {
        self.gzip = true;
        self
    }
}

/// What a server does with requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Answers. Runs on the connection's thread.
    fn handle(&self, request: &Request) -> Reply;

    /// Called after the answer: `whole` when all of it was handed to the system.
    fn sent(&self, request: &Request, whole: bool) {
        let _ = (request, whole);
    }
}

impl<F: Fn(&Request) -> Reply + Send + Sync + 'static> Handler for F {
    fn handle(&self, request: &Request) -> Reply {
        self(request)
    }
}

struct Shared {
    handler: Box<dyn Handler>,
    count: AtomicUsize,
    requests: Mutex<Vec<Request>>,
    keep_bodies: bool,
}

/// One life of the listener: ended by `stop`, whose sender is never used but dropped.
struct Running {
    stopping: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    _stop: Sender<()>,
}

/// A server on its own port of 127.0.0.1. Stops when dropped.
pub(crate) struct HttpServer {
    port: u16,
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

impl HttpServer {
    /// Starts on a free port. Request bodies are not kept in `requests`.
    pub(crate) fn start(handler: impl Handler) -> HttpServer {
        let server = HttpServer {
            port: super::ports::free(),
            shared: Arc::new(Shared {
                handler: Box::new(handler),
                count: AtomicUsize::new(0),
                requests: Mutex::default(),
                keep_bodies: false,
            }),
            running: Mutex::new(None),
        };
        server.resume();
        server
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many requests have arrived.
    pub(crate) fn count(&self) -> usize {
        self.shared.count.load(Ordering::Acquire)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().clone()
    }

    /// Closes the listener and all connections: new ones are refused.
    pub(crate) fn pause(&self) {
        let Some(running) = self.running.lock().take() else {
            return;
        };
        running.stopping.store(true, Ordering::Release);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        for connection in running.connections.lock().drain(..) {
            drop(connection.shutdown(Shutdown::Both));
        }
        wait::until_true("the listener to close", wait::LONG, || {
            TcpStream::connect(("127.0.0.1", self.port)).is_err()
        });
    }

    /// Listens again, on the same port.
    pub(crate) fn resume(&self) {
        let mut running = self.running.lock();
        if running.is_some() {
            return;
        }
        let address = ("127.0.0.1", self.port);
        let listener = wait::until("the port", wait::LONG, || TcpListener::bind(address).ok());
        let (stop, stopped) = bounded(1);
        let stopping = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(Mutex::new(Vec::new()));
        let life = Life {
            shared: Arc::clone(&self.shared),
            stopping: Arc::clone(&stopping),
            connections: Arc::clone(&connections),
            stopped,
        };
        wait::spawn("listener", move || life.accept(&listener));
        *running = Some(Running {
            stopping,
            connections,
            _stop: stop,
        });
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.pause();
    }
}

#[derive(Clone)]
struct Life {
    shared: Arc<Shared>,
    stopping: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    stopped: Receiver<()>,
}

impl Life {
    fn accept(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            if self.stopping.load(Ordering::Acquire) {
                return;
            }
            if let Ok(copy) = stream.try_clone() {
                self.connections.lock().push(copy);
            }
            let life = self.clone();
            wait::spawn("connection", move || life.serve(&stream));
        }
    }

    fn serve(&self, stream: &TcpStream) {
        let peer = stream.peer_addr().ok();
        drop(stream.set_nodelay(true));
        let mut reader = BufReader::new(stream);
        let mut reset = false;
        while let Ok(Some(request)) = self.read(&mut reader) {
            let reply = self.shared.handler.handle(&request);
            let sent = self.send(stream, &request, reply);
            self.shared.handler.sent(&request, sent.is_ok());
            reset = sent
                .as_ref()
                .is_err_and(|e| e.kind() == ErrorKind::ConnectionReset);
            if sent.is_err() || request.header("Connection") == Some("close") {
                break;
            }
        }
        if !reset {
            drop(stream.shutdown(Shutdown::Both));
        }
        self.connections
            .lock()
            .retain(|other| other.peer_addr().ok() != peer);
    }

    fn read(&self, reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Request>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let mut headers = Vec::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().map_err(io::Error::other)?;
            }
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let request = Request {
            number: self.shared.count.fetch_add(1, Ordering::AcqRel),
            method,
            path,
            headers,
            body,
            at: wait::now(),
            wall_ms: wait::wall_ms(),
        };
        let mut note = request.clone();
        if !self.shared.keep_bodies {
            note.body.clear();
        }
        self.shared.requests.lock().push(note);
        Ok(Some(request))
    }

    /// Sends; an error ends the connection. Hanging and endless replies end with the peer.
    fn send(&self, mut out: &TcpStream, request: &Request, reply: Reply) -> io::Result<()> {
        let (head, body) = serialise(request, &reply);
        match reply.manner {
            Manner::Whole => {
                out.write_all(&head)?;
                out.write_all(&body)
            }
            Manner::Drip(size, pause) => {
                for piece in [head, body].concat().chunks(size) {
                    self.idle(pause)?;
                    out.write_all(piece)?;
                }
                Ok(())
            }
            Manner::Cut(size) => {
                out.write_all(&head)?;
                out.write_all(&body[..size.min(body.len())])?;
                Err(io::Error::other("cut on purpose"))
            }
            Manner::Reset(size) => {
                out.write_all(&head)?;
                out.write_all(&body[..size.min(body.len())])?;
                // Zero linger turns the close into a reset.
                rustix::net::sockopt::set_socket_linger(out, Some(Duration::ZERO))?;
                Err(ErrorKind::ConnectionReset.into())
            }
            Manner::Hang => wait_for_end(out),
            Manner::Endless => endless(out, &body),
            Manner::Raw(bytes) => {
                out.write_all(&bytes)?;
                out.write_all(&body)?;
                Err(io::Error::other("closed on purpose"))
            }
        }
    }

    /// Waits, unless the server stops first.
    fn idle(&self, pause: Duration) -> io::Result<()> {
        match self.stopped.recv_timeout(pause) {
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => Ok(()),
            _ => Err(io::Error::other("the server stops")),
        }
    }
}

fn wait_for_end(mut stream: &TcpStream) -> io::Result<()> {
    while stream.read(&mut [0; 64])? > 0 {}
    Err(io::Error::other("the peer has left"))
}

fn endless(mut out: &TcpStream, body: &[u8]) -> io::Result<()> {
    out.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
    )?;
    loop {
        write!(out, "{:x}\r\n", body.len())?;
        out.write_all(body)?;
        out.write_all(b"\r\n")?;
    }
}

fn serialise(request: &Request, reply: &Reply) -> (Vec<u8>, Vec<u8>) {
    let allowed = request
        .header("Accept-Encoding")
        .unwrap_or_default()
        .contains("gzip");
    let mut head = format!("HTTP/1.1 {} {}\r\n", reply.status, reason(reply.status));
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = if reply.gzip && allowed {
        head.push_str("Content-Encoding: gzip\r\n");
        gzip(&reply.body)
    } else {
        reply.body.clone()
    };
    if !matches!(reply.status, 204 | 304) {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    (head.into_bytes(), body)
}

/// Compresses as exporters do.
pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
