//! Why a log cannot be opened.

use std::io;
use std::path::PathBuf;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses the folder.
    #[error("{} is locked: another process uses this storage folder", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A newer program wrote here.
    #[error(
        "{} has log format version {version}, which this program does not know: run the newer \
         program again, or move the file away and lose what is in it",
        path.display()
    )]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
    /// The disk refuses.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No thread.
    #[error("cannot start the log's thread: {0}")]
    Thread(#[source] io::Error),
}
