//! A row of a page that differs from the last one: an old row found again, or a new one.

use std::ops::Range;

use super::walk::RowAt;
use crate::exposition::line::Tail;
use crate::model::metadata::MetricType;

/// One row in page order.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The row of the last page with the same series text, if there was one.
    pub old: Option<RowAt>,
    /// Comment lines before it, as a range of the page; none when they equal the old row's.
    pub prelude: Option<Range<usize>>,
    /// Series text, as a range of the page.
    pub key: Range<usize>,
    /// The type that the page named last before it: decides about `le` and `quantile`.
    pub type_before: MetricType,
    /// Its sample.
    pub sample: RowSample,
}

/// The sample of a row before it is known what becomes of it.
#[derive(Clone, Debug)]
pub struct RowSample {
    /// Value.
    pub value: f64,
    /// Explicit timestamp in milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// Raw exemplar text as a range of the page.
    pub exemplar: Option<Range<usize>>,
}

impl RowSample {
    /// Copies what the parser found after a key.
    #[must_use]
    pub fn of(tail: &Tail<'_>, page: &[u8]) -> RowSample {
        RowSample {
            value: tail.value,
            timestamp_ms: tail.timestamp_ms,
            exemplar: tail.exemplar.map(|text| range_in(page, text)),
        }
    }
}

impl RowSample {
    /// The sample as the parser gave it.
    #[must_use]
    pub fn tail<'a>(&self, page: &'a [u8]) -> Tail<'a> {
        Tail {
            value: self.value,
            timestamp_ms: self.timestamp_ms,
            exemplar: self.exemplar.clone().map(|range| &page[range]),
        }
    }
}

/// Where `part`, a slice of `page`, stands in it.
#[must_use]
pub fn range_in(page: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr() as usize - page.as_ptr() as usize;
    start..start + part.len()
}
