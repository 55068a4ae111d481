//! `narthex discover`: what the discovery of a configuration finds, and what relabelling makes of
//! it, without scraping anything.
//!
//! The providers, the manager and the building of targets are those of the agent; only what
//! follows them is missing. [`snapshot`] says what would be scraped, [`changes`] compares two of
//! those, [`text`] and [`json`] write them.
//!
//! # Thread
//! The caller's. Inbox: signals, the wake-up of discovery. Waits on: both, and
//! [`limits::PREVIEW_TICK`]. Stops when: every provider has answered, the time is over, or a signal
//! says so.

pub mod changes;
pub mod json;
pub mod snapshot;
pub mod text;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, select};

use self::changes::Change;
use self::snapshot::Snapshot;
use crate::config::Config;
use crate::discovery::plan::Plan;
use crate::discovery::status::ProviderStatus;
use crate::discovery::{self, DiscoveryEnv, DiscoveryHandle};
use crate::limits;
use crate::model::time::{Mono, Wall};
use crate::net::dns::resolver::ResolverSource;
use crate::sys::clock::Clock;
use crate::sys::jitter::Jitter;
use crate::sys::signal::Signal;
use crate::telemetry::registry::Registry;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The only job to look at.
    pub job: Option<String>,
    /// How long to look; while watching, without end if there is none.
    pub timeout: Option<Duration>,
    /// Go on and show what changes.
    pub watch: bool,
    /// JSON instead of text.
    pub json: bool,
}

/// What it uses of the world.
pub struct Env<'a> {
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// What HTTP clients call themselves.
    pub user_agent: String,
    /// INT or TERM ends it.
    pub signals: Receiver<Signal>,
    /// Where it writes.
    pub out: &'a mut dyn Write,
}

impl std::fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").finish_non_exhaustive()
    }
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every provider answered, and every target can be scraped or was dropped on purpose.
    Fine,
    /// Something is wrong, and was shown.
    Flawed,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The job is not in the configuration.
    #[error("there is no job {wanted:?}; the configuration has: {there}")]
    NoSuchJob {
        /// What was asked for.
        wanted: String,
        /// The names of all jobs.
        there: String,
    },
    /// The system gives no thread.
    #[error("cannot start discovery: {0}")]
    Start(io::Error),
    /// The output is closed.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Runs the discovery of a configuration and shows what it finds.
///
/// # Errors
/// When there is nothing to run, or nobody to show it to.
pub fn run(
    config: &Config,
    plan: &Plan,
    options: &Options,
    env: Env<'_>,
) -> Result<Verdict, PreviewError> {
    let plan = match &options.job {
        None => plan.clone(),
        Some(job) => plan.only(job).ok_or_else(|| no_such_job(job, plan))?,
    };
    let discovery_env = DiscoveryEnv {
        clock: Arc::clone(&env.clock),
        registry: Registry::default(),
        jitter_seed: Jitter::from_system().next_u64(),
        user_agent: env.user_agent.clone(),
        resolver: ResolverSource::default(),
        coalesce: limits::PREVIEW_COALESCE,
    };
    let providers = plan.providers.len();
    let discovery = discovery::start(plan, discovery_env).map_err(PreviewError::Start)?;
    let mut viewer = Viewer {
        config,
        options,
        discovery: &discovery,
        providers,
        env,
    };
    let verdict = if options.watch {
        viewer.watch()
    } else {
        viewer.look()
    };
    // A provider that hangs is left behind; the process ends anyway.
    let _panicked = discovery.stop();
    Ok(verdict?)
}

fn no_such_job(wanted: &str, plan: &Plan) -> PreviewError {
    let names: Vec<String> = plan
        .jobs
        .iter()
        .map(|job| format!("{:?}", job.name))
        .collect();
    PreviewError::NoSuchJob {
        wanted: wanted.to_owned(),
        there: names.join(", "),
    }
}

/// What can be seen at one moment.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Groups and targets.
    pub snapshot: Snapshot,
    /// The providers.
    pub providers: Vec<ProviderStatus>,
}

impl Seen {
    /// Whether every provider has answered, and what it answered is in the snapshot.
    fn is_complete(&self) -> bool {
        self.providers.iter().all(|provider| provider.is_published)
    }

    fn verdict(&self) -> Verdict {
        let failed = |provider: &ProviderStatus| provider.last_error.is_some();
        let flawed = self.providers.iter().any(failed) || self.snapshot.is_flawed();
        if self.is_complete() && !flawed {
            Verdict::Fine
        } else {
            Verdict::Flawed
        }
    }
}

struct Viewer<'a, 'e> {
    config: &'a Config,
    options: &'a Options,
    discovery: &'a DiscoveryHandle,
    /// How many providers there are.
    providers: usize,
    env: Env<'e>,
}

impl Viewer<'_, '_> {
    /// What there is now.
    fn see(&self) -> Seen {
        // In this order: what the board says is published is in the sets that are read after it.
        let providers = self.discovery.status();
        let sets = self.discovery.output().0.load();
        Seen {
            snapshot: Snapshot::new(self.config, self.options.job.as_deref(), &sets),
            providers,
        }
    }

    /// Waits for something to look at. False when it is time to end.
    fn wait(&self, deadline: Mono) -> bool {
        let (_, wake) = self.discovery.output();
        select! {
            recv(self.env.signals) -> signal => {
                if !matches!(signal, Ok(Signal::Reload)) {
                    return false;
                }
            }
            recv(wake) -> _woken => {}
            default(limits::PREVIEW_TICK) => {}
        }
        !self.discovery.has_died() && self.env.clock.mono() < deadline
    }

    /// Waits for all answers and shows them once.
    fn look(&mut self) -> io::Result<Verdict> {
        let timeout = self.options.timeout.unwrap_or(limits::PREVIEW_TIMEOUT);
        let deadline = self.env.clock.mono() + timeout;
        // A provider is on the board as soon as the plan has reached discovery.
        let answered = |status: &[ProviderStatus]| {
            let published = status.iter().filter(|provider| provider.is_published);
            published.count()
        };
        while answered(&self.discovery.status()) < self.providers {
            if !self.wait(deadline) {
                break;
            }
        }
        // A moment more: a provider may deliver and then say what was wrong with a part of it.
        let _over = self.wait(deadline);
        let seen = self.see();
        let text = if self.options.json {
            json::whole(&seen)
        } else {
            text::whole(&seen)
        };
        self.write(&text)?;
        Ok(seen.verdict())
    }

    /// Shows everything there is, and then what changes, until told to end.
    fn watch(&mut self) -> io::Result<Verdict> {
        let deadline = self.options.timeout;
        let deadline = deadline.map_or(Mono::NEVER, |timeout| self.env.clock.mono() + timeout);
        let mut seen = Seen::default();
        loop {
            let goes_on = self.wait(deadline);
            let next = self.see();
            let changes = changes::between(&seen, &next);
            self.show(&changes, self.env.clock.wall())?;
            seen = next;
            if !goes_on {
                return Ok(seen.verdict());
            }
        }
    }

    fn show(&mut self, changes: &[Change<'_>], now: Wall) -> io::Result<()> {
        let write = if self.options.json {
            json::change
        } else {
            text::change
        };
        let lines: String = changes.iter().map(|change| write(change, now)).collect();
        self.write(&lines)
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.env.out.write_all(text.as_bytes())?;
        self.env.out.flush()
    }
}

#[cfg(test)]
mod tests;
