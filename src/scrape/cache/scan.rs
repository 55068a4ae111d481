//! The slow walk: reads the rest of a page that differs from the last one and pairs its rows with
//! the old ones.
//!
//! The fast walk is tried again after every row, so that a page with one new series in the middle
//! is slow for that series only. An index of the old rows' texts is built on the first difference.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::chunk::{KeyChunk, RowKind};
use super::entry::{Entry, RowSample, range_in};
use super::walk::{RowAt, Rows, WalkEnd, walk};
use crate::exposition::error::ParseError;
use crate::exposition::line::{Item, LineParser, Row, Tail};
use crate::model::metadata::MetricType;

/// Bytes of a row with its share of comment lines, on pages of exporters.
const ROW_BYTES: usize = 128;

/// Reads the page from where the fast walk ended.
///
/// # Errors
/// The parser's; offsets count from the start of the page.
pub fn scan(
    parser: &mut LineParser,
    page: &[u8],
    from: WalkEnd,
    chunks: &[Arc<KeyChunk>],
    entries: &mut Vec<Entry>,
) -> Result<(), ParseError> {
    let mut scan = Scan {
        page,
        chunks,
        at: from,
        prelude_start: from.used,
        replacing: false,
        index: None,
    };
    loop {
        scan.predict(parser, entries);
        let used = scan.at.used;
        let step = parser.step(&page[used..], true)?;
        let Some((item, length)) = step else {
            return Ok(());
        };
        scan.at.used += length;
        if let Item::Row(row) = item {
            if entries.is_empty() {
                entries.reserve(scan.rows_left());
            }
            let entry = scan.entry(&row, parser.kind());
            entries.push(entry);
            scan.prelude_start = scan.at.used;
        }
    }
}

struct Scan<'a> {
    page: &'a [u8],
    chunks: &'a [Arc<KeyChunk>],
    at: WalkEnd,
    prelude_start: usize,
    /// The row before was a new one: it may stand in the place of an old one that is gone.
    replacing: bool,
    index: Option<Index>,
}

impl Scan<'_> {
    /// Goes on with the fast walk, unless comment lines have been read that belong to the next
    /// row: those must be compared together with it.
    fn predict(&mut self, parser: &mut LineParser, entries: &mut Vec<Entry>) {
        if self.prelude_start != self.at.used {
            return;
        }
        let mut collect = Collect {
            page: self.page,
            entries,
        };
        let from = self.at;
        self.at = walk(parser, self.page, from, self.chunks, &mut collect);
        if self.replacing && self.at.used == from.used {
            let next = from.next.next(self.chunks);
            let behind = WalkEnd { next, ..from };
            let end = walk(parser, self.page, behind, self.chunks, &mut collect);
            if end.used > from.used {
                self.at = end;
            }
        }
        self.prelude_start = self.at.used;
    }

    /// Rows that the page has from here on, by the last page or by how long a row usually is.
    fn rows_left(&self) -> usize {
        let chunks = self.chunks.iter().skip(self.at.next.chunk);
        let known: usize = chunks.map(|chunk| chunk.len()).sum();
        known.max((self.page.len() - self.at.used) / ROW_BYTES)
    }

    fn entry(&mut self, row: &Row<'_>, type_before: MetricType) -> Entry {
        let key = range_in(self.page, row.key);
        let prelude = self.prelude_start..key.start;
        let chunks = self.chunks;
        let index = self
            .index
            .get_or_insert_with(|| Index::new(chunks, self.at.next));
        let old = index.take(chunks, row.key);
        if let Some(old) = old {
            self.at.next = old.next(chunks);
        }
        self.replacing = old.is_none();
        let known = old.and_then(|old| chunks[old.chunk].row(old.row));
        let same_prelude =
            known.is_some_and(|known| *known.prelude() == self.page[prelude.clone()]);
        let prelude = (!same_prelude).then_some(prelude);
        Entry {
            old,
            prelude,
            key,
            type_before,
            sample: RowSample::of(&row.tail, self.page),
        }
    }
}

struct Collect<'a, 'b> {
    page: &'a [u8],
    entries: &'b mut Vec<Entry>,
}

