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
    /// Since when the receiver has failed at them alone, if they were set aside for that.
    pub aside: Option<Mono>,
}

impl Piece {
    /// The whole block. Its number of samples is counted here, once.
    #[must_use]
    pub fn whole(item: Item) -> Piece {
        let slots = item.block.values.len();
        let samples = (0..slots).filter(|slot| item.sends(*slot)).count();
        Piece {
            item: Arc::new(item),
            slots: 0..u32::try_from(slots).unwrap_or(u32::MAX),
            samples: samples as u64,
            aside: None,
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
        self.samples as usize * self.item.outgoing.entry_bytes()
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
            item: Arc::clone(&self.item),
            slots,
            samples,
            aside: self.aside,
        };
        let first = part(self.slots.start..at, samples);
        let second = part(at..self.slots.end, self.samples.saturating_sub(samples));
        (first, second)
    }
}
