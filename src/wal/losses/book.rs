//! The books of a running log: losses come from every thread, and are stored with the positions.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::file::LossFile;
use super::tally::Held;
use crate::limits;
use crate::model::block::Sequence;
use crate::model::loss::{Loss, LossKey, LossReason, LossRecorder, Losses, Lost};
use crate::model::position::AckRanges;
use crate::model::time::Wall;
use crate::sys::clock::Clock;
use crate::sys::fs::Storage;
use crate::telemetry::registry::Registry;

/// The books. Locked for a few instructions by whoever loses something, which is rare.
#[derive(Debug)]
pub struct LossBook {
    state: Mutex<State>,
    /// Used by the log's thread alone.
    file: Mutex<LossFile>,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    registry: Registry,
}

#[derive(Debug, Default)]
struct State {
    /// Losses that are final: a restart does not repeat them.
    closed: Losses,
    /// Losses whose block is not settled on disk yet.
    open: Vec<(LossKey, Sequence, Loss)>,
    /// Blocks that left the log while their queue was sending them.
    held: Vec<(LossKey, Sequence, Loss)>,
}

impl LossBook {
    /// The books in a log's folder, going on where they ended. False if they were damaged.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn open(
        storage: Arc<dyn Storage>,
        log_dir: &Path,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> io::Result<(LossBook, bool)> {
        let (file, sound) = LossFile::open(&*storage, log_dir)?;
        let state = State {
            closed: file.stored().clone(),
            ..State::default()
        };
        let book = LossBook {
            state: Mutex::new(state),
            file: Mutex::new(file),
            storage,
            clock,
            registry: registry.clone(),
        };
        for (key, loss) in book.snapshot().iter() {
            book.show(key, loss.samples);
        }
        Ok((book, sound))
    }

    fn show(&self, key: &LossKey, samples: u64) {
        let labels = [
            ("remote_name", key.queue.as_str()),
            ("job", key.job.as_str()),
            ("reason", key.reason.name()),
        ];
        let counter = self.registry.counter(
            "narthex_samples_lost_total",
            "Samples that a queue will never deliver, ever; goes on across restarts",
            &labels,
        );
        counter.add(samples as f64);
    }

    /// Whether losses wait for the positions that settle their blocks.
    #[must_use]
    pub fn has_open(&self) -> bool {
        let state = self.state.lock();
        !state.open.is_empty() || !state.held.is_empty()
    }

    /// Everything lost so far.
    #[must_use]
    pub fn snapshot(&self) -> Losses {
        let state = self.state.lock();
        let mut all = state.closed.clone();
        for (key, _, loss) in &state.open {
            all.add(key.clone(), *loss);
        }
        all
    }

    /// Blocks of a queue have left the log while it was sending them: they are lost only if the
    /// process ends before it has settled them. What was said before of the blocks from the first to
    /// the last of them no longer counts: a segment that cannot be deleted is counted again.
    pub fn hold(&self, queue: &str, reason: LossReason, blocks: Vec<Held>) {
        let numbers = blocks.iter().map(|held| held.sequence);
        let (Some(first), Some(last)) = (numbers.clone().min(), numbers.max()) else {
            return;
        };
        let now = self.clock.wall();
        let blocks = blocks.into_iter().map(|held| {
            let key = LossKey {
                queue: queue.to_owned(),
                job: held.job.to_string(),
                reason,
            };
            (key, held.sequence, loss(held.samples, now))
        });
        let mut state = self.state.lock();
        let said = first..=last;
        state
            .held
            .retain(|(key, own, _)| key.queue != queue || !said.contains(own));
        let room = limits::LOSS_OPEN.saturating_sub(state.held.len());
        state.held.extend(blocks.take(room));
    }

    /// A queue ends, and has settled this, though no position may say so: its losses up to now are
    /// final, and what it delivered is not lost.
    pub fn conclude(&self, queue: &str, settled: &AckRanges) {
        self.state.lock().close(&[(queue, settled)]);
    }

    /// Stores the books, as they are when positions are stored: `settled` has, by queue, what
    /// those will say. To be called before they are written: a crash between both counts the
    /// losses since the last time twice, and none never.
    ///
    /// # Errors
    /// When the disk refuses; the next call tries again.
    pub fn store(&self, settled: &[(&str, &AckRanges)]) -> io::Result<()> {
        let losses = self.state.lock().close(settled);
        self.file.lock().store(&*self.storage, &losses)
    }
}

impl State {
    /// Closes what is settled. Returns what is lost if the process ends now.
    fn close(&mut self, settled: &[(&str, &AckRanges)]) -> Losses {
        let is_settled = |queue: &str, sequence: Sequence| {
            let own = settled.iter().find(|(name, _)| *name == queue);
            own.is_some_and(|(_, ranges)| ranges.contains(sequence))
        };
        // A long list means that nothing is settled any more, by the disk or the receiver.
        let overflow = self.open.len().saturating_sub(limits::LOSS_OPEN / 2);
        let mut index = 0;
        let State { closed, open, held } = self;
        open.retain(|(key, sequence, loss)| {
            index += 1;
            let close = index <= overflow || is_settled(&key.queue, *sequence);
            if close {
                closed.add(key.clone(), *loss);
            }
            !close
        });
        held.retain(|(key, sequence, _)| !is_settled(&key.queue, *sequence));
        let mut losses = closed.clone();
        for (key, _, loss) in held {
            losses.add(key.clone(), *loss);
        }
        losses
    }
}

fn loss(samples: u64, now: Wall) -> Loss {
    Loss {
        samples,
        first: now,
        last: now,
    }
}

impl LossRecorder for LossBook {
    fn lost(&self, lost: Lost<'_>) {
        if lost.samples == 0 {
            return;
        }
        let key = LossKey {
            queue: lost.queue.to_owned(),
            job: lost.job.to_owned(),
            reason: lost.reason,
        };
        let now = self.clock.wall();
        let mut state = self.state.lock();
        let room = state.open.len() < limits::LOSS_OPEN;
        // Samples of one block come one after another.
        let last = state.open.last_mut();
        match last.filter(|(own, block, _)| *own == key && *block == lost.sequence) {
            Some((_, _, own)) => own.samples += lost.samples,
            None if room => {
                let own = (key.clone(), lost.sequence, loss(lost.samples, now));
                state.open.push(own);
            }
            None => state.closed.add(key.clone(), loss(lost.samples, now)),
        }
        drop(state);
        self.show(&key, lost.samples);
    }
}

#[cfg(test)]
mod tests;
