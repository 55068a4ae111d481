//! What follows when the receiver answers 5xx to the front batch, again and again.
//!
//! That is an outage nearly always, and then everything has to wait in order. Rarely the receiver
//! fails at something in this very batch, for ever, and everything behind it would wait for ever
//! too. Both look the same until something else is taken. So, after minutes of nothing but 5xx:
//!
//! 1. The batch is halved with every failure, the first half going first, down to one sample.
//!    In an outage this only makes the first requests after it small.
//! 2. The sample changes places with what may go before it without overtaking anything of its own
//!    series: the other parts of its block, then the first block of a target that has nothing before
//!    it. If nothing of that is taken, nothing more happens than that sending is tried in turns.
//! 3. Once something was taken, what still fails is halved as far as the requests for a search go.
//!    What cannot be halved any more is tried again after each request that is taken. A part that
//!    failed [`limits::REMOTE_SET_ASIDE_STRIKES`] times, each time after something else had been
//!    taken since the failure before, is set aside; once is enough while others are aside already.
//!
//! So an outage, in which nothing is taken, sets nothing aside, however long it is. Any failure that
//! is no 5xx (a connection, a 429, wrong credentials) begins the observation anew.

use std::collections::BTreeSet;

use super::searching::Because;
use super::{Outcome, Shard};
use crate::limits;
use crate::model::sorting;
use crate::model::time::Mono;
use crate::remote::batch::{Batch, Half, Trial};
use crate::remote::piece::Piece;

/// 5xx answers with no other failure between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    since: Mono,
    failures: u32,
    /// Answers that the shard had before.
    answers: u64,
    /// The first batch has been halved as far as it can be.
    at_leaf: bool,
    /// Turns taken since something was taken.
    turns: usize,
}

impl Run {
    fn is_suspicious(&self, now: Mono, known: bool) -> bool {
        if known {
            // Something was set aside already: the same cause is likely.
            return self.failures >= limits::REMOTE_SET_ASIDE_STRIKES;
        }
        self.failures >= limits::REMOTE_SET_ASIDE_ATTEMPTS
            && now.since(self.since) >= limits::REMOTE_SET_ASIDE_AFTER
    }
}

impl Shard {
    /// Takes note of a 5xx answer to the front batch.
    pub(super) fn failed(&mut self, now: Mono) -> Outcome {
        let answers = self.answers;
        let run = self.failing.get_or_insert(Run {
            since: now,
            failures: 0,
            answers,
            at_leaf: false,
            turns: 0,
        });
        run.failures = run.failures.saturating_add(1);
        if !run.is_suspicious(now, !self.asides.is_empty()) {
            return Outcome::Kept;
        }
        self.look_closer(now)
    }

    fn look_closer(&mut self, now: Mono) -> Outcome {
        let known = !self.asides.is_empty();
        let (Some(run), Some(front)) = (self.failing, self.work.front_mut()) else {
            return Outcome::Kept;
        };
        let trial = &mut front.trial;
        trial.struck = trial.failed_at.is_some_and(|at| at < self.answers);
        trial.strikes += u32::from(trial.struck);
        trial.failed_at = Some(self.answers);
        let certain = if known {
            trial.strikes > 0
        } else {
            trial.struck && trial.strikes >= limits::REMOTE_SET_ASIDE_STRIKES
        };
        let works = self.answers > run.answers;
        let may_halve = (works || !run.at_leaf) && self.halvings_left > 0;
        if may_halve && self.halve(Because::Failing) {
            self.halvings_left -= 1;
            if works {
                self.send_other_first();
            }
            return Outcome::Kept;
        }
        if certain {
            if let Some(front) = self.work.pop_front() {
                self.put_aside(front, run.since, now + limits::REMOTE_ASIDE_RETRY);
            }
            self.attempt = 0;
            self.end_run_if_over();
            self.send_other_first();
            return Outcome::SetAside;
        }
        self.take_turns(works);
        Outcome::Kept
    }

    /// A receiver that works is asked for something else between any two tries, if there is
    /// anything that overtakes nothing: it is waiting for this, and success ends the back-off.
    fn send_other_first(&mut self) {
        if let Some(piece) = self.take_independent(self.group()) {
            let mut probe = Batch::new(vec![piece]);
            probe.trial.probe = true;
            self.work.push_front(probe);
        }
    }

