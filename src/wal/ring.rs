//! The newest blocks in memory: what queues read while they keep up, and what is written again
//! after a failed sync.
//!
//! Sequence numbers in it are consecutive. It is bounded by bytes: what is on disk goes first;
//! what could not be written goes when the ring has twice its size.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::block::{ScrapeBlock, Sequence};

/// The ring.
#[derive(Debug)]
pub struct Ring {
    blocks: VecDeque<Arc<ScrapeBlock>>,
    /// Sequence number of the next block.
    next: Sequence,
    bytes: usize,
    budget: usize,
}

/// Where a block is.
#[derive(Debug)]
pub enum Lookup {
    /// Here.
    Hit(Arc<ScrapeBlock>),
    /// It does not exist yet.
    Ahead,
    /// It left the ring, which begins with the given number now.
    Behind(Sequence),
}

impl Ring {
    /// An empty ring of `budget` bytes whose first block will be `next`.
    #[must_use]
    pub fn new(next: Sequence, budget: usize) -> Ring {
        Ring {
            blocks: VecDeque::new(),
            next,
            bytes: 0,
            budget,
        }
    }

    /// The oldest block's number; the next one's if there is none.
    #[must_use]
    pub fn first(&self) -> Sequence {
        self.blocks
            .front()
            .map_or(self.next, |block| block.sequence)
    }

    /// The newest number given; the one before the first if none was.
    #[must_use]
    pub fn last(&self) -> Sequence {
        Sequence(self.next.0.saturating_sub(1))
    }

    /// Whether it holds more than its budget.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes > self.budget
    }

    /// Adds the next block.
    pub fn push(&mut self, block: Arc<ScrapeBlock>) {
        self.bytes += block.size_bytes();
        self.next = block.sequence.next();
        self.blocks.push_back(block);
    }

    /// Looks for a block. A reader that is on disk comes back only to the newer half, so that it
    /// does not fall out again at once.
    #[must_use]
    pub fn lookup(&self, sequence: Sequence, from_disk: bool) -> Lookup {
        if sequence >= self.next {
            return Lookup::Ahead;
        }
        let first = self.first();
        let margin = if from_disk {
            self.blocks.len() as u64 / 2
        } else {
            0
        };
        if sequence.0 < first.0 + margin {
            return Lookup::Behind(first);
        }
        let index = (sequence.0 - first.0) as usize;
        match self.blocks.get(index) {
            Some(block) => Lookup::Hit(Arc::clone(block)),
            None => Lookup::Ahead,
        }
    }

    /// The blocks after `sequence`.
    pub fn after(&self, sequence: Sequence) -> Vec<Arc<ScrapeBlock>> {
        let newer = self.blocks.iter().filter(|block| block.sequence > sequence);
        newer.map(Arc::clone).collect()
    }

    /// Mean number of samples in its blocks; 1 if it has none.
    #[must_use]
    pub fn samples_per_block(&self) -> f64 {
        let samples: usize = self.blocks.iter().map(|own| own.sample_count()).sum();
        (samples as f64 / self.blocks.len().max(1) as f64).max(1.0)
    }

    fn pop(&mut self) -> Option<Arc<ScrapeBlock>> {
        let block = self.blocks.pop_front()?;
        self.bytes -= block.size_bytes();
        Some(block)
    }

    /// Lets go of blocks that every queue has settled and the log has synced.
    pub fn release(&mut self, through: Sequence) {
        while self.first() <= through && self.pop().is_some() {}
    }

    /// Makes room: synced blocks first, then written ones; others only at twice the budget.
    /// Returns those.
    pub fn evict(&mut self, synced: Sequence, written: Sequence) -> Vec<Arc<ScrapeBlock>> {
        let mut unwritten = Vec::new();
        while self.is_full() && self.first() <= synced && self.pop().is_some() {}
        while self.bytes > self.budget + self.budget / 2
            && self.first() <= written
            && self.pop().is_some()
        {}
        while self.bytes > 2 * self.budget && self.blocks.len() > 1 {
            let first = self.first();
            let popped = self.pop().filter(|_| first > written);
            unwritten.extend(popped);
        }
        unwritten
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::testing::Workload;

    #[test]
    fn written_blocks_leave_first_and_readers_on_disk_return_late() {
        let mut workload = Workload::new(1, 1);
        let mut ring = Ring::new(Sequence(5), 2000);
        for number in 5..=40 {
            let mut block = workload.next_block();
            block.side = None;
            block.sequence = Sequence(number);
            ring.push(Arc::new(block));
        }
        assert!(matches!(ring.lookup(Sequence(41), false), Lookup::Ahead));
        assert!(ring.evict(Sequence(6), Sequence(8)).is_empty() || ring.first() > Sequence(8));
        let lost = ring.evict(Sequence(6), Sequence(8));
        assert!(lost.iter().all(|block| block.sequence > Sequence(8)));
        let first = ring.first();
        assert!(first > Sequence(8));
        assert!(matches!(ring.lookup(first, true), Lookup::Behind(_)));
        assert!(matches!(ring.lookup(first, false), Lookup::Hit(_)));
        assert!(matches!(ring.lookup(Sequence(40), true), Lookup::Hit(_)));
        ring.release(Sequence(40));
        assert_eq!((ring.first(), ring.last()), (Sequence(41), Sequence(40)));
    }
}
