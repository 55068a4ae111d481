//! What go-yaml v2 sees in an unquoted scalar: null, boolean, number or text.

/// What a scalar resolves to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resolved {
    /// Nothing.
    Null,
    /// One of YAML 1.1's words.
    Bool(bool),
    /// A whole number that fits 64 bits with sign.
    Int(i64),
    /// A whole number above those.
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// Anything else.
    Text,
}

impl Resolved {
    /// The short tag that error messages name.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Resolved::Null => "!!null",
            Resolved::Bool(_) => "!!bool",
            Resolved::Int(_) | Resolved::Uint(_) => "!!int",
            Resolved::Float(_) => "!!float",
            Resolved::Text => "!!str",
        }
    }
}

/// Whether an unquoted text stands for nothing.
#[must_use]
pub fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// What a text resolves to; a quoted one is always text.
#[must_use]
pub fn resolve(text: &str, plain: bool) -> Resolved {
    if !plain {
        return Resolved::Text;
    }
    if is_null(text) {
        return Resolved::Null;
    }
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Resolved::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Resolved::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Resolved::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Resolved::Float(f64::NEG_INFINITY),
        _ => {}
    }
    number(text)
}

fn number(text: &str) -> Resolved {
    let starts = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
    if !text.starts_with(starts) {
        return Resolved::Text;
    }
    // Underscores may separate digits.
    let bare = text.replace('_', "");
    whole(&bare)
        .or_else(|| is_float(&bare).then(|| bare.parse().ok().map(Resolved::Float))?)
        .unwrap_or(Resolved::Text)
}

/// A whole number with Go's base prefixes; a leading zero means octal.
fn whole(text: &str) -> Option<Resolved> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    match (negative, i64::try_from(magnitude)) {
        (false, Ok(number)) => Some(Resolved::Int(number)),
        (false, Err(_)) => Some(Resolved::Uint(magnitude)),
        (true, Ok(number)) => Some(Resolved::Int(-number)),
        (true, Err(_)) => (magnitude == 1 << 63).then_some(Resolved::Int(i64::MIN)),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa = match mantissa.split_once('.') {
        None => !mantissa.is_empty() && digits(mantissa),
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
    };
    let exponent = exponent.is_none_or(|part| {
        let part = part.strip_prefix(['-', '+']).unwrap_or(part);
        !part.is_empty() && digits(part)
    });
    mantissa && exponent
}
