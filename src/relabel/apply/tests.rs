//! Rules against a slow, obvious model: label sets as ordered maps, templates read character by
//! character, expressions simple enough to be interpreted by hand.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::relabel::regex::compile;

type Map = BTreeMap<String, String>;

/// The expressions the model understands, by what they capture from a text.
const REGEXES: [&str; 6] = ["(.*)", "", "a.*", "(a|b)(.*)", "(.*)_x", "[^;]+;(.*)"];

/// The groups of a match, the whole text first, by plain string functions.
fn model_match(source: &str, text: &str) -> Option<Vec<String>> {
    let groups = |parts: &[&str]| {
        let all = std::iter::once(text).chain(parts.iter().copied());
        Some(all.map(str::to_owned).collect())
    };
    match source {
        "(.*)" => groups(&[text]),
        "" => text.is_empty().then(|| groups(&[])).flatten(),
        "a.*" => text.starts_with('a').then(|| groups(&[])).flatten(),
        "(a|b)(.*)" => {
            let starts = text.starts_with(['a', 'b']);
            starts.then(|| groups(&[&text[..1], &text[1..]])).flatten()
        }
        "(.*)_x" => text.strip_suffix("_x").and_then(|stem| groups(&[stem])),
        _ => {
            let (first, rest) = text.split_once(';')?;
            (!first.is_empty()).then(|| groups(&[rest])).flatten()
        }
    }
}

/// Templates of single-digit references only.
fn model_expand(template: &str, groups: &[String]) -> String {
    let mut out = String::new();
    let mut chars = template.chars();
    while let Some(c) = chars.next() {
        if c == '$' {
            let digit = chars.next().and_then(|c| c.to_digit(10)).expect("a digit");
            out.push_str(groups.get(digit as usize).map_or("", String::as_str));
        } else {
            out.push(c);
        }
    }
    out
}

fn model_set(map: &mut Map, name: &str, value: &str) {
    map.remove(name);
    if !value.is_empty() {
        map.insert(name.to_owned(), value.to_owned());
    }
}

fn model_rule(rule: &Rule, map: &mut Map) -> bool {
    let get = |map: &Map, name: &str| map.get(name).cloned().unwrap_or_default();
    let sources: Vec<String> = rule
        .source_labels
        .iter()
        .map(|name| get(map, name))
        .collect();
    let value = sources.join(&rule.separator);
    let source = &*rule.regex.source;
    let before = map.clone();
    match rule.action {
        Action::Keep => return model_match(source, &value).is_some(),
        Action::Drop => return model_match(source, &value).is_none(),
        Action::KeepEqual => return get(map, &rule.target_label) == value,
        Action::DropEqual => return get(map, &rule.target_label) != value,
        Action::Replace => {
            if let Some(groups) = model_match(source, &value) {
                let target = model_expand(&rule.target_label, &groups);
                let legal = target
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_');
                let legal = legal && !target.starts_with(|c: char| c.is_ascii_digit());
                if !target.is_empty() && (legal || rule.scheme == NameScheme::Utf8) {
                    model_set(map, &target, &model_expand(&rule.replacement, &groups));
                }
            }
        }
        Action::HashMod => {
            let sum = format!("{:x}", md5_hex(&value));
            let low = u64::from_str_radix(&sum[16..], 16).expect("hex");
            model_set(map, &rule.target_label, &(low % rule.modulus).to_string());
        }
        Action::LabelMap => {
            for (name, value) in &before {
                if let Some(groups) = model_match(source, name) {
                    model_set(map, &model_expand(&rule.replacement, &groups), value);
                }
            }
        }
        Action::LabelDrop => map.retain(|name, _| model_match(source, name).is_none()),
        Action::LabelKeep => map.retain(|name, _| model_match(source, name).is_some()),
        Action::Lowercase => model_set(map, &rule.target_label, &value.to_ascii_lowercase()),
        Action::Uppercase => model_set(map, &rule.target_label, &value.to_ascii_uppercase()),
    }
    true
}

struct Hex([u8; 16]);

impl std::fmt::LowerHex for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn md5_hex(text: &str) -> Hex {
    Hex(Md5::digest(text.as_bytes()).into())
}

fn any_name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "ab", "c_x", "a_x", "d"]).prop_map(str::to_owned)
}

fn any_value() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "a", "B", "a;b", "b_x", "x.y", "1", "Ab_x"])
        .prop_map(str::to_owned)
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let actions = vec![
        Action::Replace,
        Action::Replace,
        Action::Replace,
        Action::Keep,
        Action::Drop,
        Action::KeepEqual,
        Action::DropEqual,
        Action::HashMod,
        Action::LabelMap,
        Action::LabelDrop,
        Action::LabelKeep,
        Action::Lowercase,
        Action::Uppercase,
    ];
    let templates = vec!["a", "d", "$1", "x$2", "n$0", "$1$2", ""];
    (
        prop::sample::select(actions),
        prop::collection::vec(any_name(), 0..3),
        prop::sample::select(vec![";", "", "-"]),
        prop::sample::select(REGEXES.to_vec()),
        prop::sample::select(vec!["a", "d", "t", "$1", "x$2"]),
        prop::sample::select(templates),
        any::<bool>(),
    )
        .prop_map(
            |(action, source_labels, separator, regex, target, replacement, legacy)| Rule {
                action,
                source_labels,
                separator: separator.to_owned(),
                regex: compile(regex).expect(regex),
                modulus: 7,
                target_label: target.to_owned(),
                replacement: replacement.to_owned(),
                scheme: if legacy {
                    NameScheme::Legacy
                } else {
                    NameScheme::Utf8
                },
            },
        )
}

proptest! {
    #[test]
    fn rules_do_what_the_model_does(
        rules in prop::collection::vec(any_rule(), 1..6),
        pairs in prop::collection::btree_map(any_name(), any_value(), 0..6),
    ) {
        let mut map: Map = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let mut labels = LabelsBuilder::from_pairs(&map);
        let kept = apply(&rules, &mut labels);
        let model_kept = rules.iter().all(|rule| model_rule(rule, &mut map));
        prop_assert_eq!(kept, model_kept);
        if kept {
            let mine: Map = labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            prop_assert_eq!(mine, map);
        }
    }
}

#[test]
fn case_is_mapped_character_by_character() {
    let upper: String = "stra\u{df}e \u{1fb3}\u{1f80} \u{fb01}"
        .chars()
        .map(upper)
        .collect();
    assert_eq!(upper, "STRA\u{df}E \u{1fbc}\u{1f88} \u{fb01}");
    let lower: String = "\u{130}I\u{3a3}".chars().map(lower).collect();
    assert_eq!(lower, "ii\u{3c3}");
}

/// Copies that go before all that is there moved it one by one: these took ten seconds.
#[test]
fn very_many_copies_cost_no_more_than_sorting_them() {
    let names: Vec<String> = (0..100_000).map(|number| format!("_{number:06}")).collect();
    let mut labels = LabelsBuilder::from_pairs(names.iter().map(|name| (name, name)));
    let rule = Rule {
        action: Action::LabelMap,
        regex: compile("_(.*)").expect("valid"),
        replacement: "A$1".to_owned(),
        source_labels: Vec::new(),
        separator: String::new(),
        modulus: 0,
        target_label: String::new(),
        scheme: NameScheme::Utf8,
    };
    assert!(apply(&[rule], &mut labels));
    assert_eq!(labels.len(), 200_000);
    assert_eq!(labels.get("A000007"), "_000007");
    assert!(labels.iter().is_sorted());
}
