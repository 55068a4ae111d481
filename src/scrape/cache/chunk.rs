//! Key chunks: the raw text that announces consecutive rows of a page, and their series.
//!
//! Neighbours on a page begin alike, so a series text is stored as the difference from the one
//! before: how many bytes they share, and the rest. Whoever follows a page needs no other text for
//! the shared part than the page itself.

use std::sync::Arc;

use super::row::{Row, RowReader};
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

/// Consecutive rows of one metric family, shared by every target that exposes the same text under
/// the same rules. Immutable.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyChunk {
    /// Number, heads and texts of the rows ([`super::row`]).
    bytes: Box<[u8]>,
    series: Arc<SeriesChunk>,
}

impl KeyChunk {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows().len()
    }

    /// Whether the chunk has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows in page order.
    #[inline]
    #[must_use]
    pub fn rows(&self) -> RowReader<'_> {
        RowReader::new(&self.bytes)
    }

    /// The row at `index`, if there is one. Takes a step for each row before it.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<Row<'_>> {
        self.rows().nth(index)
    }

    /// All that the rows say, for hashing.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The series of the rows that have a slot, in the same order.
    #[must_use]
    pub fn series(&self) -> &Arc<SeriesChunk> {
        &self.series
    }

    /// Replaces `out` by the series text of the row at `index`.
    pub fn copy_key(&self, index: usize, out: &mut Vec<u8>) {
        out.clear();
        for row in self.rows().take(index + 1) {
            row.put_key(out);
        }
    }

    /// What becomes of each row.
    pub fn kinds(&self) -> impl Iterator<Item = RowKind> {
        self.rows().kinds()
    }

    /// Slot of every row relative to the chunk's first, if it has one.
    pub fn slots(&self) -> impl Iterator<Item = Option<usize>> {
        let mut next = 0;
        self.kinds().map(move |kind| {
            if !kind.has_slot() {
                return None;
            }
            next += 1;
            Some(next - 1)
        })
    }

    /// Bytes of memory that the chunk and its series hold.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + self.series.size_bytes()
    }
}

/// Collects rows into a chunk.
#[derive(Debug, Default)]
pub struct KeyChunkBuilder {
    heads: Vec<u8>,
    text: Vec<u8>,
    /// Series text of the row before.
    last: Vec<u8>,
    rows: u32,
}

impl KeyChunkBuilder {
    /// Adds a row. The caller adds its series to the series chunk if it has a slot.
    pub fn push(&mut self, prelude: &[u8], key: &[u8], kind: RowKind) {
        super::row::put(
            (&mut self.heads, &mut self.text),
            (prelude, key, kind),
            &self.last,
        );
        self.last.clear();
        self.last.extend_from_slice(key);
        self.rows += 1;
    }

    /// Number of rows so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows as usize
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Ends the chunk and leaves the builder empty.
    pub fn finish(&mut self, series: SeriesChunk) -> KeyChunk {
        let rows = std::mem::take(&mut self.rows).to_le_bytes();
        let chunk = KeyChunk {
            bytes: [&rows[..], &self.heads, &self.text].concat().into(),
            series: Arc::new(series),
        };
        self.heads.clear();
        self.text.clear();
        self.last.clear();
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::series::ChunkBuilder;
    use proptest::prelude::*;

    fn kind(number: u8) -> RowKind {
        let kinds = [
            RowKind::Kept,
            RowKind::Duplicate,
            RowKind::Dropped,
            RowKind::Start,
        ];
        kinds[usize::from(number)]
    }

    /// Texts that begin alike, short and long ones.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let part = prop::sample::select(vec![
            &b""[..],
            b"# TYPE ab gauge\n",
            b"# TYPE a",
            b"ab",
            b"abc{d=\"1\"}",
            b"b",
        ]);
        let tail = prop_oneof![
            20 => Just(0_usize),
            4 => 200..300_usize,
            1 => 65_500..66_000_usize
        ];
        (part, tail).prop_map(|(part, tail)| [part, &vec![b'x'; tail]].concat())
    }

    proptest! {
        #[test]
        fn rows_come_back_as_they_were_pushed(
            rows in prop::collection::vec((text(), text(), 0..4u8), 0..20)) {
            let mut builder = KeyChunkBuilder::default();
            for (prelude, key, number) in &rows {
                builder.push(prelude, key, kind(*number));
            }
            prop_assert_eq!(builder.len(), rows.len());
            let chunk = builder.finish(ChunkBuilder::default().finish(None));
            prop_assert_eq!(chunk.len(), rows.len());
            let mut key = Vec::new();
            for (index, (row, (prelude, text, number))) in chunk.rows().zip(&rows).enumerate() {
                row.put_key(&mut key);
                prop_assert_eq!((row.prelude(), &key), (&**prelude, text));
                prop_assert_eq!((row.kind, row.key_len()), (kind(*number), text.len()));
                let mut again = Vec::new();
                chunk.copy_key(index, &mut again);
                prop_assert_eq!(again, key.clone());
            }
            prop_assert_eq!(chunk.rows().count(), rows.len());
            let slots = rows.iter().filter(|(_, _, number)| kind(*number).has_slot());
            prop_assert_eq!(chunk.slots().flatten().count(), slots.count());
            prop_assert!(builder.is_empty());
        }
    }
}
