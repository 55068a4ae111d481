//! Own labels of consecutive series of one metric family, in one block of memory.
//!
//! Neighbours have most of their labels in common, the metric name first of all, so each label is
//! stored once, and a series is a list of numbers of labels:
//!
//! ```text
//! 4 bytes  number of series
//! 4 bytes  number of labels
//! 4 bytes  bytes of the labels of all series, each as often as a series has it
//! 3 bytes  how many bytes each of the following takes: 1, 2 or 4
//!          for each series: where its numbers end
//!          for each label: where it ends
//!          the numbers of the labels of all series
//!          the labels
//! ```

use std::sync::Arc;

use super::dictionary::{Dictionary, put, range, width};
use super::encode_labels;
use super::encoded::{Encoded, OwnLabels};
use crate::model::metadata::Family;

/// Own labels of consecutive series of one family.
#[derive(Debug, PartialEq, Eq)]
pub struct SeriesChunk {
    family: Option<Arc<Family>>,
    bytes: Box<[u8]>,
}

/// Bytes before the ends.
const START: usize = 15;

/// How many labels back a label is looked for beside those of the series before: this finds what
/// neighbours share, and costs little where they share nothing.
const LOOK_BACK: usize = 24;

/// The parts of a chunk's bytes.
#[derive(Clone, Copy, Default)]
struct Parts<'a> {
    series_width: usize,
    series_ends: &'a [u8],
    numbers: &'a [u8],
    dictionary: Dictionary<'a>,
}

/// Both sides of `at`; nothing if that is behind the end.
fn split(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    bytes.split_at_checked(at).unwrap_or_default()
}

fn number_at(bytes: &[u8], at: usize) -> usize {
    let number = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    number.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
}

impl SeriesChunk {
    /// Number of series.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        number_at(&self.bytes, 0)
    }

    /// Whether the chunk holds no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sum of [`Encoded::len`] of all series.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        number_at(&self.bytes, 8)
    }

    /// The family all series of this chunk belong to, if the page named one.
    #[must_use]
    pub fn family(&self) -> Option<&Arc<Family>> {
        self.family.as_ref()
    }

    /// Own labels of the series at `index`, sorted by name; empty values mean "remove". None
    /// behind the last series.
    #[must_use]
    pub fn own_labels(&self, index: usize) -> OwnLabels<'_> {
        OwnLabels::new(self.encoded(index))
    }

    fn parts(&self) -> Parts<'_> {
        let (start, bytes) = split(&self.bytes, START);
        let [.., series_width, end_width, number_width] = *start else {
            return Parts::default();
        };
        let [series_width, end_width, number_width] =
            [series_width, end_width, number_width].map(usize::from);
        let (series_ends, bytes) = split(bytes, self.len() * series_width);
        let (ends, bytes) = split(bytes, number_at(start, 4) * end_width);
        let last = self.len().checked_sub(1);
        let numbers = last.and_then(|last| range(series_ends, last, series_width));
        let (numbers, labels) = split(bytes, numbers.map_or(0, |range| range.end) * number_width);
        Parts {
            series_width,
            series_ends,
            numbers,
            dictionary: Dictionary {
                number_width,
                end_width,
                ends,
                labels,
            },
        }
    }

    /// The encoded own labels of the series at `index`; none behind the last one.
    #[must_use]
    pub fn encoded(&self, index: usize) -> Encoded<'_> {
        self.parts().encoded(index)
    }

    /// The encoded own labels of all series in order.
    pub fn all_encoded(&self) -> impl Iterator<Item = Encoded<'_>> {
        let parts = self.parts();
        (0..self.len()).map(move |index| parts.encoded(index))
    }

    /// The labels of all series, each at least once, in no order that means something.
    pub fn distinct_labels(&self) -> impl Iterator<Item = &[u8]> {
        self.parts().dictionary.all()
    }

    /// All that the series say, for hashing.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of memory that the chunk holds.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }
}

impl<'a> Parts<'a> {
    #[inline]
    fn encoded(&self, index: usize) -> Encoded<'a> {
        let width = self.dictionary.number_width;
        let numbers = range(self.series_ends, index, self.series_width);
        let numbers =
            numbers.and_then(|range| self.numbers.get(range.start * width..range.end * width));
        Encoded::of(numbers.unwrap_or_default(), self.dictionary)
    }
}

/// Collects series into a chunk.
#[derive(Debug, Default)]
pub struct ChunkBuilder {
    /// Where the numbers of each series end.
    series_ends: Vec<u32>,
    numbers: Vec<u32>,
    /// Where each label ends.
    ends: Vec<u32>,
    labels: Vec<u8>,
    /// Bytes of the labels of all series.
    encoded_bytes: usize,
    scratch: Vec<u8>,
}

