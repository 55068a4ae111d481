//! The `_created` lines of OpenMetrics, which say since when the series of their family count.
//!
//! Such a line speaks of the series of its family that have the same labels, but for `le` and
//! `quantile`; wherever in the family it stands.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::key::{SeriesText, parse_key};
use super::line::{Item, LineParser};
use super::protocol::Format;
use crate::model::labels::METRIC_NAME;
use crate::model::metadata::MetricType;

const SUFFIX: &str = "_created";

/// Whether values of that type count from a beginning.
#[must_use]
pub const fn counts(kind: MetricType) -> bool {
    matches!(
        kind,
        MetricType::Counter | MetricType::Histogram | MetricType::Summary
    )
}

/// Whether the row of OpenMetrics with that series text, below a `# TYPE` that said `kind`, says
/// since when others count.
#[must_use]
pub fn is_start(key: &[u8], kind: MetricType) -> bool {
    if !counts(kind) || memchr::memmem::find(key, SUFFIX.as_bytes()).is_none() {
        return false;
    }
    let mut labels = SeriesText::default();
    parse_key(key, Format::OpenMetrics, &mut labels).is_ok() && name_of(&labels).ends_with(SUFFIX)
}

/// The family that a start line with these labels speaks of.
#[must_use]
pub fn family_of(labels: &SeriesText) -> &str {
    let name = name_of(labels);
    name.strip_suffix(SUFFIX).unwrap_or(name)
}

/// Names a family's series with the same labels, `le` and `quantile` left out.
#[must_use]
pub fn group(family: &str, labels: &SeriesText) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    let mut write = |text: &str| {
        hasher.write(text.as_bytes());
        hasher.write_u8(0xff);
    };
    write(family);
    for (name, value) in labels.iter() {
        if !matches!(name, METRIC_NAME | "le" | "quantile") {
            write(name);
            write(value);
        }
    }
    hasher.finish()
}

/// The value of a start line in milliseconds since 1970; none for what is no time after that.
#[must_use]
pub fn millis(seconds: f64) -> Option<i64> {
    let millis = (seconds * 1000.0) as i64;
    (seconds.is_finite() && millis > 0).then_some(millis)
}

fn name_of(labels: &SeriesText) -> &str {
    let mut pairs = labels.iter();
    let found = pairs.find(|(name, _)| *name == METRIC_NAME);
    found.map_or("", |(_, value)| value)
}

/// Start timestamps of a page by group.
#[derive(Debug, Default)]
pub(super) struct Starts(HashMap<u64, i64, FixedState>);

impl Starts {
    /// Those of a page of OpenMetrics, up to where it is wrong if it is.
    pub(super) fn of(page: &[u8]) -> Starts {
        let mut starts = Starts::default();
        if memchr::memmem::find(page, SUFFIX.as_bytes()).is_none() {
            return starts;
        }
        let (mut kind, mut labels) = (MetricType::Unknown, SeriesText::default());
        let mut parser = LineParser::new(Format::OpenMetrics);
        let mut rest = page;
        while let Ok(Some((item, length))) = parser.step(rest, true) {
            match item {
                Item::Type { kind: own, .. } => kind = own,
                Item::Row(row) if is_start(row.key, kind) => {
                    let read = parse_key(row.key, Format::OpenMetrics, &mut labels);
                    if let (Ok(_), Some(start)) = (read, millis(row.tail.value)) {
                        let group = group(family_of(&labels), &labels);
                        starts.0.entry(group).or_insert(start);
                    }
                }
                _ => {}
            }
            rest = &rest[length..];
        }
        starts
    }

    /// Whether no line says anything.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Since when the series of that family with these labels counts.
    pub(super) fn of_series(&self, family: &str, labels: &SeriesText) -> Option<i64> {
        let name = name_of(labels);
        let own = name.starts_with(family);
        self.0.get(&group(family, labels)).copied().filter(|_| own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_counting_types_whose_name_ends_in_created_are_starts() {
        for (key, kind, expected) in [
            ("foo_created", MetricType::Counter, true),
            ("foo_created{a=\"b\"}", MetricType::Histogram, true),
            ("{\"a b_created\",a=\"b\"}", MetricType::Summary, true),
            ("foo_created", MetricType::Gauge, false),
            ("foo_created", MetricType::Unknown, false),
            ("foo_created_total", MetricType::Counter, false),
            ("foo_total{by=\"x_created\"}", MetricType::Counter, false),
            ("{a=\"x_created\",\"foo\"}", MetricType::Counter, false),
        ] {
            assert_eq!(is_start(key.as_bytes(), kind), expected, "{key} {kind:?}");
        }
    }

    #[test]
    fn what_is_no_time_after_1970_is_none() {
        assert_eq!(millis(1.5), Some(1500));
        for seconds in [0.0, 0.0001, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(millis(seconds), None, "{seconds}");
        }
    }
}
