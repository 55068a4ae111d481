//! What the status API sees of the targets.

use std::sync::Arc;
use std::time::Duration;

use crate::model::labels::Labels;
use crate::model::metadata::Family;
use crate::model::series::TargetIdentity;
use crate::model::time::Wall;
use crate::sys::published::{Published, Shared};

/// Outcome of a target's last scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Health {
    /// Not scraped yet.
    #[default]
    Unknown,
    /// The last scrape succeeded.
    Up,
    /// The last scrape failed.
    Down,
}

/// What changes with every scrape. Written by the target's worker, read by the status API; the
/// lock is uncontended and taken once per scrape.
#[derive(Clone, Debug, Default)]
pub struct LastScrape {
    /// Up, down or unknown.
    pub health: Health,
    /// Why it is down.
    pub error: Option<Arc<str>>,
    /// When the scrape began.
    pub at: Option<Wall>,
    /// How long it took.
    pub duration: Duration,
    /// Families of the last accepted page.
    pub families: Families,
}

/// Families of a page, shared until the page changes its shape.
pub type Families = Arc<[Arc<Family>]>;

/// An active target as the API shows it.
#[derive(Clone, Debug)]
pub struct TargetEntry {
    /// Job and final labels.
    pub identity: Arc<TargetIdentity>,
    /// Labels before relabelling.
    pub discovered: Arc<Labels>,
    /// What is fetched.
    pub url: Arc<str>,
    /// Time between scrapes.
    pub interval: Duration,
    /// Time for a scrape.
    pub timeout: Duration,
    /// Its last scrape.
    pub last: Shared<LastScrape>,
}

/// A pool's targets.
#[derive(Clone, Debug, Default)]
pub struct PoolEntry {
    /// Scraped targets.
    pub active: Vec<TargetEntry>,
    /// Discovered labels of dropped targets, as many as are remembered.
    pub dropped: Vec<Arc<Labels>>,
    /// How many were dropped.
    pub dropped_count: usize,
}

/// All pools by job name. Published when a target set changes, not when a target is scraped.
pub type PoolTable = std::collections::BTreeMap<Arc<str>, PoolEntry>;

/// The engine's published status.
pub type Status = Published<PoolTable>;
