//! A queue's view of the log: from memory while it keeps up, from disk when it lags.

use std::io;
use std::sync::Arc;

use super::disk::DiskCursor;
use super::log::Log;
use super::losses::seat::Seat;
use super::retention;
use super::ring::Lookup;
use crate::limits;
use crate::model::block::Sequence;
use crate::model::loss::{LossReason, LossRecorder, Lost};
use crate::model::position::AckRanges;
use crate::model::source::{BlockSource, GapReason, Next};
use crate::sys::published::Shared;

/// Reads blocks in order. Any number of readers go their own ways.
#[derive(Debug)]
pub struct LogReader {
    log: Arc<Log>,
    /// Only while the queue lags: it holds a segment's definitions.
    disk: Option<DiskCursor>,
    queue: String,
    seat: Arc<Seat>,
    settled: Shared<AckRanges>,
}

impl LogReader {
    /// The reader of a queue, with its registration's seat and position.
    #[must_use]
    pub fn new(
        log: Arc<Log>,
        queue: &str,
        seat: Arc<Seat>,
        settled: Shared<AckRanges>,
    ) -> LogReader {
        LogReader {
            log,
            disk: None,
            queue: queue.to_owned(),
            seat,
            settled,
        }
    }

    /// A reader that belongs to no queue: what it misses is nobody's loss.
    #[must_use]
    pub fn onlooker(log: Arc<Log>) -> LogReader {
        let everything = AckRanges::up_to(Sequence(limits::LOG_NUMBER_MAX));
        LogReader::new(log, "", Arc::default(), Shared::new(everything))
    }

    /// Looks into the ring. None: it must come from disk.
    fn in_memory(&mut self, wanted: Sequence, from_disk: bool) -> Option<Next> {
        let found = self.log.ring.lock().lookup(wanted, from_disk);
        let next = match found {
            Lookup::Hit(block) => Next::Block(block),
            Lookup::Ahead => Next::CaughtUp,
            Lookup::Behind(_) => return None,
        };
        self.disk = None;
        Some(next)
    }

    /// A gap from `first` on, as far as one reason goes.
    fn gap(&self, first: Sequence, last: Sequence, samples_per_block: f64) -> Next {
        let (reason, last) = self.log.catalog.lock().reason(first, last);
        self.lose(first, last, reason, samples_per_block);
        Next::Gap {
            first,
            last,
            reason,
        }
    }

    /// Writes down what is missing and was not settled: damage, and blocks that left the log while
    /// nobody read for the queue. Nobody can count what cannot be read, so it is an estimate: by what
    /// was read around it, else by what is in memory.
    fn lose(&self, first: Sequence, last: Sequence, reason: GapReason, samples_per_block: f64) {
        let settled = self.settled.with(|own| own.clone());
        let blocks = retention::unsettled(&settled, first, last);
        let mean = match samples_per_block {
            0.0 => self.log.ring.lock().samples_per_block(),
            mean => mean,
        };
        let samples = (blocks as f64 * mean).round();
        let reason = match reason {
            GapReason::Budget => LossReason::Budget,
            GapReason::Damage => LossReason::Damage,
        };
        let metrics = &self.log.metrics;
        metrics.lost(&self.queue, reason.name()).add(samples);
        self.log.losses.lost(Lost {
            queue: &self.queue,
            job: "",
            reason,
            sequence: last,
            samples: samples as u64,
        });
    }

    /// The next block, or what is in its place.
    fn find(&mut self, after: Sequence) -> io::Result<Next> {
        let wanted = after.next();
        if let Some(next) = self.in_memory(wanted, self.disk.is_some()) {
            return Ok(next);
        }
        loop {
            let version = self.log.catalog.lock().version;
            let log = &self.log;
            let disk = self.disk.get_or_insert_with(|| DiskCursor::new(log));
            if let Some(block) = disk.next(log, after)? {
                if block.sequence == wanted {
                    return Ok(Next::Block(block));
                }
                let last = Sequence(block.sequence.0 - 1);
                let samples = disk.samples_per_block();
                disk.put_back(block);
                return Ok(self.gap(wanted, last, samples));
            }
            let samples = disk.samples_per_block();
            if let Some(next) = self.in_memory(wanted, false) {
                return Ok(next);
            }
            // Neither on disk nor in memory. Unless the block went from one to the other just
            // now, it is lost.
            let first = self.log.ring.lock().first();
            if self.log.catalog.lock().version == version {
                return Ok(self.gap(wanted, Sequence(first.0 - 1), samples));
            }
        }
    }
}

impl BlockSource for LogReader {
    fn next(&mut self, after: Sequence) -> io::Result<Next> {
        let next = self.find(after)?;
        let Next::Block(block) = &next else {
            return Ok(next);
        };
        let first = block.sequence;
        Ok(match self.seat.give(first) {
            None => next,
            // It left the log, was written down as lost, and happens to be in memory still.
            Some(last) => Next::Gap {
                first,
                last,
                reason: GapReason::Budget,
            },
        })
    }
}
