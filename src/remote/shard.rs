//! Core of a shard: gathers pieces into batches, and decides what follows an answer.
//!
//! Guarantees: the pieces of a target leave in the order of their blocks; a batch that has to be
//! repeated goes before everything else; every block is reported as settled exactly once, when the
//! last of its slots is. A refused batch is halved at block borders, then within a block, until the
//! refused samples stand alone (at most two requests a halving, a bounded number a batch), so that
//! one bad series costs only itself.
//!
//! Does not know the network, the clock or bytes: it is told the time and the verdict. A batch
//! that is answered with 5xx for ever is repeated for ever; setting it aside is not done here yet.

use std::collections::VecDeque;
use std::time::Duration;

use super::answer::Verdict;
use super::backoff::Backoff;
use super::batch::{Batch, Half};
use super::piece::Piece;
use crate::limits;
use crate::model::block::Sequence;
use crate::model::time::Mono;

#[cfg(test)]
mod tests;

/// When a batch is complete, and how failures are waited out.
#[derive(Clone, Debug)]
pub struct ShardSettings {
    /// Most samples of a request.
    pub samples: u64,
    /// Most bytes of a request before compression, by estimate.
    pub raw_bytes: usize,
    /// Longest time that a block waits for others.
    pub deadline: Duration,
    /// First delay after a failure.
    pub min_backoff: Duration,
    /// Longest delay.
    pub max_backoff: Duration,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send [`Shard::batch`] and report with [`Shard::answered`].
    Send,
    /// Nothing before this time.
    Wait(Mono),
    /// Nothing before the next [`Shard::push`].
    Idle,
}

/// Why samples were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The receiver has them already: no loss.
    Repeated,
    /// The receiver refuses them for good.
    Invalid,
    /// One sample alone is too large.
    TooLarge,
    /// 429, and the configuration says not to retry.
    Throttled,
}

/// Samples that were given up, by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct GivenUp {
    /// [`Refusal::Repeated`].
    pub repeated: u64,
    /// [`Refusal::Invalid`].
    pub invalid: u64,
    /// [`Refusal::TooLarge`].
    pub too_large: u64,
    /// [`Refusal::Throttled`].
    pub throttled: u64,
}

impl GivenUp {
    fn add(&mut self, refusal: Refusal, samples: u64) {
        *match refusal {
            Refusal::Repeated => &mut self.repeated,
            Refusal::Invalid => &mut self.invalid,
            Refusal::TooLarge => &mut self.too_large,
            Refusal::Throttled => &mut self.throttled,
        } += samples;
    }

    /// Those that are lost: all that the receiver does not have.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.invalid + self.too_large + self.throttled
    }
}

/// What became of the batch that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has arrived.
    Delivered,
    /// It goes again later, unchanged.
    Kept,
    /// It goes again in halves.
    Halved,
    /// It was given up.
    GivenUp(Refusal),
}

/// A block of which something has not been settled.
#[derive(Debug)]
struct Open {
    sequence: Sequence,
    slots_left: u32,
}

/// One shard.
#[derive(Debug)]
pub struct Shard {
    settings: ShardSettings,
    queue: VecDeque<Piece>,
    queued_samples: u64,
    queued_bytes: usize,
    /// Batches that were begun; the front one is next. More than one after a halving.
    work: VecDeque<Batch>,
    open: VecDeque<Open>,
    settled: Vec<Sequence>,
    given_up: GivenUp,
    backoff: Backoff,
    wait_until: Option<Mono>,
    attempt: u32,
    halvings_left: u32,
    /// The last block of which a part of the present batch was accepted.
    accepted_part_of: Option<Sequence>,
    /// Most samples of a request, as far as 413 has taught.
    samples_max: u64,
}

impl Shard {
    /// An empty shard.
    #[must_use]
    pub fn new(settings: ShardSettings) -> Shard {
        Shard {
            backoff: Backoff::new(settings.min_backoff, settings.max_backoff),
            samples_max: settings.samples.max(1),
            settings,
            queue: VecDeque::new(),
            queued_samples: 0,
            queued_bytes: 0,
            work: VecDeque::new(),
            open: VecDeque::new(),
            settled: Vec::new(),
            given_up: GivenUp::default(),
            wait_until: None,
            attempt: 0,
            halvings_left: 0,
            accepted_part_of: None,
        }
    }

