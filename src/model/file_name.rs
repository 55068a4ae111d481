//! Names of files that belong to a queue: harmless whatever the queue is called, and distinct.

use std::fmt::Write;

/// Longest readable part, in bytes.
const READABLE_BYTES_MAX: usize = 100;

/// The name itself if it is harmless as a file name, else a readable part and a hash.
#[must_use]
pub fn harmless(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut text: String = name
        .chars()
        .filter(|c| plain(*c))
        .take(READABLE_BYTES_MAX)
        .collect();
    if text != name || text.is_empty() {
        let hash = xxhash_rust::xxh64::xxh64(name.as_bytes(), 0);
        // Writing to a string cannot fail.
        let _done = write!(text, ".{hash:016x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_harmless_and_distinct() {
        assert_eq!(harmless("abc-1_2"), "abc-1_2");
        let names = ["", "..", "a/b", "ab", "http://user:x@h/w?a=1", "\u{e4}"].map(harmless);
        for name in &names {
            assert!(!name.contains('/') && name.len() < 130, "{name}");
        }
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }
}
