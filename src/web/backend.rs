//! What the web side sees of the rest of the program: plain data, asked for per request.
//!
//! The engines publish snapshots; whoever joins them implements [`Backend`] by reading those.
//! Nothing here may block: it is called on the server's thread. Texts must hold no secrets: what
//! stands here is shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::model::labels::Labels;
use crate::model::loss::Losses;
use crate::model::metadata::Family;
use crate::model::time::Wall;
use crate::relabel::rule::Rule;

/// The running agent, as the web side sees it.
pub trait Backend: Send + Sync {
    /// Whether the agent has started, and not begun to stop.
    fn readiness(&self) -> Readiness;
    /// Targets that are scraped, in any order of their pools, in a stable order within one.
    fn active_targets(&self) -> Vec<ActiveTarget>;
    /// Targets that relabelling dropped, as far as they are remembered.
    fn dropped_targets(&self) -> Vec<DroppedTarget>;
    /// Number of dropped targets by scrape pool, remembered or not.
    fn dropped_target_counts(&self) -> BTreeMap<String, u64>;
    /// Names of all scrape pools.
    fn scrape_pools(&self) -> Vec<String>;
    /// The relabelling rules of a scrape pool, if there is one of that name.
    fn relabel_rules(&self, pool: &str) -> Option<Vec<Rule>>;
    /// What active targets say of their metric families.
    fn target_metadata(&self) -> Vec<TargetMetadata>;
    /// The configuration in force as YAML, secrets hidden.
    fn config_yaml(&self) -> String;
    /// The process.
    fn runtime(&self) -> RuntimeInfo;
    /// Remote-write endpoints in the order of the configuration.
    fn endpoints(&self) -> Vec<EndpointStatus>;
    /// The books of what was lost, ever.
    fn losses(&self) -> Losses;
    /// Discovery providers.
    fn discovery(&self) -> Vec<DiscoveryStatus>;
    /// The log on disk.
    fn log(&self) -> LogStatus;
    /// Has the configuration read again. Returns at once; `done` is called, from any thread, when
    /// the new one is in force or was refused.
    fn reload(&self, done: ReloadDone);
    /// Asks the agent to stop in good order. Returns at once.
    fn quit(&self);
}

/// Takes the outcome of a reload: the error's text when the old configuration stays.
pub type ReloadDone = Box<dyn FnOnce(Result<(), String>) + Send>;

/// Where in its life the agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Not everything runs yet.
    Starting,
    /// All is running.
    Ready,
    /// On its way out.
    Stopping,
}

/// How the last scrape of a target went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not scraped yet.
    Unknown,
    /// Scraped.
    Up,
    /// Failed.
    Down,
}

impl Health {
    /// Prometheus's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Up => "up",
            Health::Down => "down",
        }
    }
}

/// A target that is scraped.
#[derive(Clone, Debug)]
pub struct ActiveTarget {
    /// Labels before relabelling.
    pub discovered_labels: Labels,
    /// Labels of its series.
    pub labels: Labels,
    /// Its job.
    pub scrape_pool: String,
    /// What is fetched, with parameters.
    pub scrape_url: String,
    /// Why the last scrape failed; empty if it did not.
    pub last_error: String,
    /// When the last scrape began.
    pub last_scrape: Option<Wall>,
    /// How long it took.
    pub last_scrape_duration: Duration,
    /// How it went.
    pub health: Health,
    /// Time between scrapes.
    pub scrape_interval: Duration,
    /// Time for one scrape.
    pub scrape_timeout: Duration,
}

/// A target that relabelling dropped.
#[derive(Clone, Debug)]
pub struct DroppedTarget {
    /// Labels before relabelling.
    pub discovered_labels: Labels,
    /// Its job.
    pub scrape_pool: String,
}

/// What one target says of its metric families.
#[derive(Clone, Debug)]
pub struct TargetMetadata {
    /// The target's labels.
    pub labels: Labels,
    /// Its families.
    pub families: Vec<Arc<Family>>,
}

/// The process.
#[derive(Clone, Debug)]
pub struct RuntimeInfo {
    /// When it was started.
    pub started: Wall,
    /// Its working directory.
    pub working_directory: String,
    /// The host's name.
    pub hostname: String,
    /// Whether the last reload put a configuration in force.
    pub reload_succeeded: bool,
    /// When a configuration was last put in force.
    pub config_loaded: Wall,
    /// Damaged places found in the log since the start.
    pub corruptions: u64,
    /// Threads.
    pub threads: u64,
    /// Processor cores that may be used.
    pub cores: u64,
    /// Memory budget in bytes; zero when there is none.
    pub memory_bytes_max: u64,
}

/// A remote-write endpoint.
#[derive(Clone, Debug)]
pub struct EndpointStatus {
    /// Its name.
    pub name: String,
    /// Its URL without userinfo.
    pub url: String,
    /// Age of the oldest sample that is not acknowledged.
    pub lag: Duration,
    /// Samples not yet acknowledged, in memory.
    pub samples_pending: u64,
    /// Samples acknowledged since the start.
    pub samples_sent: u64,
    /// Samples lost ever, for whatever reason; the books of losses tell them apart.
    pub samples_lost: u64,
    /// Samples that the endpoint fails at alone; they are tried again now and then.
    pub samples_aside: u64,
    /// Connections in use.
    pub shards: u64,
    /// Why the last request failed; empty if it did not.
    pub last_error: String,
}

/// One discovery provider.
#[derive(Clone, Debug)]
pub struct DiscoveryStatus {
    /// The jobs that it finds targets for.
    pub jobs: Vec<Arc<str>>,
    /// Mechanism, for instance `file`.
    pub mechanism: String,
    /// Groups found.
    pub groups: u64,
    /// Targets found, before relabelling.
    pub targets: u64,
    /// When it last said something.
    pub last_update: Option<Wall>,
    /// Why the last attempt failed; empty if it did not.
    pub last_error: String,
    /// When it failed.
    pub last_error_at: Option<Wall>,
    /// How long its last refresh took; none for those that do not poll.
    pub last_refresh: Option<Duration>,
}

/// The log on disk.
#[derive(Clone, Debug, Default)]
pub struct LogStatus {
    /// Bytes of all segments.
    pub bytes: u64,
    /// The budget.
    pub bytes_max: u64,
    /// Segments.
    pub segments: u64,
    /// What is wrong with the disk, while samples are delivered from memory alone.
    pub failing: Option<String>,
}
