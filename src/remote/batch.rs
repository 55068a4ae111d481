//! A batch of pieces, and how it is halved to find what the receiver refuses.

use std::collections::BTreeSet;

use super::piece::Piece;
use super::refusal::Refusal;
use crate::model::block::Sequence;

/// Which half of a refused batch this one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// None: a fresh batch, or a half of one that was only too large.
    None,
    /// The first; the second stands directly behind it.
    Left,
    /// The second.
    Right,
}

/// What one request holds.
#[derive(Debug)]
pub struct Batch {
    /// In the order of their blocks.
    pub pieces: Vec<Piece>,
    /// Which half it is.
    pub half: Half,
    /// How often its block was halved; zero while it is no part of a refused block.
    pub depth: u8,
    /// The batch it is a half of was refused, and the other half was not.
    pub surely_bad: bool,
    /// It, or the batch it is a half of, was refused as already there.
    pub repeated: bool,
    /// It is the last sample of a block, sent to see whether all of the block is there.
    pub tail: bool,
    /// The batch it is a half of, or of a half, was too large.
    pub of_too_large: bool,
    /// What it, or the batch it is a half of, went through while the receiver answered 5xx.
    pub trial: Trial,
}

/// What a batch went through while the receiver answered 5xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Trial {
    /// How many answers about other data the shard had when it failed last; none if it did not.
    pub failed_at: Option<u64>,
    /// How often it, or what it is a half of, failed after something else was taken since the
    /// failure before.
    pub strikes: u32,
    /// The last strike was its own.
    pub struck: bool,
    /// It cannot be halved any more and lets others go first until something is taken.
    pub waiting: bool,
    /// It was taken from further behind, to see whether the receiver takes anything.
    pub probe: bool,
}

impl Batch {
    /// A fresh batch.
    #[must_use]
    pub fn new(pieces: Vec<Piece>) -> Batch {
        Batch {
            pieces,
            half: Half::None,
            depth: 0,
            surely_bad: false,
            repeated: false,
            tail: false,
            of_too_large: false,
            trial: Trial::default(),
        }
    }

    /// Samples in it.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.samples).sum()
    }

    /// Takes note that the receiver may have all of it from now on.
    pub fn doubt(&mut self) {
        for piece in &mut self.pieces {
            piece.uncertain = true;
        }
    }

    /// Takes note of a refusal as a whole. Some receivers store what is good in such a request: then
    /// a sample with a later one of its series in it is refused the next time, without being lost.
    /// One that has none would be taken again. If something may have been there before, that may be
    /// all that was wrong. Halves were in the request that was refused: they say nothing new.
    pub fn doubt_refused(&mut self) {
        if self.half != Half::None {
            return;
        }
        if self.pieces.iter().any(|piece| piece.uncertain) {
            return self.doubt();
        }
        let mut seen = BTreeSet::new();
        for piece in self.pieces.iter_mut().rev() {
            piece.uncertain = !seen.insert(piece.item.block.series.lane());
        }
    }

    /// What it is to be refused as already there: no loss if it may be.
    #[must_use]
    pub fn if_repeated(&self) -> Refusal {
        if self.pieces.iter().all(|piece| piece.uncertain) {
            Refusal::Repeated
        } else {
            Refusal::OutOfOrder
        }
    }

    /// The one block it belongs to, if it is a single piece.
    #[must_use]
    pub fn part_of(&self) -> Option<Sequence> {
        match self.pieces.as_slice() {
            [piece] => Some(piece.sequence()),
            _ => None,
        }
    }

    /// Both halves: at a border between blocks, else in the middle of the block. None for a single
    /// sample.
    #[must_use]
    pub fn halves(&self) -> Option<(Batch, Batch)> {
        let (left, right, depth) = match self.pieces.as_slice() {
            [] => return None,
            [piece] if piece.samples < 2 => return None,
            [piece] => {
                let (left, right) = piece.cut(piece.samples / 2);
                (vec![left], vec![right], self.depth.saturating_add(1))
            }
            pieces => {
                let (left, right) = pieces.split_at(self.middle());
                (left.to_vec(), right.to_vec(), 0)
            }
        };
        let half = |pieces, half| Batch {
            pieces,
            half,
            depth,
            surely_bad: false,
            repeated: self.repeated,
            tail: false,
            of_too_large: self.of_too_large,
            trial: Trial {
                failed_at: self.trial.failed_at,
                strikes: self.trial.strikes,
                ..Trial::default()
            },
        };
        Some((half(left, Half::Left), half(right, Half::Right)))
    }

    /// The border between pieces that is nearest before the middle sample; at least one piece on
    /// either side.
    fn middle(&self) -> usize {
        let half = self.samples() / 2;
        let mut seen = 0;
        let before = self.pieces.iter().take_while(|piece| {
            seen += piece.samples;
            seen <= half
        });
        before.count().clamp(1, self.pieces.len() - 1)
    }
}
