//! The core of one target: what becomes of each scrape, and the staleness markers.
//!
//! A success yields one block with the page, the report series, and markers for the series that
//! vanished; markers of series that the page still shows are a second block, because a block has a
//! series once. A failure yields the report series alone and markers for all that the last success
//! had. Markers are given once. No I/O, no clock.

use std::sync::Arc;
use std::time::Duration;

use super::cache::chunk::{KeyChunk, RowKind};
use super::cache::interner::Interner;
use super::cache::rebuild::{missing_from, own_hash};
use super::offender::Offender;
use super::page::{self, Change, Page, PageContext, PageError};
use super::report::{Report, ReportSeries};
use super::samples::{Counts, Filled, HistogramRules, Past, Rules};
use super::starts::StartLinks;
use super::zeros::zeros;
use crate::config::scrape::ScrapeConfig;
use crate::exposition::transcode::PageView;
use crate::limits;
use crate::model::block::{EpochId, ScrapeBlock, Sequence, SideTables};
use crate::model::histogram::reduce::schema_of_factor;
use crate::model::pressure::Relief;
use crate::model::series::{ChunkBuilder, Encoded, SeriesChunk, SeriesList, TargetIdentity};
use crate::model::time::{Mono, Wall};
use crate::model::timeline::EpochClock;
use crate::model::value::{ABSENT, STALE, is_stale};
use crate::telemetry::budget::MemoryBudget;

mod end;

/// When a scrape was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrapeTime {
    /// The epoch.
    pub epoch: EpochId,
    /// Milliseconds since its base.
    pub offset_ms: i64,
    /// What the epoch believes the wall time to be.
    pub wall: Wall,
}

impl ScrapeTime {
    /// That time in an epoch.
    #[must_use]
    pub fn new(epoch: &EpochClock, at: Mono) -> ScrapeTime {
        ScrapeTime {
            epoch: epoch.id,
            offset_ms: epoch.offset_ms(at),
            wall: epoch.wall(at),
        }
    }
}

/// What a target's loop needs from its surroundings.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Chunks of all targets.
    pub interner: Interner,
    /// The report series.
    pub report: ReportSeries,
    /// `out_of_order_time_window` in milliseconds.
    pub out_of_order_window_ms: i64,
    /// Says what is given up.
    pub memory: MemoryBudget,
    /// Says which target is.
    pub offender: Offender,
}

/// The outcome of one scrape.
#[derive(Debug)]
pub struct Outcome {
    /// What goes to the log, in order.
    pub blocks: Vec<ScrapeBlock>,
    /// What was counted.
    pub counts: Counts,
    /// Why the page was refused, if it was.
    pub error: Option<PageError>,
}

/// One target between its first and its last scrape.
#[derive(Debug)]
pub struct TargetLoop {
    identity: Arc<TargetIdentity>,
    config: Arc<ScrapeConfig>,
    timeout: Duration,
    shared: Shared,
    chunks: Vec<Arc<KeyChunk>>,
    /// Chunks under rules that a reload replaced: their series are alive until the next page.
    replaced: Vec<Arc<KeyChunk>>,
    /// Series of the page and of the report.
    list: Arc<SeriesList>,
    /// Series of the report alone.
    report_list: Arc<SeriesList>,
    past: Past,
    /// What the start lines of the page speak of, if it has any.
    starts: Option<Box<StartLinks>>,
    /// Whether the last scrape succeeded, so that the page's series are alive.
    alive: bool,
    /// Time of the last block in its epoch, so that times grow.
    last: Option<ScrapeTime>,
    /// Since when nothing of the page's series was delivered: the last page, the markers that
    /// followed it, or the first attempt of all.
    silent: Option<ScrapeTime>,
}

impl TargetLoop {
    /// A target that has not been scraped yet.
    #[must_use]
    pub fn new(
        identity: Arc<TargetIdentity>,
        config: Arc<ScrapeConfig>,
        timeout: Duration,
        shared: Shared,
    ) -> TargetLoop {
        let report = Arc::clone(shared.report.chunk(config.extra_scrape_metrics));
        let list = Arc::new(SeriesList::new(Arc::clone(&identity), vec![report]));
        TargetLoop {
            identity,
            config,
            timeout,
            shared,
            chunks: Vec::new(),
            replaced: Vec::new(),
            list: Arc::clone(&list),
            report_list: list,
            past: Past::default(),
            starts: None,
            alive: false,
            last: None,
            silent: None,
        }
    }

