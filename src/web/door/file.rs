//! The file of `--web.config.file`, read with the certificates it names.

use std::path::{Path, PathBuf};

use crate::config::error::ConfigError;
use crate::config::paths;
use crate::config::web::{self, WebConfig};
use crate::limits;
use crate::net::secrets::{FileError, read_bounded};
use crate::net::tls::server::ServerTlsSource;
use crate::net::tls::{Stamp, TlsError, stamp};

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebConfigError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is wrong.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    /// A certificate or key is.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// What only a restart can change.
    #[error("{0}")]
    Restart(&'static str),
}

/// A file that can be used.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) stamp: Stamp,
    pub(super) config: WebConfig,
    pub(super) tls: Option<ServerTlsSource>,
}

/// Reads a file and what it names.
pub(super) fn load(path: &Path) -> Result<Loaded, WebConfigError> {
    // Before the content: what changes in between is read again.
    let stamp = stamp(path.to_owned())?;
    let content = read_bounded(path, limits::WEB_CONFIG_BYTES)?;
    let text = std::str::from_utf8(&content).map_err(|_| FileError::NotText {
        path: PathBuf::from(path),
    })?;
    let credentials = std::env::var(paths::CREDENTIALS).ok();
    let config = web::parse(&path.to_string_lossy(), text, credentials.as_deref())?;
    let tls = config.tls.as_ref().map(ServerTlsSource::new).transpose()?;
    Ok(Loaded { stamp, config, tls })
}

/// Says whether the web server could be secured by a file.
///
/// # Errors
/// What is wrong with it, or with a file that it names.
pub fn check(path: &Path) -> Result<(), WebConfigError> {
    load(path).map(drop)
}
