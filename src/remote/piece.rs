//! A block on its way out, and the parts it is cut into.
//!
//! A piece is a range of slots of one block. Each series of a block has one slot, so pieces of the
//! same block may be sent in any order; pieces of different blocks of a target may not.

use std::ops::Range;
use std::sync::Arc;

use super::outgoing::Outgoing;
use crate::model::block::{ScrapeBlock, Sequence};
use crate::model::time::Mono;
use crate::model::value::is_absent;
use crate::wire::native_histogram;

/// A block with all that sending it needs.
#[derive(Debug)]
pub struct Item {
    /// The block.
    pub block: Arc<ScrapeBlock>,
    /// Wall time of the scrape in milliseconds since 1970: never changes, whatever is retried.
    pub wall_ms: i64,
    /// Labels of its series for this endpoint.
    pub outgoing: Arc<Outgoing>,
    /// When the queue took it.
    pub arrived: Mono,
}

impl Item {
    /// The block's number.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.block.sequence
    }

    /// Whether the slot has a sample that is sent.
    #[must_use]
    pub fn sends(&self, slot: usize) -> bool {
        !is_absent(self.block.values[slot]) && self.outgoing.sends(slot)
    }

    /// The native histograms among the samples of these slots that are sent: the slot, and the
    /// bytes in a request at most, before compression.
    fn histograms(&self, slots: &Range<u32>) -> impl Iterator<Item = (u32, usize)> {
        let all = self.block.histograms();
        let first = all.partition_point(|(slot, _)| *slot < slots.start);
        let end = all.partition_point(|(slot, _)| *slot < slots.end);
        let inside = all[first..end.max(first)].iter();
        let sent = inside.filter(|(slot, _)| {
            let slot = *slot as usize;
            self.sends(slot) && self.block.histogram(slot).is_some()
        });
        sent.map(|(slot, own)| (*slot, native_histogram::encoded_len_max(own)))
    }
}

/// Consecutive slots of one block.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The block.
    pub item: Arc<Item>,
    /// Slots.
    pub slots: Range<u32>,
    /// Samples among them that are sent.
    pub samples: u64,
    /// Native histograms among those.
    pub histograms: u64,
    /// Bytes that they take at most in a request, before compression.
    histogram_bytes: usize,
    /// Since when the receiver has failed at them alone, if they were set aside for that.
    pub aside: Option<Mono>,
    /// The receiver may have them already: an earlier run may have sent them, or a request with them
    /// had no clear answer. Only then is it believed when it says so.
    pub uncertain: bool,
    /// Another piece of its block comes next to the shard: the block is not settled before.
    pub more: bool,
}

impl Piece {
    /// Marks the pieces of which another one of the same block follows.
    pub fn link(pieces: &mut [Piece]) {
        let mut next = None;
        for piece in pieces.iter_mut().rev() {
            piece.more = next == Some(piece.sequence());
            next = Some(piece.sequence());
        }
    }

    /// The whole block. Its number of samples is counted here, once.
    #[must_use]
    pub fn whole(item: Item) -> Piece {
        let slots = item.block.values.len();
        let samples = (0..slots).filter(|slot| item.sends(*slot)).count();
        let slots = 0..u32::try_from(slots).unwrap_or(u32::MAX);
        Piece::part(Arc::new(item), slots, samples as u64, None)
    }

    /// These slots of a block, of which so many have a sample that is sent.
    #[must_use]
    pub fn part(item: Arc<Item>, slots: Range<u32>, samples: u64, aside: Option<Mono>) -> Piece {
        let (mut histograms, mut histogram_bytes) = (0, 0);
        for own in item.histograms(&slots) {
            histograms += 1;
            histogram_bytes += own.1;
        }
        Piece {
            item,
            slots,
            samples,
            histograms,
            histogram_bytes,
            aside,
            uncertain: false,
            more: false,
        }
    }

    /// The block's number.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.item.sequence()
    }

    /// Estimated bytes in a request, before compression.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.samples as usize * self.item.outgoing.entry_bytes() + self.histogram_bytes
    }

    /// Samples at its front that are within these bounds, by the same estimate; one at least.
    #[must_use]
    pub fn fitting(&self, samples_max: u64, bytes_max: usize) -> u64 {
        let each = self.item.outgoing.entry_bytes().max(1);
        if self.histograms == 0 {
            return samples_max.min((bytes_max / each) as u64).max(1);
        }
        let mut histograms = self.item.histograms(&self.slots).peekable();
        let sent = self
            .slots
            .clone()
            .filter(|slot| self.item.sends(*slot as usize));
        let mut bytes = 0;
        let fitting = sent.take_while(|slot| {
            let own = histograms.next_if(|(at, _)| at == slot);
            bytes += each + own.map_or(0, |(_, bytes)| bytes);
            bytes <= bytes_max
        });
        (fitting.count() as u64).min(samples_max).max(1)
    }

    /// Cuts behind the first `samples` samples: both parts have at least one, where `samples` is
    /// at least one and below what the piece has.
    #[must_use]
    pub fn cut(&self, samples: u64) -> (Piece, Piece) {
        let mut found = 0;
        let mut sending = self.slots.clone().filter(|slot| {
            found += u64::from(self.item.sends(*slot as usize));
            found > samples
        });
        let at = sending.next().unwrap_or(self.slots.end);
        let part = |slots, samples| Piece {
            uncertain: self.uncertain,
            ..Piece::part(Arc::clone(&self.item), slots, samples, self.aside)
        };
        let first = part(self.slots.start..at, samples);
        let second = part(at..self.slots.end, self.samples.saturating_sub(samples));
        (first, second)
    }
}
