//! Finds rows of the last page again, in one step each where they are asked for in order.

use std::sync::Arc;

use super::chunk::KeyChunk;
use super::row::{Row, RowReader};
use super::walk::RowAt;

/// A place among the rows of some chunks.
#[derive(Debug, Default)]
pub struct Seeker<'a> {
    /// The chunk in which the place is, if there is one.
    chunk: Option<usize>,
    rows: RowReader<'a>,
    /// Rows before the place, and slots.
    before: usize,
    slots: usize,
    key: Vec<u8>,
}

/// A row that was found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a, 's> {
    /// The row.
    pub row: Row<'a>,
    /// Its series text.
    pub key: &'s [u8],
    /// Its slot relative to the chunk's first, if it has one.
    pub slot: Option<usize>,
}

impl<'a> Seeker<'a> {
    /// The row at `wanted`, if there is one.
    pub fn seek<'s>(
        &'s mut self,
        chunks: &'a [Arc<KeyChunk>],
        wanted: RowAt,
    ) -> Option<Found<'a, 's>> {
        if self.chunk != Some(wanted.chunk) || wanted.row < self.before {
            self.chunk = Some(wanted.chunk);
            let chunk = chunks.get(wanted.chunk);
            self.rows = chunk.map_or_else(RowReader::default, |chunk| chunk.rows());
            (self.before, self.slots) = (0, 0);
        }
        loop {
            let row = self.rows.next()?;
            row.put_key(&mut self.key);
            let slot = row.kind.has_slot().then_some(self.slots);
            self.slots += usize::from(slot.is_some());
            self.before += 1;
            if self.before > wanted.row {
                let key = self.key.as_slice();
                return Some(Found { row, key, slot });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunk::{KeyChunkBuilder, RowKind};
    use super::*;
    use crate::model::series::ChunkBuilder;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_are_found_in_any_order(
            chunks in prop::collection::vec(prop::collection::vec(0..3u8, 1..6), 1..4),
            wanted in prop::collection::vec((0..4usize, 0..6usize), 0..20),
        ) {
            let kinds = [RowKind::Kept, RowKind::Duplicate, RowKind::Dropped];
            let key = |chunk: usize, row: usize| format!("some_metric_{chunk}{{row=\"{row}\"}}");
            let made = chunks.iter().enumerate().map(|(chunk, rows)| {
                let mut keys = KeyChunkBuilder::default();
                for (row, kind) in rows.iter().enumerate() {
                    keys.push(b"", key(chunk, row).as_bytes(), kinds[usize::from(*kind)]);
                }
                Arc::new(keys.finish(ChunkBuilder::default().finish(None)))
            });
            let made: Vec<_> = made.collect();
            let mut seeker = Seeker::default();
            for (chunk, row) in wanted {
                let found = seeker.seek(&made, RowAt { chunk, row });
                let expected = made.get(chunk).and_then(|own| own.slots().nth(row));
                prop_assert_eq!(found.map(|found| found.slot), expected);
                if let Some(found) = found {
                    let text = key(chunk, row);
                    prop_assert_eq!(found.key, text.as_bytes());
                }
            }
        }
    }
}
