//! The resolver: names to addresses on a few threads of their own, with a cache.
//!
//! `getaddrinfo` blocks for as long as it likes, so nobody else calls it. Answers go to a callback,
//! or to the calling thread with a deadline. Addresses need no lookup. A name that hangs holds one
//! thread at most; a name known to be slow never holds the last one.
//!
//! # Thread
//! Owns: nothing but its current lookup; the cache is shared behind a lock held without blocking.
//! Inbox: names ([`limits::RESOLVER_QUEUE`] quick, as many slow); when full, refused and counted.
//! Outbox: the waiters' callbacks, which must not block.
//! Waits on: its inbox. Deadlines: those of the system's resolver.
//! Stops when: every [`Resolver`] is dropped and the lookup under way has ended.

mod cache;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use dns_lookup::LookupErrorKind;

use self::cache::{Action, Cache, Query};
pub use self::cache::{Addresses, Resolution, Waiter};
use crate::limits;
use crate::sys::clock::Clock;
use crate::sys::published::Shared;
use crate::telemetry::registry::{Counter, Registry};

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name does not exist or has no address.
    #[error("lookup {name}: no such host")]
    NotFound {
        /// The name.
        name: String,
    },
    /// The name servers could not tell.
    #[error("lookup {name}: {reason}")]
    Failed {
        /// The name.
        name: String,
        /// The system's word.
        reason: String,
    },
    /// Too many names are being looked up already.
    #[error("resolver busy")]
    Busy,
    /// No answer before the caller's deadline.
    #[error("lookup {name}: i/o timeout")]
    Timeout {
        /// The name.
        name: String,
    },
    /// The resolver was stopped.
    #[error("resolver stopped")]
    Stopped,
}

/// What looks a name up; replaced in tests.
pub type Lookup = dyn Fn(&str) -> Result<Vec<IpAddr>, ResolveError> + Send + Sync;

/// A handle to the resolver threads. Clones share them.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    cache: Shared<Cache>,
    quick: Sender<Query>,
    slow: Sender<Query>,
    clock: Arc<dyn Clock>,
    refused: Arc<Counter>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    /// Starts the threads. They end by themselves some time after the last handle is dropped;
    /// joining them may take as long as the system's resolver does.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> io::Result<(Resolver, Vec<JoinHandle<()>>)> {
        Resolver::start_with(clock, registry, &(Arc::new(system_lookup) as Arc<Lookup>))
    }

    /// The same with another source of addresses.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start_with(
        clock: Arc<dyn Clock>,
        registry: &Registry,
        lookup: &Arc<Lookup>,
    ) -> io::Result<(Resolver, Vec<JoinHandle<()>>)> {
        // When full, the name is refused and counted.
        let (quick, quick_inbox) = bounded(limits::RESOLVER_QUEUE);
        let (slow, slow_inbox) = bounded(limits::RESOLVER_QUEUE);
        let cache = Shared::new(Cache::default());
        count_stale(registry, &cache);
        let mut threads = Vec::new();
        for number in 0..limits::RESOLVER_THREADS {
            let last = number + 1 == limits::RESOLVER_THREADS;
            let worker = Worker {
                quick: quick_inbox.clone(),
                slow: (!last).then(|| slow_inbox.clone()),
                cache: cache.clone(),
                clock: Arc::clone(&clock),
                lookup: Arc::clone(lookup),
                lookups: lookup_counters(registry),
            };
            let name = format!("resolver-{number}");
            threads.push(crate::sys::thread::spawn(&name, move || worker.run())?);
        }
        let refused = registry.counter(
            "narthex_resolver_refused_total",
            "Names not looked up because too many others were waiting.",
            &[],
        );
        let inner = Inner {
            cache,
            quick,
            slow,
            clock,
            refused,
        };
        Ok((Resolver(Arc::new(inner)), threads))
    }

    /// The answer, if it is known or `name` is an address; without any lookup.
    #[must_use]
    pub fn known(&self, name: &str) -> Option<Resolution> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return Some(Ok([address].into()));
        }
        let now = self.0.clock.mono();
        self.0.cache.with(|cache| cache.known(now, name))
    }

    /// Has `waiter` called with the addresses of `name`, at once on this thread if they are known,
    /// later on a resolver thread if not.
    pub fn ask(&self, name: &str, waiter: Waiter) {
        if let Ok(address) = name.parse::<IpAddr>() {
            return waiter(Ok([address].into()));
        }
        let inner = &self.0;
        let now = inner.clock.mono();
        let query = match inner.cache.with(|cache| cache.ask(now, name, waiter)) {
            Action::Answer(resolution, waiter, query) => {
                waiter(resolution);
                query
            }
            Action::Wait(query) => query,
        };
        let Some(query) = query else { return };
        let queue = if query.slow {
            &inner.slow
        } else {
            &inner.quick
        };
        if let Err(unsent) = queue.try_send(query) {
            inner.refused.inc();
            let name = unsent.into_inner().name;
            for waiter in inner.cache.with(|cache| cache.refuse(&name)) {
                waiter(Err(ResolveError::Busy));
            }
        }
    }

    /// The addresses of `name`, waiting for them at most `timeout`.
    ///
    /// # Errors
    /// When there are none in time.
    pub fn lookup(&self, name: &str, timeout: Duration) -> Resolution {
        // One message; a caller that gave up is not there to take it, and the send fails.
        let (sender, answer) = bounded(1);
        self.ask(
            name,
            Box::new(move |resolution| {
                let _gone = sender.try_send(resolution);
            }),
        );
        match answer.recv_timeout(timeout) {
            Ok(resolution) => resolution,
            Err(RecvTimeoutError::Timeout) => Err(ResolveError::Timeout {
                name: name.to_owned(),
            }),
            Err(RecvTimeoutError::Disconnected) => Err(ResolveError::Stopped),
        }
    }
}

