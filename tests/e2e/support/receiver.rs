//! A remote-write receiver that writes everything down and answers as it is told.
//!
//! It holds every request to the protocol (headers, sorted and unique labels, values that may
//! travel) and keeps every sample in the order of arrival, by series. What breaks a rule is kept
//! as a violation; tests end with `assert_clean`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use narthex::model::value::ABSENT_BITS;
use narthex::wire::prompb::{self, TimeSeries, WriteRequest};
use narthex::wire::prompb_v2;
use parking_lot::Mutex;
use prost::Message;

use super::http::{Handler, HttpServer, Manner, Reply, Request};
use super::wait;

/// Label pairs in the order they came, which is sorted unless there is a violation.
pub(crate) type Labels = Vec<(String, String)>;

/// The value of a label.
pub(crate) fn label<'a>(labels: &'a Labels, name: &str) -> &'a str {
    let found = labels.iter().find(|(n, _)| n == name);
    found.map_or("", |(_, value)| value.as_str())
}

/// A sample that was accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
    /// The value, bit for bit.
    pub(crate) bits: u64,
    pub(crate) at: Instant,
}

/// An exemplar: its labels, value bits, timestamp.
pub(crate) type Exemplar = (Labels, u64, i64);

/// Everything accepted so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    /// Samples in order of arrival, by series.
    pub(crate) series: BTreeMap<Labels, Vec<Point>>,
    /// Exemplars in order of arrival, by series.
    pub(crate) exemplars: BTreeMap<Labels, Vec<Exemplar>>,
    /// Type number, help and unit, by series; none where 2.0 said nothing.
    pub(crate) described: BTreeMap<Labels, Option<(i32, String, String)>>,
    /// Requests of 1.0 and of 2.0 that were accepted.
    pub(crate) versions: [usize; 2],
    /// Type number, help and unit, by family.
    pub(crate) metadata: BTreeMap<String, (i32, String, String)>,
    /// Broken rules of the protocol.
    pub(crate) violations: Vec<String>,
    /// Number of samples.
    pub(crate) samples: usize,
    /// When a request with samples was accepted, in order.
    pub(crate) arrivals: Vec<Instant>,
}

impl Books {
    /// Series with that name.
    pub(crate) fn named<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = (&'a Labels, &'a Vec<Point>)> {
        self.series
            .iter()
            .filter(move |(labels, _)| label(labels, "__name__") == name)
    }

    /// The last value of the only series with that name and label value, if there is one.
    pub(crate) fn last(&self, name: &str, with: (&str, &str)) -> Option<f64> {
        let mut found = self
            .named(name)
            .filter(|(labels, _)| label(labels, with.0) == with.1);
        let (_, points) = found.next()?;
        points.last().map(|point| f64::from_bits(point.bits))
    }
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Keep it and say 204.
    Accept,
    /// Keep it, and take so long to say so.
    AcceptSlowly(Duration),
    /// Keep it, and close the connection instead of answering.
    CommitThenClose,
    /// Keep all but the samples with these value bits, and say this: a partial write.
    CommitBut(BTreeSet<u64>, Reply),
    /// Say this, keep nothing.
    Refuse(Reply),
    /// Keep nothing, and never answer.
    Hang,
    /// A captive portal: 200 with a page, nothing kept.
    Portal,
}

impl Answer {
    /// A bare status; nothing is kept.
    pub(crate) fn status(status: u16) -> Answer {
        Answer::Refuse(Reply::status(status, "told to\n"))
    }
}

/// What an answer can depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    /// Samples in it.
    pub(crate) samples: usize,
    /// Series entries in it.
    pub(crate) entries: usize,
    /// Bytes of the body as it came.
    pub(crate) bytes: usize,
    request: &'a WriteRequest,
}

