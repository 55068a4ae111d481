use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::sys::jitter::Jitter;

/// Variations of the corpus that each target is tried with.
const VARIATIONS: usize = 300;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(name);
    let entries = fs::read_dir(&folder).expect("a corpus");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).expect("readable");
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

/// Runs a target so that a failure says on which input.
fn try_on(name: &str, shown: &dyn std::fmt::Debug, data: &[u8]) {
    let outcome = std::panic::catch_unwind(|| run(name, data));
    assert!(matches!(outcome, Ok(true)), "{name} fails on {shown:?}");
}

fn replay(name: &str) {
    let corpus = corpus(name);
    assert!(corpus.len() >= 4, "{name}: {} inputs", corpus.len());
    for (path, data) in &corpus {
        try_on(name, path, data);
    }
}

/// What a fuzzer does first: flips, copies, cuts, inserts.
fn vary(dice: &mut Jitter, data: &mut Vec<u8>) {
    for _ in 0..1 + dice.next_u64() % 4 {
        let at = (dice.next_u64() % (data.len() as u64 + 1)) as usize;
        let word = dice.next_u64();
        match word % 5 {
            0 if at < data.len() => data[at] ^= 1 << (word >> 8 & 7),
            1 if at < data.len() => data[at] = (word >> 8) as u8,
            2 => data.truncate(at),
            3 => data.insert(at, (word >> 8) as u8),
            _ => {
                let from = (word >> 8) as usize % (data.len() + 1);
                let piece = data[from..].iter().take(16).copied().collect::<Vec<_>>();
                data.splice(at..at, piece);
            }
        }
    }
}

fn variations(name: &str) {
    let corpus = corpus(name);
    let mut dice = Jitter::seeded(name.len() as u64);
    let rounds = std::env::var("NARTHEX_FUZZ_ROUNDS").ok();
    let rounds = rounds.map_or(VARIATIONS, |text| text.parse().expect("a number"));
    for _ in 0..rounds {
        let (_, data) = &corpus[(dice.next_u64() % corpus.len() as u64) as usize];
        let mut data = data.clone();
        vary(&mut dice, &mut data);
        try_on(name, &data, &data);
    }
}

/// One test for each target, so that they run side by side and say which one failed.
macro_rules! replayed {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            replay(stringify!($name));
            variations(stringify!($name));
        }
    )*

    const REPLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

replayed! {
    segment position definitions values exposition openmetrics protobuf remote_write
    http_response snappy
}

#[test]
fn every_target_has_a_file_a_corpus_and_a_replay() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), TARGETS.len());
    assert_eq!(REPLAYED.iter().copied().collect::<BTreeSet<_>>(), names);
    let listed = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(fuzz().join(folder)).expect(folder);
        let path = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").path();
        let stem = |path: PathBuf| {
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        };
        entries.map(path).map(stem).collect()
    };
    let names: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
    assert_eq!(listed("fuzz_targets"), names);
    assert_eq!(listed("corpus"), names);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("a manifest");
    for name in &names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let file = fuzz().join("fuzz_targets").join(name).with_extension("rs");
        let text = fs::read_to_string(file).expect("a target");
        assert!(text.contains(&format!("run(\"{name}\", data)")), "{text}");
    }
    assert!(!run("no such target", &[]));
}
