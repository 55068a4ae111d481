//! Bracketed character classes. RE2 has neither nested classes nor set operations, so every
//! member is written out in a form that the `regex` crate cannot read as one.

use super::SyntaxError;
use super::escape;

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Translates the class at the start of `rest`, which begins with `[`; returns its length.
pub(super) fn translate(rest: &str, out: &mut String) -> Result<usize, SyntaxError> {
    out.push('[');
    let mut at = 1;
    if rest[at..].starts_with('^') {
        out.push('^');
        at += 1;
    }
    let mut first = true;
    while first || !rest[at..].starts_with(']') {
        first = false;
        at += match named_member(&rest[at..], out)? {
            Some(length) => length,
            None => range(rest, at, out)?,
        };
    }
    out.push(']');
    Ok(at + 1)
}

/// A member that is a class itself: `[:alpha:]`, `\pL`, `\d`.
fn named_member(rest: &str, out: &mut String) -> Result<Option<usize>, SyntaxError> {
    if let Some(inner) = rest.strip_prefix("[:")
        && let Some(end) = inner.find(":]")
    {
        let length = end + 4;
        let name = inner[..end].strip_prefix('^').unwrap_or(&inner[..end]);
        if !POSIX.contains(&name) {
            let part = &rest[..length];
            return Err(SyntaxError::new("invalid character class range", part));
        }
        out.push_str(&rest[..length]);
        return Ok(Some(length));
    }
    if let Some((class, length)) = escape::unicode_class(rest)? {
        out.push_str(&class);
        return Ok(Some(length));
    }
    if let Some(class) = escape::perl_class(rest) {
        out.push_str(&class);
        return Ok(Some(2));
    }
    Ok(None)
}

/// A single character or a range at `at` in the class `rest`; returns its length.
fn range(rest: &str, at: usize, out: &mut String) -> Result<usize, SyntaxError> {
    let (low, mut length) = character(rest, at)?;
    escape::push_literal(out, low);
    let after = &rest[at + length..];
    if after.starts_with('-') && after.len() > 1 && !after[1..].starts_with(']') {
        let (high, high_length) = character(rest, at + length + 1)?;
        length += 1 + high_length;
        if high < low {
            let part = &rest[at..at + length];
            return Err(SyntaxError::new("invalid character class range", part));
        }
        out.push('-');
        escape::push_literal(out, high);
    }
    Ok(length)
}

fn character(rest: &str, at: usize) -> Result<(char, usize), SyntaxError> {
    match rest[at..].chars().next() {
        // Go sees the wrapper's end behind an unended class and reports it too.
        None => Err(SyntaxError::new("missing closing ]", format!("{rest})$"))),
        Some('\\') => escape::character(&rest[at..]),
        Some(c) => Ok((c, c.len_utf8())),
    }
}
