//! A remote-write receiver on a real socket: answers as scripted, then with 200, and keeps books
//! of what it accepted.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::remote::testing::{Books, decode, decode_v2, decode_zstd, series_name};
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::thread::spawn;
use crate::wire::prompb::{TimeSeries, WriteRequest};
use crate::wire::version::{Protocol, Version};

/// What the receiver makes of remote write 2.0 and of zstd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Understands {
    /// It understands it, and says what it has written.
    #[default]
    All,
    /// It answers with this status.
    Refuses(u16),
    /// It does not look at the type and takes it for an empty request of 1.0.
    Careless,
}

/// How one request is answered.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// Stored, 200.
    Ok,
    /// Stored, 200 after a while.
    Slow(Duration),
    /// Not stored.
    Status(u16),
    /// Not stored if it came with zstd; 200 otherwise.
    RefusesZstd(u16),
    /// Stored, and this number of samples is said to be written, and no histogram.
    Says(usize),
    /// Not stored; a captive portal's page.
    Page,
    /// Not stored; a redirect to a place that would accept.
    Redirect,
    /// Not stored; the connection ends.
    Reset,
    /// Stored; the connection ends without an answer.
    StoreAndReset,
    /// Not stored; never answered.
    Silence,
}

impl Reply {
    fn is_stored(&self) -> bool {
        matches!(
            self,
            Reply::Ok | Reply::Slow(_) | Reply::StoreAndReset | Reply::Says(_)
        )
    }
}

#[derive(Default)]
struct State {
    script: VecDeque<Reply>,
    books: Books,
    refused: BTreeSet<String>,
    sites: BTreeSet<String>,
    head: String,
    requests: usize,
    metadata: usize,
    understands: Understands,
    /// How the requests came, in order.
    protocols: Vec<Protocol>,
}

