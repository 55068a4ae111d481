//! What the threads of one endpoint tell one another and the status page: numbers that one writes
//! and others read, none of which any other state depends on.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use super::status::{LastError, SendState};
use crate::model::time::{Mono, Wall};
use crate::sys::published::Shared;

/// Shared by an endpoint's thread, its shards and its handle.
#[derive(Debug)]
pub struct Progress {
    flush: AtomicBool,
    cut: AtomicBool,
    acknowledgements: AtomicU64,
    sent_samples: AtomicU64,
    busy_nanos: AtomicU64,
    last_sent: AtomicU64,
    calm_from: AtomicU64,
    highest_sent_ms: AtomicI64,
    highest_read_ms: AtomicI64,
    state: AtomicU8,
    last_error: Shared<Option<LastError>>,
}

impl Default for Progress {
    fn default() -> Self {
        Progress {
            flush: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            acknowledgements: AtomicU64::new(0),
            sent_samples: AtomicU64::new(0),
            busy_nanos: AtomicU64::new(0),
            last_sent: AtomicU64::new(0),
            calm_from: AtomicU64::new(0),
            highest_sent_ms: AtomicI64::new(i64::MIN),
            highest_read_ms: AtomicI64::new(i64::MIN),
            state: AtomicU8::new(SendState::Idle as u8),
            last_error: Shared::new(None),
        }
    }
}

fn wall(millis: i64) -> Option<Wall> {
    (millis != i64::MIN).then_some(Wall(millis))
}

impl Progress {
    /// Batches no longer wait to be filled.
    pub fn begin_flush(&self) {
        self.flush.store(true, Ordering::Release);
    }

    /// Whether batches leave unfilled.
    #[must_use]
    pub fn flushing(&self) -> bool {
        self.flush.load(Ordering::Acquire)
    }

    /// Everybody ends at once.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    /// Whether everybody is to end at once.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Notes a request that is settled: acknowledged, or refused for good.
    pub fn settled(&self, now: Mono, samples: u64, busy: Duration, highest_ms: i64) {
        let nanos = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
        self.sent_samples.fetch_add(samples, Ordering::Relaxed);
        self.busy_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.last_sent.store(now.0, Ordering::Relaxed);
        self.highest_sent_ms
            .fetch_max(highest_ms, Ordering::Relaxed);
        self.acknowledgements.fetch_add(1, Ordering::Release);
        self.set_state(SendState::Sending);
    }

    /// Notes a failure that is waited out for `wait`.
    pub fn failed(&self, now: Mono, wait: Duration, state: SendState) {
        let calm = now + wait.saturating_mul(2);
        self.calm_from.fetch_max(calm.0, Ordering::Relaxed);
        self.set_state(state);
    }

    /// Notes a block that was taken in.
    pub fn read(&self, timestamp_ms: i64) {
        self.highest_read_ms
            .fetch_max(timestamp_ms, Ordering::Relaxed);
    }

    /// Remembers what went wrong last.
    pub fn set_error(&self, error: LastError) {
        self.last_error.with(|last| *last = Some(error));
    }

    /// What went wrong last.
    #[must_use]
    pub fn last_error(&self) -> Option<LastError> {
        self.last_error.with(|last| last.clone())
    }

    fn set_state(&self, state: SendState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// How sending goes.
    #[must_use]
    pub fn state(&self) -> SendState {
        SendState::from_number(self.state.load(Ordering::Relaxed))
    }

    /// Requests settled so far.
    #[must_use]
    pub fn acknowledgements(&self) -> u64 {
        self.acknowledgements.load(Ordering::Acquire)
    }

    /// Samples settled, and seconds that their requests took.
    #[must_use]
    pub fn sent(&self) -> (u64, f64) {
        let busy = Duration::from_nanos(self.busy_nanos.load(Ordering::Relaxed));
        (
            self.sent_samples.load(Ordering::Relaxed),
            busy.as_secs_f64(),
        )
    }

    /// When a request was settled last; zero before the first.
    #[must_use]
    pub fn last_sent(&self) -> Mono {
        Mono(self.last_sent.load(Ordering::Relaxed))
    }

    /// Until when failures forbid changing the number of shards.
    #[must_use]
    pub fn calm_from(&self) -> Mono {
        Mono(self.calm_from.load(Ordering::Relaxed))
    }

    /// Newest timestamp settled.
    #[must_use]
    pub fn highest_sent(&self) -> Option<Wall> {
        wall(self.highest_sent_ms.load(Ordering::Relaxed))
    }

    /// Newest timestamp taken in.
    #[must_use]
    pub fn highest_read(&self) -> Option<Wall> {
        wall(self.highest_read_ms.load(Ordering::Relaxed))
    }
}
