//! The bodies of frames under construction.
//!
//! Records go into the open body; when it is full it is closed and waits for the writer. A
//! definition that is larger than a frame's usual size gets a frame of its own.

use std::collections::VecDeque;

use crate::limits;
use crate::model::block::{EpochId, Sequence};
use crate::wal::format::frame::FrameHeader;
use crate::wal::format::record::{self, tag};

/// Bytes of a record's tag and length at most.
const RECORD_EXTRA_BYTES: usize = 16;

/// The largest payload of a record, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = limits::FRAME_DECODED_BYTES_MAX - RECORD_EXTRA_BYTES;

/// One body and what its header will say.
#[derive(Debug, Default)]
pub struct Body {
    /// The records.
    pub bytes: Vec<u8>,
    /// Everything but lengths and compression.
    pub header: FrameHeader,
    /// It holds text, which compresses; values are as small as they get.
    pub has_text: bool,
    /// Epoch and offset of the last block in it.
    context: Option<(EpochId, i64)>,
}

/// The open body and those that are full.
#[derive(Debug, Default)]
pub struct Bodies {
    closed: VecDeque<Body>,
    open: Body,
    number: u64,
}

impl Bodies {
    /// Number of the open body, counted from the start of the segment.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether no record waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.open.bytes.is_empty()
    }

    /// Whether a body is full.
    #[must_use]
    pub fn has_closed(&self) -> bool {
        !self.closed.is_empty()
    }

    /// Whether there is a record that is in no closed body.
    #[must_use]
    pub fn has_open(&self) -> bool {
        !self.open.bytes.is_empty()
    }

    /// Epoch and offset of the last block in the open body.
    #[must_use]
    pub fn context(&self) -> Option<(EpochId, i64)> {
        self.open.context
    }

    /// Sequence number that a block's is counted from, for the block `sequence`.
    #[must_use]
    pub fn first(&self, sequence: Sequence) -> Sequence {
        if self.open.header.span == 0 {
            sequence
        } else {
            self.open.header.first
        }
    }

    /// Makes room for a record of `payload` bytes. `next` is the sequence number of the next
    /// block. Called before a block is encoded, because blocks lean on those before them in the
    /// same body.
    pub fn make_room(&mut self, payload: usize, next: Sequence) {
        if !self.open.bytes.is_empty() && self.open.bytes.len() + payload >= limits::FRAME_BYTES {
            self.close();
        }
        if self.open.header.span == 0 {
            self.open.header.first = next;
        }
    }

    /// Adds a record that is no block.
    pub fn put(&mut self, tag: u64, payload: &[u8], next: Sequence) {
        self.make_room(payload.len(), next);
        record::put(&mut self.open.bytes, tag, payload);
        self.open.has_text = true;
        match tag {
            tag::EPOCH => self.open.header.epochs = true,
            _ => self.open.header.definitions = true,
        }
    }

    /// Adds a block's record.
    pub fn put_block(&mut self, payload: &[u8], block: &BlockMark) {
        let open = &mut self.open;
        record::put(&mut open.bytes, tag::BLOCK, payload);
        if open.header.span == 0 {
            open.header.first = block.sequence;
        }
        let span = block.sequence.0 - open.header.first.0 + 1;
        open.header.span = u32::try_from(span).unwrap_or(u32::MAX);
        open.header.samples = open.header.samples.saturating_add(block.samples);
        open.has_text |= block.has_text;
        open.context = Some((block.epoch, block.offset_ms));
        if open.bytes.len() >= limits::FRAME_BYTES {
            self.close();
        }
    }

    /// Closes the open body if it holds a record.
    pub fn close(&mut self) {
        if !self.open.bytes.is_empty() {
            self.open.header.records = true;
            self.closed.push_back(std::mem::take(&mut self.open));
            self.number += 1;
        }
    }

    /// The oldest closed body.
    pub fn pop(&mut self) -> Option<Body> {
        self.closed.pop_front()
    }

    /// Forgets everything: a new segment begins.
    pub fn reset(&mut self) {
        *self = Bodies::default();
    }
}

/// What a body keeps of a block.
#[derive(Clone, Copy, Debug)]
pub struct BlockMark {
    /// Its sequence number.
    pub sequence: Sequence,
    /// Its epoch.
    pub epoch: EpochId,
    /// Its offset.
    pub offset_ms: i64,
    /// Number of its samples.
    pub samples: u32,
    /// Whether it has sections: exemplars and the like.
    pub has_text: bool,
}
