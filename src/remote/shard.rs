//! Core of a shard: gathers pieces into batches, and decides what follows an answer.
//!
//! Guarantees: the pieces of a target leave in the order of their blocks; a batch that has to be
//! repeated goes before everything else; every block is reported as settled exactly once, when the
//! last of its slots is. A refused batch is searched for the refused samples ([`searching`]); one
//! that the receiver fails at alone is narrowed down and set aside ([`failing`], [`aside`]).
//!
//! Does not know the network, the clock or bytes: it is told the time and the verdict.

mod aside;
mod failing;
mod searching;
mod sizing;

use std::collections::VecDeque;
use std::time::Duration;

use self::aside::Asides;
use self::failing::Run;
use self::sizing::Sizing;
use super::answer::Verdict;
use super::backoff::Backoff;
use super::batch::{Batch, Half};
use super::piece::Piece;
use super::refusal::{GivenUp, Refusal};
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
    /// It waits aside, and is tried again now and then while others go on.
    SetAside,
}

/// A block of which something has not been settled.
#[derive(Debug)]
struct Open {
    sequence: Sequence,
    slots_left: u32,
    /// More of its slots are to come.
    more: bool,
}

/// One shard.
#[derive(Debug)]
pub struct Shard {
    settings: ShardSettings,
    queue: VecDeque<Piece>,
    queued_samples: u64,
    queued_histograms: u64,
    queued_bytes: usize,
    /// Batches that were begun; the front one is next. More than one after a halving.
    work: VecDeque<Batch>,
    open: VecDeque<Open>,
    settled: Vec<Sequence>,
    given_up: Vec<GivenUp>,
    backoff: Backoff,
    wait_until: Option<Mono>,
    attempt: u32,
    halvings_left: u32,
    /// The same for batches that are refused as already there.
    repeats_left: u32,
    /// The last block of which a part of the present batch was accepted.
    accepted_part_of: Option<Sequence>,
    /// The last block whose last sample was refused as already there when it was sent alone.
    tail_repeated_of: Option<Sequence>,
    /// Answers that say that the receiver works, of any data.
    answers: u64,
    /// The 5xx answers that the front batch gets, while it does.
    failing: Option<Run>,
    asides: Asides,
    /// The request that is to be answered is one of those set aside.
    on_aside: bool,
    /// The batch goes once more before it is answered.
    again: bool,
    sizing: Sizing,
    /// Requests are a part of their usual size.
    small: bool,
}

impl Shard {
    /// An empty shard.
    #[must_use]
    pub fn new(settings: ShardSettings) -> Shard {
        Shard {
            backoff: Backoff::new(settings.min_backoff, settings.max_backoff),
            sizing: Sizing::new(settings.samples),
            small: false,
            settings,
            queue: VecDeque::new(),
            queued_samples: 0,
            queued_histograms: 0,
            queued_bytes: 0,
            work: VecDeque::new(),
            open: VecDeque::new(),
            settled: Vec::new(),
            given_up: Vec::new(),
            wait_until: None,
            attempt: 0,
            halvings_left: 0,
            repeats_left: 0,
            accepted_part_of: None,
            tail_repeated_of: None,
            answers: 0,
            failing: None,
            asides: Asides::default(),
            on_aside: false,
            again: false,
        }
    }

    /// Takes a piece. Pieces of one block follow one another.
    pub fn push(&mut self, piece: Piece) {
        let sequence = piece.sequence();
        let (slots, more) = (piece.slots.len() as u32, piece.more);
        match self.open.back_mut() {
            Some(open) if open.sequence == sequence => {
                open.slots_left += slots;
                open.more = more;
            }
            _ => self.open.push_back(Open {
                sequence,
                slots_left: slots,
                more,
            }),
        }
        if let Some(since) = piece.aside {
            return self.put_aside(Batch::new(vec![piece]), since, since);
        }
        self.queue_grows(&piece);
        self.queue.push_back(piece);
    }

