//! Limits of the log: segments, frames, memory, positions.

use std::time::Duration;

/// Smallest byte budget that is honoured; less leaves no room for two segments and their
/// definitions.
pub const LOG_BYTES_MIN: u64 = 1 << 20;

/// Segments in the byte budget at least: what is lost at once when the budget is full is one.
pub const LOG_SEGMENTS_MIN: u64 = 8;

/// A segment is closed at this size at the latest, in bytes, whatever the budget: a reader that
/// starts inside one reads it from its beginning.
pub const SEGMENT_BYTES_MAX: u64 = 64 << 20;

/// A segment is not closed below this size, in bytes, unless the budget is small.
pub const SEGMENT_BYTES_MIN: u64 = 1 << 20;

/// A segment is closed once definitions and first key blocks are at most one part in this many.
pub const SEGMENT_OVERHEAD_PARTS: u64 = 20;

/// Bytes of records, before compression, at which a frame is closed: what one damaged sector can
/// cost, and enough for deflate.
pub const FRAME_BYTES: usize = 64 << 10;

/// A frame's decoded body at most, in bytes: a decoder's memory. The largest block that the default
/// limit of samples allows takes a third of it.
pub const FRAME_DECODED_BYTES_MAX: usize = 32 << 20;

/// Age at which a frame is closed, in milliseconds: what `kill -9` can cost.
pub const FRAME_AGE_MS: u64 = 1000;

/// Pause after a failed write or sync before a new segment is tried, in milliseconds.
pub const LOG_RETRY_MS: u64 = 10_000;

/// Sync intervals that a sync waits at most while everything is delivered: five minutes with the
/// default interval, so that a disk that died meanwhile is noticed, and flash hardly wears.
pub const LOG_SYNC_PUT_OFF: u32 = 30;

/// Bytes on the stage at which they go to their segment: memory, in two places.
pub const LOG_STAGE_BYTES: u64 = 128 << 10;

/// Every so many blocks of a target one stands alone: what damage can cost, against about 2% of the
/// log's size.
pub const KEY_BLOCK_INTERVAL: u32 = 32;

/// Definitions are repeated with key blocks until a copy stands so many bytes behind the first:
/// flash loses whole pages.
pub const DEFINITION_COPY_DISTANCE: u64 = 8 << 10;

/// Highest sequence and segment number that a decoder accepts: a million blocks a second reach it
/// after 140,000 years. Arithmetic on accepted numbers never overflows.
pub const LOG_NUMBER_MAX: u64 = 1 << 62;

/// Time without a block after which the log forgets a target's last one, in milliseconds.
pub const LOG_TARGET_IDLE_MS: u64 = 3_600_000;

/// Dead definitions that the encoder's tables collect before it sweeps them, at least.
pub const DEFINITIONS_SWEEP_MIN: usize = 4096;

/// Histograms, spans, bounds and buckets of one block, in all: a decoder's memory, about 32 MiB. A
/// scrape with more is too large for the log.
pub const BLOCK_HISTOGRAM_PARTS_MAX: usize = 4 << 20;

/// Series of one list that a decoder accepts.
pub const LIST_SERIES_MAX: usize = 16 << 20;

/// Blocks on their way to the log's thread. Full: the sender waits, which slows scraping down.
pub const LOG_INBOX: usize = 64;

/// How long the log leaves blocks in its inbox when they come one after another, to take several at a
/// time: a wake-up costs what a hundred samples cost. Counts into the age of a frame.
pub const LOG_GATHER: Duration = Duration::from_millis(100);

/// So many in the inbox end the gathering, so that nobody finds it full because of it.
pub const LOG_GATHER_BLOCKS: usize = LOG_INBOX / 2;

/// How long a stop waits until the log has taken the last blocks; a disk that hangs may hold it up.
pub const LOG_TAKE_PATIENCE: Duration = Duration::from_secs(1);

/// Commands on their way to the log's thread. Full: the sender waits.
pub const LOG_COMMANDS: usize = 16;

/// Reads of one place that may fail before it counts as damaged.
pub const LOG_READ_ATTEMPTS: u32 = 5;

/// How long a segment's file may refuse to be opened, for want of memory or descriptors or for what
/// somebody did to it, before it is passed over: its queue waits meanwhile, and the log keeps.
pub const LOG_OPEN_PATIENCE: Duration = Duration::from_secs(3600);

/// Blocks of older epochs that may still be on their way when a new epoch begins: so many epochs
/// before the oldest segment's are remembered.
pub const EPOCHS_KEPT_BEFORE: u32 = 16;

/// Running time after which the position of a queue that is gone is removed, in milliseconds:
/// seven days.
pub const POSITION_KEPT_MS: u64 = 7 * 24 * 3_600_000;

/// Damaged places that `narthex log verify` describes; more are counted. A disk with so many needs
/// no longer list.
pub const LOG_REPORT_DAMAGES_MAX: usize = 1000;

/// Targets and ranges of sequence numbers that a damaged place is described with; more are counted.
pub const LOG_REPORT_NAMES_MAX: usize = 16;

/// Blocks kept in memory for queues that keep up: about a minute of 5,000 series at 15 seconds
/// six times over.
pub const RING_BYTES: usize = 2 * 1024 * 1024;
