//! Batches that the receiver fails at while it takes everything else: they wait here, so that
//! others go on, and one of them is tried again now and then.
//!
//! They are few samples each, because they were narrowed down before. What comes later of the same
//! series does not wait with them: a receiver that refuses samples out of order may so refuse these
//! when it could take them, and they are lost then. The alternative, holding back whatever follows
//! of the same series, keeps whole blocks in memory for the sake of single samples.
//!
//! Bounded in number, samples and time; what exceeds a bound is given up, the oldest first.

use std::collections::VecDeque;

use super::{Outcome, Shard};
use crate::limits;
use crate::model::time::Mono;
use crate::remote::answer::Verdict;
use crate::remote::batch::Batch;
use crate::remote::piece::Piece;
use crate::remote::refusal::Refusal;

#[derive(Debug)]
struct Aside {
    batch: Batch,
    /// When the receiver failed at it for the first time.
    since: Mono,
    /// Answers that the shard had when it was tried last.
    answers: u64,
}

/// What is set aside; the front one is tried next.
#[derive(Debug, Default)]
pub(super) struct Asides {
    list: VecDeque<Aside>,
    due: Mono,
}

impl Asides {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// When one is to be tried, if there is one.
    pub(super) fn due(&self) -> Option<Mono> {
        (!self.list.is_empty()).then_some(self.due)
    }

    pub(super) fn is_due(&self, now: Mono) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    pub(super) fn front(&self) -> Option<&Batch> {
        self.list.front().map(|own| &own.batch)
    }

    pub(super) fn samples(&self) -> u64 {
        self.list.iter().map(|own| own.batch.samples()).sum()
    }

    /// The oldest batch, if there are more than there may be.
    fn pop_excess(&mut self) -> Option<Batch> {
        let too_many = self.list.len() > limits::REMOTE_ASIDE_BATCHES
            || self.samples() > limits::REMOTE_ASIDE_SAMPLES;
        let ages = self.list.iter().enumerate();
        let (oldest, _) = ages.min_by_key(|(_, own)| own.since).filter(|_| too_many)?;
        self.list.remove(oldest).map(|own| own.batch)
    }

    /// All pieces, marked so that another shard sets them aside at once.
    pub(super) fn into_pieces(self) -> impl Iterator<Item = Piece> {
        self.list.into_iter().flat_map(|own| {
            let pieces = own.batch.pieces.into_iter();
            pieces.map(move |mut piece| {
                piece.aside = Some(own.since);
                piece
            })
        })
    }
}

impl Shard {
    /// Sets a batch aside that has failed since `since`; if it is the first one, it is tried again
    /// at `due`.
    pub(super) fn put_aside(&mut self, batch: Batch, since: Mono, due: Mono) {
        if self.asides.is_empty() {
            self.asides.due = due;
        }
        self.asides.list.push_back(Aside {
            batch: Batch::new(batch.pieces),
            since,
            answers: self.answers,
        });
        while let Some(batch) = self.asides.pop_excess() {
            self.give_up(batch, Refusal::SetAside);
        }
    }

    /// Applies the verdict on the batch that was tried again.
    pub(super) fn answered_aside(&mut self, now: Mono, verdict: &Verdict) -> Outcome {
        self.on_aside = false;
        self.asides.due = now + limits::REMOTE_ASIDE_RETRY;
        let Some(mut own) = self.asides.list.pop_front() else {
            return Outcome::Kept;
        };
        match verdict {
            Verdict::Accepted => {
                self.answers += 1;
                self.settle(&own.batch);
                Outcome::Delivered
            }
            Verdict::Refused { .. } | Verdict::Split => {
                self.answers += 1;
                self.refused_aside(own)
            }
            Verdict::Failed(_) if self.is_hopeless(now, &own) => {
                self.give_up(own.batch, Refusal::SetAside);
                Outcome::GivenUp(Refusal::SetAside)
            }
            _ => {
                own.answers = self.answers;
                self.asides.list.push_back(own);
                Outcome::SetAside
            }
        }
    }

    /// It has failed for hours, and others were taken since its last try.
    fn is_hopeless(&self, now: Mono, own: &Aside) -> bool {
        now.since(own.since) >= limits::REMOTE_ASIDE_MAX && self.answers > own.answers
    }

    /// Halves what is refused; both halves wait aside too.
    fn refused_aside(&mut self, own: Aside) -> Outcome {
        let room = self.asides.list.len() + 2 <= limits::REMOTE_ASIDE_BATCHES;
        let Some((left, right)) = own.batch.halves().filter(|_| room) else {
            self.give_up(own.batch, Refusal::SetAside);
            return Outcome::GivenUp(Refusal::SetAside);
        };
        for half in [right, left] {
            self.asides.list.push_front(Aside {
                batch: Batch::new(half.pieces),
                ..own
            });
        }
        Outcome::Halved
    }
}
