//! What discovery is doing, for the status pages: one entry per provider.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::manager::ProviderId;
use crate::model::time::Wall;
use crate::sys::published::Shared;

/// The state of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderStatus {
    /// Its mechanism.
    pub mechanism: &'static str,
    /// The jobs that listen to it.
    pub jobs: Vec<Arc<str>>,
    /// How many groups it has found.
    pub groups: usize,
    /// How many targets are in them, before relabelling.
    pub targets: usize,
    /// Whether what it found first is in the published sets.
    pub is_published: bool,
    /// When it last delivered.
    pub last_success: Option<Wall>,
    /// What last went wrong and when; forgotten at the next success.
    pub last_error: Option<(Wall, String)>,
    /// How long its last refresh took; none for those that do not poll.
    pub last_refresh: Option<Duration>,
}

/// Where the providers and the manager note the state. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct Board(Shared<BTreeMap<ProviderId, ProviderStatus>>);

impl Default for Board {
    fn default() -> Self {
        Board(Shared::new(BTreeMap::new()))
    }
}

impl Board {
    /// The state of all providers, in the order in which they were started.
    #[must_use]
    pub fn snapshot(&self) -> Vec<ProviderStatus> {
        self.0.with(|board| board.values().cloned().collect())
    }

    /// Enters a provider, or tells who listens to it now.
    pub(super) fn enter(&self, id: ProviderId, mechanism: &'static str, jobs: Vec<Arc<str>>) {
        self.0.with(|board| {
            let status = board.entry(id).or_insert_with(|| ProviderStatus {
                mechanism,
                jobs: Vec::new(),
                groups: 0,
                targets: 0,
                is_published: false,
                last_success: None,
                last_error: None,
                last_refresh: None,
            });
            status.jobs = jobs;
        });
    }

    /// Removes a provider.
    pub(super) fn remove(&self, id: ProviderId) {
        self.0.with(|board| board.remove(&id));
    }

    pub(super) fn found(&self, id: ProviderId, groups: usize, targets: usize) {
        self.change(id, |status| {
            status.groups = groups;
            status.targets = targets;
        });
    }

    pub(super) fn published(&self, id: ProviderId) {
        self.change(id, |status| status.is_published = true);
    }

    pub(super) fn took(&self, id: ProviderId, time: Duration) {
        self.change(id, |status| status.last_refresh = Some(time));
    }

    /// Notes a success; a whole one makes the last error a matter of the past.
    pub(super) fn succeeded(&self, id: ProviderId, now: Wall, whole: bool) {
        self.change(id, |status| {
            status.last_success = Some(now);
            if whole {
                status.last_error = None;
            }
        });
    }

    pub(super) fn failed(&self, id: ProviderId, now: Wall, error: String) {
        self.change(id, |status| status.last_error = Some((now, error)));
    }

    fn change(&self, id: ProviderId, change: impl FnOnce(&mut ProviderStatus)) {
        self.0.with(|board| board.get_mut(&id).map(change));
    }
}
