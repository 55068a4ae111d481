//! The order of series in a body of remote write 2.0.
//!
//! Targets that expose the same text share chunks of series. Their entries are put side by side,
//! series by series: neighbours then differ in the labels of the target and the value alone, which
//! snappy, looking back a few kilobytes, turns into two copies and the value.
//!
//! A lane (targets with the same labels) of which a body has more than one run is written in the
//! order of the log instead, so that no series goes back in time within a body.

use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::same_run;
use crate::remote::piece::Piece;

/// Pieces of one target that are written together: an entry per series with a sample of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Its pieces, as places in [`Weave::order`].
    pub(super) places: Range<usize>,
    /// Whether its lane has no other run.
    alone: bool,
}

/// A chunk of series of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Segments of the same group hold the same chunk and are written side by side.
    pub(super) group: u32,
    /// Index of its run.
    pub(super) run: u32,
    /// Index of the chunk in the run's list.
    pub(super) chunk: u32,
    /// Slot of the chunk's first series.
    pub(super) first: u32,
}

/// Finds the order, in the same memory each time.
#[derive(Debug, Default)]
pub(super) struct Weave {
    order: Vec<usize>,
    runs: Vec<Run>,
    segments: Vec<Segment>,
    /// The same before they are put together by group.
    found: Vec<Segment>,
    /// Where the segments of each group begin.
    starts: Vec<u32>,
    /// Group of a chunk, by its address. Pieces keep it from being used again.
    groups: HashMap<usize, u32, FixedState>,
}

impl Weave {
    /// Arranges the pieces, which are in the order of their blocks.
    pub(super) fn arrange(&mut self, pieces: &[Piece]) {
        self.find_runs(pieces);
        self.found.clear();
        self.groups.clear();
        let mut next = 0;
        for (number, run) in self.runs.iter().enumerate() {
            let piece = &pieces[self.order[run.places.start]];
            let mut first = 0;
            for (index, chunk) in piece.item.block.series.chunks().iter().enumerate() {
                let end = first + chunk.len() as u32;
                if first < piece.slots.end && piece.slots.start < end {
                    let known = run.alone.then(|| {
                        let group = self.groups.entry(Arc::as_ptr(chunk) as usize);
                        *group.or_insert(next)
                    });
                    let group = known.unwrap_or(next);
                    next += u32::from(group == next);
                    self.found.push(Segment {
                        group,
                        run: number as u32,
                        chunk: index as u32,
                        first,
                    });
                }
                first = end;
            }
        }
        self.gather(next as usize);
    }

    /// Puts the segments of each group together, in the order of their runs.
    fn gather(&mut self, groups: usize) {
        self.starts.clear();
        self.starts.resize(groups + 1, 0);
        for segment in &self.found {
            self.starts[segment.group as usize + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut self.starts {
            sum += *start;
            *start = sum;
        }
        self.segments.clone_from(&self.found);
        for segment in &self.found {
            let place = &mut self.starts[segment.group as usize];
            self.segments[*place as usize] = *segment;
            *place += 1;
        }
    }

    fn find_runs(&mut self, pieces: &[Piece]) {
        let lane = |index: &usize| pieces[*index].item.block.series.lane();
        self.order.clear();
        self.order.extend(0..pieces.len());
        self.order
            .sort_unstable_by_key(|index| (lane(index), *index));
        self.runs.clear();
        let mut start = 0;
        for run in self
            .order
            .chunk_by(|left, right| same_run(&pieces[*left], &pieces[*right]))
        {
            let end = start + run.len();
            let other = |at: Option<&usize>| at.is_some_and(|at| lane(at) == lane(&run[0]));
            let before = start.checked_sub(1).and_then(|at| self.order.get(at));
            self.runs.push(Run {
                places: start..end,
                alone: !other(before) && !other(self.order.get(end)),
            });
            start = end;
        }
        // Lanes are hashes; in the order of the log, runs of one lane stay behind one another.
        let order = &self.order;
        self.runs
            .sort_unstable_by_key(|run| order[run.places.start]);
    }

    /// Indexes of pieces; those of a run follow one another.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    /// The runs, in the order of the log.
    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Segments to be written side by side, one group after another.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[Segment]> {
        self.segments
            .chunk_by(|left, right| left.group == right.group)
    }
}