impl Rows for Collect<'_, '_> {
    fn matched(&mut self, at: RowAt, _kind: RowKind, tail: &Tail<'_>) {
        let sample = RowSample::of(tail, self.page);
        self.entries.push(Entry {
            old: Some(at),
            prelude: None,
            key: 0..0,
            type_before: MetricType::Unknown,
            sample,
        });
    }
}

/// Old rows by their text, from the first difference on. Rows with the same text are a chain in
/// the order of the page, for a page may repeat one line a million times.
struct Index {
    /// By the hash of each text, the first row with it that was not given out, and the last one.
    texts: HashTable<(u64, u32, u32)>,
    /// Chunk and row, and the next row with the same text; the last one of a chain is its own next.
    rows: Vec<[u32; 3]>,
    /// The text of a row that may be the one.
    key: Vec<u8>,
}

impl Index {
    fn new(chunks: &[Arc<KeyChunk>], from: RowAt) -> Index {
        let remaining = chunks.iter().skip(from.chunk).map(|chunk| chunk.len());
        let remaining = remaining.sum();
        let mut texts: HashTable<(u64, u32, u32)> = HashTable::with_capacity(remaining);
        let mut rows: Vec<[u32; 3]> = Vec::with_capacity(remaining);
        let mut key = Vec::new();
        for (number, chunk) in chunks.iter().enumerate().skip(from.chunk) {
            for (row, text) in chunk.rows().enumerate() {
                text.put_key(&mut key);
                if (RowAt { chunk: number, row }) < from {
                    continue;
                }
                let (hash, own) = (hash_of(&key), rows.len() as u32);
                if let Some((_, _, last)) = texts.find_mut(hash, |known| known.0 == hash) {
                    rows[*last as usize][2] = own;
                    *last = own;
                } else {
                    texts.insert_unique(hash, (hash, own, own), |known| known.0);
                }
                rows.push([number as u32, row as u32, own]);
            }
        }
        Index { texts, rows, key }
    }

    /// The old row with that text. Each is given out once: a text that stands twice on the page
    /// is two rows, paired in order as far as the last page had as many.
    fn take(&mut self, chunks: &[Arc<KeyChunk>], key: &[u8]) -> Option<RowAt> {
        let hash = hash_of(key);
        let mut entry = self.texts.find_entry(hash, |known| known.0 == hash).ok()?;
        let own = entry.get().1;
        let [chunk, row, next] = self.rows[own as usize];
        let at = RowAt {
            chunk: chunk as usize,
            row: row as usize,
        };
        chunks[at.chunk].copy_key(at.row, &mut self.key);
        if self.key != key {
            // Two texts with one hash: the row counts as new.
            return None;
        }
        if next == own {
            entry.remove();
        } else {
            entry.get_mut().1 = next;
        }
        Some(at)
    }
}

/// The hash of a series text.
pub fn hash_of(key: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(key);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::chunk::KeyChunkBuilder;
    use super::*;
    use crate::model::series::ChunkBuilder;

    #[test]
    fn equal_rows_are_one_text_and_come_back_in_order() {
        let chunk = |rows: usize| {
            let mut keys = KeyChunkBuilder::default();
            for row in 0..rows {
                let text: &[u8] = if row == 100 { b"b" } else { b"a" };
                keys.push(b"", text, RowKind::Kept);
            }
            Arc::new(keys.finish(ChunkBuilder::default().finish(None)))
        };
        let chunks: Vec<_> = (0..400).map(|_| chunk(500)).collect();
        let from = RowAt { chunk: 0, row: 1 };
        let mut index = Index::new(&chunks, from);
        assert_eq!(index.texts.len(), 2, "200,000 rows");
        let mut taken = |text: &[u8], count: usize| -> Vec<RowAt> {
            let all = (0..count).map(|_| index.take(&chunks, text).expect("a row"));
            all.collect()
        };
        for (text, count) in [(b"b", 400), (b"a", 2_000)] {
            let got = taken(text, count);
            assert!(got.is_sorted() && got[0] >= from);
            assert!(got.windows(2).all(|pair| pair[0] != pair[1]));
        }
        assert_eq!(index.take(&chunks, b"b"), None);
        assert_eq!(index.take(&chunks, b"c"), None);
    }
}
