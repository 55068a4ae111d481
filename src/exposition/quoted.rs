//! Quoted strings: where they end, and what their escapes mean.

use std::borrow::Cow;

use super::protocol::Format;
use super::view::{Stop, View};
use super::words::{self, HIGH};

/// What a quoted string may hold unescaped. The differences are accidents of Prometheus's lexers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    newlines: bool,
    nul: bool,
}

impl Rules {
    /// A quoted metric or label name.
    pub(super) const NAME: Rules = Rules {
        newlines: true,
        nul: false,
    };
    /// A name or value in an exemplar.
    pub(super) const EXEMPLAR: Rules = Rules {
        newlines: false,
        nul: false,
    };

    /// A label value.
    pub(super) const fn value(format: Format) -> Rules {
        Rules {
            newlines: matches!(format, Format::Text),
            nul: true,
        }
    }
}

/// A string that ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Behind the closing quote.
    pub(super) end: usize,
    /// Whether every byte is ASCII, so that nobody needs to check it as UTF-8.
    pub(super) ascii: bool,
}

/// Finds the end of the string whose opening quote is at `open`; the inner error is the byte
/// that no string may hold, or the end of the page.
pub(super) fn scan(
    view: &View<'_>,
    open: usize,
    rules: Rules,
) -> Result<Result<Found, usize>, Stop> {
    let mut at = open + 1;
    let mut high = 0;
    loop {
        at = skip_plain(view.input, at, &mut high);
        match view.byte(at)? {
            Some(b'"') => {
                let ascii = high & HIGH == 0;
                return Ok(Ok(Found { end: at + 1, ascii }));
            }
            Some(b'\\') => {
                at += 1;
                while rules.nul && view.byte(at)? == Some(0) {
                    at += 1;
                }
                match view.byte(at)? {
                    None | Some(b'\n' | 0) => return Ok(Err(at)),
                    Some(byte) => {
                        high |= u64::from(byte);
                        at += 1;
                    }
                }
            }
            None => return Ok(Err(at)),
            Some(b'\n') if !rules.newlines => return Ok(Err(at)),
            Some(0) if !rules.nul => return Ok(Err(at)),
            Some(byte) => {
                high |= u64::from(byte);
                at += 1;
            }
        }
    }
}

/// Skips, eight at a time, bytes that are no quote, no backslash and no control character. May
/// stop earlier than it must near the end of `input`. Bits of what it skipped go into `high`.
#[inline]
fn skip_plain(input: &[u8], mut at: usize, high: &mut u64) -> usize {
    while let Some(word) = words::at(input, at) {
        let stops = words::not_plain_text(word);
        if stops != 0 {
            // Only the bytes below the first stop belong to the string.
            let length = words::before_mark(stops);
            *high |= word & !(u64::MAX << (8 * length));
            return at + length;
        }
        *high |= word;
        at += 8;
    }
    at
}

/// Replaces `\"`, `\\` and `\n`; other backslashes stay.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    replace_escapes(text, true)
}

/// Replaces `\\` and `\n`, as help texts of Prometheus text have them.
pub(super) fn unescape_without_quotes(text: &str) -> Cow<'_, str> {
    replace_escapes(text, false)
}

fn replace_escapes(text: &str, quotes: bool) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let replaced = match after.as_bytes().first() {
            Some(b'\\') => '\\',
            Some(b'n') => '\n',
            Some(b'"') if quotes => '"',
            _ => {
                out.push('\\');
                rest = after;
                continue;
            }
        };
        out.push(replaced);
        rest = &after[1..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}
