//! Names the token at a place where the parser met something else than it wanted.
//!
//! Only for messages: the parser itself never makes tokens. The states are those of Prometheus's
//! lexers, so that `got "..." ("COMMA")` reads the same.

use super::protocol::Format;
use super::quoted::{self, Rules};
use super::series::is_label_byte;
use super::view::{Stop, View};

/// What the lexer would be looking for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The start of an item.
    Start,
    /// The metric name of a comment.
    MetaName,
    /// Between braces.
    Labels,
    /// Behind an equals sign.
    LabelValue,
    /// Behind a series.
    Value,
    /// Behind a value.
    Timestamp,
    /// Between the braces of an exemplar.
    ExemplarLabels,
    /// Behind the braces of an exemplar.
    ExemplarValue,
    /// Behind the value of an exemplar.
    ExemplarTimestamp,
}

pub(super) const EOF: &str = "EOF";
const INVALID: &str = "INVALID";

/// The token at `at` and its end; for an invalid one, the byte that made it so.
pub(super) fn token(
    view: &View<'_>,
    state: State,
    at: usize,
) -> Result<(&'static str, usize), Stop> {
    let Some(first) = view.byte(at)? else {
        return Ok((EOF, at));
    };
    let open_metrics = view.format == Format::OpenMetrics;
    match (state, first) {
        (State::Start, b'#') if open_metrics => comment(view, at),
        (State::Start, 0) if !open_metrics => Ok((EOF, at + 1)),
        (State::MetaName, b'"') => string(view, at, Rules::NAME, "MNAME"),
        (State::Value, b'{') => Ok(("BOPEN", at + 1)),
        (State::Labels | State::ExemplarLabels, _) => in_braces(view, state, at, first),
        (State::LabelValue, b'"') => string(view, at, Rules::value(view.format), "LVALUE"),
        (State::Timestamp | State::ExemplarTimestamp, b'\n') => Ok(("LINEBREAK", at + 1)),
        (State::Timestamp, b'0'..=b'9') if !open_metrics => {
            Ok(("TIMESTAMP", run(view, at, |byte| byte.is_ascii_digit())?))
        }
        (State::Value | State::ExemplarValue, b' ') if open_metrics => spaced(view, at, "VALUE"),
        (State::Timestamp | State::ExemplarTimestamp, b' ') if open_metrics => {
            spaced(view, at, "TIMESTAMP")
        }
        (State::Value, byte) if !open_metrics && !matches!(byte, b'\n' | 0) => {
            let word = |byte| !matches!(byte, b'{' | b' ' | b'\t' | b'\n' | 0);
            Ok(("VALUE", run(view, at, word)?))
        }
        _ => Ok((INVALID, at)),
    }
}

/// The end of the run of bytes from `at` on for which `belongs` holds.
fn run(view: &View<'_>, mut at: usize, belongs: impl Fn(u8) -> bool) -> Result<usize, Stop> {
    while view.byte(at)?.is_some_and(&belongs) {
        at += 1;
    }
    Ok(at)
}

fn in_braces(
    view: &View<'_>,
    state: State,
    at: usize,
    first: u8,
) -> Result<(&'static str, usize), Stop> {
    let rules = if state == State::Labels {
        Rules::NAME
    } else {
        Rules::EXEMPLAR
    };
    match first {
        b'}' => Ok(("BCLOSE", at + 1)),
        b'=' => Ok(("EQUAL", at + 1)),
        b',' => Ok(("COMMA", at + 1)),
        b'"' => string(view, at, rules, "QSTRING"),
        _ if is_label_byte(first) && !first.is_ascii_digit() => {
            Ok(("LNAME", run(view, at, is_label_byte)?))
        }
        _ => Ok((INVALID, at)),
    }
}

fn string(
    view: &View<'_>,
    at: usize,
    rules: Rules,
    name: &'static str,
) -> Result<(&'static str, usize), Stop> {
    match quoted::scan(view, at, rules)? {
        Ok(found) => Ok((name, found.end)),
        Err(death) => Ok((INVALID, death)),
    }
}

/// A blank and a word, as OpenMetrics separates everything behind a series.
fn spaced(view: &View<'_>, at: usize, name: &'static str) -> Result<(&'static str, usize), Stop> {
    let end = run(view, at + 1, |byte| !matches!(byte, b' ' | b'\n' | 0))?;
    let name = if end == at + 1 { INVALID } else { name };
    Ok((name, end))
}

/// A comment that is none of those OpenMetrics has: dies where the last keyword does.
fn comment(view: &View<'_>, at: usize) -> Result<(&'static str, usize), Stop> {
    let mut death = at;
    for keyword in [&b"# HELP "[..], b"# TYPE ", b"# UNIT ", b"# EOF"] {
        let mut end = at;
        for byte in keyword {
            if view.byte(end)? != Some(*byte) {
                break;
            }
            end += 1;
        }
        death = death.max(end);
    }
    Ok((INVALID, death))
}
