//! `narthex log verify`: whether a log is sound.

use std::ffi::OsString;

use crate::agent::exit::ExitStatus;
use crate::wal::inspect::verify::verify;

use super::Terminal;

/// Runs the command. Exit status 1 if something is damaged.
pub(super) fn main(arguments: &[OsString], terminal: &mut Terminal<'_>) -> ExitStatus {
    super::look(
        arguments,
        terminal,
        super::json_flag,
        |folder, json, out| {
            let report = verify(folder);
            let status = if report.is_sound() {
                ExitStatus::Success
            } else {
                ExitStatus::Failure
            };
            match super::show(&report, *json, out) {
                // Nobody reads the report; the status still tells.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(status),
                other => other.map(|()| status),
            }
        },
    )
}
