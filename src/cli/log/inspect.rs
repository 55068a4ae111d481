//! `narthex log inspect`: what is in a log.

use std::ffi::OsString;

use crate::agent::exit::ExitStatus;
use crate::wal::inspect::survey::Survey;

use super::Terminal;

/// Runs the command.
pub(super) fn main(arguments: &[OsString], terminal: &mut Terminal<'_>) -> ExitStatus {
    super::look(
        arguments,
        terminal,
        super::json_flag,
        |folder, json, out| {
            super::show(&Survey::of(folder), *json, out)?;
            Ok(ExitStatus::Success)
        },
    )
}
