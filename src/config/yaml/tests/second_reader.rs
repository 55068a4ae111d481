//! Another implementation as the judge: what our reader and `serde_yaml` (libyaml, of which go-yaml
//! is a port) both accept, they understand alike. `serde_yaml` speaks YAML 1.2, so the words of 1.1
//! are texts to it; [`alike`] knows these and no other differences.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize as _;
use serde_yaml::Value as Theirs;

use super::super::scalar::{Resolved, resolve};
use super::super::{Node, Value, parse};

/// The first document as `serde_yaml` reads it, merge keys folded in. It would merge by a quoted
/// `<<` too, which is an ordinary key, so a text that has one is taken without merging.
fn read_by_other(text: &str) -> Result<Theirs, serde_yaml::Error> {
    match serde_yaml::Deserializer::from_str(text).next() {
        None => Ok(Theirs::Null),
        Some(first) => {
            let mut root = Theirs::deserialize(first)?;
            if !text.contains("\"<<\"") {
                root.apply_merge()?;
            }
            Ok(root)
        }
    }
}

/// Whether YAML 1.1 makes something of an unquoted text that is only a text to 1.2: other booleans,
/// underscores between digits, numbers with a leading zero.
fn only_in_1_1(text: &str) -> bool {
    let word = |known: &str| text.eq_ignore_ascii_case(known);
    let digits = text.trim_start_matches(['+', '-']);
    let octal = digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    ["y", "n", "yes", "no", "on", "off"].into_iter().any(word) || text.contains('_') || octal
}

fn scalars_alike(text: &str, plain: bool, theirs: &Theirs) -> bool {
    match (resolve(text, plain), theirs) {
        (Resolved::Text, Theirs::String(other)) => text == other,
        (_, Theirs::String(other)) => text == other && only_in_1_1(text),
        (Resolved::Bool(own), Theirs::Bool(other)) => own == *other,
        (Resolved::Int(own), Theirs::Number(other)) => other.as_i64() == Some(own),
        (Resolved::Uint(own), Theirs::Number(other)) => other.as_u64() == Some(own),
        (Resolved::Float(own), Theirs::Number(other)) => other
            .as_f64()
            .is_some_and(|other| own == other || (own.is_nan() && other.is_nan())),
        _ => false,
    }
}

/// Whether both trees mean the same; the order of keys has no meaning.
fn alike(own: &Node, theirs: &Theirs) -> bool {
    match (&own.value, theirs) {
        (Value::Null, Theirs::Null) => true,
        (Value::Scalar { text, plain }, theirs) => scalars_alike(text, *plain, theirs),
        (Value::Sequence(own), Theirs::Sequence(theirs)) => {
            own.len() == theirs.len() && own.iter().zip(theirs).all(|(a, b)| alike(a, b))
        }
        (Value::Mapping(own), Theirs::Mapping(theirs)) => {
            let found = |(key, value): &(Node, Node)| {
                theirs.iter().any(|(a, b)| alike(key, a) && alike(value, b))
            };
            own.len() == theirs.len() && own.iter().all(found)
        }
        _ => false,
    }
}

/// Whether both read a text, and what they read is [`alike`].
pub(in crate::config::yaml) fn read_alike(text: &str) -> Result<(), TestCaseError> {
    let fail = |error: String| TestCaseError::fail(format!("{error}\n{text}"));
    let own = parse(text).map_err(|error| fail(format!("we refuse: {error}")))?;
    let theirs = read_by_other(text).map_err(|error| fail(format!("they refuse: {error}")))?;
    prop_assert!(
        alike(&own.root, &theirs),
        "{text}\n{:?}\n{theirs:?}",
        own.root
    );
    Ok(())
}

#[test]
fn the_configurations_of_the_golden_files_are_read_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let mut compared = 0;
    for entry in fs::read_dir(folder).expect("golden folder") {
        let path = entry.expect("entry").path();
        let name = path.to_string_lossy();
        if !name.ends_with(".good.yml") && !name.ends_with(".effective.yml") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("readable");
        read_alike(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        compared += 1;
    }
    assert!(compared >= 20, "only {compared} files found");
}

/// A value as lines: `key: FIRST` where it may begin behind its key, else below it.
#[derive(Clone, Debug)]
enum Lines {
    Behind(Vec<String>),
    Below(Vec<String>),
}

fn plain() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z][a-zA-Z0-9_./-]{0,7}",
        "[-+]?[0-9]{1,4}(\\.[0-9]{0,2})?",
        "[a-z]{1,3}:[0-9]{1,4}",
        prop::sample::select(vec![
            "",
            "~",
            "null",
            "true",
            "False",
            "yes",
            "On",
            "n",
            "0x1F",
            "0o17",
            "017",
            "1_000",
            "1e3",
            ".5",
            ".inf",
            "-.Inf",
            ".NaN",
            "a#b",
            "a b",
            "a:b",
            "$1",
            "=",
            "12:30",
            "2026-01-01",
        ])
        .prop_map(str::to_owned),
    ]
}