impl Facts<'_> {
    /// Whether a sample has exactly this value.
    pub(crate) fn contains(&self, value: f64) -> bool {
        self.any(|own| own.to_bits() == value.to_bits())
    }

    /// Whether a sample has such a value.
    pub(crate) fn any(&self, mut good: impl FnMut(f64) -> bool) -> bool {
        let mut samples = self.request.timeseries.iter().flat_map(|one| &one.samples);
        samples.any(|sample| good(sample.value))
    }

    /// Values of the series with that name, in their order.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = f64> {
        let is_own = move |one: &&TimeSeries| {
            let mut labels = one.labels.iter();
            labels.any(|label| label.name == "__name__" && label.value == name)
        };
        let own = self.request.timeseries.iter().filter(is_own);
        own.flat_map(|one| &one.samples).map(|sample| sample.value)
    }
}

type Script = Box<dyn FnMut(Facts<'_>) -> Answer + Send>;

struct Desk {
    books: Mutex<Books>,
    /// Whether 2.0 is answered with 415.
    refuses_v2: AtomicBool,
    script: Mutex<Script>,
}

/// The receiver. Stops when dropped.
pub(crate) struct Receiver {
    server: HttpServer,
    desk: Arc<Desk>,
}

impl Receiver {
    /// Starts one that accepts everything.
    pub(crate) fn start() -> Receiver {
        let desk = Arc::new(Desk {
            books: Mutex::default(),
            refuses_v2: AtomicBool::new(false),
            script: Mutex::new(Box::new(|_| Answer::Accept)),
        });
        Receiver {
            server: HttpServer::start(Clerk(Arc::clone(&desk))),
            desk,
        }
    }

    /// Answers remote write 2.0 with 415 from now on.
    pub(crate) fn refuse_v2(&self) {
        self.desk.refuses_v2.store(true, Ordering::Release);
    }

    /// Where to write to.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/api/v1/write", self.server.address())
    }

    /// Changes how requests are answered from now on.
    pub(crate) fn answer(&self, script: impl FnMut(Facts<'_>) -> Answer + Send + 'static) {
        *self.desk.script.lock() = Box::new(script);
    }

    /// Refuses connections and cuts those there are.
    pub(crate) fn go_away(&self) {
        self.server.pause();
    }

    /// Listens again.
    pub(crate) fn come_back(&self) {
        self.server.resume();
    }

    /// Looks into the books.
    pub(crate) fn books<T>(&self, look: impl FnOnce(&Books) -> T) -> T {
        look(&self.desk.books.lock())
    }

    /// Begins new books.
    pub(crate) fn forget(&self) {
        *self.desk.books.lock() = Books::default();
    }

    /// Waits until the books show something.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut(&Books) -> Option<T>,
    ) -> T {
        wait::until(what, limit, || self.books(&mut look))
    }

    /// Fails the test if a request broke the protocol.
    pub(crate) fn assert_clean(&self) {
        let violations = self.books(|books| books.violations.clone());
        assert!(violations.is_empty(), "rules broken: {violations:#?}");
    }
}

struct Clerk(Arc<Desk>);

