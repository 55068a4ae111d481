//! The log's thread: a thin shell around [`Core`].
//!
//! # Thread
//! - Owns: the core (sequence numbers, open segment, positions, retention).
//! - Inbox: blocks (`limits::LOG_INBOX`; full: the sender blocks, which slows scraping down) and
//!   commands (`limits::LOG_COMMANDS`; full: the sender blocks).
//! - Outbox: a wake-up per queue (capacity 1, coalescing); timeline and status, published.
//! - Waits on: the inbox, or while it gathers blocks (`gather`) on a sender in a hurry; the core's
//!   deadline.
//! - Deadlines: end of gathering, age of the frame, sync interval, retry after a failure.
//! - Stops when: the command channel is disconnected; blocks end before.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, never, select};

use super::core::{Core, LogStatus, Notice};
use super::gather::Gather;
use crate::limits;
use crate::model::block::ScrapeBlock;
use crate::model::loss::LossReason;
use crate::model::time::Mono;
use crate::model::timeline::Epoch;
use crate::sys::published::Published;
use std::sync::Arc;

use crate::sys::clock::Clock;
use crate::sys::pulse::Beat;

/// Time between two publications of the status.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// Blocks for the log.
#[derive(Debug)]
pub(super) enum Blocks {
    One(ScrapeBlock),
    Many(Vec<ScrapeBlock>),
}

/// Everything the thread works with.
#[derive(Debug)]
pub(super) struct Shell {
    pub(super) beat: Beat,
    pub(super) core: Core,
    pub(super) blocks: Receiver<Blocks>,
    /// Has a message when the inbox fills up; none when no more blocks come.
    pub(super) hurry: Option<Receiver<()>>,
    pub(super) gather: Gather,
    /// Goes when everything that was appended can be read and nothing more will come.
    pub(super) untaken: Option<Sender<()>>,
    pub(super) epochs: Receiver<Epoch>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) status: Published<LogStatus>,
    pub(super) status_at: Mono,
    /// A failure was reported and is not over.
    pub(super) failing: bool,
}

enum Event {
    Blocks(Blocks),
    NoMoreBlocks,
    Hurry,
    NoMoreHurry,
    Epoch(Epoch),
    Stop,
    Deadline,
}

impl Shell {
    /// Runs until the handle is gone.
    pub(super) fn run(mut self) {
        loop {
            self.beat.rest();
            let event = self.wait();
            self.beat.work();
            let now = self.clock.mono();
            match event {
                Event::Blocks(blocks) => self.take(now, blocks),
                Event::NoMoreBlocks => {
                    self.blocks = never();
                    self.untaken = None;
                    let notices = self.core.finish(now);
                    self.report(notices);
                }
                Event::Hurry => self.gather.end(),
                Event::NoMoreHurry => self.hurry = None,
                Event::Epoch(epoch) => self.core.put_epoch(now, epoch),
                Event::Stop => break,
                Event::Deadline => {}
            }
            let notices = self.core.tick(now);
            self.report(notices);
            if self.status_at + STATUS_INTERVAL <= now {
                self.publish(now);
            }
        }
        let now = self.clock.mono();
        self.drain(now);
        let notices = self.core.end(now);
        self.report(notices);
        self.publish(now);
    }

    fn wait(&self) -> Event {
        let now = self.clock.mono();
        let deadline = self.core.next_deadline();
        let gathering = self.gather.until(now).zip(self.hurry.as_ref());
        let (nothing, no_hurry) = (never(), never());
        let (blocks, hurry, until) = match gathering {
            Some((until, hurry)) => (&nothing, hurry, until),
            None => (&self.blocks, &no_hurry, deadline),
        };
        select! {
            recv(self.epochs) -> epoch => epoch.map_or(Event::Stop, Event::Epoch),
            recv(blocks) -> blocks => blocks.map_or(Event::NoMoreBlocks, Event::Blocks),
            recv(hurry) -> hurry => hurry.map_or(Event::NoMoreHurry, |()| Event::Hurry),
            default(until.min(deadline).since(now)) => Event::Deadline,
        }
    }

    /// Takes blocks and what else waits, then wakes the queues once.
    fn take(&mut self, now: Mono, first: Blocks) {
        // What stood in the inbox while it gathered is as old as that.
        let came = self.gather.came(now);
        // An epoch was sent before its first block, so it is here by now.
        while let Ok(epoch) = self.epochs.try_recv() {
            self.core.put_epoch(came, epoch);
        }
        self.append(came, first);
        let mut taken = 1;
        while taken <= limits::LOG_INBOX {
            // An epoch may have come before the next block: back to waiting for both.
            if !self.epochs.is_empty() {
                self.gather.end();
                return self.core.wake();
            }
            match self.blocks.try_recv() {
                Ok(blocks) => self.append(came, blocks),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
            taken += 1;
        }
        self.gather.emptied(now, taken);
        self.core.wake();
    }

    fn append(&mut self, now: Mono, blocks: Blocks) {
        self.beat.work();
        match blocks {
            Blocks::One(block) => {
                self.core.append(now, block);
            }
            Blocks::Many(blocks) => {
                for block in blocks {
                    self.core.append(now, block);
                }
            }
        }
    }

    /// What was sent before the end is kept.
    fn drain(&mut self, now: Mono) {
        while let Ok(blocks) = self.blocks.try_recv() {
            self.append(now, blocks);
        }
        self.core.wake();
    }

    fn publish(&mut self, now: Mono) {
        self.status_at = now;
        let status = self.core.status();
        if self.failing && status.failing.is_none() {
            self.failing = false;
            log::info!(component = "log"; "log is written again");
        }
        self.status.publish(status);
    }

    fn report(&mut self, notices: Vec<Notice>) {
        for notice in notices {
            match notice {
                Notice::Failed(failure) if !self.failing => {
                    self.failing = true;
                    let (action, error) = (failure.action, failure.error.to_string());
                    log::error!(
                        component = "log", action, error = error.as_str();
                        "log cannot be written, samples are delivered from memory; will retry"
                    );
                }
                // Counted; said once until it is over.
                Notice::Failed(_) => {}
                Notice::PositionsFailed(error) => {
                    let error = error.to_string();
                    log::warn!(
                        component = "log", error = error.as_str();
                        "positions of queues cannot be stored, will retry"
                    );
                }
                Notice::PositionsStored => {
                    log::info!(component = "log"; "positions of queues are stored again");
                }
                Notice::StageFailed(error) => {
                    let error = error.to_string();
                    log::warn!(
                        component = "log", error = error.as_str();
                        "file system in memory refused, everything goes straight to disk from now on"
                    );
                }
                Notice::Unwritten(samples) => log::error!(
                    component = "log", samples;
                    "log could not be written before the end, what was not delivered is lost"
                ),
                Notice::Dropped(doomed) => log::warn!(
                    component = "log",
                    segment = doomed.segment.number,
                    first = doomed.segment.first.0,
                    last = doomed.last.0,
                    reason = doomed.lost_by.map_or("settled", LossReason::name);
                    "oldest segment dropped before all queues had sent it"
                ),
            }
        }
    }
}
