//! Errors of the parsers, in the words of Prometheus's, with bounded excerpts of the page.

use std::fmt::Write;

use crate::limits;

/// Why a page cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// Byte of the page (or of the slice that was given) where parsing failed.
    pub offset: u64,
    /// Prometheus's words. Excerpts are escaped and at most
    /// [`limits::PARSE_ERROR_EXCERPT_BYTES`] long.
    pub message: Box<str>,
}

/// An error whose place is still relative to its item.
#[derive(Debug)]
pub(super) struct Complaint {
    pub(super) at: usize,
    pub(super) message: String,
}

impl Complaint {
    pub(super) fn into_error(self, base: u64) -> ParseError {
        ParseError {
            offset: base + self.at as u64,
            message: self.message.into_boxed_str(),
        }
    }
}

/// Line and column of a byte of `page`, both counted from 1; columns count bytes.
#[must_use]
pub fn line_and_column(page: &[u8], offset: u64) -> (usize, usize) {
    let end = usize::try_from(offset).map_or(page.len(), |offset| offset.min(page.len()));
    let before = &page[..end];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    (line, end - line_start + 1)
}

/// Quotes bytes as Go's `%q` does; cut, with dots, where they are too long for a message.
pub(super) fn quote(bytes: &[u8]) -> String {
    let cut = bytes.len() > limits::PARSE_ERROR_EXCERPT_BYTES;
    let shown = &bytes[..bytes.len().min(limits::PARSE_ERROR_EXCERPT_BYTES)];
    let mut out = String::with_capacity(shown.len() + 2);
    out.push('"');
    for chunk in shown.utf8_chunks() {
        chunk.valid().chars().for_each(|c| quote_char(c, &mut out));
        for byte in chunk.invalid() {
            let _ = write!(out, r"\x{byte:02x}");
        }
    }
    out.push_str(if cut { "\"..." } else { "\"" });
    out
}

fn quote_char(c: char, out: &mut String) {
    let _ = match c {
        '"' => write!(out, r#"\""#),
        '\\' => write!(out, r"\\"),
        '\x07' => write!(out, r"\a"),
        '\x08' => write!(out, r"\b"),
        '\x0c' => write!(out, r"\f"),
        '\n' => write!(out, r"\n"),
        '\r' => write!(out, r"\r"),
        '\t' => write!(out, r"\t"),
        '\x0b' => write!(out, r"\v"),
        c if c.is_ascii_control() => write!(out, r"\x{:02x}", u32::from(c)),
        c if c.is_control() => write!(out, r"\u{:04x}", u32::from(c)),
        c => write!(out, "{c}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_quoted_as_go_quotes_them() {
        assert_eq!(
            quote(b"a\"\\\n\t\x00\x7f\xff"),
            r#""a\"\\\n\t\x00\x7f\xff""#
        );
        assert_eq!(
            quote("\u{e9}\u{85}".as_bytes()),
            "\"\u{e9}\\u0085\"".to_owned()
        );
        assert!(quote(&[b'x'; 100_000]).len() < 600);
    }

    #[test]
    fn offsets_become_lines_and_columns() {
        let page = b"ab\ncd\n";
        for (offset, expected) in [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (6, (3, 1))] {
            assert_eq!(line_and_column(page, offset), expected, "{offset}");
        }
        assert_eq!(line_and_column(page, 99), (3, 1));
    }
}