    /// Lets something else go before the front batch.
    fn take_turns(&mut self, works: bool) {
        let mut group = self.group();
        let has_probe = self.work.iter().take(group).any(|own| own.trial.probe);
        let turns = self.failing.map_or(0, |run| run.turns);
        let mut to = group - 1;
        if !has_probe && (works || group == 1 || turns >= group) && self.fetch_probe(group, works) {
            // A receiver that works is asked for something else between any two tries.
            to = if works { 1 } else { group };
            group += 1;
        }
        if works
            && to == 1
            && let Some(probe) = self.work.remove(group - 1)
        {
            self.work.insert(1, probe);
        }
        if let Some(run) = &mut self.failing {
            run.at_leaf = true;
            run.turns += 1;
        }
        if let Some(mut front) = self.work.pop_front() {
            front.trial.waiting = true;
            self.work.insert(to, front);
        }
        for own in self.work.iter_mut().take(group) {
            // Neighbours have changed.
            own.half = Half::None;
        }
    }

    /// How many batches at the front may change places: the parts of one block, and probes.
    fn group(&self) -> usize {
        let block = self.work.iter().find(|own| !own.trial.probe);
        let block = block.and_then(Batch::part_of);
        let free = |own: &&Batch| own.trial.probe || block.is_some() && own.part_of() == block;
        self.work.iter().take_while(free).count().max(1)
    }

    /// Puts something behind the front group that may go before it. Without a target that has
    /// nothing before it, and only once the receiver is known to work, what follows may overtake
    /// the few samples that are under suspicion. False if there is nothing.
    fn fetch_probe(&mut self, group: usize, works: bool) -> bool {
        if let Some(piece) = self.take_independent(group) {
            let mut probe = Batch::new(vec![piece]);
            probe.trial.probe = true;
            self.work.insert(group, probe);
            return true;
        }
        if !works || group > 1 {
            return false;
        }
        let untried = |own: &Batch| !own.trial.waiting;
        let at = (group..self.work.len()).find(|at| untried(&self.work[*at]));
        let next = match at {
            Some(at) => self.work.remove(at),
            None if self.queue.is_empty() => None,
            None => Some(self.fill()),
        };
        let Some(mut next) = next else {
            return false;
        };
        next.trial.probe = true;
        self.work.insert(group, next);
        true
    }

    /// Takes out the first piece behind the group whose target has nothing before it.
    fn take_independent(&mut self, group: usize) -> Option<Piece> {
        let lane = |piece: &Piece| piece.item.block.series.lane();
        let before = self.work.iter().take(group).flat_map(|own| &own.pieces);
        let mut seen: BTreeSet<u64> = sorting::set(before.map(lane));
        for index in group..self.work.len() {
            let pieces = &mut self.work[index].pieces;
            let free = pieces.iter().position(|piece| seen.insert(lane(piece)));
            if let Some(at) = free {
                let piece = pieces.remove(at);
                if pieces.is_empty() {
                    self.work.remove(index);
                }
                return Some(piece);
            }
        }
        let at = self
            .queue
            .iter()
            .position(|piece| seen.insert(lane(piece)))?;
        let piece = self.queue.remove(at)?;
        self.queue_shrinks(&piece);
        Some(self.cut_to_fit(at, piece))
    }

    /// Leaves in the queue, at `at`, what of a piece is too much for a request.
    fn cut_to_fit(&mut self, at: usize, piece: Piece) -> Piece {
        let most = self.samples_fitting(&piece);
        if piece.samples <= most {
            return piece;
        }
        let (first, rest) = piece.cut(most);
        self.queue_grows(&rest);
        self.queue.insert(at, rest);
        first
    }

    /// After an answer: ends the observation once nothing in work has failed. What waits for
    /// something to be taken goes next.
    pub(super) fn end_run_if_over(&mut self) {
        if self.work.iter().all(|own| own.trial.failed_at.is_none()) {
            self.failing = None;
        }
        if let Some(run) = &mut self.failing {
            run.turns = 0;
        }
        let waiting = self.work.iter().enumerate().filter(|(_, own)| {
            let trial = own.trial;
            trial.waiting && trial.failed_at < Some(self.answers)
        });
        let oldest = waiting.min_by_key(|(_, own)| own.pieces.first().map(Piece::sequence));
        let oldest = oldest.map(|(at, _)| at);
        if let Some(batch) = oldest.and_then(|at| self.work.remove(at)) {
            self.work.push_front(batch);
        }
    }

    /// A failure that is no 5xx: nothing that was observed counts any more.
    pub(super) fn forget_failures(&mut self) {
        self.failing = None;
        for own in &mut self.work {
            own.trial = Trial::default();
        }
    }
}
