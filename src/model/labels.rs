//! Label sets: sorted by name, names unique, no empty values.

mod builder;

use std::fmt;

pub use self::builder::LabelsBuilder;

/// The name of the label that holds the metric name.
pub const METRIC_NAME: &str = "__name__";

/// One label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// Name: any non-empty UTF-8.
    pub name: Box<str>,
    /// Value: any UTF-8, never empty inside a [`Labels`].
    pub value: Box<str>,
}

/// An immutable label set, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(Box<[Label]>);

impl Labels {
    /// Collects pairs. Later pairs win over earlier ones of the same name; empty values remove.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Labels
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// The value of `name`, if the set has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let index = self
            .0
            .binary_search_by(|label| (*label.name).cmp(name))
            .ok()?;
        Some(&self.0[index].value)
    }

    /// The labels in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|label| (&*label.name, &*label.value))
    }

    /// The label at `index` in the order of names.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<(&str, &str)> {
        self.0.get(index).map(|label| (&*label.name, &*label.value))
    }

    /// Number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Prometheus's label hash: xxHash64 over `name 0xff value 0xff` of every label.
    #[must_use]
    pub fn hash64(&self) -> u64 {
        hash_pairs(self.iter())
    }
}

/// Prometheus's label hash of pairs that are already sorted.
pub fn hash_pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
    let mut hasher = xxhash_rust::xxh64::Xxh64::new(0);
    for (name, value) in pairs {
        hasher.update(name.as_bytes());
        hasher.update(&[0xff]);
        hasher.update(value.as_bytes());
        hasher.update(&[0xff]);
    }
    hasher.digest()
}

/// Writes the set the way Prometheus does: `{a="1", b="2"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

/// Whether `name` is a label name under the legacy scheme: `[a-zA-Z_][a-zA-Z0-9_]*`.
#[must_use]
pub fn is_legacy_label_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    !bytes.is_empty()
        && !bytes[0].is_ascii_digit()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Whether `name` is a metric name under the legacy scheme: a label name that may hold colons.
#[must_use]
pub fn is_legacy_metric_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    !bytes.is_empty()
        && !bytes[0].is_ascii_digit()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sorted_and_hold_no_empty_value() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"{a="1", b="3"}"#);
        assert_eq!(labels.get("b"), Some("3"));
        assert_eq!(labels.get("c"), None);
    }

    #[test]
    fn hash_is_that_of_prometheus() {
        // Labels.Hash() of the empty set and of {a="1"}: xxHash64 of "" and of "a\xff1\xff".
        assert_eq!(Labels::default().hash64(), 0xef46_db37_51d8_e999);
        let one = Labels::from_pairs([("a", "1")]);
        assert_eq!(one.hash64(), xxhash_rust::xxh64::xxh64(b"a\xff1\xff", 0));
    }

    #[test]
    fn legacy_names_follow_the_old_grammar() {
        assert!(is_legacy_label_name("_a9") && is_legacy_metric_name("a:b"));
        for bad in ["", "9a", "a-b", "ä", "a:b"] {
            assert!(!is_legacy_label_name(bad), "{bad}");
        }
    }
}
