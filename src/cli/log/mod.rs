//! `narthex log`: looks at the log of an agent, dead or alive, without changing it.

mod dump;
mod inspect;
mod rejected;
mod verify;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use lexopt::{Arg, Parser};

use crate::agent::exit::ExitStatus;
use crate::sys::fs::RealFs;
use crate::wal::inspect::Folder;

use super::Terminal;

const HELP: &str = "\
usage: narthex log inspect [--json] <folder>
       narthex log verify [--json] <folder>
       narthex log dump [<flags>] <folder>
       narthex log rejected [--json] [--job=<name>] <folder>

Looks at the log of an agent, dead or alive. Nothing is locked or written.

  inspect   What is in it: segments, queues, where the bytes go.
  verify    Reads all of it and says what is damaged, and what that costs.
  dump      Its samples, one a line: name{labels} value milliseconds
  rejected  What receivers refused for good, with their words.

<folder> is what --storage.agent.path names, the narthex folder in it, or a
folder of segments.

Flags:
  -h, --help                    Show this help.
      --json                    JSON for inspect, verify and rejected.
      --from=<sequence>         dump: no block before this one.
      --to=<sequence>           dump: no block after this one.
      --job=<name>              dump, rejected: only this job.
      --limit=<samples>         dump: no more samples than this.

Exit status: 0 sound, or written; 1 damaged (verify), or the output cannot be
written; 2 wrong command line, or the log cannot be read.
";

/// Runs a subcommand.
pub(super) fn main(arguments: &[OsString], terminal: &mut Terminal<'_>) -> ExitStatus {
    let (name, rest) = match arguments.split_first() {
        Some((name, rest)) => (name.to_str().unwrap_or_default(), rest),
        None => ("", arguments),
    };
    match name {
        "inspect" => inspect::main(rest, terminal),
        "verify" => verify::main(rest, terminal),
        "dump" => dump::main(rest, terminal),
        "rejected" => rejected::main(rest, terminal),
        "-h" | "--help" => help(terminal),
        "" => wrong(terminal, "expected command but got nothing"),
        other => wrong(terminal, &format!("expected command but got {other:?}")),
    }
}

fn help(terminal: &mut Terminal<'_>) -> ExitStatus {
    terminal.say(HELP);
    ExitStatus::Success
}

fn wrong(terminal: &mut Terminal<'_>, error: &str) -> ExitStatus {
    terminal.complain(&format!(
        "Error parsing command line arguments: {error}\nTry 'narthex log --help'.\n"
    ));
    ExitStatus::Usage
}

/// What the arguments of a subcommand ask for.
enum Asked<T> {
    Help,
    /// The folder and what the flags say.
    Look(PathBuf, T),
}

/// Reads arguments: one folder, and flags that `flag` knows; it returns false for others.
fn parse<T: Default>(
    arguments: &[OsString],
    mut flag: impl FnMut(&mut T, &str, &mut Parser) -> Result<bool, lexopt::Error>,
) -> Result<Asked<T>, lexopt::Error> {
    let mut parser = Parser::from_args(arguments.iter());
    let mut flags = T::default();
    let mut folder = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Asked::Help),
            Arg::Long(name) => {
                let name = name.to_owned();
                if !flag(&mut flags, &name, &mut parser)? {
                    return Err(Arg::Long(&name).unexpected());
                }
            }
            Arg::Value(value) if folder.is_none() => folder = Some(PathBuf::from(value)),
            other => return Err(other.unexpected()),
        }
    }
    match folder {
        Some(folder) => Ok(Asked::Look(folder, flags)),
        None => Err("required argument 'folder' not provided".into()),
    }
}

/// Parses the arguments, opens the folder and shows it.
fn look<T: Default>(
    arguments: &[OsString],
    terminal: &mut Terminal<'_>,
    flag: impl FnMut(&mut T, &str, &mut Parser) -> Result<bool, lexopt::Error>,
    show: impl FnOnce(&Folder, &T, &mut dyn Write) -> io::Result<ExitStatus>,
) -> ExitStatus {
    let (folder, flags) = match parse(arguments, flag) {
        Ok(Asked::Look(folder, flags)) => (folder, flags),
        Ok(Asked::Help) => return help(terminal),
        Err(error) => return wrong(terminal, &error.to_string()),
    };
    let folder = match Folder::open(Arc::new(RealFs), &folder) {
        Ok(folder) => folder,
        Err(error) => {
            terminal.complain(&format!("narthex log: {}\n", chain(&error)));
            return ExitStatus::Usage;
        }
    };
    let mut out = BufWriter::new(&mut *terminal.out);
    let shown = show(&folder, &flags, &mut out).and_then(|status| out.flush().map(|()| status));
    // Else dropping it would try to write once more.
    let _unwritten = out.into_parts();
    match shown {
        Ok(status) => status,
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitStatus::Success,
        Err(error) => {
            terminal.complain(&format!("narthex log: cannot write the output: {error}\n"));
            ExitStatus::Failure
        }
    }
}

/// An error and what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Writes a value as JSON, or as text.
fn show<T: serde::Serialize + std::fmt::Display>(
    value: &T,
    json: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, value)?;
        return out.write_all(b"\n");
    }
    write!(out, "{value}")
}

/// The flag of `inspect` and `verify`.
fn json_flag(json: &mut bool, name: &str, _: &mut Parser) -> Result<bool, lexopt::Error> {
    *json |= name == "json";
    Ok(name == "json")
}

#[cfg(test)]
mod tests;
