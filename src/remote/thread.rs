//! Shell of an endpoint.
//!
//! # Thread (`rw-ENDPOINT`)
//! - Owns: the log's reader, the read position, labels and rules, metadata, the shards; with one
//!   shard, that too.
//! - Inbox: wake-ups from the log (latest wins), orders from main
//!   ([`limits::REMOTE_ORDERS`]; main blocks).
//! - Outbox: settled blocks into the shared position; pieces to shard threads.
//! - Waits on: its inbox; the network, while it is the only shard or sends metadata.
//! - Deadlines: batch, backoff, metadata, shard decision, flush.
//! - Stops when: told to and flushed, or nothing is acknowledged any more, or cut.

mod reading;
mod resharding;
mod sending_metadata;

use std::sync::Arc;

use crossbeam_channel::{Receiver, never, select};

use super::complaint::Complaint;
use super::endpoint::Endpoint;
use super::lane::{LaneContext, Turn};
use super::lanes::Lanes;
use super::load::LoadMeter;
use super::metadata::{MetadataQueue, MetadataSource};
use super::metrics::Incoming;
use super::{Order, StopReport};
use crate::limits;
use crate::model::block::ScrapeBlock;
use crate::model::labels::Labels;
use crate::model::source::BlockSource;
use crate::model::time::Mono;
use crate::model::timeline::Timeline;
use crate::relabel::rule::Rule;
use crate::sys::jitter::Jitter;
use crate::sys::published::Published;

/// Everything the endpoint's thread owns.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) core: Endpoint,
    pub(super) source: SourceBox,
    pub(super) lanes: Lanes,
    pub(super) context: LaneContext,
    pub(super) wake: Receiver<()>,
    pub(super) orders: Receiver<Order>,
    pub(super) timeline: Published<Timeline>,
    pub(super) metadata_source: Arc<dyn MetadataSource>,
    pub(super) metadata: MetadataQueue,
    pub(super) incoming: Arc<Incoming>,
    pub(super) jitter: Jitter,
    pub(super) state: State,
}

/// A block source that can be shown.
pub(super) struct SourceBox(pub(super) Box<dyn BlockSource>);

impl std::fmt::Debug for SourceBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlockSource")
    }
}

/// Where the loop stands.
#[derive(Debug)]
pub(super) struct State {
    /// A block that was read and cannot be passed on yet.
    held: Option<Arc<ScrapeBlock>>,
    /// The held block waits for a shard and not for its time.
    no_room: bool,
    caught_up: bool,
    /// The source is not asked before this time.
    ask_source_at: Mono,
    meter: LoadMeter,
    next_tick: Mono,
    stopping: Option<Stopping>,
    complaint: Complaint,
    /// A shard's thread is gone.
    broken: bool,
}

#[derive(Clone, Copy, Debug)]
struct Stopping {
    since: Mono,
    deadline: Mono,
}

impl State {
    pub(super) fn new(now: Mono) -> State {
        State {
            held: None,
            no_room: false,
            caught_up: false,
            ask_source_at: now,
            meter: LoadMeter::new(now),
            next_tick: now + limits::REMOTE_RESHARD_INTERVAL,
            stopping: None,
            complaint: Complaint::default(),
            broken: false,
        }
    }
}

/// New labels, rules and settings for a running endpoint.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) context: LaneContext,
    pub(super) external: Labels,
    pub(super) rules: Vec<Rule>,
    pub(super) metadata: MetadataQueue,
}

impl Runner {
    /// Runs until the endpoint is to end.
    pub(super) fn run(mut self) -> StopReport {
        loop {
            while let Ok(order) = self.orders.try_recv() {
                self.obey(order);
            }
            let now = self.context.clock.mono();
            if self.context.progress.is_cut() {
                let pending = self.lanes.pending_samples();
                return self.end(pending);
            }
            self.tick(now);
            self.pull(now);
            // A turn may hang for as long as the receiver does: what waits for it is shown before.
            self.note_pending();
            let turn = self.lanes.turn(now);
            let metadata_at = self.send_metadata(now);
            let pending = self.note_pending();
            let now = self.context.clock.mono();
            if self.is_over(now, pending) {
                return self.end(pending);
            }
            if let Turn::Wait(until) = turn {
                self.wait(now, until.min(metadata_at));
            }
        }
    }

    fn note_pending(&self) -> u64 {
        let pending = self.lanes.pending_samples();
        let histograms = self.lanes.pending_histograms();
        let metrics = &self.context.metrics;
        let floats = pending.saturating_sub(histograms);
        metrics.samples_pending.set(floats as f64);
        metrics.histograms_pending.set(histograms as f64);
        pending
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Stop { deadline } => {
                self.context.progress.begin_flush();
                self.lanes.nudge();
                self.state.stopping.get_or_insert(Stopping {
                    since: self.context.clock.mono(),
                    deadline,
                });
            }
            Order::Change(change) => self.change(*change),
        }
    }

    fn is_over(&self, now: Mono, pending: u64) -> bool {
        if self.state.broken {
            return true;
        }
        let Some(stopping) = self.state.stopping else {
            return false;
        };
        let last = self.context.progress.last_sent().max(stopping.since);
        (self.state.caught_up && pending == 0)
            || now >= stopping.deadline
            || self.lanes.is_waiting()
            || now.since(last) >= limits::REMOTE_STOP_PATIENCE
    }

    fn end(self, pending: u64) -> StopReport {
        if pending > 0 {
            // Requests under way have had their time.
            self.context.transport.cut();
        }
        let aside = self.context.metrics.set_aside.get();
        let stopped = self.lanes.stop();
        if self.state.broken || stopped.is_none() {
            log::error!(component = "remote", remote_name = &*self.context.name;
                "a shard has failed, the endpoint stops");
        }
        StopReport {
            flushed: self.state.caught_up && pending == 0 && aside == 0.0,
            finished: true,
            pending_samples: pending,
            settled_up_to: self.context.settled.with(|ranges| ranges.floor()),
        }
    }

    fn wait(&mut self, now: Mono, until: Mono) {
        let state = &self.state;
        let mut until = until.min(state.next_tick);
        if state.held.is_some() && !state.no_room || now < state.ask_source_at {
            until = until.min(now + limits::REMOTE_SOURCE_RETRY);
        }
        if let Some(stopping) = state.stopping {
            until = until.min(stopping.deadline);
            until = until.min(now + limits::REMOTE_STOP_PATIENCE);
        }
        if !state.no_room && !state.caught_up && state.held.is_none() && now >= state.ask_source_at
        {
            return;
        }
        let timeout = until.since(now).min(limits::REMOTE_SLEEP_MAX);
        // Whoever has no room does not look at what is new.
        let nothing = never();
        let wake = if state.no_room { &nothing } else { &self.wake };
        let woken = self.lanes.woken();
        select! {
            recv(wake) -> signal => if signal.is_err() {
                self.wake = never();
            },
            recv(woken) -> _ => {}
            recv(self.orders) -> order => match order {
                Ok(order) => self.obey(order),
                // The handle is gone: nobody wants this endpoint any more.
                Err(_) => self.context.progress.cut(),
            },
            default(timeout) => {}
        }
    }
}
