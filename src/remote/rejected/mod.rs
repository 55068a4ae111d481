//! What receivers refused for good, kept in small files for people to look at.
//!
//! One sample is one line of JSON ([`entry`]), so a torn write costs a line and `jq` reads the rest.
//! Each endpoint has a file and the one before it, both bounded ([`mod@file`]). Nothing depends on them:
//! they are not synced, and a disk that is full costs a counter. `narthex log rejected` prints them.

pub mod entry;
pub mod file;

use std::path::{Path, PathBuf};

/// The folder of the files, below the folder that the log has.
#[must_use]
pub fn folder(storage_path: &Path) -> PathBuf {
    storage_path.join("narthex").join("rejected")
}
