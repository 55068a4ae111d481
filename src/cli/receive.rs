//! `narthex receive`: the arguments of the embedded receiver.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::Arc;

use lexopt::{Arg, Parser, ValueExt};

use crate::agent::exit::ExitStatus;
use crate::receive::{self, ReceiveOptions, View};
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::signal;
use crate::telemetry::log::{self, Format};

use super::Terminal;

const HELP: &str = "\
usage: narthex receive [<flags>]

Receives remote write 1.0 and 2.0 and shows what arrives, to look at what an agent sends.

Flags:
  -h, --help                    Show this help.
      --listen-address=127.0.0.1:9201
                                Address to listen on; paths /api/v1/write and /.
      --file=<file>             Append every sample to a file, one line each:
                                name{labels} value milliseconds
      --strict                  Refuse requests that break a rule of the protocol
                                with 400, as a real receiver does.
      --json                    One JSON object a second instead of text.
      --quiet                   Only the summary at the end.
";

/// Where the receiver listens unless told otherwise.
const ADDRESS: &str = "127.0.0.1:9201";

/// What the arguments ask for.
enum Asked {
    Help,
    Receive(ReceiveOptions),
}

/// Runs the command until INT or TERM.
pub(super) fn main(arguments: &[OsString], terminal: &mut Terminal<'_>) -> ExitStatus {
    let options = match parse(arguments, std::io::stdout().is_terminal()) {
        Ok(Asked::Receive(options)) => options,
        Ok(Asked::Help) => {
            terminal.say(HELP);
            return ExitStatus::Success;
        }
        Err(error) => {
            terminal.complain(&format!(
                "Error parsing command line arguments: {error}\nTry 'narthex receive --help'.\n"
            ));
            return ExitStatus::Usage;
        }
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    log::init(::log::LevelFilter::Warn, Format::Logfmt, Arc::clone(&clock));
    let outcome = signal::listen()
        .map_err(receive::ReceiveError::Signals)
        .and_then(|signals| receive::run(&options, &signals, &clock, terminal.out));
    match outcome {
        Ok(()) => ExitStatus::Success,
        Err(error) => {
            terminal.complain(&format!("narthex receive: {error}\n"));
            ExitStatus::Failure
        }
    }
}

fn parse(arguments: &[OsString], is_terminal: bool) -> Result<Asked, lexopt::Error> {
    let mut parser = Parser::from_args(arguments.iter());
    let mut options = ReceiveOptions {
        listen_address: ADDRESS.to_owned(),
        file: None,
        view: if is_terminal {
            View::Table
        } else {
            View::Lines
        },
        strict: false,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Asked::Help),
            Arg::Long("listen-address") => options.listen_address = parser.value()?.string()?,
            Arg::Long("file") => options.file = Some(parser.value()?.into()),
            Arg::Long("strict") => options.strict = true,
            Arg::Long("json") => options.view = View::Json,
            Arg::Long("quiet") => options.view = View::Quiet,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Asked::Receive(options))
}
