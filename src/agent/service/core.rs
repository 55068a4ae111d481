//! Decides from the pulses of threads whether the process is well.

use std::time::Duration;

use crate::limits;
use crate::model::time::Mono;
use crate::sys::pulse::{Pulse, Reading};

/// A thread that is watched.
#[derive(Debug)]
pub(crate) struct Watched {
    /// How it does.
    pub(crate) pulse: Pulse,
    /// How much longer than other threads it may work without a step.
    pub(crate) grace: Duration,
}

/// A thread with what was seen of it.
#[derive(Debug)]
struct Patient {
    watched: Watched,
    seen: Reading,
    /// Time that was seen to pass since its last step.
    stuck: Duration,
}

/// Watches threads.
#[derive(Debug)]
pub(super) struct Watchdog {
    patients: Vec<Patient>,
    patience: Duration,
    looked: Mono,
}

impl Watchdog {
    /// `patience` is how long a thread may work without a step.
    pub(super) fn new(now: Mono, patience: Duration, watched: Vec<Watched>) -> Watchdog {
        let patient = |watched: Watched| Patient {
            seen: watched.pulse.read(),
            watched,
            stuck: Duration::ZERO,
        };
        Watchdog {
            patients: watched.into_iter().map(patient).collect(),
            patience,
            looked: now,
        }
    }

    /// Looks at every thread: the name of one that is stuck, if one is.
    ///
    /// A look counts for at most [`limits::SERVICE_ROUND`], twice: a host that slept, or a process
    /// that was stopped, gave its threads no chance to take a step.
    pub(super) fn look(&mut self, now: Mono) -> Option<&str> {
        let passed = now.since(self.looked).min(limits::SERVICE_ROUND * 2);
        self.looked = now;
        for patient in &mut self.patients {
            let reading = patient.watched.pulse.read();
            if reading.is_working() && reading == patient.seen {
                patient.stuck += passed;
            } else {
                patient.stuck = Duration::ZERO;
            }
            patient.seen = reading;
        }
        let stuck = self
            .patients
            .iter()
            .find(|patient| patient.stuck >= self.patience + patient.watched.grace);
        stuck.map(|patient| patient.watched.pulse.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::pulse::{Beat, pulse};

    fn at(seconds: u64) -> Mono {
        Mono::from_millis(seconds * 1000)
    }

    fn watchdog() -> (Beat, Beat, Watchdog) {
        let ((one, own), (two, other)) = (pulse("one"), pulse("two"));
        let watched = |pulse| Watched {
            pulse,
            grace: Duration::ZERO,
        };
        let watched = vec![watched(own), watched(other)];
        (
            one,
            two,
            Watchdog::new(at(0), Duration::from_secs(30), watched),
        )
    }

    #[test]
    fn a_thread_that_waits_is_well_for_ever() {
        let (_one, _two, mut watchdog) = watchdog();
        for round in 1..1000 {
            assert_eq!(watchdog.look(at(round * 10)), None);
        }
    }

    #[test]
    fn a_thread_that_takes_no_step_is_named_once_its_time_is_over() {
        let (mut one, mut two, mut watchdog) = watchdog();
        two.work();
        for round in 1..=4 {
            one.work();
            assert_eq!(watchdog.look(at(round * 10)), (round == 4).then_some("two"));
        }
        two.work();
        assert_eq!(watchdog.look(at(50)), None);
    }

    #[test]
    fn one_with_more_to_do_gets_more_time() {
        let (mut beat, pulse) = pulse("main");
        beat.work();
        let grace = Duration::from_secs(60);
        let watched = vec![Watched { pulse, grace }];
        let mut watchdog = Watchdog::new(at(0), Duration::from_secs(30), watched);
        let named = (1..20).find(|round| watchdog.look(at(round * 10)).is_some());
        assert_eq!(named, Some(9));
    }

    #[test]
    fn one_that_ended_is_not_stuck() {
        let (one, mut two, mut watchdog) = watchdog();
        two.work();
        drop((one, two));
        assert_eq!(
            (1..9).find_map(|n| watchdog.look(at(n * 10)).map(drop)),
            None
        );
    }

    #[test]
    fn a_host_that_slept_did_not_get_stuck() {
        let (mut one, _two, mut watchdog) = watchdog();
        one.work();
        assert_eq!(watchdog.look(at(1)), None);
        assert_eq!(watchdog.look(at(100_000)), None);
        one.work();
        assert_eq!(watchdog.look(at(100_010)), None);
    }
}
