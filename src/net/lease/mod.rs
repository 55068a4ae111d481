//! Grants that are fetched from elsewhere, kept and renewed: OAuth2 tokens, temporary keys of AWS.
//!
//! Nobody who needs a grant fetches it: a thread does that exists only meanwhile, one at most for
//! each source. Who needs one either finds it there, is called when it is known how things stand, or
//! waits with a deadline. A server that hangs therefore costs those alone that need its grants, and a
//! server that fails is asked again after pauses that grow.
//!
//! # Thread
//! Owns: nothing; the outcome goes to the lease. Inbox: none. Outbox: the waiters' callbacks, which
//! must not block. Waits on: the network, as long as the issuer's time limits say.
//! Stops when: the outcome is known.

mod core;
mod shared;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

pub use self::core::Granted;
use self::core::{Lease, State};
pub use self::shared::Shared;
use crate::limits;
use crate::model::time::Mono;
use crate::sys::clock::Clock;
use crate::sys::thread;
use crate::telemetry::limited::RateLimit;
use crate::telemetry::registry::Registry;

/// Fetches grants; may block.
pub trait Issuer<T>: Send + Sync {
    /// Fetches one.
    ///
    /// # Errors
    /// Why there is none, without secrets.
    fn issue(&self) -> Result<Granted<T>, String>;
}

/// Called once it is known how things stand. Must not block.
pub type Waiter = Box<dyn FnOnce() + Send>;

/// How things stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing<T> {
    /// There is a grant.
    Ready(T),
    /// It is being fetched.
    Pending,
    /// There is none, for this reason.
    Failed(Arc<str>),
}

/// What sort of grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tokens of OAuth2.
    OAuth2,
    /// Keys of AWS.
    Aws,
}

impl Kind {
    const ALL: [Kind; 2] = [Kind::OAuth2, Kind::Aws];

    const fn name(self) -> &'static str {
        match self {
            Kind::OAuth2 => "oauth2",
            Kind::Aws => "aws",
        }
    }
}

/// Fetched grants and failures of the process, by kind.
static FETCHED: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
static FAILED: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Shows in `registry` what was fetched.
pub fn register(registry: &Registry) {
    for (counts, name, help) in [
        (
            &FETCHED,
            "narthex_credentials_fetched_total",
            "Tokens and temporary keys that were fetched.",
        ),
        (
            &FAILED,
            "narthex_credentials_failures_total",
            "Tokens and temporary keys that could not be fetched.",
        ),
    ] {
        let counters = Kind::ALL.map(|kind| registry.counter(name, help, &[("kind", kind.name())]));
        registry.on_render(move || {
            for (counter, count) in counters.iter().zip(counts) {
                counter.add(count.load(Ordering::Relaxed) as f64 - counter.get());
            }
        });
    }
}

/// Where grants come from. Clones share the grant.
pub struct Source<T>(Arc<Inner<T>>);

struct Inner<T> {
    kind: Kind,
    /// What the log calls it.
    name: String,
    issuer: Box<dyn Issuer<T>>,
    clock: Arc<dyn Clock>,
    desk: Mutex<Desk<T>>,
    changed: Condvar,
}

struct Desk<T> {
    lease: Lease<T>,
    waiters: Vec<Waiter>,
    complaint: RateLimit,
}

impl<T> Clone for Source<T> {
    fn clone(&self) -> Source<T> {
        Source(Arc::clone(&self.0))
    }
}

impl<T> std::fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.0.kind, self.0.name)
    }
}

impl<T: Clone + Send + 'static> Source<T> {
    /// A source; nothing is fetched yet. `name` must hold no secret.
    pub fn new(
        kind: Kind,
        name: String,
        issuer: Box<dyn Issuer<T>>,
        clock: Arc<dyn Clock>,
    ) -> Source<T> {
        let desk = Desk {
            lease: Lease::new(),
            waiters: Vec::new(),
            complaint: RateLimit::new(limits::GRANT_COMPLAINT_INTERVAL),
        };
        Source(Arc::new(Inner {
            kind,
            name,
            issuer,
            clock,
            desk: Mutex::new(desk),
            changed: Condvar::new(),
        }))
    }

    /// How things stand now. Begins to fetch if it is time.
    #[must_use]
    pub fn standing(&self) -> Standing<T> {
        self.look(None)
    }

    /// The same; while a grant is being fetched, `waiter` is called at the end of that, else never.
    pub fn standing_or(&self, waiter: Waiter) -> Standing<T> {
        self.look(Some(waiter))
    }

    /// Waits until it is known how things stand, `deadline` has passed or `is_over` says so.
    pub fn wait(&self, deadline: Mono, is_over: impl Fn() -> bool) -> Standing<T> {
        loop {
            let standing = self.standing();
            let left = deadline.since(self.0.clock.mono());
            if !matches!(standing, Standing::Pending) || left.is_zero() || is_over() {
                return standing;
            }
            let mut desk = self.0.desk.lock();
            // The outcome may have come in between; then the next look finds it.
            let turn = left.min(limits::GRANT_WAIT_TURN);
            let _late = self.0.changed.wait_for(&mut desk, turn);
        }
    }

    /// What is held, for hiding it.
    #[must_use]
    pub fn held(&self) -> Option<T> {
        self.0.desk.lock().lease.held().cloned()
    }

    fn look(&self, waiter: Option<Waiter>) -> Standing<T> {
        let mut desk = self.0.desk.lock();
        let (standing, fetch) = match desk.lease.state(self.0.clock.mono()) {
            State::Ready { grant, fetch } => (Standing::Ready(grant), fetch),
            State::Failed(error) => (Standing::Failed(error), false),
            State::Pending { fetch } => {
                desk.waiters.extend(waiter);
                (Standing::Pending, fetch)
            }
        };
        drop(desk);
        if fetch {
            self.fetch();
        }
        standing
    }

    fn fetch(&self) {
        let own = self.clone();
        let spawned = thread::spawn("credentials", move || own.settle(own.issue()));
        if let Err(error) = spawned {
            self.settle(Err(format!("no thread: {error}")));
        }
    }

    /// A panic of the issuer must not leave everybody waiting.
    fn issue(&self) -> Result<Granted<T>, String> {
        let issue = std::panic::AssertUnwindSafe(|| self.0.issuer.issue());
        std::panic::catch_unwind(issue).unwrap_or_else(|_| Err("internal error".to_owned()))
    }

    fn settle(&self, outcome: Result<Granted<T>, String>) {
        let inner = &self.0;
        // Taken as a failure, or the next one would be fetched at once, for ever.
        let outcome = outcome.and_then(|granted| match granted.lasts {
            Some(lasts) if lasts < limits::GRANT_RETRY_MIN => {
                Err("what was granted has ended; is the clock right?".to_owned())
            }
            _ => Ok(granted),
        });
        let counts = if outcome.is_ok() { &FETCHED } else { &FAILED };
        counts[inner.kind as usize].fetch_add(1, Ordering::Relaxed);
        let now = inner.clock.mono();
        let outcome = outcome.map_err(Arc::<str>::from);
        let mut desk = inner.desk.lock();
        if let Err(error) = &outcome
            && let Some(more) = desk.complaint.allow(now)
        {
            log::warn!(component = "auth", kind = inner.kind.name(), source = inner.name.as_str(),
                err = &**error, suppressed = more; "Cannot get credentials");
        }
        desk.lease.settle(now, outcome);
        let waiters = std::mem::take(&mut desk.waiters);
        drop(desk);
        inner.changed.notify_all();
        for waiter in waiters {
            waiter();
        }
    }
}

#[cfg(test)]
mod tests;
