//! Waiting on a condition with a deadline.
//!
//! The only file of the harness that asks the system for the time, starts a thread or sleeps:
//! nothing else may wait for a fixed time, because a fixed time is too long on a good day and too
//! short on a bad one.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Long enough for anything that does happen, on a machine that is busy building.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The monotonic clock.
pub(crate) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the one clock of the harness")]
    Instant::now()
}

/// The wall clock, in milliseconds since 1970.
pub(crate) fn wall_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the one clock of the harness")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("a clock after 1970").as_millis()).expect("a sane clock")
}

/// Probes until there is an answer, or `None` after `limit`.
pub(crate) fn try_until<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = now() + limit;
    loop {
        if let Some(answer) = probe() {
            return Some(answer);
        }
        if now() >= deadline {
            return None;
        }
        #[expect(clippy::disallowed_methods, reason = "the one polling helper")]
        std::thread::sleep(POLL);
    }
}

/// Probes until there is an answer; fails the test, saying what was waited for, after `limit`.
pub(crate) fn until<T>(what: &str, limit: Duration, probe: impl FnMut() -> Option<T>) -> T {
    try_until(limit, probe).unwrap_or_else(|| panic!("waited {limit:?} in vain for {what}"))
}

/// Waits until `condition` holds; fails the test after `limit`.
pub(crate) fn until_true(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    until(what, limit, || condition().then_some(()));
}

/// Starts a thread that the test does not wait for: servers end by their sockets.
pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) {
    drop(narthex::sys::thread::spawn(name, body).expect("a thread"));
}
