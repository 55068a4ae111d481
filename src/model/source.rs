//! The seam between the log and a queue: blocks are pulled, one after another.

use std::sync::Arc;

use super::block::{ScrapeBlock, Sequence};

/// What a source has after a given block.
#[derive(Clone, Debug)]
pub enum Next {
    /// The next block.
    Block(Arc<ScrapeBlock>),
    /// `first..=last` are gone (budget, damage); the reader counts them and goes on after `last`.
    Gap {
        /// First missing sequence number.
        first: Sequence,
        /// Last missing sequence number.
        last: Sequence,
        /// Why they are gone.
        reason: GapReason,
    },
    /// Nothing newer exists yet; a wake-up follows when it does.
    CaughtUp,
}

/// Why blocks are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The byte budget was full and the oldest segment went first.
    Budget,
    /// A frame was damaged.
    Damage,
}

/// A log, as its reader sees it.
pub trait BlockSource: Send {
    /// The block after `after`, from memory where possible, else from disk.
    ///
    /// # Errors
    /// When the disk cannot be read just now; calling again later is safe and right.
    fn next(&mut self, after: Sequence) -> std::io::Result<Next>;
}

/// Where scraped blocks go: the log, as the scrape engine sees it.
pub trait BlockSink: Send + Sync {
    /// Hands a block over, waiting while the log is behind (back-pressure). False when the log
    /// is gone because the process is ending.
    fn accept(&self, block: ScrapeBlock) -> bool;
}