fn count_stale(registry: &Registry, cache: &Shared<Cache>) {
    let counter = registry.counter(
        "narthex_resolver_stale_answers_total",
        "Addresses served after they had stopped being fresh.",
        &[],
    );
    let cache = cache.clone();
    registry.on_render(move || {
        let total = cache.with(|cache| cache.stale_answers);
        counter.add(total as f64 - counter.get());
    });
}

/// Counters of lookups that succeeded and failed.
fn lookup_counters(registry: &Registry) -> [Arc<Counter>; 2] {
    ["success", "failure"].map(|outcome| {
        registry.counter(
            "narthex_resolver_lookups_total",
            "Lookups of names by outcome.",
            &[("outcome", outcome)],
        )
    })
}

/// Asks the system.
fn system_lookup(name: &str) -> Result<Vec<IpAddr>, ResolveError> {
    match dns_lookup::lookup_host(name) {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(match error.kind() {
            LookupErrorKind::NoName | LookupErrorKind::NoData => ResolveError::NotFound {
                name: name.to_owned(),
            },
            _ => ResolveError::Failed {
                name: name.to_owned(),
                reason: io::Error::from(error).to_string(),
            },
        }),
    }
}

/// Looks a name up on the calling thread, for as long as the system takes.
///
/// # Errors
/// When it has no address.
pub fn lookup_here(name: &str) -> Resolution {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok([address].into());
    }
    system_lookup(name).and_then(|found| distinct(name, found))
}

/// Without repetitions, bounded, in the order of preference the system gave.
fn distinct(name: &str, found: Vec<IpAddr>) -> Resolution {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) && addresses.len() < limits::RESOLVER_ADDRESSES {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(ResolveError::NotFound {
            name: name.to_owned(),
        });
    }
    Ok(addresses.into())
}

struct Worker {
    quick: Receiver<Query>,
    slow: Option<Receiver<Query>>,
    cache: Shared<Cache>,
    clock: Arc<dyn Clock>,
    lookup: Arc<Lookup>,
    lookups: [Arc<Counter>; 2],
}

impl Worker {
    fn run(&self) {
        while let Some(query) = self.next() {
            let began = self.clock.mono();
            let found = (self.lookup)(&query.name);
            let found = found.and_then(|found| distinct(&query.name, found));
            self.lookups[usize::from(found.is_err())].inc();
            let now = self.clock.mono();
            let told = self
                .cache
                .with(|cache| cache.answer(now, &query.name, found, now.since(began)));
            // Outside the lock: a waiter may ask again.
            let Some((resolution, waiters)) = told else {
                continue;
            };
            for waiter in waiters {
                waiter(resolution.clone());
            }
        }
    }

    fn next(&self) -> Option<Query> {
        match &self.slow {
            None => self.quick.recv().ok(),
            Some(slow) => select! {
                recv(self.quick) -> query => query.ok(),
                recv(slow) -> query => query.ok(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::testing::PATIENCE;
    use crate::sys::clock::SystemClock;

    fn resolver(
        lookup: impl Fn(&str) -> Result<Vec<IpAddr>, ResolveError> + Send + Sync + 'static,
    ) -> Resolver {
        let clock = Arc::new(SystemClock);
        let lookup: Arc<Lookup> = Arc::new(lookup);
        let started = Resolver::start_with(clock, &Registry::default(), &lookup);
        started.expect("started").0
    }

    #[test]
    fn addresses_need_no_lookup_and_localhost_is_found() {
        let resolver = resolver(|name| panic!("{name} looked up"));
        let found = resolver.lookup("::1", PATIENCE).expect("address");
        assert_eq!(found[0].to_string(), "::1");
        assert!(lookup_here("localhost").expect("found")[0].is_loopback());
    }

    #[test]
    fn a_name_that_hangs_does_not_stop_the_others() {
        let (release, hang) = bounded::<()>(0);
        let resolver = resolver(move |name| {
            if name == "hangs" {
                let _released = hang.recv_timeout(PATIENCE);
            }
            Ok(vec![[10, 0, 0, 1].into()])
        });
        let short = Duration::from_millis(20);
        let hanging = resolver.lookup("hangs", short);
        assert_eq!(
            hanging.expect_err("no answer").to_string(),
            "lookup hangs: i/o timeout"
        );
        for name in ["a", "b", "c"] {
            assert!(resolver.lookup(name, PATIENCE).is_ok(), "{name}");
        }
        drop(release);
        assert!(resolver.lookup("hangs", PATIENCE).is_ok());
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let (_release, hang) = bounded::<()>(0);
        let resolver = resolver(move |_| {
            let _released = hang.recv_timeout(PATIENCE);
            Ok(Vec::new())
        });
        let (sender, answers) = bounded(2 * limits::RESOLVER_QUEUE);
        for number in 0..2 * limits::RESOLVER_QUEUE {
            let sender = sender.clone();
            let waiter = Box::new(move |answer| sender.try_send(answer).expect("room"));
            resolver.ask(&format!("h{number}"), waiter);
        }
        let refused = answers.recv_timeout(PATIENCE).expect("answer");
        assert_eq!(refused, Err(ResolveError::Busy));
    }

    #[test]
    fn the_threads_end_with_the_last_handle() {
        let clock = Arc::new(SystemClock);
        let (resolver, threads) = Resolver::start(clock, &Registry::default()).expect("started");
        let other = resolver.clone();
        drop(resolver);
        drop(other);
        for thread in threads {
            thread.join().expect("joined");
        }
    }
}
