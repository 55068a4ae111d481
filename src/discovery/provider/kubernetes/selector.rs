//! Label and field selectors: checked when the configuration is read, sent as they are written.
//!
//! The server would refuse a malformed one too, but only once it is asked. The grammar is that of
//! Kubernetes: `a=b,c!=d` for fields; for labels also `in`, `notin`, existence and comparison.
//! Pure.

/// What may follow a key in a field selector, longest first.
const FIELD_OPERATORS: [&str; 3] = ["!=", "==", "="];

/// Longest name and longest value of a label, without its prefix.
const LABEL_BYTES: usize = 63;
/// Longest prefix of a label's key (a DNS name).
const PREFIX_BYTES: usize = 253;

/// Checks a field selector.
///
/// # Errors
/// Which part is wrong, in the words of Kubernetes.
pub(super) fn check_fields(selector: &str) -> Result<(), String> {
    for term in split_terms(selector) {
        if term.is_empty() {
            continue;
        }
        // The first operator counts, the longest one there.
        let places = term.char_indices().map(|(at, _)| &term[at..]);
        let found = places.into_iter().find_map(|rest| {
            let mut operators = FIELD_OPERATORS.iter();
            operators.find_map(|operator| rest.strip_prefix(operator))
        });
        let value = found.ok_or_else(|| invalid_field(selector, term))?;
        check_escapes(value)
            .map_err(|bad| format!("invalid field selector value {value:?}: {bad}"))?;
    }
    Ok(())
}

fn invalid_field(selector: &str, term: &str) -> String {
    format!("invalid selector: '{selector}'; can't understand '{term}'")
}

/// Terms between commas that are not escaped.
fn split_terms(selector: &str) -> Vec<&str> {
    let (mut terms, mut begin, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in selector.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(&selector[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&selector[begin..]);
    terms
}

/// Only `\`, `,` and `=` may be escaped, and the latter two have to be.
fn check_escapes(value: &str) -> Result<(), &'static str> {
    let mut escaped = false;
    for c in value.chars() {
        match c {
            '\\' | ',' | '=' if escaped => escaped = false,
            _ if escaped => return Err("invalid escape sequence"),
            '\\' => escaped = true,
            ',' | '=' => return Err("unescaped character"),
            _ => {}
        }
    }
    if escaped {
        Err("invalid escape sequence")
    } else {
        Ok(())
    }
}

/// Checks a label selector.
///
/// # Errors
/// Which part is wrong.
pub(super) fn check_labels(selector: &str) -> Result<(), String> {
    let tokens = tokens(selector);
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
    };
    parser
        .requirements()
        .map_err(|reason| format!("unable to parse requirement: {reason}"))
}

/// A piece of a label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// Key, value or one of the words `in` and `notin`.
    Word(&'a str),
    /// `=`, `==`, `!=`, `!`, `<`, `>`, `,`, `(`, `)`.
    Sign(&'a str),
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let is_sign = |c: char| "=!<>,()".contains(c);
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("==") || rest.starts_with("!=") {
            2
        } else if is_sign(first) {
            1
        } else {
            rest.find(|c: char| is_sign(c) || c.is_whitespace())
                .unwrap_or(rest.len())
        };
        let (token, after) = rest.split_at(length);
        tokens.push(match is_sign(first) {
            true => Token::Sign(token),
            false => Token::Word(token),
        });
        rest = after.trim_start();
    }
    tokens
}

struct Parser<'a, 't> {
    tokens: &'t [Token<'a>],
    at: usize,
}

