//! Finds targets: providers look around, the manager keeps what they found, the latest whole
//! state is published.
//!
//! ```text
//! sd-file-1 --+ updates                           published sets
//! sd-http-2 --+---------> discovery (manager) ----------------> reader, woken
//! sd-dns-3 ---+               ^ plans
//! ```
//!
//! It does not relabel, does not judge addresses and does not know who reads the sets. A provider
//! that fails or panics keeps its last groups and harms no other.

pub mod group;
pub mod keyed;
pub mod manager;
pub mod metrics;
pub mod outlet;
pub mod plan;
pub mod provider;
pub mod refresh;
pub mod registry;
mod running;
pub mod status;
pub mod targets;
#[cfg(test)]
mod testing;
mod thread;
pub mod watch;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use self::plan::Plan;
use self::provider::ProviderContext;
use self::running::Hall;
use self::status::{Board, ProviderStatus};
use self::thread::{Channels, Outboxes, Shell};
use crate::model::target_group::TargetSets;
use crate::net::dns::resolver::ResolverSource;
use crate::sys::clock::Clock;
use crate::sys::jitter::Jitter;
use crate::sys::published::Published;
use crate::sys::pulse::Pulse;
use crate::telemetry::registry::Registry;

/// What discovery uses of the world.
#[derive(Clone, Debug)]
pub struct DiscoveryEnv {
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Where its metrics go.
    pub registry: Registry,
    /// Seed of all its randomness; unpredictable outside of tests, because it numbers DNS
    /// questions.
    pub jitter_seed: u64,
    /// What HTTP clients call themselves.
    pub user_agent: String,
    /// Where DNS servers are found.
    pub resolver: ResolverSource,
    /// Pause between two publications of changes: `limits::SD_COALESCE`, or the flag
    /// `--scrape.discovery-reload-interval`.
    pub coalesce: Duration,
}

/// Discovery under way.
#[derive(Debug)]
pub struct DiscoveryHandle {
    plans: Option<Sender<Plan>>,
    thread: Option<JoinHandle<()>>,
    sets: Published<TargetSets>,
    wake: Receiver<()>,
    board: Board,
    pulse: Pulse,
}

/// Starts discovery with a first plan.
///
/// # Errors
/// When the system gives no thread.
pub fn start(plan: Plan, env: DiscoveryEnv) -> io::Result<DiscoveryHandle> {
    let channels = Channels::new();
    let board = Board::default();
    let sets = Published::new(TargetSets::new());
    let (wake, woken) = bounded(1);
    let hall = Hall {
        context: ProviderContext {
            clock: env.clock,
            registry: env.registry,
            jitter: Jitter::seeded(env.jitter_seed),
            user_agent: env.user_agent.into(),
            resolver: env.resolver,
        },
        updates: channels.updates,
        ended: channels.ended,
        board: board.clone(),
    };
    let out = Outboxes {
        sets: sets.clone(),
        wake,
        board: board.clone(),
    };
    let shell = Shell::new(hall, out, env.coalesce);
    let pulse = shell.pulse();
    let thread = thread::spawn(shell, channels.inboxes)?;
    let handle = DiscoveryHandle {
        plans: Some(channels.plans),
        thread: Some(thread),
        sets,
        wake: woken,
        board,
        pulse,
    };
    handle.apply(plan);
    Ok(handle)
}

impl DiscoveryHandle {
    /// Makes another plan the one in force. Providers that are in both go on and keep what they
    /// found. False when the discovery thread is gone.
    pub fn apply(&self, plan: Plan) -> bool {
        self.plans
            .as_ref()
            .is_some_and(|plans| plans.send(plan).is_ok())
    }

    /// The latest whole state, and a channel that says when to look at it again; the channel is
    /// disconnected when discovery has ended.
    #[must_use]
    pub fn output(&self) -> (Published<TargetSets>, Receiver<()>) {
        (self.sets.clone(), self.wake.clone())
    }

    /// The state of all providers.
    #[must_use]
    pub fn status(&self) -> Vec<ProviderStatus> {
        self.board.snapshot()
    }

    /// The state of all providers, for a reader on another thread.
    #[must_use]
    pub fn board(&self) -> Board {
        self.board.clone()
    }

    /// How the discovery thread does. Providers have timeouts of their own.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Whether the thread has ended though nobody stopped it.
    #[must_use]
    pub fn has_died(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Begins to stop the providers, without waiting for them.
    pub fn request_stop(&mut self) {
        self.plans = None;
    }

    /// Stops the providers and waits for them, at most `limits::SD_STOP`. The sets stay published.
    ///
    /// # Errors
    /// The payload, when the discovery thread had panicked.
    pub fn stop(mut self) -> std::thread::Result<()> {
        self.request_stop();
        self.thread.take().map_or(Ok(()), JoinHandle::join)
    }
}

#[cfg(test)]
mod tests;
