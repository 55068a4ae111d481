//! Comments: `# TYPE`, `# HELP`, `# UNIT`, `# EOF`, and those that say nothing.

use super::error::quote;
use super::lexer::State;
use super::line::Item;
use super::protocol::Format;
use super::quoted::{self, Rules};
use super::series::is_name_start;
use super::view::{Stop, View};
use super::words;
use crate::model::metadata::MetricType;

/// A comment that says something about a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keyword {
    Help,
    Type,
    Unit,
}

impl Keyword {
    const fn name(self) -> &'static str {
        match self {
            Keyword::Help => "HELP",
            Keyword::Type => "TYPE",
            Keyword::Unit => "UNIT",
        }
    }
}

/// The commonest comment, which begins here, and its length: the help or the type of a family, with
/// single blanks and no quotes, up to a newline. Every dialect of text reads it so. None says nothing
/// about it.
#[inline(always)]
pub(super) fn plain(format: Format, input: &[u8]) -> Option<(Item<'_>, usize)> {
    let (start, rest) = input.split_first_chunk::<7>()?;
    // Rows that are not of the commonest kind come by here too.
    if start[0] != b'#' {
        return None;
    }
    let (name_end, end) = plain_parts(rest)?;
    let name = std::str::from_utf8(&rest[..name_end]).ok()?;
    let content = &rest[name_end + 1..end];
    let item = match start {
        b"# HELP " => {
            let text = std::str::from_utf8(content).ok()?;
            Item::Help { name, text }
        }
        b"# TYPE " => {
            let kind = kind(format, content)?;
            Item::Type { name, kind }
        }
        _ => return None,
    };
    Some((item, start.len() + end + 1))
}

/// Where the name of such a comment ends and where its text does.
fn plain_parts(rest: &[u8]) -> Option<(usize, usize)> {
    rest.first().filter(|byte| is_name_start(**byte))?;
    let name_end = words::name(rest, 1);
    let [b' ', first] = rest.get(name_end..)?.first_chunk()? else {
        return None;
    };
    // Blanks alone are no text in one of the dialects.
    if matches!(first, b' ' | b'\t' | b'\n') {
        return None;
    }
    let text_length = memchr::memchr(b'\n', &rest[name_end + 1..])?;
    Some((name_end, name_end + 1 + text_length))
}

/// Reads the comment of Prometheus text whose `#` is at `start`.
pub(super) fn text<'a>(view: &View<'a>, start: usize) -> Result<(Item<'a>, usize), Stop> {
    let end = line_end(view, start)?.unwrap_or(view.input.len());
    let line = &view.input[start + 1..end];
    let after = view.blanks(start + 1);
    // Without a blank behind the hash sign it is none of ours; nor without one behind the word.
    let keyword = match line.first() {
        Some(b' ' | b'\t') => match view.input[after..end].first_chunk::<5>() {
            Some(b"HELP " | b"HELP\t") => Keyword::Help,
            Some(b"TYPE " | b"TYPE\t") => Keyword::Type,
            _ => return Ok((Item::Comment, consumed(view, end))),
        },
        _ => return Ok((Item::Comment, consumed(view, end))),
    };
    let name_at = view.blanks(after + 4);
    let (name, name_end) = family_name(view, keyword, name_at, after)?;
    let end = match name_end <= end {
        true => end,
        // A quoted name may hold newlines.
        false => line_end(view, name_end)?.unwrap_or(view.input.len()),
    };
    let rest = &view.input[name_end..end];
    if rest.first() == Some(&0) {
        let expectation = "linebreak expected after metadata";
        return Err(view.unexpected(expectation, State::Start, name_end, name_end));
    }
    // One byte separates name and text, whatever it is; blanks alone are no text.
    let blank = rest.iter().all(|byte| matches!(byte, b' ' | b'\t'));
    let content = if blank { &[][..] } else { &rest[1..] };
    item(
        view,
        (keyword, name),
        name_end,
        content,
        consumed(view, end),
    )
}

/// Reads the comment of OpenMetrics whose `#` is at `start`.
pub(super) fn open_metrics<'a>(view: &View<'a>, start: usize) -> Result<(Item<'a>, usize), Stop> {
    let (keyword, at) = match open_metrics_keyword(view, start)? {
        None => {
            let expectation = "expected a valid start token";
            return Err(view.unexpected(expectation, State::Start, start, start));
        }
        Some((None, at)) => {
            let newline = view.byte(at)? == Some(b'\n');
            return Ok((Item::Eof, at + usize::from(newline)));
        }
        Some((Some(keyword), at)) => (keyword, at),
    };
    let (name, name_end) = family_name(view, keyword, at, start)?;
    let lacks_text = || Stop::wrong(name_end, format!("expected text in {}", keyword.name()));
    if view.byte(name_end)? != Some(b' ') {
        return Err(lacks_text());
    }
    let end = line_end(view, name_end)?.ok_or_else(lacks_text)?;
    let content = &view.input[name_end + 1..end];
    item(view, (keyword, name), name_end, content, end + 1)
}

