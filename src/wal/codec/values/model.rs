//! What is likely of a block's values (`docs/log-format.md`, 5.2 and 5.3).
//!
//! One description for both directions: every function is given what is to be written and returns
//! what was written or read. A block begins with [`PRIORS`] and learns from there.

use super::decimal::EXPONENT_MAX;
use super::priors::PRIORS;
use super::range::{Chance, Coder};
use super::state::{History, RAW, State};

/// Classes of values: an exponent, a special value, or [`RAW`].
const CLASS_BITS: u32 = 5;

/// Bits of the length of a step or of a pattern's width.
const LENGTH_BITS: u32 = 6;

/// The longest step: between the largest integers that a double holds, and one.
const LENGTH_MAX: u32 = 55;

/// Differences of lengths that have chances of their own.
const FARTHER: usize = 6;

/// A changed value, as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// The value of the slot before.
    Same,
    /// So far from the predecessor, in the exponent of the state.
    Step(i64),
    /// A special value by its class.
    Special(u8),
    /// So far from the predecessor, in another exponent.
    Rescaled(u8, i64),
    /// The predecessor with these bits flipped.
    Raw(u64),
}

/// What is known when a value is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The slot has a predecessor in the previous block.
    pub(super) past: bool,
    /// It may have the value of the slot before.
    pub(super) repeats: bool,
    /// The slots before.
    pub(super) near: Neighbours,
}

/// What the slots before said of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Neighbours {
    /// Whether the last two changed: the nearest in the lowest bit.
    changed: u8,
    /// The nearest that changed repeated the value before it.
    same: bool,
}

impl Neighbours {
    /// One slot further.
    #[inline]
    pub(super) fn then(self, changed: bool) -> Neighbours {
        Neighbours {
            changed: (self.changed << 1 | u8::from(changed)) & 3,
            ..self
        }
    }

    /// Notes what the nearest token was.
    #[inline]
    pub(super) fn told(self, token: Token) -> Neighbours {
        Neighbours {
            same: token == Token::Same,
            ..self
        }
    }
}

/// The chances of a block.
#[derive(Clone, Debug)]
pub(super) struct Chances {
    /// Changed: by history, or none for a slot without a past; by neighbours.
    pub(super) changed: [[Chance; 4]; History::COUNT + 1],
    /// The value of the slot before: by whether that one was told so; by whether it changed.
    pub(super) same: [[Chance; 2]; 2],
    /// Something other than a step in the exponent of the state: decimal, raw.
    pub(super) other: [Chance; 2],
    /// Classes, a tree.
    pub(super) class: [Chance; 1 << CLASS_BITS],
    /// A step down: without a past, after nothing, after a step up, after a step down.
    pub(super) negative: [Chance; 4],
    /// Length of a step when that of the last one is not known, a tree: without and with a past.
    pub(super) length: [[Chance; 1 << LENGTH_BITS]; 2],
    /// Another length than last time: short, middling, long ones.
    pub(super) differs: [Chance; 3],
    /// A longer one.
    pub(super) longer: [Chance; 3],
    /// Farther from the last length: by direction, by how far it is already.
    pub(super) farther: [[Chance; FARTHER]; 2],
    /// The highest bit below a step's first.
    pub(super) second: [Chance; 2],
    /// Zeros below a raw pattern, a tree.
    pub(super) raw_zeros: [Chance; 1 << LENGTH_BITS],
    /// Width of a raw pattern, a tree.
    pub(super) raw_width: [Chance; 1 << LENGTH_BITS],
}

impl Default for Chances {
    fn default() -> Chances {
        PRIORS
    }
}

/// Codes a number of as many bits as the tree has levels, the highest bit first.
#[inline]
fn tree<C: Coder>(coder: &mut C, chances: &mut [Chance], value: u32) -> u32 {
    let levels = chances.len().trailing_zeros();
    let mut node = 1;
    for level in (0..levels).rev() {
        let bit = coder.bit(&mut chances[node], value >> level & 1 != 0);
        node = node << 1 | usize::from(bit);
    }
    node as u32 - (1 << levels)
}

/// The group of a length: short, middling, long.
#[inline]
fn group(length: u32) -> usize {
    match length {
        0..4 => 0,
        4..12 => 1,
        _ => 2,
    }
}

impl Chances {
    /// Codes whether a slot changed.
    #[inline]
    pub(super) fn changed<C: Coder>(
        &mut self,
        coder: &mut C,
        (history, near): (Option<History>, Neighbours),
        changed: bool,
    ) -> bool {
        let row = history.map_or(History::COUNT, History::index);
        coder.bit(&mut self.changed[row][usize::from(near.changed)], changed)
    }

