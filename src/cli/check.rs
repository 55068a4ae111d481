//! `narthex check config` and `check web-config`: says whether configuration files are valid, as
//! promtool says it.

use std::ffi::OsString;
use std::path::Path;

use lexopt::{Arg, Parser};

use crate::agent::config_file::{self, ConfigFileError};
use crate::agent::exit::ExitStatus;
use crate::config::Features;
use crate::web::door;

use super::Terminal;

const USAGE: &str = "usage: narthex check config [--syntax-only] <file>...\n       \
                     narthex check web-config <file>...\n";

/// Which files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Config,
    /// Of `--web.config.file`.
    Web,
}

/// What is to be checked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    kind: Kind,
    files: Vec<String>,
    syntax_only: bool,
}

/// Runs the command. Exit status 0 when every file is valid, 1 otherwise.
pub(super) fn main(arguments: &[OsString], terminal: &mut Terminal<'_>) -> ExitStatus {
    let request = match parse(arguments) {
        Ok(request) => request,
        Err(error) => {
            terminal.complain(&format!(
                "Error parsing command line arguments: {error}\n{USAGE}"
            ));
            return ExitStatus::Usage;
        }
    };
    match request.kind {
        Kind::Config => check_all(&request, terminal),
        Kind::Web => check_web(&request.files, terminal),
    }
}

fn check_web(files: &[String], terminal: &mut Terminal<'_>) -> ExitStatus {
    let mut status = ExitStatus::Success;
    for file in files {
        match door::check(Path::new(file)) {
            Ok(()) => terminal.complain(&format!("{file} SUCCESS\n")),
            Err(error) => {
                terminal.complain(&format!("{file} FAILED: {error}\n"));
                status = ExitStatus::Failure;
            }
        }
    }
    status
}

fn check_all(request: &Request, terminal: &mut Terminal<'_>) -> ExitStatus {
    let mut status = ExitStatus::Success;
    for file in &request.files {
        terminal.say(&format!("Checking {file}\n"));
        match check_file(file, request.syntax_only) {
            Ok(warnings) => {
                for warning in warnings {
                    terminal.say(&format!("  WARNING: {warning}\n"));
                }
                terminal.say(&format!(
                    " SUCCESS: {file} is valid prometheus config file syntax\n"
                ));
            }
            Err(error) => {
                terminal.complain(&format!("  FAILED: {error}\n"));
                status = ExitStatus::Failure;
            }
        }
        terminal.say("\n");
    }
    status
}

fn parse(arguments: &[OsString]) -> Result<Request, String> {
    let mut parser = Parser::from_args(arguments.iter());
    let mut request = Request::default();
    let mut kind = None;
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Long("syntax-only") => request.syntax_only = true,
            // Promtool's: narthex is always an agent and has no lints.
            Arg::Long("agent" | "lint-fatal" | "no-lint-fatal") => {}
            Arg::Long("lint") => {
                let _no_lints = parser.value().map_err(|error| error.to_string())?;
            }
            Arg::Value(value) => {
                let text = value
                    .into_string()
                    .map_err(|value| format!("unexpected {value:?}"))?;
                match (kind, &*text) {
                    (Some(_), _) => request.files.push(text),
                    (None, "config") => kind = Some(Kind::Config),
                    (None, "web-config") => kind = Some(Kind::Web),
                    (None, _) => return Err(format!("unexpected {text}")),
                }
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    if request.files.is_empty() {
        return Err("required argument 'config-files' not provided".to_owned());
    }
    request.kind = kind.unwrap_or_default();
    Ok(request)
}

/// Reads and checks one file; returns what there is to say about a valid one.
fn check_file(file: &str, syntax_only: bool) -> Result<Vec<String>, ConfigFileError> {
    let loaded = config_file::load_file(file, Features::default())?.loaded;
    let mut warnings = loaded.warnings.clone();
    if !syntax_only {
        warnings.append(&mut config_file::check_references(&loaded)?);
    }
    Ok(warnings)
}
