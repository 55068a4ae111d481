//! Which room may use which: only rooms of a lower rank.

use super::source::{Source, files, parts, without_tests};

/// The rooms from the lowest to the highest. Rooms of one line do not know one another.
/// `bytes`, `model` and `sys` share rank 1 of the design; among themselves they have this order.
const RANKS: [&[&str]; 12] = [
    &["limits"],
    &["bytes"],
    &["model"],
    &["sys"],
    &["telemetry", "exposition", "relabel", "wire", "http"],
    &["config"],
    &["net"],
    &["discovery", "scrape", "wal", "remote"],
    &["web", "receive", "preview"],
    &["agent"],
    &["cli"],
    // Not in a release; looks into every room.
    &["fuzzing"],
];

/// Rooms whose output depends on their input alone.
const PURE: [&str; 8] = [
    "limits",
    "model",
    "bytes",
    "exposition",
    "relabel",
    "wire",
    "http",
    "config",
];

/// Rooms that the pure ones never use, whatever the rank.
const IMPURE: [&str; 3] = ["sys", "net", "telemetry"];

/// What the pure rooms take nowhere else either, outside of tests.
const DOORS: [&str; 10] = [
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "std::thread",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime",
    "crossbeam_channel",
];

fn rank(room: &str) -> Option<usize> {
    RANKS.iter().position(|rooms| rooms.contains(&room))
}

/// The room of a file; none for the map and the binary.
fn room(path: &str) -> Option<&str> {
    let path = path.strip_prefix("src/")?;
    let first = path.split('/').next()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (name != "lib" && name != "main").then_some(name)
}

/// How deep the module of a file lies: 1 for a room itself.
fn depth(path: &str) -> usize {
    let parts = path.trim_start_matches("src/").split('/').count();
    if path.ends_with("/mod.rs") {
        parts - 1
    } else {
        parts
    }
}

/// The first names of all paths that begin at the crate's root.
fn used(code: &str, depth: usize) -> Vec<String> {
    let mut names = Vec::new();
    let squeezed: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    for (at, _) in squeezed.match_indices("crate::") {
        let free = !squeezed[..at].ends_with(|c: char| c.is_alphanumeric() || "_$:".contains(c));
        if free {
            heads(&squeezed[at + "crate::".len()..], &mut names);
        }
    }
    let up = "super::".repeat(depth);
    for (at, _) in squeezed.match_indices(&up) {
        // A longer chain is met again at its last links.
        let starts = !squeezed[..at].ends_with("super::");
        let rest = squeezed[at..].trim_start_matches("super::");
        let mut found = Vec::new();
        heads(rest, &mut found);
        names.extend(
            found
                .into_iter()
                .filter(|name| starts && rank(name).is_some()),
        );
    }
    names
}

/// The first names of a path, or of each path in a list.
fn heads(path: &str, names: &mut Vec<String>) {
    let path = path.trim_start();
    let Some(list) = path.strip_prefix('{') else {
        let end = path.find(|c: char| !c.is_alphanumeric() && c != '_');
        names.push(path[..end.unwrap_or(path.len())].to_owned());
        return;
    };
    let mut level = 0;
    let mut begin = 0;
    for (at, c) in list.char_indices() {
        match c {
            '{' => level += 1,
            '}' if level > 0 => level -= 1,
            ',' | '}' if level == 0 => {
                if !list[begin..at].trim().is_empty() {
                    heads(&list[begin..at], names);
                }
                begin = at + 1;
                if c == '}' {
                    return;
                }
            }
            _ => {}
        }
    }
}

/// What is wrong with the paths of a file.
fn complaints(source: &Source) -> Vec<String> {
    let Some(own) = room(&source.path) else {
        return Vec::new();
    };
    let Some(height) = rank(own) else {
        return vec![format!("{}: {own} has no rank", source.path)];
    };
    let pure = PURE.contains(&own);
    let mut found = Vec::new();
    for name in used(&parts(&source.text).code, depth(&source.path)) {
        let lower = rank(&name).is_some_and(|other| other < height);
        if name != own && (!lower || pure && IMPURE.contains(&name.as_str())) {
            found.push(format!("{}: {own} may not use {name}", source.path));
        }
    }
    let code = parts(without_tests(source)).code;
    for door in DOORS.iter().filter(|door| pure && code.contains(**door)) {
        found.push(format!(
            "{}: {own} is pure and may not use {door}",
            source.path
        ));
    }
    found
}

#[test]
fn rooms_use_only_rooms_of_lower_rank() {
    let found: Vec<String> = files("src", ".rs").iter().flat_map(complaints).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn forbidden_paths_are_found_wherever_they_hide() {
    let found = |path: &str, text: &str| {
        let source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        complaints(&source).len()
    };
    assert_eq!(
        found("src/scrape/a.rs", "use crate::model::{self, block::Block};"),
        0
    );
    assert_eq!(found("src/scrape/a.rs", "use crate::scrape::b;"), 0);
    assert_eq!(found("src/scrape/a.rs", "use crate::wal::x;"), 1);
    assert_eq!(
        found(
            "src/scrape/a.rs",
            "use crate::{model::{a, b}, remote::c, wal};"
        ),
        2
    );
    assert_eq!(found("src/scrape/a.rs", "fn f() -> crate::agent::X {}"), 1);
    assert_eq!(found("src/scrape/a.rs", "use super::super::wal::x;"), 1);
    assert_eq!(found("src/scrape/mod.rs", "use super::wal::x;"), 1);
    assert_eq!(found("src/scrape/a.rs", "use super::wal::x;"), 0);
    assert_eq!(
        found("src/scrape/a.rs", "// crate::wal\nlet a = \"crate::wal\";"),
        0
    );
    assert_eq!(found("src/config/a.rs", "use crate::sys::clock;"), 1);
    assert_eq!(
        found("src/http/a.rs", "let now = std::time::Instant::now();"),
        1
    );
    assert_eq!(found("src/novel/a.rs", ""), 1);
    assert_eq!(found("src/lib.rs", "pub use crate::agent;"), 0);
}
