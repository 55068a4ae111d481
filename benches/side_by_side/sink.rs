//! A receiver that counts requests, bytes and samples.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use narthex::wire::prompb::WriteRequest;
use prost::Message;

use crate::fleet::spawn;

/// What has arrived.
#[derive(Default)]
pub(crate) struct Counts {
    /// Requests.
    pub(crate) requests: AtomicU64,
    /// Bytes of heads and bodies.
    pub(crate) bytes: AtomicU64,
    /// Samples.
    pub(crate) samples: AtomicU64,
    first: (Mutex<bool>, Condvar),
}

/// A running receiver; it serves until the process ends.
pub(crate) struct Sink {
    /// Where to write.
    pub(crate) url: String,
    /// What has arrived.
    pub(crate) counts: Arc<Counts>,
    started: std::time::Instant,
}

impl Sink {
    /// Starts on a free port.
    #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
    pub(crate) fn start() -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let url = format!(
            "http://{}/api/v1/write",
            listener.local_addr().expect("address")
        );
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let counts = Arc::clone(&shared);
                spawn(move || {
                    // A client that goes away ends its connection, nothing else.
                    let _gone = converse(stream, &counts);
                });
            }
        });
        Sink {
            url,
            counts,
            started: std::time::Instant::now(),
        }
    }

    /// Time from the sink's start (just before the agent's) to the first sample.
    pub(crate) fn wait_for_first_sample(&self, limit: Duration) -> Option<Duration> {
        let (flag, arrived) = &self.counts.first;
        let guard = flag.lock().expect("lock");
        let (guard, _) = arrived
            .wait_timeout_while(guard, limit, |seen| !*seen)
            .expect("lock");
        guard.then(|| self.started.elapsed())
    }
}

fn converse(stream: TcpStream, counts: &Counts) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut head) = (0, 0);
        let mut line = String::new();
        loop {
            line.clear();
            let read = reader.read_line(&mut line)?;
            if read == 0 {
                return Ok(());
            }
            head += read;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        count(counts, head + length, &body);
        writer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    }
}

fn count(counts: &Counts, bytes: usize, body: &[u8]) {
    counts.requests.fetch_add(1, Ordering::Relaxed);
    counts.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    let plain = snap::raw::Decoder::new()
        .decompress_vec(body)
        .expect("snappy");
    let request = WriteRequest::decode(plain.as_slice()).expect("a write request");
    let samples: usize = request
        .timeseries
        .iter()
        .map(|series| series.samples.len())
        .sum();
    counts.samples.fetch_add(samples as u64, Ordering::Relaxed);
    if samples > 0 {
        *counts.first.0.lock().expect("lock") = true;
        counts.first.1.notify_all();
    }
}
