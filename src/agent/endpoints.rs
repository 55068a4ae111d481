//! The remote-write endpoints of the configuration in force.
//!
//! A reload changes an endpoint in place: its queue keeps its position. An endpoint that is gone
//! flushes in the background; its position is remembered for a week. If it comes back meanwhile, the
//! flush is cut short first: a queue has one sender.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use crate::config::Config;
use crate::config::remote_write::RemoteWriteConfig;
use crate::limits;
use crate::model::block::Sequence;
use crate::model::labels::Labels;
use crate::net::resolve::Resolver;
use crate::remote::metadata::MetadataSource;
use crate::remote::metrics::Incoming;
use crate::remote::{Cutter, EndpointHandle, EndpointSpec, EndpointStatus};
use crate::sys::clock::Clock;
use crate::sys::fs::Storage;
use crate::sys::jitter::Jitter;
use crate::sys::published::Shared;
use crate::sys::thread;
use crate::telemetry::budget::MemoryBudget;
use crate::telemetry::registry::Registry;
use crate::wal::{Queue, Registration, Totals, Wal};

/// What every endpoint uses of the world.
pub(super) struct EndpointEnv {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) registry: Registry,
    pub(super) resolver: Resolver,
    pub(super) metadata: Arc<dyn MetadataSource>,
    /// Counts what endpoints take in together.
    pub(super) incoming: Arc<Incoming>,
    pub(super) user_agent: String,
    /// Disk and folder of the files of refused samples.
    pub(super) storage: Arc<dyn Storage>,
    pub(super) rejected_dir: PathBuf,
    pub(super) flush_deadline: Duration,
    pub(super) memory: MemoryBudget,
}

/// A running endpoint with its seat at the log.
struct Running {
    handle: EndpointHandle,
    config: Arc<RemoteWriteConfig>,
    external_labels: Labels,
    totals: Shared<Totals>,
    before: Totals,
    registration: Registration,
}

/// An endpoint that the configuration no longer has, while it flushes.
struct Retiring {
    name: String,
    cutter: Cutter,
    /// Disconnected when it has ended and given its seat back.
    ended: Receiver<()>,
}

impl Retiring {
    fn has_ended(&self) -> bool {
        self.ended.try_recv() == Err(TryRecvError::Disconnected)
    }
}

/// All endpoints. Clones share them: the web side reads their status.
#[derive(Clone)]
pub(super) struct Endpoints {
    running: Shared<Vec<Running>>,
    retiring: Shared<Vec<Retiring>>,
}

impl Endpoints {
    pub(super) fn new() -> Endpoints {
        Endpoints {
            running: Shared::new(Vec::new()),
            retiring: Shared::new(Vec::new()),
        }
    }

    /// The status of each, in the order of the configuration.
    pub(super) fn status(&self) -> Vec<EndpointStatus> {
        self.running
            .with(|running| running.iter().map(|own| own.handle.status()).collect())
    }

    /// Whether an endpoint's thread has ended though nobody stopped it.
    pub(super) fn has_died(&self) -> bool {
        self.running
            .with(|running| running.iter().any(|own| own.handle.is_finished()))
    }

    /// Leaves the counts of settled samples where the log stores them with the positions.
    pub(super) fn note_totals(&self) {
        self.running
            .with(|running| running.iter().for_each(Running::note_totals));
    }

    /// Gives every endpoint of a configuration its place at the log, which is behind what the log
    /// has now: up to the block that is returned. To be called before anything new comes, so that an
    /// endpoint which is new misses nothing while it and others start.
    pub(super) fn take_places(config: &Config, wal: &Wal) -> Sequence {
        for wanted in &config.remote_write {
            // The place stays when the registration goes.
            drop(wal.register_queue(&wanted.name));
        }
        wal.status().load().progress.taken
    }

