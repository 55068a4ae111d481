//! Core of the discovery manager: what is known of every provider, and when to publish it.
//!
//! Guarantees that after any sequence of updates and plans the published sets are those of the
//! latest ones; that a job of the plan is always in the sets, with no groups if nothing was
//! found; that a group which did not change stays the same `Arc`, so that the reader can skip it.
//!
//! Groups are kept per (provider, source) and fan out to every job that subscribes, which is the
//! same as keeping them per (job, provider, source) but smaller. A publication is due
//! - after a plan: at once, or as soon as the new providers that only read local files have
//!   delivered, or after `limits::SD_START_GRACE`;
//! - after the first groups of a provider: `limits::SD_COALESCE_FIRST` after the last publication;
//! - after a change: `limits::SD_COALESCE` after the last publication, so at once after a quiet
//!   time (leading edge) and then once per interval with the latest state.
//!
//! Pure. Implements the behaviour of Prometheus's discovery and scrape managers together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::targets::weight;
use crate::limits;
use crate::model::sorting;
use crate::model::target_group::{TargetGroup, TargetSets};
use crate::model::time::Mono;

/// Names a provider for as long as it runs; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(pub u64);

/// What a provider has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// These are all groups: others of this provider vanish.
    Full(Vec<TargetGroup>),
    /// These groups changed; one without targets vanishes. The others stay.
    Changed(Vec<TargetGroup>),
}

/// A job and the providers it listens to, in the order of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The job.
    pub job: Arc<str>,
    /// Its providers.
    pub providers: Vec<ProviderId>,
}

/// An update that was refused; what was known before stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{targets} targets with {bytes} bytes of labels are more than the {} targets or {} bytes a \
     provider may have; the last good ones stay",
    limits::SD_TARGETS_PER_PROVIDER,
    limits::SD_LABEL_BYTES_PER_PROVIDER
)]
pub struct TooManyTargets {
    /// How many there would be.
    pub targets: usize,
    /// Bytes of their labels, those of a group counted for each of its targets.
    pub bytes: usize,
}

#[derive(Debug, Default)]
struct Known {
    groups: BTreeMap<String, Arc<TargetGroup>>,
    targets: usize,
    /// Their [`weight`].
    bytes: usize,
    delivered: bool,
}

/// The manager.
#[derive(Debug)]
pub struct Manager {
    /// Pause between two publications of changes.
    coalesce: Duration,
    subscriptions: Vec<Subscription>,
    known: BTreeMap<ProviderId, Known>,
    /// Prompt providers of the last plan that have not delivered yet.
    awaited: BTreeSet<ProviderId>,
    /// When the awaited ones are waited for no longer.
    grace_ends: Mono,
    published: Option<Mono>,
    due: Option<Mono>,
}

impl Manager {
    /// A manager without any provider. `coalesce` is the pause between two publications of
    /// changes, [`limits::SD_COALESCE`] unless the user wants another.
    #[must_use]
    pub fn new(coalesce: Duration) -> Manager {
        Manager {
            coalesce,
            subscriptions: Vec::new(),
            known: BTreeMap::new(),
            awaited: BTreeSet::new(),
            grace_ends: Mono::default(),
            published: None,
            due: None,
        }
    }

    /// Makes `subscriptions` the whole truth: providers that nobody listens to are forgotten, the
    /// others keep what they found. `prompt` are the new providers worth a moment of waiting.
    pub fn apply(
        &mut self,
        now: Mono,
        subscriptions: Vec<Subscription>,
        prompt: BTreeSet<ProviderId>,
    ) {
        let wanted: BTreeSet<ProviderId> = subscriptions
            .iter()
            .flat_map(|subscription| subscription.providers.iter().copied())
            .collect();
        self.known.retain(|id, _| wanted.contains(id));
        for id in &wanted {
            self.known.entry(*id).or_default();
        }
        self.subscriptions = subscriptions;
        self.awaited = prompt;
        let known = &self.known;
        self.awaited
            .retain(|id| known.get(id).is_some_and(|provider| !provider.delivered));
        self.grace_ends = now + limits::SD_START_GRACE;
        self.due = Some(if self.awaited.is_empty() {
            now
        } else {
            self.grace_ends
        });
    }

    /// Takes an update in. One from a provider that is not in the plan is ignored.
    ///
    /// # Errors
    /// When the provider would have too many targets, or too much to say of them.
    pub fn update(
        &mut self,
        now: Mono,
        id: ProviderId,
        update: Update,
    ) -> Result<(), TooManyTargets> {
        let Some(provider) = self.known.get_mut(&id) else {
            return Ok(());
        };
        let changed = provider.take(update)?;
        let first = !std::mem::replace(&mut provider.delivered, true);
        let was_awaited = self.awaited.remove(&id);
        if was_awaited && self.awaited.is_empty() && self.due == Some(self.grace_ends) {
            self.due = Some(now);
        } else if changed {
            self.schedule(now, first);
        }
        Ok(())
    }

