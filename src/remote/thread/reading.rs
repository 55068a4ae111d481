//! The reading side of an endpoint's shell: from the log to the shards.

use std::sync::Arc;

use super::Runner;
use crate::limits;
use crate::model::block::{ScrapeBlock, Sequence};
use crate::model::loss::{LossReason, Lost};
use crate::model::source::{GapReason, Next};
use crate::model::time::Mono;
use crate::model::timeline::Timeline;
use crate::remote::endpoint::{Intake, Now, Taken};

impl Runner {
    pub(super) fn pull(&mut self, now: Mono) {
        if now < self.state.ask_source_at {
            return;
        }
        let timeline = self.timeline.load();
        let wall = self.context.clock.wall().0;
        let at = Now {
            mono: now,
            oldest_ms: self.context.settings.oldest_ms(wall),
        };
        self.state.caught_up = false;
        for _ in 0..limits::REMOTE_PULL_BLOCKS {
            let Some(block) = self.next_block(now) else {
                break;
            };
            if !self.pass_on(at, block, &timeline) {
                break;
            }
        }
    }

    fn next_block(&mut self, now: Mono) -> Option<Arc<ScrapeBlock>> {
        if let Some(block) = self.state.held.take() {
            return Some(block);
        }
        loop {
            match self.source.0.next(self.core.position()) {
                Ok(Next::Block(block)) => return Some(block),
                Ok(Next::Gap {
                    first,
                    last,
                    reason,
                }) => self.note_gap(first, last, reason),
                Ok(Next::CaughtUp) => {
                    self.state.caught_up = true;
                    return None;
                }
                Err(error) => {
                    self.state.ask_source_at = now + limits::REMOTE_SOURCE_RETRY;
                    if let Some(suppressed) = self.state.complaint.due(now) {
                        log::warn!(component = "remote", remote_name = &*self.context.name,
                            error:%, suppressed; "cannot read the log");
                    }
                    return None;
                }
            }
        }
    }

    fn note_gap(&mut self, first: Sequence, last: Sequence, reason: GapReason) {
        let metrics = &self.context.metrics;
        let counter = match reason {
            GapReason::Budget => &metrics.gap_budget,
            GapReason::Damage => &metrics.gap_damage,
        };
        counter.add((last.0 + 1).saturating_sub(first.0) as f64);
        log::warn!(component = "remote", remote_name = &*self.context.name,
            first = first.0, last = last.0, reason:?; "scrapes are missing in the log");
        self.settle(first, last);
        // A gap that ends before the position would be asked for again for ever.
        self.core.skip_to(last.max(self.core.position().next()));
    }

    pub(super) fn settle(&self, first: Sequence, last: Sequence) {
        self.context
            .settled
            .with(|ranges| ranges.insert(first, last));
    }

    /// Hands the block on. False when it has to wait; it is then held.
    fn pass_on(&mut self, at: Now, block: Arc<ScrapeBlock>, timeline: &Timeline) -> bool {
        self.state.no_room = !self.lanes.has_room(&block);
        if self.state.no_room {
            self.context.metrics.enqueue_retries.inc();
            self.state.held = Some(block);
            return false;
        }
        let sequence = block.sequence;
        let taken = self.core.take(at, &block, timeline);
        let intake = self.core.take_intake();
        match taken {
            Taken::NotYet => {
                self.state.held = Some(block);
                return false;
            }
            Taken::Known => return true,
            Taken::UnknownTime => {
                self.context.metrics.no_epoch.inc();
                let samples = block.sample_count() as u64;
                self.lose(&block, LossReason::UnknownTime, samples);
                self.settle(sequence, sequence);
            }
            Taken::Settled => {
                self.lose(&block, LossReason::TooOld, intake.too_old);
                self.settle(sequence, sequence);
            }
            Taken::Piece(piece) => {
                let wall_ms = piece.item.wall_ms;
                self.state.broken |= !self.lanes.push(piece);
                self.context.progress.read(wall_ms);
                self.context.metrics.highest.set(wall_ms as f64 / 1000.0);
                self.count(sequence, wall_ms, intake);
                return !self.state.broken;
            }
        }
        self.count(sequence, i64::MIN, intake);
        true
    }

    fn lose(&self, block: &ScrapeBlock, reason: LossReason, samples: u64) {
        if samples > 0 {
            self.context.losses.lost(Lost {
                queue: &self.context.name,
                job: &block.series.target().job,
                reason,
                sequence: block.sequence,
                samples,
            });
        }
    }

    fn count(&mut self, sequence: Sequence, wall_ms: i64, intake: Intake) {
        let metrics = &self.context.metrics;
        if intake.dropped > 0 {
            metrics.dropped_series.add(intake.dropped as f64);
        }
        if intake.too_old > 0 {
            metrics.too_old.add(intake.too_old as f64);
        }
        let dropped = intake.dropped + intake.too_old;
        self.state.meter.take_in(intake.samples, dropped);
        self.incoming.count(sequence, intake, wall_ms);
    }
}
