//! The values of a block as differences from their predecessors (`docs/log-format.md`, 5.1-5.3).
//!
//! Every bit pattern survives. The writer may choose between several right encodings of a value;
//! the reader follows what is written. No allocation per value.

mod token;

#[cfg(test)]
mod tests;

use crate::bytes::cursor::Cursor;
use crate::bytes::varint;

/// Set in a state if the value changed at its last step.
const CHANGED: u8 = 0x80;

/// The part of a state that is the decimal exponent, or [`token::RAW`].
const EXPONENT: u8 = 0x1f;

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
    pub states: &'a [u8],
}

impl Base<'_> {
    /// Whether every span lies inside.
    fn covers(&self, spans: &[Span]) -> bool {
        let len = self.values.len().min(self.states.len());
        spans.iter().all(|span| {
            let end = span.base.map_or(Some(0), |base| base.checked_add(span.len));
            end.is_some_and(|end| end <= len)
        })
    }

    fn at(&self, base: Option<usize>, index: usize, last: (u64, u8)) -> (u64, u8) {
        base.map_or(last, |base| {
            let slot = base + index;
            (self.values[slot].to_bits(), self.states[slot])
        })
    }
}

/// The two byte streams of a block's values; reused from block to block.
#[derive(Debug, Default)]
pub struct Columns {
    /// Lengths of right predictions.
    pub runs: Vec<u8>,
    /// Changed values.
    pub tokens: Vec<u8>,
}

/// Encodes `values` and puts their new states into `states`.
///
/// # Panics
/// If the spans do not cover `values` or reach beyond `base`.
pub fn encode(
    values: &[f64],
    spans: &[Span],
    base: Base<'_>,
    states: &mut Vec<u8>,
    out: &mut Columns,
) {
    out.runs.clear();
    out.tokens.clear();
    states.clear();
    states.reserve_exact(values.len());
    let mut last = (0, 0);
    let mut right = 0;
    let mut slots = values.iter();
    for span in spans {
        for (index, value) in slots.by_ref().take(span.len).enumerate() {
            let bits = value.to_bits();
            let (before, state) = base.at(span.base, index, last);
            let changed = bits != before;
            if changed == (state & CHANGED != 0) {
                right += 1;
            } else {
                varint::write(&mut out.runs, right);
                right = 0;
            }
            let mut next = state & EXPONENT;
            if changed {
                next = token::put(&mut out.tokens, bits, before, next) | CHANGED;
            }
            states.push(next);
            last = (bits, next);
        }
    }
}

/// Which slots changed, as the runs tell.
struct Predictions<'a> {
    runs: Cursor<'a>,
    right: u64,
}

impl<'a> Predictions<'a> {
    fn new(runs: &'a [u8]) -> Option<Predictions<'a>> {
        let mut predictions = Predictions {
            runs: Cursor::new(runs),
            right: 0,
        };
        predictions.turn()?;
        Some(predictions)
    }

    fn turn(&mut self) -> Option<()> {
        self.right = if self.runs.is_empty() {
            u64::MAX
        } else {
            self.runs.varint()?
        };
        Some(())
    }

    fn changed(&mut self, state: u8) -> Option<bool> {
        let predicted = state & CHANGED != 0;
        if self.right > 0 {
            self.right -= 1;
            return Some(predicted);
        }
        self.turn()?;
        Some(!predicted)
    }
}

/// Decodes the values of `spans` and puts their new states into `states`. None if the bytes are
/// not what [`encode`] writes for these spans and this base.
#[must_use]
pub fn decode(
    spans: &[Span],
    base: Base<'_>,
    runs: &[u8],
    tokens: &[u8],
    states: &mut Vec<u8>,
) -> Option<Box<[f64]>> {
    states.clear();
    if !base.covers(spans) {
        return None;
    }
    let len = spans.iter().map(|span| span.len).sum();
    let mut values = Vec::with_capacity(len);
    states.reserve_exact(len);
    let mut predictions = Predictions::new(runs)?;
    let mut tokens = Cursor::new(tokens);
    let mut last = (0, 0);
    for span in spans {
        for index in 0..span.len {
            let (before, state) = base.at(span.base, index, last);
            let exponent = state & EXPONENT;
            last = if predictions.changed(state)? {
                let (bits, exponent) = token::take(&mut tokens, before, exponent)?;
                (bits, exponent | CHANGED)
            } else {
                (before, exponent)
            };
            values.push(f64::from_bits(last.0));
            states.push(last.1);
        }
    }
    (tokens.is_empty() && predictions.runs.is_empty()).then(|| values.into_boxed_slice())
}
