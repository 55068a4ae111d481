//! What is held for a while and renewed: tokens, temporary keys. When to use it, when to fetch.
//!
//! Pure: the time is handed in, fetching is somebody else's affair.

use std::sync::Arc;
use std::time::Duration;

use crate::limits;
use crate::model::time::Mono;

/// Something that was granted.
#[derive(Clone, Debug)]
pub struct Granted<T> {
    /// What.
    pub grant: T,
    /// For how long; none for ever.
    pub lasts: Option<Duration>,
}

/// How the lease stands. `fetch` says that the caller has to fetch now; nobody else is told so
/// until the outcome is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State<T> {
    Ready { grant: T, fetch: bool },
    Pending { fetch: bool },
    Failed(Arc<str>),
}

/// A lease.
#[derive(Debug)]
pub(super) struct Lease<T> {
    held: Option<Held<T>>,
    failed: Option<Failed>,
    fetching: bool,
}

#[derive(Debug)]
struct Held<T> {
    grant: T,
    /// When to fetch the next one, and when not to use this one any more.
    renew: Mono,
    end: Mono,
}

#[derive(Debug)]
struct Failed {
    error: Arc<str>,
    retry: Mono,
    pause: Duration,
}

impl<T: Clone> Lease<T> {
    pub(super) const fn new() -> Lease<T> {
        Lease {
            held: None,
            failed: None,
            fetching: false,
        }
    }

    /// How it stands.
    pub(super) fn state(&mut self, now: Mono) -> State<T> {
        let may_fetch = self
            .failed
            .as_ref()
            .is_none_or(|failed| now >= failed.retry);
        let fetch = may_fetch && !self.fetching;
        match &self.held {
            Some(held) if now < held.end => {
                let fetch = fetch && now >= held.renew;
                self.fetching |= fetch;
                State::Ready {
                    grant: held.grant.clone(),
                    fetch,
                }
            }
            _ => {
                if let Some(failed) = self.failed.as_ref().filter(|_| !may_fetch) {
                    return State::Failed(Arc::clone(&failed.error));
                }
                self.fetching = true;
                State::Pending { fetch }
            }
        }
    }

    /// What is held, whether it may still be used or not.
    pub(super) fn held(&self) -> Option<&T> {
        self.held.as_ref().map(|held| &held.grant)
    }

    /// Takes the outcome of fetching.
    pub(super) fn settle(&mut self, now: Mono, outcome: Result<Granted<T>, Arc<str>>) {
        self.fetching = false;
        match outcome {
            Ok(Granted { grant, lasts }) => {
                let (renew, end) = match lasts {
                    None => (Mono::NEVER, Mono::NEVER),
                    Some(lasts) => (now + lasts - early(lasts), now + lasts - margin(lasts)),
                };
                self.held = Some(Held { grant, renew, end });
                self.failed = None;
            }
            Err(error) => {
                let before = self.failed.as_ref().map(|failed| failed.pause);
                let pause = before.map_or(limits::GRANT_RETRY_MIN, |pause| pause * 2);
                let pause = pause.min(limits::GRANT_RETRY_MAX);
                self.failed = Some(Failed {
                    error,
                    retry: now + pause,
                    pause,
                });
            }
        }
    }
}

/// How long before its end a grant is not used any more: clocks differ and requests take time.
fn margin(lasts: Duration) -> Duration {
    limits::GRANT_MARGIN.min(lasts / 4)
}

/// How long before its end the next one is fetched.
fn early(lasts: Duration) -> Duration {
    (lasts / 5).clamp(margin(lasts), limits::GRANT_RENEWAL.max(margin(lasts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Mono = Mono(1_000_000_000);

    fn hour() -> Result<Granted<u8>, Arc<str>> {
        Ok(Granted {
            grant: 1,
            lasts: Some(Duration::from_secs(3600)),
        })
    }

    fn at(seconds: u64) -> Mono {
        BEGIN + Duration::from_secs(seconds)
    }

    #[test]
    fn one_fetches_and_the_others_wait() {
        let mut lease = Lease::new();
        assert_eq!(lease.state(BEGIN), State::Pending { fetch: true });
        assert_eq!(lease.state(BEGIN), State::Pending { fetch: false });
        lease.settle(BEGIN, hour());
        let ready = |fetch| State::Ready { grant: 1, fetch };
        assert_eq!(lease.state(BEGIN), ready(false));
        assert_eq!(lease.state(at(3299)), ready(false));
        assert_eq!(lease.state(at(3300)), ready(true));
        assert_eq!(lease.state(at(3300)), ready(false));
        assert_eq!(lease.state(at(3589)), ready(false));
        assert_eq!(lease.state(at(3590)), State::Pending { fetch: false });
    }

    #[test]
    fn a_failure_is_told_until_it_is_time_to_try_again_and_costs_no_valid_grant() {
        let mut lease = Lease::<u8>::new();
        let error: Arc<str> = "no".into();
        let _pending = lease.state(BEGIN);
        lease.settle(BEGIN, Err(Arc::clone(&error)));
        assert_eq!(lease.state(BEGIN), State::Failed(Arc::clone(&error)));
        assert_eq!(lease.state(at(1)), State::Pending { fetch: true });
        lease.settle(at(1), Err(Arc::clone(&error)));
        assert_eq!(lease.state(at(2)), State::Failed(Arc::clone(&error)));
        assert_eq!(lease.state(at(3)), State::Pending { fetch: true });
        lease.settle(at(3), hour());
        assert_eq!(
            lease.state(at(3400)),
            State::Ready {
                grant: 1,
                fetch: true
            }
        );
        lease.settle(at(3400), Err(Arc::clone(&error)));
        assert_eq!(
            lease.state(at(3400)),
            State::Ready {
                grant: 1,
                fetch: false
            }
        );
        assert_eq!(
            lease.state(at(3401)),
            State::Ready {
                grant: 1,
                fetch: true
            }
        );
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut lease = Lease::<u8>::new();
        let mut now = BEGIN;
        for _ in 0..20 {
            let _pending = lease.state(now);
            lease.settle(now, Err("no".into()));
            now = now + limits::GRANT_RETRY_MAX;
            assert_eq!(lease.state(now), State::Pending { fetch: true });
        }
    }

    #[test]
    fn short_and_endless_grants_are_used() {
        let mut lease = Lease::new();
        lease.settle(
            BEGIN,
            Ok(Granted {
                grant: 1,
                lasts: Some(Duration::from_secs(4)),
            }),
        );
        assert!(matches!(
            lease.state(at(2)),
            State::Ready { fetch: false, .. }
        ));
        assert!(matches!(lease.state(at(3)), State::Pending { .. }));
        lease.settle(
            at(3),
            Ok(Granted {
                grant: 2,
                lasts: None,
            }),
        );
        let far = at(1_000_000_000);
        assert!(matches!(
            lease.state(far),
            State::Ready {
                grant: 2,
                fetch: false
            }
        ));
        lease.settle(
            far,
            Ok(Granted {
                grant: 3,
                lasts: Some(Duration::ZERO),
            }),
        );
        assert!(matches!(lease.state(far), State::Pending { .. }));
    }
}
