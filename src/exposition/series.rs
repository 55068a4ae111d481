//! The series of a row: metric name and labels, checked and handed to a visitor piece by piece.

use super::lexer::{self, State};
use super::protocol::Format;
use super::quoted::{self, Rules};
use super::view::{Stop, View};
use super::words;

/// Told every piece of a series, in order, escapes as they stand. All are valid UTF-8.
pub(super) trait Visit {
    /// The metric name.
    fn metric(&mut self, name: &[u8]);
    /// A label.
    fn label(&mut self, name: &[u8], value: &[u8]);
}

/// Wants to know nothing.
impl Visit for () {
    #[inline]
    fn metric(&mut self, _: &[u8]) {}
    #[inline]
    fn label(&mut self, _: &[u8], _: &[u8]) {}
}

/// Bits of [`CLASSES`].
const LABEL: u8 = 1;
const COLON: u8 = 2;

/// What each byte may be part of.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let own = byte as u8;
        if own.is_ascii_alphanumeric() || own == b'_' {
            classes[byte] = LABEL;
        } else if own == b':' {
            classes[byte] = COLON;
        }
        byte += 1;
    }
    classes
};

/// Whether an unquoted label name may hold `byte`; at its start, no digit.
#[inline]
pub(super) const fn is_label_byte(byte: u8) -> bool {
    CLASSES[byte as usize] & LABEL != 0
}

/// Whether an unquoted metric name may hold `byte`; at its start, no digit.
#[inline]
pub(super) const fn is_metric_byte(byte: u8) -> bool {
    CLASSES[byte as usize] != 0
}

/// Whether an unquoted metric name may begin with `byte`.
#[inline]
pub(super) const fn is_name_start(byte: u8) -> bool {
    is_metric_byte(byte) && !byte.is_ascii_digit()
}

#[inline]
fn label_name(input: &[u8], mut at: usize) -> usize {
    while input.get(at).is_some_and(|byte| is_label_byte(*byte)) {
        at += 1;
    }
    at
}

/// Where a series ends, and where its last token began (which some errors point at).
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanned {
    pub(super) end: usize,
    pub(super) last_token: usize,
}

/// The end of the commonest series, which begins here: a name, perhaps labels whose values have no escapes
/// and no foreign letters and between which nothing is blank. What is behind it is for the caller to see.
/// Every dialect reads it so. None says nothing about it.
#[inline]
pub(super) fn plain(input: &[u8]) -> Option<usize> {
    if !is_name_start(*input.first()?) {
        return None;
    }
    let end = words::name(input, 1);
    match input.get(end)? {
        b'{' => plain_braces(input, end + 1),
        // A brace may come behind blanks.
        b' ' if !matches!(input.get(end + 1)?, b' ' | b'\t' | b'{') => Some(end),
        _ => None,
    }
}

/// From behind an opening brace to behind the closing one, for labels as in [`plain`], one at least.
#[inline]
pub(super) fn plain_braces(input: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let name_end = label_name(input, at);
        if name_end == at || input[at].is_ascii_digit() {
            return None;
        }
        if *input.get(name_end..)?.first_chunk()? != *b"=\"" {
            return None;
        }
        let close = words::plain_ascii(input, name_end + 2);
        if *input.get(close)? != b'"' {
            return None;
        }
        match input.get(close + 1)? {
            b',' => at = close + 2,
            b'}' => return Some(close + 2),
            _ => return None,
        }
    }
}

/// Scans the series at `start`, which begins with a brace or the first byte of a name.
pub(super) fn scan<V: Visit>(
    view: &View<'_>,
    start: usize,
    visit: &mut V,
) -> Result<Scanned, Stop> {
    let mut end = start;
    let unquoted = view.input.get(start) != Some(&b'{');
    if unquoted {
        end = words::name(view.input, start);
        let open = view.blanks(end);
        let next = view.byte(open)?;
        visit.metric(&view.input[start..end]);
        if next != Some(b'{') {
            return Ok(Scanned {
                end,
                last_token: start,
            });
        }
        end = open;
    }
    let braces = Braces {
        view,
        exemplar: false,
    };
    let (end, named) = braces.scan(end + 1, unquoted, visit)?;
    if !named {
        return Err(unnamed(view, end));
    }
    Ok(Scanned {
        end,
        last_token: end - 1,
    })
}

