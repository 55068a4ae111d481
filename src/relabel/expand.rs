//! Replacement templates by the rules of Go's `Regexp.Expand`.
//!
//! `$1` and `${1}` are groups by number, `$name` and `${name}` by name, `$$` is a dollar. A name
//! is as long as it can be: `$1x` is the group called `1x`. A group that does not exist or took
//! no part in the match is empty; a dollar that begins nothing valid stands for itself.

use regex::Captures;

use super::rule::AnchoredRegex;

/// Whether `template` refers to the match at all.
#[must_use]
pub fn has_variables(template: &str) -> bool {
    template.contains('$')
}

/// Appends `template` to `out` with its references replaced from `captures`, a match of `regex`.
pub fn expand(regex: &AnchoredRegex, template: &str, captures: &Captures<'_>, out: &mut String) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(escaped) = after.strip_prefix('$') {
            out.push('$');
            rest = escaped;
        } else if let Some((name, tail)) = reference(after) {
            if let Some(group) = lookup(regex, name, captures) {
                out.push_str(group.as_str());
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
}

/// The name at the start of `text`, in braces or not, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (body, braced) = match text.strip_prefix('{') {
        Some(body) => (body, true),
        None => (text, false),
    };
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let end = body.find(|c| !word(c)).unwrap_or(body.len());
    let (name, tail) = body.split_at(end);
    if name.is_empty() {
        return None;
    }
    let tail = if braced {
        tail.strip_prefix('}')?
    } else {
        tail
    };
    Some((name, tail))
}

fn lookup<'t>(
    regex: &AnchoredRegex,
    name: &str,
    captures: &Captures<'t>,
) -> Option<regex::Match<'t>> {
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = name.len() > 1 && name.starts_with('0');
    if digits && !leading_zero {
        return captures.get(name.parse().ok()?);
    }
    regex.group(captures, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relabel::regex::compile;

    fn expanded(source: &str, text: &str, template: &str) -> String {
        let regex = compile(source).expect(source);
        let captures = regex.compiled.captures(text).expect("a match");
        let mut out = String::new();
        expand(&regex, template, &captures, &mut out);
        out
    }

    #[test]
    fn references_follow_go() {
        for (template, expected) in [
            ("$1-$2", "a-b"),
            ("${1}x", "ax"),
            ("$1x", ""),
            ("$0", "ab"),
            ("$name.${name}", "b.b"),
            ("${1x}", "b2"),
            ("$$1", "$1"),
            ("$", "$"),
            ("a$", "a$"),
            ("$-", "$-"),
            ("${}", "${}"),
            ("${1", "${1"),
            ("${1 }", "${1 }"),
            ("$9", ""),
            ("$01", ""),
            ("$99999999999999999999", ""),
            ("$1\u{e9}", ""),
            ("\u{e9}$1", "\u{e9}a"),
        ] {
            let (source, text) = if template == "${1x}" {
                ("a(?P<1x>b2)", "ab2")
            } else {
                ("(a)(?P<name>b)", "ab")
            };
            assert_eq!(expanded(source, text, template), expected, "{template}");
        }
    }

    #[test]
    fn a_group_that_took_no_part_is_empty() {
        assert_eq!(expanded("(a)|(b)", "b", "[$1][$2]"), "[][b]");
        assert_eq!(expanded("(?P<n>a)|b", "b", "[$n]"), "[]");
    }
}