    /// Brings the endpoints in line with a configuration. New ones may have sent what the log has up
    /// to `sent_before` when they ran last.
    ///
    /// # Errors
    /// One text for all endpoints that could not be started or changed; the others are in line.
    pub(super) fn apply(
        &self,
        config: &Config,
        wal: &Wal,
        env: &EndpointEnv,
        sent_before: Sequence,
    ) -> Result<(), String> {
        let mut old = self.running.with(std::mem::take);
        let (mut next, mut problems) = (Vec::new(), Vec::new());
        for wanted in &config.remote_write {
            let labels = &config.global.external_labels;
            let known = old.iter().position(|own| own.config.name == wanted.name);
            let result = match known.map(|index| old.remove(index)) {
                Some(mut own) => {
                    let changed = own.change(wanted, labels);
                    next.push(own);
                    changed
                }
                None => {
                    self.cut_retiring(&wanted.name);
                    start(wanted, labels, (wal, sent_before), env).map(|own| next.push(own))
                }
            };
            if let Err(error) = result {
                problems.push(format!("remote_write {:?}: {error}", wanted.name));
            }
        }
        self.running.with(|running| *running = next);
        for own in old {
            self.retire(own, env.flush_deadline);
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("; "))
        }
    }

    /// Stops an endpoint that the configuration no longer has, without making the reload wait.
    fn retire(&self, own: Running, flush_deadline: Duration) {
        let name = own.config.name.clone();
        log::info!(component = "remote", remote_name = name.as_str(); "Endpoint removed; its position is kept for a week");
        let cutter = own.handle.cutter();
        // Nothing is ever sent: its end is the message.
        let (running, ended) = bounded::<()>(1);
        let stopping = thread::spawn("rw-stop", move || {
            own.stop(flush_deadline);
            drop(running);
        });
        if let Err(error) = stopping {
            log::error!(component = "remote", err = error.to_string(); "Cannot wait for a removed endpoint");
            cutter.cut();
        }
        self.retiring.with(|retiring| {
            retiring.retain(|own| !own.has_ended());
            retiring.push(Retiring {
                name,
                cutter,
                ended,
            });
        });
    }

    /// Ends the flush of a former endpoint of that name. One that hangs in a call of the system is
    /// left behind: it sends nothing more.
    fn cut_retiring(&self, name: &str) {
        let retiring = self.retiring.with(std::mem::take);
        let (own, others): (Vec<_>, Vec<_>) =
            retiring.into_iter().partition(|own| own.name == name);
        self.retiring.with(|retiring| *retiring = others);
        for former in &own {
            former.cutter.cut();
            let _late = former.ended.recv_timeout(limits::REMOTE_STOP_PATIENCE);
        }
    }

    /// Begins to stop all endpoints; the receiver is disconnected when all have.
    pub(super) fn stop(&self, flush_deadline: Duration) -> Receiver<()> {
        let running = self.running.with(std::mem::take);
        let (done, finished) = bounded(1);
        for own in &running {
            own.handle.request_stop(flush_deadline);
        }
        for own in running {
            let done = done.clone();
            let stopping = thread::spawn("rw-stop", move || {
                own.stop(flush_deadline);
                drop(done);
            });
            if let Err(error) = stopping {
                log::error!(component = "remote", err = error.to_string(); "Cannot wait for an endpoint");
            }
        }
        finished
    }
}

impl Running {
    fn change(&mut self, wanted: &Arc<RemoteWriteConfig>, labels: &Labels) -> io::Result<()> {
        if self.config == *wanted && self.external_labels == *labels {
            return Ok(());
        }
        let counted = counts(&self.handle.status());
        self.handle.reconfigure(wanted, labels.clone())?;
        self.before = carried(self.before, counted, counts(&self.handle.status()));
        self.config = Arc::clone(wanted);
        self.external_labels = labels.clone();
        Ok(())
    }

    fn note_totals(&self) {
        let status = self.handle.status();
        let now = Totals {
            acknowledged: self.before.acknowledged + status.acknowledged_samples,
            abandoned: self.before.abandoned + status.lost_samples,
        };
        self.totals.with(|totals| *totals = now);
    }

    fn stop(self, flush_deadline: Duration) {
        let name = self.config.name.clone();
        self.note_totals();
        let report = self.handle.stop(flush_deadline);
        if !report.flushed {
            log::info!(
                component = "remote", remote_name = name.as_str(),
                settled_up_to = report.settled_up_to.0;
                "Endpoint stopped before everything was sent; the rest is in the log"
            );
        }
        drop(self.registration);
    }
}

/// Samples acknowledged and lost.
fn counts(status: &EndpointStatus) -> (u64, u64) {
    (status.acknowledged_samples, status.lost_samples)
}

/// What came before the present counts, when an endpoint with other labels counts anew (or goes on
/// where it once was): the sum stays.
fn carried(before: Totals, old: (u64, u64), new: (u64, u64)) -> Totals {
    let moved = |before: u64, old: u64, new: u64| (before + old).saturating_sub(new);
    Totals {
        acknowledged: moved(before.acknowledged, old.0, new.0),
        abandoned: moved(before.abandoned, old.1, new.1),
    }
}

fn start(
    config: &Arc<RemoteWriteConfig>,
    labels: &Labels,
    (wal, sent_before): (&Wal, Sequence),
    env: &EndpointEnv,
) -> io::Result<Running> {
    let Queue {
        source,
        settled,
        totals,
        wake,
        start,
        registration,
    } = wal.register_queue(&config.name);
    let before = totals.with(|totals| *totals);
    let handle = crate::remote::start(EndpointSpec {
        config: Arc::clone(config),
        external_labels: labels.clone(),
        source,
        settled,
        start: start.floor(),
        sent_before,
        wake,
        timeline: wal.timeline(),
        metadata: Arc::clone(&env.metadata),
        clock: Arc::clone(&env.clock),
        jitter: Jitter::from_system(),
        registry: env.registry.clone(),
        incoming: Arc::clone(&env.incoming),
        user_agent: env.user_agent.clone(),
        losses: wal.losses(),
        rejected: Some((Arc::clone(&env.storage), env.rejected_dir.clone())),
        memory: env.memory.clone(),
        resolver: Some(env.resolver.clone()),
    })?;
    Ok(Running {
        handle,
        config: Arc::clone(config),
        external_labels: labels.clone(),
        totals,
        before,
        registration,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_on_when_an_endpoint_counts_anew() {
        let before = Totals {
            acknowledged: 100,
            abandoned: 1,
        };
        let after = carried(before, (50, 2), (0, 0));
        assert_eq!((after.acknowledged, after.abandoned), (150, 3));
        let back = carried(after, (10, 0), (50, 2));
        assert_eq!((back.acknowledged, back.abandoned), (110, 1));
    }
}
