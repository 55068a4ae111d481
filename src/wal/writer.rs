//! The core of writing: gives sequence numbers, makes frames and segments, syncs.
//!
//! Without threads or locks of its own; works on the storage seam. A failed write or sync never
//! stops it: the segment is given up, blocks stay in the ring, and after a pause a new segment
//! begins with what is in the ring and not yet safe. Implements section 8 of
//! `docs/log-format.md` as far as it is about writing.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::active::ActiveSegment;
use super::codec::body::Bodies;
use super::codec::definition;
use super::codec::encoder::Encoder;
use super::due::Due;
use super::format::compress::{self, Deflater};
use super::format::frame;
use super::format::record::tag;
use super::log::Log;
use super::open::Options;
use super::stage::Stage;
use crate::limits;
use crate::model::block::{EpochId, ScrapeBlock, Sequence};
use crate::model::time::Mono;
use crate::model::timeline::{Epoch, Timeline};

mod staging;

const FRAME_AGE: Duration = Duration::from_millis(limits::FRAME_AGE_MS);
const RETRY: Duration = Duration::from_millis(limits::LOG_RETRY_MS);
const TARGET_IDLE: Duration = Duration::from_millis(limits::LOG_TARGET_IDLE_MS);

/// How far the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Progress {
    /// Last number given out.
    pub taken: Sequence,
    /// Last block in a frame that outlives the process: the system has it, or the stage.
    pub staged: Sequence,
    /// Last block in a frame of a segment's file.
    pub written: Sequence,
    /// Last block in a frame that is certainly on disk.
    pub synced: Sequence,
}

/// Why writing stopped for a while.
#[derive(Debug)]
pub struct Failure {
    /// What was tried.
    pub action: &'static str,
    /// What the system said.
    pub error: io::Error,
}

/// The writing core.
#[derive(Debug)]
pub struct Writer {
    log: Arc<Log>,
    budget: u64,
    /// How old a segment may get, so that it can go when its scrapes are too old.
    segment_age_max: Option<Duration>,
    encoder: Encoder,
    deflater: Deflater,
    bodies: Bodies,
    /// When the oldest waiting record came.
    waiting_since: Option<Mono>,
    active: Option<ActiveSegment>,
    /// Frames go here first; none: straight to the file.
    stage: Option<Stage>,
    next_segment: u64,
    /// When the segment was made.
    segment_since: Mono,
    /// First block of the segment that is made at the next write.
    segment_first: Sequence,
    progress: Progress,
    timeline: Timeline,
    paused_until: Option<Mono>,
    due: Due,
    failure: Option<Failure>,
    /// Why there is no stage any more, since the last call.
    stage_failure: Option<io::Error>,
    /// Blocks that left memory and never got to disk, since the last call.
    unlogged: Vec<Arc<ScrapeBlock>>,
    stored: Vec<u8>,
    frame: Vec<u8>,
}

/// Where a new writer begins.
#[derive(Debug)]
pub struct Beginning {
    /// The last sequence number that anything names.
    pub last: Sequence,
    /// Number of the next segment.
    pub next_segment: u64,
    /// Epochs that blocks in the log refer to.
    pub timeline: Timeline,
}

impl Writer {
    /// A writer that begins a new segment at its first write.
    #[must_use]
    pub fn new(log: Arc<Log>, options: &Options, stage: Option<Stage>, from: Beginning) -> Writer {
        let progress = Progress {
            taken: from.last,
            staged: from.last,
            written: from.last,
            synced: from.last,
        };
        let mut writer = Writer {
            encoder: Encoder::new(log.chunks.clone()),
            log,
            budget: options.budget_bytes,
            segment_age_max: options
                .age_max
                .map(|age| age / limits::LOG_SEGMENTS_MIN as u32),
            segment_since: Mono(0),
            deflater: Deflater::default(),
            bodies: Bodies::default(),
            waiting_since: None,
            active: None,
            due: Due::new(options.sync_interval, stage.is_some()),
            stage,
            next_segment: from.next_segment,
            segment_first: from.last.next(),
            progress,
            timeline: from.timeline,
            paused_until: None,
            failure: None,
            stage_failure: None,
            unlogged: Vec::new(),
            stored: Vec::new(),
            frame: Vec::new(),
        };
        writer.begin_segment();
        writer
    }

