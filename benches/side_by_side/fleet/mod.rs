//! A fleet of exporters in this process: one listener for all loopback addresses, a thread for
//! each connection, answers that were rendered ahead.

pub(crate) mod bodies;
pub(crate) mod tls;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use self::bodies::Bodies;
use self::tls::Tls;
use crate::basics::{now, spawn};
use crate::scenario::Scenario;

/// Running targets.
pub(crate) struct Fleet {
    /// `address:port` of each.
    pub(crate) addresses: Vec<String>,
    /// The certificate that targets present, in PEM, if they speak TLS.
    pub(crate) authority: Option<String>,
    shared: Arc<Shared>,
    port: u16,
}

struct Shared {
    bodies: Bodies,
    gzip: bool,
    tls: Option<Tls>,
    /// Number of the next scrape, for each target.
    scrapes: Vec<AtomicUsize>,
    served: AtomicU64,
    /// Requests that did not ask for gzip though that is measured.
    refused: AtomicU64,
    first: Mutex<Option<Instant>>,
    ended: AtomicBool,
}

impl Fleet {
    /// Renders the answers and starts to serve.
    pub(crate) fn start(scenario: &Scenario) -> Fleet {
        let tls = scenario.tls.then(Tls::new);
        let shared = Arc::new(Shared {
            bodies: Bodies::render(scenario),
            gzip: scenario.gzip,
            scrapes: (0..scenario.targets).map(|_| AtomicUsize::new(0)).collect(),
            served: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            first: Mutex::new(None),
            ended: AtomicBool::new(false),
            tls,
        });
        // All addresses of 127.77 are this machine; peers from elsewhere are sent away.
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let own = Arc::clone(&shared);
        spawn(move || accept(&listener, &own));
        Fleet {
            addresses: (0..scenario.targets)
                .map(|number| format!("127.77.{}.{}:{port}", number / 250, number % 250 + 1))
                .collect(),
            authority: shared.tls.as_ref().map(|tls| tls.pem.clone()),
            shared,
            port,
        }
    }

    /// Begins again for the next agent: every target at its first page, nothing asked yet.
    pub(crate) fn reset(&self) {
        for scrapes in &self.shared.scrapes {
            scrapes.store(0, Ordering::Relaxed);
        }
        *self.shared.first.lock().expect("lock") = None;
    }

    /// When the first request came.
    pub(crate) fn first_request(&self) -> Option<Instant> {
        *self.shared.first.lock().expect("lock")
    }

    /// Pages that were served.
    pub(crate) fn served(&self) -> u64 {
        self.shared.served.load(Ordering::Relaxed)
    }

    /// Requests that did not ask for gzip, and got no page for it.
    pub(crate) fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // The listener looks at the flag when someone comes.
        let own = SocketAddr::from(([127, 0, 0, 1], self.port));
        let _woken = TcpStream::connect_timeout(&own, Duration::from_secs(1));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().flatten() {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        let here = stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
        let number = stream.local_addr().ok().and_then(|own| target_of(own.ip()));
        let known = number.filter(|number| here && *number < shared.scrapes.len());
        let Some(number) = known else { continue };
        let shared = Arc::clone(shared);
        spawn(move || {
            // A client that goes away ends its connection, nothing else.
            let _gone = match &shared.tls {
                Some(tls) => tls
                    .accept(stream)
                    .and_then(|stream| converse(stream, &shared, number)),
                None => converse(stream, &shared, number),
            };
        });
    }
}

/// The number of the target that has this address.
fn target_of(address: IpAddr) -> Option<usize> {
    let IpAddr::V4(address) = address else {
        return None;
    };
    let [_, network, high, low] = address.octets();
    let number = usize::from(high) * 250 + usize::from(low).checked_sub(1)?;
    (network == 77).then_some(number)
}

fn converse(stream: impl Read + Write, shared: &Shared, number: usize) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(4096, stream);
    let mut line = String::new();
    loop {
        let mut gzip = false;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let lower = line.to_ascii_lowercase();
            gzip |= lower.starts_with("accept-encoding:") && lower.contains("gzip");
            if line.trim().is_empty() {
                break;
            }
        }
        shared.first.lock().expect("lock").get_or_insert_with(now);
        reader.get_mut().write_all(&answer(shared, number, gzip))?;
        reader.get_mut().flush()?;
    }
}

fn answer(shared: &Shared, number: usize, gzip: bool) -> Vec<u8> {
    if shared.gzip && !gzip {
        shared.refused.fetch_add(1, Ordering::Relaxed);
        return b"HTTP/1.1 406 Not Acceptable\r\nContent-Length: 0\r\n\r\n".to_vec();
    }
    let scrape = shared.scrapes[number].fetch_add(1, Ordering::Relaxed);
    let body = shared.bodies.get(number, scrape);
    shared.served.fetch_add(1, Ordering::Relaxed);
    let encoding = if shared.gzip {
        "Content-Encoding: gzip\r\n"
    } else {
        ""
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n{encoding}\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
