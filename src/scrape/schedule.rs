//! The core of the scheduler: which target is scraped when, and by which worker. Pure.
//!
//! A target keeps its slot within the interval over restarts ([`target::offset`]). Ticks that
//! could not be kept are dropped, never queued. A target that leaves discovery is kept for two
//! ticks and a tenth: if it is back by then nothing happened, else its series get staleness
//! markers stamped at the first tick it missed. A job that is removed gets its markers at once.
//! A target that comes takes over from the one of its job that left last with the same public
//! labels; what targets with those labels show that go on gets no markers.

mod order;

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

pub use self::order::{Order, Start};
use super::pool::{Pool, Sync};
use super::status::{LastScrape, PoolEntry, PoolTable, TargetEntry};
use super::target::{self, Target, TargetError};
use super::wheel::{Handle, Wheel};
use crate::config::scrape::ScrapeConfig;
use crate::limits;
use crate::model::series::TargetIdentity;
use crate::model::sorting;
use crate::model::target_group::TargetSets;
use crate::model::time::Mono;
use crate::model::timeline::EpochClock;
use crate::sys::published::Shared;

/// What the shell reports of one job's sync.
#[derive(Debug)]
pub struct SyncReport {
    /// The job.
    pub job: Arc<str>,
    /// Targets that could not be built, some of them.
    pub errors: Vec<TargetError>,
    /// How many could not be built.
    pub failed: usize,
    /// Targets that are scraped now.
    pub active: usize,
    /// Whether `target_limit` was exceeded.
    pub over_limit: bool,
}

/// What a job's configuration was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Configured {
    /// A job that was not there.
    New,
    /// Another version of a job that was there.
    Changed,
    /// What was there already.
    Same,
}

#[derive(Debug)]
struct Scheduled {
    target: Arc<Target>,
    worker: usize,
    timer: Handle,
    next: Mono,
    retired: bool,
    last: Shared<LastScrape>,
}

impl Scheduled {
    /// When a target that left is given up.
    fn end(&self) -> Mono {
        let interval = self.target.interval;
        self.next + interval + interval / 10
    }
}

#[derive(Debug)]
struct Job {
    name: Arc<str>,
    config: Arc<ScrapeConfig>,
    pool: Pool,
    refused: Option<Arc<str>>,
}

/// Targets with the same public labels; of those that left, the last one comes last.
#[derive(Debug, Default)]
struct Twins {
    active: Vec<u64>,
    retired: Vec<u64>,
}

/// All jobs, all targets, one wheel.
#[derive(Debug)]
pub struct Schedule {
    seed: u64,
    workers: usize,
    jobs: BTreeMap<Arc<str>, Job>,
    targets: HashMap<u64, Scheduled, FixedState>,
    /// Targets by the hash of their public labels.
    labels: HashMap<u64, Twins, FixedState>,
    wheel: Wheel<u64>,
    due: Vec<u64>,
    /// Targets whose end the wheel gave before its time, and when it comes.
    ending: Vec<(u64, Mono)>,
    orders: Vec<(usize, Order)>,
}

impl Schedule {
    /// An empty schedule for `workers` workers. `seed` spreads the targets of different agents.
    #[must_use]
    pub fn new(now: Mono, seed: u64, workers: usize) -> Schedule {
        Schedule {
            seed,
            workers: workers.max(1),
            jobs: BTreeMap::new(),
            targets: HashMap::with_hasher(FixedState::default()),
            labels: HashMap::with_hasher(FixedState::default()),
            wheel: Wheel::new(now),
            due: Vec::new(),
            ending: Vec::new(),
            orders: Vec::new(),
        }
    }

