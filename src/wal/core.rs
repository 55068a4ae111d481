//! The log's core: writing, positions and retention in the order that keeps the promises.
//!
//! First the log is synced, then positions are stored, then segments are deleted. Single-threaded;
//! the shell is `thread`.

use std::sync::Arc;
use std::time::Duration;

use super::activity::{Activity, Content};
use super::log::Log;
use super::losses::tally::{self, Wanted};
use super::open::Options;
use super::queues::{QueueStatus, Queues};
use super::retention::{self, Bounds, Doomed};
use super::segment;
use super::writer::{Failure, Progress, Writer};
use crate::limits;
use crate::model::block::{ScrapeBlock, Sequence};
use crate::model::loss::LossReason;
use crate::model::time::{Mono, Wall};
use crate::model::timeline::{Epoch, Timeline};
use crate::sys::published::Published;

/// However often the log syncs, positions and segments are looked after at most this often.
const HOUSEKEEPING_MIN: Duration = Duration::from_millis(limits::FRAME_AGE_MS);

/// Time without a block after which the series of a target are not alive.
const TARGET_IDLE: Duration = Duration::from_millis(limits::LOG_TARGET_IDLE_MS);

/// The state of a log as others see it.
#[derive(Clone, Debug, Default)]
pub struct LogStatus {
    /// Number of segments.
    pub segments: usize,
    /// Bytes they take.
    pub bytes: u64,
    /// The byte budget.
    pub budget_bytes: u64,
    /// How far the log is.
    pub progress: Progress,
    /// What is wrong with the disk, while writing is given up.
    pub failing: Option<String>,
    /// The queues.
    pub queues: Vec<QueueStatus>,
}

/// The log's core.
#[derive(Debug)]
pub struct Core {
    log: Arc<Log>,
    queues: Arc<Queues>,
    writer: Writer,
    timeline: Published<Timeline>,
    budget: u64,
    age_max: Option<Duration>,
    interval: Duration,
    last_housekeeping: Mono,
    activity: Activity,
    failing: Option<String>,
    /// Positions could not be stored, and were not since.
    positions_failing: bool,
}

/// What the shell should report.
#[derive(Debug)]
pub enum Notice {
    /// Writing failed and is given up for a while.
    Failed(Failure),
    /// Positions cannot be stored. Said once until they can.
    PositionsFailed(std::io::Error),
    /// They can again.
    PositionsStored,
    /// The stage refused, and is not used any more.
    StageFailed(std::io::Error),
    /// The process ends, and so many samples that a queue still owes were never on disk.
    Unwritten(u64),
    /// A segment went for its space before everyone had settled it.
    Dropped(Doomed),
}

impl Core {
    /// Joins the parts; of the options the budget, the age limit and the time between syncs count.
    #[must_use]
    pub fn new(
        (log, queues): (Arc<Log>, Arc<Queues>),
        writer: Writer,
        timeline: Published<Timeline>,
        options: &Options,
    ) -> Core {
        Core {
            log,
            queues,
            writer,
            timeline,
            budget: options.budget_bytes,
            age_max: options.age_max,
            interval: options.sync_interval.max(HOUSEKEEPING_MIN),
            last_housekeeping: Mono(0),
            activity: Activity::default(),
            failing: None,
            positions_failing: false,
        }
    }

    /// Takes a block and returns its number.
    pub fn append(&mut self, now: Mono, block: ScrapeBlock) -> Sequence {
        let side = block.side.as_ref();
        let exemplars = side.map_or(0, |side| side.exemplars.len());
        let histograms = side.map_or(0, |side| side.histograms.len());
        let content = Content::of(&block);
        self.activity.note(now, &block, content);
        let sequence = self.writer.append(now, block);
        self.take_unlogged();
        if content.markers > 0 {
            let newest = self.log.catalog.lock().segments.last().copied();
            let first = newest.map_or(Sequence::ZERO, |newest| newest.first);
            self.activity.end(sequence, content.markers, first);
        }
        let metrics = &self.log.metrics;
        let samples = (content.live + content.markers).saturating_sub(histograms);
        metrics.samples.add(samples as f64);
        metrics.histograms.add(histograms as f64);
        metrics.exemplars.add(exemplars as f64);
        self.show_activity();
        sequence
    }

