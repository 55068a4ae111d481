//! What the web side sees: reads the engines' published state, and passes requests on to main.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;

use super::endpoints::Endpoints;
use crate::config::scrape::ScrapeConfig;
use crate::discovery::status::{Board, ProviderStatus};
use crate::model::labels::Labels;
use crate::model::loss::Losses;
use crate::model::sorting;
use crate::model::time::Wall;
use crate::relabel::rule::Rule;
use crate::remote;
use crate::scrape::status::{Health as ScrapeHealth, Status, TargetEntry};
use crate::sys::clock::Clock;
use crate::sys::host::hostname;
use crate::sys::published::Published;
use crate::telemetry::registry::Counter;
use crate::wal;
use crate::web::backend::{
    ActiveTarget, Backend, DiscoveryStatus, DroppedTarget, EndpointStatus, Health, LogStatus,
    Readiness, ReloadDone, RuntimeInfo, TargetMetadata,
};

/// What the web side asks main for.
pub(super) enum Request {
    /// Read the configuration again.
    Reload(ReloadDone),
    /// Stop in good order.
    Quit,
}

/// What main tells about itself.
#[derive(Clone, Debug)]
pub(super) struct LifeStatus {
    pub(super) readiness: Readiness,
    pub(super) yaml: Arc<str>,
    pub(super) jobs: Arc<[Arc<ScrapeConfig>]>,
    pub(super) reload_succeeded: bool,
    pub(super) config_loaded: Wall,
}

/// Everything the web side may look at.
pub(super) struct View {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) started: Wall,
    pub(super) life: Published<LifeStatus>,
    pub(super) scrape: Status,
    pub(super) discovery: Board,
    pub(super) endpoints: Endpoints,
    pub(super) log: Published<wal::LogStatus>,
    pub(super) losses: Arc<wal::losses::LossBook>,
    pub(super) corruptions: Arc<Counter>,
    pub(super) requests: Sender<Request>,
}

impl Backend for View {
    fn readiness(&self) -> Readiness {
        self.life.load().readiness
    }

    fn active_targets(&self) -> Vec<ActiveTarget> {
        let pools = self.scrape.load();
        pools
            .values()
            .flat_map(|pool| &pool.active)
            .map(active_target)
            .collect()
    }

    fn dropped_targets(&self) -> Vec<DroppedTarget> {
        let pools = self.scrape.load();
        let of_pool = |(name, pool): (&Arc<str>, &crate::scrape::status::PoolEntry)| {
            let target = |labels: &Arc<Labels>| DroppedTarget {
                discovered_labels: Labels::clone(labels),
                scrape_pool: name.to_string(),
            };
            pool.dropped.iter().map(target).collect::<Vec<_>>()
        };
        pools.iter().flat_map(of_pool).collect()
    }

    fn dropped_target_counts(&self) -> BTreeMap<String, u64> {
        let pools = self.scrape.load();
        let counts = pools
            .iter()
            .map(|(name, pool)| (name.to_string(), pool.dropped_count as u64));
        sorting::map(counts)
    }

    fn scrape_pools(&self) -> Vec<String> {
        self.scrape.load().keys().map(ToString::to_string).collect()
    }

    fn relabel_rules(&self, pool: &str) -> Option<Vec<Rule>> {
        let life = self.life.load();
        let job = life.jobs.iter().find(|job| job.job_name == pool)?;
        Some(job.relabel_configs.clone())
    }

    fn target_metadata(&self) -> Vec<TargetMetadata> {
        let pools = self.scrape.load();
        let metadata = |target: &TargetEntry| TargetMetadata {
            labels: target.identity.labels.clone(),
            families: target.last.with(|last| last.families.to_vec()),
        };
        pools
            .values()
            .flat_map(|pool| &pool.active)
            .map(metadata)
            .collect()
    }

    fn config_yaml(&self) -> String {
        self.life.load().yaml.to_string()
    }