    /// The target.
    #[must_use]
    pub fn identity(&self) -> &Arc<TargetIdentity> {
        &self.identity
    }

    /// The job.
    #[must_use]
    pub fn config(&self) -> &Arc<ScrapeConfig> {
        &self.config
    }

    /// Series of the page and of the report; another one whenever the page changes its shape.
    #[must_use]
    pub fn list(&self) -> &Arc<SeriesList> {
        &self.list
    }

    /// The memory budget.
    #[must_use]
    pub fn memory(&self) -> &MemoryBudget {
        &self.shared.memory
    }

    /// The chunks of the last page, for metadata.
    #[must_use]
    pub fn chunks(&self) -> &[Arc<KeyChunk>] {
        &self.chunks
    }

    /// Goes on where another core of the same target was, with an empty cache.
    pub fn follow(&mut self, other: &TargetLoop) {
        self.last = other.last;
        self.silent = other.silent;
    }

    /// Goes on as another target with the same public labels (a label that samples do not carry
    /// has changed, such as the interval).
    pub fn inherit(&mut self, identity: Arc<TargetIdentity>) {
        self.identity = identity;
        let report = Arc::clone(self.shared.report.chunk(self.config.extra_scrape_metrics));
        self.report_list = Arc::new(SeriesList::new(Arc::clone(&self.identity), vec![report]));
        self.list = self.joined();
    }

    /// Goes on under a changed job. The cache survives if nothing changed that shapes series;
    /// otherwise the next page is read as if it were the first, and series that it no longer
    /// yields get their markers.
    pub fn reconfigure(&mut self, config: Arc<ScrapeConfig>, timeout: Duration) {
        let same = Arc::ptr_eq(&self.config, &config);
        let keep = same || self.config.yields_the_same_series(&config);
        self.timeout = timeout;
        self.config = config;
        if !keep {
            self.replaced.append(&mut self.chunks);
            let report = Arc::clone(self.shared.report.chunk(self.config.extra_scrape_metrics));
            self.report_list = Arc::new(SeriesList::new(Arc::clone(&self.identity), vec![report]));
            self.list = Arc::clone(&self.report_list);
        }
    }

    /// Takes a page that was fetched completely.
    pub fn page(&mut self, at: ScrapeTime, page: &PageView<'_>, duration: Duration) -> Outcome {
        let at = self.advance(at);
        let rules = self.rules(at);
        let context = PageContext {
            config: &self.config,
            target: &self.identity.labels,
            interner: &self.shared.interner,
        };
        let PageView {
            format,
            bytes,
            body_bytes,
        } = *page;
        let read = page::read(&context, format, bytes, &self.chunks, rules, &self.past);
        self.count_given_up(&read);
        match read {
            Ok(page) => self.accept(at, page, duration, body_bytes),
            Err(refused) => {
                let page::Refused { error, counts } = *refused;
                let report = self.report(duration, counts, Some(body_bytes));
                let blocks = self.failure_blocks(at, &report);
                Outcome {
                    blocks,
                    counts,
                    error: Some(error),
                }
            }
        }
    }

    /// How a page of that time is read.
    fn rules(&self, at: ScrapeTime) -> Rules {
        let factor = self.config.native_histogram_min_bucket_factor;
        Rules {
            honor_timestamps: self.config.honor_timestamps,
            track_timestamps: self.config.track_timestamps_staleness,
            alive: self.alive,
            scrape_ms: at.wall.0,
            out_of_order_window_ms: self.shared.out_of_order_window_ms,
            sample_limit: self
                .config
                .limits
                .samples
                .unwrap_or(limits::SCRAPE_SAMPLES_MAX),
            exemplars: !self.shared.memory.sheds(Relief::Extras),
            new_series: !self.shared.memory.sheds(Relief::NewSeries),
            histograms: HistogramRules {
                bucket_limit: self.config.native_histogram_bucket_limit,
                finest_schema: schema_of_factor(factor),
            },
        }
    }

