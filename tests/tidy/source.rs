//! Source files, and their text without comments, literals and tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
#[derive(Clone)]
pub(crate) struct Source {
    /// Relative to the repository, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder whose name ends so, sorted; none when there is no such folder.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root().join(folder), ending, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            let built = name == "target" || name.starts_with("data");
            if !built && !name.starts_with('.') {
                collect(&path, ending, found);
            }
        } else if name.ends_with(ending) {
            let relative = path.strip_prefix(root()).expect("below the root");
            found.push(Source {
                path: relative.to_string_lossy().into_owned(),
                text: fs::read_to_string(&path).expect("a text"),
            });
        }
    }
}

/// Whether a whole file is about tests.
pub(crate) fn is_test_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    !path.starts_with("src/")
        || name == "tests.rs"
        || name == "testing.rs"
        || name.ends_with("_tests.rs")
        || path.contains("/tests/")
}

/// The text before the first inline test module; nothing of a test file.
pub(crate) fn without_tests(source: &Source) -> &str {
    if is_test_file(&source.path) {
        return "";
    }
    let end = source.text.match_indices("#[cfg(test)]").find(|(at, _)| {
        let rest = source.text[at + "#[cfg(test)]".len()..].trim_start();
        rest.starts_with("mod ") && !rest[..rest.find('\n').unwrap_or(rest.len())].ends_with(';')
    });
    end.map_or(source.text.as_str(), |(at, _)| &source.text[..at])
}

/// Code with comments removed, and literals separately.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Parts {
    /// The code; literals are reduced to `""`.
    pub(crate) code: String,
    /// The contents of string literals, escapes as written.
    pub(crate) literals: Vec<String>,
}

/// Separates code, literals and comments.
pub(crate) fn parts(text: &str) -> Parts {
    let mut parts = Parts::default();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, after)| after);
        } else if let Some((literal, after)) = raw_string(rest, &parts.code) {
            parts.literals.push(literal.to_owned());
            parts.code.push_str("\"\"");
            rest = after;
        } else if first == '"' {
            let (literal, after) = string(rest);
            parts.literals.push(literal.to_owned());
            parts.code.push_str("\"\"");
            rest = after;
        } else if let Some(after) = character(rest) {
            parts.code.push_str("' '");
            rest = after;
        } else {
            parts.code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    parts
}

fn string(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return (&text[1..at], &text[at + 1..]),
            _ => {}
        }
    }
    (&text[1..], "")
}

fn raw_string<'a>(text: &'a str, before: &str) -> Option<(&'a str, &'a str)> {
    let in_word = before.ends_with(|c: char| c.is_alphanumeric() && c != 'b' || c == '_');
    let body = text.strip_prefix('r').filter(|_| !in_word)?;
    let fence = body.len() - body.trim_start_matches('#').len();
    let body = body[fence..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(fence));
    body.split_once(&end)
}

/// What follows a character literal; `'a` alone is a lifetime.
fn character(text: &str) -> Option<&str> {
    let body = text.strip_prefix('\'')?;
    if let Some(escape) = body.strip_prefix('\\') {
        let end = escape.char_indices().skip(1).find(|(_, c)| *c == '\'')?.0;
        return Some(&escape[end + 1..]);
    }
    let first = body.chars().next()?;
    body[first.len_utf8()..].strip_prefix('\'')
}

#[test]
fn code_literals_and_comments_are_told_apart() {
    let text = "a /* \"x\" */ b(\"c\\\"d\", '\"', r#\"e\"f\"#) // \"g\"\n'h: &'static str";
    let expected = Parts {
        code: "a  b(\"\", ' ', \"\") \n'h: &'static str".to_owned(),
        literals: vec!["c\\\"d".to_owned(), "e\"f".to_owned()],
    };
    assert_eq!(parts(text), expected);
}

#[test]
fn test_modules_are_left_out() {
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let inline = source("src/a.rs", "one\n#[cfg(test)]\nmod tests {\ntwo\n}\n");
    assert_eq!(without_tests(&inline), "one\n");
    let declared = source("src/a.rs", "#[cfg(test)]\nmod tests;\none\n");
    assert_eq!(without_tests(&declared), declared.text);
    assert_eq!(without_tests(&source("src/a/tests.rs", "one\n")), "");
}
