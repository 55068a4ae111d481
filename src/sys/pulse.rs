//! Whether a thread gets on: it counts when it begins and ends to work, another one looks.
//!
//! A thread that waits for something to do is well however long it waits. One that works and does
//! not come to an end, or to its next step, is stuck.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The side of the thread itself. Dropping it, by a return or a panic, counts as rest: whether a
/// thread has ended is told by its handle.
#[derive(Debug)]
pub struct Beat(Arc<AtomicU32>);

/// The side of whoever looks.
#[derive(Clone, Debug)]
pub struct Pulse {
    name: Arc<str>,
    count: Arc<AtomicU32>,
}

/// What a pulse shows at a moment. Two equal ones of a working thread mean that it took no step
/// in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading(u32);

/// A pulse for the thread of that name. It rests at first.
#[must_use]
pub fn pulse(name: &str) -> (Beat, Pulse) {
    let count = Arc::new(AtomicU32::new(0));
    let pulse = Pulse {
        name: name.into(),
        count: Arc::clone(&count),
    };
    (Beat(count), pulse)
}

impl Beat {
    /// Works: at waking, and at each step of what may take long.
    pub fn work(&mut self) {
        let count = self.0.load(Ordering::Relaxed);
        // Odd is work. Only this thread writes.
        let next = count.wrapping_add(1 + (count & 1));
        self.0.store(next, Ordering::Relaxed);
    }

    /// Has nothing to do and goes to wait.
    pub fn rest(&mut self) {
        let count = self.0.load(Ordering::Relaxed);
        self.0
            .store(count.wrapping_add(count & 1), Ordering::Relaxed);
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.rest();
    }
}

impl Pulse {
    /// The thread's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it shows now.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading(self.count.load(Ordering::Relaxed))
    }
}

impl Reading {
    /// Whether the thread was working.
    #[must_use]
    pub const fn is_working(self) -> bool {
        self.0 & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_shows_and_rest_is_rest() {
        let (mut beat, pulse) = pulse("a");
        let idle = pulse.read();
        assert!(!idle.is_working());
        beat.rest();
        assert_eq!(pulse.read(), idle);
        beat.work();
        let first = pulse.read();
        assert!(first.is_working());
        beat.work();
        assert!(pulse.read().is_working() && pulse.read() != first);
        drop(beat);
        assert!(!pulse.read().is_working());
        assert_eq!(pulse.name(), "a");
    }

    #[test]
    fn counting_goes_around() {
        let beat = Arc::new(AtomicU32::new(u32::MAX));
        let mut beat = Beat(beat);
        beat.work();
        assert_eq!(beat.0.load(Ordering::Relaxed), 1);
    }
}
