//! The engine's threads: one scheduler and a fixed number of workers.
//!
//! # Thread
//! `scheduler` owns the [`Schedule`]. Inbox: configurations (1; the sender waits) and a wake-up
//! for new target sets (coalescing). Outbox: the workers' mailboxes; a full one delays changes
//! and loses scrapes, which are counted as missed. Waits on: both, and the wheel's next deadline.
//! Stops when: the handle is dropped; dropping the mailboxes then ends the workers.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select};

use super::metrics::ScrapeMetrics;
use super::pool_metrics::PoolMetrics;
use super::report::ReportSeries;
use super::schedule::{Configured, Order, Schedule, SyncReport};
use super::status::{PoolTable, Status};
use super::target_loop::Shared;
use super::worker::{self, WorkerEnv};
use crate::config::scrape::ScrapeConfig;
use crate::model::source::BlockSink;
use crate::model::target_group::TargetSets;
use crate::model::timeline::EpochClock;
use crate::net::resolve::Resolver;
use crate::sys::clock::Clock;
use crate::sys::mailbox::MailSender;
use crate::sys::published::Published;
use crate::sys::pulse::{Beat, Pulse, pulse};
use crate::telemetry::budget::MemoryBudget;
use crate::telemetry::registry::Registry;

/// What the engine uses of the world.
pub struct ScrapeEnv {
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Where its metrics go.
    pub registry: Registry,
    /// Where blocks go.
    pub sink: Arc<dyn BlockSink>,
    /// Looks names up.
    pub resolver: Resolver,
    /// The current epoch.
    pub epoch: Published<EpochClock>,
    /// Discovered targets, and a wake-up when they change.
    pub targets: (Published<TargetSets>, Receiver<()>),
    /// Number of workers.
    pub workers: usize,
    /// Spreads the scrapes of different agents.
    pub seed: u64,
    /// What requests say of their sender.
    pub user_agent: String,
    /// `out_of_order_time_window` in milliseconds.
    pub out_of_order_window_ms: i64,
    /// The memory budget.
    pub memory: MemoryBudget,
    /// How late a scrape may begin and still get its scheduled time; zero for never.
    pub timestamp_tolerance: Duration,
}

impl std::fmt::Debug for ScrapeEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScrapeEnv")
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

/// A configuration for the scheduler.
type Configs = Vec<Arc<ScrapeConfig>>;

/// The running engine.
#[derive(Debug)]
pub struct ScrapeHandle {
    configs: Option<Sender<Configs>>,
    threads: Vec<JoinHandle<()>>,
    pulses: Vec<Pulse>,
    status: Status,
}

impl ScrapeHandle {
    /// Applies the jobs of a new configuration. Targets that stay are not disturbed.
    pub fn configure(&self, configs: Configs) {
        if let Some(sender) = &self.configs {
            // Fails only if the scheduler is gone, which main notices by joining it.
            let _gone = sender.send(configs);
        }
    }

    /// All pools with their targets.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.clone()
    }

    /// How each thread of the engine does.
    #[must_use]
    pub fn pulses(&self) -> Vec<Pulse> {
        self.pulses.clone()
    }

    /// Whether a thread of the engine has ended though nobody stopped it.
    #[must_use]
    pub fn has_died(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Cuts the scrapes under way and ends the threads. No staleness markers are written.
    pub fn stop(mut self) {
        self.configs = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!(component = "scrape"; "BUG: a scrape thread panicked");
            }
        }
    }
}