#[derive(Clone)]
pub(super) struct Receiver {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Receiver {
    pub(super) fn start(script: Vec<Reply>) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let state = State {
            script: script.into(),
            ..State::default()
        };
        let receiver = Receiver {
            address: listener.local_addr().expect("address"),
            state: Arc::new((Mutex::new(state), Condvar::new())),
        };
        let own = receiver.clone();
        spawn("receiver", move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                spawn("receiver-conn", move || own.serve(&stream)).expect("spawned");
            }
        })
        .expect("spawned");
        receiver
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/api/v1/write", self.address)
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some((head, body)) = read_request(&mut reader) {
            let (request, protocol) = if head.contains("io.prometheus.write.v2.Request") {
                (decode_v2(&body), Protocol::V2)
            } else if head.to_ascii_lowercase().contains("content-encoding: zstd") {
                (decode_zstd(&body), Protocol::V1Zstd)
            } else {
                (decode(&body), Protocol::V1)
            };
            let version = protocol.version();
            let entries = request.timeseries.iter();
            let samples: usize = entries.clone().map(|one| one.samples.len()).sum();
            let histograms: usize = entries.map(|one| one.histograms.len()).sum();
            let (reply, understood) = self.decide(head, &request, protocol);
            let said = match (&reply, version) {
                (_, Version::V1) => None,
                (Reply::Ok | Reply::Slow(_), _) => understood.then_some((samples, histograms)),
                (Reply::Says(number), _) => Some((*number, 0)),
                _ => understood.then_some((0, 0)),
            };
            let answer = match reply {
                Reply::Ok | Reply::Says(_) => "200 OK",
                Reply::Slow(time) => {
                    // Nothing is ever sent: only the time passes.
                    let (_held, silence) = crossbeam_channel::bounded::<()>(1);
                    let _timeout = silence.recv_timeout(time);
                    "204 No Content"
                }
                Reply::Status(status) | Reply::RefusesZstd(status) => &format!("{status} Scripted"),
                Reply::Page => "200 OK\r\nContent-Type: text/html",
                Reply::Redirect => &format!("307 Moved\r\nLocation: {}", self.url()),
                Reply::Reset | Reply::StoreAndReset => return,
                Reply::Silence => {
                    let _closed = reader.read(&mut [0]);
                    return;
                }
            };
            let written = said.map_or_else(String::new, |(samples, histograms)| {
                format!(
                    "\r\nX-Prometheus-Remote-Write-Samples-Written: {samples}\
                     \r\nX-Prometheus-Remote-Write-Histograms-Written: {histograms}"
                )
            });
            let answer = format!("HTTP/1.1 {answer}{written}\r\nContent-Length: 0\r\n\r\n");
            let mut out = stream;
            if out.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    /// The answer, and whether the protocol was understood.
    fn decide(&self, head: String, request: &WriteRequest, protocol: Protocol) -> (Reply, bool) {
        let (state, changed) = &*self.state;
        let mut state = state.lock();
        state.requests += 1;
        state.metadata += request.metadata.len();
        state.head = head;
        state.protocols.push(protocol);
        match state.understands {
            Understands::Refuses(status) if protocol != Protocol::V1 => {
                changed.notify_all();
                return (Reply::Status(status), false);
            }
            Understands::Careless if protocol == Protocol::V2 => {
                changed.notify_all();
                return (Reply::Ok, false);
            }
            _ => {}
        }
        let scripted = if request.timeseries.is_empty() {
            None
        } else {
            state.script.pop_front()
        };
        let mut reply = match scripted.unwrap_or(Reply::Ok) {
            Reply::RefusesZstd(status) if protocol == Protocol::V1Zstd => Reply::Status(status),
            Reply::RefusesZstd(_) => Reply::Ok,
            reply => reply,
        };
        let bad = |series: &TimeSeries| state.refused.contains(&series_name(series));
        if request.timeseries.iter().any(bad) {
            reply = Reply::Status(400);
        }
        if reply.is_stored() {
            state.books.store(request);
            for series in &request.timeseries {
                let labels = series.labels.iter().filter(|label| label.name == "site");
                let sites = labels.map(|label| label.value.clone());
                state.sites.extend(sites);
            }
        }
        changed.notify_all();
        (reply, true)
    }

    fn wait_until(&self, what: &str, patience: Duration, done: impl Fn(&State) -> bool) {
        let (state, changed) = &*self.state;
        let deadline = SystemClock.mono() + patience;
        let mut state = state.lock();
        while !done(&state) {
            let left = deadline.since(SystemClock.mono());
            assert!(
                !left.is_zero(),
                "no {what} in time: {:?}",
                state.books.samples()
            );
            changed.wait_for(&mut state, left);
        }
    }

    pub(super) fn wait_for(&self, samples: usize, patience: Duration) {
        self.wait_until("samples", patience, |state| {
            state.books.samples() >= samples
        });
    }

    pub(super) fn wait_for_requests(&self, requests: usize, patience: Duration) {
        self.wait_until("requests", patience, |state| state.requests >= requests);
    }

    pub(super) fn wait_for_metadata(&self, patience: Duration) {
        self.wait_until("metadata", patience, |state| state.metadata > 0);
    }

    pub(super) fn check(&self, check: impl FnOnce(&Books)) {
        check(&self.state.0.lock().books);
    }

    /// From now on requests with that series are answered with 400.
    pub(super) fn refuse(&self, series: &str) {
        self.state.0.lock().refused.insert(series.to_owned());
    }

    /// From now on that is what it makes of 2.0.
    pub(super) fn understand(&self, what: Understands) {
        self.state.0.lock().understands = what;
    }

    pub(super) fn versions(&self) -> Vec<Version> {
        let protocols = self.protocols();
        protocols.into_iter().map(Protocol::version).collect()
    }

    pub(super) fn protocols(&self) -> Vec<Protocol> {
        self.state.0.lock().protocols.clone()
    }

    pub(super) fn sites(&self) -> Vec<String> {
        self.state.0.lock().sites.iter().cloned().collect()
    }

    pub(super) fn last_head(&self) -> String {
        self.state.0.lock().head.clone()
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_ascii_lowercase();
    let (_, length) = lower.split_once("content-length: ")?;
    let length = length.lines().next()?.trim().parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}
