//! What follows the series in a row: value, timestamp and, in OpenMetrics, an exemplar.

use super::exemplar;
use super::lexer::State;
use super::line::Tail;
use super::number::{self, NumberError};
use super::protocol::Format;
use super::series::Scanned;
use super::view::{Stop, View};

/// The commonest end of a row: a blank, a decimal, a newline. Every dialect reads it so.
#[inline(always)]
pub(super) fn plain<'a>(input: &'a [u8], at: usize) -> Option<(Tail<'a>, usize)> {
    if input.get(at) != Some(&b' ') {
        return None;
    }
    let rest = input.get(at + 1..)?;
    if let Some((value, length)) = number::short_integer_line(rest) {
        return Some((Tail::of(value), at + 1 + length + 1));
    }
    let (value, length) = number::plain_decimal(rest)?;
    let end = at + 1 + length;
    if input.get(end) != Some(&b'\n') {
        return None;
    }
    Some((Tail::of(value), end + 1))
}

/// The commonest end of a row of OpenMetrics that has an exemplar, newline included.
#[inline(never)]
pub(super) fn plain_with_exemplar(input: &[u8], at: usize) -> Option<(Tail<'_>, usize)> {
    let rest = input.get(at..)?.strip_prefix(b" ")?;
    let (value, length) = number::plain_decimal(rest)?;
    let rest = rest.get(length..)?.strip_prefix(b" # ")?;
    let end = exemplar::plain(rest)?;
    let tail = Tail {
        exemplar: Some(&rest[..end]),
        ..Tail::of(value)
    };
    Some((tail, at + 1 + length + 3 + end + 1))
}

/// Reads the rest of a row behind its series, newline included.
pub(super) fn read<'a>(view: &View<'a>, series: Scanned) -> Result<(Tail<'a>, usize), Stop> {
    match view.format {
        Format::Text | Format::Rows => text(view, series),
        Format::OpenMetrics => open_metrics(view, series),
    }
}

fn text<'a>(view: &View<'a>, series: Scanned) -> Result<(Tail<'a>, usize), Stop> {
    let at = view.blanks(series.end);
    if matches!(view.byte(at)?, None | Some(b'{' | b'\n' | 0)) {
        let expectation = "expected value after metric";
        return Err(view.unexpected(expectation, State::Value, at, series.last_token));
    }
    let value_end = word(view, at, |byte| {
        !matches!(byte, b'{' | b' ' | b'\t' | b'\n' | 0)
    })?;
    let mut tail = Tail::of(float(view, at, at, value_end)?);
    let mut next = view.blanks(value_end);
    if view.byte(next)?.is_some_and(|byte| byte.is_ascii_digit()) {
        let end = word(view, next, |byte| byte.is_ascii_digit())?;
        let millis = number::millis(&view.input[next..end]);
        tail.timestamp_ms = Some(millis.map_err(|error| {
            let words = error.words("ParseInt", &view.quoted(next, end));
            view.failed(&words, next, end)
        })?);
        let previous = next;
        next = view.blanks(end);
        if view.byte(next)? != Some(b'\n') {
            let expectation = "expected next entry after timestamp";
            return Err(view.unexpected(expectation, State::Timestamp, next, previous));
        }
    } else if view.byte(next)? != Some(b'\n') {
        let expectation = "expected timestamp or new record";
        return Err(view.unexpected(expectation, State::Timestamp, next, at));
    }
    Ok((tail, next + 1))
}

fn open_metrics<'a>(view: &View<'a>, series: Scanned) -> Result<(Tail<'a>, usize), Stop> {
    let at = series.end;
    let Some(value_end) = spaced_word(view, at)? else {
        let expectation = "expected value after metric";
        return Err(view.unexpected(expectation, State::Value, at, series.last_token));
    };
    let mut tail = Tail::of(float(view, at, at + 1, value_end)?);
    let mut next = value_end;
    if !begins_exemplar(view, next)?
        && let Some(end) = spaced_word(view, next)?
    {
        tail.timestamp_ms = Some(timestamp(view, next, end, "timestamp")?);
        next = end;
    }
    match view.byte(next)? {
        Some(b'\n') => Ok((tail, next + 1)),
        None if tail.timestamp_ms.is_none() => Err(no_end(next)),
        _ if begins_exemplar(view, next)? => {
            let end = exemplar::scan(view, next + 3)?;
            tail.exemplar = Some(&view.input[next + 3..end]);
            Ok((tail, end + 1))
        }
        _ => {
            let expectation = if tail.timestamp_ms.is_some() {
                "expected next entry after timestamp"
            } else {
                "expected timestamp or new record"
            };
            let previous = if tail.timestamp_ms.is_some() {
                value_end
            } else {
                at
            };
            Err(view.unexpected(expectation, State::Timestamp, next, previous))
        }
    }
}

/// The end of a page that lacks `# EOF`, met inside a row.
#[cold]
pub(super) fn no_end(at: usize) -> Stop {
    Stop::wrong(at, "data does not end with # EOF".to_owned())
}

/// Whether ` # {` stands at `at`.
fn begins_exemplar(view: &View<'_>, at: usize) -> Result<bool, Stop> {
    for (index, byte) in b" # {".iter().enumerate() {
        if view.byte(at + index)? != Some(*byte) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn word(view: &View<'_>, mut at: usize, belongs: impl Fn(u8) -> bool) -> Result<usize, Stop> {
    while view.byte(at)?.is_some_and(&belongs) {
        at += 1;
    }
    Ok(at)
}

/// The end of one blank and a word at `at`.
pub(super) fn spaced_word(view: &View<'_>, at: usize) -> Result<Option<usize>, Stop> {
    if view.byte(at)? != Some(b' ') {
        return Ok(None);
    }
    let end = word(view, at + 1, |byte| !matches!(byte, b' ' | b'\n' | 0))?;
    Ok((end > at + 1).then_some(end))
}

/// Reads `from..end` as a float; errors are laid at `at`.
pub(super) fn float(view: &View<'_>, at: usize, from: usize, end: usize) -> Result<f64, Stop> {
    number::float(&view.input[from..end]).map_err(|error| bad_float(view, error, at, from..end))
}

#[cold]
fn bad_float(
    view: &View<'_>,
    error: NumberError,
    at: usize,
    place: std::ops::Range<usize>,
) -> Stop {
    let words = error.words("ParseFloat", &view.quoted(place.start, place.end));
    view.failed(&words, at, place.end)
}

/// Reads the seconds at `at + 1..end`, in milliseconds.
pub(super) fn timestamp(view: &View<'_>, at: usize, end: usize, what: &str) -> Result<i64, Stop> {
    let seconds = float(view, at, at + 1, end)?;
    if seconds.is_finite() {
        return Ok(number::seconds_to_millis(seconds));
    }
    let name = if seconds.is_nan() {
        "NaN"
    } else if seconds > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    };
    Err(Stop::wrong(at, format!("invalid {what} {name}")))
}
