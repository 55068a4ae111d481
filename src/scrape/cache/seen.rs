//! Which series a page has shown so far, as far as it matters: two rows of a page may mean one
//! series, and what an old row meant may stand under another text.
//!
//! The rows of the last page were told apart when it was read. So a chunk that stands unchanged
//! needs no look at its series, unless the page has a new row with a metric name that is in the
//! chunk, or shows some of its rows apart from the others.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashSet, HashTable};

use super::chunk::{KeyChunk, RowKind};
use crate::model::labels::METRIC_NAME;
use crate::model::series::{Encoded, encode_label};

/// Hash of encoded own labels: equal exactly for the series of one target that are the same.
#[must_use]
pub fn own_hash(encoded: Encoded<'_>) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    for label in encoded.labels() {
        hasher.write(label);
    }
    hasher.finish()
}

/// What is known of an old chunk.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// It stands unchanged on the new page.
    stands: bool,
    /// If it stands, the hashes of its series are among those seen.
    known: bool,
}

/// The series that a page has shown.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    old: &'a [Arc<KeyChunk>],
    states: Vec<State>,
    hashes: HashSet<u64, FixedState>,
    /// Old chunks by the hashes of the metric names in them; made for the first new row.
    names: Option<HashTable<(u64, u32)>>,
    /// Metric names of new rows.
    asked: HashSet<u64, FixedState>,
    /// How the label with the metric name begins.
    name_head: Vec<u8>,
}

impl<'a> Seen<'a> {
    /// Nothing is seen of a page of so many entries yet. The first `standing` old chunks stand.
    pub(super) fn new(old: &'a [Arc<KeyChunk>], standing: usize, entries: usize) -> Seen<'a> {
        let duplicates =
            |chunk: &Arc<KeyChunk>| chunk.kinds().any(|kind| kind == RowKind::Duplicate);
        let hashes = if old.is_empty() { entries } else { 0 };
        let mut seen = Seen {
            old,
            states: vec![State::default(); old.len()],
            hashes: HashSet::with_capacity_and_hasher(hashes, FixedState::default()),
            names: None,
            asked: HashSet::with_hasher(FixedState::default()),
            name_head: Vec::new(),
        };
        seen.states[..standing]
            .iter_mut()
            .for_each(|state| state.stands = true);
        if old.iter().any(duplicates) {
            // Which of two rows is the duplicate depends on what became of the other.
            (0..old.len()).for_each(|chunk| seen.look_at(chunk));
        }
        seen
    }

    /// From now on the series of an old chunk count one by one.
    pub(super) fn look_at(&mut self, chunk: usize) {
        let state = &mut self.states[chunk];
        if !state.known && state.stands {
            let series = self.old[chunk].series();
            self.hashes.extend(series.all_encoded().map(own_hash));
        }
        state.known = true;
    }

    /// Notes that an old chunk stands; what becomes of each of its rows stays as it was. False if
    /// that cannot be: then it does not stand, and nothing is noted.
    pub(super) fn keep(&mut self, chunk: usize) -> bool {
        if self.states[chunk].stands {
            self.look_at(chunk);
        }
        if self.states[chunk].known && !self.keep_known(chunk) {
            return false;
        }
        self.states[chunk].stands = true;
        true
    }

    fn keep_known(&mut self, number: usize) -> bool {
        let chunk = &self.old[number];
        let mut own = Vec::with_capacity(chunk.series().len());
        let slots = chunk.kinds().filter(|kind| kind.has_slot());
        for (kind, encoded) in slots.zip(chunk.series().all_encoded()) {
            let hash = own_hash(encoded);
            let duplicate = kind == RowKind::Duplicate;
            // Within the chunk only a duplicate repeats what is before it.
            let repeated = self.hashes.contains(&hash) || (duplicate && own.contains(&hash));
            if repeated != duplicate {
                return false;
            }
            own.push(hash);
        }
        self.hashes.extend(own);
        true
    }

    /// Prepares for a series that the last page had not.
    pub(super) fn expect_new(&mut self, own: Encoded<'_>) {
        if self.old.is_empty() {
            return;
        }
        if self.name_head.is_empty() {
            encode_label(&mut self.name_head, METRIC_NAME, "");
            // Without the length of the value.
            self.name_head.pop();
        }
        let head = self.name_head.as_slice();
        let Some(name) = own.labels().find(|label| label.starts_with(head)) else {
            return;
        };
        let name = hash_of(name);
        if !self.asked.insert(name) {
            return;
        }
        let old = self.old;
        let names = self.names.get_or_insert_with(|| names_of(old, head));
        let named = names.iter_hash(name).filter(|(own, _)| *own == name);
        let chunks: Vec<u32> = named.map(|(_, chunk)| *chunk).collect();
        for chunk in chunks {
            self.look_at(chunk as usize);
        }
    }

    /// Notes a series; whether it is the first of its labels.
    pub(super) fn insert(&mut self, hash: u64) -> bool {
        self.hashes.insert(hash)
    }

    /// Whether a series that was on the last page, in a chunk that does not stand, is on this one,
    /// under whatever text.
    pub(super) fn has(&self, hash: u64) -> bool {
        self.hashes.contains(&hash)
    }

    /// Whether an old chunk stands.
    pub(super) fn stands(&self, chunk: usize) -> bool {
        self.states[chunk].stands
    }
}

/// The chunks by the metric names in them.
fn names_of(chunks: &[Arc<KeyChunk>], head: &[u8]) -> HashTable<(u64, u32)> {
    let mut names = HashTable::with_capacity(chunks.len());
    for (number, chunk) in chunks.iter().enumerate() {
        let labels = chunk.series().distinct_labels();
        for label in labels.filter(|label| label.starts_with(head)) {
            let hash = hash_of(label);
            names.insert_unique(hash, (hash, number as u32), |(hash, _)| *hash);
        }
    }
    names
}

fn hash_of(label: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(label);
    hasher.finish()
}
