//! The thread of an etcd provider: reads all keys, watches them, begins again where it must.
//!
//! A watch that ends or falls silent is replaced and goes on where it was. Endpoints are tried in
//! turn; when none will do, the run ends with the error of the last one, and the loop around it
//! pauses before the next; what was found stays.
//!
//! # Thread
//! - Owns: the HTTP client, the keys. Inbox: none. Outbox: updates, blocks when full.
//! - Waits on: the watch. Deadlines: [`limits::ETCD_TIMEOUT`] for an answer, the silence of a watch.
//! - Stops when: the client is shut down, which ends what blocks; then the outlet says that it is
//!   stopped.

use std::io::{self, Read};
use std::time::Duration;

use super::gateway::{EtcdError, Gateway};
use super::keys::{Keys, Reading, Verdict};
use super::wire::{self, Lines, Page};
use crate::discovery::keyed::Broken;
use crate::discovery::outlet::Outlet;
use crate::discovery::provider::{ProviderError, Watch};
use crate::limits;
use crate::model::time::Mono;
use crate::sys::jitter::Jitter;

/// An error with the endpoint.
#[derive(Debug, thiserror::Error)]
#[error("etcd {endpoint}: {error}")]
struct EndpointError {
    endpoint: String,
    error: EtcdError,
}

/// Keys that are of no use, told as an error.
#[derive(Debug, thiserror::Error)]
#[error("keys: {0}")]
struct Remark(Broken);

/// What follows a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another one, from where it was.
    Watch,
    /// Everything is read again, because the interval is over.
    Read,
    /// Everything is read again, because watching does not go on.
    Restart,
    /// Nothing: it is time to stop.
    Stop,
}

/// When things happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// From one full reading to the next.
    pub(super) refresh: Duration,
    /// How long a watch may say nothing.
    pub(super) silence: Duration,
}

/// The provider.
#[derive(Debug)]
pub(super) struct Provider {
    gateway: Gateway,
    keys: Keys,
    pace: Pace,
    jitter: Jitter,
    page: usize,
    /// When everything was read, if what was read still holds.
    read_at: Option<Mono>,
    next_read: Mono,
    /// Whether the last run ended as it should, and not in a panic.
    orderly: bool,
}

impl Provider {
    /// One that has not begun.
    pub(super) fn new(gateway: Gateway, keys: Keys, pace: Pace, jitter: Jitter) -> Provider {
        Provider {
            gateway,
            keys,
            pace,
            jitter,
            page: limits::ETCD_PAGE_KEYS,
            read_at: None,
            next_read: Mono::default(),
            orderly: true,
        }
    }

    /// Tries endpoints until it is time to stop, or none is left.
    fn rounds(&mut self, outlet: &Outlet) -> Result<(), ProviderError> {
        let mut failed = 0;
        loop {
            let began = outlet.clock().mono();
            let done = self.follow(outlet);
            let Err(error) = done else { return Ok(()) };
            if outlet.stopped() {
                return Ok(());
            }
            if outlet.clock().mono().since(began) >= limits::ETCD_HEALTHY {
                failed = 0;
            }
            failed += 1;
            if matches!(error, EtcdError::TooMuch(_)) {
                // What could not be taken in is missing; it must not be passed on like this.
                self.read_at = None;
            }
            let endpoint = self.gateway.endpoint().to_owned();
            let error = EndpointError { endpoint, error };
            self.gateway.turn();
            if failed >= self.gateway.count() {
                return Err(error.into());
            }
            outlet.failed(&error);
        }
    }

    /// Reads and watches at one endpoint until it is time to stop.
    fn follow(&mut self, outlet: &Outlet) -> Result<(), EtcdError> {
        while !outlet.stopped() {
            let now = outlet.clock().mono();
            if self.read_at.is_none() || now >= self.next_read {
                self.read(now, outlet)?;
                self.pass_on(true, outlet);
            }
            match self.watch(outlet)? {
                Next::Watch => {}
                Next::Read => self.next_read = Mono::default(),
                Next::Restart => {
                    let read_at = self.read_at.take();
                    let since = read_at.map(|at| outlet.clock().mono().since(at));
                    if since.is_some_and(|since| since < limits::SD_RETRY_MIN) {
                        return Err(EtcdError::Restless);
                    }
                }
                Next::Stop => return Ok(()),
            }
        }
        Ok(())
    }

