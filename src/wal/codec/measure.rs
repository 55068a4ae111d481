//! What the bytes of a frame's body are spent on, and the heads of its blocks.
//!
//! Looks at records without decoding them, so it needs no state and tells the truth of frames
//! whose blocks cannot be decoded because something before them is lost.

use super::decoder::{BlockHead, Context, take_head};
use super::side;
use crate::bytes::cursor::Cursor;
use crate::model::block::Sequence;
use crate::wal::format::record::{Records, tag};

/// Bytes of records before compression, by what they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Shares {
    /// Epochs, families, targets, chunks, lists, and what is forgotten.
    pub definitions: u64,
    /// Key blocks but for their side tables and histograms.
    pub key_blocks: u64,
    /// Values of other blocks.
    pub values: u64,
    /// Native histograms of all blocks.
    pub histograms: u64,
    /// Other side tables of all blocks: explicit and start timestamps, exemplars.
    pub side_tables: u64,
    /// Heads of blocks that are no key blocks, and the tags and lengths of all records.
    pub heads: u64,
    /// Records of a kind that this program does not know.
    pub unknown: u64,
}

impl Shares {
    /// All bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Shares {
            definitions,
            key_blocks,
            values,
            histograms,
            side_tables,
            heads,
            unknown,
        } = self;
        definitions + key_blocks + values + histograms + side_tables + heads + unknown
    }

    /// Adds another count.
    pub fn add(&mut self, other: &Shares) {
        self.definitions += other.definitions;
        self.key_blocks += other.key_blocks;
        self.values += other.values;
        self.histograms += other.histograms;
        self.side_tables += other.side_tables;
        self.heads += other.heads;
        self.unknown += other.unknown;
    }
}

/// What a body holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Where its bytes go; the sum is the body's length.
    pub shares: Shares,
    /// The heads of its blocks, in order.
    pub heads: Vec<BlockHead>,
    /// Blocks whose head cannot be read.
    pub unreadable: u64,
}

/// Measures the body of the frame whose blocks begin at `first`.
#[must_use]
pub fn measure(first: Sequence, body: &[u8]) -> Measured {
    let mut measured = Measured::default();
    let mut context = Context::new(first);
    let mut payloads = 0;
    for (tag, payload) in Records::new(body) {
        payloads += payload.len() as u64;
        match tag {
            tag::BLOCK => measured.block(&mut context, payload),
            tag::EPOCH..=tag::LIST | tag::FORGET => {
                measured.shares.definitions += payload.len() as u64;
            }
            _ => measured.shares.unknown += payload.len() as u64,
        }
    }
    measured.shares.heads += body.len() as u64 - payloads;
    measured
}

impl Measured {
    fn block(&mut self, context: &mut Context, payload: &[u8]) {
        let mut cursor = Cursor::new(payload);
        let Some(head) = take_head(context, &mut cursor) else {
            self.unreadable += 1;
            self.shares.unknown += payload.len() as u64;
            return;
        };
        let behind_head = cursor.rest().len();
        // Another coding may lay its values out differently: all of it counts as values then.
        let is_known = head.coding == 0 && cursor.block().is_some();
        let sections = if is_known { cursor.rest().len() } else { 0 };
        let values = (behind_head - sections) as u64;
        let own_head = (payload.len() - behind_head) as u64;
        let histograms = if is_known { histogram_bytes(cursor) } else { 0 };
        self.shares.histograms += histograms;
        self.shares.side_tables += sections as u64 - histograms;
        if head.before.is_none() {
            self.shares.key_blocks += own_head + values;
        } else {
            self.shares.values += values;
            self.shares.heads += own_head;
        }
        self.heads.push(head);
    }
}

/// Bytes of the sections of histograms, their heads included.
fn histogram_bytes(mut sections: Cursor<'_>) -> u64 {
    let mut bytes = 0;
    loop {
        let before = sections.rest().len();
        let tag = sections.varint();
        if tag.is_none() || sections.block().is_none() {
            return bytes;
        }
        if tag == Some(side::HISTOGRAMS) {
            bytes += (before - sections.rest().len()) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::format::record;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_counted_where_they_belong() {
        let mut body = Vec::new();
        record::put(&mut body, tag::TARGET, &[0; 10]);
        record::put(&mut body, 40, &[0; 3]);
        // Sequence +0, key and epoch, epoch 1, offset 0, list 0, four bytes of values, a section of
        // one byte, histograms of two.
        let key = [0, 3, 1, 0, 0, 4, 9, 9, 9, 9, 1, 1, 9, 4, 2, 9, 9];
        record::put(&mut body, tag::BLOCK, &key);
        // Sequence +1, offset +1, list 0, one back, two bytes of values.
        let other = [1, 0, 2, 0, 1, 2, 9, 9];
        record::put(&mut body, tag::BLOCK, &other);
        record::put(&mut body, tag::BLOCK, &[]);
        let measured = measure(Sequence(7), &body);
        let shares = Shares {
            definitions: 10,
            unknown: 3,
            key_blocks: 10,
            side_tables: 3,
            histograms: 4,
            values: 3,
            heads: 5 * 2 + 5,
        };
        assert_eq!(measured.shares, shares);
        assert_eq!(shares.total(), body.len() as u64);
        assert_eq!(measured.unreadable, 1);
        let named: Vec<_> = measured
            .heads
            .iter()
            .map(|head| (head.sequence.0, head.before.map(|before| before.0)))
            .collect();
        assert_eq!(named, [(7, None), (8, Some(7))]);
    }

    proptest! {
        #[test]
        fn the_shares_of_any_bytes_are_their_length(first: u64, body: Vec<u8>) {
            let measured = measure(Sequence(first), &body);
            prop_assert_eq!(measured.shares.total(), body.len() as u64);
        }
    }
}