    fn queue_grows(&mut self, by: &Piece) {
        self.queued_samples += by.samples;
        self.queued_histograms += by.histograms;
        self.queued_bytes += by.bytes();
    }

    fn queue_shrinks(&mut self, by: &Piece) {
        self.queued_samples = self.queued_samples.saturating_sub(by.samples);
        self.queued_histograms = self.queued_histograms.saturating_sub(by.histograms);
        self.queued_bytes = self.queued_bytes.saturating_sub(by.bytes());
    }

    /// Whether requests are to be small from now on, because memory runs short.
    pub fn keep_requests_small(&mut self, small: bool) {
        self.small = small;
    }

    /// Most samples, and most bytes before compression, of a request.
    fn room(&self) -> (u64, usize) {
        let (samples, bytes) = (self.sizing.most(), self.settings.raw_bytes);
        if self.small {
            let parts = limits::MEMORY_BATCH_PARTS;
            ((samples / parts).max(1), bytes / parts as usize)
        } else {
            (samples, bytes)
        }
    }

    /// What to do now. With `flush` an unfilled batch does not wait for its deadline.
    pub fn step(&mut self, now: Mono, flush: bool) -> Step {
        if let Some(until) = self.wait_until.filter(|until| now < *until) {
            return Step::Wait(until);
        }
        self.wait_until = None;
        if !self.again {
            self.on_aside = self.attempt == 0 && self.asides.is_due(now);
        }
        if self.on_aside {
            return Step::Send;
        }
        while self.skip_or_halve_front() {}
        if !self.work.is_empty() {
            return Step::Send;
        }
        let Some(oldest) = self.queue.front() else {
            return self.asides.due().map_or(Step::Idle, Step::Wait);
        };
        let deadline = oldest.item.arrived + self.settings.deadline;
        let (samples_max, bytes_max) = self.room();
        let full = self.queued_samples >= samples_max
            || self.queued_bytes >= bytes_max
            || self.queued_histograms >= limits::REMOTE_BATCH_HISTOGRAMS;
        if !full && !flush && now < deadline {
            let due = self.asides.due().unwrap_or(Mono::NEVER);
            return Step::Wait(deadline.min(due));
        }
        let batch = self.fill();
        self.work.push_back(batch);
        self.begin_search();
        Step::Send
    }

