//! A target in the hands of its worker: what is fetched, what is under way, what came of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::failure_log::FailureLog;
use super::metrics::ScrapeMetrics;
use super::page::PageError;
use super::request;
use super::samples::HistogramError;
use super::schedule::Start;
use super::status::{Families, Health, LastScrape};
use super::target::Target;
use super::target_loop::{Outcome, ScrapeTime, Shared, TargetLoop};
use crate::config::scrape::ScrapeConfig;
use crate::exposition::protocol::{Dialect, Format, choose};
use crate::exposition::transcode::{Options, PageView, Transcoder};
use crate::http::exchange::ExchangeError;
use crate::http::gzip::GzipError;
use crate::limits;
use crate::model::block::ScrapeBlock;
use crate::model::pressure::Relief;
use crate::model::series::SeriesList;
use crate::model::time::Mono;
use crate::model::timeline::EpochClock;
use crate::net::context::HttpContext;
use crate::net::fetch::{BodyDecoder, Failure, FetchError, FetchSpec, Fetched};
use crate::sys::published;
use crate::telemetry::registry::Histogram;

/// A scrape under way.
#[derive(Clone, Copy, Debug)]
struct Running {
    started: Mono,
    /// What a failure is stamped with.
    at: ScrapeTime,
    /// What a page is stamped with: never later than it was asked for, but for a poll's step.
    page_at: ScrapeTime,
}

/// A target pinned to a worker.
#[derive(Debug)]
pub(super) struct Assigned {
    target: Arc<Target>,
    core: TargetLoop,
    spec: Result<Arc<FetchSpec>, Arc<str>>,
    running: Option<Running>,
    /// The last scrape failed.
    down: bool,
    last: published::Shared<LastScrape>,
    last_started: Option<Mono>,
    interval_length: Arc<Histogram>,
    /// The list that `families` was made from, as an address only.
    families_of: usize,
    families: Families,
    failure_log: Option<FailureLog>,
    /// Bytes of the last page, decoded.
    page_bytes: usize,
}

/// Memory that bodies and pages take, used again by all targets of a worker.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    decoder: BodyDecoder,
    transcoder: Transcoder,
}

impl Buffers {
    /// Gives back what a large page took.
    pub(super) fn release(&mut self) {
        self.decoder.release();
        self.transcoder.release();
    }
}

/// A scrape that failed: the message, and the decoded size if the page was read.
struct Failed {
    message: String,
    body_bytes: Option<u64>,
}

impl Assigned {
    /// Takes a target on, going on with the core of the one it inherits from.
    pub(super) fn new(
        start: Start,
        inherited: Option<Assigned>,
        shared: &Shared,
        context: &Result<Arc<HttpContext>, Arc<str>>,
        metrics: &ScrapeMetrics,
        user_agent: &str,
    ) -> Assigned {
        let Start {
            target,
            config,
            last,
            ..
        } = start;
        let identity = Arc::clone(&target.identity);
        let mut core = match inherited {
            Some(old) => old.core,
            None => TargetLoop::new(
                Arc::clone(&identity),
                Arc::clone(&config),
                target.timeout,
                shared.clone(),
            ),
        };
        core.reconfigure(Arc::clone(&config), target.timeout);
        core.inherit(identity);
        let interval = crate::model::duration::Pretty(target.interval).to_string();
        Assigned {
            spec: request::spec(&target, &config, context, user_agent, &shared.memory),
            failure_log: FailureLog::of(&config),
            target,
            core,
            running: None,
            down: false,
            last,
            last_started: None,
            interval_length: metrics.interval_length(&interval),
            families_of: 0,
            families: Families::default(),
            page_bytes: 0,
        }
    }

    /// Goes on under a changed job.
    pub(super) fn configure(
        &mut self,
        config: &Arc<ScrapeConfig>,
        context: &Result<Arc<HttpContext>, Arc<str>>,
        user_agent: &str,
    ) {
        self.ask_with(config, context, user_agent);
        self.failure_log = FailureLog::of(config);
        self.core
            .reconfigure(Arc::clone(config), self.target.timeout);
    }

    /// Makes the request anew.
    pub(super) fn ask_with(
        &mut self,
        config: &ScrapeConfig,
        context: &Result<Arc<HttpContext>, Arc<str>>,
        user_agent: &str,
    ) {
        let memory = self.core.memory();
        self.spec = request::spec(&self.target, config, context, user_agent, memory);
    }

    /// The job of a target that cannot be asked.
    pub(super) fn without_client(&self) -> Option<Arc<ScrapeConfig>> {
        self.spec.is_err().then(|| Arc::clone(self.core.config()))
    }

    /// Whether a scrape is under way.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether a scrape began after one that was due at `scheduled` should have: it stands for both.
    /// A process that was suspended finds several that are due.
    pub(super) fn has_begun_since(&self, scheduled: Mono) -> bool {
        self.last_started.is_some_and(|begun| scheduled < begun)
    }

