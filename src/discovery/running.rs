//! One provider of the plan in force: created, waiting to be created again, or running.
//!
//! # Thread
//! Starts the threads `sd-<mechanism>-<n>`; what they own and wait on stands in
//! [`super::refresh`] and [`super::watch`].

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossbeam_channel::{Sender, bounded};

use super::manager::{ProviderId, Update};
use super::metrics::RefreshMetrics;
use super::outlet::{LogLimit, Outlet};
use super::plan::PlannedProvider;
use super::provider::{Opened, ProviderContext, ProviderError, Runner};
use super::refresh::{self, Schedule};
use super::status::Board;
use super::watch;
use crate::limits;
use crate::model::target_group::TargetGroup;
use crate::model::time::Mono;
use crate::sys::jitter::Jitter;
use crate::sys::published::Shared;
use crate::sys::thread;

/// What every provider is given.
#[derive(Debug)]
pub(super) struct Hall {
    pub(super) context: ProviderContext,
    pub(super) updates: Sender<(ProviderId, Update)>,
    /// Every provider thread holds one until it ends.
    pub(super) ended: Sender<Infallible>,
    pub(super) board: Board,
}

/// A provider.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) id: ProviderId,
    pub(super) planned: PlannedProvider,
    log: Shared<LogLimit>,
    state: State,
}

enum State {
    /// To be created at that time.
    Waiting(Mono),
    /// It has no thread.
    Fixed,
    /// It has one.
    Thread {
        stop: Sender<Infallible>,
        interrupt: Option<Box<dyn FnOnce() + Send>>,
    },
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            State::Waiting(_) => "Waiting",
            State::Fixed => "Fixed",
            State::Thread { .. } => "Thread",
        })
    }
}

impl Running {
    /// A provider that is still to be created.
    pub(super) fn new(id: ProviderId, planned: PlannedProvider) -> Running {
        Running {
            id,
            planned,
            log: Shared::new(LogLimit::default()),
            state: State::Waiting(Mono(0)),
        }
    }

    /// When it is to be created; nothing if it is.
    pub(super) fn reopen_at(&self) -> Option<Mono> {
        match self.state {
            State::Waiting(at) => Some(at),
            State::Fixed | State::Thread { .. } => None,
        }
    }

    /// Creates it. Returns its groups if they never change. A failure is noted, and another
    /// attempt made after a pause.
    pub(super) fn open(&mut self, now: Mono, hall: &Hall) -> Option<Vec<TargetGroup>> {
        match self.try_open(hall) {
            Ok(groups) => groups,
            Err(error) => {
                self.state = State::Waiting(now + limits::SD_REOPEN);
                self.complain(hall, &*error);
                None
            }
        }
    }

    fn try_open(&mut self, hall: &Hall) -> Result<Option<Vec<TargetGroup>>, ProviderError> {
        let mut context = hall.context.clone();
        // Each provider has its own numbers, the same ones in every run with the same seed.
        context.jitter = Jitter::seeded(context.jitter.next_u64() ^ self.id.0);
        let jitter = Jitter::seeded(context.jitter.clone().next_u64());
        let Opened { runner, interrupt } = self.planned.config.open(&context)?;
        let (stop, stopped) = bounded(1);
        let outlet = Outlet {
            id: self.id,
            mechanism: self.planned.mechanism,
            label: Arc::clone(&self.planned.label),
            updates: hall.updates.clone(),
            stop: stopped,
            clock: Arc::clone(&context.clock),
            board: hall.board.clone(),
            metrics: RefreshMetrics::new(
                &context.registry,
                self.planned.mechanism,
                &self.planned.label,
            ),
            log: self.log.clone(),
            complained: AtomicBool::new(false),
        };
        match runner {
            Runner::Fixed(groups) => {
                hall.board.succeeded(self.id, context.clock.wall(), true);
                self.state = State::Fixed;
                return Ok(Some(groups));
            }
            Runner::Refresh(interval, provider) => self.spawn(hall, move || {
                refresh::run(provider, Schedule::new(interval, jitter), &outlet);
            })?,
            Runner::Watch(provider) => self.spawn(hall, move || {
                watch::run(provider, jitter, &outlet);
            })?,
        }
        self.state = State::Thread { stop, interrupt };
        Ok(None)
    }

    fn spawn(&self, hall: &Hall, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let name = format!("sd-{}-{}", self.planned.mechanism, self.id.0);
        let ended = hall.ended.clone();
        // Not joined: its end is seen by the end of this sender.
        thread::spawn(&name, move || {
            body();
            drop(ended);
        })?;
        Ok(())
    }

    /// Shows and logs something wrong with the provider.
    pub(super) fn complain(&self, hall: &Hall, error: &(dyn std::error::Error + 'static)) {
        let clock = &hall.context.clock;
        let text = error.to_string();
        if let Some(unlogged) = self.log.with(|log| log.allow(clock.mono())) {
            let (mechanism, config) = (self.planned.mechanism, &*self.planned.label);
            log::warn!(component = "discovery", mechanism, config, error = text.as_str(), unlogged;
                "provider cannot work");
        }
        hall.board.failed(self.id, clock.wall(), text);
    }

    /// Tells the provider to stop, without waiting for it. Its metrics go unless one of `others`
    /// shares them.
    pub(super) fn stop(self, hall: &Hall, others: &[Running]) {
        hall.board.remove(self.id);
        let Running { planned, state, .. } = self;
        if let State::Thread { stop, interrupt } = state {
            drop(stop);
            if let Some(interrupt) = interrupt {
                interrupt();
            }
        }
        let shares = |other: &Running| {
            other.planned.mechanism == planned.mechanism && other.planned.label == planned.label
        };
        if !others.iter().any(shares) {
            let registry = &hall.context.registry;
            RefreshMetrics::remove(registry, planned.mechanism, &planned.label);
        }
    }
}