    fn show_activity(&self) {
        let metrics = &self.log.metrics;
        metrics.active_series.set(self.activity.active() as f64);
        metrics.deleted_series.set(self.activity.ended() as f64);
    }

    /// Wakes the queues: something new may be there.
    pub fn wake(&self) {
        self.queues.wake();
    }

    /// Takes an epoch, durably if it is frozen, and publishes the timeline.
    pub fn put_epoch(&mut self, now: Mono, epoch: Epoch) {
        self.writer.put_epoch(now, epoch);
        self.timeline.publish(self.writer.timeline().clone());
        // Blocks that could not be sent before may be now.
        self.queues.wake();
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Mono) -> Vec<Notice> {
        let mut notices = Vec::new();
        if self.writer.stage_dir().is_some() {
            // Losses are stored with the positions of what they settle.
            let hurried = self.log.losses.has_open();
            self.writer.settle(self.queues.floor_of_all(), hurried);
        }
        let synced = self.writer.tick(now);
        notices.extend(self.writer.take_stage_failure().map(Notice::StageFailed));
        if let Some(failure) = self.writer.take_failure() {
            self.failing = Some(format!("cannot {}: {}", failure.action, failure.error));
            self.log.metrics.failures.failing.set(1.0);
            notices.push(Notice::Failed(failure));
        } else if synced {
            self.failing = None;
            self.log.metrics.failures.failing.set(0.0);
        }
        let over = self.log.catalog.lock().bytes() > self.budget;
        if over || self.last_housekeeping + self.interval <= now {
            self.housekeeping(now, &mut notices);
        }
        notices
    }

    /// Positions, then segments, then memory.
    fn housekeeping(&mut self, now: Mono, notices: &mut Vec<Notice>) {
        self.last_housekeeping = now;
        let Progress { synced, staged, .. } = self.writer.progress();
        notices.extend(self.store_positions(synced));
        if let Some(dir) = self.writer.stage_dir()
            && synced < staged
            && !self.log.losses.has_open()
        {
            // A process that is killed may send again what was acknowledged since: no loss.
            let _refused = self.queues.stage(dir, staged);
        }
        self.queues.expire(now);
        self.truncate(notices);
        let oldest = self.log.catalog.lock().segments.first().copied();
        if let Some(oldest) = oldest {
            self.writer.forget_epochs(oldest.epoch);
            self.activity.forget(now - TARGET_IDLE, oldest.first);
            self.show_activity();
        }
        self.queues.show_segments();
        self.log.ring.lock().release(self.releasable());
    }

    /// What the ring need not keep: what is on disk, or will be, and nobody reads any more.
    fn releasable(&self) -> Sequence {
        let Progress { synced, staged, .. } = self.writer.progress();
        let delivered = self.queues.floor_of_all().min(staged);
        self.queues.floor().min(synced.max(delivered))
    }

    /// Stores the positions; a notice when that begins or ceases to fail.
    fn store_positions(&mut self, synced: Sequence) -> Option<Notice> {
        let outcome = self.queues.store(synced);
        let failed_before = std::mem::replace(&mut self.positions_failing, outcome.is_err());
        match outcome {
            Ok(()) => failed_before.then_some(Notice::PositionsStored),
            Err(error) => {
                self.log.metrics.failures.positions.inc();
                (!failed_before).then_some(Notice::PositionsFailed(error))
            }
        }
    }

    /// What the log may hold now. No age counts while this process does not know the time.
    fn bounds(&self) -> Bounds {
        let knows_time = self.writer.timeline().last().is_some_and(|own| own.frozen);
        let now = self.log.clock.wall().0;
        let ages = self.age_max.filter(|_| knows_time);
        Bounds {
            bytes: self.budget,
            oldest: ages.map(|age| Wall(now - i64::try_from(age.as_millis()).unwrap_or(now))),
        }
    }

