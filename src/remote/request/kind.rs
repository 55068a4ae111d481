//! Floats and native histograms of one series, which must not stand in one entry.

use std::ops::Range;

use crate::model::block::ScrapeBlock;
use crate::model::value::is_absent;

/// Consecutive blocks of a run that have one kind of sample at a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Places of their cursors.
    pub(super) places: Range<usize>,
    /// Whether they have native histograms there.
    pub(super) histograms: bool,
}

impl Part {
    /// All of a run that has no native histograms.
    #[inline]
    pub(super) fn whole(places: &Range<usize>) -> Part {
        Part {
            places: places.clone(),
            histograms: false,
        }
    }

    /// The longest part at the front, given the kind of each block: a block without a sample goes
    /// with any.
    pub(super) fn first(places: &Range<usize>, kinds: impl Iterator<Item = Option<bool>>) -> Part {
        let (mut kind, mut end) = (None, places.start);
        for own in kinds {
            if kind.is_some() && own.is_some() && kind != own {
                break;
            }
            kind = kind.or(own);
            end += 1;
        }
        Part {
            places: places.start..end,
            histograms: kind == Some(true),
        }
    }
}

/// Whether the sample at a slot is a native histogram; none without a sample.
pub(super) fn of(block: &ScrapeBlock, slot: u32) -> Option<bool> {
    let value = *block.values.get(slot as usize)?;
    (!is_absent(value)).then(|| block.histogram(slot as usize).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_one_kind() {
        let (float, histogram) = (Some(false), Some(true));
        let kinds = [None, float, None, float, histogram, None, float];
        let mut places = 10..17;
        let mut parts = Vec::new();
        while !places.is_empty() {
            let rest = kinds[places.start - 10..].iter().copied();
            let part = Part::first(&places, rest);
            places.start = part.places.end;
            parts.push((part.places, part.histograms));
        }
        assert_eq!(parts, [(10..14, false), (14..16, true), (16..17, false)]);
    }
}