/// The word behind the hash sign, none for the end of the page, and where it ends.
fn open_metrics_keyword(
    view: &View<'_>,
    start: usize,
) -> Result<Option<(Option<Keyword>, usize)>, Stop> {
    let mut keyword = None;
    for (word, own) in [
        (&b"# HELP "[..], Some(Keyword::Help)),
        (b"# TYPE ", Some(Keyword::Type)),
        (b"# UNIT ", Some(Keyword::Unit)),
        (b"# EOF", None),
    ] {
        if starts_with(view, start, word)? {
            keyword = Some((own, start + word.len()));
        }
    }
    Ok(keyword)
}

fn starts_with(view: &View<'_>, start: usize, word: &[u8]) -> Result<bool, Stop> {
    for (index, byte) in word.iter().enumerate() {
        if view.byte(start + index)? != Some(*byte) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The position of the newline from `at` on; None if the page ends before one.
fn line_end(view: &View<'_>, at: usize) -> Result<Option<usize>, Stop> {
    match memchr::memchr(b'\n', view.input.get(at..).unwrap_or_default()) {
        Some(length) => Ok(Some(at + length)),
        None if view.last => Ok(None),
        None => Err(Stop::More),
    }
}

/// The bytes used up to `end`, with the newline there if there is one.
fn consumed(view: &View<'_>, end: usize) -> usize {
    (end + 1).min(view.input.len())
}

/// The family name at `at`, without quotes, and where it ends.
fn family_name<'a>(
    view: &View<'a>,
    keyword: Keyword,
    at: usize,
    previous: usize,
) -> Result<(&'a str, usize), Stop> {
    let expectation = || format!("expected metric name after {}", keyword.name());
    let unexpected = || view.unexpected(&expectation(), State::MetaName, at, previous);
    let (from, to, end) = match view.byte(at)? {
        Some(b'"') => match quoted::scan(view, at, Rules::NAME)? {
            Ok(found) => (at + 1, found.end - 1, found.end),
            Err(_) => return Err(unexpected()),
        },
        Some(first) if is_name_start(first) => {
            let end = words::name(view.input, at + 1);
            view.byte(end)?;
            (at, end, end)
        }
        _ => return Err(unexpected()),
    };
    let bytes = &view.input[from..to];
    let name = std::str::from_utf8(bytes)
        .map_err(|_| Stop::wrong(from, format!("invalid UTF-8 name: {}", quote(bytes))))?;
    Ok((name, end))
}

/// The item that a comment is, and how many bytes it takes; errors are laid at `at`.
fn item<'a>(
    view: &View<'a>,
    (keyword, name): (Keyword, &'a str),
    at: usize,
    content: &'a [u8],
    length: usize,
) -> Result<(Item<'a>, usize), Stop> {
    let utf8 = |what: &str| {
        std::str::from_utf8(content).map_err(|_| {
            let text = quote(content);
            Stop::wrong(at, format!("{what} {text} is not a valid utf8 string"))
        })
    };
    match keyword {
        Keyword::Help => {
            let text = utf8("help text")?;
            Ok((Item::Help { name, text }, length))
        }
        Keyword::Unit => {
            let unit = utf8("unit")?;
            let stem = name.strip_suffix(unit);
            if !unit.is_empty() && !stem.is_some_and(|stem| stem.ends_with('_')) {
                let (unit, name) = (quote(content), quote(name.as_bytes()));
                let message = format!("unit {unit} not a suffix of metric {name}");
                return Err(Stop::wrong(at, message));
            }
            Ok((Item::Unit { name, unit }, length))
        }
        Keyword::Type => {
            let kind = kind(view.format, content).ok_or_else(|| {
                Stop::wrong(at, format!("invalid metric type {}", quote(content)))
            })?;
            Ok((Item::Type { name, kind }, length))
        }
    }
}

fn kind(format: Format, word: &[u8]) -> Option<MetricType> {
    let open_metrics = format == Format::OpenMetrics;
    match word {
        b"counter" => Some(MetricType::Counter),
        b"gauge" => Some(MetricType::Gauge),
        b"histogram" => Some(MetricType::Histogram),
        b"summary" => Some(MetricType::Summary),
        b"untyped" if !open_metrics => Some(MetricType::Unknown),
        b"gaugehistogram" if open_metrics => Some(MetricType::GaugeHistogram),
        b"info" if open_metrics => Some(MetricType::Info),
        b"stateset" if open_metrics => Some(MetricType::StateSet),
        b"unknown" if open_metrics => Some(MetricType::Unknown),
        _ => None,
    }
}
