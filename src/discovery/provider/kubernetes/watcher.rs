//! Lists and watches one collection, and reports to the provider.
//!
//! # Thread `sd-k8s-<kind>`
//! - Owns: the [`Reflector`] of its collection, its pool of texts. Inbox: none. Outbox: reports,
//!   blocks when full, so that the server's stream waits too.
//! - Waits on: the server, with deadlines; its stop channel between requests. Stops when: the
//!   channel of reports or the stop channel closes; a blocked request is ended by the client's
//!   shutdown.

use std::any::Any;
use std::convert::Infallible;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::metrics::Metrics;
use super::objects::{Object, strip};
use super::reflector::{Ask, Ended, Failure, Reflector, Verdict};
use super::resource::Watched;
use super::store::Change;
use super::stream::{self, StreamError, WatchEvent};
use super::texts::Texts;
use super::wire;
use crate::config::secret::Secret;
use crate::limits;
use crate::net::blocking::{Client, ClientError, Head, Request};
use crate::sys::clock::Clock;
use crate::sys::memory;

/// What a thread has to say.
#[derive(Debug)]
pub(super) enum News {
    /// A list begins.
    ListBegins,
    /// Objects, of a list or of a watch.
    Objects(Vec<(Change, Object)>),
    /// The list is complete.
    ListEnds,
    /// A watch is alive although nothing changes.
    Alive,
    /// A request failed.
    Failed(RequestError),
    /// The thread panicked and is gone.
    Panicked(Box<dyn Any + Send>),
}

/// News of the collection with that index.
pub(super) type Report = (usize, News);

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {what}: {reason}")]
pub(super) struct RequestError {
    verb: &'static str,
    what: String,
    reason: Reason,
}

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("server answered {status}{}{message}", if message.is_empty() { "" } else { ": " })]
    Status {
        status: String,
        message: String,
        code: u16,
        wait: Option<Duration>,
    },
    #[error("more than {} objects", limits::K8S_OBJECTS)]
    TooMany,
}

impl Reason {
    fn failure(&self) -> Failure {
        match self {
            Reason::Status { code: 410, .. } => Failure::Expired,
            Reason::Status { wait, .. } => Failure::Other(*wait),
            Reason::Client(_) | Reason::Stream(_) | Reason::TooMany => Failure::Other(None),
        }
    }
}

/// What a thread works with.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) index: usize,
    pub(super) watched: Watched,
    /// Address of the API server, without a slash at the end.
    pub(super) server: Secret,
    pub(super) client: Arc<Client>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reflector: Reflector,
    pub(super) metrics: Metrics,
    pub(super) reports: Sender<Report>,
    pub(super) stop: Receiver<Infallible>,
    pub(super) texts: Texts,
    /// Objects of the list under way, and later of the collection, as far as can be told from
    /// events.
    pub(super) count: usize,
}

