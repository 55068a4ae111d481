//! The log on disk: keeps every block until each queue has settled it.
//!
//! ```text
//!   scrape workers          wal thread                             rw-ENDPOINT threads
//!   Appender --blocks--> [ Core: Writer ] --> Ring (memory) ---+--> LogReader (BlockSource)
//!                          |  frames          segments/*.seg --+        |
//!                          |  Stage, sync                               | settled
//!                          +- Queues: positions/*.pos <-----------------+
//!                          +- retention: deletes segments
//! ```
//!
//! `docs/log-format.md` defines the files. Order that keeps the promises: the log is synced, then
//! positions are stored (never beyond what is synced), then segments are deleted. A disk that
//! fails never stops scraping: blocks are delivered from memory and written when it works again.
//! Knows nothing of who scrapes or sends.

pub mod active;
pub mod activity;
pub mod codec;
pub mod core;
pub mod disk;
pub mod due;
pub mod error;
pub mod format;
pub mod frames;
mod gather;
pub mod handle;
pub mod inspect;
pub mod log;
pub mod losses;
pub mod metrics;
pub mod open;
pub mod positions;
pub mod queues;
pub mod reader;
pub mod recover;
pub mod retention;
pub mod ring;
pub mod segment;
pub mod stage;
mod thread;
mod wear;
pub mod writer;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use self::core::LogStatus;
pub use self::error::OpenError;
pub use self::handle::{Appender, Queue, Registration, Wal, open};
pub use self::open::{Options, Past, folder};
pub use self::positions::Totals;
