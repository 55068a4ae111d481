//! Which blocks of a log are lost, and to which damaged place: from the numbers alone.
//!
//! Sequence numbers have no holes but those that damage makes, and the few that the writer left:
//! blocks that were too large, or that a failing disk never took. Every number that a reader does
//! not get is put down to the damage before it in the same segment; blocks are encoded against
//! one another, so damage costs blocks of later frames too.

use hashbrown::HashSet;

use super::damage::{Damage, Kind, Lost};
use super::folder::{Folder, SegmentFile};
use super::scan::{Bad, Frame};
use crate::limits;
use crate::model::block::Sequence;
use crate::model::sorting;
use crate::wal::codec::decoder::Decoder;
use crate::wal::codec::measure::Measured;

/// What was found, while the segments go by.
#[derive(Debug, Default)]
pub struct Continuity {
    /// The damaged places, in the order of the log.
    pub damages: Vec<Damage>,
    /// Places beyond [`limits::LOG_REPORT_DAMAGES_MAX`].
    pub more_damages: u64,
    /// What is worth knowing and no damage.
    pub notes: Vec<String>,
    /// The number that comes next; none before the first segment and behind a deleted one.
    expected: Option<Sequence>,
    file: String,
    index: usize,
    stop: Sequence,
    /// Damage in this segment that later losses are put down to.
    blamed: bool,
    /// Damage since the last valid frame.
    fresh: bool,
}

impl Continuity {
    /// Whether nothing of the current segment was damaged so far.
    #[must_use]
    pub fn is_segment_sound(&self) -> bool {
        !self.blamed
    }

    /// All blocks that are lost.
    #[must_use]
    pub fn lost_blocks(&self) -> u64 {
        self.damages.iter().map(|damage| damage.lost.blocks).sum()
    }

    /// A segment was deleted meanwhile: what is missing there is no damage.
    pub fn gone(&mut self) {
        self.expected = None;
        let note = "segments were deleted while they were read";
        if !self.notes.iter().any(|own| own == note) {
            self.notes.push(note.to_owned());
        }
    }

    /// A segment begins.
    pub fn begin(&mut self, folder: &Folder, index: usize) {
        let segment = &folder.segments[index];
        self.file.clone_from(&segment.name);
        self.index = index;
        self.stop = folder.stop(index).unwrap_or(Sequence(u64::MAX));
        self.blamed = false;
        self.fresh = false;
        let Some(first) = segment.first else {
            return self.begin_useless(folder, segment);
        };
        self.expected.get_or_insert(first);
        if segment.header.is_err() {
            let bytes = crate::wal::format::header::HEADER_BYTES as u64;
            let kind = Kind::SegmentHeader;
            self.report_aside(Damage {
                bytes,
                ..Damage::at(&segment.name, 0, kind)
            });
        }
    }

    /// A segment with neither a valid header nor a valid frame. The next start removes it, so that
    /// only the newest can have been made just before a crash.
    fn begin_useless(&mut self, folder: &Folder, segment: &SegmentFile) {
        if segment.blank && self.index + 1 == folder.segments.len() {
            let name = &segment.name;
            let note = format!("{name}: holds nothing yet: made just now, or just before a crash");
            self.notes.push(note);
        } else if !self.is_said_lost(&segment.name) {
            self.report(Damage {
                bytes: segment.len,
                ..Damage::at(&segment.name, 0, Kind::SegmentLost)
            });
        }
    }

    fn is_said_lost(&self, file: &str) -> bool {
        let last = self.damages.last();
        last.is_some_and(|last| last.kind == Kind::SegmentLost && last.file == file)
    }

    /// A valid frame.
    pub fn frame(&mut self, frame: &Frame, measured: &Measured, decoder: &Decoder) {
        let header = &frame.header;
        if header.span > 0 {
            self.numbers_before(header.first, frame.offset);
            let read: HashSet<u64> = frame.blocks.iter().map(|own| own.sequence.0).collect();
            self.missing_in(frame, measured, decoder, &read);
            self.expected = self.expected.max(Some(header.last().next()));
        }
        if frame.unknown > 0 || frame.unknown_bytes > 0 {
            let (file, offset) = (&self.file, frame.offset);
            self.notes.push(format!(
                "{file}: at {offset}: {} records and {} bytes before it are of a kind that this \
                 program does not know",
                frame.unknown, frame.unknown_bytes
            ));
        }
        self.fresh = false;
    }

    /// Compares the number that comes with the one expected.
    fn numbers_before(&mut self, first: Sequence, offset: u64) {
        let Some(expected) = self.expected else {
            return;
        };
        if first < expected {
            let kind = Kind::Order;
            self.report(Damage::at(&self.file.clone(), offset, kind));
            return;
        }
        let until = first.min(self.stop);
        if expected >= until {
            return;
        }
        let last = Sequence(until.0 - 1);
        if self.fresh {
            self.lose(expected, last, None);
        } else {
            self.note_skipped(expected, last, offset);
        }
    }

    fn note_skipped(&mut self, first: Sequence, last: Sequence, offset: u64) {
        let file = &self.file;
        self.notes.push(format!(
            "{file}: at {offset}: numbers {}-{} were never written: blocks too large for the log",
            first.0, last.0
        ));
    }

