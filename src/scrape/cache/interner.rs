//! Stores equal key chunks once for all targets.
//!
//! Holds only weak references: a chunk lives as long as a target's cache or a block uses it.

use std::sync::{Arc, Weak};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use parking_lot::Mutex;
use std::hash::{BuildHasher, Hasher};

use super::chunk::KeyChunk;

/// Below this many entries a sweep is not worth it.
const SWEEP_ENTRIES_MIN: usize = 256;

/// The process's chunks. Clones share them.
///
/// A lock, because the scrape workers share it; taken once per chunk of a page that changed, never
/// for a page that did not.
#[derive(Clone, Debug, Default)]
pub struct Interner(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    entries: HashTable<Weak<KeyChunk>>,
    sweep_at: usize,
}

impl Default for Table {
    fn default() -> Self {
        Table {
            entries: HashTable::new(),
            sweep_at: SWEEP_ENTRIES_MIN,
        }
    }
}

impl Interner {
    /// The shared chunk that equals `chunk`.
    #[must_use]
    pub fn intern(&self, chunk: KeyChunk) -> Arc<KeyChunk> {
        let hash = hash_of(&chunk);
        let mut table = self.0.lock();
        let same = |weak: &Weak<KeyChunk>| weak.upgrade().is_some_and(|known| *known == chunk);
        if let Some(known) = table.entries.find(hash, same).and_then(Weak::upgrade) {
            return known;
        }
        let chunk = Arc::new(chunk);
        table.sweep_if_due();
        table
            .entries
            .insert_unique(hash, Arc::downgrade(&chunk), hash_of_entry);
        chunk
    }

    /// Number of chunks that are in use.
    #[must_use]
    pub fn live(&self) -> usize {
        let table = self.0.lock();
        table
            .entries
            .iter()
            .filter(|weak| weak.strong_count() > 0)
            .count()
    }
}

impl Table {
    /// Drops dead entries each time the table has doubled since the last sweep, so that the cost
    /// of a sweep is spread over as many insertions.
    fn sweep_if_due(&mut self) {
        if self.entries.len() < self.sweep_at {
            return;
        }
        self.entries.retain(|weak| weak.strong_count() > 0);
        self.entries.shrink_to_fit(hash_of_entry);
        self.sweep_at = (self.entries.len() * 2).max(SWEEP_ENTRIES_MIN);
    }
}

/// Counted again whenever the table grows, which is rare, so that entries stay small. Nobody looks
/// for a chunk that is gone: any place will do for it.
fn hash_of_entry(entry: &Weak<KeyChunk>) -> u64 {
    entry.upgrade().map_or(0, |chunk| hash_of(&chunk))
}

fn hash_of(chunk: &KeyChunk) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(chunk.bytes());
    // The same text may mean other series where metric relabelling looks at the target's labels.
    hasher.write(chunk.series().bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::chunk::{KeyChunkBuilder, RowKind};
    use super::*;
    use crate::model::series::ChunkBuilder;

    fn chunk(name: &str) -> KeyChunk {
        let mut series = ChunkBuilder::default();
        series.push([("__name__", name)]);
        let mut keys = KeyChunkBuilder::default();
        keys.push(b"# TYPE x counter\n", name.as_bytes(), RowKind::Kept);
        keys.finish(series.finish(None))
    }

    #[test]
    fn equal_chunks_are_stored_once_and_freed_with_their_last_user() {
        let interner = Interner::default();
        let one = interner.intern(chunk("a"));
        let two = interner.intern(chunk("a"));
        let other = interner.intern(chunk("b"));
        assert!(Arc::ptr_eq(&one, &two) && !Arc::ptr_eq(&one, &other));
        assert_eq!(interner.live(), 2);
        drop((one, two));
        assert_eq!(interner.live(), 1);
    }

    #[test]
    fn dead_entries_do_not_pile_up() {
        let interner = Interner::default();
        for number in 0..5000 {
            let _dead = interner.intern(chunk(&format!("m{number}")));
        }
        assert!(interner.0.lock().entries.len() <= SWEEP_ENTRIES_MIN);
    }
}
