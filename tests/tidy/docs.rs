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

/// Tests that a page names in backquotes: a path of modules that ends in a function.
fn named_tests(page: &str) -> Vec<&str> {
    let is_test = |word: &&str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        word.contains("::") && word.chars().all(plain)
    };
    page.split('`').skip(1).step_by(2).filter(is_test).collect()
}

/// The module that a file is the beginning of: `remote::tests` for `src/remote/tests/mod.rs`.
fn module(source: &Source) -> String {
    let path = source.path.trim_end_matches(".rs").trim_end_matches("/mod");
    let below = path.split_once('/').map_or(path, |(_, below)| below);
    below.replace('/', "::")
}

/// Whether one of the files has that test; modules within a file are not looked at.
fn has_test(sources: &[Source], test: &str) -> bool {
    let (path, function) = test.rsplit_once("::").unwrap_or(("", test));
    let within = |own: &str| {
        path.strip_prefix(own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let function = format!("fn {function}(");
    let mut own = sources.iter().filter(|source| within(&module(source)));
    own.any(|source| source.text.contains(&function))
}

#[test]
fn every_named_test_exists() {
    let sources = [files("src", ".rs"), files("tests", ".rs")].concat();
    let page = read("docs/remote-write-conformance.md");
    let named = named_tests(&page);
    assert!(named.len() > 60, "{} tests", named.len());
    let missing = named.into_iter().filter(|test| !has_test(&sources, test));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);
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
    let source = |path: &str| Source {
        path: path.to_owned(),
        text: "#[test]\nfn holds() {}".to_owned(),
    };
    let sources = [source("src/a/b/mod.rs"), source("tests/e2e/c.rs")];
    let page = "`a::b::tests::holds` `plain` `a::bc::holds` `e2e::c::holds` `e2e::c::fails`";
    let missing = named_tests(page).into_iter();
    let missing = missing.filter(|test| !has_test(&sources, test));
    assert_eq!(
        missing.collect::<Vec<_>>(),
        ["a::bc::holds", "e2e::c::fails"]
    );
    assert!(anchors("## Adding a case: how\n").contains("adding-a-case-how"));
    let page = Source {
        path: "docs/x.md".to_owned(),
        text: "# Here\n[a](#here) [b](#there) [c](../Cargo.toml) [d](absent.md)".to_owned(),
    };
    assert_eq!(dead_links(&page).len(), 2);
}