    fn runtime(&self) -> RuntimeInfo {
        let life = self.life.load();
        let directory = std::env::current_dir().map(|path| path.display().to_string());
        RuntimeInfo {
            started: self.started,
            working_directory: directory.unwrap_or_default(),
            hostname: hostname(),
            reload_succeeded: life.reload_succeeded,
            config_loaded: life.config_loaded,
            corruptions: self.corruptions.get() as u64,
            threads: thread_count(),
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
            memory_bytes_max: 0,
        }
    }

    fn endpoints(&self) -> Vec<EndpointStatus> {
        let now = self.clock.wall();
        let losses = self.losses.snapshot();
        self.endpoints
            .status()
            .into_iter()
            .map(|status| endpoint(status, &losses, now))
            .collect()
    }

    fn losses(&self) -> Losses {
        self.losses.snapshot()
    }

    fn discovery(&self) -> Vec<DiscoveryStatus> {
        let providers = self.discovery.snapshot();
        let row = |provider: ProviderStatus| {
            let (last_error_at, last_error) = provider.last_error.unzip();
            DiscoveryStatus {
                mechanism: provider.mechanism.to_owned(),
                jobs: provider.jobs,
                groups: provider.groups as u64,
                targets: provider.targets as u64,
                last_update: provider.last_success,
                last_error: last_error.unwrap_or_default(),
                last_error_at,
                last_refresh: provider.last_refresh,
            }
        };
        providers.into_iter().map(row).collect()
    }

    fn log(&self) -> LogStatus {
        let status = self.log.load();
        LogStatus {
            bytes: status.bytes,
            bytes_max: status.budget_bytes,
            segments: status.segments as u64,
            failing: status.failing.clone(),
        }
    }

    fn reload(&self, done: ReloadDone) {
        if let Err(refused) = self.requests.try_send(Request::Reload(done))
            && let Request::Reload(done) = refused.into_inner()
        {
            done(Err(
                "another request is being worked on, try again".to_owned()
            ));
        }
    }

    fn quit(&self) {
        // Full: a request is waiting already, and the client will see that nothing happened.
        let _full = self.requests.try_send(Request::Quit);
    }
}

fn active_target(target: &TargetEntry) -> ActiveTarget {
    let last = target.last.with(|last| last.clone());
    ActiveTarget {
        discovered_labels: Labels::clone(&target.discovered),
        labels: target.identity.labels.clone(),
        scrape_pool: target.identity.job.to_string(),
        scrape_url: target.url.to_string(),
        last_error: last.error.as_deref().unwrap_or_default().to_owned(),
        last_scrape: last.at,
        last_scrape_duration: last.duration,
        health: match last.health {
            ScrapeHealth::Unknown => Health::Unknown,
            ScrapeHealth::Up => Health::Up,
            ScrapeHealth::Down => Health::Down,
        },
        scrape_interval: target.interval,
        scrape_timeout: target.timeout,
    }
}

fn endpoint(status: remote::EndpointStatus, losses: &Losses, now: Wall) -> EndpointStatus {
    let behind = status.highest_read.zip(status.highest_sent);
    let lag = behind.map_or(0, |(read, sent)| {
        if status.pending_samples == 0 {
            0
        } else {
            (now.0.min(read.0) - sent.0).max(0)
        }
    });
    EndpointStatus {
        samples_lost: losses.total(&status.name),
        samples_aside: status.aside_samples,
        name: status.name,
        url: status.url,
        lag: Duration::from_millis(lag.unsigned_abs()),
        samples_pending: status.pending_samples,
        samples_sent: status.acknowledged_samples,
        shards: u64::from(status.shards),
        last_error: status
            .last_error
            .map_or_else(String::new, |error| error.text),
    }
}

/// Threads of this process, as the kernel counts them.
fn thread_count() -> u64 {
    std::fs::read_dir("/proc/self/task").map_or(0, |entries| entries.count() as u64)
}
