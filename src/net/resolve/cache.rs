//! What is known about names: the core of the resolver, without threads or clock.
//!
//! Addresses are fresh for [`limits::RESOLVER_FRESH`]. After that they are looked up again, once
//! for all who ask, and served stale meanwhile or when that fails: on an edge host the name server
//! is often behind the link that is down, while the targets are not.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::ResolveError;
use crate::limits;
use crate::model::time::Mono;

/// Addresses of a name, at least one.
pub type Addresses = Arc<[IpAddr]>;

/// What a lookup yields.
pub type Resolution = Result<Addresses, ResolveError>;

/// Receives the answer, on a resolver thread; must not block.
pub type Waiter = Box<dyn FnOnce(Resolution) + Send>;

/// What to do about a question.
pub(super) enum Action {
    /// Answer now; look the name up if asked to.
    Answer(Resolution, Waiter, Option<Query>),
    /// The answer is on its way, or will be when this is looked up.
    Wait(Option<Query>),
}

/// A name to look up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) name: Arc<str>,
    /// Whether the last lookup was slow or failed.
    pub(super) slow: bool,
}

#[derive(Default)]
pub(super) struct Cache {
    // Order never shows: names are found by key, and evicted by time with the name as tie-break.
    names: HashMap<Arc<str>, Entry>,
    /// Answers that were no longer fresh.
    pub(super) stale_answers: u64,
}

#[derive(Default)]
struct Entry {
    addresses: Option<Addresses>,
    failure: Option<ResolveError>,
    /// Until when nothing needs to be looked up.
    settled_until: Mono,
    /// When the addresses stopped or stop being fresh.
    fresh_until: Mono,
    asked: Mono,
    slow: bool,
    in_flight: bool,
    waiters: Vec<Waiter>,
}

impl Cache {
    pub(super) fn ask(&mut self, now: Mono, name: &str, waiter: Waiter) -> Action {
        let key = match self.names.get_key_value(name) {
            Some((key, _)) => Arc::clone(key),
            None => self.insert(name),
        };
        let entry = self.names.entry(Arc::clone(&key)).or_default();
        entry.asked = now;
        let settled = now < entry.settled_until;
        let query = (!settled && !entry.in_flight).then_some(Query {
            name: key,
            slow: entry.slow,
        });
        entry.in_flight |= query.is_some();
        if let Some(addresses) = entry.usable(now, settled) {
            self.stale_answers += u64::from(now >= entry.fresh_until);
            return Action::Answer(Ok(addresses), waiter, query);
        }
        if settled && let Some(failure) = &entry.failure {
            return Action::Answer(Err(failure.clone()), waiter, query);
        }
        if entry.waiters.len() >= limits::RESOLVER_WAITERS {
            return Action::Answer(Err(ResolveError::Busy), waiter, query);
        }
        entry.waiters.push(waiter);
        Action::Wait(query)
    }

    /// The answer, if it is known and nothing needs to be looked up.
    pub(super) fn known(&mut self, now: Mono, name: &str) -> Option<Resolution> {
        let entry = self
            .names
            .get_mut(name)
            .filter(|entry| now < entry.settled_until)?;
        entry.asked = now;
        self.stale_answers += u64::from(entry.addresses.is_some() && now >= entry.fresh_until);
        let failure = || entry.failure.clone().map(Err);
        entry.addresses.clone().map(Ok).or_else(failure)
    }

    /// Takes in what a lookup found and gives back who waits for it.
    pub(super) fn answer(
        &mut self,
        now: Mono,
        name: &str,
        found: Resolution,
        took: Duration,
    ) -> Option<(Resolution, Vec<Waiter>)> {
        let entry = self.names.get_mut(name)?;
        entry.in_flight = false;
        entry.slow = found.is_err() || took > limits::RESOLVER_SLOW;
        let waiters = std::mem::take(&mut entry.waiters);
        match found {
            Ok(addresses) => {
                entry.fresh_until = now + limits::RESOLVER_FRESH;
                entry.settled_until = entry.fresh_until;
                entry.addresses = Some(Arc::clone(&addresses));
                entry.failure = None;
                Some((Ok(addresses), waiters))
            }
            Err(failure) => {
                entry.settled_until = now + limits::RESOLVER_RETRY;
                entry.failure = Some(failure.clone());
                self.stale_answers += entry.addresses.as_ref().map_or(0, |_| waiters.len() as u64);
                Some((entry.addresses.clone().ok_or(failure), waiters))
            }
        }
    }

    /// Takes back a query that could not be queued, and gives back who waited for it.
    pub(super) fn refuse(&mut self, name: &str) -> Vec<Waiter> {
        self.names.get_mut(name).map_or_else(Vec::new, |entry| {
            entry.in_flight = false;
            std::mem::take(&mut entry.waiters)
        })
    }