    fn count_given_up(&self, read: &Result<Page, Box<page::Refused>>) {
        let counts = match read {
            Ok(page) => page.filled.counts,
            Err(refused) => refused.counts,
        };
        let memory = &self.shared.memory;
        memory.count(Relief::Extras, counts.exemplars_shed as u64);
        memory.count(Relief::NewSeries, counts.series_shed as u64);
    }

    /// Takes note of a scrape that brought no page. `body_bytes` is none if the page was over the
    /// size limit.
    pub fn failed(
        &mut self,
        at: ScrapeTime,
        duration: Duration,
        body_bytes: Option<u64>,
    ) -> Vec<ScrapeBlock> {
        let at = self.advance(at);
        let report = self.report(duration, Counts::default(), body_bytes);
        self.failure_blocks(at, &report)
    }

    fn accept(&mut self, at: ScrapeTime, page: Page, duration: Duration, bytes: u64) -> Outcome {
        let Filled {
            mut values,
            mut side,
            starts,
            unseen,
            counts,
            times,
            exemplars,
        } = page.filled;
        let (mut gone, mut markers) = (ChunkBuilder::default(), ChunkBuilder::default());
        // A page without a row changes nothing, but ends what the job's old rules made.
        let nothing_left = || Change {
            chunks: self.chunks.clone(),
            vanished: Vec::new(),
        };
        let is_left = !self.replaced.is_empty();
        if let Some(change) = page.change.or_else(|| is_left.then(nothing_left)) {
            self.adopt(change, &mut gone);
        }
        if let Some(links) = &self.starts {
            side.starts = links.starts(&starts, &values);
        }
        self.mark_slots(&unseen, &mut markers);
        times.commit(&mut self.past.explicit);
        exemplars.commit(&mut self.past.exemplars);
        let report = Report {
            up: true,
            ..self.report(duration, counts, Some(bytes))
        };
        report.push_values(self.config.extra_scrape_metrics, &mut values);
        let since = self.silent.replace(at);
        let before = since.filter(|_| self.config.start_zeros);
        let zeros = before.and_then(|before| zeros(before, at, &values, &side));
        let zeros = zeros.map(|(values, side)| block(at, Arc::clone(&self.list), values, side));
        let mut blocks = Vec::from_iter(zeros);
        if !self.config.start_timestamps {
            side.starts = Vec::new();
        }
        let mut list = Arc::clone(&self.list);
        if !gone.is_empty() {
            // Not a block of their own: it would stand between this page and the next one, which
            // the log stores as the difference from the block before.
            values.resize(values.len() + gone.len(), STALE);
            let chunks = list.chunks().iter().map(Arc::clone);
            let chunks = chunks.chain([Arc::new(gone.finish(None))]).collect();
            list = Arc::new(SeriesList::new(Arc::clone(&self.identity), chunks));
        }
        blocks.push(block(at, list, values, side));
        self.alive = true;
        self.shared.offender.note(self.list.len());
        if !markers.is_empty() {
            let chunk = Arc::new(markers.finish(None));
            let list = SeriesList::new(Arc::clone(&self.identity), vec![chunk]);
            blocks.push(marker_block(at, Arc::new(list)));
        }
        Outcome {
            blocks,
            counts,
            error: None,
        }
    }

    /// Takes a new shape over, and collects the series that are gone and need markers.
    fn adopt(&mut self, change: Change, markers: &mut ChunkBuilder) {
        let Change {
            chunks,
            mut vanished,
        } = change;
        self.chunks = chunks;
        self.list = self.joined();
        if self.config.takes_starts() {
            self.starts = StartLinks::of(&self.chunks);
        }
        let replaced = std::mem::take(&mut self.replaced);
        vanished.extend(missing_from(&replaced, &self.chunks));
        for (hash, encoded) in &vanished {
            if self.alive && self.past.explicit.was_seen(*hash) {
                markers.push_encoded(Encoded::new(encoded));
            }
            self.past.forget(*hash);
        }
    }