    /// Whether a scrape that is due so much later can begin now, together with others: one of a
    /// target that is down, for up to a tenth of its interval. It will be down nearly always, and at
    /// that time as well as at this one.
    pub(super) fn may_begin_ahead(&self, ahead: Duration) -> bool {
        self.down && !self.is_running() && ahead <= self.target.interval / 10
    }

    /// Bytes of the last page, decoded.
    pub(super) fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// Series of the last page.
    pub(super) fn series(&self) -> usize {
        if self.core.chunks().is_empty() {
            return 0;
        }
        self.core.list().len()
    }

    /// Begins a scrape that was due at `scheduled`. Returns what to fetch and until when, or why
    /// it cannot be fetched. A start that is late by no more than `tolerance`, nor by more than a
    /// hundredth of the interval, gets the scheduled time (Prometheus's alignment), and so does one
    /// that is early by the step of a poll: equal distances compress well. So does the failure of one
    /// that is earlier, but a page that comes of it has the time when it was asked for.
    pub(super) fn begin(
        &mut self,
        scheduled: Mono,
        now: Mono,
        epoch: &EpochClock,
        tolerance: Duration,
    ) -> (Result<Arc<FetchSpec>, Arc<str>>, Mono) {
        if let Some(before) = self.last_started.replace(now) {
            self.interval_length
                .observe(now.since(before).as_secs_f64());
        }
        let tolerance = tolerance.min(self.target.interval / 100);
        let aligned = now.since(scheduled) <= tolerance && !tolerance.is_zero();
        let stamp = if aligned { scheduled } else { now };
        let at = ScrapeTime::new(epoch, stamp);
        let page_at = match scheduled.since(now) < limits::POLL_STEP {
            true => at,
            false => ScrapeTime::new(epoch, now),
        };
        self.running = Some(Running {
            started: now,
            at,
            page_at,
        });
        (self.spec.clone(), now + self.target.timeout)
    }

    /// Ends the scrape under way with what was fetched.
    pub(super) fn complete(
        &mut self,
        result: Result<&Fetched, &FetchError>,
        buffers: &mut Buffers,
        now: Mono,
        metrics: &ScrapeMetrics,
    ) -> Vec<ScrapeBlock> {
        let Some(running) = self.running else {
            return Vec::new();
        };
        let duration = now.since(running.started);
        let read =
            result.map_err(|error| self.error_of(&error.failure, error.to_string(), metrics));
        let Buffers {
            decoder,
            transcoder,
        } = buffers;
        let read = read.and_then(|fetched| self.page_of(fetched, decoder, metrics));
        let blocks = match read {
            Ok((dialect, body)) => {
                let page = transcoder.page(dialect, body, self.options());
                self.take_page(running.page_at, &page, duration, metrics)
            }
            Err(failed) => self.take_failure(running.at, &failed, duration),
        };
        // Last, so that a panic above leaves the scrape under way for `recover`.
        self.running = None;
        blocks
    }

    /// Ends a scrape that was never fetched.
    pub(super) fn refuse(&mut self, message: &str, now: Mono) -> Vec<ScrapeBlock> {
        let Some(running) = self.running.take() else {
            return Vec::new();
        };
        let failed = Failed {
            message: message.to_owned(),
            body_bytes: Some(0),
        };
        self.take_failure(running.at, &failed, now.since(running.started))
    }

    /// Ends the scrape under way after a panic: the target is down, its series end. Goes on with
    /// an empty cache, because what the old one holds may be half done.
    pub(super) fn recover(&mut self, now: Mono, shared: &Shared) -> Vec<ScrapeBlock> {
        let ended = catch_unwind(AssertUnwindSafe(|| self.refuse("internal error", now)));
        self.forget(shared);
        ended.unwrap_or_default()
    }

    /// Ends the scrape under way, for want of memory: the target is down, its series end, and what
    /// was known of them is forgotten.
    pub(super) fn give_up(&mut self, now: Mono, shared: &Shared) -> Vec<ScrapeBlock> {
        let message = "the memory budget is used up, and this target has the most series";
        let blocks = self.refuse(message, now);
        self.forget(shared);
        blocks
    }

    /// Goes on with an empty cache.
    fn forget(&mut self, shared: &Shared) {
        let (identity, config) = (
            Arc::clone(self.core.identity()),
            Arc::clone(self.core.config()),
        );
        let mut fresh = TargetLoop::new(identity, config, self.target.timeout, shared.clone());
        fresh.follow(&self.core);
        self.core = fresh;
    }

    /// Ends the target; the block holds its staleness markers, but for what the twins show: targets
    /// with the same public labels.
    pub(super) fn finish(
        &mut self,
        markers: Mono,
        epoch: &EpochClock,
        twins: &[&Assigned],
    ) -> Option<ScrapeBlock> {
        let at = ScrapeTime::new(epoch, markers);
        let twins: Vec<_> = twins.iter().map(|twin| &twin.core).collect();
        self.core.end(at, &twins)
    }

