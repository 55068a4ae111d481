//! A small remote-write receiver, to look at what an agent sends: `narthex receive`.
//!
//! It accepts remote write 1.0 and 2.0, checks the rules of the protocol, counts by job and shows what
//! arrives. It stores nothing unless a file is asked for. What it remembers is bounded
//! (`RECEIVE_*` in [`crate::limits`]); beyond that it goes on counting samples and says so.

pub(crate) mod decode;
mod handler;
mod histogram;
mod ledger;
pub(crate) mod message;
pub(crate) mod resolve;
mod rules;
mod view;

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::limits;
use crate::net::server::{self, ServerOptions};
use crate::sys::clock::Clock;
use crate::sys::published::Shared;
use crate::sys::signal::Signal;
use crate::telemetry::budget::MemoryBudget;

use handler::ReceiveHandler;
use ledger::Ledger;
use view::Reporter;

/// What a run of the receiver needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveOptions {
    /// `host:port`.
    pub listen_address: String,
    /// Where every sample is appended as a line.
    pub file: Option<PathBuf>,
    /// How what arrives is shown.
    pub view: View,
    /// Whether requests that break a rule are refused.
    pub strict: bool,
}

/// How what arrives is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// A table that is refreshed in place.
    Table,
    /// A line a second while something arrives.
    Lines,
    /// A JSON object a second while something arrives.
    Json,
    /// Nothing until the end.
    Quiet,
}

/// Why the receiver could not run.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        error: std::io::Error,
    },
    /// The file cannot be opened or written.
    #[error("cannot write {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The system gives no signals.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    /// The server's thread could not be started or did not end well.
    #[error("the server failed: {0}")]
    Server(std::io::Error),
}

/// Receives until told to stop, showing on `out` what arrives.
///
/// # Errors
/// When it cannot start. Nobody reading `out` is no error.
pub fn run(
    options: &ReceiveOptions,
    signals: &Receiver<Signal>,
    clock: &Arc<dyn Clock>,
    out: &mut dyn Write,
) -> Result<(), ReceiveError> {
    let ledger = Shared::new(Ledger::default());
    let handler = ReceiveHandler {
        ledger: ledger.clone(),
        strict: options.strict,
        file: open_file(options)?,
    };
    let address = || options.listen_address.clone();
    let listener = server::bind(&options.listen_address).map_err(|error| ReceiveError::Listen {
        address: address(),
        error,
    })?;
    let server_options = ServerOptions {
        thread_name: "receive",
        clients_max: limits::RECEIVE_CLIENTS_MAX,
        idle_timeout: limits::RECEIVE_IDLE_TIMEOUT,
        memory: MemoryBudget::unlimited(),
    };
    let server = server::start(
        vec![listener],
        Box::new(handler),
        server_options,
        Arc::clone(clock),
    );
    let server = server.map_err(ReceiveError::Server)?;
    let mut reporter = Reporter::new(options.view, clock.mono());
    reporter.greet(out, server.addresses());
    loop {
        let signal = signals.recv_timeout(limits::RECEIVE_REPORT_INTERVAL);
        ledger.with(|ledger| reporter.observe(clock.mono(), clock.wall(), ledger));
        match signal {
            Err(RecvTimeoutError::Timeout) | Ok(Signal::Reload) => reporter.show(out),
            Ok(Signal::Stop | Signal::Force) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // Stopping drops the handler, which writes what its file still holds.
    let ended_well = server.stop();
    ledger.with(|ledger| reporter.observe(clock.mono(), clock.wall(), ledger));
    reporter.summarize(out);
    if ended_well {
        Ok(())
    } else {
        let error = std::io::Error::other("its thread panicked");
        Err(ReceiveError::Server(error))
    }
}

fn open_file(options: &ReceiveOptions) -> Result<Option<BufWriter<std::fs::File>>, ReceiveError> {
    let Some(path) = &options.file else {
        return Ok(None);
    };
    let file = OpenOptions::new().create(true).append(true).open(path);
    match file {
        Ok(file) => Ok(Some(BufWriter::new(file))),
        Err(error) => Err(ReceiveError::File {
            path: path.clone(),
            error,
        }),
    }
}

/// Seconds with fractions, never zero, for rates.
fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64().max(0.001)
}

#[cfg(test)]
mod tests;
