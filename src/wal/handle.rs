//! The handles of a running log: for scrapes, for queues, for the agent.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;

use super::core::LogStatus;
use super::error::OpenError;
use super::gather::Gather;
use super::log::Log;
use super::losses::LossBook;
use super::open::{self, Options, Past};
use super::positions::Totals;
use super::queues::Queues;
use super::reader::LogReader;
use super::thread::{Blocks, Shell};
use super::wear;
use crate::limits;
use crate::model::block::ScrapeBlock;
use crate::model::position::AckRanges;
use crate::model::source::BlockSource;
use crate::model::time::Mono;
use crate::model::timeline::{Epoch, Timeline};
use crate::sys::clock::Clock;
use crate::sys::fs::{HeldLock, Storage};
use crate::sys::published::{Published, Shared};
use crate::sys::pulse::{Pulse, pulse};
use crate::sys::thread::spawn;
use crate::telemetry::registry::Registry;

/// A running log.
#[derive(Debug)]
pub struct Wal {
    /// None once no more appenders are given out. Locked only for that.
    appender: Mutex<Option<Appender>>,
    epochs: Sender<Epoch>,
    log: Arc<Log>,
    queues: Arc<Queues>,
    timeline: Published<Timeline>,
    past: Past,
    status: Published<LogStatus>,
    thread: JoinHandle<()>,
    pulse: Pulse,
    /// Disconnected when the thread has taken the last block.
    taken: Receiver<()>,
    _lock: Box<dyn HeldLock>,
}

/// Puts blocks into the log. Clones are equal; when the last one is gone and
/// [`Wal::finish_appending`] was called, the log writes its last frame.
#[derive(Clone, Debug)]
pub struct Appender {
    blocks: Sender<Blocks>,
    /// The log may be gathering, and is not to.
    hurry: Sender<()>,
}

impl Appender {
    /// Hands over a block; waits while the log is busy. False if the log's thread is gone.
    pub fn send(&self, block: ScrapeBlock) -> bool {
        self.hand_over(Blocks::One(block))
    }

    /// Hands over several blocks at once, in order; as [`Appender::send`].
    pub fn send_many(&self, blocks: Vec<ScrapeBlock>) -> bool {
        self.hand_over(Blocks::Many(blocks))
    }

    fn hand_over(&self, blocks: Blocks) -> bool {
        let sent = self.blocks.send(blocks).is_ok();
        // After it, so that the message which rings is there when it is answered.
        if self.blocks.len() >= limits::LOG_GATHER_BLOCKS {
            // Full: it knows already.
            let _known = self.hurry.try_send(());
        }
        sent
    }
}

/// A queue's seat at the log.
pub struct Queue {
    /// Its blocks, in order; to be asked for what is behind `start`.
    pub source: Box<dyn BlockSource>,
    /// Where the queue notes which blocks it has settled. Stored at the next sync, never beyond
    /// what is synced.
    pub settled: Shared<AckRanges>,
    /// Where the queue notes how many samples it has settled; goes on across restarts.
    pub totals: Shared<Totals>,
    /// Has a message when there may be something new, or when an epoch was frozen.
    pub wake: Receiver<()>,
    /// What was settled before. A new queue begins behind the newest block.
    pub start: AckRanges,
    /// To be kept as long as the queue lives: dropping it gives the seat back. The position is
    /// remembered for [`limits::POSITION_KEPT_MS`].
    pub registration: Registration,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("settled", &self.settled)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

/// Gives a queue's seat back when it is dropped.
#[derive(Debug)]
pub struct Registration {
    queues: Arc<Queues>,
    clock: Arc<dyn Clock>,
    ticket: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.queues.deregister(self.ticket, self.clock.mono());
    }
}