    fn read(&mut self, now: Mono, outlet: &Outlet) -> Result<(), EtcdError> {
        let mut reading = Reading::default();
        while let Some((range, revision)) = self.keys.wanted(&reading) {
            let body = wire::range(&range, self.page, revision);
            match self.gateway.ask::<Page>(wire::RANGE, &body)? {
                Some(page) => self.keys.gather(&mut reading, &page)?,
                None if self.page > 1 => self.page /= 2,
                None => return Err(EtcdError::TooLarge),
            }
        }
        self.keys.replace(reading);
        self.read_at = Some(now);
        let spread = 0.95 + 0.1 * self.jitter.fraction();
        self.next_read = now + self.pace.refresh.mul_f64(spread);
        outlet.took(outlet.clock().mono().since(now));
        Ok(())
    }

    fn watch(&mut self, outlet: &Outlet) -> Result<Next, EtcdError> {
        let request = wire::watch(self.keys.watches());
        let mut stream = self.gateway.watch(&request, self.pace.silence)?;
        let began = outlet.clock().mono();
        let (mut lines, mut buffer) = (Lines::default(), vec![0; limits::BLOCKING_BUFFER_BYTES]);
        let mut heard = began;
        loop {
            let read = stream.read(&mut buffer);
            let now = outlet.clock().mono();
            if outlet.stopped() {
                return Ok(Next::Stop);
            }
            let length = match read {
                Ok(length) if length > 0 => length,
                ended => return self.ended(now.since(began), now.since(heard), ended),
            };
            heard = now;
            lines.push(&buffer[..length])?;
            while let Some(line) = lines.line() {
                if let Some(next) = self.hear(&line)? {
                    return Ok(next);
                }
            }
            self.pass_on(false, outlet);
            if now >= self.next_read {
                return Ok(Next::Read);
            }
        }
    }

    /// What follows the end of a watch that lasted so long and was silent so long.
    fn ended(
        &self,
        lasted: Duration,
        silent: Duration,
        read: io::Result<usize>,
    ) -> Result<Next, EtcdError> {
        let told = read.map_or_else(|error| error.to_string(), |_| "end of stream".to_owned());
        // The clock decides, not what the library calls the error.
        if silent >= self.pace.silence.mul_f64(0.9) || lasted >= limits::ETCD_HEALTHY {
            log::debug!(component = "discovery", mechanism = "etcd", ended = told.as_str();
                "watch is replaced");
            return Ok(Next::Watch);
        }
        Err(EtcdError::Ended(told))
    }

    /// Takes one line in. Returns what follows, if the watch is over.
    fn hear(&mut self, line: &[u8]) -> Result<Option<Next>, EtcdError> {
        let said = match wire::said(line)? {
            Ok(said) => said,
            Err(failure) => return self.cancelled(EtcdError::reported("watch", &failure)),
        };
        if self.keys.hear(&said)? == Verdict::ReadAgain {
            return Ok(Some(Next::Restart));
        }
        if said.canceled {
            let failure = wire::Failure {
                message: said.cancel_reason,
                code: 0,
            };
            return self.cancelled(EtcdError::reported("watch", &failure));
        }
        self.gateway.proven();
        Ok(None)
    }

    /// etcd will not have a watch: perhaps with another token.
    fn cancelled(&mut self, error: EtcdError) -> Result<Option<Next>, EtcdError> {
        if self.gateway.renew(&error) {
            return Ok(Some(Next::Watch));
        }
        Err(error)
    }

    /// Passes on what is new. Whether it is time to stop is seen by whoever waits next.
    fn pass_on(&mut self, read: bool, outlet: &Outlet) {
        match self.keys.targets().update() {
            Some(update) => {
                let _stopped = outlet.send(update);
            }
            None if read => outlet.unchanged(),
            None => return,
        }
        if let Some(broken) = self.keys.targets().broken() {
            outlet.complain(&Remark(broken));
        }
    }
}

impl Watch for Provider {
    fn run(&mut self, outlet: &Outlet) -> Result<(), ProviderError> {
        if !std::mem::replace(&mut self.orderly, false) {
            self.read_at = None;
        }
        self.keys.targets().restate();
        let done = self.rounds(outlet);
        self.orderly = true;
        done
    }
}

#[cfg(test)]
mod tests;