impl Handler for Clerk {
    fn handle(&self, request: &Request) -> Reply {
        let is_v2 = request.header("Content-Type") == Some(V2_TYPE);
        if is_v2 && self.0.refuses_v2.load(Ordering::Acquire) {
            return Reply::status(415, "no such message\n");
        }
        if request.header("Content-Encoding") == Some("zstd") {
            // As one that does not look at the header.
            return Reply::status(400, "snappy: corrupt input\n");
        }
        let decoded = match decode(request) {
            Ok(decoded) => decoded,
            Err(reason) => {
                self.0.books.lock().violations.push(reason.clone());
                return Reply::status(400, &reason);
            }
        };
        let samples = decoded.timeseries.iter().map(|one| one.samples.len()).sum();
        let facts = Facts {
            samples,
            entries: decoded.timeseries.len(),
            bytes: request.body.len(),
            request: &decoded,
        };
        let answer = (self.0.script.lock())(facts);
        match answer {
            Answer::Accept => {
                let exemplars: usize = decoded
                    .timeseries
                    .iter()
                    .map(|one| one.exemplars.len())
                    .sum();
                self.0.books.lock().enter(request, decoded);
                let reply = Reply::status(204, "");
                if !is_v2 {
                    return reply;
                }
                reply
                    .header(
                        "X-Prometheus-Remote-Write-Samples-Written",
                        &samples.to_string(),
                    )
                    .header(
                        "X-Prometheus-Remote-Write-Exemplars-Written",
                        &exemplars.to_string(),
                    )
            }
            Answer::AcceptSlowly(pause) => {
                self.0.books.lock().enter(request, decoded);
                // All of it at once, after one pause.
                Reply::status(204, "").manner(Manner::Drip(usize::MAX, pause))
            }
            Answer::CommitThenClose => {
                self.0.books.lock().enter(request, decoded);
                Reply::status(204, "").manner(Manner::Raw(Vec::new()))
            }
            Answer::CommitBut(bits, reply) => {
                let mut kept = decoded;
                for series in &mut kept.timeseries {
                    let samples = &mut series.samples;
                    samples.retain(|sample| !bits.contains(&sample.value.to_bits()));
                }
                kept.timeseries.retain(|series| !series.samples.is_empty());
                self.0.books.lock().enter(request, kept);
                reply
            }
            Answer::Refuse(reply) => reply,
            Answer::Hang => Reply::status(204, "").manner(Manner::Hang),
            Answer::Portal => Reply::ok("text/html", "<html><body>Log in, please</body></html>"),
        }
    }
}

/// `Content-Type` of remote write 2.0.
const V2_TYPE: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

fn decode(request: &Request) -> Result<WriteRequest, String> {
    let is_v2 = request.header("Content-Type") == Some(V2_TYPE);
    let (kind, version) = match is_v2 {
        true => (V2_TYPE, "2.0.0"),
        false => ("application/x-protobuf", "0.1.0"),
    };
    for (name, value) in [
        ("Content-Encoding", "snappy"),
        ("Content-Type", kind),
        ("X-Prometheus-Remote-Write-Version", version),
    ] {
        if request.header(name) != Some(value) {
            return Err(format!("{name} is {:?}, not {value}", request.header(name)));
        }
    }
    let agent = request.header("User-Agent").unwrap_or_default();
    // RFC 9110: a product and its version.
    let product = agent.split_once('/').filter(|(name, version)| {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        !name.is_empty() && name.chars().all(token) && version.starts_with(token)
    });
    if request.method != "POST" || product.is_none() {
        return Err(format!("{} from {agent:?}", request.method));
    }
    let plain = snap::raw::Decoder::new()
        .decompress_vec(&request.body)
        .map_err(|error| format!("snappy: {error}"))?;
    if is_v2 {
        let request = prompb_v2::Request::decode(&plain[..]);
        return resolve(&request.map_err(|error| format!("protobuf: {error}"))?);
    }
    WriteRequest::decode(&plain[..]).map_err(|error| format!("protobuf: {error}"))
}

