//! What a run of the agent needs to know from its command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::Features;
use crate::telemetry::log::Format;
use crate::web::WebOptions;

/// The command line, understood and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// The configuration file.
    pub config_file: PathBuf,
    /// What it adds to the defaults of the configuration.
    pub features: Features,
    /// How often the configuration is compared with what is in force; none for never.
    pub auto_reload: Option<Duration>,
    /// The log on disk.
    pub storage: StorageOptions,
    /// Memory that the agent may hold, in bytes; none takes what its cgroup allows.
    pub memory_max: Option<u64>,
    /// Rules of scraping that flags can change.
    pub scrape: ScrapeOptions,
    /// How long stopping and reloading may wait for what is unsent.
    pub flush_deadline: Duration,
    /// `host:port` of each listener of the web side.
    pub listen_addresses: Vec<String>,
    /// How the web side is served.
    pub web: WebOptions,
    /// What secures the web side; none for nothing.
    pub web_config_file: Option<PathBuf>,
    /// What the process gives up once it knows what it needs.
    pub sandbox: SandboxOptions,
    /// The lowest level that is logged.
    pub log_level: log::LevelFilter,
    /// The shape of log lines.
    pub log_format: Format,
    /// What the user should know about flags without effect; one log line each.
    pub notices: Vec<String>,
}

/// Where and how samples are kept until they are delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageOptions {
    /// The folder of the agent's data.
    pub path: PathBuf,
    /// Bytes of disk that the log may use.
    pub bytes_max: u64,
    /// How old a sample may get before it is given up; none for any age.
    pub age_max: Option<Duration>,
    /// The longest stretch that a loss of power may cost.
    pub sync_interval: Duration,
    /// Where what is delivered in time waits before it goes to disk.
    pub staging: Staging,
}

/// A file system in memory for what need not be on disk at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Staging {
    /// The first of these folders that is one: the service's runtime folder, shared memory.
    Auto(Vec<PathBuf>),
    /// This folder.
    In(PathBuf),
    /// Everything goes straight to disk.
    Off,
}

/// Which part of the system the agent can still reach while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxOptions {
    /// Whether it gives up the rest.
    pub mode: SandboxMode,
    /// Folders that it can read beside those that it knows to need.
    pub read: Vec<PathBuf>,
}

/// Whether there is a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxMode {
    /// None.
    Off,
    /// As much of it as the kernel has.
    Auto,
    /// All of it, or the agent does not start.
    Required,
}

/// Rules of scraping that flags can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrapeOptions {
    /// How long updates of discovery are gathered.
    pub discovery_reload_interval: Duration,
    /// Move timestamps of scrapes to their intended times when they are this near; none for
    /// never.
    pub timestamp_tolerance: Option<Duration>,
}
