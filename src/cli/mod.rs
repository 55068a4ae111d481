//! The command line: which command, which flags, which exit status.
//!
//! Prometheus's flags start narthex; the commands beside the agent are `check config`
//! and `check web-config`, as promtool has them, `discover`, which shows what discovery finds, `receive`, a small receiver to look
//! at what an agent sends, and `log`, to look at what an agent keeps on disk. Environment variables
//! are not read.

mod check;
mod discover;
mod flags;
mod help;
mod licenses;
mod log;
mod parse;
mod receive;
mod run;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use crate::agent;
use crate::agent::exit::ExitStatus;
use crate::agent::options::RunOptions;
use crate::sys::clock::SystemClock;
use crate::sys::host::hostname;
use crate::telemetry;

use parse::{Parsed, UsageError};

/// Runs the program and returns its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut terminal = Terminal {
        out: &mut std::io::stdout(),
        err: &mut std::io::stderr(),
    };
    let status = match dispatch(&arguments, &mut terminal) {
        Next::Exit(status) => status,
        Next::Run(options) => {
            let clock = Arc::new(SystemClock);
            telemetry::log::init(options.log_level, options.log_format, clock);
            agent::run(*options)
        }
    };
    ExitCode::from(status.code())
}

/// Where commands write.
struct Terminal<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

impl Terminal<'_> {
    fn say(&mut self, text: &str) {
        let _nobody_reads = self.out.write_all(text.as_bytes());
    }

    fn complain(&mut self, text: &str) {
        let _nobody_reads = self.err.write_all(text.as_bytes());
    }
}

/// What follows from a command line.
enum Next {
    Exit(ExitStatus),
    Run(Box<RunOptions>),
}

fn dispatch(arguments: &[OsString], terminal: &mut Terminal<'_>) -> Next {
    match arguments.first().and_then(|first| first.to_str()) {
        Some("check") => Next::Exit(check::main(&arguments[1..], terminal)),
        Some("log") => Next::Exit(log::main(&arguments[1..], terminal)),
        Some("discover") => Next::Exit(discover::main(&arguments[1..], terminal)),
        Some("receive") => Next::Exit(receive::main(&arguments[1..], terminal)),
        _ => agent_options(arguments, terminal),
    }
}

fn agent_options(arguments: &[OsString], terminal: &mut Terminal<'_>) -> Next {
    let given = match parse::parse(arguments) {
        Ok(Parsed::Run(given)) => given,
        Ok(Parsed::Help) => {
            terminal.say(&help::help());
            return Next::Exit(ExitStatus::Success);
        }
        Ok(Parsed::Version) => {
            terminal.say(&help::version(&help::build_info()));
            return Next::Exit(ExitStatus::Success);
        }
        Ok(Parsed::Licenses) => {
            terminal.say(&licenses::text());
            return Next::Exit(ExitStatus::Success);
        }
        Err(error) => return usage(&error, terminal),
    };
    let server_only = given.server_only();
    if !server_only.is_empty() {
        let quoted: Vec<String> = server_only.iter().map(|name| format!("{name:?}")).collect();
        let list = quoted.join(" ");
        terminal.complain(&format!(
            "The following flag(s) can not be used in agent mode: [{list}]\n"
        ));
        return Next::Exit(ExitStatus::WrongMode);
    }
    match run::options(&given, &hostname()) {
        Ok(options) => Next::Run(Box::new(options)),
        Err(error) => usage(&error, terminal),
    }
}

fn usage(error: &UsageError, terminal: &mut Terminal<'_>) -> Next {
    terminal.complain(&format!(
        "Error parsing command line arguments: {error}\nTry 'narthex --help'.\n"
    ));
    Next::Exit(ExitStatus::Usage)
}

#[cfg(test)]
mod tests;
