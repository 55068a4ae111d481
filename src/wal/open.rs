//! Opens a log: lock, recovery, positions; everything but the thread.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::codec::living::LivingChunks;
use super::core::Core;
use super::error::OpenError;
use super::log::Log;
use super::losses::LossBook;
use super::metrics::Metrics;
use super::queues::Queues;
use super::recover::{Recovered, recover};
use super::ring::Ring;
use super::segment;
use super::stage::{self, Stage};
use super::writer::{Beginning, Writer};
use crate::limits;
use crate::model::block::EpochId;
use crate::model::time::Wall;
use crate::model::timeline::Timeline;
use crate::sys::clock::Clock;
use crate::sys::fs::{HeldLock, Storage};
use crate::sys::published::Published;
use crate::telemetry::registry::Registry;

/// Our folder below the storage path.
const FOLDER: &str = "narthex";

/// The folder of a log below the storage path.
#[must_use]
pub fn folder(path: &Path) -> PathBuf {
    path.join(FOLDER)
}

/// What the user may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of all segments together; at least [`limits::LOG_BYTES_MIN`] counts.
    pub budget_bytes: u64,
    /// How old a scrape may get before it is given up; none for any age.
    pub age_max: Option<Duration>,
    /// Time between syncs; zero syncs every frame.
    pub sync_interval: Duration,
    /// Bytes of blocks kept in memory for queues.
    pub ring_bytes: usize,
    /// A folder for this log alone in a file system that outlives the process and not the machine:
    /// where frames wait that need not be on disk. None: all go straight to disk.
    pub stage_dir: Option<PathBuf>,
}

/// What a log knows of time before it was opened.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Wall time of the latest scrape in it, if its epoch was frozen.
    pub latest: Option<Wall>,
    /// Epochs that were never frozen and the offsets of their latest scrapes in milliseconds,
    /// oldest first.
    pub open_epochs: Vec<(EpochId, i64)>,
}

/// An open log without its thread.
#[derive(Debug)]
pub struct Opened {
    /// Held as long as the log is used.
    pub lock: Box<dyn HeldLock>,
    /// What readers share.
    pub log: Arc<Log>,
    /// The queues.
    pub queues: Arc<Queues>,
    /// The core, for the thread.
    pub core: Core,
    /// The epochs.
    pub timeline: Published<Timeline>,
    /// What the log knows of time before this start.
    pub past: Past,
    /// Damaged places found in the newest segment.
    pub damaged: u64,
    /// Bytes of a torn write at its end.
    pub torn_bytes: u64,
    /// Bytes that were on the stage, and are in their segment now.
    pub unstaged_bytes: u64,
    /// Whether there is a stage.
    pub staged: bool,
    /// Why there is no stage, or why what was on it is lost.
    pub stage_failure: Option<io::Error>,
}

/// Opens the log below `path`.
///
/// # Errors
/// [`OpenError`]: locked by another process, written by a newer program, or the disk refuses.
pub fn open(
    path: &Path,
    options: Options,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    registry: &Registry,
) -> Result<Opened, OpenError> {
    let began = clock.mono();
    let options = Options {
        budget_bytes: options.budget_bytes.max(limits::LOG_BYTES_MIN),
        ..options
    };
    let dir = folder(path);
    let (segments_dir, positions_dir) = (dir.join("segments"), dir.join("positions"));
    let failed = |source| OpenError::Io {
        path: dir.clone(),
        source,
    };
    for folder in [&dir, &segments_dir, &positions_dir] {
        storage.create_dir(folder).map_err(failed)?;
    }
    let lock = take_lock(&*storage, &dir)?;
    let (unstaged_bytes, unstaging) =
        put_stage_back(&*storage, &options, &segments_dir, &positions_dir);
    let mut found = recover(&*storage, &segments_dir)?;
    sync_newest(&*storage, &segments_dir, &found).map_err(failed)?;
    found.catalog.synced = found.last;
    let past = past(&found);
    let oldest = found.catalog.trimmed;
    let books = LossBook::open(Arc::clone(&storage), &dir, Arc::clone(&clock), registry);
    let (losses, sound) = books.map_err(failed)?;
    let log = Arc::new(Log {
        storage,
        segments_dir,
        ring: Mutex::new(Ring::new(found.last.next(), options.ring_bytes)),
        catalog: Mutex::new(found.catalog),
        chunks: LivingChunks::default(),
        losses: Arc::new(losses),
        metrics: Metrics::new(registry),
        clock,
    });
    let now = log.clock.mono();
    let queues = Queues::open(Arc::clone(&log), positions_dir, oldest, now).map_err(failed)?;
    let queues = Arc::new(queues);
    // A position beyond the log: the log was deleted, its numbers must not come again.
    let last = found.last.max(queues.highest());
    *log.ring.lock() = Ring::new(last.next(), options.ring_bytes);
    log.catalog.lock().synced = last;
    log.metrics
        .corruptions
        .add(found.damaged as f64 + f64::from(u8::from(!sound)));
    let timeline = Published::new(found.timeline.clone());
    let beginning = Beginning {
        last,
        next_segment: found.next_segment,
        timeline: found.timeline,
    };
    let (stage, no_stage) = make_stage(&log.storage, &options);
    let staged = stage.is_some();
    let writer = Writer::new(Arc::clone(&log), &options, stage, beginning);
    let shared = (Arc::clone(&log), Arc::clone(&queues));
    let core = Core::new(shared, writer, timeline.clone(), &options);
    let took = log.clock.mono().since(began);
    log.metrics.replay_seconds.set(took.as_secs_f64());
    Ok(Opened {
        lock,
        log,
        queues,
        core,
        timeline,
        past,
        damaged: found.damaged,
        torn_bytes: found.torn_bytes,
        unstaged_bytes,
        staged,
        stage_failure: unstaging.or(no_stage),
    })
}

fn past(found: &Recovered) -> Past {
    let latest = found.latest;
    Past {
        latest: latest.and_then(|(epoch, offset)| found.timeline.resolve(epoch, offset)),
        open_epochs: found.open_epochs.clone(),
    }
}

/// What a killed process wrote may be in memory alone, and counts as synced from here on.
fn sync_newest(storage: &dyn Storage, dir: &Path, found: &Recovered) -> io::Result<()> {
    let Some(newest) = found.catalog.segments.last() else {
        return Ok(());
    };
    storage.open(&segment::path(dir, newest.number))?.sync()?;
    storage.sync_dir(dir)
}

fn make_stage(storage: &Arc<dyn Storage>, options: &Options) -> (Option<Stage>, Option<io::Error>) {
    let Some(dir) = &options.stage_dir else {
        return (None, None);
    };
    match Stage::create(Arc::clone(storage), dir) {
        Ok(stage) => (Some(stage), None),
        Err(error) => (None, Some(error)),
    }
}

/// What a killed process left on the stage. A failure costs that, and nothing else.
fn put_stage_back(
    storage: &dyn Storage,
    options: &Options,
    segments_dir: &Path,
    positions_dir: &Path,
) -> (u64, Option<io::Error>) {
    let Some(dir) = &options.stage_dir else {
        return (0, None);
    };
    match stage::put_back(storage, dir, segments_dir, positions_dir) {
        Ok(bytes) => (bytes, None),
        Err(error) => (0, Some(error)),
    }
}

fn take_lock(storage: &dyn Storage, dir: &Path) -> Result<Box<dyn HeldLock>, OpenError> {
    let path = dir.join("lock");
    match storage.lock(&path) {
        Ok(lock) => Ok(lock),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(OpenError::Locked { path }),
        Err(source) => Err(OpenError::Io { path, source }),
    }
}
