//! Key chunks: the raw text that announces consecutive rows of a page, and their series.

use std::sync::Arc;

use crate::model::series::SeriesChunk;

/// What becomes of a row's sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowKind {
    /// It has a slot in the series list.
    Kept,
    /// It has a slot, but an earlier row of the page has the same labels: without a timestamp of
    /// its own it is rejected.
    Duplicate,
    /// Metric relabelling dropped it; no slot.
    Dropped,
    /// Its value says since when other series count ([`crate::scrape::starts`]); no slot, and no
    /// sample that anybody counts.
    Start,
}

impl RowKind {
    /// Whether rows of that kind have a slot in the series list.
    #[must_use]
    pub const fn has_slot(self) -> bool {
        matches!(self, RowKind::Kept | RowKind::Duplicate)
    }
}

/// One row: where its text stands in the chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowText {
    /// Start of the series text; what stands between the row before and here are comment lines.
    pub key_start: u32,
    /// End of the series text.
    pub key_end: u32,
    /// What becomes of the row.
    pub kind: RowKind,
}

/// Consecutive rows of one metric family, shared by every target that exposes the same text under
/// the same rules. Immutable.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyChunk {
    text: Box<[u8]>,
    rows: Box<[RowText]>,
    series: Arc<SeriesChunk>,
}

impl KeyChunk {
    /// The rows in page order.
    #[must_use]
    pub fn rows(&self) -> &[RowText] {
        &self.rows
    }

    /// The series of the rows that have a slot, in the same order.
    #[must_use]
    pub fn series(&self) -> &Arc<SeriesChunk> {
        &self.series
    }

    /// The bytes that a page must show before the value of the row at `index`: comment lines and
    /// the series text.
    #[must_use]
    pub fn expected(&self, index: usize) -> &[u8] {
        &self.text[self.prelude_start(index)..self.rows[index].key_end as usize]
    }

    /// Comment lines before the row at `index`, line ends included.
    #[must_use]
    pub fn prelude(&self, index: usize) -> &[u8] {
        &self.text[self.prelude_start(index)..self.rows[index].key_start as usize]
    }

    /// Series text of the row at `index`.
    #[must_use]
    pub fn key(&self, index: usize) -> &[u8] {
        let row = self.rows[index];
        &self.text[row.key_start as usize..row.key_end as usize]
    }

    fn prelude_start(&self, index: usize) -> usize {
        if index == 0 {
            0
        } else {
            self.rows[index - 1].key_end as usize
        }
    }

    /// Slot of every row relative to the chunk's first, if it has one.
    pub fn slots(&self) -> impl Iterator<Item = Option<usize>> {
        let mut next = 0;
        self.rows.iter().map(move |row| {
            if !row.kind.has_slot() {
                return None;
            }
            next += 1;
            Some(next - 1)
        })
    }

    /// Bytes of memory that the chunk and its series hold.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.text.len()
            + self.rows.len() * size_of::<RowText>()
            + self.series.size_bytes()
    }
}

/// Collects rows into a chunk.
#[derive(Debug, Default)]
pub struct KeyChunkBuilder {
    text: Vec<u8>,
    rows: Vec<RowText>,
}

impl KeyChunkBuilder {
    /// Adds a row. The caller adds its series to the series chunk if it has a slot.
    pub fn push(&mut self, prelude: &[u8], key: &[u8], kind: RowKind) {
        self.text.extend_from_slice(prelude);
        let key_start = offset(self.text.len());
        self.text.extend_from_slice(key);
        self.rows.push(RowText {
            key_start,
            key_end: offset(self.text.len()),
            kind,
        });
    }

    /// Number of rows so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Ends the chunk and leaves the builder empty.
    pub fn finish(&mut self, series: SeriesChunk) -> KeyChunk {
        let chunk = KeyChunk {
            text: self.text.as_slice().into(),
            rows: self.rows.as_slice().into(),
            series: Arc::new(series),
        };
        self.text.clear();
        self.rows.clear();
        chunk
    }
}

/// A page is bounded far below 4 GiB by the body limit; a chunk is part of one.
fn offset(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
