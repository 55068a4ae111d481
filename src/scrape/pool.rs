//! The targets of one job: what a new discovered state adds, keeps and removes. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::target::{self, Built, Target, TargetError};
use crate::config::scrape::ScrapeConfig;
use crate::limits;
use crate::model::labels::Labels;
use crate::model::target_group::TargetGroup;

/// The targets of one job by identity.
#[derive(Debug, Default)]
pub struct Pool {
    active: BTreeMap<u64, Arc<Target>>,
    dropped: Vec<Arc<Labels>>,
    dropped_count: usize,
}

/// What a sync changed.
#[derive(Debug, Default)]
pub struct Sync {
    /// Targets that were not there before.
    pub added: Vec<Arc<Target>>,
    /// Targets that are gone.
    pub removed: Vec<Arc<Target>>,
    /// Targets that could not be built, as many as are worth a log line each.
    pub errors: Vec<TargetError>,
    /// How many could not be built.
    pub failed: usize,
    /// Set when there are more targets than `target_limit`: then none is scraped.
    pub over_limit: Option<String>,
}

impl Pool {
    /// The targets that are scraped.
    pub fn active(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.active.values()
    }

    /// Labels of dropped targets, as many as are remembered.
    #[must_use]
    pub fn dropped(&self) -> &[Arc<Labels>] {
        &self.dropped
    }

    /// How many targets relabelling dropped.
    #[must_use]
    pub fn dropped_count(&self) -> usize {
        self.dropped_count
    }

    /// Applies the full discovered state of the job.
    pub fn sync(
        &mut self,
        config: &ScrapeConfig,
        job: &Arc<str>,
        groups: &[Arc<TargetGroup>],
    ) -> Sync {
        let mut sync = Sync::default();
        let mut next: BTreeMap<u64, Arc<Target>> = BTreeMap::new();
        self.dropped.clear();
        self.dropped_count = 0;
        for group in groups {
            for own in &group.targets {
                match target::build(config, job, &group.labels, own) {
                    Ok(Built::Active(target)) => {
                        let id = target.identity.id;
                        next.entry(id).or_insert_with(|| self.known_as(target));
                    }
                    Ok(Built::Dropped(labels)) => self.remember_dropped(config, labels),
                    Err(error) => {
                        sync.failed += 1;
                        if sync.errors.len() < limits::TARGET_ERRORS_LOGGED_MAX {
                            sync.errors.push(error);
                        }
                    }
                }
            }
        }
        sync.added = missing(&next, &self.active);
        sync.removed = missing(&self.active, &next);
        self.active = next;
        let (count, limit) = (self.active.len(), config.limits.targets);
        if limit > 0 && count as u64 > limit {
            let text =
                format!("target_limit exceeded (number of targets: {count}, limit: {limit})");
            sync.over_limit = Some(text);
        }
        sync
    }

    /// The target, as it is known if it is: discovery may say more of it than it did.
    fn known_as(&self, target: Target) -> Arc<Target> {
        match self.active.get(&target.identity.id) {
            Some(known) if known.discovered == target.discovered => Arc::clone(known),
            Some(known) => Arc::new(Target {
                identity: Arc::clone(&known.identity),
                url: Arc::clone(&known.url),
                ..target
            }),
            None => Arc::new(target),
        }
    }

    fn remember_dropped(&mut self, config: &ScrapeConfig, labels: Labels) {
        self.dropped_count += 1;
        let written = usize::try_from(config.limits.keep_dropped_targets).unwrap_or(usize::MAX);
        let keep = if written == 0 {
            limits::DROPPED_TARGETS_KEPT_MAX
        } else {
            written
        };
        if self.dropped.len() < keep {
            self.dropped.push(Arc::new(labels));
        }
    }
}

/// Targets of `one` that are not in `two`.
fn missing(one: &BTreeMap<u64, Arc<Target>>, two: &BTreeMap<u64, Arc<Target>>) -> Vec<Arc<Target>> {
    one.iter()
        .filter(|(id, _)| !two.contains_key(id))
        .map(|(_, target)| Arc::clone(target))
        .collect()
}
