//! A relabelling rule as it stands in the configuration, already checked.

use std::fmt;
use std::sync::Arc;

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Sets a label to the expanded replacement when the regex matches.
    Replace,
    /// Drops the set unless the regex matches.
    Keep,
    /// Drops the set when the regex matches.
    Drop,
    /// Drops the set unless the joined sources equal the target label.
    KeepEqual,
    /// Drops the set when the joined sources equal the target label.
    DropEqual,
    /// Sets a label to a hash of the joined sources modulo a number.
    HashMod,
    /// Copies labels whose names match to the expanded name.
    LabelMap,
    /// Removes labels whose names match.
    LabelDrop,
    /// Keeps only labels whose names match.
    LabelKeep,
    /// Sets a label to the joined sources in lower case.
    Lowercase,
    /// Sets a label to the joined sources in upper case.
    Uppercase,
}

/// How strictly names are checked (`metric_name_validation_scheme`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum NameScheme {
    /// Any non-empty UTF-8.
    #[default]
    Utf8,
    /// The names of Prometheus 2: letters, digits, underscores, colons in metric names.
    Legacy,
}

/// A regular expression of a rule: always matched against the whole text, `.` matching newlines.
#[derive(Clone)]
pub struct AnchoredRegex {
    /// As the user wrote it.
    pub source: Arc<str>,
    /// Compiled as `^(?s:source)$`.
    pub compiled: regex::Regex,
}

impl PartialEq for AnchoredRegex {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for AnchoredRegex {}

impl fmt::Debug for AnchoredRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnchoredRegex({:?})", self.source)
    }
}

/// One rule. Every field has its default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// Labels whose values are joined.
    pub source_labels: Vec<String>,
    /// Stands between the joined values; `;` unless written.
    pub separator: String,
    /// `(.*)` unless written.
    pub regex: AnchoredRegex,
    /// For `hashmod`; non-zero there.
    pub modulus: u64,
    /// The label that is set or compared.
    pub target_label: String,
    /// `$1` unless written.
    pub replacement: String,
    /// Names that a `replace` may produce.
    pub scheme: NameScheme,
}
