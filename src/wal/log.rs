//! What the log's thread and its readers share: the ring, the catalog, the disk.
//!
//! Two locks because readers on other threads pull blocks when they want; each is held for a few
//! instructions and never across the disk.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::codec::living::LivingChunks;
use super::losses::LossBook;
use super::metrics::Metrics;
use super::ring::Ring;
use super::segment::Catalog;
use crate::sys::clock::Clock;
use crate::sys::fs::Storage;

/// The shared part of a log.
#[derive(Debug)]
pub struct Log {
    /// Where the files are.
    pub storage: Arc<dyn Storage>,
    /// The folder of segments.
    pub segments_dir: PathBuf,
    /// The newest blocks. Locked by the writer for each block and by every reader.
    pub ring: Mutex<Ring>,
    /// The segments. Locked by the writer for each frame and by readers on disk.
    pub catalog: Mutex<Catalog>,
    /// The chunks that are being scraped, for readers to share.
    pub chunks: LivingChunks,
    /// The books of what queues have lost.
    pub losses: Arc<LossBook>,
    /// Our own metrics.
    pub metrics: Metrics,
    /// For durations and times of creation.
    pub clock: Arc<dyn Clock>,
}
