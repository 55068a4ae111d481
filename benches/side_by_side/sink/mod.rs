//! A receiver that writes down what arrives, and that can go away and come back.

pub(crate) mod books;
pub(crate) mod message;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use self::books::Books;
use self::message::{Sample, Version};
use crate::basics::{now, spawn, wall_ms};
use crate::ports;

/// A running receiver.
pub(crate) struct Sink {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    books: Mutex<Books>,
    away: AtomicBool,
    /// Connections, to cut them when the receiver goes away.
    open: Mutex<Vec<TcpStream>>,
}

impl Sink {
    /// Starts on a free port.
    pub(crate) fn start() -> Sink {
        let sink = Sink {
            port: ports::free(),
            shared: Arc::default(),
        };
        sink.listen();
        sink
    }

    /// Where to write.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/write", self.port)
    }

    /// What has arrived.
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.shared.books.lock().expect("lock")
    }

    fn listen(&self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("the port is ours");
        let shared = Arc::clone(&self.shared);
        spawn(move || accept(&listener, &shared));
    }

    /// Cuts all connections and refuses new ones.
    pub(crate) fn go_away(&self) {
        self.shared.away.store(true, Ordering::SeqCst);
        // The listener looks at the flag when someone comes, and is dropped.
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            std::thread::yield_now();
        }
        for stream in self.shared.open.lock().expect("lock").drain(..) {
            // It may have ended by itself.
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }

    /// Accepts again; returns when that was.
    pub(crate) fn come_back(&self) -> Instant {
        self.shared.away.store(false, Ordering::SeqCst);
        self.books().returned(wall_ms());
        let returned = now();
        self.listen();
        returned
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.go_away();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().flatten() {
        if shared.away.load(Ordering::SeqCst) {
            return;
        }
        let shared = Arc::clone(shared);
        if let Ok(own) = stream.try_clone() {
            shared.open.lock().expect("lock").push(own);
        }
        spawn(move || {
            // A client that goes away ends its connection, nothing else.
            let _gone = converse(&stream, &shared);
            // The list of open ones holds it too, so it does not close by itself.
            let _closed = stream.shutdown(Shutdown::Both);
        });
    }
}

/// What the head of a request says of its body.
struct Head {
    bytes: usize,
    length: usize,
    zstd: bool,
    /// It names VictoriaMetrics' protocol, which zstd is a part of.
    victoria: bool,
    version: Version,
}

/// Reads a head; none when the client has gone.
fn head(reader: &mut impl BufRead) -> std::io::Result<Option<Head>> {
    let mut head = Head {
        bytes: 0,
        length: 0,
        zstd: false,
        victoria: false,
        version: Version::V1,
    };
    let mut line = String::new();
    loop {
        line.clear();
        let read = reader.read_line(&mut line)?;
        if read == 0 {
            return Ok(None);
        }
        head.bytes += read;
        let lower = line.trim().to_ascii_lowercase();
        if lower.is_empty() {
            return Ok(Some(head));
        }
        match lower.split_once(':') {
            Some(("content-length", value)) => head.length = value.trim().parse().unwrap_or(0),
            Some(("content-encoding", value)) => head.zstd = value.trim() == "zstd",
            Some(("x-victoriametrics-remote-write-version", value)) => {
                head.victoria = value.trim() == "1";
            }
            Some(("content-type", value)) if value.contains("io.prometheus.write.v2.request") => {
                head.version = Version::V2;
            }
            _ => {}
        }
    }
}

fn converse(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut writer = stream;
    let mut reader = BufReader::new(stream);
    let mut samples = Vec::new();
    while let Some(head) = head(&mut reader)? {
        let mut body = vec![0; head.length];
        reader.read_exact(&mut body)?;
        let arrived = now();
        samples.clear();
        if read(&head, &body, &mut samples).is_none() {
            writer.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        }
        let bytes = head.bytes + head.length;
        shared
            .books
            .lock()
            .expect("lock")
            .enter(arrived, bytes as u64, &samples);
        let written = samples.len();
        let answer = format!(
            "HTTP/1.1 204 No Content\r\nX-Prometheus-Remote-Write-Samples-Written: {written}\r\n\r\n"
        );
        writer.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// The samples of a body; none if it is damaged, or compressed otherwise than its protocol has it.
fn read(head: &Head, body: &[u8], samples: &mut Vec<Sample>) -> Option<()> {
    if head.zstd != head.victoria {
        return None;
    }
    let plain = if head.zstd {
        let mut plain = Vec::new();
        let mut decoder = ruzstd::decoding::StreamingDecoder::new(body).ok()?;
        decoder.read_to_end(&mut plain).ok()?;
        plain
    } else {
        snap::raw::Decoder::new().decompress_vec(body).ok()?
    };
    message::samples(head.version, &plain, samples).ok()
}
