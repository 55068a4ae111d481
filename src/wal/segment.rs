//! Segments as files, and the catalog of those that the log has.
//!
//! The catalog is what the writer tells the readers: which segments there are, how far the last
//! one is written, and what is missing on purpose.

use std::path::{Path, PathBuf};

use crate::limits;
use crate::model::block::{EpochId, Sequence};
use crate::model::position::AckRanges;
use crate::model::source::GapReason;
use crate::model::time::Wall;

const SUFFIX: &str = ".seg";

/// Path of a segment in the folder of segments.
#[must_use]
pub fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}{SUFFIX}"))
}

/// The number in a segment's file name; none for other names.
#[must_use]
pub fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 16 || !digits.bytes().all(lower_hex) {
        return None;
    }
    let number = u64::from_str_radix(digits, 16).ok()?;
    (number <= limits::LOG_NUMBER_MAX).then_some(number)
}

/// What is known of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number.
    pub number: u64,
    /// No block in it has a lower sequence number.
    pub first: Sequence,
    /// Bytes up to the end of the last whole frame, as far as known.
    pub end: u64,
    /// Bytes that the file takes.
    pub bytes: u64,
    /// The epoch that was current when it was made.
    pub epoch: EpochId,
    /// Wall time when it was made, as the clock was then; 1970 if that cannot be read.
    pub created: Wall,
}

/// The segments of a log, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The segments by number.
    pub segments: Vec<SegmentInfo>,
    /// Blocks up to here are gone because their segment was deleted.
    pub trimmed: Sequence,
    /// Blocks that no segment ever had, because writing failed for too long.
    pub unlogged: AckRanges,
    /// Blocks up to here are certainly on disk, where they were written at all.
    pub synced: Sequence,
    /// Grows with every change, so that a reader notices one.
    pub version: u64,
}

impl Catalog {
    /// The segment in which to look for a block: the last one that begins at or before it, else
    /// the oldest.
    #[must_use]
    pub fn locate(&self, sequence: Sequence) -> Option<SegmentInfo> {
        let after = self.segments.partition_point(|own| own.first <= sequence);
        self.segments.get(after.saturating_sub(1)).copied()
    }

    /// The segment of that number.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<SegmentInfo> {
        let index = self
            .segments
            .binary_search_by_key(&number, |own| own.number);
        index.ok().map(|index| self.segments[index])
    }

    /// The first segment with a higher number.
    #[must_use]
    pub fn following(&self, number: u64) -> Option<SegmentInfo> {
        let index = self.segments.partition_point(|own| own.number <= number);
        self.segments.get(index).copied()
    }

    /// Adds a segment, or replaces what is known of it.
    pub fn put(&mut self, info: SegmentInfo) {
        self.version += 1;
        match self.segments.last_mut() {
            Some(last) if last.number == info.number => *last = info,
            _ => self.segments.push(info),
        }
    }

    /// Removes a segment that was deleted; its blocks count as trimmed.
    pub fn remove(&mut self, number: u64) {
        self.version += 1;
        if let Some(next) = self.following(number)
            && self
                .segments
                .first()
                .is_some_and(|first| first.number == number)
        {
            self.trimmed = self.trimmed.max(Sequence(next.first.0.saturating_sub(1)));
        }
        self.segments.retain(|own| own.number != number);
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|own| own.bytes).sum()
    }

    /// Why `first..=last` cannot be read, and up to which block that reason holds.
    #[must_use]
    pub fn reason(&self, first: Sequence, last: Sequence) -> (GapReason, Sequence) {
        let wanting = self.trimmed.max(self.unlogged.floor());
        if first <= wanting {
            return (GapReason::Budget, last.min(wanting));
        }
        let mut end = last;
        for (from, to) in self.unlogged.ranges() {
            if (*from..=*to).contains(&first) {
                return (GapReason::Budget, last.min(*to));
            }
            if *from > first {
                end = end.min(Sequence(from.0 - 1));
            }
        }
        (GapReason::Damage, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(number: u64, first: u64) -> SegmentInfo {
        SegmentInfo {
            number,
            first: Sequence(first),
            end: 64,
            bytes: 64,
            epoch: EpochId(1),
            created: Wall(0),
        }
    }

    #[test]
    fn names_are_numbers_in_hex() {
        let path = path(Path::new("/d"), 0xab);
        assert_eq!(path, Path::new("/d/00000000000000ab.seg"));
        assert_eq!(parse_name("00000000000000ab.seg"), Some(0xab));
        for bad in [
            "ab.seg",
            "00000000000000AB.seg",
            "00000000000000ab",
            "+000000000000ab1.seg",
            "ffffffffffffffff.seg",
        ] {
            assert_eq!(parse_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_missing_block_has_a_reason() {
        let mut catalog = Catalog::default();
        for (number, first) in [(1, 1), (2, 10), (3, 20)] {
            catalog.put(info(number, first));
        }
        assert_eq!(catalog.locate(Sequence(19)).map(|own| own.number), Some(2));
        catalog.remove(1);
        assert_eq!(catalog.locate(Sequence(5)).map(|own| own.number), Some(2));
        catalog.unlogged.insert(Sequence(15), Sequence(16));
        let reason = |first| catalog.reason(Sequence(first), Sequence(18));
        assert_eq!(reason(5), (GapReason::Budget, Sequence(9)));
        assert_eq!(reason(12), (GapReason::Damage, Sequence(14)));
        assert_eq!(reason(15), (GapReason::Budget, Sequence(16)));
        assert_eq!(reason(17), (GapReason::Damage, Sequence(18)));
    }
}
