//! The chunks that are alive, shared by the writer with the readers.
//!
//! A reader that lags decodes the same series that are being scraped. Where the writer knows a
//! living chunk of the same contents, the reader takes that one, and so holds no text of its own.
//! A lock: readers take it for a definition, the writer for a definition and once a block, to count;
//! nobody for a sample.

use std::sync::Arc;

use parking_lot::Mutex;

use super::digest::{Digestible, Seed};
use super::tables::{Place, Table};
use crate::model::series::SeriesChunk;

/// The chunks of the segment being written. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct LivingChunks {
    table: Arc<Mutex<Table<SeriesChunk>>>,
    seed: Seed,
}

impl LivingChunks {
    /// The hash keys of the chunks, for other definitions of the segment.
    #[must_use]
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// As [`Table::count`].
    #[must_use]
    pub fn count(&self) -> usize {
        self.table.lock().count()
    }

    /// As [`Table::get`].
    #[must_use]
    pub fn get(&self, chunk: &Arc<SeriesChunk>) -> Option<u32> {
        self.table.lock().get(chunk)
    }

    /// As [`Table::define`].
    pub fn define(&self, chunk: &Arc<SeriesChunk>, place: Place, again: bool) -> (u32, bool) {
        let mut table = self.table.lock();
        table.define(&self.seed, chunk, (), place, again)
    }

    /// As [`Table::sweep`].
    pub fn sweep(&self) -> Vec<u32> {
        self.table.lock().sweep()
    }

    /// Forgets everything: a segment begins.
    pub fn clear(&self) {
        *self.table.lock() = Table::default();
    }

    /// The living chunk that equals `chunk`.
    #[must_use]
    pub fn like(&self, chunk: &SeriesChunk) -> Option<Arc<SeriesChunk>> {
        let digest = chunk.digest(&self.seed, ());
        let known = self.table.lock().holder(digest)?;
        (*known == *chunk).then_some(known)
    }
}
