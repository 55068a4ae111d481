//! Rules about single files and about what the program depends on.

use super::source::{Source, files, is_test_file, parts, root, without_tests};

/// The most lines a file may have, tests included.
const LINES: usize = 500;

/// Crates that are async runtimes, or that exist to be one's executor.
const RUNTIMES: [&str; 8] = [
    "tokio",
    "async-std",
    "smol",
    "async-executor",
    "async-io",
    "futures-executor",
    "monoio",
    "glommio",
];

/// The files that may sleep: the one that polls for conditions, with a deadline, and the one that
/// measures over a stretch of time.
const SLEEPERS: [&str; 2] = [
    "tests/e2e/support/wait.rs",
    "benches/side_by_side/sampler.rs",
];

/// Folders of somebody's machine.
const WORKPLACES: [&str; 3] = ["/tmp/", "/root/", "/home/"];

fn all() -> Vec<Source> {
    ["src", "tests", "benches"]
        .iter()
        .flat_map(|folder| files(folder, ".rs"))
        .collect()
}

fn check(sources: &[Source], rule: fn(&Source) -> Option<String>) {
    assert!(!sources.is_empty());
    let found: Vec<String> = sources.iter().filter_map(rule).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// A module's `tests.rs` is introduced by the module.
fn header(source: &Source) -> Option<String> {
    let begins = source.text.starts_with("//! ") || source.path.ends_with("/tests.rs");
    (!begins).then(|| format!("{}: does not begin with what it is (//!)", source.path))
}

fn length(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > LINES).then(|| format!("{}: {lines} lines, {LINES} are allowed", source.path))
}

fn ascii(source: &Source) -> Option<String> {
    let text = without_tests(source);
    let (number, line) = text
        .lines()
        .enumerate()
        .find(|(_, line)| !line.is_ascii())?;
    Some(format!("{}:{}: not ASCII: {line}", source.path, number + 1))
}

fn sleep(source: &Source) -> Option<String> {
    let sleeps = parts(&source.text).code.contains("thread::sleep");
    (sleeps && !SLEEPERS.contains(&source.path.as_str())).then(|| {
        format!(
            "{}: sleeps; wait for a condition with a deadline",
            source.path
        )
    })
}

fn workplace(source: &Source) -> Option<String> {
    let text = without_tests(source);
    let place = WORKPLACES.iter().find(|place| text.contains(**place))?;
    Some(format!("{}: mentions {place}", source.path))
}

fn unused_limits(limits: &str, others: &[Source]) -> Vec<String> {
    let code = parts(limits).code;
    let names = code.match_indices("pub const ").filter_map(|(at, begin)| {
        let rest = &code[at + begin.len()..];
        Some(rest[..rest.find(':')?].trim().to_owned())
    });
    let used = |name: &str| {
        let word = |text: &str| {
            text.match_indices(name).any(|(at, _)| {
                let joins = |c: char| c.is_alphanumeric() || c == '_';
                !text[..at].ends_with(joins) && !text[at + name.len()..].starts_with(joins)
            })
        };
        let elsewhere = others.iter().any(|one| word(&one.text));
        elsewhere || code.matches(name).count() > 1
    };
    names.filter(|name| !used(name)).collect()
}

fn runtimes(lock: &str) -> Vec<&str> {
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = "));
    let names = names.map(|name| name.trim_matches('"'));
    names.filter(|name| RUNTIMES.contains(name)).collect()
}

#[test]
fn every_file_says_what_it_is() {
    check(&all(), header);
}

#[test]
fn no_file_is_too_long() {
    check(&all(), length);
}

#[test]
fn sources_are_ascii_outside_of_tests() {
    check(&files("src", ".rs"), ascii);
}

#[test]
fn nothing_sleeps_but_what_polls_or_measures() {
    check(&all(), sleep);
}

#[test]
fn no_folder_of_a_workplace_is_mentioned() {
    check(&files("src", ".rs"), workplace);
}

#[test]
fn every_limit_is_used() {
    let sources = files("src", ".rs");
    let (limits, others): (Vec<Source>, Vec<Source>) = sources
        .into_iter()
        .partition(|one| one.path.starts_with("src/limits"));
    let text: String = limits.iter().map(|one| one.text.as_str()).collect();
    let unused = unused_limits(&text, &others);
    assert!(unused.is_empty(), "limits that nothing uses: {unused:#?}");
}

#[test]
fn no_async_runtime_is_depended_on() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    assert_eq!(runtimes(&lock), Vec::<&str>::new());
}

#[test]
fn the_rules_find_what_they_are_for() {
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    assert!(header(&source("src/a.rs", "use std;\n")).is_some());
    assert!(header(&source("src/a.rs", "//! A.\n")).is_none());
    assert!(length(&source("src/a.rs", &"\n".repeat(501))).is_some());
    assert!(length(&source("src/a.rs", &"\n".repeat(500))).is_none());
    assert!(ascii(&source("src/a.rs", "// \u{e4}\n")).is_some());
    assert!(ascii(&source("src/a/tests.rs", "// \u{e4}\n")).is_none());
    assert!(sleep(&source("src/a.rs", "std::thread::sleep(x);")).is_some());
    assert!(sleep(&source("src/a.rs", "// no thread::sleep")).is_none());
    assert!(workplace(&source("src/a.rs", "\"/home/me\"")).is_some());
    assert!(is_test_file("tests/a.rs") && !is_test_file("src/a.rs"));
    let limits = "pub const USED: u8 = 1;\npub const LONE: u8 = 2;\npub const SUM: u8 = USED;\n";
    let others = [source("src/a.rs", "limits::SUM + limits::LONELY")];
    assert_eq!(unused_limits(limits, &others), ["LONE"]);
    assert_eq!(
        runtimes("name = \"tokio\"\nname = \"tokio-like\"\n"),
        ["tokio"]
    );
}
