//! The fast walk: a page compared with what the target showed last time.
//!
//! At the cursor the expected bytes (comment lines and series text) are compared directly; on a
//! match only the value is parsed. What a series text shares with the one before is compared with
//! that on the page itself. The walk ends at the first byte that differs. It never decides
//! anything: what it accepts is exactly what the full parser accepts, and the values go straight
//! into their slots.

use std::sync::Arc;

use super::chunk::{KeyChunk, RowKind};
use super::row::Row;
use crate::bytes::same::begins;
use crate::exposition::line::{LineParser, Tail};

/// A row of the last page: chunk and row in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct RowAt {
    /// Index of the chunk.
    pub chunk: usize,
    /// Index of the row in it.
    pub row: usize,
}

impl RowAt {
    /// The row after this one; past the end when there is none.
    #[must_use]
    pub fn next(self, chunks: &[Arc<KeyChunk>]) -> RowAt {
        let row = self.row + 1;
        if chunks
            .get(self.chunk)
            .is_some_and(|chunk| row < chunk.len())
        {
            RowAt {
                chunk: self.chunk,
                row,
            }
        } else {
            RowAt {
                chunk: self.chunk + 1,
                row: 0,
            }
        }
    }
}

/// Receives the values of matched rows, in page order.
pub trait Rows {
    /// A row of the last page was found again.
    fn matched(&mut self, at: RowAt, kind: RowKind, tail: &Tail<'_>);
}

/// Where a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkEnd {
    /// Bytes of the page that matched.
    pub used: usize,
    /// The first row that was not found there; past the end when all were.
    pub next: RowAt,
}

/// Walks `page` from `used` on, expecting the rows from `next` on.
pub fn walk(
    parser: &mut LineParser,
    page: &[u8],
    from: WalkEnd,
    chunks: &[Arc<KeyChunk>],
    rows: &mut impl Rows,
) -> WalkEnd {
    let WalkEnd { mut used, mut next } = from;
    let mut before = Vec::new();
    while let Some(chunk) = chunks.get(next.chunk) {
        let mut expected = chunk.rows();
        let mut last: &[u8] = &[];
        if next.row > 0 {
            // The page may show another row before this one by now.
            chunk.copy_key(next.row - 1, &mut before);
            last = &before;
            expected.nth(next.row - 1);
        }
        for row in expected {
            let rest = &page[used..];
            if !shows(rest, &row, last) {
                return WalkEnd { used, next };
            }
            let key = &rest[row.lead..];
            let Some((tail, length)) = parser.tail(key, row.key_len()) else {
                return WalkEnd { used, next };
            };
            if row.lead > 0 {
                let family = chunk.series().family();
                parser.skip(row.lead, family.map(|family| family.kind()));
            }
            rows.matched(next, row.kind, &tail);
            last = key;
            used += row.lead + length;
            next.row += 1;
        }
        next = RowAt {
            chunk: next.chunk + 1,
            row: 0,
        };
    }
    WalkEnd { used, next }
}

/// Whether the page shows the row. `last` begins with the series text before it.
#[inline]
fn shows(page: &[u8], row: &Row<'_>, last: &[u8]) -> bool {
    // What differs from row to row comes first, so that a difference is found at once.
    let Some((shared, rest)) = page.split_at_checked(row.shared) else {
        return false;
    };
    begins(rest, row.text) && (row.shared == 0 || begins(last, shared))
}