    /// How far the log is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// The epochs, those not yet durable included.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Whether writing is given up for now.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused_until.is_some()
    }

    /// The failure since the last call, if any: for the shell to report.
    pub fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// Takes a block: gives it a number, puts it into the ring and into a frame.
    pub fn append(&mut self, now: Mono, mut block: ScrapeBlock) -> Sequence {
        let sequence = self.progress.taken.next();
        self.progress.taken = sequence;
        block.sequence = sequence;
        let block = Arc::new(block);
        self.log.ring.lock().push(Arc::clone(&block));
        if self.paused_until.is_none() {
            self.encode(now, &block);
        }
        let crowded = self.log.ring.lock().is_full();
        if crowded && self.progress.staged < sequence {
            self.bodies.close();
        }
        if self.bodies.has_closed() {
            self.write(now);
        }
        if crowded || self.stage.as_ref().is_some_and(Stage::is_full) {
            self.unstage(now);
        }
        self.evict();
        sequence
    }

    fn encode(&mut self, now: Mono, block: &Arc<ScrapeBlock>) {
        let offset = self.active.as_ref().map_or(0, ActiveSegment::end);
        let outcome = self.encoder.encode(now, offset, block, &mut self.bodies);
        if outcome.is_err() {
            self.log.metrics.too_large.inc();
            let mut catalog = self.log.catalog.lock();
            catalog.unlogged.insert(block.sequence, block.sequence);
        }
        self.waiting_since.get_or_insert(now);
    }

    /// Makes room in the ring; what never got to disk is counted.
    fn evict(&mut self) {
        let Progress {
            synced, written, ..
        } = self.progress;
        let lost = self.log.ring.lock().evict(synced, written);
        for block in lost {
            let samples = block.sample_count();
            self.log.metrics.unlogged.add(samples as f64);
            let mut catalog = self.log.catalog.lock();
            catalog.unlogged.insert(block.sequence, block.sequence);
            self.unlogged.push(block);
        }
    }

    /// Blocks that left memory and never got to disk since the last call.
    pub fn take_unlogged(&mut self) -> Vec<Arc<ScrapeBlock>> {
        std::mem::take(&mut self.unlogged)
    }

    /// Records an epoch, or the freezing of one, which is durable on return unless the disk
    /// refuses; then it stands at the beginning of the next segment. A frozen epoch stays as it
    /// is.
    pub fn put_epoch(&mut self, now: Mono, epoch: Epoch) {
        if self.timeline.get(epoch.id).is_some_and(|own| own.frozen) {
            return;
        }
        self.timeline.insert(epoch);
        if self.paused_until.is_some() {
            return;
        }
        let mut payload = Vec::new();
        definition::put_epoch(&mut payload, &epoch);
        let next = self.progress.taken.next();
        self.bodies.put(tag::EPOCH, &payload, next);
        self.waiting_since.get_or_insert(now);
        if epoch.frozen {
            self.flush(now);
        }
    }

    /// Forgets epochs that no block in the log can refer to.
    pub fn forget_epochs(&mut self, oldest: EpochId) {
        let kept = oldest.0.saturating_sub(limits::EPOCHS_KEPT_BEFORE);
        let newest = self.timeline.last().map_or(EpochId(0), |epoch| epoch.id);
        self.timeline.forget_before(EpochId(kept).min(newest));
    }

    /// Takes note that every queue, those that are away included, has settled everything up to
    /// `floor`, and whether something else waits for a sync.
    pub fn settle(&mut self, floor: Sequence, hurried: bool) {
        self.due.settle(floor);
        self.due.hurry(hurried);
    }

    /// Does what is due: writes an old frame, syncs, tries again after a failure. True if a sync
    /// succeeded.
    pub fn tick(&mut self, now: Mono) -> bool {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.resume(now);
        }
        if self
            .waiting_since
            .is_some_and(|since| since + FRAME_AGE <= now)
        {
            self.bodies.close();
            self.write(now);
        }
        if self.due.at() <= now {
            self.encoder.forget_idle(now - TARGET_IDLE);
            // With the frame that is not full yet: the interval is all that a loss of power costs.
            return self.flush(now);
        }
        false
    }

    /// When [`Writer::tick`] has something to do, if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self) -> Mono {
        if let Some(until) = self.paused_until {
            return until;
        }
        let frame = self
            .waiting_since
            .map_or(Mono::NEVER, |since| since + FRAME_AGE);
        frame.min(self.due.at())
    }

    /// Writes and syncs everything now. True if that succeeded.
    pub fn flush(&mut self, now: Mono) -> bool {
        self.bodies.close();
        self.write(now);
        self.paused_until.is_none() && (!self.due.is_unsynced() || self.sync(now))
    }

    /// Writes and syncs everything before the end: no pause holds it up, and what fails once is
    /// tried again.
    pub fn finish(&mut self, now: Mono) {
        for _ in 0..2 {
            if self.paused_until.is_some() {
                self.resume(now);
            }
            if self.flush(now) {
                return;
            }
        }
    }

    /// Writes the closed bodies, and ends the segment if that was enough for it.
    fn write(&mut self, now: Mono) {
        if self.write_closed(now) && self.is_segment_done(now) {
            // What found no room in a closed body is in the open one, in terms of this segment.
            self.bodies.close();
            if self.write_closed(now) && self.sync(now) {
                self.begin_segment();
            }
        }
    }

    /// Writes the closed bodies as frames. False if the disk refuses.
    fn write_closed(&mut self, now: Mono) -> bool {
        let since = self.waiting_since.unwrap_or(now);
        // A block that found no room in a closed body waits in the next one, since just now.
        self.waiting_since = self.bodies.has_open().then_some(now);
        while let Some(body) = self.bodies.pop() {
            let mut header = body.header;
            header.decoded = u32::try_from(body.bytes.len()).unwrap_or(u32::MAX);
            header.compression = if body.has_text {
                self.deflater.compress(&body.bytes, &mut self.stored)
            } else {
                self.stored.clone_from(&body.bytes);
                compress::NONE
            };
            if let Err(error) = self.write_frame(now, header) {
                self.fail_write(now, error);
                return false;
            }
            if header.span > 0 {
                self.progress.staged = header.last();
            }
            if self.stage.is_none() {
                self.progress.written = self.progress.staged;
            }
            self.due.wrote(self.progress.staged, since);
        }
        true
    }

    /// The segment will not be written to again: makes the frames that its file has durable.
    fn fail_write(&mut self, now: Mono, error: io::Error) {
        if self.active.is_some() {
            if self.sync_files().is_ok() {
                self.note_synced();
            } else {
                self.progress.written = self.progress.synced;
            }
        }
        self.give_up(now, "write to the log", error, RETRY);
    }

    fn write_frame(&mut self, now: Mono, header: frame::FrameHeader) -> io::Result<()> {
        let active = match &mut self.active {
            Some(active) => active,
            none => {
                let number = self.next_segment;
                // Never used again, even if making it fails half-way.
                self.next_segment += 1;
                let epoch = self.timeline.last().map_or(EpochId(0), |epoch| epoch.id);
                let made = ActiveSegment::create(&self.log, number, self.segment_first, epoch)?;
                self.log.metrics.segment.set(number as f64);
                self.segment_since = now;
                none.insert(made)
            }
        };
        self.frame.clear();
        frame::put(&mut self.frame, header, active.number(), &self.stored);
        self.put_frame()?;
        let mut catalog = self.log.catalog.lock();
        if let Some(active) = &self.active {
            catalog.put(active.info());
        }
        let metrics = &self.log.metrics;
        metrics.frames.inc();
        metrics.written_bytes.add(self.frame.len() as f64);
        metrics.bytes.set(catalog.bytes() as f64);
        Ok(())
    }

    /// Whether the segment is large enough, or old enough where age counts.
    fn is_segment_done(&self, now: Mono) -> bool {
        let Some(active) = &self.active else {
            return false;
        };
        let age = now.since(self.segment_since);
        if self.segment_age_max.is_some_and(|most| age >= most) {
            return true;
        }
        let max = (self.budget / limits::LOG_SEGMENTS_MIN).min(limits::SEGMENT_BYTES_MAX);
        let size = self.encoder.size();
        let cheap = size.repeated * limits::SEGMENT_OVERHEAD_PARTS <= size.total;
        let end = active.end();
        end >= max || (end >= limits::SEGMENT_BYTES_MIN && cheap)
    }

    /// The next write makes a new segment; what is encoded from here on stands in it.
    fn begin_segment(&mut self) {
        self.active = None;
        self.encoder.begin_segment();
        self.bodies.reset();
        self.segment_first = self.progress.staged.next();
        let mut payload = Vec::new();
        for epoch in self.timeline.iter() {
            payload.clear();
            definition::put_epoch(&mut payload, epoch);
            self.bodies.put(tag::EPOCH, &payload, self.segment_first);
        }
    }

    fn sync(&mut self, now: Mono) -> bool {
        self.due.tried(now);
        if !self.unstage(now) {
            return false;
        }
        let started = self.log.clock.mono();
        let outcome = self.sync_files();
        let took = self.log.clock.mono().since(started);
        self.log.metrics.sync_seconds.observe(took.as_secs_f64());
        match outcome {
            Ok(()) => {
                self.note_synced();
                true
            }
            Err(error) => {
                // What was written since the last good sync may never get to disk, whatever a
                // second sync says: it is written again, from the ring, to another segment.
                self.progress.written = self.progress.synced;
                self.give_up(now, "sync the log", error, Duration::ZERO);
                false
            }
        }
    }

    fn note_synced(&mut self) {
        self.due.done();
        self.progress.synced = self.progress.written;
        self.log.catalog.lock().synced = self.progress.synced;
    }

    fn sync_files(&mut self) -> io::Result<()> {
        match &mut self.active {
            Some(active) => active.sync(&self.log),
            None => Ok(()),
        }
    }

    fn give_up(&mut self, now: Mono, action: &'static str, error: io::Error, pause: Duration) {
        self.log.metrics.failures.writes.inc();
        self.failure = Some(Failure { action, error });
        self.paused_until = Some(now + pause);
        if let Some(active) = self.active.take() {
            active.abandon(&self.log);
        }
        if let Some(stage) = &mut self.stage {
            stage.reset();
        }
        self.progress.staged = self.progress.written;
        self.due.failed();
        self.waiting_since = None;
        self.bodies.reset();
    }

    /// Begins a segment after a failure, with everything from the ring that is not safe.
    fn resume(&mut self, now: Mono) {
        self.paused_until = None;
        let blocks = self.log.ring.lock().after(self.progress.written);
        // The ring may have lost some that are on disk, but perhaps not safely.
        if let Some(first) = blocks.first() {
            self.progress.written = Sequence(first.sequence.0 - 1);
        } else {
            self.progress.written = self.progress.taken;
        }
        self.progress.staged = self.progress.written;
        self.begin_segment();
        for block in blocks {
            self.encode(now, &block);
        }
        self.bodies.close();
        self.write(now);
    }
}