/// Starts the engine with the jobs of a configuration.
///
/// # Errors
/// When the system gives no threads or polls.
pub fn start(configs: Configs, env: ScrapeEnv) -> io::Result<ScrapeHandle> {
    let metrics = ScrapeMetrics::new(&env.registry);
    let shared = Shared {
        interner: super::cache::interner::Interner::default(),
        report: ReportSeries::default(),
        out_of_order_window_ms: env.out_of_order_window_ms,
        memory: env.memory.clone(),
        offender: super::offender::Offender::default(),
    };
    let (mut workers, mut threads, mut pulses) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..env.workers.max(1) {
        let worker_env = WorkerEnv {
            clock: Arc::clone(&env.clock),
            sink: Arc::clone(&env.sink),
            resolver: env.resolver.clone(),
            epoch: env.epoch.clone(),
            shared: shared.clone(),
            metrics: metrics.clone(),
            user_agent: env.user_agent.clone(),
            timestamp_tolerance: env.timestamp_tolerance,
        };
        let spawned = worker::spawn(number, worker_env)?;
        workers.push(spawned.mailbox);
        threads.push(spawned.thread);
        pulses.push(spawned.pulse);
    }
    let (sender, inbox) = bounded(1);
    let status = Status::new(PoolTable::new());
    metrics.metadata.follow(&env.registry, status.clone());
    let schedule = Schedule::new(env.clock.mono(), env.seed, workers.len());
    let (beat, pulse) = pulse("scheduler");
    pulses.push(pulse);
    let scheduler = Scheduler {
        beat,
        schedule,
        workers,
        env,
        metrics,
        pools: BTreeMap::new(),
        status: status.clone(),
    };
    threads.push(crate::sys::thread::spawn("scheduler", move || {
        scheduler.run(&configs, &inbox);
    })?);
    Ok(ScrapeHandle {
        configs: Some(sender),
        threads,
        pulses,
        status,
    })
}

struct Scheduler {
    beat: Beat,
    schedule: Schedule,
    workers: Vec<MailSender<Order>>,
    env: ScrapeEnv,
    metrics: ScrapeMetrics,
    pools: BTreeMap<Arc<str>, PoolMetrics>,
    status: Status,
}

impl Scheduler {
    fn run(mut self, configs: &Configs, inbox: &Receiver<Configs>) {
        self.configure(configs);
        let wake = self.env.targets.1.clone();
        loop {
            let now = self.env.clock.mono();
            self.beat.work();
            self.schedule.advance(now);
            self.deliver();
            let next = self.schedule.next_deadline();
            let wait = next.map_or(Duration::from_secs(3600), |next| next.since(now));
            self.beat.rest();
            select! {
                recv(inbox) -> configs => match configs {
                    Ok(configs) => self.configure(&configs),
                    Err(_) => return,
                },
                recv(wake) -> woken => match woken {
                    Ok(()) => self.apply_targets(),
                    // Discovery has ended: only the end of this thread can follow.
                    Err(_) => match inbox.recv() {
                        Ok(configs) => self.configure(&configs),
                        Err(_) => return,
                    },
                },
                default(wait) => {}
            }
        }
    }

    fn configure(&mut self, configs: &Configs) {
        self.beat.work();
        self.schedule.retain(self.env.clock.mono(), configs);
        self.pools
            .retain(|name, _| configs.iter().any(|config| *config.job_name == **name));
        for config in configs {
            let name: Arc<str> = config.job_name.as_str().into();
            let pool = self.pools.entry(Arc::clone(&name)).or_insert_with(|| {
                self.metrics.pools.inc();
                PoolMetrics::new(&self.env.registry, &name, &self.metrics.metadata)
            });
            pool.target_limit.set(config.limits.targets as f64);
            let began = self.env.clock.mono();
            if self.schedule.configure(config) == Configured::Changed {
                let took = self.env.clock.mono().since(began);
                self.metrics.reloaded(config, took);
            }
        }
        self.apply_targets();
    }

    fn apply_targets(&mut self) {
        self.beat.work();
        let sets = self.env.targets.0.load();
        let epoch = self.env.epoch.load();
        for job in self.schedule.jobs() {
            let now = self.env.clock.mono();
            if let Some(report) = self.schedule.apply(now, &epoch, &job, &sets) {
                self.note(&report, self.env.clock.mono().since(now));
            }
        }
        self.status.publish(self.schedule.table());
    }

    fn note(&self, report: &SyncReport, took: Duration) {
        let job = &*report.job;
        if let Some(pool) = self.pools.get(&report.job) {
            pool.synced(took);
            pool.targets.set(report.active as f64);
            pool.sync_failed.add(report.failed as f64);
        }
        for error in &report.errors {
            let error = error.to_string();
            log::error!(component = "scrape manager", scrape_pool = job, err = error; "Creating target failed");
        }
        if report.over_limit {
            self.metrics.target_limit.inc();
        }
    }

    fn deliver(&mut self) {
        for (worker, order) in self.schedule.take_orders() {
            let Some(mailbox) = self.workers.get(worker) else {
                continue;
            };
            if !matches!(order, Order::Scrape { .. }) {
                mailbox.send(order);
            } else if let Err(TrySendError::Full(_)) = mailbox.try_send(order) {
                self.metrics.missed.inc();
            }
        }
    }
}
