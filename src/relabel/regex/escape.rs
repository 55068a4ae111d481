//! Escaped characters and Perl classes: what stands after a backslash.

use super::SyntaxError;

const INVALID: &str = "invalid escape sequence";

/// The ASCII classes of RE2, written as the inside of a bracketed class.
const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
/// RE2's `\s` has no vertical tab.
const SPACE: &str = r"\t\n\x0C\r ";

/// The bracketed class for `\d`, `\D`, `\s`, `\S`, `\w` and `\W` at the start of `rest`.
pub(super) fn perl_class(rest: &str) -> Option<String> {
    let (body, negated) = match rest.as_bytes() {
        [b'\\', b'd', ..] => (DIGIT, false),
        [b'\\', b'D', ..] => (DIGIT, true),
        [b'\\', b's', ..] => (SPACE, false),
        [b'\\', b'S', ..] => (SPACE, true),
        [b'\\', b'w', ..] => (WORD, false),
        [b'\\', b'W', ..] => (WORD, true),
        _ => return None,
    };
    let sign = if negated { "^" } else { "" };
    Some(format!("[{sign}{body}]"))
}

/// A Unicode class `\pN`, `\p{Name}`, `\P{Name}` or `\p{^Name}` at the start of `rest`: its
/// translation and length.
pub(super) fn unicode_class(rest: &str) -> Result<Option<(String, usize)>, SyntaxError> {
    let mut negated = match rest.as_bytes() {
        [b'\\', b'p', ..] => false,
        [b'\\', b'P', ..] => true,
        _ => return Ok(None),
    };
    let after = &rest[2..];
    let (mut name, length) = if let Some(braced) = after.strip_prefix('{') {
        let end = braced
            .find('}')
            .ok_or_else(|| SyntaxError::new("invalid character class range", rest))?;
        (&braced[..end], 2 + end + 2)
    } else {
        let first = after.chars().next();
        let first = first.ok_or_else(|| SyntaxError::new(INVALID, rest))?;
        (&after[..first.len_utf8()], 2 + first.len_utf8())
    };
    if let Some(plain) = name.strip_prefix('^') {
        name = plain;
        negated = !negated;
    }
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(valid) {
        return Err(SyntaxError::new(
            "invalid character class range",
            &rest[..length],
        ));
    }
    let sign = if negated { 'P' } else { 'p' };
    Ok(Some((format!(r"\{sign}{{{name}}}"), length)))
}

/// The single character that the escape at the start of `rest` stands for, and its length.
pub(super) fn character(rest: &str) -> Result<(char, usize), SyntaxError> {
    let mut chars = rest[1..].chars();
    let Some(first) = chars.next() else {
        return Err(SyntaxError::new(
            "trailing backslash at end of expression",
            "",
        ));
    };
    let after = chars.as_str();
    let plain = |c: char| Ok((c, 1 + first.len_utf8()));
    match first {
        '1'..='7' if !after.starts_with(|c| matches!(c, '0'..='7')) => {
            Err(SyntaxError::new(INVALID, &rest[..2]))
        }
        '0'..='7' => octal(rest),
        'x' => hexadecimal(rest),
        'a' => plain('\x07'),
        'f' => plain('\x0c'),
        'n' => plain('\n'),
        'r' => plain('\r'),
        't' => plain('\t'),
        'v' => plain('\x0b'),
        _ if first.is_ascii() && !first.is_ascii_alphanumeric() => plain(first),
        _ => Err(SyntaxError::new(INVALID, &rest[..1 + first.len_utf8()])),
    }
}

/// One to three octal digits.
fn octal(rest: &str) -> Result<(char, usize), SyntaxError> {
    let digits = rest[1..]
        .bytes()
        .take(3)
        .take_while(|byte| matches!(byte, b'0'..=b'7'))
        .count();
    number(rest, &rest[1..=digits], 8, 1 + digits)
}

/// `\xFF` or `\x{10FFFF}`.
fn hexadecimal(rest: &str) -> Result<(char, usize), SyntaxError> {
    let after = &rest[2..];
    if let Some(braced) = after.strip_prefix('{') {
        let end = braced
            .find('}')
            .ok_or_else(|| SyntaxError::new(INVALID, rest))?;
        return number(rest, &braced[..end], 16, 3 + end + 1);
    }
    let digits = after
        .bytes()
        .take(2)
        .take_while(u8::is_ascii_hexdigit)
        .count();
    if digits < 2 {
        return Err(SyntaxError::new(INVALID, &rest[..2 + digits]));
    }
    number(rest, &after[..2], 16, 4)
}

fn number(
    rest: &str,
    digits: &str,
    radix: u32,
    length: usize,
) -> Result<(char, usize), SyntaxError> {
    // from_str_radix would take a sign.
    let value = if digits.starts_with('+') {
        None
    } else {
        u32::from_str_radix(digits, radix).ok()
    };
    value
        .and_then(char::from_u32)
        .map(|c| (c, length))
        .ok_or_else(|| SyntaxError::new(INVALID, &rest[..length]))
}

/// Appends `c` so that it can mean nothing but itself, inside and outside of classes.
pub(super) fn push_literal(out: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || !c.is_ascii() {
        out.push(c);
    } else {
        out.push_str(&format!(r"\x{:02X}", u32::from(c)));
    }
}
