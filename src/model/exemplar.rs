//! Exemplars: a sample's link to a trace.

use super::labels::Labels;

/// An exemplar of one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Its own labels, usually a trace id; at most 128 characters in all.
    pub labels: Labels,
    /// The observed value.
    pub value: f64,
    /// Milliseconds since 1970; none means the time of the scrape.
    pub timestamp_ms: Option<i64>,
}

impl Exemplar {
    /// Characters of its label names and values together: what OpenMetrics limits to 128.
    #[must_use]
    pub fn label_chars(&self) -> usize {
        let lengths = self.labels.iter();
        let lengths = lengths.map(|(name, value)| name.chars().count() + value.chars().count());
        lengths.sum()
    }
}