    /// Blocks of a valid frame that a reader does not get.
    fn missing_in(
        &mut self,
        frame: &Frame,
        measured: &Measured,
        decoder: &Decoder,
        read: &HashSet<u64>,
    ) {
        let (first, last) = (frame.header.first, frame.header.last());
        let mut heads: Vec<u64> = measured.heads.iter().map(|own| own.sequence.0).collect();
        sorting::sort(&mut heads);
        let headless = gaps(first.0, last.0.min(self.stop.0.saturating_sub(1)), &heads);
        let lost = |own: &Sequence| *own < self.stop && !read.contains(&own.0);
        let lost = measured.heads.iter().filter(|head| lost(&head.sequence));
        let lost: Vec<_> = lost.copied().collect();
        if measured.unreadable == 0 {
            for (from, to) in &headless {
                self.note_skipped(Sequence(*from), Sequence(*to), frame.offset);
            }
            if lost.is_empty() {
                return;
            }
        }
        if !self.blamed {
            let damage = Damage::at(&self.file, frame.offset, Kind::Undecodable);
            self.report(damage);
        }
        for (from, to) in headless.iter().filter(|_| measured.unreadable > 0) {
            self.lose(Sequence(*from), Sequence(*to), None);
        }
        // Blocks that the next segment has again are no loss, but the header counts their samples.
        let exact = measured.unreadable == 0 && frame.superseded == 0 && last < self.stop;
        for head in &lost {
            self.lose(head.sequence, head.sequence, Some(0).filter(|_| exact));
            if let (Some(target), Some(to)) = (decoder.target_of(head.list), self.blame()) {
                to.add_target(target);
            }
        }
        let samples: usize = frame.blocks.iter().map(|block| block.sample_count()).sum();
        if exact && let Some(to) = self.blame() {
            to.samples += u64::from(frame.header.samples).saturating_sub(samples as u64);
        }
    }

    /// Bytes that are no valid frame, with something valid behind them.
    pub fn bad(&mut self, bad: &Bad) {
        let Some(header) = bad.header.filter(|header| header.span > 0) else {
            return self.report(Damage::of(&self.file, bad));
        };
        self.numbers_before(header.first, bad.offset);
        self.report(Damage::of(&self.file, bad));
        let last = header.last().min(self.before_stop());
        let samples = (last == header.last()).then_some(u64::from(header.samples));
        let first = self
            .expected
            .map_or(header.first, |own| own.max(header.first));
        self.lose(first, last, samples);
        self.expected = self.expected.max(Some(header.last().next()));
    }

    /// The segment ends, perhaps with bytes that hold no frame.
    pub fn end(&mut self, torn: Option<&Bad>, folder: &Folder) {
        let is_newest = self.stop == Sequence(u64::MAX);
        let missing = self.expected.filter(|own| *own < self.stop && !is_newest);
        let useless = folder.segments[self.index].first.is_none();
        match (missing, torn) {
            // Said when the segment began.
            (_, Some(_)) if useless => {}
            (_, Some(bad)) if missing.is_some() || matches!(bad.why, super::scan::Why::Disk(_)) => {
                self.report(Damage::of(&self.file, bad));
            }
            (None, Some(bad)) => self.notes.push(format!(
                "{}: at {}, {} bytes: hold no frame: a write that did not finish",
                self.file, bad.offset, bad.bytes
            )),
            (Some(_), _) if !self.fresh => {
                let damage = self.missing_behind(folder);
                self.report(damage);
            }
            _ => {}
        }
        if let Some(first) = missing.filter(|_| !useless) {
            self.lose(first, self.before_stop(), None);
        }
        // The next segment may have the last blocks of this one again.
        if !is_newest {
            self.expected = self.expected.map(|_| self.stop);
        }
    }

    /// Where the blocks behind a segment that ends well must have been: in a segment that holds
    /// nothing any more, else in this one.
    fn missing_behind(&self, folder: &Folder) -> Damage {
        match folder.segments.get(self.index + 1) {
            Some(next) if next.first.is_none() => Damage {
                bytes: next.len,
                ..Damage::at(&next.name, 0, Kind::SegmentLost)
            },
            _ => Damage::at(&self.file, folder.segments[self.index].len, Kind::Missing),
        }
    }

    fn before_stop(&self) -> Sequence {
        Sequence(self.stop.0.saturating_sub(1))
    }

    fn report(&mut self, damage: Damage) {
        self.blamed = true;
        self.fresh = true;
        if self.damages.len() < limits::LOG_REPORT_DAMAGES_MAX {
            self.damages.push(damage);
        } else {
            self.more_damages += 1;
        }
    }

    /// Adds a damage that has nothing to do with lost blocks.
    pub fn report_aside(&mut self, damage: Damage) {
        let (blamed, fresh) = (self.blamed, self.fresh);
        self.report(damage);
        (self.blamed, self.fresh) = (blamed, fresh);
    }

    fn blame(&mut self) -> Option<&mut Lost> {
        self.damages.last_mut().map(|damage| &mut damage.lost)
    }

    fn lose(&mut self, first: Sequence, last: Sequence, samples: Option<u64>) {
        let Some(lost) = self.blame() else {
            return;
        };
        let before = lost.blocks;
        lost.add(first, last);
        match samples {
            Some(samples) => lost.samples += samples,
            None => lost.unmeasured_blocks += lost.blocks - before,
        }
    }
}

/// The numbers of `first..=last` that are not among `there`, which is sorted, as ranges.
fn gaps(first: u64, last: u64, there: &[u64]) -> Vec<(u64, u64)> {
    let mut gaps = Vec::new();
    let mut next = first;
    for own in there.iter().filter(|own| **own <= last) {
        if next < *own {
            gaps.push((next, own - 1));
        }
        next = next.max(own + 1);
    }
    if next <= last {
        gaps.push((next, last));
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_not_there_are_ranges() {
        assert_eq!(gaps(3, 9, &[4, 5, 8, 20]), [(3, 3), (6, 7), (9, 9)]);
        assert_eq!(gaps(3, 4, &[3, 3, 4]), []);
        assert_eq!(gaps(5, 4, &[]), []);
    }
}
