//! Tells the service manager how the agent does, and that its threads get on.
//!
//! # Thread
//! `service` runs only under a manager that listens. Owns: the watchdog over the pulses of all
//! threads whose standstill is the agent's. Inbox: its end. Waits on: the next round
//! ([`limits::SERVICE_ROUND`], or a third of what the manager's watchdog allows). A round tells the
//! status when it has changed, and a sign of life unless a thread is stuck: then the manager kills
//! the process and starts it anew, and the log loses nothing that was synced.
//! Stops when: main is gone.

mod core;
mod outlook;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use self::core::{Watchdog, Watched};
pub(super) use self::outlook::Outlook;
use self::outlook::Rate;
use crate::limits;
use crate::sys::clock::Clock;
use crate::sys::pulse::{Beat, Pulse, pulse};
use crate::sys::service::{self, Notifier};

/// Whose standstill is that of the agent. Main may wait for what is unsent, as long as the flush
/// deadline says; endpoints and providers have timeouts of their own and are not watched.
fn watched(engines: Vec<Pulse>, main: Pulse, flush_deadline: Duration) -> Vec<Watched> {
    let watched = |pulse, grace| Watched { pulse, grace };
    let engines = engines.into_iter();
    let mut all: Vec<Watched> = engines.map(|own| watched(own, Duration::ZERO)).collect();
    all.push(watched(main, flush_deadline));
    all
}

/// Main's line to the service manager. All of it does nothing when there is none.
pub(super) struct Service {
    /// How main does.
    pub(super) beat: Beat,
    notifier: Option<Arc<Notifier>>,
    /// Its end ends the thread.
    _running: Option<Sender<()>>,
}

impl Service {
    /// Starts telling. The agent is not ready by that.
    pub(super) fn start(
        clock: &Arc<dyn Clock>,
        outlook: Outlook,
        engines: Vec<Pulse>,
        flush_deadline: Duration,
    ) -> Service {
        let (beat, main) = pulse("main");
        let watched = watched(engines, main, flush_deadline);
        let notifier = Notifier::from_environment().unwrap_or_else(|error| {
            log::warn!(component = "service", err = error.to_string(); "NOTIFY_SOCKET cannot be used; the service manager hears nothing");
            None
        });
        let notifier = notifier.map(Arc::new);
        let running = notifier.as_ref().and_then(|notifier| {
            let now = clock.mono();
            let alive = service::watchdog_interval();
            let patience = alive.unwrap_or(limits::STUCK_AFTER);
            let (running, end) = bounded(0);
            let thread = Thread {
                notifier: Arc::clone(notifier),
                watchdog: Watchdog::new(now, patience, watched),
                rate: outlook.rate(now),
                outlook,
                clock: Arc::clone(clock),
                end,
                alive,
                told: String::new(),
                complained: false,
            };
            let started = crate::sys::thread::spawn("service", move || thread.run());
            if let Err(error) = &started {
                log::error!(component = "service", err = error.to_string(); "Cannot tell the service manager how the agent does");
            }
            started.ok().map(|_detached| running)
        });
        Service {
            beat,
            notifier,
            _running: running,
        }
    }

    /// Everything runs, or a reload is over.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// The configuration is being read again; [`Service::ready`] follows, whatever comes of it.
    pub(super) fn reloading(&self) {
        let micros = service::monotonic_micros();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// On the way out.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=Stopping; what the receivers take is sent, the rest is kept");
    }

    fn tell(&self, message: &str) {
        if let Some(notifier) = &self.notifier
            && let Err(error) = notifier.send(message)
        {
            log::warn!(component = "service", err = error.to_string(); "The service manager does not hear");
        }
    }
}

struct Thread {
    notifier: Arc<Notifier>,
    watchdog: Watchdog,
    outlook: Outlook,
    rate: Rate,
    clock: Arc<dyn Clock>,
    end: Receiver<()>,
    alive: Option<Duration>,
    told: String,
    complained: bool,
}

impl Thread {
    fn run(mut self) {
        let round = round(self.alive);
        loop {
            self.turn();
            if self.end.recv_timeout(round) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn turn(&mut self) {
        let now = self.clock.mono();
        let stuck = self.watchdog.look(now);
        if let Some(name) = stuck
            && !self.complained
        {
            log::error!(component = "service", thread = name; "BUG: a thread is stuck; the service manager is no longer told that all is well");
        }
        let line = stuck.map(|name| format!("Thread {name} is stuck"));
        self.complained = stuck.is_some();
        let line = line.unwrap_or_else(|| self.outlook.line(now, &mut self.rate));
        let mut message = String::new();
        if self.alive.is_some() && !self.complained {
            message.push_str("WATCHDOG=1\n");
        }
        if line != self.told {
            message.push_str("STATUS=");
            message.push_str(&line);
            self.told = line;
        }
        if !message.is_empty() {
            // Lost: the next round says it again, and the manager allows for one that is missing.
            let _again_soon = self.notifier.send(message.trim_end());
        }
    }
}

/// Time between two turns: three chances within what the manager allows.
fn round(alive: Option<Duration>) -> Duration {
    alive.map_or(limits::SERVICE_ROUND, |alive| {
        (alive / 3).min(limits::SERVICE_ROUND)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_has_three_chances() {
        assert_eq!(round(None), limits::SERVICE_ROUND);
        assert_eq!(round(Some(Duration::from_secs(3))), Duration::from_secs(1));
        assert_eq!(round(Some(Duration::from_secs(600))), limits::SERVICE_ROUND);
    }
}
