//! Opens the log for a run, and fixes in it what time this run and earlier ones believed it to be.

use std::path::PathBuf;
use std::sync::Arc;

use super::endpoints::Endpoints;
use super::joined::Failure;
use super::options::RunOptions;
use super::settings::Settings;
use super::timekeeper::{self, Timekeeper};
use crate::limits;
use crate::model::block::{EpochId, Sequence};
use crate::model::time::Wall;
use crate::model::timeline::{Epoch, EpochClock};
use crate::sys::clock::Clock;
use crate::sys::fs::RealFs;
use crate::sys::published::Published;
use crate::telemetry::registry::Registry;
use crate::wal::{self, Wal};

/// Opens the log, with a place for every endpoint, and says which block is its last.
pub(super) fn log(
    options: &RunOptions,
    settings: &Settings,
    stage_dir: Option<PathBuf>,
    clock: &Arc<dyn Clock>,
    registry: &Registry,
) -> Result<(Wal, Sequence), Failure> {
    let path = &options.storage.path;
    if path.join("wal").is_dir() {
        log::info!(component = "log", path = path.display().to_string(); "Found the data of a Prometheus agent; it is left alone");
    }
    match &stage_dir {
        Some(dir) => {
            log::info!(component = "log", staging_path = dir.display().to_string(); "What is delivered in time is not written to disk");
        }
        None => {
            log::info!(component = "log"; "No file system in memory: everything is written to disk");
        }
    }
    let wal_options = wal::Options {
        budget_bytes: options.storage.bytes_max,
        age_max: options.storage.age_max,
        sync_interval: options.storage.sync_interval,
        ring_bytes: limits::RING_BYTES,
        stage_dir,
    };
    let storage = Arc::new(RealFs);
    let wal = wal::open(path, wal_options, storage, Arc::clone(clock), registry)
        .map_err(|error| Failure::runtime("log", error))?;
    let newest = Endpoints::take_places(&settings.config, &wal);
    Ok((wal, newest))
}

/// Begins this process's first epoch.
pub(super) fn begin_time(wal: &Wal, clock: &dyn Clock) -> (Timekeeper, Published<EpochClock>) {
    let last = wal.last_epoch();
    let id = last.map_or(EpochId(0), |epoch| epoch.id);
    let newest = wal.past().latest.unwrap_or(Wall(i64::MIN));
    let (keeper, epoch) = Timekeeper::start(clock.mono(), clock.wall(), id, newest);
    if let Some(doubt) = keeper.doubt() {
        log::warn!(component = "clock", reason = format!("{doubt:?}"); "The wall clock cannot be right; samples are kept and sent once it is");
    }
    wal.begin_epoch(epoch);
    settle_past(wal, epoch);
    let published = Published::new(keeper.clock());
    (keeper, published)
}

/// Once this process knows the time, fixes that of earlier ones which never did: their samples could
/// never be sent otherwise.
pub(super) fn settle_past(wal: &Wal, current: Epoch) {
    let timeline = wal.timeline().load();
    let is_open = |epoch: &Epoch| timeline.get(epoch.id).is_some_and(|own| !own.frozen);
    let settled = timekeeper::settle(&wal.past().open_epochs, current);
    for epoch in settled
        .into_iter()
        .filter(|own| current.frozen && is_open(own))
    {
        log::warn!(component = "clock", epoch = epoch.id.0;
            "Samples of an earlier run without a clock are sent as if it had ended just before this one");
        wal.begin_epoch(epoch);
    }
}
