//! Joins everything: builds the engines from a configuration and supervises them.
//!
//! The only room that knows all engines. It holds no protocol and no format.

mod budget;
pub mod config_file;
mod doors;
mod enclosure;
mod endpoints;
pub mod exit;
mod housekeeping;
mod joined;
#[cfg(test)]
mod journey;
mod life;
mod metadata;
mod opening;
pub mod options;
mod self_metrics;
mod service;
pub mod settings;
mod sink;
mod staging;
pub mod timekeeper;
mod view;

use exit::ExitStatus;
use options::RunOptions;

use crate::sys::harden::harden;
use crate::sys::memory::{self, ProgramPages};

/// Runs the agent until it is told to stop. The log must be set up.
#[must_use]
pub fn run(options: RunOptions) -> ExitStatus {
    for kept in harden() {
        log::debug!(component = "main"; "Not given up: {kept}");
    }
    memory::refuse_huge_pages();
    let program = ProgramPages::cut();
    for notice in &options.notices {
        log::warn!(component = "main"; "{notice}");
    }
    match joined::Joined::start(options) {
        Ok(joined) => life::supervise(joined, &program),
        Err(failure) => {
            log::error!(component = "main", err = failure.message.as_str(); "Cannot start");
            failure.status
        }
    }
}
