//! Series selectors, as far as `match_target` needs them: `{job="x", instance=~"a.*"}`.
//!
//! Implements the selector of the expression language with the four label operators and text in
//! single, double or back quotes; an error names the position as Prometheus does. A metric name
//! in front is a match on `__name__`.
//!
//! A selector comes from whoever reaches the port, so it has few matchers
//! ([`limits::SELECTOR_MATCHERS_MAX`]), and its regular expressions share
//! [`limits::SELECTOR_REGEX_BYTES_MAX`].

use regex::Regex;

use crate::limits;
use crate::model::labels::{Labels, METRIC_NAME};

/// Conditions that a label set must meet.
#[derive(Debug)]
pub(super) struct Selector(Vec<Matcher>);

#[derive(Debug)]
struct Matcher {
    name: String,
    wants_match: bool,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Equal(String),
    Regex(Box<Regex>),
}

/// A matcher as it is written, and where its value ends.
struct Written {
    name: String,
    wants_match: bool,
    is_regex: bool,
    value: String,
    end: usize,
}

/// Why a text is no selector.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("1:{column}: parse error: {problem}")]
pub(super) struct SelectorError {
    column: usize,
    problem: String,
}

impl Selector {
    pub(super) fn parse(text: &str) -> Result<Selector, SelectorError> {
        Parser { text, at: 0 }.selector()
    }

    pub(super) fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| {
            let value = labels.get(&matcher.name).unwrap_or("");
            let matched = match &matcher.test {
                Test::Equal(expected) => value == expected,
                Test::Regex(regex) => regex.is_match(value),
            };
            matched == matcher.wants_match
        })
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, problem: impl Into<String>) -> SelectorError {
        SelectorError {
            column: self.at + 1,
            problem: problem.into(),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes a token if it is next.
    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let is_next = self.rest().starts_with(token);
        if is_next {
            self.at += token.len();
        }
        is_next
    }

    fn identifier(&mut self, colons: bool) -> &'a str {
        self.skip_space();
        let rest = self.rest();
        let belongs = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let starts_well = !rest.starts_with(|c: char| c.is_ascii_digit());
        let end = if starts_well { end } else { 0 };
        self.at += end;
        &rest[..end]
    }

    fn selector(mut self) -> Result<Selector, SelectorError> {
        let mut written = Vec::new();
        let metric = self.identifier(true);
        if !metric.is_empty() {
            written.push(Written {
                name: METRIC_NAME.to_owned(),
                wants_match: true,
                is_regex: false,
                value: metric.to_owned(),
                end: self.at,
            });
        }
        if self.take("{") {
            while !self.take("}") {
                if written.len() == limits::SELECTOR_MATCHERS_MAX {
                    let most = limits::SELECTOR_MATCHERS_MAX;
                    return Err(self.error(format!("more than {most} matchers")));
                }
                written.push(self.matcher()?);
                if !self.take(",") && !self.rest().starts_with('}') {
                    return Err(self.unexpected());
                }
            }
        }
        self.skip_space();
        if !self.rest().is_empty() || written.is_empty() {
            return Err(self.unexpected());
        }
        self.compiled(written)
    }

    /// Compiles the regular expressions, each within an even share of what all may have.
    fn compiled(&mut self, written: Vec<Written>) -> Result<Selector, SelectorError> {
        let regexes = written.iter().filter(|own| own.is_regex).count();
        let share = limits::SELECTOR_REGEX_BYTES_MAX / regexes.max(1);
        let mut matchers = Vec::with_capacity(written.len());
        for own in written {
            let test = if own.is_regex {
                self.at = own.end;
                let anchored = format!("^(?s:{})$", own.value);
                let mut builder = regex::RegexBuilder::new(&anchored);
                let compiled = builder.size_limit(share).dfa_size_limit(share).build();
                Test::Regex(Box::new(
                    compiled.map_err(|error| self.error(error.to_string()))?,
                ))
            } else {
                Test::Equal(own.value)
            };
            matchers.push(Matcher {
                name: own.name,
                wants_match: own.wants_match,
                test,
            });
        }
        Ok(Selector(matchers))
    }

    fn unexpected(&self) -> SelectorError {
        match self.rest().chars().next() {
            Some(character) => self.error(format!("unexpected character: {character:?}")),
            None if self.text.contains('{') => self.error("unexpected end of input inside braces"),
            None => self.error("unexpected end of input"),
        }
    }

    fn matcher(&mut self) -> Result<Written, SelectorError> {
        self.skip_space();
        let name = if self.rest().starts_with(['"', '\'', '`']) {
            self.quoted()?
        } else {
            self.identifier(false).to_owned()
        };
        if name.is_empty() {
            return Err(self.unexpected());
        }
        let operators = [
            ("=~", true, true),
            ("!~", false, true),
            ("!=", false, false),
            ("=", true, false),
        ];
        let found = operators.into_iter().find(|(token, ..)| self.take(token));
        let Some((_, wants_match, is_regex)) = found else {
            return Err(self.unexpected());
        };
        let value = self.quoted()?;
        Ok(Written {
            name,
            wants_match,
            is_regex,
            value,
            end: self.at,
        })
    }

    fn quoted(&mut self) -> Result<String, SelectorError> {
        self.skip_space();
        let Some(quote @ ('"' | '\'' | '`')) = self.rest().chars().next() else {
            return Err(self.unexpected());
        };
        let mut value = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                _ if character == quote => {
                    self.at += at + 1;
                    return Ok(value);
                }
                '\\' if quote != '`' => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, other @ ('\\' | '"' | '\''))) => value.push(other),
                    _ => return Err(self.error("unknown escape sequence")),
                },
                other => value.push(other),
            }
        }
        Err(self.error("unterminated quoted string"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_match_as_prometheus_matches() {
        let labels = Labels::from_pairs([("job", "node"), ("instance", "a:1")]);
        for (text, expected) in [
            (r#"{job="node"}"#, true),
            (r#"{job="node", instance=~"a.*",}"#, true),
            (r#"{job=~"no"}"#, false),
            (r#"{job!~"no"}"#, true),
            (r#"{absent=""}"#, true),
            (r#"{absent!=""}"#, false),
            (r#"{"job"='node'}"#, true),
            ("up", false),
            (r#"{job=`n\o`}"#, false),
        ] {
            let selector = Selector::parse(text).expect(text);
            assert_eq!(selector.matches(&labels), expected, "{text}");
        }
    }

    #[test]
    fn broken_selectors_are_refused_with_their_position() {
        let error = |text: &str| Selector::parse(text).map(|_| ()).unwrap_err().to_string();
        assert_eq!(
            error("{"),
            "1:2: parse error: unexpected end of input inside braces"
        );
        assert_eq!(error(""), "1:1: parse error: unexpected end of input");
        for text in [
            "{}",
            "{a}",
            "{a=b}",
            r#"{a="b}"#,
            r#"{a=~"("}"#,
            "{1=\"x\"}",
            "a b",
            r#"{a="\q"}"#,
            "\u{e9}",
        ] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }
}
