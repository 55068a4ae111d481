//! A queue's view of the log: from memory while it keeps up, from disk when it lags.

use std::io;
use std::sync::Arc;

use super::disk::DiskCursor;
use super::log::Log;
use super::ring::Lookup;
use crate::model::block::Sequence;
use crate::model::source::{BlockSource, GapReason, Next};
use crate::telemetry::registry::Counter;

/// Reads blocks in order. Any number of readers go their own ways.
#[derive(Debug)]
pub struct LogReader {
    log: Arc<Log>,
    /// Only while the queue lags: it holds a segment's definitions.
    disk: Option<DiskCursor>,
    /// Samples that this reader's queue lost by damage.
    damaged: Arc<Counter>,
}

impl LogReader {
    /// A reader that counts what damage costs in `damaged`.
    #[must_use]
    pub fn new(log: Arc<Log>, damaged: Arc<Counter>) -> LogReader {
        LogReader {
            log,
            disk: None,
            damaged,
        }
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
        if reason == GapReason::Damage {
            let blocks = last.0 - first.0 + 1;
            self.damaged
                .add((blocks as f64 * samples_per_block).round());
        }
        Next::Gap {
            first,
            last,
            reason,
        }
    }
}

impl BlockSource for LogReader {
    fn next(&mut self, after: Sequence) -> io::Result<Next> {
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
