//! The one line that a service manager shows of a running agent.

use std::sync::Arc;

use crate::agent::endpoints::Endpoints;
use crate::agent::view::View;
use crate::model::time::Mono;
use crate::scrape::status::{Health, Status};
use crate::sys::published::Published;
use crate::telemetry::registry::{Counter, Registry};
use crate::wal::LogStatus;

/// Where the line comes from.
pub(crate) struct Outlook {
    scrape: Status,
    endpoints: Endpoints,
    log: Published<LogStatus>,
    /// Samples that went into the log.
    samples: Arc<Counter>,
}

/// What the line says.
#[derive(Clone, Debug, Default, PartialEq)]
struct Facts {
    up: usize,
    targets: usize,
    endpoints: usize,
    failing: usize,
    waiting: u64,
    log: Option<String>,
}

/// Counts samples between two lines.
#[derive(Debug)]
pub(super) struct Rate {
    at: Mono,
    samples: f64,
}

impl Outlook {
    pub(crate) fn new(view: &View, registry: &Registry) -> Outlook {
        let float = [("type", "float")];
        Outlook {
            scrape: view.scrape.clone(),
            endpoints: view.endpoints.clone(),
            log: view.log.clone(),
            samples: registry.counter("prometheus_agent_samples_appended_total", "", &float),
        }
    }

    pub(super) fn rate(&self, now: Mono) -> Rate {
        Rate {
            at: now,
            samples: self.samples.get(),
        }
    }

    /// The line for now, with the rate since the last one.
    pub(super) fn line(&self, now: Mono, rate: &mut Rate) -> String {
        let per_second = rate.step(now, self.samples.get());
        self.facts().line(per_second)
    }

    fn facts(&self) -> Facts {
        let mut facts = Facts {
            log: self.log.load().failing.clone(),
            ..Facts::default()
        };
        let pools = self.scrape.load();
        for target in pools.values().flat_map(|pool| &pool.active) {
            facts.targets += 1;
            facts.up += usize::from(target.last.with(|last| last.health == Health::Up));
        }
        for endpoint in self.endpoints.status() {
            facts.endpoints += 1;
            facts.failing += usize::from(endpoint.state.is_failing());
            facts.waiting += endpoint.pending_samples;
        }
        facts
    }
}

impl Rate {
    fn step(&mut self, now: Mono, samples: f64) -> f64 {
        let seconds = now.since(self.at).as_secs_f64();
        let passed = samples - self.samples;
        (self.at, self.samples) = (now, samples);
        if seconds > 0.0 { passed / seconds } else { 0.0 }
    }
}

impl Facts {
    fn line(&self, per_second: f64) -> String {
        let Facts { up, targets, .. } = self;
        let mut line = format!("{up} of {targets} targets up, {per_second:.0} samples/s");
        match (self.endpoints, self.failing) {
            (0, _) => line.push_str(
                "; nothing is sent: the configuration has no remote_write, add one and reload",
            ),
            (_, 0) => line.push_str(&format!(", {} samples waiting", self.waiting)),
            (all, failing) => line.push_str(&format!(
                ", {} samples waiting in memory, {failing} of {all} endpoints fail",
                self.waiting
            )),
        }
        if let Some(log) = &self.log {
            line.push_str("; the log cannot be written: ");
            // One line: a message of several would end the field.
            line.extend(log.chars().map(|c| if c.is_control() { ' ' } else { c }));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_matters() {
        let mut facts = Facts {
            up: 2,
            targets: 3,
            ..Facts::default()
        };
        assert_eq!(
            facts.line(12.4),
            "2 of 3 targets up, 12 samples/s; nothing is sent: the configuration has no \
             remote_write, add one and reload"
        );
        facts.endpoints = 2;
        facts.waiting = 7;
        assert_eq!(
            facts.line(0.0),
            "2 of 3 targets up, 0 samples/s, 7 samples waiting"
        );
        facts.failing = 1;
        facts.log = Some("disk\nfull".to_owned());
        assert_eq!(
            facts.line(0.0),
            "2 of 3 targets up, 0 samples/s, 7 samples waiting in memory, 1 of 2 endpoints fail; \
             the log cannot be written: disk full"
        );
    }

    #[test]
    fn a_rate_is_what_came_since_the_last_line() {
        let mut rate = Rate {
            at: Mono::from_millis(1000),
            samples: 100.0,
        };
        assert_eq!(rate.step(Mono::from_millis(1000), 100.0), 0.0);
        assert_eq!(rate.step(Mono::from_millis(3000), 160.0), 30.0);
        assert_eq!(rate.step(Mono::from_millis(4000), 160.0), 0.0);
    }
}