/// A request of 2.0 as one of 1.0. What its series say of themselves becomes metadata whose family
/// name is the series, as [`Books`] wants it.
fn resolve(request: &prompb_v2::Request) -> Result<WriteRequest, String> {
    if request.symbols.first().map(String::as_str) != Some("") {
        return Err("the first symbol is not empty".to_owned());
    }
    let text = |at: u32| {
        let symbol = request.symbols.get(at as usize).cloned();
        symbol.ok_or(format!("symbol {at} is not there"))
    };
    let labels = |refs: &[u32]| -> Result<Vec<prompb::Label>, String> {
        if !refs.len().is_multiple_of(2) {
            return Err("an odd number of references".to_owned());
        }
        let pairs = refs.chunks(2).map(|pair| {
            Ok(prompb::Label {
                name: text(pair[0])?,
                value: text(pair[1])?,
            })
        });
        pairs.collect()
    };
    let mut out = WriteRequest::default();
    for series in &request.timeseries {
        if series.samples.is_empty() {
            return Err("a series without samples".to_owned());
        }
        let mut exemplars = Vec::new();
        for own in &series.exemplars {
            exemplars.push(prompb::Exemplar {
                labels: labels(&own.labels_refs)?,
                value: own.value,
                timestamp: own.timestamp,
            });
        }
        let samples = series.samples.iter().map(|own| prompb::Sample {
            value: own.value,
            timestamp: own.timestamp,
        });
        let metadata = series.metadata.unwrap_or_default();
        out.metadata.push(prompb::MetricMetadata {
            kind: metadata.kind,
            metric_family_name: String::new(),
            help: text(metadata.help_ref)?,
            unit: text(metadata.unit_ref)?,
        });
        out.timeseries.push(prompb::TimeSeries {
            labels: labels(&series.labels_refs)?,
            samples: samples.collect(),
            exemplars,
            histograms: series.histograms.clone(),
        });
    }
    Ok(out)
}

impl Books {
    fn enter(&mut self, request: &Request, mut decoded: WriteRequest) {
        if !decoded.timeseries.is_empty() {
            self.arrivals.push(request.at);
        }
        let is_v2 = request.header("Content-Type") == Some(V2_TYPE);
        self.versions[usize::from(is_v2)] += 1;
        if is_v2 {
            // One for each series, in their order.
            let told = decoded.metadata.drain(..);
            for (series, own) in decoded.timeseries.iter().zip(told) {
                let told = (own.kind != 0).then_some((own.kind, own.help, own.unit));
                self.described.insert(pairs(series.labels.clone()), told);
            }
        }
        for series in decoded.timeseries {
            self.enter_series(request, series);
        }
        for family in decoded.metadata {
            let facts = (family.kind, family.help, family.unit);
            self.metadata.insert(family.metric_family_name, facts);
        }
    }

    fn enter_series(&mut self, request: &Request, series: TimeSeries) {
        let labels = pairs(series.labels);
        if let Some(reason) = wrong_labels(&labels) {
            self.violations.push(format!("{reason}: {labels:?}"));
        }
        for sample in &series.samples {
            if sample.value.to_bits() == ABSENT_BITS {
                self.violations
                    .push(format!("an absent slot was sent: {labels:?}"));
            }
        }
        if !series
            .samples
            .windows(2)
            .all(|two| two[0].timestamp <= two[1].timestamp)
        {
            self.violations
                .push(format!("samples out of order in one entry: {labels:?}"));
        }
        self.samples += series.samples.len();
        for exemplar in series.exemplars {
            let entry = (
                pairs(exemplar.labels),
                exemplar.value.to_bits(),
                exemplar.timestamp,
            );
            self.exemplars
                .entry(labels.clone())
                .or_default()
                .push(entry);
        }
        if series.samples.is_empty() {
            return;
        }
        let points = self.series.entry(labels).or_default();
        points.extend(series.samples.iter().map(|sample| Point {
            timestamp: sample.timestamp,
            bits: sample.value.to_bits(),
            at: request.at,
        }));
    }
}

fn pairs(labels: Vec<prompb::Label>) -> Labels {
    labels
        .into_iter()
        .map(|pair| (pair.name, pair.value))
        .collect()
}

fn wrong_labels(labels: &Labels) -> Option<&'static str> {
    if !labels.windows(2).all(|two| two[0].0 < two[1].0) {
        return Some("labels not sorted and unique");
    }
    if labels
        .iter()
        .any(|(name, value)| name.is_empty() || value.is_empty())
    {
        return Some("an empty label");
    }
    if label(labels, "__name__").is_empty() {
        return Some("no name");
    }
    None
}
