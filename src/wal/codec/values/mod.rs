//! The values of a block as differences from their predecessors (`docs/log-format.md`, 5.1-5.3).
//!
//! Every bit pattern survives. [`model`] says what is likely, [`range`] makes bits of it; both
//! directions walk the slots in the same way. No allocation per value.

mod decimal;
mod model;
mod priors;
mod range;
mod state;

#[cfg(test)]
mod tests;

use self::model::{Chances, Neighbours, Place, Token};
use self::range::{Coder, Reader, Writer};
use self::state::RAW;
pub use self::state::State;
use crate::model::value::{ABSENT_BITS, NAN_BITS, STALE_BITS};

/// Classes of values that have no digits worth coding, and their bits.
const SPECIALS: [(u8, u64); 6] = [
    (24, 0x8000_0000_0000_0000), // -0.0
    (25, 0xfff0_0000_0000_0000), // -Inf
    (26, 0x7ff0_0000_0000_0000), // +Inf
    (27, ABSENT_BITS),
    (28, STALE_BITS),
    (29, NAN_BITS),
];

/// Steps of at least this size in another exponent than 0 are worth a look for a better one.
const FAR: u64 = 1 << 28;

/// What telling a class and an unknown length costs, in bits, roughly.
const CLASS_COST: u32 = 12;

/// Consecutive slots with the same kind of predecessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Number of slots.
    pub len: usize,
    /// First of their slots in the previous block; none: the slot before is the predecessor.
    pub base: Option<usize>,
}

/// The previous block's values and states; empty for a key block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Base<'a> {
    /// Values by slot.
    pub values: &'a [f64],
    /// States by slot.
    pub states: &'a [State],
}

impl<'a> Base<'a> {
    /// The predecessors of a span in the previous block; none if it has no past, or lies outside.
    fn past(&self, span: Span) -> Option<(&'a [f64], &'a [State])> {
        let start = span.base?;
        let range = start..start.checked_add(span.len)?;
        Some((self.values.get(range.clone())?, self.states.get(range)?))
    }

    fn covers(&self, span: Span) -> bool {
        span.base.is_none() || self.past(span).is_some()
    }
}

/// Walks the slots of a block.
struct Walk<'a, C> {
    coder: C,
    chances: Chances,
    near: Neighbours,
    /// Value and state of the slot before.
    last: (u64, State),
    states: &'a mut Vec<State>,
}

/// What a slot is coded against.
#[derive(Clone, Copy)]
struct Predecessor {
    bits: u64,
    state: State,
    past: bool,
}