impl ChunkBuilder {
    /// Adds a series whose own labels are given sorted by name.
    pub fn push<'a>(&mut self, own_labels: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        encode_labels(&mut scratch, own_labels);
        self.push_encoded(Encoded::new(&scratch));
        self.scratch = scratch;
    }

    /// Adds a series by what [`SeriesChunk::encoded`] of another chunk gave, or by bytes like it.
    pub fn push_encoded(&mut self, encoded: Encoded<'_>) {
        let before = match *self.series_ends {
            [] => 0,
            [_] => self.series_ends[0] as usize,
            [.., start, _] => start as usize,
        };
        let before = before..self.numbers.len();
        for (position, label) in encoded.labels().enumerate() {
            let above = self.numbers[before.clone()].get(position).copied();
            let number = self.known(above, label).unwrap_or_else(|| {
                self.labels.extend_from_slice(label);
                self.ends.push(number_of(self.labels.len()));
                number_of(self.ends.len() - 1)
            });
            self.numbers.push(number);
            self.encoded_bytes += label.len();
        }
        self.series_ends.push(number_of(self.numbers.len()));
    }

    /// The number of a label that is likely to be there: at the same place in the series before,
    /// or among the latest.
    fn known(&self, above: Option<u32>, label: &[u8]) -> Option<u32> {
        let last = self.ends.len();
        let latest = (last.saturating_sub(LOOK_BACK)..last).rev().map(number_of);
        above.into_iter().chain(latest).find(|number| {
            let number = *number as usize;
            let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
            self.labels[start as usize..self.ends[number] as usize] == *label
        })
    }

    /// Number of series so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series_ends.len()
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series_ends.is_empty()
    }

    /// Ends the chunk and leaves the builder empty.
    pub fn finish(&mut self, family: Option<Arc<Family>>) -> SeriesChunk {
        let widths = [self.numbers.len(), self.labels.len(), self.ends.len()].map(width);
        let [series_width, end_width, number_width] = widths;
        let ends = self.series_ends.len() * series_width + self.ends.len() * end_width;
        let numbers = self.numbers.len() * number_width;
        let mut bytes = Vec::with_capacity(START + ends + numbers + self.labels.len());
        let encoded_bytes = std::mem::take(&mut self.encoded_bytes);
        let counts = [self.series_ends.len(), self.ends.len(), encoded_bytes].map(number_of);
        put(&mut bytes, &counts, size_of::<u32>());
        bytes.extend_from_slice(&widths.map(|width| width as u8));
        put(&mut bytes, &self.series_ends, series_width);
        put(&mut bytes, &self.ends, end_width);
        put(&mut bytes, &self.numbers, number_width);
        bytes.extend_from_slice(&self.labels);
        for numbers in [&mut self.series_ends, &mut self.ends, &mut self.numbers] {
            numbers.clear();
        }
        self.labels.clear();
        SeriesChunk {
            family,
            bytes: bytes.into(),
        }
    }
}

/// A chunk is cut after at most a few hundred series, far below 4 GiB.
fn number_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contiguous(labels: &[(String, String)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_labels(
            &mut bytes,
            labels.iter().map(|(name, value)| (&**name, &**value)),
        );
        bytes
    }

    proptest! {
        #[test]
        fn series_come_back_as_they_were_pushed(
            series in prop::collection::vec(
                prop::collection::vec(("[a-c]{1,2}", "[x-z]{0,3}"), 0..4), 0..300),
            many in any::<bool>(),
        ) {
            let mut series = series;
            if many {
                // More labels and bytes than fit into the short forms.
                let head = |number: usize| {
                    vec![("a".to_owned(), number.to_string()), ("b".to_owned(), "y".repeat(300))]
                };
                series.splice(0..0, (0..300).map(head));
            }
            let (mut builder, mut copy) = (ChunkBuilder::default(), ChunkBuilder::default());
            for labels in &series {
                builder.push(labels.iter().map(|(name, value)| (&**name, &**value)));
            }
            let chunk = builder.finish(None);
            prop_assert!(builder.is_empty());
            let encoded_bytes: usize = chunk.all_encoded().map(Encoded::len).sum();
            prop_assert_eq!(chunk.encoded_bytes(), encoded_bytes);
            prop_assert_eq!((chunk.len(), chunk.all_encoded().count()), (series.len(), series.len()));
            for (index, (encoded, labels)) in chunk.all_encoded().zip(&series).enumerate() {
                let bytes = contiguous(labels);
                prop_assert_eq!(encoded.to_box().into_vec(), bytes.clone());
                prop_assert_eq!(encoded, Encoded::new(&bytes));
                prop_assert_eq!(encoded, chunk.encoded(index));
                let own = chunk.own_labels(index);
                prop_assert!(own.eq(labels.iter().map(|(name, value)| (&**name, &**value))));
                copy.push_encoded(encoded);
                for label in encoded.labels() {
                    prop_assert!(chunk.distinct_labels().any(|own| own == label));
                }
            }
            prop_assert_eq!(copy.finish(None), chunk);
        }

        #[test]
        fn any_bytes_come_back(series in prop::collection::vec(any::<Vec<u8>>(), 0..9)) {
            let mut builder = ChunkBuilder::default();
            for bytes in &series {
                builder.push_encoded(Encoded::new(bytes));
            }
            let chunk = builder.finish(None);
            for (index, bytes) in series.iter().enumerate() {
                prop_assert_eq!(&*chunk.encoded(index).to_box(), &**bytes);
                prop_assert!(chunk.own_labels(index).count() <= bytes.len());
            }
        }
    }
}