/// Prometheus notices a missing name after it has read one token more, and shows it.
#[cold]
fn unnamed(view: &View<'_>, end: usize) -> Stop {
    match lexer::token(view, State::Value, view.blanks(end)) {
        Ok((_, shown)) if view.last || shown < view.input.len() => {
            view.failed("metric name not set", end, shown)
        }
        Ok(_) => Stop::More,
        Err(stop) => stop,
    }
}

/// What stands between braces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Braces<'v, 'a> {
    pub(super) view: &'v View<'a>,
    /// The labels of an exemplar: no metric name among them.
    pub(super) exemplar: bool,
}

impl Braces<'_, '_> {
    /// Scans from behind the opening brace to behind the closing one; `named` says, before and
    /// after, whether there is a metric name.
    #[inline]
    pub(super) fn scan<V: Visit>(
        &self,
        mut at: usize,
        mut named: bool,
        visit: &mut V,
    ) -> Result<(usize, bool), Stop> {
        let view = self.view;
        loop {
            // The brace or comma that led here; where text needs no comma, a byte of a value.
            let previous = at - 1;
            at = view.blanks(at);
            let (name_end, quoted) = match view.byte(at)? {
                Some(b'}') => return Ok((at + 1, named)),
                Some(b'"') => (self.quoted_name(at)?, true),
                Some(byte) if is_label_byte(byte) && !byte.is_ascii_digit() => {
                    (label_name(view.input, at), false)
                }
                _ => return Err(self.unexpected("expected label name", at, previous)),
            };
            let next = view.blanks(name_end);
            let follower = view.byte(next)?;
            if quoted && let Some(mark @ (b',' | b'}')) = follower {
                if self.exemplar {
                    return Err(self.unexpected("expected label name", next, at));
                }
                if named {
                    return Err(view.failed("metric name already set", at, next + 1));
                }
                visit.metric(&view.input[at + 1..name_end - 1]);
                named = true;
                at = next + usize::from(mark == b',');
                continue;
            }
            if follower != Some(b'=') {
                return Err(self.unexpected("expected equal", next, at));
            }
            let quotes = usize::from(quoted);
            let name = &view.input[at + quotes..name_end - quotes];
            at = self.value(next, name, visit)?;
        }
    }

    /// Scans from the equals sign over the value to behind the comma, if there is one.
    #[inline]
    fn value<V: Visit>(&self, equals: usize, name: &[u8], visit: &mut V) -> Result<usize, Stop> {
        let view = self.view;
        let open = view.blanks(equals + 1);
        let rules = if self.exemplar {
            Rules::EXEMPLAR
        } else {
            Rules::value(view.format)
        };
        let found = match view.byte(open)? {
            Some(b'"') => quoted::scan(view, open, rules)?.ok(),
            _ => None,
        };
        let Some(found) = found else {
            return Err(view.unexpected("expected label value", State::LabelValue, open, equals));
        };
        if !found.ascii && std::str::from_utf8(&view.input[open..found.end]).is_err() {
            let text = view.quoted(open, found.end);
            return Err(Stop::wrong(
                open,
                format!("invalid UTF-8 label value: {text}"),
            ));
        }
        visit.label(name, &view.input[open + 1..found.end - 1]);
        let next = view.blanks(found.end);
        match view.byte(next)? {
            Some(b',') => Ok(next + 1),
            Some(b'}') => Ok(next),
            // Prometheus text needs no comma at all.
            _ if view.format == Format::Text => Ok(next),
            _ => Err(self.unexpected("expected comma or brace close", next, open)),
        }
    }

    /// The end of the quoted name at `at`.
    #[cold]
    fn quoted_name(&self, at: usize) -> Result<usize, Stop> {
        let rules = if self.exemplar {
            Rules::EXEMPLAR
        } else {
            Rules::NAME
        };
        let Ok(found) = quoted::scan(self.view, at, rules)? else {
            return Err(self.unexpected("expected label name", at, at));
        };
        if !found.ascii && std::str::from_utf8(&self.view.input[at..found.end]).is_err() {
            let text = self.view.quoted(at, found.end);
            return Err(Stop::wrong(at, format!("invalid UTF-8 name: {text}")));
        }
        Ok(found.end)
    }

    #[cold]
    fn unexpected(&self, expectation: &str, at: usize, previous: usize) -> Stop {
        let state = if self.exemplar {
            State::ExemplarLabels
        } else {
            State::Labels
        };
        self.view.unexpected(expectation, state, at, previous)
    }
}
