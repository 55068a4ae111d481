//! The configuration as it lies on disk: read, checked, planned. Changes nothing.

use std::path::Path;
use std::sync::Arc;

use super::config_file::{self, Configuration};
use crate::config::dump::dump;
use crate::config::load::Loaded;
use crate::config::{Config, Features};
use crate::discovery::plan::Plan;

/// A valid configuration with everything that follows from it.
#[derive(Debug)]
pub struct Settings {
    /// The configuration.
    pub config: Config,
    /// The discovery it asks for.
    pub plan: Plan,
    /// The effective configuration as YAML, secrets hidden.
    pub yaml: Arc<str>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Files that were read, the main file first.
    pub files: Vec<String>,
    /// A digest of every file as it was read: see [`Configuration::digest`].
    pub digest: u64,
}

/// Why a configuration cannot be used: a text for the user, as it is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

/// Reads the configuration file and those it names.
///
/// # Errors
/// What is wrong and where.
pub fn read(path: &Path, features: Features) -> Result<Settings, SettingsError> {
    let Configuration {
        loaded,
        plan,
        digest,
    } = config_file::load_file(&path.to_string_lossy(), features)
        .map_err(|error| SettingsError(error.to_string()))?;
    let exposed = config_file::exposed_secrets(&loaded);
    let Loaded {
        config,
        mut warnings,
        files,
    } = loaded;
    warnings.extend(exposed);
    let yaml = dump(&config).into();
    Ok(Settings {
        config,
        plan,
        yaml,
        warnings,
        files,
        digest,
    })
}