    /// When to call [`Schedule::advance`] next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        self.wheel.next_deadline()
    }

    /// Orders since the last call, in order, with the worker each is for.
    pub fn take_orders(&mut self) -> Vec<(usize, Order)> {
        std::mem::take(&mut self.orders)
    }

    /// Number of targets, those about to end included.
    #[must_use]
    pub fn target_count(&self) -> usize {
        self.targets.len()
    }

    /// Ends the jobs that a configuration lacks.
    pub fn retain(&mut self, now: Mono, configs: &[Arc<ScrapeConfig>]) {
        let gone = self.jobs.extract_if(.., |name, _| {
            !configs.iter().any(|config| *config.job_name == **name)
        });
        let gone: Vec<Job> = gone.map(|(_, job)| job).collect();
        for job in &gone {
            self.finish_job(now, &job.name);
        }
    }

    /// Takes a job on, or its new version; the discovered state must be applied right after.
    pub fn configure(&mut self, config: &Arc<ScrapeConfig>) -> Configured {
        match self.jobs.get_mut(config.job_name.as_str()) {
            None => {
                let name: Arc<str> = config.job_name.as_str().into();
                let job = Job {
                    name: Arc::clone(&name),
                    config: Arc::clone(config),
                    pool: Pool::default(),
                    refused: None,
                };
                self.jobs.insert(name, job);
                Configured::New
            }
            Some(job) if job.config != *config => {
                job.config = Arc::clone(config);
                let name = Arc::clone(&job.name);
                self.reconfigure_targets(&name, config);
                Configured::Changed
            }
            Some(_) => Configured::Same,
        }
    }

    fn reconfigure_targets(&mut self, job: &str, config: &Arc<ScrapeConfig>) {
        let own = self
            .targets
            .iter()
            .filter(|(_, entry)| *entry.target.identity.job == *job);
        self.orders.extend(own.map(|(id, entry)| {
            (
                entry.worker,
                Order::Configure {
                    id: *id,
                    config: Arc::clone(config),
                },
            )
        }));
    }

    fn finish_job(&mut self, now: Mono, job: &str) {
        let own = self
            .targets
            .extract_if(|_, entry| *entry.target.identity.job == *job);
        for (_, entry) in own {
            self.wheel.cancel(entry.timer);
            release(&mut self.labels, &entry);
            let order = finish(&self.labels, &entry, now);
            self.orders.push((entry.worker, order));
        }
    }

    /// The names of all jobs.
    #[must_use]
    pub fn jobs(&self) -> Vec<Arc<str>> {
        self.jobs.keys().map(Arc::clone).collect()
    }

    /// Applies the discovered state to a job. None if there is no such job.
    pub fn apply(
        &mut self,
        now: Mono,
        epoch: &EpochClock,
        name: &Arc<str>,
        sets: &TargetSets,
    ) -> Option<SyncReport> {
        let job = self.jobs.get_mut(name)?;
        let groups = sets.get(&**name).map_or(&[][..], Vec::as_slice);
        let Sync {
            added,
            removed,
            errors,
            failed,
            over_limit,
        } = job.pool.sync(&job.config, name, groups);
        job.refused = over_limit.map(Arc::from);
        let config = Arc::clone(&job.config);
        let (active, refused) = (job.pool.active().count(), job.refused.is_some());
        // First, so that those that come find whom they take over from.
        for target in removed {
            self.retire(target.identity.id);
        }
        for target in added {
            self.start(now, epoch, &target, &config);
        }
        Some(SyncReport {
            job: Arc::clone(name),
            errors,
            failed,
            active,
            over_limit: refused,
        })
    }

    fn start(
        &mut self,
        now: Mono,
        epoch: &EpochClock,
        target: &Arc<Target>,
        config: &Arc<ScrapeConfig>,
    ) {
        let id = target.identity.id;
        if let Some(known) = self.targets.get_mut(&id) {
            // It left and is back before its markers were written.
            self.wheel.cancel(known.timer);
            release(&mut self.labels, known);
            known.retired = false;
            // Its next slot may have been ordered ahead.
            known.next = first_tick(now, epoch, target, self.seed).max(known.next);
            known.timer = self.wheel.insert(id, known.next);
            let twins = self.labels.entry(target.identity.labels.hash64());
            twins.or_default().active.push(id);
            return;
        }
        let old = self.predecessor(&target.identity);
        let inherited = old.and_then(|old| self.targets.remove(&old));
        if let Some(old) = &inherited {
            self.wheel.cancel(old.timer);
            release(&mut self.labels, old);
        }
        let label_hash = target.identity.labels.hash64();
        // Pinned by what samples carry, so that a target and its heir share a worker.
        let worker = (label_hash % self.workers as u64) as usize;
        let next = first_tick(now, epoch, target, self.seed);
        let timer = self.wheel.insert(id, next);
        let last = inherited.as_ref().map_or_else(
            || Shared::new(LastScrape::default()),
            |old| old.last.clone(),
        );
        self.labels.entry(label_hash).or_default().active.push(id);
        let start = Start {
            target: Arc::clone(target),
            config: Arc::clone(config),
            inherit: inherited.map(|old| old.target.identity.id),
            last: last.clone(),
        };
        self.orders.push((worker, Order::Start(Box::new(start))));
        let target = Arc::clone(target);
        self.targets.insert(
            id,
            Scheduled {
                target,
                worker,
                timer,
                next,
                retired: false,
                last,
            },
        );
    }

    /// The target of the same job and with the same public labels that left last.
    fn predecessor(&self, identity: &TargetIdentity) -> Option<u64> {
        let twins = self.labels.get(&identity.labels.hash64())?;
        let same = |id: &&u64| {
            let own = self.targets.get(*id).map(|entry| &entry.target.identity);
            own.is_some_and(|own| own.job == identity.job && own.labels == identity.labels)
        };
        twins.retired.iter().rev().find(same).copied()
    }

    fn retire(&mut self, id: u64) {
        let Some(entry) = self.targets.get_mut(&id) else {
            return;
        };
        if entry.retired {
            return;
        }
        release(&mut self.labels, entry);
        entry.retired = true;
        let twins = self.labels.entry(entry.target.identity.labels.hash64());
        twins.or_default().retired.push(id);
        self.wheel.cancel(entry.timer);
        entry.timer = self.wheel.insert(id, entry.end());
    }

    /// Moves on to `now`: orders the scrapes that are due and ends targets that stayed away. When
    /// there are some, scrapes that are due soon are ordered with them.
    pub fn advance(&mut self, now: Mono) {
        if !self.advance_to(now, now) {
            return;
        }
        let horizon = now + limits::SCRAPE_AHEAD;
        // One deadline after the other: a short interval has several of them.
        while let Some(next) = self.wheel.next_deadline().filter(|next| *next <= horizon) {
            self.advance_to(now, next);
        }
        for (id, end) in std::mem::take(&mut self.ending) {
            if let Some(entry) = self.targets.get_mut(&id) {
                entry.timer = self.wheel.insert(id, end);
            }
        }
    }

    /// Ticks what the wheel has up to `reach`. False if that is nothing.
    fn advance_to(&mut self, now: Mono, reach: Mono) -> bool {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(reach, &mut due);
        let any = !due.is_empty();
        for id in due.drain(..) {
            self.tick(now, id);
        }
        self.due = due;
        any
    }

    fn tick(&mut self, now: Mono, id: u64) {
        let Some(entry) = self.targets.get_mut(&id) else {
            return;
        };
        let (worker, scheduled) = (entry.worker, entry.next);
        if entry.retired && now < entry.end() {
            self.ending.push((id, entry.end()));
            return;
        }
        if entry.retired {
            release(&mut self.labels, entry);
            let order = finish(&self.labels, entry, scheduled);
            self.orders.push((worker, order));
            self.targets.remove(&id);
            return;
        }
        let interval = entry.target.interval;
        entry.next = scheduled + interval;
        if entry.next <= now {
            let missed = now.since(scheduled).as_nanos() / interval.as_nanos().max(1);
            let missed = u32::try_from(missed).unwrap_or(u32::MAX);
            entry.next = scheduled + interval.saturating_mul(missed.saturating_add(1));
        }
        entry.timer = self.wheel.insert(id, entry.next);
        let refused = self
            .jobs
            .get(&entry.target.identity.job)
            .and_then(|job| job.refused.clone());
        self.orders.push((
            worker,
            Order::Scrape {
                id,
                scheduled,
                refused,
            },
        ));
    }

    /// The state for the status API.
    #[must_use]
    pub fn table(&self) -> PoolTable {
        let entry = |target: &Arc<Target>| {
            let last = self
                .targets
                .get(&target.identity.id)
                .map(|entry| entry.last.clone());
            TargetEntry {
                identity: Arc::clone(&target.identity),
                discovered: Arc::clone(&target.discovered),
                url: Arc::clone(&target.url),
                interval: target.interval,
                timeout: target.timeout,
                last: last.unwrap_or_else(|| Shared::new(LastScrape::default())),
            }
        };
        let pool = |job: &Job| PoolEntry {
            active: job.pool.active().map(entry).collect(),
            dropped: job.pool.dropped().to_vec(),
            dropped_count: job.pool.dropped_count(),
        };
        let jobs = self.jobs.iter();
        sorting::map(jobs.map(|(name, job)| (Arc::clone(name), pool(job))))
    }
}

