//! How far a queue has read, and what the log has taken from it.
//!
//! When blocks leave the log before a queue has settled them, those it has not read yet are lost:
//! they are settled at once and never given to it afterwards, though they may still be in memory.
//! Those it has read are in its hands and are sent; they are lost only if the process ends before.
//! The lock makes one of both true for every block.

use parking_lot::Mutex;

use crate::model::block::Sequence;
use crate::model::position::AckRanges;

/// One registration of a queue. Shared by the queue's reader and the log's thread.
#[derive(Debug, Default)]
pub struct Seat(Mutex<Marks>);

#[derive(Debug, Default)]
struct Marks {
    /// The last block given to the queue.
    read: Sequence,
    /// Blocks that are no longer given.
    taken: AckRanges,
}

impl Seat {
    /// The queue is given a block. None if it may be; else it is lost, and all up to the block that
    /// is returned.
    pub fn give(&self, sequence: Sequence) -> Option<Sequence> {
        let mut marks = self.0.lock();
        if marks.taken.contains(sequence) {
            let ranges = marks.taken.ranges().iter();
            let mut own = ranges.filter(|(first, last)| (*first..=*last).contains(&sequence));
            return Some(own.next().map_or(marks.taken.floor(), |(_, last)| *last));
        }
        marks.read = marks.read.max(sequence);
        None
    }

    /// Takes `first..=last` from the queue, except what it has read. Returns the first block that
    /// is lost, which may be beyond `last`.
    pub fn take(&self, first: Sequence, last: Sequence) -> Sequence {
        let mut marks = self.0.lock();
        let from = first.max(marks.read.next());
        marks.taken.insert(from, last);
        from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_either_given_or_lost() {
        let seat = Seat::default();
        assert_eq!(seat.give(Sequence(3)), None);
        assert_eq!(seat.take(Sequence(1), Sequence(9)), Sequence(4));
        assert_eq!(seat.give(Sequence(4)), Some(Sequence(9)));
        assert_eq!(seat.give(Sequence(10)), None);
        assert_eq!(seat.take(Sequence(8), Sequence(10)), Sequence(11));
        assert_eq!(seat.give(Sequence(11)), None);
    }
}