    /// Collects the series in these slots of the page; ascending.
    fn mark_slots(&self, slots: &[u32], markers: &mut ChunkBuilder) {
        let mut slots = slots.iter().map(|slot| *slot as usize).peekable();
        let mut first = 0;
        for chunk in &self.chunks {
            let series = chunk.series();
            while let Some(slot) = slots.next_if(|slot| *slot < first + series.len()) {
                markers.push_encoded(series.encoded(slot - first));
            }
            first += series.len();
        }
    }

    /// The page's series with the report's behind them.
    fn joined(&self) -> Arc<SeriesList> {
        let mut chunks = series_of(&self.chunks);
        chunks.push(Arc::clone(
            self.shared.report.chunk(self.config.extra_scrape_metrics),
        ));
        Arc::new(SeriesList::new(Arc::clone(&self.identity), chunks))
    }

    fn failure_blocks(&mut self, at: ScrapeTime, report: &Report) -> Vec<ScrapeBlock> {
        let mut values = Vec::new();
        report.push_values(self.config.extra_scrape_metrics, &mut values);
        let list = Arc::clone(&self.report_list);
        let mut blocks = vec![block(at, list, values, SideTables::default())];
        let ends = std::mem::take(&mut self.alive);
        if ends || self.silent.is_none_or(|since| since.epoch != at.epoch) {
            self.silent = Some(at);
        }
        if ends {
            let kept = self.chunks.len();
            self.chunks.append(&mut self.replaced);
            let markers = self.marker_values();
            if markers.iter().any(|value| is_stale(*value)) {
                let identity = Arc::clone(&self.identity);
                let list = Arc::new(SeriesList::new(identity, series_of(&self.chunks)));
                blocks.push(block(at, list, markers, SideTables::default()));
            }
            // What the job's old rules made has its markers, and comes no more.
            for chunk in self.chunks.drain(kept..) {
                for encoded in chunk.series().all_encoded() {
                    self.past.forget(own_hash(encoded));
                }
            }
        }
        blocks
    }

    /// One value per slot of the page's chunks: a marker for every series that was alive, once,
    /// and for those with timestamps of their own only if the job tracks them.
    fn marker_values(&self) -> Vec<f64> {
        let mut values = Vec::new();
        for chunk in &self.chunks {
            for (kind, slot) in chunk.kinds().zip(chunk.slots()) {
                let Some(slot) = slot else { continue };
                let marked = kind == RowKind::Kept
                    && (self.past.explicit.is_empty()
                        || self
                            .past
                            .explicit
                            .was_seen(own_hash(chunk.series().encoded(slot))));
                values.push(if marked { STALE } else { ABSENT });
            }
        }
        values
    }

    fn report(&self, duration: Duration, counts: Counts, body_bytes: Option<u64>) -> Report {
        let sample_limit = self.config.limits.samples.unwrap_or(0);
        Report {
            up: false,
            duration,
            counts,
            timeout: self.timeout,
            sample_limit,
            body_bytes,
        }
    }

    /// Makes sure that times grow within an epoch, so that no series goes back.
    fn advance(&mut self, mut at: ScrapeTime) -> ScrapeTime {
        if let Some(last) = self.last
            && last.epoch == at.epoch
            && at.offset_ms <= last.offset_ms
        {
            let shift = last.offset_ms + 1 - at.offset_ms;
            at.offset_ms += shift;
            at.wall = Wall(at.wall.0 + shift);
        }
        self.last = Some(at);
        at
    }
}

fn series_of(chunks: &[Arc<KeyChunk>]) -> Vec<Arc<SeriesChunk>> {
    chunks
        .iter()
        .map(|chunk| Arc::clone(chunk.series()))
        .collect()
}

fn block(
    at: ScrapeTime,
    series: Arc<SeriesList>,
    values: Vec<f64>,
    side: SideTables,
) -> ScrapeBlock {
    debug_assert_eq!(series.len(), values.len());
    ScrapeBlock {
        sequence: Sequence::ZERO,
        epoch: at.epoch,
        offset_ms: at.offset_ms,
        series,
        values: values.into_boxed_slice(),
        side: (!side.is_empty()).then(|| Box::new(side)),
    }
}

fn marker_block(at: ScrapeTime, series: Arc<SeriesList>) -> ScrapeBlock {
    let values = vec![STALE; series.len()];
    block(at, series, values, SideTables::default())
}

#[cfg(test)]
mod tests;
