//! Core of an endpoint: takes blocks in the order of the log and makes them ready to send.
//!
//! It owns the read position. Every block it is shown ends in exactly one way: as a piece for a
//! shard, or as settled at once (already settled before a restart, nothing left to send, too old,
//! of a time that nobody knows any more). A block whose epoch is not frozen has to be shown again.

use std::sync::Arc;

use super::outgoing::OutgoingCache;
use super::piece::{Item, Piece};
use crate::model::block::{ScrapeBlock, Sequence};
use crate::model::labels::Labels;
use crate::model::position::AckRanges;
use crate::model::time::Mono;
use crate::model::timeline::Timeline;
use crate::model::value::is_absent;
use crate::relabel::rule::Rule;

#[cfg(test)]
mod tests;

/// What became of a block that was shown.
#[derive(Debug)]
pub enum Taken {
    /// It is to be sent.
    Piece(Piece),
    /// It is settled, with nothing to send.
    Settled,
    /// It was settled before this start.
    Known,
    /// Its wall time is not fixed yet; show it again later. Nothing has changed.
    NotYet,
    /// Its epoch has been forgotten: it cannot be sent any more. It is settled.
    UnknownTime,
}

/// What was counted while blocks were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Intake {
    /// Samples.
    pub samples: u64,
    /// Native histograms among them.
    pub histograms: u64,
    /// Exemplars.
    pub exemplars: u64,
    /// Samples that a rule dropped.
    pub dropped: u64,
    /// Samples of blocks that were too old.
    pub too_old: u64,
}

/// Times at which blocks are judged.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For deadlines.
    pub mono: Mono,
    /// Blocks from before this are too old, milliseconds since 1970.
    pub oldest_ms: i64,
}

/// One endpoint's reading side.
#[derive(Debug)]
pub struct Endpoint {
    read: Sequence,
    /// Settled before this start, as far as above the read position; emptied once passed.
    before: AckRanges,
    /// Blocks up to this one may have been sent before this start.
    sent_before: Sequence,
    cache: OutgoingCache,
    external: Labels,
    rules: Vec<Rule>,
    intake: Intake,
}

impl Endpoint {
    /// Reads after `start`; what `before` has settled is skipped.
    #[must_use]
    pub fn new(start: Sequence, before: AckRanges, external: Labels, rules: Vec<Rule>) -> Endpoint {
        Endpoint {
            read: start,
            before,
            sent_before: Sequence::ZERO,
            cache: OutgoingCache::default(),
            external,
            rules,
            intake: Intake::default(),
        }
    }

    /// Blocks up to `last` may have been sent before this start, whatever is settled.
    #[must_use]
    pub fn sent_before(self, last: Sequence) -> Endpoint {
        Endpoint {
            sent_before: last,
            ..self
        }
    }

    /// The last block that was taken.
    #[must_use]
    pub fn position(&self) -> Sequence {
        self.read
    }

    /// Goes on after `last`: what is before is missing.
    pub fn skip_to(&mut self, last: Sequence) {
        self.read = self.read.max(last);
    }

    /// Takes the block, which is the next one of the log.
    pub fn take(&mut self, now: Now, block: &Arc<ScrapeBlock>, timeline: &Timeline) -> Taken {
        if self.before.contains(block.sequence) {
            self.skip_to(block.sequence);
            return Taken::Known;
        }
        let Some(wall) = timeline.resolve(block.epoch, block.offset_ms) else {
            let newest = timeline.last().map(|epoch| epoch.id);
            if timeline.get(block.epoch).is_some() || newest <= Some(block.epoch) {
                return Taken::NotYet;
            }
            self.skip_to(block.sequence);
            return Taken::UnknownTime;
        };
        self.skip_to(block.sequence);
        let outgoing = self.cache.get(&block.series, &self.external, &self.rules);
        let mut piece = Piece::whole(Item {
            block: Arc::clone(block),
            wall_ms: wall.0,
            outgoing,
            arrived: now.mono,
        });
        piece.uncertain = block.sequence <= self.sent_before;
        self.count(&piece);
        if self.is_too_old(now, &piece) {
            self.intake.too_old += piece.samples;
            return Taken::Settled;
        }
        if piece.samples == 0 {
            return Taken::Settled;
        }
        Taken::Piece(piece)
    }

    fn count(&mut self, piece: &Piece) {
        let block = &piece.item.block;
        let present = if piece.item.outgoing.drops_some() {
            let values = block.values.iter();
            values.filter(|value| !is_absent(**value)).count() as u64
        } else {
            piece.samples
        };
        let side = block.side.as_ref();
        self.intake.samples += present;
        self.intake.histograms += block.histogram_count() as u64;
        self.intake.dropped += present - piece.samples;
        self.intake.exemplars += side.map_or(0, |side| side.exemplars.len() as u64);
    }

    /// Explicit timestamps are judged one by one when the request is made.
    fn is_too_old(&self, now: Now, piece: &Piece) -> bool {
        let side = piece.item.block.side.as_ref();
        piece.item.wall_ms < now.oldest_ms && side.is_none_or(|side| side.timestamps.is_empty())
    }

    /// What was counted since the last call.
    pub fn take_intake(&mut self) -> Intake {
        std::mem::take(&mut self.intake)
    }

    /// Frees what belongs to lists that are gone.
    pub fn sweep(&mut self) {
        self.cache.sweep();
    }

    /// Whether labels and rules are these already.
    #[must_use]
    pub fn is_configured(&self, external: &Labels, rules: &[Rule]) -> bool {
        self.external == *external && self.rules == rules
    }

    /// Applies new external labels and rules to everything that comes from now on.
    pub fn reconfigure(&mut self, external: Labels, rules: Vec<Rule>) {
        self.external = external;
        self.rules = rules;
        self.cache.clear();
    }

    /// Applies the present labels and rules to a piece that was made with others. None when
    /// nothing of it is sent any more.
    pub fn renew(&mut self, piece: &Piece) -> Option<Piece> {
        let item = &piece.item;
        let series = &item.block.series;
        let whole = Piece::whole(Item {
            block: Arc::clone(&item.block),
            wall_ms: item.wall_ms,
            outgoing: self.cache.get(series, &self.external, &self.rules),
            arrived: item.arrived,
        });
        let mut slots = piece.slots.clone();
        let samples = slots
            .by_ref()
            .filter(|slot| whole.item.sends(*slot as usize));
        let samples = samples.count() as u64;
        let slots = piece.slots.clone();
        (samples > 0).then(|| {
            let mut renewed = Piece::part(whole.item, slots, samples, piece.aside);
            renewed.uncertain = piece.uncertain;
            renewed
        })
    }
}