    /// Takes a piece. Pieces of one block follow one another.
    pub fn push(&mut self, piece: Piece) {
        let sequence = piece.sequence();
        let slots = piece.slots.len() as u32;
        match self.open.back_mut() {
            Some(open) if open.sequence == sequence => open.slots_left += slots,
            _ => self.open.push_back(Open {
                sequence,
                slots_left: slots,
            }),
        }
        self.queued_samples += piece.samples;
        self.queued_bytes += piece.bytes();
        self.queue.push_back(piece);
    }

    /// What to do now. With `flush` an unfilled batch does not wait for its deadline.
    pub fn step(&mut self, now: Mono, flush: bool) -> Step {
        if let Some(until) = self.wait_until.filter(|until| now < *until) {
            return Step::Wait(until);
        }
        self.wait_until = None;
        while self.skip_or_halve_front() {}
        if !self.work.is_empty() {
            return Step::Send;
        }
        let Some(oldest) = self.queue.front() else {
            return Step::Idle;
        };
        let deadline = oldest.item.arrived + self.settings.deadline;
        let full =
            self.queued_samples >= self.samples_max || self.queued_bytes >= self.settings.raw_bytes;
        if !full && !flush && now < deadline {
            return Step::Wait(deadline);
        }
        let batch = self.fill();
        self.work.push_back(batch);
        self.halvings_left = limits::REMOTE_BISECT_REQUESTS;
        self.accepted_part_of = None;
        Step::Send
    }

    /// Handles, without a request, a front batch whose fate is known. True if there was one.
    fn skip_or_halve_front(&mut self) -> bool {
        let Some(front) = self.work.front() else {
            return false;
        };
        let untouched = front.part_of().is_some() && front.part_of() != self.accepted_part_of;
        if front.depth > limits::REMOTE_REPEATED_DEPTH && front.repeated && untouched {
            // Every part of the block was refused as already there: a replay after a crash.
            self.drop_front(Refusal::Repeated);
            return true;
        }
        front.surely_bad && self.halve(false)
    }

    /// Takes pieces from the queue until the next one would be too much; cuts the first one if it
    /// alone is.
    fn fill(&mut self) -> Batch {
        let mut pieces = Vec::new();
        let (mut samples, mut bytes) = (0, 0);
        while let Some(front) = self.queue.front() {
            let fits = samples + front.samples <= self.samples_max
                && bytes + front.bytes() <= self.settings.raw_bytes;
            if !fits && !pieces.is_empty() {
                break;
            }
            let Some(mut piece) = self.queue.pop_front() else {
                break;
            };
            let most = self.samples_fitting(&piece);
            if !fits && piece.samples > most {
                let (first, rest) = piece.cut(most);
                self.queue.push_front(rest);
                piece = first;
            }
            samples += piece.samples;
            bytes += piece.bytes();
            pieces.push(piece);
            if !fits {
                break;
            }
        }
        self.queued_samples = self.queued_samples.saturating_sub(samples);
        self.queued_bytes = self.queued_bytes.saturating_sub(bytes);
        Batch::new(pieces)
    }

    fn samples_fitting(&self, piece: &Piece) -> u64 {
        let each = piece.item.outgoing.entry_bytes().max(1);
        let by_bytes = (self.settings.raw_bytes / each) as u64;
        self.samples_max.min(by_bytes).max(1)
    }

    /// The pieces to send, after [`Step::Send`].
    #[must_use]
    pub fn batch(&self) -> &[Piece] {
        self.work.front().map_or(&[], |batch| &batch.pieces)
    }

