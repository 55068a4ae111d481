//! Regular expressions as Prometheus means them: RE2 syntax, matched against the whole text.
//!
//! The source is checked and rewritten token by token ([`translate`]), because the `regex` crate
//! reads several RE2 spellings differently (`\d` is Unicode there, `[[a]` is nested, `a**` is
//! fine). What cannot be expressed is refused, never approximated. Compilation is bounded in
//! size and nesting, so that no expression in a configuration can exhaust memory or stack.

mod class;
mod escape;
mod group;
mod translate;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use regex::{Regex, RegexBuilder};

use super::rule::AnchoredRegex;
use crate::limits;

/// The expression of a rule that names none.
pub const DEFAULT_SOURCE: &str = "(.*)";

/// Stands before every group name, because RE2 lets a name begin with a digit.
const NAME_PREFIX: char = '_';

/// Why an expression is refused, in the words of Go's `regexp` package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{part}`")]
struct SyntaxError {
    reason: &'static str,
    part: String,
}

impl SyntaxError {
    fn new(reason: &'static str, part: impl Into<String>) -> SyntaxError {
        SyntaxError {
            reason,
            part: part.into(),
        }
    }
}

/// Compiles `^(?s:source)$`.
///
/// # Errors
/// A text that begins with `error parsing regexp: `.
pub fn compile(source: &str) -> Result<AnchoredRegex, String> {
    // Most rules write no expression, so they share one program.
    static DEFAULT: OnceLock<Regex> = OnceLock::new();
    let compiled = match DEFAULT.get() {
        Some(shared) if source == DEFAULT_SOURCE => shared.clone(),
        _ => build(source)?,
    };
    if source == DEFAULT_SOURCE {
        DEFAULT.get_or_init(|| compiled.clone());
    }
    Ok(AnchoredRegex {
        source: Arc::from(source),
        compiled,
    })
}

fn build(source: &str) -> Result<Regex, String> {
    if source.len() > limits::REGEX_SOURCE_BYTES_MAX {
        return Err("error parsing regexp: expression too large".to_owned());
    }
    let body = translate::translate(source).map_err(|error| error.to_string())?;
    RegexBuilder::new(&format!("^(?s:{body})$"))
        .size_limit(limits::REGEX_PROGRAM_BYTES_MAX)
        .dfa_size_limit(limits::REGEX_CACHE_BYTES_MAX)
        .nest_limit(limits::REGEX_NESTING_MAX)
        .build()
        .map_err(|error| refusal(source, &error))
}

fn refusal(source: &str, error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "error parsing regexp: expression too large".to_owned(),
        other => {
            let text = other.to_string();
            // The crate draws the expression over several lines; its last one says why.
            let reason = text.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            format!("error parsing regexp: {reason}: `{source}`")
        }
    }
}

impl AnchoredRegex {
    /// Whether the whole `text` matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.is_default() || self.compiled.is_match(text)
    }

    /// Whether this is the expression of a rule that names none; it matches everything.
    #[must_use]
    pub fn is_default(&self) -> bool {
        &*self.source == DEFAULT_SOURCE
    }

    /// Number of the first group called `name` that took part in a match.
    pub(super) fn group<'t>(
        &self,
        captures: &regex::Captures<'t>,
        name: &str,
    ) -> Option<regex::Match<'t>> {
        self.compiled
            .capture_names()
            .enumerate()
            .filter(|(_, own)| own.and_then(|own| own.strip_prefix(NAME_PREFIX)) == Some(name))
            .find_map(|(index, _)| captures.get(index))
    }
}
