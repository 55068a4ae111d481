//! The only place that asks the system for the time.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};

use crate::model::time::{Mono, Wall};

/// Both clocks of the host. Shells read it once per turn and hand the result to their core.
pub trait Clock: Send + Sync {
    /// The boot-time clock.
    fn mono(&self) -> Mono;
    /// The wall clock.
    fn wall(&self) -> Wall;
}

// Not a supertrait: that would put what every implementation could show into the program, and nothing
// shows it.
impl std::fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// The real clocks: `CLOCK_BOOTTIME` and `CLOCK_REALTIME`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn mono(&self) -> Mono {
        let now = clock_gettime(ClockId::Boottime);
        Mono(now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs())
    }

    fn wall(&self) -> Wall {
        let now = clock_gettime(ClockId::Realtime);
        Wall(now.tv_sec * 1000 + now.tv_nsec / 1_000_000)
    }
}

/// A clock that stands still until it is told otherwise: for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock {
    mono: AtomicU64,
    wall: AtomicI64,
}

impl ManualClock {
    /// A clock showing the given times.
    #[must_use]
    pub fn new(mono: Mono, wall: Wall) -> ManualClock {
        ManualClock {
            mono: AtomicU64::new(mono.0),
            wall: AtomicI64::new(wall.0),
        }
    }

    /// Lets time pass on both clocks.
    pub fn advance_ms(&self, millis: u64) {
        self.mono.fetch_add(millis * 1_000_000, Ordering::Relaxed);
        self.wall.fetch_add(millis as i64, Ordering::Relaxed);
    }

    /// Steps the wall clock alone.
    pub fn step_wall_ms(&self, millis: i64) {
        self.wall.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn mono(&self) -> Mono {
        Mono(self.mono.load(Ordering::Relaxed))
    }

    fn wall(&self) -> Wall {
        Wall(self.wall.load(Ordering::Relaxed))
    }
}