/// Opens the log below `path` and starts its thread.
///
/// # Errors
/// [`OpenError`]: locked by another process, written by a newer program, or the disk refuses.
pub fn open(
    path: &Path,
    options: Options,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    registry: &Registry,
) -> Result<Wal, OpenError> {
    let interval = options.sync_interval;
    let opened = open::open(path, options, storage, clock, registry)?;
    log::info!(
        component = "log", bytes = opened.log.catalog.lock().bytes(), staged = opened.staged,
        wear_mb_a_day = wear::daily_bytes(interval, opened.staged) / 1_000_000;
        "log opened; wear is that of syncs while everything is delivered, samples come on top"
    );
    if opened.unstaged_bytes > 0 {
        log::info!(
            component = "log", bytes = opened.unstaged_bytes;
            "what the last run had not written to disk is put back"
        );
    }
    if let Some(error) = &opened.stage_failure {
        let error = error.to_string();
        log::warn!(
            component = "log", error = error.as_str();
            "file system in memory cannot be used, everything goes straight to disk"
        );
    }
    if opened.damaged > 0 || opened.torn_bytes > 0 {
        log::warn!(
            component = "log", damaged = opened.damaged, torn_bytes = opened.torn_bytes;
            "newest segment has damaged frames or a torn end, a new segment begins"
        );
    }
    // Full: the scrape worker waits, which is back-pressure, not loss.
    let (blocks_tx, blocks) = bounded(limits::LOG_INBOX);
    // Full: the sender waits; epochs are rare.
    let (epochs_tx, epochs) = bounded(limits::LOG_COMMANDS);
    let (hurry_tx, hurry) = bounded(1);
    // Nothing is ever sent: its end is the message.
    let (untaken, taken) = bounded(1);
    let status = Published::new(opened.core.status());
    let (beat, pulse) = pulse("wal");
    let shell = Shell {
        beat,
        core: opened.core,
        blocks,
        hurry: Some(hurry),
        gather: Gather::default(),
        untaken: Some(untaken),
        epochs,
        clock: Arc::clone(&opened.log.clock),
        status: status.clone(),
        status_at: Mono(0),
        failing: false,
    };
    let thread = spawn("wal", move || shell.run()).map_err(OpenError::Thread)?;
    Ok(Wal {
        appender: Mutex::new(Some(Appender {
            blocks: blocks_tx,
            hurry: hurry_tx,
        })),
        epochs: epochs_tx,
        log: opened.log,
        queues: opened.queues,
        timeline: opened.timeline,
        past: opened.past,
        status,
        thread,
        pulse,
        taken,
        _lock: opened.lock,
    })
}

impl Wal {
    /// A way to put blocks in; none after [`Wal::finish_appending`].
    #[must_use]
    pub fn appender(&self) -> Option<Appender> {
        self.appender.lock().clone()
    }

    /// Gives out no more appenders: when the last one is dropped the log writes and syncs its
    /// last frame. Queues go on reading and settling.
    pub fn finish_appending(&self) {
        self.appender.lock().take();
    }

    /// Waits until queues can read all that was appended: [`Wal::finish_appending`] was called and the
    /// last appender is gone. False if that takes longer than `patience`.
    #[must_use]
    pub fn wait_until_taken(&self, patience: Duration) -> bool {
        self.taken.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected)
    }

    /// A seat for the queue of that name, at start or at any time later, from any thread. The
    /// same name gives the same position.
    #[must_use]
    pub fn register_queue(&self, name: &str) -> Queue {
        let seat = self.queues.register(name);
        let log = Arc::clone(&self.log);
        let reader = LogReader::new(log, name, seat.seat, seat.settled.clone());
        Queue {
            source: Box::new(reader),
            settled: seat.settled,
            totals: seat.totals,
            wake: seat.wake,
            start: seat.start,
            registration: Registration {
                queues: Arc::clone(&self.queues),
                clock: Arc::clone(&self.log.clock),
                ticket: seat.ticket,
            },
        }
    }

    /// Where losses are written down.
    #[must_use]
    pub fn losses(&self) -> Arc<LossBook> {
        Arc::clone(&self.log.losses)
    }

    /// The epochs of everything in the log. A frozen one is durable.
    #[must_use]
    pub fn timeline(&self) -> Published<Timeline> {
        self.timeline.clone()
    }

    /// What the log knew of time when it was opened.
    #[must_use]
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// The newest epoch; a new one takes the next id.
    #[must_use]
    pub fn last_epoch(&self) -> Option<Epoch> {
        self.timeline.load().last()
    }

    /// Begins an epoch, or freezes one by giving it again with `frozen`. To be called before the
    /// epoch's first block is appended. Published in the timeline once done.
    pub fn begin_epoch(&self, epoch: Epoch) {
        // Disconnected only if the thread died, which `is_alive` tells.
        let _gone = self.epochs.send(epoch);
    }

    /// The state of the log, about a second old.
    #[must_use]
    pub fn status(&self) -> Published<LogStatus> {
        self.status.clone()
    }

    /// How the thread does.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Whether the thread runs. It ends early only by a panic.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Ends the log: takes what was sent, writes, syncs, stores positions. False if the thread
    /// had panicked.
    #[must_use]
    pub fn join(self) -> bool {
        drop(self.epochs);
        drop(self.appender);
        self.thread.join().is_ok()
    }
}
