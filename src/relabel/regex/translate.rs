//! Rewrites RE2 syntax into that of the `regex` crate.
//!
//! One pass, no recursion. Each method takes the token at the cursor, checks it by RE2's rules
//! and appends its translation.

use super::SyntaxError;
use super::group::Opening;
use super::{class, escape, group};
use crate::limits;

/// The body of `source`, to be wrapped as `^(?s:body)$`.
pub(super) fn translate(source: &str) -> Result<String, SyntaxError> {
    let mut translator = Translator {
        source,
        at: 0,
        out: String::with_capacity(source.len() + 16),
        depth: 1,
        operand: false,
        repeated_from: None,
    };
    while translator.at < source.len() {
        translator.token()?;
    }
    // The wrapper's own parenthesis closes the last one.
    match translator.depth {
        0 => Err(SyntaxError::new("unexpected )", wrapped(source))),
        1 => Ok(translator.out),
        _ => Err(SyntaxError::new("missing closing )", wrapped(source))),
    }
}

/// The expression as Go sees and reports it.
fn wrapped(source: &str) -> String {
    format!("^(?s:{source})$")
}

struct Translator<'s> {
    source: &'s str,
    at: usize,
    out: String,
    /// Open groups, the wrapper's included.
    depth: usize,
    /// Whether a repetition would have something to repeat.
    operand: bool,
    /// Where the repetition begins that the token before the cursor is.
    repeated_from: Option<usize>,
}

impl<'s> Translator<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn token(&mut self) -> Result<(), SyntaxError> {
        let Some(first) = self.rest().chars().next() else {
            return Ok(());
        };
        let repeated_from = self.repeated_from.take();
        match first {
            '*' | '+' | '?' => self.repetition(repeated_from, &first.to_string(), 1),
            '{' => self.brace(repeated_from),
            '(' => self.open(),
            ')' => self.close(),
            '[' => {
                let length = class::translate(self.rest(), &mut self.out)?;
                self.accept(length);
                Ok(())
            }
            '|' => {
                self.out.push('|');
                self.at += 1;
                self.operand = false;
                Ok(())
            }
            '^' | '$' | '.' => {
                self.out.push(first);
                self.accept(1);
                Ok(())
            }
            '\\' => self.backslash(),
            _ => {
                escape::push_literal(&mut self.out, first);
                self.accept(first.len_utf8());
                Ok(())
            }
        }
    }

    /// Steps over an operand of `length` bytes.
    fn accept(&mut self, length: usize) {
        self.at += length;
        self.operand = true;
    }

    fn open(&mut self) -> Result<(), SyntaxError> {
        let (opening, length) = if self.rest().starts_with("(?") {
            group::translate(self.rest(), &mut self.out)?
        } else {
            self.out.push('(');
            (Opening::Group, 1)
        };
        self.at += length;
        self.operand = false;
        if matches!(opening, Opening::Group) {
            self.depth += 1;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), SyntaxError> {
        if self.depth == 0 {
            return Err(SyntaxError::new("unexpected )", wrapped(self.source)));
        }
        self.depth -= 1;
        self.out.push(')');
        self.accept(1);
        Ok(())
    }

    fn backslash(&mut self) -> Result<(), SyntaxError> {
        let rest = self.rest();
        let word = match rest.as_bytes().get(1) {
            Some(b'A') => r"\A",
            Some(b'z') => r"\z",
            Some(b'b') => r"(?-u:\b)",
            Some(b'B') => r"(?-u:\B)",
            Some(b'Q') => return self.quotation(),
            _ => "",
        };
        if !word.is_empty() {
            self.out.push_str(word);
            self.accept(2);
        } else if let Some((class, length)) = escape::unicode_class(rest)? {
            self.out.push_str(&class);
            self.accept(length);
        } else if let Some(class) = escape::perl_class(rest) {
            self.out.push_str(&class);
            self.accept(2);
        } else {
            let (c, length) = escape::character(rest)?;
            escape::push_literal(&mut self.out, c);
            self.accept(length);
        }
        Ok(())
    }

    /// `\Q...\E`. An unended one would swallow the wrapper's parenthesis.
    fn quotation(&mut self) -> Result<(), SyntaxError> {
        let inner = &self.rest()[2..];
        let Some(end) = inner.find(r"\E") else {
            let part = wrapped(self.source);
            return Err(SyntaxError::new("missing closing )", part));
        };
        for c in inner[..end].chars() {
            escape::push_literal(&mut self.out, c);
            self.operand = true;
        }
        self.at += 2 + end + 2;
        Ok(())
    }

    /// `{n}`, `{n,}` and `{n,m}` repeat; any other brace is itself.
    fn brace(&mut self, repeated_from: Option<usize>) -> Result<(), SyntaxError> {
        let Some((least, most, length)) = counts(self.rest()) else {
            escape::push_literal(&mut self.out, '{');
            self.accept(1);
            return Ok(());
        };
        let bound = limits::REGEX_REPEAT_MAX;
        if least > bound || most.is_some_and(|most| most > bound || most < least) {
            let part = &self.rest()[..length];
            return Err(SyntaxError::new("invalid repeat count", part));
        }
        let operator = self.rest()[..length].to_owned();
        self.repetition(repeated_from, &operator, length)
    }

    fn repetition(
        &mut self,
        repeated_from: Option<usize>,
        operator: &str,
        mut length: usize,
    ) -> Result<(), SyntaxError> {
        let lazy = self.rest()[length..].starts_with('?');
        length += usize::from(lazy);
        if let Some(from) = repeated_from {
            let part = &self.source[from..self.at + length];
            let reason = "invalid nested repetition operator";
            return Err(SyntaxError::new(reason, part));
        }
        if !self.operand {
            let reason = "missing argument to repetition operator";
            return Err(SyntaxError::new(reason, &self.rest()[..length]));
        }
        self.out.push_str(operator);
        if lazy {
            self.out.push('?');
        }
        self.repeated_from = Some(self.at);
        self.accept(length);
        Ok(())
    }
}

/// Reads `{n}`, `{n,}` or `{n,m}`: least, most, length. None if it is none of these.
fn counts(rest: &str) -> Option<(u32, Option<u32>, usize)> {
    let end = rest.find('}')?;
    let inner = &rest[1..end];
    let length = end + 1;
    match inner.split_once(',') {
        None => {
            let count = count(inner)?;
            Some((count, Some(count), length))
        }
        Some((least, "")) => Some((count(least)?, None, length)),
        Some((least, most)) => Some((count(least)?, Some(count(most)?), length)),
    }
}

/// A decimal number without leading zeros; one too large for us is larger than every limit.
fn count(digits: &str) -> Option<u32> {
    let leading_zero = digits.len() > 1 && digits.starts_with('0');
    if digits.is_empty() || leading_zero || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX))
}
