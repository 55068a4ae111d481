//! How the refused samples of a batch are found: it is halved at borders between blocks, then
//! within a block, until they stand alone, so that one bad series costs only itself.
//!
//! Two requests a halving, and a bounded number a batch: [`limits::REMOTE_BISECT_REQUESTS`] for
//! samples that are refused for good, [`limits::REMOTE_REPEATED_REQUESTS`] for those that the
//! receiver says it has. When they are spent, what is refused is given up as it is, unsearched.

use super::{Outcome, Shard};
use crate::limits;
use crate::model::block::Sequence;
use crate::remote::batch::{Batch, Half};
use crate::remote::refusal::Refusal;

/// Why a batch is halved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// Some sample in it is refused.
    Refused,
    /// It is too large.
    TooLarge,
    /// The receiver fails at it.
    Failing,
}

impl Shard {
    /// A new batch has its own number of requests.
    pub(super) fn begin_search(&mut self) {
        self.halvings_left = limits::REMOTE_BISECT_REQUESTS;
        self.repeats_left = limits::REMOTE_REPEATED_REQUESTS;
        self.accepted_part_of = None;
        self.tail_repeated_of = None;
    }

    /// Handles, without a request, a front batch whose fate is known. True if there was one.
    pub(super) fn skip_or_halve_front(&mut self) -> bool {
        let Some(front) = self.work.front() else {
            return false;
        };
        if front.depth > limits::REMOTE_REPEATED_DEPTH
            && front.repeated
            && let Some(block) = front.part_of()
            && self.accepted_part_of != Some(block)
        {
            if self.tail_repeated_of == Some(block) {
                let refusal = front.if_repeated();
                self.drop_front(refusal);
                return true;
            }
            if self.failing.is_none() {
                self.send_tail_first(block);
            }
            return false;
        }
        front.surely_bad && self.halve(Because::Refused)
    }

    /// Every part of the block was refused as already there: a replay after a crash. But a block
    /// that was cut between two requests may have arrived up to the cut, so its last sample is sent
    /// alone before the rest is believed to be there. Only the answer to it counts: it may have to go
    /// more than once, and not at once.
    fn send_tail_first(&mut self, block: Sequence) {
        let same = |batch: &&Batch| batch.part_of() == Some(block);
        let last = self.work.iter().take_while(same).count() - 1;
        let Some(mut tail) = self.work.remove(last) else {
            return;
        };
        if let [piece] = tail.pieces.as_slice()
            && piece.samples > 1
        {
            let (rest, end) = piece.cut(piece.samples - 1);
            let rest = Batch {
                pieces: vec![rest],
                half: Half::None,
                ..tail
            };
            self.work.insert(last, rest);
            tail.pieces = vec![end];
        }
        tail.half = Half::None;
        tail.repeated = false;
        tail.tail = true;
        self.work.push_front(tail);
    }

    /// Takes note of what is given up, if it is the tail of a block. One that is lost says nothing of
    /// the others: the next one is asked, or all are looked at.
    pub(super) fn note_tail(&mut self, batch: &Batch, refusal: Refusal) {
        match refusal {
            _ if !batch.tail => {}
            Refusal::Repeated | Refusal::OutOfOrder => self.tail_repeated_of = batch.part_of(),
            Refusal::Invalid if self.halvings_left > 0 => {}
            _ => self.accepted_part_of = batch.part_of(),
        }
    }

    pub(super) fn split(&mut self) -> Outcome {
        if let Some(front) = self.work.front().filter(|own| !own.of_too_large) {
            self.sizing.too_large(front.samples());
        }
        if self.halve(Because::TooLarge) {
            Outcome::Halved
        } else {
            self.drop_front(Refusal::TooLarge)
        }
    }

    pub(super) fn refused(&mut self, repeated: bool) -> Outcome {
        let Some(front) = self.work.front_mut() else {
            return Outcome::Delivered;
        };
        front.repeated = repeated;
        let alone = front.samples() < 2;
        let if_repeated = front.if_repeated();
        front.doubt_refused();
        let left = if repeated {
            &mut self.repeats_left
        } else {
            &mut self.halvings_left
        };
        let may_halve = *left > 0;
        *left = left.saturating_sub(1);
        if may_halve && self.halve(Because::Refused) {
            return Outcome::Halved;
        }
        self.drop_front(match (alone, repeated) {
            (true, true) => if_repeated,
            (true, false) => Refusal::Invalid,
            (false, _) => Refusal::Unsearched,
        })
    }

    /// Replaces the front batch by its halves, in order. Halves of one refused block go behind the
    /// other parts of that block, so that it is looked at evenly. False if it has but one sample.
    pub(super) fn halve(&mut self, because: Because) -> bool {
        let Some((left, right)) = self.work.front().and_then(Batch::halves) else {
            return false;
        };
        self.work.pop_front();
        let mut at = 0;
        if let Some(block) = left.part_of().filter(|_| left.depth > 0)
            && because != Because::Failing
        {
            let same = |batch: &&Batch| batch.depth > 0 && batch.part_of() == Some(block);
            at = self.work.iter().take_while(same).count();
        }
        for (offset, mut half) in [left, right].into_iter().enumerate() {
            if because != Because::Refused {
                half.half = Half::None;
            }
            half.of_too_large |= because == Because::TooLarge;
            self.work.insert(at + offset, half);
        }
        true
    }
}