    /// How often the batch was sent before.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether the last answer was a failure that is being waited out.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.wait_until.is_some()
    }

    /// Time until the batch is sent again after a failure.
    #[must_use]
    pub fn wait_left(&self, now: Mono) -> Duration {
        self.wait_until
            .map_or(Duration::ZERO, |until| until.since(now))
    }

    /// Samples that are neither delivered nor given up.
    #[must_use]
    pub fn pending_samples(&self) -> u64 {
        let work: u64 = self.work.iter().map(Batch::samples).sum();
        self.queued_samples + work
    }

    /// Applies the verdict on the batch. `fraction` is random in `0.0..1.0`.
    pub fn answered(&mut self, now: Mono, verdict: &Verdict, fraction: f64) -> Outcome {
        match verdict {
            Verdict::Retry(wish) => {
                self.attempt = self.attempt.saturating_add(1);
                self.wait_until = Some(now + self.backoff.fail(*wish, fraction));
                return Outcome::Kept;
            }
            Verdict::Hold => {
                self.attempt = self.attempt.saturating_add(1);
                self.wait_until = Some(now + limits::REMOTE_HOLD);
                return Outcome::Kept;
            }
            _ => {}
        }
        self.attempt = 0;
        self.backoff.reset();
        match verdict {
            Verdict::Split => self.split(),
            Verdict::Refused { repeated } => self.refused(*repeated),
            Verdict::Throttled => self.drop_front(Refusal::Throttled),
            _ => self.accepted(),
        }
    }

    fn accepted(&mut self) -> Outcome {
        let Some(batch) = self.work.pop_front() else {
            return Outcome::Delivered;
        };
        self.accepted_part_of = batch.part_of().or(self.accepted_part_of);
        if batch.half == Half::Left
            && let Some(sibling) = self.work.front_mut()
        {
            // Together they were refused, and it was not this half.
            sibling.surely_bad = true;
        }
        self.settle(&batch);
        Outcome::Delivered
    }

    fn split(&mut self) -> Outcome {
        let samples = self.work.front().map_or(0, Batch::samples);
        self.samples_max = (samples / 2).max(1);
        if self.halve(true) {
            Outcome::Halved
        } else {
            self.drop_front(Refusal::TooLarge)
        }
    }

    fn refused(&mut self, repeated: bool) -> Outcome {
        if let Some(front) = self.work.front_mut() {
            front.repeated = repeated;
        }
        let may_halve = self.halvings_left > 0;
        self.halvings_left = self.halvings_left.saturating_sub(1);
        if may_halve && self.halve(false) {
            return Outcome::Halved;
        }
        self.drop_front(if repeated {
            Refusal::Repeated
        } else {
            Refusal::Invalid
        })
    }

    /// Replaces the front batch by its halves. Halves of several blocks take its place, in order;
    /// halves of one block go behind the other parts of that block, so that it is looked at evenly.
    /// False if it has but one sample.
    fn halve(&mut self, too_large: bool) -> bool {
        let Some((left, right)) = self.work.front().and_then(Batch::halves) else {
            return false;
        };
        self.work.pop_front();
        let mut at = 0;
        if let Some(block) = left.part_of().filter(|_| left.depth > 0) {
            let same = |batch: &&Batch| batch.depth > 0 && batch.part_of() == Some(block);
            at = self.work.iter().take_while(same).count();
        }
        for (offset, mut half) in [left, right].into_iter().enumerate() {
            if too_large {
                half.half = Half::None;
            }
            self.work.insert(at + offset, half);
        }
        true
    }

    fn drop_front(&mut self, refusal: Refusal) -> Outcome {
        if let Some(batch) = self.work.pop_front() {
            self.given_up.add(refusal, batch.samples());
            self.settle(&batch);
        }
        Outcome::GivenUp(refusal)
    }

    fn settle(&mut self, batch: &Batch) {
        for piece in &batch.pieces {
            let sequence = piece.sequence();
            let Some(at) = self.open.iter().position(|open| open.sequence == sequence) else {
                continue;
            };
            let open = &mut self.open[at];
            open.slots_left = open.slots_left.saturating_sub(piece.slots.len() as u32);
            if open.slots_left == 0 {
                self.open.remove(at);
                self.settled.push(sequence);
            }
        }
    }

    /// Blocks that were settled since the last call.
    pub fn take_settled(&mut self) -> std::vec::Drain<'_, Sequence> {
        self.settled.drain(..)
    }

    /// Samples that were given up since the last call.
    pub fn take_given_up(&mut self) -> GivenUp {
        std::mem::take(&mut self.given_up)
    }

    /// Ends the shard: everything that is not settled, for another shard to send.
    #[must_use]
    pub fn into_pieces(self) -> Vec<Piece> {
        let work = self.work.into_iter().flat_map(|batch| batch.pieces);
        work.chain(self.queue).collect()
    }
}
