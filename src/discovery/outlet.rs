//! A provider's way out: where it sends updates, reports failures and hears that it is to stop.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, select};

use super::manager::{ProviderId, Update};
use super::metrics::RefreshMetrics;
use super::status::Board;
use crate::limits;
use crate::model::time::Mono;
use crate::sys::clock::Clock;
use crate::sys::published::Shared;

/// Handed to the provider's thread.
#[derive(Debug)]
pub struct Outlet {
    /// Which provider.
    pub(super) id: ProviderId,
    /// Its mechanism.
    pub(super) mechanism: &'static str,
    /// The first job that has it.
    pub(super) label: Arc<str>,
    /// To the manager; capacity [`limits::SD_UPDATES`]. When full the provider waits.
    pub(super) updates: Sender<(ProviderId, Update)>,
    /// Never carries anything: it is disconnected when the provider is to stop.
    pub(super) stop: Receiver<Infallible>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) board: Board,
    pub(super) metrics: RefreshMetrics,
    pub(super) log: Shared<LogLimit>,
    /// Whether there was a complaint since the last success: that success is not a whole one.
    pub(super) complained: AtomicBool,
}

impl Outlet {
    /// Whether the provider is to stop.
    #[must_use]
    pub fn stopped(&self) -> bool {
        matches!(self.stop.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Disconnected when the provider is to stop: for a `select!` of its own.
    #[must_use]
    pub fn stop(&self) -> &Receiver<Infallible> {
        &self.stop
    }

    /// Waits. False when the provider is to stop.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        matches!(self.stop.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }

    /// The clocks.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Notes a success that brought no news. It clears the last error from the status, unless
    /// that is a complaint about this very round.
    pub fn unchanged(&self) {
        let partly = self.complained.swap(false, Ordering::Relaxed);
        self.board.succeeded(self.id, self.clock.wall(), !partly);
    }

    /// Sends an update and notes the success. False when the provider is to stop.
    #[must_use]
    pub fn send(&self, update: Update) -> bool {
        self.unchanged();
        select! {
            send(self.updates, (self.id, update)) -> sent => sent.is_ok(),
            recv(self.stop) -> _stopped => false,
        }
    }

    /// Notes how long a refresh took.
    pub fn took(&self, time: Duration) {
        self.metrics.took(time.as_secs_f64());
        self.board.took(self.id, time);
    }

    /// Counts a failed refresh, shows it and logs it, the log at most once per
    /// [`limits::SD_LOG_EVERY`].
    pub fn failed(&self, error: &(dyn std::error::Error + 'static)) {
        self.metrics.failures.inc();
        self.show(error);
    }

    /// Shows and logs a failure that does not make the refresh a failed one: call it before the
    /// update it belongs to is sent.
    pub fn complain(&self, error: &(dyn std::error::Error + 'static)) {
        self.complained.store(true, Ordering::Relaxed);
        self.show(error);
    }

    fn show(&self, error: &(dyn std::error::Error + 'static)) {
        let text = error.to_string();
        if let Some(unlogged) = self.log.with(|log| log.allow(self.clock.mono())) {
            let (mechanism, config) = (self.mechanism, &*self.label);
            log::warn!(component = "discovery", mechanism, config, error = text.as_str(), unlogged;
                "cannot refresh targets, keeping the last ones");
        }
        self.board.failed(self.id, self.clock.wall(), text);
    }

    /// Counts, shows and logs a panic of the provider.
    pub(super) fn panicked(&self, payload: &(dyn std::any::Any + Send)) {
        self.metrics.panics.inc();
        self.metrics.failures.inc();
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        let (mechanism, config) = (self.mechanism, &*self.label);
        log::error!(component = "discovery", mechanism, config, panic = text.as_str();
            "provider panicked, starting it again");
        let text = format!("internal error: {text}");
        self.board.failed(self.id, self.clock.wall(), text);
    }
}

/// Lets one line through per [`limits::SD_LOG_EVERY`] and counts the others. Pure.
#[derive(Debug, Default)]
pub struct LogLimit {
    last: Option<Mono>,
    unlogged: u64,
}

impl LogLimit {
    /// Whether a line may be written now: then how many were not since the last one.
    pub fn allow(&mut self, now: Mono) -> Option<u64> {
        if let Some(last) = self.last
            && now.since(last) < limits::SD_LOG_EVERY
        {
            self.unlogged += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_interval_tells_of_the_others() {
        let mut limit = LogLimit::default();
        assert_eq!(limit.allow(Mono(5)), Some(0));
        assert_eq!(limit.allow(Mono(6)), None);
        assert_eq!(limit.allow(Mono(7)), None);
        assert_eq!(limit.allow(Mono(5) + limits::SD_LOG_EVERY), Some(2));
    }
}
