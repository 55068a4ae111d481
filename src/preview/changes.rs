//! What is different between two moments: groups and targets that came, went or changed, and how
//! the providers are. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Seen;
use super::snapshot::{GroupView, TargetView};
use crate::discovery::status::ProviderStatus;
use crate::model::sorting;

/// Something different.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// A group.
    Group {
        /// Its job.
        job: &'a str,
        /// Its source.
        source: &'a str,
        /// How many targets it had; none if it is new.
        before: Option<usize>,
        /// How many it has; none if it is gone.
        after: Option<usize>,
    },
    /// A target.
    Target {
        /// Its job.
        job: &'a str,
        /// The source of its group.
        source: &'a str,
        /// What it was; none if it is new.
        before: Option<&'a TargetView>,
        /// What it is; none if it is gone.
        after: Option<&'a TargetView>,
    },
    /// A provider answered, failed or recovered.
    Provider(&'a ProviderStatus),
}

/// A group: its job, its source, and which one of that source in the job it is.
type GroupKey<'a> = (&'a str, &'a str, usize);
/// A target: its address, and which one of that address in the group it is.
type TargetKey<'a> = (&'a str, usize);

/// The differences, in the order of jobs and sources, providers last.
#[must_use]
pub fn between<'a>(before: &'a Seen, after: &'a Seen) -> Vec<Change<'a>> {
    let (old, new) = (groups(before), groups(after));
    let mut changes = Vec::new();
    let keys: BTreeSet<GroupKey<'_>> = sorting::set(old.keys().chain(new.keys()).copied());
    for key in keys {
        let (old, new) = (old.get(&key).copied(), new.get(&key).copied());
        if old == new {
            continue;
        }
        let (job, source, _) = key;
        let count = |group: &GroupView| group.targets.len();
        changes.push(Change::Group {
            job,
            source,
            before: old.map(count),
            after: new.map(count),
        });
        compare_targets(&mut changes, job, source, old, new);
    }
    changes.extend(providers(before, after));
    changes
}

fn groups(seen: &Seen) -> BTreeMap<GroupKey<'_>, &GroupView> {
    let mut found = BTreeMap::new();
    for (job, view) in &seen.snapshot.jobs {
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for group in &view.groups {
            let number = numbers.entry(&group.source).or_default();
            found.insert((job.as_str(), group.source.as_str(), *number), group);
            *number += 1;
        }
    }
    found
}

fn targets(group: Option<&GroupView>) -> BTreeMap<TargetKey<'_>, &TargetView> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for target in group.into_iter().flat_map(|group| &group.targets) {
        let address = target.discovered.get("__address__").unwrap_or_default();
        let number = numbers.entry(address).or_default();
        found.insert((address, *number), target);
        *number += 1;
    }
    found
}

fn compare_targets<'a>(
    changes: &mut Vec<Change<'a>>,
    job: &'a str,
    source: &'a str,
    old: Option<&'a GroupView>,
    new: Option<&'a GroupView>,
) {
    let (old, new) = (targets(old), targets(new));
    let keys: BTreeSet<TargetKey<'_>> = sorting::set(old.keys().chain(new.keys()).copied());
    for key in keys {
        let (before, after) = (old.get(&key).copied(), new.get(&key).copied());
        if before != after {
            changes.push(Change::Target {
                job,
                source,
                before,
                after,
            });
        }
    }
}

/// Providers that have answered for the first time, or whose error is another one. They keep
/// their order as long as discovery runs.
fn providers<'a>(before: &'a Seen, after: &'a Seen) -> impl Iterator<Item = Change<'a>> {
    let state = |status: &'a ProviderStatus| {
        let error = status.last_error.as_ref().map(|(_, text)| text);
        (status.is_published, error)
    };
    let now = after.providers.iter().enumerate();
    let changed = now.filter(move |(index, status)| {
        let before = before.providers.get(*index).map(state);
        before.unwrap_or((false, None)) != state(status)
    });
    changed.map(|(_, status)| Change::Provider(status))
}
