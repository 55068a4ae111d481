//! `narthex log dump`: the samples of a log as text.

use std::ffi::OsString;

use lexopt::{Parser, ValueExt};

use crate::agent::exit::ExitStatus;
use crate::model::block::Sequence;
use crate::wal::inspect::dump::{Selection, dump};

use super::Terminal;

/// Runs the command.
pub(super) fn main(arguments: &[OsString], terminal: &mut Terminal<'_>) -> ExitStatus {
    super::look(arguments, terminal, flag, |folder, selection, out| {
        dump(folder, selection, out)?;
        Ok(ExitStatus::Success)
    })
}

fn flag(own: &mut Selection, name: &str, parser: &mut Parser) -> Result<bool, lexopt::Error> {
    match name {
        "from" => own.from = Some(Sequence(parser.value()?.parse()?)),
        "to" => own.to = Some(Sequence(parser.value()?.parse()?)),
        "job" => own.job = Some(parser.value()?.string()?),
        "limit" => own.limit = Some(parser.value()?.parse()?),
        _ => return Ok(false),
    }
    Ok(true)
}
