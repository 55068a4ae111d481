//! Scalars, tags, aliases, merge keys, bounds and positions, one by one.

mod second_reader;

pub(super) use second_reader::read_alike;

use super::scalar::{Resolved, resolve};
use super::*;

/// Prints a tree in one line, quoted scalars quoted.
fn show(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Scalar { text, plain: true } => text.clone(),
        Value::Scalar { text, plain: false } => format!("{text:?}"),
        Value::Sequence(items) => {
            let items: Vec<String> = items.iter().map(show).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Mapping(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{}:{}", show(key), show(value)))
                .collect();
            format!("{{{}}}", entries.join(" "))
        }
    }
}

fn tree(text: &str) -> String {
    parse(text).map_or_else(|error| error.to_string(), |document| show(&document.root))
}

#[test]
fn scalars_keep_whether_they_were_quoted() {
    assert_eq!(
        tree("a: 5\nb: \"5\"\nc: '~'\nd: ~\ne:\nf: |\n  x\n"),
        r#"{a:5 b:"5" c:"~" d:null e:null f:"x\n"}"#
    );
    assert_eq!(tree(""), "null");
    assert_eq!(tree("# only a comment\n"), "null");
}

#[test]
fn tags_change_what_a_scalar_is() {
    assert_eq!(
        tree("[!!str 5, !!int \"5\", !!binary aGVsbG8=, !own true, !!null x]"),
        r#"["5" 5 "hello" "true" null]"#
    );
    assert_eq!(
        tree("a: !!binary '='"),
        "yaml: line 1: !!binary value contains invalid base64 data"
    );
}

#[test]
fn aliases_and_merge_keys_are_folded_in() {
    assert_eq!(tree("a: &x [1]\nb: *x"), "{a:[1] b:[1]}");
    assert_eq!(
        tree("base: &b {x: 1, y: 2}\nc:\n  <<: *b\n  y: 3"),
        "{base:{x:1 y:2} c:{x:1 y:3}}"
    );
    assert_eq!(
        tree("- &b {x: 1}\n- &c {x: 2, z: 4}\n- <<: [*b, *c]\n  y: 3"),
        "[{x:1} {x:2 z:4} {x:1 z:4 y:3}]"
    );
    assert_eq!(
        tree("x: 1\n<<: {x: 2, y: 3}\ny: 4\ny: 5"),
        "{x:2 y:4 y:5}",
        "the later wins, a key written twice stays for the reader to refuse"
    );
    assert_eq!(tree("\"<<\": {a: 1}"), r#"{"<<":{a:1}}"#);
    assert_eq!(
        tree("a: 1\n<<: [5]"),
        "yaml: line 2: map merge requires map or sequence of maps as the value"
    );
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        let list = vec![alias; 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{list}]\n"));
    }
    assert!(
        tree(&text).ends_with("document contains excessive aliasing or nodes"),
        "{}",
        tree(&text)
    );
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = "[".repeat(100) + &"]".repeat(100);
    assert_eq!(tree(&deep), "yaml: line 1: exceeded max depth");
    let deeper = "[".repeat(100_000);
    assert!(tree(&deeper).starts_with("yaml: line 1: "));
    let chained: String = (1..40)
        .map(|i| format!("- &b{i} [[*b{}]]\n", i - 1))
        .collect();
    let chained = format!("- &b0 x\n{chained}");
    assert!(tree(&chained).ends_with("exceeded max depth"));
    let big = " ".repeat(limits::CONFIG_FILE_BYTES + 1);
    assert!(tree(&big).contains("file is larger than"));
}

#[test]
fn an_alias_inside_its_own_anchor_is_refused() {
    assert_eq!(
        tree("a: &x [*x]"),
        "yaml: line 1: anchor value contains itself"
    );
}

#[test]
fn positions_are_those_of_the_file() {
    let root = parse("a:\n  b: [1,\n    2]\nc:\nd:\n  -\n  - 5\n")
        .expect("valid")
        .root;
    let Value::Mapping(entries) = &root.value else {
        panic!("no mapping")
    };
    let Value::Mapping(inner) = &entries[0].1.value else {
        panic!("no inner mapping")
    };
    assert_eq!((inner[0].0.line, inner[0].0.column), (2, 3));
    let Value::Sequence(items) = &inner[0].1.value else {
        panic!("no list")
    };
    assert_eq!((items[1].line, items[1].column), (3, 5));
    assert_eq!(entries[1].1.line, 4, "an empty value stands at its key");
    let Value::Sequence(items) = &entries[2].1.value else {
        panic!("no list")
    };
    assert_eq!(items[0].line, 6, "an empty item stands at its dash");
}

#[test]
fn only_the_first_document_is_read() {
    let document = parse("a: 1\n---\nb: [\n").expect("first document is fine");
    assert_eq!(show(&document.root), "{a:1}");
    assert_eq!(document.ignored_from, Some(2));
    assert_eq!(tree("---\na: 1\n...\n"), "{a:1}");
}

#[test]
fn words_and_numbers_resolve_as_in_go_yaml() {
    for (text, expected) in [
        ("y", Resolved::Bool(true)),
        ("Off", Resolved::Bool(false)),
        ("yEs", Resolved::Text),
        ("~", Resolved::Null),
        ("1_000", Resolved::Int(1000)),
        ("0x1F", Resolved::Int(31)),
        ("010", Resolved::Int(8)),
        ("0o10", Resolved::Int(8)),
        ("-0b11", Resolved::Int(-3)),
        ("18446744073709551615", Resolved::Uint(u64::MAX)),
        ("-9223372036854775808", Resolved::Int(i64::MIN)),
        ("1.5", Resolved::Float(1.5)),
        ("1e3", Resolved::Float(1000.0)),
        (".5", Resolved::Float(0.5)),
        ("089", Resolved::Float(89.0)),
        ("-.inf", Resolved::Float(f64::NEG_INFINITY)),
        ("1.2.3", Resolved::Text),
        ("+-5", Resolved::Text),
        ("-", Resolved::Text),
        ("infinity", Resolved::Text),
    ] {
        assert_eq!(resolve(text, true), expected, "{text}");
    }
    assert_eq!(resolve("true", false), Resolved::Text);
}

#[test]
fn broken_text_names_the_line() {
    assert!(tree("a: [1\nb: 2\n").starts_with("yaml: line "));
    assert!(tree("a: b: c\n").starts_with("yaml: line 1: "));
    assert!(tree("a: *nope\n").starts_with("yaml: line 1: "));
}