    fn page_of<'a>(
        &self,
        fetched: &'a Fetched,
        decoder: &'a mut BodyDecoder,
        metrics: &ScrapeMetrics,
    ) -> Result<(Dialect, &'a [u8]), Failed> {
        if fetched.status != 200 {
            let status = self.masked(fetched.status_text());
            let message = format!("server returned HTTP status {status}");
            return Err(Failed {
                message,
                body_bytes: Some(0),
            });
        }
        let body = decoder
            .decode(fetched)
            .map_err(|failure| self.error_of(&failure, failure.to_string(), metrics))?;
        if body.is_empty() {
            // An empty page is a success whatever it claims to be.
            return Ok((Dialect::Text(Format::Text), body));
        }
        let fallback = self.core.config().fallback_scrape_protocol;
        choose(fetched.content_type.as_deref(), fallback)
            .map(|dialect| (dialect, body))
            .map_err(|message| Failed {
                message: self.masked(message),
                body_bytes: Some(body.len() as u64),
            })
    }

    /// How the target's bodies become pages.
    fn options(&self) -> Options {
        let share = self.core.memory().body_bytes_max();
        Options {
            histograms: self.target.histograms,
            start_timestamps: self.core.config().takes_starts(),
            rows_max: share.map_or(0, |share| share.saturating_mul(limits::ROWS_BYTES_FACTOR)),
        }
    }

    pub(super) fn take_page(
        &mut self,
        at: ScrapeTime,
        page: &PageView<'_>,
        duration: Duration,
        metrics: &ScrapeMetrics,
    ) -> Vec<ScrapeBlock> {
        self.page_bytes = page.bytes.len();
        let Outcome {
            blocks,
            counts,
            error,
        } = self.core.page(at, page, duration);
        metrics.count(&counts);
        let Some(error) = error else {
            self.note(at, duration, None);
            return blocks;
        };
        match &error {
            PageError::SampleLimit => metrics.sample_limit.inc(),
            PageError::Histogram(HistogramError::BucketLimit) => metrics.bucket_limit.inc(),
            PageError::Row(row) if row.is_limit() => metrics.label_limits.inc(),
            _ => {}
        }
        // It quotes the page.
        let message = self.masked(error.to_string());
        self.note(at, duration, Some(&message));
        blocks
    }

    /// What a target said, without the secrets that it was sent: some echo them.
    fn masked(&self, text: String) -> String {
        match &self.spec {
            Ok(spec) => spec.masked(text),
            Err(_) => text,
        }
    }

    fn take_failure(
        &mut self,
        at: ScrapeTime,
        failed: &Failed,
        duration: Duration,
    ) -> Vec<ScrapeBlock> {
        self.note(at, duration, Some(&failed.message));
        self.core.failed(at, duration, failed.body_bytes)
    }

    /// Leaves the outcome for the status API and the failure log.
    fn note(&mut self, at: ScrapeTime, duration: Duration, error: Option<&str>) {
        let job = &self.target.identity.job;
        if let Some(message) = error {
            log::debug!(component = "scrape manager", scrape_pool = **job, target = *self.target.url, err = message; "Scrape failed");
            if let Some(file) = &mut self.failure_log {
                file.write(at.wall, job, &self.target.url, message);
            }
        } else {
            self.refresh_families();
        }
        self.down = error.is_some();
        let health = if self.down { Health::Down } else { Health::Up };
        let last = LastScrape {
            health,
            error: error.map(Arc::from),
            at: Some(at.wall),
            duration,
            families: Arc::clone(&self.families),
        };
        self.last.with(|cell| *cell = last);
    }

    fn refresh_families(&mut self) {
        let list: *const SeriesList = Arc::as_ptr(self.core.list());
        if self.families_of == list.addr() {
            return;
        }
        self.families_of = list.addr();
        let mut families: Vec<_> = self
            .core
            .chunks()
            .iter()
            .filter_map(|chunk| chunk.series().family())
            .collect();
        families.dedup();
        self.families = families.into_iter().map(Arc::clone).collect();
    }

    /// The message for the status, and the decoded size that the report shows.
    fn error_of(&self, failure: &Failure, message: String, metrics: &ScrapeMetrics) -> Failed {
        let too_large = matches!(
            failure,
            Failure::Exchange(ExchangeError::BodyTooLarge) | Failure::Gzip(GzipError::TooLarge)
        );
        if !too_large {
            return Failed {
                message,
                body_bytes: Some(0),
            };
        }
        let memory = self.core.memory();
        let written = request::body_limit(self.core.config());
        let allowed = request::limit_within(written, memory);
        let message = if allowed == written {
            metrics.body_size_limit.inc();
            message
        } else {
            memory.count(Relief::Largest, 1);
            format!("a page may have at most {allowed} bytes within the memory budget")
        };
        Failed {
            message,
            body_bytes: None,
        }
    }
}