    /// Codes a changed value; none if what is read cannot be.
    #[inline]
    pub(super) fn token<C: Coder>(
        &mut self,
        coder: &mut C,
        state: &mut State,
        place: Place,
        token: Token,
    ) -> Option<Token> {
        let near = place.near;
        if place.repeats {
            let chance = &mut self.same[usize::from(near.same)][usize::from(near.changed & 1)];
            if coder.bit(chance, token == Token::Same) {
                return Some(Token::Same);
            }
        }
        let is_raw = state.exponent() == RAW;
        let plain = match token {
            Token::Step(_) => true,
            Token::Raw(_) => is_raw,
            _ => false,
        };
        if coder.bit(&mut self.other[usize::from(is_raw)], !plain) {
            return self.other(coder, state, place, token);
        }
        if is_raw {
            return self.raw(coder, token);
        }
        let step = if let Token::Step(step) = token {
            step
        } else {
            0
        };
        self.step(coder, state, place, step).map(Token::Step)
    }

    /// Codes a value that needs its class told.
    #[cold]
    fn other<C: Coder>(
        &mut self,
        coder: &mut C,
        state: &mut State,
        place: Place,
        token: Token,
    ) -> Option<Token> {
        let wanted = match token {
            Token::Special(class) | Token::Rescaled(class, _) => class,
            _ => RAW,
        };
        let class = tree(coder, &mut self.class, wanted.into()) as u8;
        if class == RAW {
            *state = state.with_exponent(RAW);
            return self.raw(coder, token);
        }
        if class > EXPONENT_MAX {
            return Some(Token::Special(class));
        }
        *state = state.with_exponent(class);
        let step = if let Token::Rescaled(_, step) = token {
            step
        } else {
            0
        };
        Some(Token::Rescaled(
            class,
            self.step(coder, state, place, step)?,
        ))
    }

    /// Codes a step: sign, length, and the bits below the first. Where the last length is not known
    /// a step may be zero; there one more than its size is told.
    #[inline]
    fn step<C: Coder>(
        &mut self,
        coder: &mut C,
        state: &mut State,
        place: Place,
        step: i64,
    ) -> Option<i64> {
        let last = state.length();
        let sign = match (last, state.was_negative()) {
            (0, _) => usize::from(place.past),
            (_, false) => 2,
            (_, true) => 3,
        };
        let negative = coder.bit(&mut self.negative[sign], step < 0);
        let size = step.unsigned_abs() + u64::from(last == 0);
        let wanted = 64 - size.leading_zeros();
        let length = if last == 0 {
            tree(coder, &mut self.length[usize::from(place.past)], wanted)
        } else {
            self.length_after(coder, last, wanted)?
        };
        if length == 0 || length > LENGTH_MAX {
            return None;
        }
        let size = self.below(coder, length, size) - u64::from(last == 0);
        *state = state.stepped(64 - size.leading_zeros(), negative);
        let size = size as i64;
        Some(if negative { -size } else { size })
    }

    /// Codes the bits below the first of a number of that length.
    #[inline]
    fn below<C: Coder>(&mut self, coder: &mut C, length: u32, size: u64) -> u64 {
        if length == 1 {
            return 1;
        }
        let left = length - 2;
        let which = usize::from(length > 4);
        let second = coder.bit(&mut self.second[which], size >> left & 1 != 0);
        let mask = (1 << left) - 1;
        let rest = coder.plain(size & mask, left);
        (2 | u64::from(second)) << left | rest
    }

    #[inline]
    fn length_after<C: Coder>(&mut self, coder: &mut C, last: u32, wanted: u32) -> Option<u32> {
        let group = group(last);
        if !coder.bit(&mut self.differs[group], wanted != last) {
            return Some(last);
        }
        let longer = last == 1 || coder.bit(&mut self.longer[group], wanted > last);
        let mut length = last;
        for far in 0.. {
            length = if longer { length + 1 } else { length - 1 };
            if length > LENGTH_MAX {
                return None;
            }
            let chance = &mut self.farther[usize::from(longer)][far.min(FARTHER - 1)];
            if (!longer && length == 1) || !coder.bit(chance, wanted != length) {
                break;
            }
        }
        Some(length)
    }

    /// Codes a raw pattern, which is not zero: the zeros below it, its width, and what is between
    /// its first and its last bit.
    fn raw<C: Coder>(&mut self, coder: &mut C, token: Token) -> Option<Token> {
        let wanted = if let Token::Raw(bits) = token {
            bits
        } else {
            1
        };
        let zeros = tree(coder, &mut self.raw_zeros, wanted.trailing_zeros());
        let pattern = wanted >> wanted.trailing_zeros();
        let width = tree(coder, &mut self.raw_width, 63 - pattern.leading_zeros()) + 1;
        if zeros + width > 64 {
            return None;
        }
        let inner = width.saturating_sub(2);
        let mask = (1 << inner) - 1;
        let between = coder.plain(pattern >> 1 & mask, inner);
        let pattern = match width {
            1 => 1,
            width => 1 << (width - 1) | between << 1 | 1,
        };
        Some(Token::Raw(pattern << zeros))
    }
}
