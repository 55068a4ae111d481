//! What became of the targets of each group at the last sync.
//!
//! Discovery publishes its whole state after every change. A group that did not change is the same
//! object as before and costs nothing here; of one that did, only the targets that are new in it
//! are built.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::scrape::ScrapeConfig;
use crate::model::sorting;
use crate::model::target_group::{LabelMap, TargetGroup};
use crate::scrape::target::{self, Built, Target, TargetError};

/// What became of a discovered target.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It can be scraped.
    Active(Arc<Target>),
    /// Relabelling dropped it.
    Dropped,
    /// It cannot be scraped.
    Failed(Arc<TargetError>),
}

/// A group and what became of its targets, in their order.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) group: Arc<TargetGroup>,
    pub(super) outcomes: Vec<Outcome>,
}

/// The groups of the last sync.
#[derive(Debug, Default)]
pub(super) struct Memo {
    /// What they were built with.
    config: Option<Arc<ScrapeConfig>>,
    known: Vec<Known>,
}

impl Memo {
    /// Goes on to another state: every group of it with what becomes of its targets, in order.
    pub(super) fn advance(
        &mut self,
        config: &Arc<ScrapeConfig>,
        job: &Arc<str>,
        groups: &[Arc<TargetGroup>],
    ) -> &[Known] {
        let last = std::mem::take(&mut self.known);
        let same = self.config.as_ref();
        let same = same.is_some_and(|own| Arc::ptr_eq(own, config));
        let last = if same { last } else { Vec::new() };
        self.config = Some(Arc::clone(config));
        let by_address = last.into_iter().map(|own| (Arc::as_ptr(&own.group), own));
        let mut gone: HashMap<_, _> = by_address.collect();
        let unchanged = groups.iter().map(|group| gone.remove(&Arc::as_ptr(group)));
        let unchanged: Vec<Option<Known>> = unchanged.collect();
        let gone = Gone::new(gone.values());
        let known = |(group, unchanged): (&Arc<TargetGroup>, Option<Known>)| {
            unchanged.unwrap_or_else(|| {
                let before = before(gone.of(&group.source), group);
                Known {
                    outcomes: outcomes(config, job, group, &before),
                    group: Arc::clone(group),
                }
            })
        };
        self.known = groups.iter().zip(unchanged).map(known).collect();
        &self.known
    }
}

/// The groups that are gone, in the order of their sources.
struct Gone<'a>(Vec<&'a Known>);

impl<'a> Gone<'a> {
    fn new(groups: impl Iterator<Item = &'a Known>) -> Gone<'a> {
        let mut groups: Vec<&Known> = groups.collect();
        sorting::sort_by(&mut groups, |one, two| {
            one.group.source.cmp(&two.group.source)
        });
        Gone(groups)
    }

    /// Those of that source.
    fn of(&self, source: &str) -> &[&'a Known] {
        let from = self.0.partition_point(|own| *own.group.source < *source);
        let rest = self.0.get(from..).unwrap_or_default();
        &rest[..rest.partition_point(|own| own.group.source == source)]
    }
}

/// What became of the targets of the groups that `group` takes the place of, which are among those
/// of its source that are gone.
fn before<'a>(gone: &[&'a Known], group: &TargetGroup) -> HashMap<&'a LabelMap, &'a Outcome> {
    let predecessors = gone.iter().filter(|own| own.group.labels == group.labels);
    predecessors
        .flat_map(|own| own.group.targets.iter().zip(&own.outcomes))
        .collect()
}

/// What becomes of the targets of a group that changed: those that it had before are not built.
fn outcomes(
    config: &ScrapeConfig,
    job: &Arc<str>,
    group: &TargetGroup,
    before: &HashMap<&LabelMap, &Outcome>,
) -> Vec<Outcome> {
    let outcome = |own: &LabelMap| match before.get(own) {
        Some(outcome) => Outcome::clone(outcome),
        None => build(config, job, &group.labels, own),
    };
    group.targets.iter().map(outcome).collect()
}

fn build(config: &ScrapeConfig, job: &Arc<str>, group: &LabelMap, own: &LabelMap) -> Outcome {
    match target::build(config, job, group, own) {
        Ok(Built::Active(target)) => Outcome::Active(Arc::new(target)),
        Ok(Built::Dropped(_)) => Outcome::Dropped,
        Err(error) => Outcome::Failed(Arc::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(source: usize, number: usize) -> Arc<TargetGroup> {
        Arc::new(TargetGroup {
            source: format!("url:{source}"),
            labels: LabelMap::from([("number".to_owned(), number.to_string())]),
            targets: Vec::new(),
        })
    }

    #[test]
    fn a_group_is_compared_with_those_of_its_source_only() {
        let groups = 10_000;
        let known = (0..groups).map(|number| Known {
            group: group(number, number),
            outcomes: Vec::new(),
        });
        let known: Vec<Known> = known.collect();
        let gone = Gone::new(known.iter());
        let looked_at = (0..groups).map(|number| gone.of(&group(number, number + 1).source).len());
        assert_eq!(looked_at.max(), Some(1));
        assert!(gone.of("url:x").is_empty());
    }
}
