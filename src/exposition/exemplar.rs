//! Exemplars of OpenMetrics: `{trace_id="..."} 0.67 1520879607.789`.
//!
//! A row only checks them; they are read when somebody wants them. How long labels may be is the
//! reader's affair.

use super::error::ParseError;
use super::key::SeriesText;
use super::lexer::State;
use super::protocol::Format;
use super::series::{self, Braces, Visit};
use super::view::{Stop, View};
use super::{number, tail};
use crate::model::exemplar::Exemplar;
use crate::model::labels::Labels;

/// Parses an exemplar as [`super::line::Tail`] carries it. Its labels have the escapes of label
/// values; those without a value are none.
///
/// # Errors
/// If a label name stands twice. Else the error that the row would have had, which has none.
pub fn parse_exemplar(raw: &[u8]) -> Result<Exemplar, ParseError> {
    let view = View {
        input: raw,
        format: Format::OpenMetrics,
        last: true,
    };
    let mut labels = SeriesText::default();
    let parts = parts(&view, 0, &mut labels);
    let parts = parts.map_err(|stop| match stop {
        Stop::Wrong(complaint) => complaint.into_error(0),
        Stop::More => ParseError {
            offset: 0,
            message: "incomplete exemplar".into(),
        },
    })?;
    labels.end();
    let labels: Vec<_> = labels
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let distinct = Labels::from_pairs(labels.iter().copied());
    if distinct.iter().len() < labels.len() {
        return Err(ParseError {
            offset: 0,
            message: "a label name of the exemplar is not unique".into(),
        });
    }
    Ok(Exemplar {
        labels: distinct,
        value: parts.value,
        timestamp_ms: parts.timestamp_ms,
    })
}

struct Parts {
    value: f64,
    timestamp_ms: Option<i64>,
    end: usize,
}

/// The end of the commonest exemplar, which begins here, up to its newline: one that is right whatever
/// its numbers are. None says nothing about it.
pub(super) fn plain(input: &[u8]) -> Option<usize> {
    input.first().filter(|byte| **byte == b'{')?;
    let mut at = series::plain_braces(input, 1)?;
    for _value_and_timestamp in 0..2 {
        if *input.get(at)? != b' ' {
            return None;
        }
        at = number::plain_finite(input, at + 1)?;
        if *input.get(at)? == b'\n' {
            return Some(at);
        }
    }
    None
}

/// Checks the exemplar whose opening brace is at `open`, up to the newline; returns its end.
pub(super) fn scan(view: &View<'_>, open: usize) -> Result<usize, Stop> {
    let parts = parts(view, open, &mut ())?;
    match view.byte(parts.end)? {
        Some(b'\n') => Ok(parts.end),
        None if parts.timestamp_ms.is_none() => Err(tail::no_end(parts.end)),
        _ => {
            let expectation = if parts.timestamp_ms.is_some() {
                "expected next entry after exemplar timestamp"
            } else {
                "expected timestamp or comment"
            };
            let state = State::ExemplarTimestamp;
            Err(view.unexpected(expectation, state, parts.end, parts.end))
        }
    }
}

fn parts<V: Visit>(view: &View<'_>, open: usize, visit: &mut V) -> Result<Parts, Stop> {
    let braces = Braces {
        view,
        exemplar: true,
    };
    let (close, _) = braces.scan(open + 1, true, visit)?;
    let Some(value_end) = tail::spaced_word(view, close)? else {
        let expectation = "expected value after exemplar labels";
        return Err(view.unexpected(expectation, State::ExemplarValue, close, close - 1));
    };
    let value = tail::float(view, close, close + 1, value_end)?;
    let (timestamp_ms, end) = match tail::spaced_word(view, value_end)? {
        None => (None, value_end),
        Some(end) => {
            let millis = tail::timestamp(view, value_end, end, "exemplar timestamp")?;
            (Some(millis), end)
        }
    };
    Ok(Parts {
        value,
        timestamp_ms,
        end,
    })
}
