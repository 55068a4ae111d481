//! File patterns as Go's `filepath.Match` reads them, for one path element.
//!
//! Prometheus allows a star only in the last element, so a pattern is a folder and a pattern for
//! the names in it. Looking into the folder is the caller's part.

/// Whether Prometheus accepts the pattern: a star only in the last path element.
#[must_use]
pub fn is_valid(pattern: &str) -> bool {
    match pattern.find('*') {
        None => true,
        Some(star) => !pattern[star..].contains('/'),
    }
}

/// Folder (empty for the current one) and pattern of the names in it.
#[must_use]
pub fn split(pattern: &str) -> (&str, &str) {
    match pattern.rfind('/') {
        None => ("", pattern),
        Some(0) => ("/", &pattern[1..]),
        Some(slash) => (&pattern[..slash], &pattern[slash + 1..]),
    }
}

/// Whether a pattern needs the folder to be listed; otherwise it names one file.
#[must_use]
pub fn has_meta(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '\\'])
}

/// Whether a name matches a pattern of `*`, `?`, `[a-z]`, `[^a-z]` and `\x`. A malformed pattern
/// matches nothing.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // Greedy with one point to return to: linear in practice, quadratic at worst.
    let (mut at, mut used) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while used < name.len() {
        if pattern.get(at) == Some(&'*') {
            retry = Some((at + 1, used));
            at += 1;
        } else if let Some(next) = one(&pattern, at, name[used]) {
            at = next;
            used += 1;
        } else if let Some((after, from)) = retry {
            retry = Some((after, from + 1));
            (at, used) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

/// Matches one character against the element at `at`; returns where the next element begins.
fn one(pattern: &[char], at: usize, c: char) -> Option<usize> {
    match *pattern.get(at)? {
        '?' => Some(at + 1),
        '[' => class(pattern, at + 1, c),
        '\\' => (*pattern.get(at + 1)? == c).then_some(at + 2),
        own => (own == c).then_some(at + 1),
    }
}

fn class(pattern: &[char], mut at: usize, c: char) -> Option<usize> {
    let negated = pattern.get(at) == Some(&'^');
    at += usize::from(negated);
    let (mut found, mut first) = (false, true);
    while first || *pattern.get(at)? != ']' {
        first = false;
        let low = *pattern.get(at)?;
        let mut high = low;
        at += 1;
        if pattern.get(at) == Some(&'-') {
            high = *pattern.get(at + 1)?;
            at += 2;
        }
        found |= (low..=high).contains(&c);
    }
    (found != negated).then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_go() {
        for (pattern, name, expected) in [
            ("*.yml", "a.yml", true),
            ("*.yml", ".yml", true),
            ("*.yml", "a.yaml", false),
            ("a*b*c", "aXbYbc", true),
            ("a*b*c", "aXbYb", false),
            ("[a-c]?.yml", "b1.yml", true),
            ("[^a-c]?.yml", "b1.yml", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[", "[", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_star_is_allowed_only_in_the_last_element() {
        assert!(is_valid("a/*.yml") && is_valid("a/b.yml"));
        assert!(!is_valid("*/b.yml"));
        assert_eq!(split("a/b/*.yml"), ("a/b", "*.yml"));
        assert_eq!(split("/x.yml"), ("/", "x.yml"));
        assert_eq!(split("x.yml"), ("", "x.yml"));
    }
}