fn quoted() -> impl Strategy<Value = String> {
    prop_oneof![
        "'([ -&(-~]|'')*'",
        r##""([ !#-\[\]-~]|\\[0abtnvfre "\\/NLP_]|\\x[0-7][0-9a-f]|\\u00[0-9a-f]{2})*""##,
        "!!str '?[0-9]{1,2}".prop_map(|text| if text.contains('\'') {
            text + "'"
        } else {
            text
        }),
    ]
}

/// A value on one line.
fn flow() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![plain(), quoted()];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(quoted().boxed().prop_union(inner.clone().boxed()), 0..4)
                .prop_map(|items| items
                    .into_iter()
                    .filter(|i| !i.is_empty())
                    .collect::<Vec<_>>())
                .prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec(inner, 0..4).prop_map(|items| {
                let entries = items.iter().enumerate();
                let entries: Vec<String> = entries
                    .map(|(index, item)| format!("{} {item}", key(index)))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }),
        ]
    })
}

/// Distinct keys in all ways to write them.
fn key(index: usize) -> String {
    match index % 4 {
        0 => format!("k{index}:"),
        1 => format!("'k {index}':"),
        2 => format!("\"k\\t{index}\" :"),
        _ => format!("{index}:"),
    }
}

/// A block scalar, or a quoted or plain one folded over lines.
fn several_lines() -> impl Strategy<Value = Vec<String>> {
    let lines = || prop::collection::vec("([a-z#:'\"\\[-]( ?[a-z#:'\"-]){0,5})?", 0..5);
    let indented = |head: String, lines: Vec<String>| {
        let lines = lines.into_iter();
        let indented = lines.map(|line| match line.is_empty() {
            true => line,
            false => format!("  {line}"),
        });
        std::iter::once(head).chain(indented).collect()
    };
    let words = || prop::collection::vec("([a-z]{1,3}( [a-z]{1,3})?)?", 0..4);
    let folded = move |open: &str, mut lines: Vec<String>, close: &str| {
        lines.push(format!("z{close}"));
        indented(format!("{open}a"), lines)
    };
    prop_oneof![
        ("[|>][-+]?( # note)?", lines()).prop_map(move |(head, lines)| indented(head, lines)),
        words().prop_map(move |lines| folded("'", lines, "'")),
        words().prop_map(move |lines| folded("\"", lines, "\"")),
        words().prop_map(move |lines| folded("", lines, "")),
    ]
}

fn indent(lines: Vec<String>) -> impl Iterator<Item = String> {
    lines.into_iter().map(|line| match line.is_empty() {
        true => line,
        false => format!("  {line}"),
    })
}

fn sequence(items: Vec<Lines>) -> Lines {
    let mut out = Vec::new();
    for item in items {
        let (Lines::Behind(lines) | Lines::Below(lines)) = item;
        let start = out.len();
        out.extend(indent(lines));
        out[start] = format!("- {}", out[start].trim_start());
    }
    Lines::Below(out)
}

fn mapping(items: Vec<Lines>) -> Lines {
    let mut out = vec!["# note".to_owned()];
    for (index, item) in items.into_iter().enumerate() {
        let start = out.len();
        match item {
            Lines::Behind(lines) => {
                out.extend(indent(lines));
                out[start] = format!("{} {}", key(index), out[start].trim_start());
            }
            Lines::Below(lines) => {
                out.push(format!("{} # note", key(index)));
                out.extend(indent(lines));
            }
        }
    }
    out.remove(0);
    Lines::Below(out)
}

/// A document in all the styles that configurations are written in.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        flow().prop_map(|text| Lines::Behind(vec![text])),
        several_lines().prop_map(Lines::Behind),
    ];
    let tree = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(sequence),
            prop::collection::vec(inner, 1..4).prop_map(mapping),
        ]
    });
    tree.prop_map(|(Lines::Behind(lines) | Lines::Below(lines))| lines.join("\n") + "\n")
}

/// A tree for `serde_yaml` to write. A key `<<` means a merge, and the line breaks that only
/// YAML 1.1 has are not written in a way that 1.2 reads.
fn tree() -> impl Strategy<Value = Theirs> {
    let written =
        |text: &String| text != "<<" && !text.contains(['\u{85}', '\u{2028}', '\u{2029}']);
    let text = move || {
        prop_oneof!["[ -~\n]{0,12}", "[ #:'\"|>\n-]{0,8}", any::<String>()]
            .prop_filter("both can write it", written)
    };
    let leaf = prop_oneof![
        text().prop_map(Theirs::from),
        plain().prop_map(Theirs::from),
        any::<i64>().prop_map(Theirs::from),
        any::<f64>().prop_map(Theirs::from),
        any::<bool>().prop_map(Theirs::from),
        Just(Theirs::Null),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let entries = prop::collection::btree_map(text(), inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Theirs::from),
            entries.prop_map(|entries| {
                let entries = entries.into_iter();
                Theirs::Mapping(entries.map(|(key, value)| (key.into(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn documents_in_all_styles_are_read_alike(text in document()) {
        read_alike(&text)?;
    }

    #[test]
    fn what_the_other_implementation_writes_is_read(tree in tree()) {
        let text = serde_yaml::to_string(&tree).expect("can be written");
        let own = parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert!(alike(&own.root, &tree), "{text}\n{:?}", own.root);
    }
}