    fn insert(&mut self, name: &str) -> Arc<str> {
        if self.names.len() >= limits::RESOLVER_NAMES {
            let idle = self.names.iter().filter(|(_, entry)| !entry.in_flight);
            let oldest = idle.min_by_key(|(name, entry)| (entry.asked, Arc::clone(name)));
            if let Some(oldest) = oldest.map(|(name, _)| Arc::clone(name)) {
                self.names.remove(&oldest);
            }
        }
        Arc::from(name)
    }
}

impl Entry {
    /// Addresses that may be used without waiting for a lookup.
    fn usable(&self, now: Mono, settled: bool) -> Option<Addresses> {
        let recent = now < self.fresh_until + limits::RESOLVER_STALE_AT_ONCE;
        self.addresses.clone().filter(|_| settled || recent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn found(last: u8) -> Resolution {
        Ok([IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))].into())
    }

    fn ask(cache: &mut Cache, seconds: u64, name: &str) -> (Option<Resolution>, bool) {
        match cache.ask(at(seconds), name, Box::new(|_| ())) {
            Action::Answer(resolution, _, query) => (Some(resolution), query.is_some()),
            Action::Wait(query) => (None, query.is_some()),
        }
    }

    fn tell(cache: &mut Cache, seconds: u64, resolution: Resolution) -> (Resolution, usize) {
        let told = cache.answer(at(seconds), "h", resolution, Duration::ZERO);
        let (resolution, waiters) = told.expect("known");
        (resolution, waiters.len())
    }

    fn at(seconds: u64) -> Mono {
        Mono::from_millis(seconds * 1000)
    }

    fn failure() -> ResolveError {
        ResolveError::NotFound {
            name: "h".to_owned(),
        }
    }

    #[test]
    fn many_askers_share_one_lookup() {
        let mut cache = Cache::default();
        assert_eq!(ask(&mut cache, 1, "h"), (None, true));
        assert_eq!(ask(&mut cache, 1, "h"), (None, false));
        assert_eq!(tell(&mut cache, 1, found(1)), (found(1), 2));
        assert_eq!(ask(&mut cache, 30, "h"), (Some(found(1)), false));
        assert_eq!(cache.known(at(30), "h"), Some(found(1)));
        assert_eq!(cache.known(at(31), "h"), None);
    }

    #[test]
    fn recently_stale_addresses_are_served_while_they_are_renewed() {
        let mut cache = Cache::default();
        ask(&mut cache, 1, "h");
        assert_eq!(tell(&mut cache, 1, found(1)).0, found(1));
        assert_eq!(ask(&mut cache, 60, "h"), (Some(found(1)), true));
        assert_eq!(ask(&mut cache, 61, "h"), (Some(found(1)), false));
        assert_eq!(cache.stale_answers, 2);
        assert_eq!(tell(&mut cache, 62, found(2)).0, found(2));
        assert_eq!(ask(&mut cache, 63, "h"), (Some(found(2)), false));
    }

    #[test]
    fn old_addresses_wait_for_the_lookup_but_outlive_its_failure() {
        let mut cache = Cache::default();
        ask(&mut cache, 1, "h");
        assert_eq!(tell(&mut cache, 1, found(1)).0, found(1));
        assert_eq!(ask(&mut cache, 100_000, "h"), (None, true));
        assert_eq!(tell(&mut cache, 100_001, Err(failure())), (found(1), 1));
        assert_eq!(ask(&mut cache, 100_002, "h"), (Some(found(1)), false));
        assert_eq!(ask(&mut cache, 100_009, "h"), (None, true));
    }

    #[test]
    fn failures_are_remembered_for_a_moment_and_mark_the_name_slow() {
        let mut cache = Cache::default();
        ask(&mut cache, 1, "h");
        assert_eq!(tell(&mut cache, 1, Err(failure())), (Err(failure()), 1));
        assert_eq!(ask(&mut cache, 3, "h"), (Some(Err(failure())), false));
        let Action::Wait(Some(query)) = cache.ask(at(7), "h", Box::new(|_| ())) else {
            panic!("not looked up again");
        };
        assert!(query.slow);
    }

    #[test]
    fn names_and_waiters_are_bounded() {
        let mut cache = Cache::default();
        for number in 0..=limits::RESOLVER_NAMES {
            let name = format!("h{number}");
            ask(&mut cache, 1, &name);
            cache.refuse(&name);
        }
        assert_eq!(cache.names.len(), limits::RESOLVER_NAMES);
        for _ in 0..limits::RESOLVER_WAITERS {
            assert_eq!(ask(&mut cache, 2, "h").0, None);
        }
        assert_eq!(
            ask(&mut cache, 2, "h"),
            (Some(Err(ResolveError::Busy)), false)
        );
        assert_eq!(cache.refuse("h").len(), limits::RESOLVER_WAITERS);
    }
}
