//! What the agent would scrape, were these the groups that discovery found. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::Config;
use crate::config::scrape::ScrapeConfig;
use crate::model::labels::Labels;
use crate::model::sorting;
use crate::model::target_group::{LabelMap, TargetGroup, TargetSets};
use crate::scrape::pool::Pool;
use crate::scrape::target::{self, Built};

/// All jobs, or the one that is asked for, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The jobs.
    pub jobs: BTreeMap<String, JobView>,
}

/// One job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobView {
    /// Its groups, in the order of the providers.
    pub groups: Vec<GroupView>,
    /// Set when there are too many targets, so that none is scraped.
    pub over_limit: Option<String>,
}

/// A group, and what becomes of its targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// Where it came from.
    pub source: String,
    /// Its targets in their order.
    pub targets: Vec<TargetView>,
}

/// A target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetView {
    /// Labels before relabelling, the job's defaults included.
    pub discovered: Labels,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is scraped.
    Scraped {
        /// What is fetched.
        url: Arc<str>,
        /// The labels of its series.
        labels: Labels,
    },
    /// It is the same as another one of the job.
    Duplicate,
    /// Relabelling dropped it.
    Dropped,
    /// It cannot be scraped, for that reason.
    Failed(String),
}

impl Snapshot {
    /// Builds the targets as the scrape engine does.
    #[must_use]
    pub fn new(config: &Config, only: Option<&str>, sets: &TargetSets) -> Snapshot {
        let jobs = config.scrape_configs.iter();
        let jobs = jobs.filter(|job| only.is_none_or(|only| *only == job.job_name));
        let view = |job: &Arc<ScrapeConfig>| {
            let groups = sets.get(&job.job_name).map_or(&[][..], Vec::as_slice);
            (job.job_name.clone(), JobView::new(job, groups))
        };
        Snapshot {
            jobs: sorting::map(jobs.map(view)),
        }
    }

    /// Whether something cannot be scraped though nobody dropped it.
    #[must_use]
    pub fn is_flawed(&self) -> bool {
        let failed = |target: &TargetView| matches!(target.fate, Fate::Failed(_));
        self.jobs
            .values()
            .any(|job| job.over_limit.is_some() || job.targets().any(failed))
    }
}

impl JobView {
    fn new(config: &Arc<ScrapeConfig>, groups: &[Arc<TargetGroup>]) -> JobView {
        let job: Arc<str> = config.job_name.as_str().into();
        let over_limit = Pool::default().sync(config, &job, groups).over_limit;
        let mut seen = BTreeSet::new();
        let mut fate = |group: &TargetGroup, own: &LabelMap| match target::build(
            config,
            &job,
            &group.labels,
            own,
        ) {
            Ok(Built::Dropped(_)) => Fate::Dropped,
            Ok(Built::Active(target)) if !seen.insert(target.identity.id) => Fate::Duplicate,
            Ok(Built::Active(target)) => Fate::Scraped {
                url: Arc::clone(&target.url),
                labels: target.identity.labels.clone(),
            },
            Err(error) => Fate::Failed(error.to_string()),
        };
        let mut target = |group: &TargetGroup, own: &LabelMap| TargetView {
            discovered: target::before_relabelling(config, &group.labels, own).build(),
            fate: fate(group, own),
        };
        let mut view = |group: &Arc<TargetGroup>| GroupView {
            source: group.source.clone(),
            targets: group.targets.iter().map(|own| target(group, own)).collect(),
        };
        JobView {
            groups: groups.iter().map(&mut view).collect(),
            over_limit,
        }
    }

    /// All targets.
    pub fn targets(&self) -> impl Iterator<Item = &TargetView> {
        self.groups.iter().flat_map(|group| &group.targets)
    }

    /// How many targets have a fate.
    #[must_use]
    pub fn count(&self, fate: fn(&Fate) -> bool) -> usize {
        self.targets().filter(|target| fate(&target.fate)).count()
    }
}
