//! `narthex discover`: the arguments of the look at what discovery finds.

use std::ffi::OsString;
use std::sync::Arc;

use lexopt::{Arg, Parser, ValueExt};

use crate::agent::config_file::{self, Configuration};
use crate::agent::exit::ExitStatus;
use crate::config::Features;
use crate::model::duration;
use crate::preview::{self, Env, Options, Verdict};
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::signal;
use crate::telemetry::log::{self, Format};

use super::Terminal;
use super::help;

const HELP: &str = "\
usage: narthex discover [<flags>] <config file>

Runs the discovery of a configuration, without scraping, and shows the targets
before and after relabelling, as the agent would build them.

Flags:
  -h, --help                    Show this help.
      --job=<name>              Only the job of that name.
      --timeout=30s             How long to wait for the answers of all providers; with
                                --watch, how long to watch, without end unless given.
      --watch                   Go on and show what changes, until interrupted.
      --json                    JSON; with --watch one object a line.

Exit status: 0 all answered and all targets can be scraped, 1 something is wrong
and was shown, 2 wrong command line.
";

/// What the arguments ask for.
enum Asked {
    Help,
    Discover(String, Options),
}

/// Runs the command.
pub(super) fn main(arguments: &[OsString], terminal: &mut Terminal<'_>) -> ExitStatus {
    let (file, options) = match parse(arguments) {
        Ok(Asked::Discover(file, options)) => (file, options),
        Ok(Asked::Help) => {
            terminal.say(HELP);
            return ExitStatus::Success;
        }
        Err(error) => {
            terminal.complain(&format!(
                "Error parsing command line arguments: {error}\nTry 'narthex discover --help'.\n"
            ));
            return ExitStatus::Usage;
        }
    };
    match discover(&file, &options, terminal) {
        Ok(Verdict::Fine) => ExitStatus::Success,
        Ok(Verdict::Flawed) => ExitStatus::Failure,
        Err(error) => {
            terminal.complain(&format!("narthex discover: {error}\n"));
            ExitStatus::Failure
        }
    }
}

fn discover(
    file: &str,
    options: &Options,
    terminal: &mut Terminal<'_>,
) -> Result<Verdict, Box<dyn std::error::Error>> {
    let Configuration { loaded, plan, .. } = config_file::load_file(file, Features::default())?;
    for warning in &loaded.warnings {
        terminal.complain(&format!("WARNING: {warning}\n"));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // What goes wrong is part of the output; the log is for what has no place there.
    log::init(
        ::log::LevelFilter::Error,
        Format::Logfmt,
        Arc::clone(&clock),
    );
    let env = Env {
        clock,
        user_agent: format!("narthex/{}", help::build_info().version),
        signals: signal::listen()?,
        out: terminal.out,
    };
    Ok(preview::run(&loaded.config, &plan, options, env)?)
}

fn parse(arguments: &[OsString]) -> Result<Asked, lexopt::Error> {
    let mut parser = Parser::from_args(arguments.iter());
    let mut file = None;
    let mut options = Options {
        job: None,
        timeout: None,
        watch: false,
        json: false,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Asked::Help),
            Arg::Long("job") => options.job = Some(parser.value()?.string()?),
            Arg::Long("timeout") => {
                let text = parser.value()?.string()?;
                let timeout =
                    duration::parse(&text).map_err(|error| format!("{error}, flag '--timeout'"))?;
                options.timeout = Some(timeout);
            }
            Arg::Long("watch") => options.watch = true,
            Arg::Long("json") => options.json = true,
            Arg::Value(value) if file.is_none() => file = Some(value.string()?),
            other => return Err(other.unexpected()),
        }
    }
    match file {
        Some(file) => Ok(Asked::Discover(file, options)),
        None => Err("required argument 'config file' not provided".into()),
    }
}