impl<'a, C: Coder> Walk<'a, C> {
    fn new(coder: C, slots: usize, states: &'a mut Vec<State>) -> Walk<'a, C> {
        states.clear();
        states.reserve_exact(slots);
        Walk {
            coder,
            chances: Chances::default(),
            near: Neighbours::default(),
            last: (0, State::default()),
            states,
        }
    }

    /// Codes one slot. When reading, `bits` does not count; returns what was written or read.
    #[inline]
    fn slot(&mut self, before: Predecessor, bits: u64) -> Option<u64> {
        let Predecessor { past, .. } = before;
        let history = past.then(|| before.state.history());
        let context = (history, self.near);
        let changed = bits != before.bits;
        let changed = self.chances.changed(&mut self.coder, context, changed);
        let (bits, state) = if changed {
            self.change(before, bits)?
        } else {
            (before.bits, before.state)
        };
        self.near = self.near.then(changed);
        let state = if past {
            state.then(changed)
        } else {
            state.fresh()
        };
        self.states.push(state);
        self.last = (bits, state);
        Some(bits)
    }

    #[inline]
    fn change(&mut self, before: Predecessor, bits: u64) -> Option<(u64, State)> {
        let mut state = before.state;
        let place = Place {
            past: before.past,
            repeats: self.last.0 != before.bits,
            near: self.near,
        };
        let token = if !C::WRITES || place.repeats && bits == self.last.0 {
            Token::Same
        } else {
            choose(bits, before.bits, state)
        };
        let token = self
            .chances
            .token(&mut self.coder, &mut state, place, token)?;
        self.near = self.near.told(token);
        Some((self.value(token, before.bits, state)?, state))
    }

    /// What a token says; none if it says nothing that can be.
    #[inline]
    fn value(&self, token: Token, before: u64, state: State) -> Option<u64> {
        match token {
            Token::Same => Some(self.last.0),
            Token::Step(step) | Token::Rescaled(_, step) => {
                decimal::follow(step, before, state.exponent())
            }
            Token::Special(class) => {
                let found = SPECIALS.iter().find(|(own, _)| *own == class)?;
                Some(found.1)
            }
            Token::Raw(flipped) => Some(before ^ flipped),
        }
    }
}

/// The shortest way to tell a value that differs from `before`.
#[inline]
fn choose(bits: u64, before: u64, state: State) -> Token {
    let exponent = state.exponent();
    if let Some(step) = decimal::step(bits, before, exponent)
        && (step.unsigned_abs() < FAR || exponent == 0)
        && (step != 0 || state.length() == 0)
    {
        return Token::Step(step);
    }
    choose_other(bits, before, exponent)
}

#[cold]
fn choose_other(bits: u64, before: u64, exponent: u8) -> Token {
    if let Some((class, _)) = SPECIALS.iter().find(|(_, special)| *special == bits) {
        return Token::Special(*class);
    }
    // A raw slot leaves that state for whole numbers only: looking for its exponent each time
    // would cost more than it gains. A key block tries again.
    let wanted = if exponent == RAW {
        Some(0)
    } else {
        decimal::smallest_exponent(bits)
    };
    let flipped = bits ^ before;
    let width = 64 - flipped.leading_zeros() - flipped.trailing_zeros();
    let raw = width + if exponent == RAW { 0 } else { CLASS_COST };
    let decimal = wanted.and_then(|own| Some((own, decimal::step(bits, before, own)?)));
    let cost = |step: i64| 64 - step.unsigned_abs().leading_zeros() + CLASS_COST;
    match decimal {
        Some((exponent, step)) if cost(step) <= raw => Token::Rescaled(exponent, step),
        _ => Token::Raw(flipped),
    }
}

/// Encodes `values` at the end of `out` and puts their new states into `states`.
///
/// # Panics
/// If the spans do not cover `values` or reach beyond `base`.
pub fn encode(
    values: &[f64],
    spans: &[Span],
    base: Base<'_>,
    states: &mut Vec<State>,
    out: &mut Vec<u8>,
) {
    let mut walk = Walk::new(Writer::new(out), values.len(), states);
    let mut rest = values;
    for span in spans {
        assert!(base.covers(*span), "spans lie inside the previous block");
        let (own, behind) = rest.split_at(span.len);
        rest = behind;
        let own = own.iter().map(|value| value.to_bits());
        let told = walk.span(*span, base, own, |_| {});
        assert!(told.is_some(), "every value can be told");
    }
    walk.coder.finish();
}

/// Decodes the values of `spans` and puts their new states into `states`. None if the bytes are
/// not what [`encode`] writes for these spans and this base.
#[must_use]
pub fn decode(
    spans: &[Span],
    base: Base<'_>,
    bytes: &[u8],
    states: &mut Vec<State>,
) -> Option<Box<[f64]>> {
    states.clear();
    if !spans.iter().all(|span| base.covers(*span)) {
        return None;
    }
    let slots = spans.iter().map(|span| span.len).sum();
    let mut values = Vec::with_capacity(slots);
    let mut walk = Walk::new(Reader::new(bytes), slots, states);
    for span in spans {
        let unknown = std::iter::repeat_n(0, span.len);
        walk.span(*span, base, unknown, |bits| {
            values.push(f64::from_bits(bits));
        })?;
    }
    walk.coder.is_at_end().then(|| values.into_boxed_slice())
}

impl<C: Coder> Walk<'_, C> {
    /// Codes the slots of a span.
    #[inline]
    fn span(
        &mut self,
        span: Span,
        base: Base<'_>,
        values: impl Iterator<Item = u64>,
        mut coded: impl FnMut(u64),
    ) -> Option<()> {
        let Some((before, states)) = base.past(span) else {
            for bits in values {
                let (before, state) = self.last;
                let state = state.fresh();
                let before = Predecessor {
                    bits: before,
                    state,
                    past: false,
                };
                coded(self.slot(before, bits)?);
            }
            return Some(());
        };
        for ((bits, before), state) in values.zip(before).zip(states) {
            let bits_before = before.to_bits();
            let before = Predecessor {
                bits: bits_before,
                state: *state,
                past: true,
            };
            coded(self.slot(before, bits)?);
        }
        Some(())
    }
}