impl Watcher {
    /// Works until it is to stop.
    pub(super) fn run(mut self) {
        let (index, reports) = (self.index, self.reports.clone());
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.work())) {
            let _gone = reports.send((index, News::Panicked(payload)));
        }
    }

    fn work(&mut self) {
        loop {
            let verdict = match self.reflector.ask() {
                Ask::List { query, first } => self.list(&query, first),
                Ask::Watch { query, time } => self.watch(&query, time),
            };
            let Some(verdict) = verdict else { return };
            let waited = self.stop.recv_timeout(verdict.pause);
            if waited != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    /// Whether the provider still listens.
    fn report(&self, news: News) -> bool {
        self.reports.send((self.index, news)).is_ok()
    }

    /// Reports a failure if it is one. None when it is time to stop.
    fn failed(&self, verb: &'static str, reason: Reason, verdict: Verdict) -> Option<Verdict> {
        if matches!(reason, Reason::Client(ClientError::Closed)) {
            return None;
        }
        if !verdict.failed {
            return Some(verdict);
        }
        let error = RequestError {
            verb,
            what: self.watched.kind.plural().to_owned()
                + &self
                    .watched
                    .namespace
                    .as_ref()
                    .map_or(String::new(), |one| format!(" in {one}")),
            reason,
        };
        self.report(News::Failed(error)).then_some(verdict)
    }

    fn list(&mut self, query: &str, first: bool) -> Option<Verdict> {
        if first {
            self.count = 0;
            if !self.report(News::ListBegins) {
                return None;
            }
        }
        let page = match self.open(query, false) {
            Ok(mut body) => self.read_page(&mut body),
            Err(reason) => Err(reason),
        };
        match page {
            Err(Reason::Stream(StreamError::Stopped)) => None,
            Err(reason) => {
                let verdict = self.reflector.page_failed(&reason.failure());
                self.failed("list", reason, verdict)
            }
            Ok(metadata) => {
                let (version, token) = (&metadata.resource_version, &metadata.continue_token);
                let complete = self.reflector.page_ended(version, token);
                if complete {
                    // Decoding left holes behind that nothing fills soon.
                    memory::give_back();
                    if !self.report(News::ListEnds) {
                        return None;
                    }
                }
                Some(Verdict {
                    pause: Duration::ZERO,
                    failed: false,
                })
            }
        }
    }

    fn read_page(&mut self, body: &mut dyn Read) -> Result<wire::Metadata, Reason> {
        let mut batch = Vec::new();
        let mut too_many = false;
        let page = stream::read_list(body, &mut |object| {
            self.count += 1;
            too_many = self.count > limits::K8S_OBJECTS;
            let object = strip(self.watched.kind, &object, &mut self.texts);
            batch.extend(object.map(|object| (Change::Present, object)));
            let full = batch.len() >= limits::K8S_BATCH;
            !too_many && (!full || self.report(News::Objects(std::mem::take(&mut batch))))
        });
        if too_many {
            return Err(Reason::TooMany);
        }
        // What was read is true even if the page breaks off.
        if !batch.is_empty() && !self.report(News::Objects(batch)) {
            return Err(StreamError::Stopped.into());
        }
        Ok(page?)
    }

    fn watch(&mut self, query: &str, time: Duration) -> Option<Verdict> {
        let mut body = match self.open(query, true) {
            Ok(body) => body,
            Err(reason) => {
                let ended = Ended::Badly(reason.failure());
                let verdict = self.reflector.watch_ended(&ended, time);
                return self.failed("watch", reason, verdict);
            }
        };
        let began = self.clock.mono();
        let mut refused = None;
        let read = stream::read_watch(&mut body, &mut |event| match self.event(event) {
            Ok(go_on) => go_on,
            Err(reason) => {
                refused = Some(reason);
                false
            }
        });
        match (refused, read) {
            (Some(Reason::TooMany), _) => {
                let verdict = self.reflector.give_up();
                self.failed("watch", Reason::TooMany, verdict)
            }
            (Some(reason), _) => {
                let ended = Ended::Badly(reason.failure());
                let verdict = self.reflector.watch_ended(&ended, time);
                self.failed("watch", reason, verdict)
            }
            (None, Err(StreamError::Stopped)) => None,
            (None, Err(error @ (StreamError::Malformed(_) | StreamError::TooLarge))) => {
                let verdict = self.reflector.give_up();
                self.failed("watch", error.into(), verdict)
            }
            // A connection that ends in the middle is an ordinary end: servers are restarted.
            (None, Ok(()) | Err(StreamError::Cut(_))) => {
                let ended = Ended::After(self.clock.mono().since(began));
                Some(self.reflector.watch_ended(&ended, time))
            }
        }
    }

    /// Takes an event in. Whether to read on.
    fn event(&mut self, event: WatchEvent) -> Result<bool, Reason> {
        let object = event.object.0;
        let change = match event.kind.as_str() {
            "ERROR" => return Err(status_reason(object.code.0, &object)),
            "BOOKMARK" => {
                self.reflector.event(&object.metadata.resource_version);
                return Ok(self.report(News::Alive));
            }
            "DELETED" => Change::Deleted,
            // ADDED and MODIFIED. What else there may be one day is a change, too.
            _ => Change::Present,
        };
        self.reflector.event(&object.metadata.resource_version);
        match (event.kind.as_str(), change) {
            ("ADDED", _) => self.count += 1,
            (_, Change::Deleted) => self.count = self.count.saturating_sub(1),
            _ => {}
        }
        if self.count > limits::K8S_OBJECTS {
            return Err(Reason::TooMany);
        }
        let object = strip(self.watched.kind, &object, &mut self.texts);
        Ok(object.is_none_or(|object| self.report(News::Objects(vec![(change, object)]))))
    }

    /// Sends a request and returns the body of its answer, if that is 200.
    fn open(&self, query: &str, watch: bool) -> Result<impl Read + use<>, Reason> {
        let path = self.watched.path();
        let parameters = format!("{query}{}", self.watched.selection());
        let parameters = parameters.trim_start_matches('&');
        let url = format!("{}{path}?{parameters}", self.server.expose());
        let accept = accept(self.watched.kind.only_metadata(), watch);
        // A server never compresses a watch; being asked to, a proxy might gather it.
        let encoding = if watch { "identity" } else { "gzip" };
        let headers = [("Accept", accept), ("Accept-Encoding", encoding)];
        let silence = match watch {
            true => limits::K8S_WATCH.mul_f64(1.5) + limits::K8S_WATCH_GRACE,
            false => limits::K8S_LIST_SILENCE,
        };
        let request = Request {
            headers: &headers,
            ..Request::get(&url, limits::K8S_ANSWER, 0)
        };
        let began = self.clock.mono();
        let answer = self.client.stream(&request, silence);
        let status = answer.as_ref().ok().map(|(head, _)| head.status);
        self.metrics.asked(status);
        let (head, body) = answer?;
        let seconds = self.clock.mono().since(began).as_secs_f64();
        self.metrics.answered(seconds, &path);
        match head.status {
            200 => Ok(body),
            _ => Err(refusal(&head, body)),
        }
    }
}

/// The forms that are understood, best first.
fn accept(only_metadata: bool, watch: bool) -> &'static str {
    match (only_metadata, watch) {
        (false, _) => "application/json",
        (true, false) => {
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
        }
        (true, true) => {
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
        }
    }
}

/// The reason in an answer that is not 200.
fn refusal(head: &Head, body: impl Read) -> Reason {
    let mut body = body.take(limits::K8S_STATUS_BYTES as u64);
    let object = stream::read_object(&mut body).unwrap_or_default();
    let mut reason = status_reason(head.status, &object);
    if let Reason::Status { status, wait, .. } = &mut reason {
        *status = head.status_text();
        let header = head.header("retry-after");
        let seconds = header.and_then(|text| text.trim().parse().ok());
        *wait = wait.or(seconds.map(Duration::from_secs));
    }
    reason
}

/// What an object of the kind `Status` says.
fn status_reason(code: u16, status: &wire::Object) -> Reason {
    let seconds = status.details.retry_after_seconds.0;
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let message = status.message.chars().take(limits::K8S_REASON_CHARS);
    Reason::Status {
        status: match status.reason.is_empty() {
            true => code.to_string(),
            false => format!("{code} {}", &*status.reason),
        },
        message: message.map(clean).collect(),
        code,
        wait: (seconds > 0).then_some(Duration::from_secs(seconds)),
    }
}