    /// Takes in groups that never change: static targets. They count as known when the plan is
    /// applied, and are not limited in number.
    pub fn fixed(&mut self, id: ProviderId, groups: Vec<TargetGroup>) {
        if let Some(provider) = self.known.get_mut(&id) {
            provider.replace(groups);
            provider.delivered = true;
        }
    }

    fn schedule(&mut self, now: Mono, first: bool) {
        let pause = if first {
            limits::SD_COALESCE_FIRST.min(self.coalesce)
        } else {
            self.coalesce
        };
        let at = self.published.map_or(now, |last| (last + pause).max(now));
        let waiting = !self.awaited.is_empty() && now < self.grace_ends;
        let at = if waiting { self.grace_ends } else { at };
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When [`Manager::publish`] should be called next.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        self.due.unwrap_or(Mono::NEVER)
    }

    /// The full state, if it is time for it.
    pub fn publish(&mut self, now: Mono) -> Option<TargetSets> {
        self.due.filter(|due| *due <= now)?;
        self.due = None;
        self.published = Some(now);
        Some(self.sets())
    }

    /// The full state.
    #[must_use]
    pub fn sets(&self) -> TargetSets {
        let mut sets = TargetSets::new();
        for subscription in &self.subscriptions {
            let set = sets.entry(subscription.job.to_string()).or_default();
            for known in subscription
                .providers
                .iter()
                .filter_map(|id| self.known.get(id))
            {
                set.extend(known.groups.values().map(Arc::clone));
            }
        }
        sets
    }

    /// Targets of each job.
    pub fn targets_by_job(&self) -> impl Iterator<Item = (&str, usize)> {
        self.subscriptions.iter().map(|subscription| {
            let ids = subscription.providers.iter();
            let known = ids.filter_map(|id| self.known.get(id));
            (&*subscription.job, known.map(|known| known.targets).sum())
        })
    }

    /// Numbers of groups and targets of one provider.
    #[must_use]
    pub fn found_by(&self, id: ProviderId) -> (usize, usize) {
        let known = self.known.get(&id);
        known.map_or((0, 0), |known| (known.groups.len(), known.targets))
    }

    /// Whether what a provider delivered is in the published sets.
    #[must_use]
    pub fn is_published(&self, id: ProviderId) -> bool {
        let known = self.known.get(&id);
        self.due.is_none() && known.is_some_and(|known| known.delivered)
    }
}

impl Known {
    /// Whether anything is different now.
    fn take(&mut self, update: Update) -> Result<bool, TooManyTargets> {
        let (mut targets, mut bytes) = (0, 0);
        if let Update::Changed(groups) = &update {
            (targets, bytes) = (self.targets, self.bytes);
            let replaced: BTreeSet<&str> =
                groups.iter().map(|group| group.source.as_str()).collect();
            for group in replaced
                .iter()
                .filter_map(|source| self.groups.get(*source))
            {
                targets -= group.targets.len();
                bytes -= weight(&group.labels, &group.targets);
            }
        }
        let (Update::Full(groups) | Update::Changed(groups)) = &update;
        for group in groups {
            targets += group.targets.len();
            bytes = bytes.saturating_add(weight(&group.labels, &group.targets));
        }
        if targets > limits::SD_TARGETS_PER_PROVIDER || bytes > limits::SD_LABEL_BYTES_PER_PROVIDER
        {
            return Err(TooManyTargets { targets, bytes });
        }
        Ok(match update {
            Update::Full(groups) => self.replace(groups),
            Update::Changed(groups) => self.change(groups),
        })
    }

    fn replace(&mut self, groups: Vec<TargetGroup>) -> bool {
        let stay: BTreeSet<String> = sorting::set(groups.iter().map(|group| group.source.clone()));
        let gone = self.groups.keys().filter(|source| !stay.contains(*source));
        let gone: Vec<String> = gone.cloned().collect();
        for source in &gone {
            self.put(source, None);
        }
        self.change(groups) || !gone.is_empty()
    }

    fn change(&mut self, groups: Vec<TargetGroup>) -> bool {
        let mut changed = false;
        for group in groups {
            let source = group.source.clone();
            let old = self.groups.get(&source);
            if group.targets.is_empty() {
                changed |= old.is_some();
                self.put(&source, None);
            } else if old.is_none_or(|old| **old != group) {
                changed = true;
                self.put(&source, Some(group));
            }
        }
        changed
    }

    /// Makes a source's group another one, or none.
    fn put(&mut self, source: &str, group: Option<TargetGroup>) {
        if let Some(old) = self.groups.remove(source) {
            self.targets -= old.targets.len();
            self.bytes = self.bytes.saturating_sub(weight(&old.labels, &old.targets));
        }
        if let Some(group) = group {
            self.targets += group.targets.len();
            self.bytes = self
                .bytes
                .saturating_add(weight(&group.labels, &group.targets));
            self.groups.insert(source.to_owned(), Arc::new(group));
        }
    }
}

#[cfg(test)]
mod tests;
