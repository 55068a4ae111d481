//! The loop around providers that wait for news themselves: starts them again when they fail.
//!
//! # Thread
//! - Owns: the provider and what it remembers. Inbox: its own. Outbox: updates, blocks when full.
//! - Waits on: whatever the provider watches. Deadlines: the provider's, the pause after a failure.
//!   Stops when: the stop channel closes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::outlet::Outlet;
use super::provider::Watch;
use crate::limits;
use crate::sys::jitter::Jitter;

/// A run of this length was a healthy one: the next pause is the shortest again.
const HEALTHY: Duration = limits::SD_RETRY_MAX;

/// Watches until the outlet is stopped.
pub(super) fn run(mut provider: Box<dyn Watch>, mut jitter: Jitter, outlet: &Outlet) {
    let mut pause = limits::SD_RETRY_MIN;
    while !outlet.stopped() {
        let began = outlet.clock().mono();
        match catch_unwind(AssertUnwindSafe(|| provider.run(outlet))) {
            Ok(_) if outlet.stopped() => return,
            Ok(Ok(())) => {}
            Ok(Err(error)) => outlet.failed(&*error),
            Err(payload) => outlet.panicked(&*payload),
        }
        if outlet.clock().mono().since(began) >= HEALTHY {
            pause = limits::SD_RETRY_MIN;
        }
        if !outlet.wait(pause.mul_f64(0.5 + jitter.fraction())) {
            return;
        }
        pause = (pause * 2).min(limits::SD_RETRY_MAX);
    }
}
