//! The fast walk: a page compared with what the target showed last time.
//!
//! At the cursor the expected bytes (comment lines and series text) are compared directly; on a
//! match only the value is parsed. The walk ends at the first byte that differs. It never decides
//! anything: what it accepts is exactly what the full parser accepts, and the values go straight
//! into their slots.

use std::sync::Arc;

use super::chunk::{KeyChunk, RowKind};
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
            .is_some_and(|chunk| row < chunk.rows().len())
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
    while let Some(chunk) = chunks.get(next.chunk) {
        let row_count = chunk.rows().len();
        while next.row < row_count {
            let expected = chunk.expected(next.row);
            let rest = &page[used..];
            if !rest.starts_with(expected) {
                return WalkEnd { used, next };
            }
            let key_length = chunk.key(next.row).len();
            let key_start = expected.len() - key_length;
            let Some((tail, length)) = parser.tail(&rest[key_start..], key_length) else {
                return WalkEnd { used, next };
            };
            if key_start > 0 {
                let family = chunk.series().family();
                parser.skip(key_start, family.map(|family| family.kind));
            }
            rows.matched(next, chunk.rows()[next.row].kind, &tail);
            used += key_start + length;
            next.row += 1;
        }
        next = RowAt {
            chunk: next.chunk + 1,
            row: 0,
        };
    }
    WalkEnd { used, next }
}
