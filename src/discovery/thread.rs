//! The discovery thread: runs the providers, feeds the manager, publishes what it says.
//!
//! # Thread
//! - Owns: the manager, the list of providers and their stop channels.
//! - Inbox: plans (`limits::SD_PLANS`, the caller waits when full), updates (`limits::SD_UPDATES`,
//!   providers wait when full; a provider that waits still hears that it is to stop).
//! - Outbox: the published sets and a wake-up of capacity 1; when that is full the reader has not
//!   looked yet and will see the latest sets anyway: latest wins.
//! - Waits on: both inboxes. Deadlines: the manager's, the next attempt to create a provider.
//! - Stops when: the channel of plans closes; then the providers are stopped and waited for.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, after, bounded, never, select};

use super::manager::{Manager, ProviderId, Subscription, Update};
use super::metrics::ManagerMetrics;
use super::plan::{Plan, PlannedProvider};
use super::running::{Hall, Running};
use super::status::Board;
use crate::limits;
use crate::model::target_group::TargetSets;
use crate::model::time::Mono;
use crate::sys::published::Published;
use crate::sys::pulse::{Beat, Pulse, pulse};

/// What the thread reads.
#[derive(Debug)]
pub(super) struct Inboxes {
    pub(super) plans: Receiver<Plan>,
    pub(super) updates: Receiver<(ProviderId, Update)>,
    /// Disconnected when the last provider thread has ended.
    pub(super) ended: Receiver<Infallible>,
}

/// Where the thread writes.
#[derive(Debug)]
pub(super) struct Outboxes {
    pub(super) sets: Published<TargetSets>,
    pub(super) wake: Sender<()>,
    pub(super) board: Board,
}

/// The thread's state.
#[derive(Debug)]
pub(super) struct Shell {
    manager: Manager,
    running: Vec<Running>,
    next_id: u64,
    /// There are updates whose publication is not noted yet.
    unpublished: bool,
    hall: Hall,
    out: Outboxes,
    metrics: ManagerMetrics,
    beat: Beat,
    pulse: Pulse,
}

impl Shell {
    pub(super) fn new(hall: Hall, out: Outboxes, coalesce: Duration) -> Shell {
        let metrics = ManagerMetrics::new(&hall.context.registry);
        let (beat, pulse) = pulse("discovery");
        Shell {
            manager: Manager::new(coalesce),
            running: Vec::new(),
            next_id: 0,
            unpublished: false,
            hall,
            out,
            metrics,
            beat,
            pulse,
        }
    }

    /// How the thread does.
    pub(super) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Runs until the channel of plans closes.
    pub(super) fn run(mut self, inboxes: &Inboxes) {
        loop {
            let now = self.hall.context.clock.mono();
            self.beat.work();
            self.reopen(now);
            self.publish(now);
            self.note_published();
            let deadline = self.deadline();
            let timer = match deadline {
                Mono::NEVER => never(),
                deadline => after(deadline.since(now)),
            };
            self.beat.rest();
            select! {
                recv(inboxes.plans) -> plan => match plan {
                    Ok(plan) => self.apply(plan),
                    Err(_closed) => break,
                },
                recv(inboxes.updates) -> update => {
                    // The hall holds a sender, so this cannot be disconnected.
                    if let Ok((id, update)) = update {
                        self.update(id, update);
                    }
                },
                recv(timer) -> _time => {}
            }
        }
        self.stop(inboxes);
    }

    fn deadline(&self) -> Mono {
        let reopen = self.running.iter().filter_map(Running::reopen_at).min();
        let manager = self.manager.deadline();
        manager.min(reopen.unwrap_or(Mono::NEVER))
    }

    fn update(&mut self, id: ProviderId, update: Update) {
        self.beat.work();
        self.metrics.received.inc();
        let now = self.hall.context.clock.mono();
        if let Err(refused) = self.manager.update(now, id, update) {
            self.metrics.refused.inc();
            if let Some(running) = self.running.iter().find(|running| running.id == id) {
                running.complain(&self.hall, &refused);
            }
        }
        self.note_found(id);
    }

    fn note_found(&mut self, id: ProviderId) {
        let (groups, targets) = self.manager.found_by(id);
        self.out.board.found(id, groups, targets);
        self.unpublished = true;
    }

    /// Notes whose targets the reader can see now.
    fn note_published(&mut self) {
        if !self.unpublished || self.manager.deadline() != Mono::NEVER {
            return;
        }
        self.unpublished = false;
        for running in &self.running {
            if self.manager.is_published(running.id) {
                self.out.board.published(running.id);
            }
        }
    }