    /// Takes pieces from the queue until the next one would be too much; cuts the first one if it
    /// alone is.
    fn fill(&mut self) -> Batch {
        let (samples_max, bytes_max) = self.room();
        let mut pieces = Vec::new();
        let (mut samples, mut bytes) = (0, 0);
        while let Some(front) = self.queue.front() {
            let fits = samples + front.samples <= samples_max && bytes + front.bytes() <= bytes_max;
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
        for piece in &pieces {
            self.queue_shrinks(piece);
        }
        Batch::new(pieces)
    }

    fn samples_fitting(&self, piece: &Piece) -> u64 {
        let (samples_max, bytes_max) = self.room();
        piece.fitting(samples_max, bytes_max)
    }

    /// The pieces to send, after [`Step::Send`].
    #[must_use]
    pub fn batch(&self) -> &[Piece] {
        let batch = if self.on_aside {
            self.asides.front()
        } else {
            self.work.front()
        };
        batch.map_or(&[], |batch| &batch.pieces)
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

    /// Samples that are neither delivered nor given up nor set aside.
    #[must_use]
    pub fn pending_samples(&self) -> u64 {
        let work: u64 = self.work.iter().map(Batch::samples).sum();
        self.queued_samples + work
    }

    /// Native histograms among them.
    #[must_use]
    pub fn pending_histograms(&self) -> u64 {
        let work = self.work.iter().flat_map(|batch| &batch.pieces);
        let work: u64 = work.map(|piece| piece.histograms).sum();
        self.queued_histograms + work
    }

    /// Samples that are set aside.
    #[must_use]
    pub fn aside_samples(&self) -> u64 {
        self.asides.samples()
    }

    /// Keeps to the batch until it is answered: what it got decides nothing yet.
    pub fn send_again(&mut self) {
        self.again = true;
        if !self.on_aside {
            self.doubt_front();
        }
    }

    fn doubt_front(&mut self) {
        if let Some(front) = self.work.front_mut() {
            front.doubt();
        }
    }

    /// Applies the verdict on the batch. `fraction` is random in `0.0..1.0`.
    pub fn answered(&mut self, now: Mono, verdict: &Verdict, fraction: f64) -> Outcome {
        self.again = false;
        if self.on_aside {
            return self.answered_aside(now, verdict);
        }
        let wait = match verdict {
            Verdict::Retry(wish) | Verdict::Failed(wish) => self.backoff.fail(*wish, fraction),
            Verdict::Hold => limits::REMOTE_HOLD,
            _ => Duration::ZERO,
        };
        match verdict {
            Verdict::Retry(_) | Verdict::Hold | Verdict::Failed(_) => {
                self.attempt = self.attempt.saturating_add(1);
                self.wait_until = Some(now + wait);
                if *verdict != Verdict::Hold {
                    self.doubt_front();
                }
                if matches!(verdict, Verdict::Failed(_)) {
                    return self.failed(now);
                }
                self.forget_failures();
                return Outcome::Kept;
            }
            Verdict::Accepted | Verdict::Split | Verdict::Refused { .. } => self.answers += 1,
            Verdict::Throttled | Verdict::Unauthorized => {}
        }
        self.attempt = 0;
        self.backoff.reset();
        let outcome = match verdict {
            Verdict::Split => self.split(),
            Verdict::Refused { repeated } => self.refused(*repeated),
            Verdict::Throttled => self.drop_front(Refusal::Throttled),
            Verdict::Unauthorized => self.drop_front(Refusal::Unauthorized),
            _ => self.accepted(),
        };
        self.end_run_if_over();
        outcome
    }

    /// Settles the batch, of which nothing is sent. That says nothing about the receiver.
    pub fn pass_over(&mut self, now: Mono) {
        let (answers, sizing) = (self.answers, self.sizing);
        self.answered(now, &Verdict::Accepted, 0.0);
        (self.answers, self.sizing) = (answers, sizing);
    }

    fn accepted(&mut self) -> Outcome {
        let Some(batch) = self.work.pop_front() else {
            return Outcome::Delivered;
        };
        self.sizing.taken(batch.samples());
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

    fn drop_front(&mut self, refusal: Refusal) -> Outcome {
        if let Some(batch) = self.work.pop_front() {
            self.note_tail(&batch, refusal);
            self.give_up(batch, refusal);
        }
        Outcome::GivenUp(refusal)
    }

    fn give_up(&mut self, batch: Batch, refusal: Refusal) {
        self.settle(&batch);
        let pieces = batch.pieces.into_iter();
        self.given_up
            .extend(pieces.map(|piece| GivenUp { refusal, piece }));
    }

    fn settle(&mut self, batch: &Batch) {
        for piece in &batch.pieces {
            let sequence = piece.sequence();
            let Some(at) = self.open.iter().position(|open| open.sequence == sequence) else {
                continue;
            };
            let open = &mut self.open[at];
            open.slots_left = open.slots_left.saturating_sub(piece.slots.len() as u32);
            if open.slots_left == 0 && !open.more {
                self.open.remove(at);
                self.settled.push(sequence);
            }
        }
    }

    /// Blocks that were settled since the last call.
    pub fn take_settled(&mut self) -> std::vec::Drain<'_, Sequence> {
        self.settled.drain(..)
    }

    /// What was given up since the last call.
    pub fn take_given_up(&mut self) -> std::vec::Drain<'_, GivenUp> {
        self.given_up.drain(..)
    }

    /// Ends the shard: everything that is not settled, for another shard to send.
    #[must_use]
    pub fn into_pieces(self) -> Vec<Piece> {
        let work = self.work.into_iter().flat_map(|batch| batch.pieces);
        work.chain(self.queue)
            .chain(self.asides.into_pieces())
            .collect()
    }
}
