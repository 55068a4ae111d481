//! What is documented, and where links lead.

use std::collections::BTreeSet;
use std::path::Path;

use super::source::{Source, files, parts, root, without_tests};

/// How names of our own metrics begin.
const FAMILIES: [&str; 5] = [
    "prometheus_",
    "narthex_",
    "process_",
    "net_conntrack_",
    "promhttp_",
];

/// Metric names in a text: literals that are nothing else.
fn metric_names(text: &str) -> BTreeSet<String> {
    let is_name = |literal: &String| {
        let known = FAMILIES.iter().any(|family| literal.starts_with(family));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        known && literal.chars().all(plain) && !literal.ends_with('_')
    };
    parts(text).literals.into_iter().filter(is_name).collect()
}

/// Flags in the text of the command line: literals such as `--agent` and `web.listen-address`.
fn flags(text: &str) -> BTreeSet<String> {
    let flag = |literal: String| {
        let dashed = literal.starts_with("--");
        let name = literal
            .trim_start_matches("--")
            .trim_end_matches('=')
            .to_owned();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
        let file = [".yml", ".yaml", ".json", ".rs"]
            .iter()
            .any(|end| name.ends_with(end));
        let dotted = name.contains('.') && !name.ends_with('.') && !file;
        (begins && name.chars().all(plain) && (dashed || dotted)).then_some(name)
    };
    parts(text).literals.into_iter().filter_map(flag).collect()
}

/// Names that a text does not contain between backquotes, quotes or table lines.
fn undocumented(names: &BTreeSet<String>, docs: &str) -> Vec<String> {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    let is_there = |name: &String| {
        docs.match_indices(name.as_str()).any(|(at, _)| {
            let (before, after) = (&docs[..at], &docs[at + name.len()..]);
            !before.ends_with(joins) && !after.starts_with(joins)
        })
    };
    names
        .iter()
        .filter(|name| !is_there(name))
        .cloned()
        .collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// Links of a page: the targets, without those that leave the repository.
fn links(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        for piece in line.split("](").skip(1) {
            let target = piece.split([')', ' ']).next().unwrap_or_default();
            let outside = target.contains("://") || target.starts_with("mailto:");
            if !outside && !target.is_empty() {
                found.push(target);
            }
        }
    }
    found
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

fn dead_links(page: &Source) -> Vec<String> {
    let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
    let is_dead = |target: &&str| {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = root().join(folder).join(file);
        let text = if file.is_empty() {
            page.text.clone()
        } else if !path.exists() {
            return true;
        } else {
            std::fs::read_to_string(&path).unwrap_or_default()
        };
        !anchor.is_empty() && !anchors(&text).contains(anchor)
    };
    let dead = links(&page.text).into_iter().filter(is_dead);
    dead.map(|target| format!("{}: {target} leads nowhere", page.path))
        .collect()
}

#[test]
fn every_metric_is_documented() {
    let sources = files("src", ".rs");
    let names = sources
        .iter()
        .flat_map(|source| metric_names(without_tests(source)))
        .collect();
    let missing = undocumented(&names, &read("docs/metrics.md"));
    assert!(missing.is_empty(), "not in docs/metrics.md: {missing:#?}");
}

#[test]
fn every_flag_is_documented() {
    let sources = files("src", ".rs");
    let cli = sources
        .iter()
        .filter(|source| source.path.starts_with("src/cli"));
    let names = cli
        .flat_map(|source| flags(without_tests(source)))
        .collect();
    let pages: String = files("docs", ".md")
        .into_iter()
        .map(|page| page.text)
        .collect();
    let missing = undocumented(&names, &pages);
    assert!(missing.is_empty(), "in no page of docs/: {missing:#?}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let dead: Vec<String> = files("", ".md").iter().flat_map(dead_links).collect();
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn the_rules_find_what_they_are_for() {
    let names = metric_names("x(\"narthex_a_total\", \"process_x y\", \"prometheus_b\")");
    assert_eq!(
        undocumented(&names, "| `prometheus_b` | b |"),
        ["narthex_a_total"]
    );
    assert_eq!(
        undocumented(&names, "narthex_a_total_more prometheus_b"),
        ["narthex_a_total"]
    );
    let found = flags("f(\"--agent\", \"web.listen-address\", \"prometheus.yml\", \"a word\")");
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        ["agent", "web.listen-address"]
    );
    assert_eq!(
        links("[a](b.md#c) [d](https://e)\n```\n[f](g)\n```\n"),
        ["b.md#c"]
    );
    assert!(anchors("## Adding a case: how\n").contains("adding-a-case-how"));
    let page = Source {
        path: "docs/x.md".to_owned(),
        text: "# Here\n[a](#here) [b](#there) [c](../Cargo.toml) [d](absent.md)".to_owned(),
    };
    assert_eq!(dead_links(&page).len(), 2);
}
