//! What may stand after `(?`: names and flags.

use super::{NAME_PREFIX, SyntaxError};

/// The letters of RE2's flags; the `regex` crate knows more, which would change the meaning.
const FLAGS: &str = "imsU";

/// What an opening was.
pub(super) enum Opening {
    /// A group that a parenthesis must close.
    Group,
    /// `(?flags)`: complete in itself.
    Flags,
}

/// Translates the `(?` at the start of `rest`; returns what it was and its length.
pub(super) fn translate(rest: &str, out: &mut String) -> Result<(Opening, usize), SyntaxError> {
    for prefix in ["(?P<", "(?<"] {
        // `(?<=` and `(?<!` look like names but cannot be one; they end as invalid names too.
        if let Some(inner) = rest.strip_prefix(prefix) {
            return name(rest, inner, prefix.len(), out);
        }
    }
    flags(rest, out)
}

fn name(
    rest: &str,
    inner: &str,
    prefix: usize,
    out: &mut String,
) -> Result<(Opening, usize), SyntaxError> {
    let Some(end) = inner.find('>') else {
        return Err(SyntaxError::new("invalid named capture", rest));
    };
    let (name, length) = (&inner[..end], prefix + end + 1);
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(word) {
        return Err(SyntaxError::new("invalid named capture", &rest[..length]));
    }
    out.push_str("(?P<");
    out.push(NAME_PREFIX);
    out.push_str(name);
    out.push('>');
    Ok((Opening::Group, length))
}

fn flags(rest: &str, out: &mut String) -> Result<(Opening, usize), SyntaxError> {
    let (mut on, mut off) = (String::new(), String::new());
    let mut negative = false;
    let mut seen = false;
    for (index, c) in rest.char_indices().skip(2) {
        let length = index + c.len_utf8();
        let complete = !negative || seen;
        match c {
            _ if FLAGS.contains(c) => {
                seen = true;
                on.retain(|own| own != c);
                off.retain(|own| own != c);
                if negative { &mut off } else { &mut on }.push(c);
            }
            '-' if !negative => {
                negative = true;
                seen = false;
            }
            ':' if complete => {
                open(&on, &off, ':', out);
                return Ok((Opening::Group, length));
            }
            ')' if complete => {
                if !on.is_empty() || !off.is_empty() {
                    open(&on, &off, ')', out);
                }
                return Ok((Opening::Flags, length));
            }
            _ => return Err(unsupported(&rest[..length])),
        }
    }
    Err(unsupported(rest))
}

fn unsupported(part: &str) -> SyntaxError {
    SyntaxError::new("invalid or unsupported Perl syntax", part)
}

fn open(on: &str, off: &str, end: char, out: &mut String) {
    out.push_str("(?");
    out.push_str(on);
    if !off.is_empty() {
        out.push('-');
        out.push_str(off);
    }
    out.push(end);
}
