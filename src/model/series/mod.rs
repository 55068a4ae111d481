//! Series lists: the labels of one scrape, stored once for every scrape and target that has them.
//!
//! A [`SeriesChunk`] holds the *own* labels of consecutive series of one metric family; two
//! targets that expose the same text share one chunk. A [`SeriesList`] is a target's identity
//! plus chunks. The full label set of a series is its own labels laid over the target's: an own
//! label wins over a target label of the same name, and an own label with an empty value removes
//! it (that is how `honor_labels` and metric relabelling that touches target labels are stored).
//!
//! Nothing here checks label limits; whoever builds a chunk has done that.

mod chunk;
mod dictionary;
mod encoded;

use std::sync::Arc;

pub use self::chunk::{ChunkBuilder, SeriesChunk};
pub use self::encoded::{Encoded, OwnLabels};
use super::labels::Labels;
use crate::bytes::varint;

/// Identity of a target, fixed while the target lives; a change makes a new one.
#[derive(Debug, PartialEq, Eq)]
pub struct TargetIdentity {
    /// Stable hash of job, all labels and URL: routes the target to a scrape worker, and names its
    /// previous block in the log.
    pub id: u64,
    /// Scrape pool, for counting losses by job.
    pub job: Arc<str>,
    /// Labels attached to every sample: sorted, none begins with `__`.
    pub labels: Labels,
}

/// Appends a label in the format of [`Encoded`].
#[inline]
pub fn encode_label(out: &mut Vec<u8>, name: &str, value: &str) {
    varint::write(out, name.len() as u64);
    out.extend_from_slice(name.as_bytes());
    varint::write(out, value.len() as u64);
    out.extend_from_slice(value.as_bytes());
}

/// Appends labels, given sorted by name, in the format of [`Encoded`].
pub fn encode_labels<'a>(
    out: &mut Vec<u8>,
    own_labels: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    for (name, value) in own_labels {
        encode_label(out, name, value);
    }
}

/// Full labels of a series: own labels laid over another sorted, unique sequence (the target's).
#[derive(Clone, Debug)]
pub struct Overlay<'a, B: Iterator<Item = (&'a str, &'a str)>> {
    own: std::iter::Peekable<OwnLabels<'a>>,
    base: std::iter::Peekable<B>,
}

/// Lays `own` over `base`; both sorted by name. Yields sorted labels without empty values.
pub fn overlay<'a, B>(own: OwnLabels<'a>, base: B) -> Overlay<'a, B>
where
    B: Iterator<Item = (&'a str, &'a str)>,
{
    Overlay {
        own: own.peekable(),
        base: base.peekable(),
    }
}

impl<'a, B: Iterator<Item = (&'a str, &'a str)>> Iterator for Overlay<'a, B> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        loop {
            let own_name = self.own.peek().map(|(name, _)| *name);
            let base_name = self.base.peek().map(|(name, _)| *name);
            let label = match (own_name, base_name) {
                (Some(own), Some(base)) if own > base => self.base.next(),
                (None, _) => return self.base.next(),
                (Some(own), base) => {
                    if base == Some(own) {
                        self.base.next();
                    }
                    self.own.next()
                }
            };
            match label {
                Some((_, "")) => {}
                other => return other,
            }
        }
    }
}

/// The series of one scrape: a target and its chunks. Slots are numbered through all chunks.
#[derive(Debug)]
pub struct SeriesList {
    target: Arc<TargetIdentity>,
    chunks: Box<[Arc<SeriesChunk>]>,
    len: usize,
    lane: u64,
}

impl SeriesList {
    /// Joins chunks in order.
    #[must_use]
    pub fn new(target: Arc<TargetIdentity>, chunks: Vec<Arc<SeriesChunk>>) -> SeriesList {
        let len = chunks.iter().map(|chunk| chunk.len()).sum();
        SeriesList {
            lane: target.labels.hash64(),
            target,
            chunks: chunks.into_boxed_slice(),
            len,
        }
    }

    /// The target that exposes these series.
    #[must_use]
    pub fn target(&self) -> &Arc<TargetIdentity> {
        &self.target
    }

    /// What keeps blocks in order on their way out: the hash of the target's labels. Targets that
    /// expose the same series under the same labels share it, whatever tells them apart otherwise.
    #[must_use]
    pub fn lane(&self) -> u64 {
        self.lane
    }

    /// The chunks, in slot order.
    #[must_use]
    pub fn chunks(&self) -> &[Arc<SeriesChunk>] {
        &self.chunks
    }

    /// Number of slots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every series in slot order, as its chunk and its index in it.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<SeriesChunk>, usize)> {
        self.chunks
            .iter()
            .flat_map(|chunk| (0..chunk.len()).map(move |index| (chunk, index)))
    }

    /// Full labels of one of this list's series.
    pub fn labels<'a>(
        &'a self,
        chunk: &'a SeriesChunk,
        index: usize,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
        overlay(
            chunk.own_labels(index),
            LabelPairs::new(&self.target.labels),
        )
    }
}

/// A cloneable iterator over a [`Labels`].
#[derive(Clone, Debug)]
pub struct LabelPairs<'a> {
    labels: &'a Labels,
    index: usize,
}

impl<'a> LabelPairs<'a> {
    /// Begins at the first label.
    #[must_use]
    pub fn new(labels: &'a Labels) -> LabelPairs<'a> {
        LabelPairs { labels, index: 0 }
    }
}

impl<'a> Iterator for LabelPairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let pair = self.labels.at(self.index)?;
        self.index += 1;
        Some(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(target: &[(&str, &str)], own: &[&[(&str, &str)]]) -> SeriesList {
        let mut builder = ChunkBuilder::default();
        for labels in own {
            builder.push(labels.iter().copied());
        }
        let identity = TargetIdentity {
            id: 1,
            job: "j".into(),
            labels: Labels::from_pairs(target.iter().copied()),
        };
        SeriesList::new(Arc::new(identity), vec![Arc::new(builder.finish(None))])
    }

    fn full(list: &SeriesList, slot: usize) -> String {
        let (chunk, index) = list.iter().nth(slot).expect("slot exists");
        Labels::from_pairs(list.labels(chunk, index)).to_string()
    }

    #[test]
    fn own_labels_are_laid_over_the_targets() {
        let own: &[&[_]] = &[
            &[("__name__", "up"), ("z", "1")],
            &[("__name__", "x"), ("instance", "other"), ("job", "")],
        ];
        let list = list(&[("instance", "a:1"), ("job", "j")], own);
        assert_eq!(list.len(), 2);
        assert_eq!(
            full(&list, 0),
            r#"{__name__="up", instance="a:1", job="j", z="1"}"#
        );
        assert_eq!(full(&list, 1), r#"{__name__="x", instance="other"}"#);
    }

    #[test]
    fn encoded_labels_survive_a_copy() {
        let list = list(&[], &[&[("a", "1")], &[("b", "zwei")]]);
        let chunk = &list.chunks()[0];
        let mut copy = ChunkBuilder::default();
        copy.push_encoded(chunk.encoded(1));
        let copy = copy.finish(None);
        assert_eq!(copy.own_labels(0).collect::<Vec<_>>(), [("b", "zwei")]);
    }

    #[test]
    fn damaged_bytes_end_the_iteration() {
        let mut builder = ChunkBuilder::default();
        builder.push_encoded(Encoded::new(&[200, 200, 1, b'a']));
        assert_eq!(builder.finish(None).own_labels(0).count(), 0);
    }
}
