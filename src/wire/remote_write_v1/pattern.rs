//! The labels of one series, ready for every target that exposes it: its own as finished fields,
//! and where the fields of a target's shared labels go between them.

use super::{SharedLabels, append_stored, stored};
use crate::model::series::Encoded;

/// A place for shared labels.
#[derive(Clone, Copy, Debug)]
struct Seam {
    /// Own fields before this byte come first.
    own_end: usize,
    /// The shared label that comes first here.
    first: usize,
    /// The first one that comes later.
    end: usize,
}

/// Own fields and seams; made anew for each series, in the same memory.
#[derive(Debug, Default)]
pub struct Pattern {
    own: Vec<u8>,
    seams: Vec<Seam>,
}

impl Pattern {
    /// Takes the own labels of a series, as [`crate::model::series::SeriesChunk::encoded`] gives
    /// them, beside shared labels of the names in `shared`. False if one of these names is among
    /// its own, or an own value is empty: then it takes the values to tell what is sent
    /// ([`super::append_labels`]).
    #[must_use]
    pub fn set(&mut self, mut own: Encoded<'_>, shared: &SharedLabels) -> bool {
        self.own.clear();
        self.seams.clear();
        let (mut next, mut placed) = (0, 0);
        loop {
            let piece = own.piece();
            let (Some(name), Some(value)) = (stored(piece), stored(piece)) else {
                break;
            };
            while let Some(label) = shared.labels.get(next) {
                match label.name.as_bytes().cmp(name.text) {
                    std::cmp::Ordering::Less => next += 1,
                    std::cmp::Ordering::Equal => return false,
                    std::cmp::Ordering::Greater => break,
                }
            }
            if value.text.is_empty() {
                return false;
            }
            self.place(placed, next);
            placed = next;
            append_stored(&mut self.own, &name, &value);
        }
        self.place(placed, shared.labels.len());
        true
    }

    fn place(&mut self, first: usize, end: usize) {
        if first < end {
            self.seams.push(Seam {
                own_end: self.own.len(),
                first,
                end,
            });
        }
    }

    /// Appends the labels for a target with these shared labels, which have the names that the
    /// pattern was made for.
    #[inline]
    pub fn append(&self, out: &mut Vec<u8>, shared: &SharedLabels) {
        let mut own = 0;
        for seam in &self.seams {
            out.extend_from_slice(&self.own[own..seam.own_end]);
            out.extend_from_slice(shared.fields(seam.first..seam.end));
            own = seam.own_end;
        }
        out.extend_from_slice(&self.own[own..]);
    }
}