    /// Deletes what nobody needs, and what there is no room for.
    fn truncate(&self, notices: &mut Vec<Notice>) {
        let segments = self.log.catalog.lock().segments.clone();
        let plan = retention::plan(&segments, &self.queues.stored(), self.bounds());
        if plan.is_empty() {
            return;
        }
        let metrics = &self.log.metrics.truncation;
        metrics.rounds.inc();
        let began = self.log.clock.mono();
        let lossy = plan
            .iter()
            .filter_map(|doomed| Some((doomed, doomed.lost_by?)));
        let blocks = lossy
            .map(|(doomed, reason)| self.take_from_queues(doomed, reason))
            .count();
        // What is lost is written down before it is gone: a crash in between counts it all the same.
        if blocks > 0
            && let Err(error) = self.queues.store(self.writer.progress().synced)
        {
            notices.push(Notice::PositionsFailed(error));
        }
        for doomed in plan {
            if !self.delete(&doomed) {
                metrics.failed.inc();
                break;
            }
            if doomed.lost_by.is_some() {
                notices.push(Notice::Dropped(doomed));
            }
        }
        let took = self.log.clock.mono().since(began);
        metrics.seconds.observe(took.as_secs_f64());
    }

    /// Settles, for every queue, what it loses with a segment.
    fn take_from_queues(&self, doomed: &Doomed, reason: LossReason) {
        let (segment, storage) = (&doomed.segment, &*self.log.storage);
        let dir = &self.log.segments_dir;
        let typical = self.log.ring.lock().samples_per_block();
        let count = |wanted: Wanted<'_>| tally::count(storage, dir, segment, wanted, typical);
        let blocks = (segment.first, doomed.last);
        self.queues.take(blocks, reason, count);
    }

    /// Takes note of blocks that left memory and never got to disk.
    fn take_unlogged(&mut self) {
        for block in self.writer.take_unlogged() {
            let (own, job) = (block.sequence, &block.series.target().job);
            let samples = block.sample_count() as u64;
            let count = |wanted: Wanted<'_>| wanted.tally_one(own, job, samples);
            self.queues.take((own, own), LossReason::Unlogged, count);
        }
    }

    /// Deletes a segment. False if the disk refuses.
    fn delete(&self, doomed: &Doomed) -> bool {
        let number = doomed.segment.number;
        let path = segment::path(&self.log.segments_dir, number);
        let gone = match self.log.storage.remove(&path) {
            Ok(()) => true,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if gone {
            let mut catalog = self.log.catalog.lock();
            catalog.remove(number);
            self.log.metrics.bytes.set(catalog.bytes() as f64);
        }
        gone
    }

    /// When [`Core::tick`] has something to do, if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self) -> Mono {
        self.writer
            .next_deadline()
            .min(self.last_housekeeping + self.interval)
    }

    /// Writes, syncs and stores everything: before the end, or when no more blocks will come.
    pub fn finish(&mut self, now: Mono) -> Vec<Notice> {
        let mut notices = Vec::new();
        self.writer.finish(now);
        notices.extend(self.writer.take_failure().map(Notice::Failed));
        self.housekeeping(now, &mut notices);
        let Progress { synced, staged, .. } = self.writer.progress();
        if synced == staged && !self.positions_failing {
            self.writer.clear_stage();
        }
        notices
    }

    /// As [`Core::finish`], at the end of the process: what memory alone has is lost with it, and
    /// stands in the books.
    pub fn end(&mut self, now: Mono) -> Vec<Notice> {
        let mut notices = self.finish(now);
        let Progress {
            written, synced, ..
        } = self.writer.progress();
        let rest = self.log.ring.lock().after(written);
        if !rest.is_empty() {
            let samples = self.queues.conclude(&rest);
            notices.extend((samples > 0).then_some(Notice::Unwritten(samples)));
            notices.extend(self.store_positions(synced));
        }
        notices
    }

    /// The state for others to see.
    #[must_use]
    pub fn status(&self) -> LogStatus {
        let catalog = self.log.catalog.lock();
        LogStatus {
            segments: catalog.segments.len(),
            bytes: catalog.bytes(),
            budget_bytes: self.budget,
            progress: self.writer.progress(),
            failing: self.failing.clone(),
            queues: self.queues.status(),
        }
    }
}
