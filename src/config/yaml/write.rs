//! A tree as YAML text in block style, laid out as go-yaml lays it out.
//!
//! What is written parses to the same tree. Quotes are used where a text would otherwise be read
//! as something else.

use std::fmt::Write as _;

use super::scalar::{Resolved, resolve};
use super::{Node, Value};

/// A text, quoted only if it has to be.
#[must_use]
pub fn text(text: &str) -> Node {
    let plain = can_stand_plain(text) && resolve(text, true) == Resolved::Text;
    scalar(text, plain)
}

/// A number, boolean or other word, written without quotes.
#[must_use]
pub fn word(word: impl ToString + Copy) -> Node {
    scalar(&word.to_string(), true)
}

/// A list.
#[must_use]
pub fn list(items: impl IntoIterator<Item = Node>) -> Node {
    node(Value::Sequence(items.into_iter().collect()))
}

/// A mapping.
#[must_use]
pub fn mapping(entries: impl IntoIterator<Item = (String, Node)>) -> Node {
    let entries = entries.into_iter().map(|(key, value)| (text(&key), value));
    node(Value::Mapping(entries.collect()))
}

fn scalar(text: &str, plain: bool) -> Node {
    let text = text.to_owned();
    node(Value::Scalar { text, plain })
}

fn node(value: Value) -> Node {
    Node {
        line: 0,
        column: 0,
        value,
    }
}

/// The text of a tree, ending in a line feed.
#[must_use]
pub fn to_text(node: &Node) -> String {
    let mut out = String::new();
    block(&mut out, node, 0);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Writes a node that begins at the current position; later lines are indented by `indent`.
fn block(out: &mut String, node: &Node, indent: usize) {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Scalar { text, plain } => flow(out, text, *plain),
        Value::Sequence(items) if items.is_empty() => out.push_str("[]"),
        Value::Mapping(entries) if entries.is_empty() => out.push_str("{}"),
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                line(out, index, indent);
                out.push_str("- ");
                block(out, item, indent + 2);
            }
        }
        Value::Mapping(entries) => {
            for (index, (key, value)) in entries.iter().enumerate() {
                line(out, index, indent);
                block(out, key, indent);
                out.push(':');
                below(out, value, indent);
            }
        }
    }
}

/// Begins a new line, except before the first entry.
fn line(out: &mut String, index: usize, indent: usize) {
    if index > 0 {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent));
    }
}

/// Writes the value of a key: lists at the key's own indentation, mappings two deeper.
fn below(out: &mut String, value: &Node, indent: usize) {
    let inner = match &value.value {
        Value::Sequence(items) if !items.is_empty() => indent,
        Value::Mapping(entries) if !entries.is_empty() => indent + 2,
        _ => {
            out.push(' ');
            return block(out, value, indent);
        }
    };
    line(out, 1, inner);
    block(out, value, inner);
}

fn flow(out: &mut String, text: &str, plain: bool) {
    if plain && can_stand_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) < 0x100 => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if u32::from(c) < 0x1_0000 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out.push('"');
}

fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// Whether a text keeps its meaning without quotes in a block.
fn can_stand_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return false;
    };
    let indicator = ",[]{}#&*!|>'\"%@`".contains(first);
    let half = "-?:".contains(first) && chars.next().is_none_or(|next| ",[]{} ".contains(next));
    !indicator
        && !half
        && text.trim() == text
        && text
            .chars()
            .all(|c| is_printable(c) && (c == ' ' || !c.is_whitespace()))
        && !text.contains(": ")
        && !text.ends_with(':')
        && !text.contains(" #")
        && !text.starts_with("---")
        && !text.starts_with("...")
        && text != "<<"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::yaml::parse;
    use crate::config::yaml::tests::read_alike;

    #[test]
    fn layout_is_that_of_go_yaml() {
        let source = "a: 1\nb:\n- x\n- y: z\n  w:\n  - \"1\"\n- []\nc:\n  d: {}\n  e: \"yes\"\n";
        let root = parse(source).expect("valid").root;
        assert_eq!(to_text(&root), source);
        assert_eq!(to_text(&mapping([])), "{}\n");
        assert_eq!(to_text(&list([list([word(1)])])), "- - 1\n");
    }

    #[test]
    fn texts_are_quoted_where_they_would_mean_something_else() {
        for (text, expected) in [
            ("a", "a"),
            ("<secret>", "<secret>"),
            ("http://x:80/", "http://x:80/"),
            ("(.*)", "(.*)"),
            ("$1", "$1"),
            (";", ";"),
            ("yes", "\"yes\""),
            ("5", "\"5\""),
            ("", "\"\""),
            ("a: b", "\"a: b\""),
            ("a #b", "\"a #b\""),
            ("- a", "\"- a\""),
            ("-a", "-a"),
            ("a\nb\u{1}", "\"a\\nb\\x01\""),
            ("<<", "\"<<\""),
        ] {
            assert_eq!(
                to_text(&super::text(text)),
                format!("{expected}\n"),
                "{text:?}"
            );
        }
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z0-9_:/.<>()*$;|-]{0,8}",
            "[ #:'\"\\\\&*!%@`{}\\[\\],?~=-]{0,6}",
            any::<String>(),
            Just("null".to_owned()),
        ]
    }

    fn any_node() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            any_text().prop_map(|own| text(&own)),
            any::<i32>().prop_map(word),
            any::<bool>().prop_map(word),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(list),
                prop::collection::btree_map(any_text(), inner, 0..4).prop_map(mapping),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(root in any_node()) {
            let text = to_text(&root);
            let back = parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
            prop_assert!(back.root.same_content(&root), "{text}");
            read_alike(&text)?;
        }
    }
}
