//! What the scheduler asks of a worker.

use std::sync::Arc;

use crate::config::scrape::ScrapeConfig;
use crate::model::time::Mono;
use crate::scrape::status::LastScrape;
use crate::scrape::target::Target;
use crate::sys::published::Shared;

/// What a worker is to do.
#[derive(Debug)]
pub enum Order {
    /// Take a target on.
    Start(Box<Start>),
    /// The target's job has changed.
    Configure {
        /// The target.
        id: u64,
        /// Its job.
        config: Arc<ScrapeConfig>,
    },
    /// Scrape it when it is due.
    Scrape {
        /// The target.
        id: u64,
        /// When it is due, which may be soon.
        scheduled: Mono,
        /// Report it as down for this reason, without fetching.
        refused: Option<Arc<str>>,
    },
    /// Give it up.
    Finish {
        /// The target.
        id: u64,
        /// Time of the staleness markers; none when too many targets may show its series.
        markers: Option<Mono>,
        /// Active targets with the same public labels: what they show lives on.
        twins: Vec<u64>,
    },
}

/// A target for a worker.
#[derive(Debug)]
pub struct Start {
    /// The target.
    pub target: Arc<Target>,
    /// Its job.
    pub config: Arc<ScrapeConfig>,
    /// A target of the same job with the same public labels that this one takes over from.
    pub inherit: Option<u64>,
    /// Where the worker leaves the outcome of each scrape.
    pub last: Shared<LastScrape>,
}
