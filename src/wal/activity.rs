//! How many series are alive, and how many ended while the log still has samples of them.
//!
//! Told from the blocks alone. A target's series are those with a sample in its last block; every
//! staleness marker ends one. Targets go by their labels, so that one that takes over from
//! another, with the same labels and a new identity, is not counted beside it. Counts begin with
//! the process: what ended before is not known.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::model::block::{EpochId, ScrapeBlock, Sequence};
use crate::model::time::Mono;
use crate::model::value::{is_absent, is_stale};

/// Counts series as blocks go by.
#[derive(Debug, Default)]
pub struct Activity {
    targets: HashMap<u64, Target, FixedState>,
    active: usize,
    /// Markers by the last block that had some of them; one entry per segment.
    ended: VecDeque<(Sequence, usize)>,
}

#[derive(Debug)]
struct Target {
    at: (EpochId, i64),
    series: usize,
    seen: Mono,
}

/// What one block holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Samples that are not staleness markers.
    pub live: usize,
    /// Staleness markers.
    pub markers: usize,
}

impl Content {
    /// Counts the values of a block.
    #[must_use]
    pub fn of(block: &ScrapeBlock) -> Content {
        let mut content = Content::default();
        for value in &block.values {
            content.markers += usize::from(is_stale(*value));
            content.live += usize::from(!is_stale(*value) && !is_absent(*value));
        }
        content
    }
}

impl Activity {
    /// Takes note of a block.
    pub fn note(&mut self, now: Mono, block: &ScrapeBlock, content: Content) {
        let key = block.series.target().labels.hash64();
        let at = (block.epoch, block.offset_ms);
        if content.live > 0 {
            let series = content.live;
            let seen = now;
            let before = self.targets.insert(key, Target { at, series, seen });
            self.active += series;
            self.active -= before.map_or(0, |target| target.series);
        } else if self.targets.get(&key).is_some_and(|own| own.at != at) {
            // Markers at the time of a scrape are for series that it lacks. Markers at a time of
            // their own end the target.
            let gone = self.targets.remove(&key);
            self.active -= gone.map_or(0, |target| target.series);
        }
    }

    /// Takes note of markers in the block of that number; `segment` is the first block of the
    /// newest segment.
    pub fn end(&mut self, sequence: Sequence, markers: usize, segment: Sequence) {
        match self.ended.back_mut() {
            Some((last, count)) if *last >= segment => {
                *last = sequence;
                *count += markers;
            }
            _ => self.ended.push_back((sequence, markers)),
        }
    }

    /// Forgets targets without a block since `before`, and series that ended before `oldest`, the
    /// first block in the log.
    pub fn forget(&mut self, before: Mono, oldest: Sequence) {
        let idle = self.targets.extract_if(|_, target| target.seen < before);
        self.active -= idle.map(|(_, target)| target.series).sum::<usize>();
        while self.ended.front().is_some_and(|(last, _)| *last < oldest) {
            self.ended.pop_front();
        }
    }

    /// Series with a sample in the last block of their target.
    #[must_use]
    pub fn active(&self) -> usize {
        self.active
    }

    /// Ends of series since the start of the process that the log still has blocks of. A series
    /// that ended twice counts twice.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.ended.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::labels::Labels;
    use crate::model::series::{ChunkBuilder, SeriesList, TargetIdentity};
    use crate::model::value::{ABSENT, STALE};

    fn block(id: u64, offset_ms: i64, values: &[f64]) -> ScrapeBlock {
        let instance = if id < 10 { "a" } else { "b" };
        let identity = TargetIdentity {
            id,
            job: "j".into(),
            labels: Labels::from_pairs([("instance", instance)]),
        };
        let mut chunk = ChunkBuilder::default();
        for slot in 0..values.len() {
            chunk.push([("__name__", slot.to_string().as_str())]);
        }
        let chunks = vec![Arc::new(chunk.finish(None))];
        ScrapeBlock {
            sequence: Sequence(0),
            epoch: EpochId(1),
            offset_ms,
            series: Arc::new(SeriesList::new(Arc::new(identity), chunks)),
            values: values.into(),
            side: None,
        }
    }

    fn note(activity: &mut Activity, block: &ScrapeBlock) -> usize {
        let content = Content::of(block);
        activity.note(Mono(5), block, content);
        activity.active()
    }

    #[test]
    fn series_are_those_of_every_targets_last_block() {
        let mut activity = Activity::default();
        assert_eq!(note(&mut activity, &block(1, 0, &[1.0, ABSENT, 3.0])), 2);
        assert_eq!(note(&mut activity, &block(10, 3, &[1.0])), 3);
        // One vanished: the block has the others, markers come at the same time.
        assert_eq!(note(&mut activity, &block(1, 10, &[1.0])), 2);
        assert_eq!(note(&mut activity, &block(1, 10, &[STALE])), 2);
        // The target goes on under another identity.
        assert_eq!(note(&mut activity, &block(2, 20, &[1.0, 2.0])), 3);
        // And ends: markers at a time of their own.
        assert_eq!(note(&mut activity, &block(2, 30, &[STALE, STALE])), 1);
        activity.forget(Mono(6), Sequence(1));
        assert_eq!(activity.active(), 0);
    }

    #[test]
    fn ended_series_count_until_their_segment_is_gone() {
        let mut activity = Activity::default();
        activity.end(Sequence(3), 2, Sequence(1));
        activity.end(Sequence(9), 1, Sequence(1));
        activity.end(Sequence(12), 5, Sequence(11));
        assert_eq!((activity.ended(), activity.ended.len()), (8, 2));
        activity.forget(Mono(0), Sequence(9));
        assert_eq!(activity.ended(), 8);
        activity.forget(Mono(0), Sequence(11));
        assert_eq!(activity.ended(), 5);
    }
}
