//! What a store of keys says, key by key, and what of it has not been passed on yet.
//!
//! For providers that follow single keys (nodes, files in a tree): each key is one target group, or
//! is broken, or is of no interest. The updates it gives out, taken in order, always lead a reader
//! to the state here. That holds although the manager refuses an update with too many targets: what
//! follows a refused one is the whole state again.
//!
//! Bounded by [`limits::STORE_KEYS`] and [`limits::STORE_BYTES`]. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::manager::Update;
use super::targets::{label_bytes, weight};
use crate::limits;
use crate::model::target_group::{LabelMap, TargetGroup};

/// What a key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Labels that all its targets have, and the targets.
    Targets(LabelMap, Vec<LabelMap>),
    /// Something that should have been targets and is not; what is wrong with it.
    Broken(String),
}

/// More than a provider may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// Too many keys.
    #[error("more than {} keys; name narrower paths", limits::STORE_KEYS)]
    Keys,
    /// Too many bytes.
    #[error(
        "keys and labels take more than {} bytes; name narrower paths",
        limits::STORE_BYTES
    )]
    Bytes,
}

/// Keys whose values are of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} without usable targets, the first is {key:?}: {reason}")]
pub struct Broken {
    /// How many there are.
    pub count: usize,
    /// The first one.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A whole state that is being gathered, to replace the one there is.
#[derive(Debug, Default)]
pub struct Gathered {
    entries: BTreeMap<String, Entry>,
    bytes: usize,
}

/// The state.
#[derive(Debug)]
pub struct Keyed {
    now: Gathered,
    /// Targets of all entries.
    targets: usize,
    /// Keys whose groups are different from what was passed on.
    changed: BTreeSet<String>,
    /// Whether the next update is the whole state.
    whole: bool,
}

impl Default for Keyed {
    fn default() -> Self {
        Keyed {
            now: Gathered::default(),
            targets: 0,
            changed: BTreeSet::new(),
            whole: true,
        }
    }
}

impl Gathered {
    /// Takes in what a key stands for; nothing removes it.
    ///
    /// # Errors
    /// When there is too much of it; the key is then not there.
    pub fn set(&mut self, key: &str, entry: Option<Entry>) -> Result<(), TooMuch> {
        self.take(key);
        let Some(entry) = entry else { return Ok(()) };
        let bytes = self.bytes.saturating_add(size(key, &entry));
        if bytes > limits::STORE_BYTES {
            return Err(TooMuch::Bytes);
        }
        if self.entries.len() >= limits::STORE_KEYS {
            return Err(TooMuch::Keys);
        }
        self.bytes = bytes;
        self.entries.insert(key.to_owned(), entry);
        Ok(())
    }

    fn take(&mut self, key: &str) -> Option<Entry> {
        let old = self.entries.remove(key)?;
        self.bytes -= size(key, &old);
        Some(old)
    }

    fn broken(&self) -> Option<Broken> {
        let mut broken = self.entries.iter().filter_map(|(key, entry)| match entry {
            Entry::Broken(reason) => Some((key, reason)),
            Entry::Targets(..) => None,
        });
        let (key, reason) = broken.next()?;
        Some(Broken {
            count: broken.count() + 1,
            key: key.clone(),
            reason: reason.clone(),
        })
    }
}

impl Keyed {
    /// Sets one key; nothing removes it.
    ///
    /// # Errors
    /// When there is too much of it; the key is then not there.
    pub fn set(&mut self, key: &str, entry: Option<Entry>) -> Result<(), TooMuch> {
        let old = self.now.entries.get(key);
        if old == entry.as_ref() {
            return Ok(());
        }
        self.targets -= old.map_or(0, targets);
        self.changed.insert(key.to_owned());
        let added = entry.as_ref().map_or(0, targets);
        self.now.set(key, entry)?;
        self.targets += added;
        Ok(())
    }

    /// Removes one key.
    pub fn remove(&mut self, key: &str) {
        if let Some(old) = self.now.take(key) {
            self.targets -= targets(&old);
            self.changed.insert(key.to_owned());
        }
    }

    /// Removes a key if it is broken: it turned out not to be meant for targets.
    pub fn forgive(&mut self, key: &str) {
        if let Some(Entry::Broken(_)) = self.now.entries.get(key) {
            self.now.take(key);
        }
    }

    /// Makes `state` the whole truth.
    pub fn replace(&mut self, state: Gathered) {
        self.now = state;
        self.targets = self.now.entries.values().map(targets).sum();
        self.restate();
    }

    /// Makes the next update the whole state, whatever has been passed on.
    pub fn restate(&mut self) {
        self.whole = true;
    }

    /// Whether there is anything to pass on.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.whole || !self.changed.is_empty()
    }

    /// What is to be passed on, if anything; afterwards it counts as passed on.
    pub fn update(&mut self) -> Option<Update> {
        if !self.has_news() {
            return None;
        }
        let changed = std::mem::take(&mut self.changed);
        let whole = std::mem::take(&mut self.whole);
        // The manager will refuse this and keep what it has.
        self.whole = self.targets > limits::SD_TARGETS_PER_PROVIDER;
        Some(if whole {
            let entries = self.now.entries.iter();
            Update::Full(
                entries
                    .filter_map(|(key, entry)| group(key, entry))
                    .collect(),
            )
        } else {
            let groups = changed.into_iter().map(|key| self.group(key));
            Update::Changed(groups.collect())
        })
    }

    /// The group of a key, without targets if it has none.
    fn group(&self, key: String) -> TargetGroup {
        let found = self.now.entries.get(&key);
        let found = found.and_then(|entry| group(&key, entry));
        found.unwrap_or_else(|| TargetGroup {
            source: key,
            ..TargetGroup::default()
        })
    }

    /// The keys that are of no use, if any.
    #[must_use]
    pub fn broken(&self) -> Option<Broken> {
        self.now.broken()
    }
}

fn targets(entry: &Entry) -> usize {
    match entry {
        Entry::Targets(_, targets) => targets.len(),
        Entry::Broken(_) => 0,
    }
}

fn group(key: &str, entry: &Entry) -> Option<TargetGroup> {
    match entry {
        Entry::Targets(labels, targets) => Some(TargetGroup {
            source: key.to_owned(),
            labels: labels.clone(),
            targets: targets.clone(),
        }),
        Entry::Broken(_) => None,
    }
}

/// At least what the manager counts, so that it never refuses for their bytes what is kept.
fn size(key: &str, entry: &Entry) -> usize {
    let value = match entry {
        Entry::Targets(shared, targets) if targets.is_empty() => label_bytes(shared),
        Entry::Targets(shared, targets) => weight(shared, targets),
        Entry::Broken(reason) => reason.len(),
    };
    key.len().saturating_add(value)
}

#[cfg(test)]
mod tests;
