//! Threads and the clock, for both ends that the agents talk to.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Starts a thread with a small stack: there are hundreds.
#[expect(clippy::disallowed_methods, reason = "a bench, not the agent")]
pub(crate) fn spawn(body: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(body)
        .expect("thread");
}

/// The time, for differences.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970, as samples carry them.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}
