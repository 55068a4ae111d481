//! Keeps the identity of series from one segment to the next.
//!
//! A decoder builds chunks and lists anew in every segment. Whoever caches by address (write
//! relabelling does) would begin anew too, so equal contents give the old `Arc` back: that of a
//! living chunk, else that of the segment before.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap};

use super::living::LivingChunks;
use crate::model::series::{SeriesChunk, SeriesList, TargetIdentity};

/// Chunks and lists of the segment before. A collision of hashes only costs a copy.
#[derive(Debug, Default)]
pub struct Interner {
    living: LivingChunks,
    chunks: HashMap<u64, Arc<SeriesChunk>>,
    lists: HashMap<u64, Arc<SeriesList>>,
    hasher: DefaultHashBuilder,
}

impl Interner {
    /// An interner that knows the chunks of a writer.
    #[must_use]
    pub fn new(living: LivingChunks) -> Interner {
        Interner {
            living,
            ..Interner::default()
        }
    }

    /// Replaces what is remembered.
    pub fn keep(
        &mut self,
        chunks: impl Iterator<Item = Arc<SeriesChunk>>,
        lists: impl Iterator<Item = Arc<SeriesList>>,
    ) {
        self.chunks.clear();
        self.lists.clear();
        for chunk in chunks {
            self.chunks.insert(self.chunk_hash(&chunk), chunk);
        }
        for list in lists {
            self.lists
                .insert(self.list_hash(list.target(), list.chunks()), list);
        }
    }

    fn chunk_hash(&self, chunk: &SeriesChunk) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(chunk.bytes());
        hasher.finish()
    }

    fn list_hash(&self, target: &TargetIdentity, chunks: &[Arc<SeriesChunk>]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        target.id.hash(&mut hasher);
        for chunk in chunks {
            Arc::as_ptr(chunk).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The living or remembered chunk that equals `chunk`, or `chunk`.
    #[must_use]
    pub fn chunk(&self, chunk: SeriesChunk) -> Arc<SeriesChunk> {
        if let Some(living) = self.living.like(&chunk) {
            return living;
        }
        match self.chunks.get(&self.chunk_hash(&chunk)) {
            Some(known) if **known == chunk => Arc::clone(known),
            _ => Arc::new(chunk),
        }
    }

    /// The remembered list of that target and those chunks, or a new one.
    #[must_use]
    pub fn list(
        &self,
        target: Arc<TargetIdentity>,
        chunks: Vec<Arc<SeriesChunk>>,
    ) -> Arc<SeriesList> {
        if let Some(known) = self.lists.get(&self.list_hash(&target, &chunks)) {
            let pairs = || known.chunks().iter().zip(&chunks);
            let same = known.chunks().len() == chunks.len()
                && pairs().all(|(one, two)| Arc::ptr_eq(one, two))
                && *known.target() == target;
            if same {
                return Arc::clone(known);
            }
        }
        Arc::new(SeriesList::new(target, chunks))
    }
}
