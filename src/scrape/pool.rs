//! The targets of one job: what a new discovered state adds, keeps and removes. Pure.
//!
//! Costs what changed: groups and targets that were there before are not built again (`memo`).

mod memo;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::memo::{Memo, Outcome};
use super::target::{Target, TargetError, before_relabelling};
use crate::config::scrape::ScrapeConfig;
use crate::limits;
use crate::model::labels::Labels;
use crate::model::target_group::TargetGroup;

/// The targets of one job by identity.
#[derive(Debug, Default)]
pub struct Pool {
    active: BTreeMap<u64, Arc<Target>>,
    memo: Memo,
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
        config: &Arc<ScrapeConfig>,
        job: &Arc<str>,
        groups: &[Arc<TargetGroup>],
    ) -> Sync {
        let mut sync = Sync::default();
        let mut next: BTreeMap<u64, Arc<Target>> = BTreeMap::new();
        self.dropped.clear();
        self.dropped_count = 0;
        let keep = dropped_kept(config);
        for known in self.memo.advance(config, job, groups) {
            let group = &known.group;
            for (own, outcome) in group.targets.iter().zip(&known.outcomes) {
                match outcome {
                    Outcome::Active(target) => {
                        let id = target.identity.id;
                        let known = || known_as(self.active.get(&id), target);
                        next.entry(id).or_insert_with(known);
                    }
                    Outcome::Dropped => {
                        self.dropped_count += 1;
                        if self.dropped.len() < keep {
                            let labels = before_relabelling(config, &group.labels, own);
                            self.dropped.push(Arc::new(labels.build()));
                        }
                    }
                    Outcome::Failed(error) => {
                        sync.failed += 1;
                        if sync.errors.len() < limits::TARGET_ERRORS_LOGGED_MAX {
                            sync.errors.push(TargetError::clone(error));
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
}

/// How many labels of dropped targets are remembered.
fn dropped_kept(config: &ScrapeConfig) -> usize {
    match config.limits.keep_dropped_targets {
        0 => limits::DROPPED_TARGETS_KEPT_MAX,
        written => usize::try_from(written).unwrap_or(usize::MAX),
    }
}

/// The target, as it is known if it is: discovery may say more of it than it did.
fn known_as(known: Option<&Arc<Target>>, target: &Arc<Target>) -> Arc<Target> {
    match known {
        Some(known) if known.discovered == target.discovered => Arc::clone(known),
        Some(known) => Arc::new(Target {
            identity: Arc::clone(&known.identity),
            url: Arc::clone(&known.url),
            unix_socket: known.unix_socket.clone(),
            discovered: Arc::clone(&target.discovered),
            interval: target.interval,
            timeout: target.timeout,
            histograms: target.histograms,
        }),
        None => Arc::clone(target),
    }
}

/// Targets of `one` that are not in `two`.
fn missing(one: &BTreeMap<u64, Arc<Target>>, two: &BTreeMap<u64, Arc<Target>>) -> Vec<Arc<Target>> {
    one.iter()
        .filter(|(id, _)| !two.contains_key(id))
        .map(|(_, target)| Arc::clone(target))
        .collect()
}

#[cfg(test)]
mod tests;