impl<'a> Parser<'a, '_> {
    fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.at)
    }

    fn take_sign(&mut self, signs: &[&str]) -> Option<&'a str> {
        match self.peek() {
            Some(Token::Sign(sign)) if signs.contains(sign) => {
                let sign = *sign;
                self.at += 1;
                Some(sign)
            }
            _ => None,
        }
    }

    fn take_word(&mut self) -> Option<&'a str> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let word = *word;
                self.at += 1;
                Some(word)
            }
            _ => None,
        }
    }

    fn found(&self) -> String {
        match self.peek() {
            Some(Token::Word(text) | Token::Sign(text)) => format!("found '{text}'"),
            None => "found ''".to_owned(),
        }
    }

    fn requirements(&mut self) -> Result<(), String> {
        if self.tokens.is_empty() {
            return Ok(());
        }
        loop {
            self.requirement()?;
            if self.peek().is_none() {
                return Ok(());
            }
            self.take_sign(&[","])
                .ok_or_else(|| format!("{}, expected: ',' or 'end of string'", self.found()))?;
        }
    }

    fn requirement(&mut self) -> Result<(), String> {
        let absent = self.take_sign(&["!"]).is_some();
        let key = self.take_word();
        let key = key.ok_or_else(|| format!("{}, expected: identifier", self.found()))?;
        check_key(key)?;
        let ends = matches!(self.peek(), None | Some(Token::Sign(",")));
        if absent || ends {
            return Ok(());
        }
        if let Some(sign) = self.take_sign(&["=", "==", "!=", "<", ">"]) {
            // An empty value is one too: `a=` and `a=,b`.
            let value = self.take_word().unwrap_or_default();
            return match sign {
                "<" | ">" if value.parse::<i64>().is_err() => Err(format!(
                    "for 'Gt', 'Lt' operators, the value must be an integer: {value:?}"
                )),
                _ => check_value(value),
            };
        }
        match self.take_word() {
            Some("in" | "notin") => self.values(),
            _ => Err(format!(
                "{}, expected: in, notin, =, ==, !=, gt, lt",
                self.found()
            )),
        }
    }

    fn values(&mut self) -> Result<(), String> {
        self.take_sign(&["("])
            .ok_or_else(|| format!("{}, expected: '('", self.found()))?;
        loop {
            check_value(self.take_word().unwrap_or_default())?;
            match self.take_sign(&[",", ")"]) {
                Some(",") => {}
                Some(_) => return Ok(()),
                None => return Err(format!("{}, expected: ',' or ')'", self.found())),
            }
        }
    }
}

fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let is_dns = |prefix: &str| {
        let label = |label: &str| {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            !label.is_empty()
                && label.chars().all(plain)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        prefix.len() <= PREFIX_BYTES && prefix.split('.').all(label)
    };
    match is_name(name) && prefix.is_none_or(is_dns) {
        true => Ok(()),
        false => Err(format!("{key:?} is no valid label key")),
    }
}

fn check_value(value: &str) -> Result<(), String> {
    match value.is_empty() || is_name(value) {
        true => Ok(()),
        false => Err(format!("{value:?} is no valid label value")),
    }
}

/// Letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit.
fn is_name(name: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let edge = |c: char| c.is_ascii_alphanumeric();
    name.len() <= LABEL_BYTES
        && name.chars().all(inside)
        && name.starts_with(edge)
        && name.ends_with(edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_of_kubernetes_are_accepted() {
        for good in [
            "",
            "a",
            "!a",
            "a=b",
            "a==b",
            "a!=b",
            "a=",
            "a=,b",
            " a = b , c in (d, e) ",
            "a in (b,)",
            "a notin (b)",
            "a>1",
            "a < 5",
            "example.org/a_b.c in (x), !y",
            "in in (in)",
            "a in ()",
            "a in (,)",
            "notin",
            "a=in",
            "a notin(b)",
        ] {
            assert_eq!(check_labels(good), Ok(()), "{good}");
        }
        for good in [
            "",
            "a=b",
            "metadata.name=x,status.phase!=Running",
            "a==b",
            "a=b\\,c\\=d",
            "a=",
            "=b",
            "a=b,,c=d",
        ] {
            assert_eq!(check_fields(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn others_are_refused_with_the_part_that_is_wrong() {
        for (bad, part) in [
            ("a b", "expected: in, notin"),
            ("a in b", "found 'b', expected: '('"),
            ("a in (b", "expected: ',' or ')'"),
            ("a=b c", "found 'c', expected: ','"),
            ("=b", "found '=', expected: identifier"),
            ("a,", "found '', expected: identifier"),
            ("a=-b", "\"-b\" is no valid label value"),
            ("a>x", "must be an integer"),
            ("A_/b", "no valid label key"),
            ("a/b/c", "no valid label key"),
            ("\u{e4}=b", "no valid label key"),
        ] {
            let error = check_labels(bad).expect_err(bad);
            assert!(error.contains(part), "{bad}: {error}");
        }
        let error = check_fields("metadata.status").expect_err("no operator");
        assert!(
            error.starts_with("invalid selector: 'metadata.status'"),
            "{error}"
        );
        for bad in ["a=b=c", "a=b!=c", "a=b\\", "a=\\x", "a=b,c"] {
            assert!(check_fields(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn too_long_names_are_refused() {
        let long = "a".repeat(LABEL_BYTES + 1);
        assert!(check_labels(&long).is_err() && check_labels(&format!("a={long}")).is_err());
        assert!(check_labels(&long[1..]).is_ok());
    }
}