/// Takes a target out of those with its labels.
fn release(labels: &mut HashMap<u64, Twins, FixedState>, entry: &Scheduled) {
    let identity = &entry.target.identity;
    let hash = identity.labels.hash64();
    let Some(twins) = labels.get_mut(&hash) else {
        return;
    };
    let own = match entry.retired {
        true => &mut twins.retired,
        false => &mut twins.active,
    };
    own.retain(|id| *id != identity.id);
    if twins.active.is_empty() && twins.retired.is_empty() {
        labels.remove(&hash);
    }
}

/// The order to give up a target that was released, with markers at that time.
fn finish(labels: &HashMap<u64, Twins, FixedState>, entry: &Scheduled, at: Mono) -> Order {
    let identity = &entry.target.identity;
    let twins = labels.get(&identity.labels.hash64());
    let twins = twins.map_or(&[][..], |twins| &twins.active);
    let few = twins.len() <= limits::SCRAPE_TWINS_MAX;
    Order::Finish {
        id: identity.id,
        markers: few.then_some(at),
        twins: if few { twins.to_vec() } else { Vec::new() },
    }
}

/// The target's next slot on the wall clock, in whole milliseconds as samples are stamped.
fn first_tick(now: Mono, epoch: &EpochClock, target: &Target, seed: u64) -> Mono {
    let interval = target.interval.as_millis().max(1);
    let offset = target::offset(target.identity.id, target.interval, seed).as_millis();
    let wall = epoch.wall(now).0.max(0) as u128;
    let wait = (offset + interval - wall % interval) % interval;
    Mono::from_millis(now.as_millis() + u64::try_from(wait).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