    fn publish(&mut self, now: Mono) {
        let Some(sets) = self.manager.publish(now) else {
            return;
        };
        self.out.sets.publish(sets);
        let wall = self.hall.context.clock.wall();
        self.metrics.published(wall, self.manager.targets_by_job());
        if self.out.wake.try_send(()).is_err() {
            self.metrics.delayed.inc();
        }
    }

    /// Providers of the new plan that run already go on, others are started or stopped.
    fn apply(&mut self, plan: Plan) {
        self.beat.work();
        let now = self.hall.context.clock.mono();
        let mut old = std::mem::take(&mut self.running);
        let mut fresh = Vec::new();
        for planned in plan.providers {
            let same = |running: &Running| running.planned.config.same(&*planned.config);
            match old.iter().position(same) {
                Some(index) => self.running.push(old.swap_remove(index)),
                None => {
                    let running = self.admit(planned);
                    fresh.push(running.id);
                    self.running.push(running);
                }
            }
        }
        let ids: Vec<ProviderId> = self.running.iter().map(|running| running.id).collect();
        let jobs = plan.jobs.into_iter().map(|job| Subscription {
            job: job.name,
            providers: job.providers.iter().map(|index| ids[*index]).collect(),
        });
        let jobs: Vec<Subscription> = jobs.collect();
        self.note(&jobs);
        let prompt = self
            .running
            .iter()
            .filter(|running| fresh.contains(&running.id) && running.planned.config.prompt());
        let prompt = prompt.map(|running| running.id).collect();
        self.manager.apply(now, jobs, prompt);
        // Only now: a provider must not be heard before the manager knows it.
        for running in old {
            running.stop(&self.hall, &self.running);
        }
        self.reopen(now);
    }

    fn admit(&mut self, planned: PlannedProvider) -> Running {
        self.next_id += 1;
        Running::new(ProviderId(self.next_id), planned)
    }

    fn note(&self, jobs: &[Subscription]) {
        for running in &self.running {
            let listens = |job: &&Subscription| job.providers.contains(&running.id);
            let listeners = jobs.iter().filter(listens);
            let listeners = listeners.map(|job| std::sync::Arc::clone(&job.job));
            let mechanism = running.planned.mechanism;
            self.out
                .board
                .enter(running.id, mechanism, listeners.collect());
        }
    }

    /// Creates the providers that are not created yet and whose time it is.
    fn reopen(&mut self, now: Mono) {
        let mut failed = 0;
        for running in &mut self.running {
            if running.reopen_at().is_some_and(|at| at <= now)
                && let Some(groups) = running.open(now, &self.hall)
            {
                self.manager.fixed(running.id, groups);
                let (groups, targets) = self.manager.found_by(running.id);
                self.out.board.found(running.id, groups, targets);
                self.unpublished = true;
            }
            failed += u32::from(running.reopen_at().is_some());
        }
        self.metrics.failed_configs.set(f64::from(failed));
    }

    fn stop(self, inboxes: &Inboxes) {
        let Shell { running, hall, .. } = self;
        for provider in running {
            provider.stop(&hall, &[]);
        }
        // With the hall goes the last sender that is not a provider's.
        drop(hall);
        let ended = inboxes.ended.recv_timeout(limits::SD_STOP);
        if ended == Err(RecvTimeoutError::Timeout) {
            log::warn!(component = "discovery"; "a provider does not stop, leaving it behind");
        }
    }
}

/// The channels of the thread: its inboxes, what callers send on, and what providers send on.
pub(super) struct Channels {
    pub(super) inboxes: Inboxes,
    pub(super) plans: Sender<Plan>,
    pub(super) updates: Sender<(ProviderId, Update)>,
    pub(super) ended: Sender<Infallible>,
}

impl Channels {
    pub(super) fn new() -> Channels {
        let (plans, plans_in) = bounded(limits::SD_PLANS);
        let (updates, updates_in) = bounded(limits::SD_UPDATES);
        // Carries nothing: only its end is of interest.
        let (ended, ended_in) = bounded(1);
        let inboxes = Inboxes {
            plans: plans_in,
            updates: updates_in,
            ended: ended_in,
        };
        Channels {
            inboxes,
            plans,
            updates,
            ended,
        }
    }
}

/// Starts the thread.
pub(super) fn spawn(shell: Shell, inboxes: Inboxes) -> io::Result<std::thread::JoinHandle<()>> {
    crate::sys::thread::spawn("discovery", move || shell.run(&inboxes))
}
