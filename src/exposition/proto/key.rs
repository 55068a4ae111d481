//! The text of a series, as Prometheus text would have it.

use crate::exposition::normalize::open_metrics_float;
use crate::model::labels::{is_legacy_label_name, is_legacy_metric_name};

/// Bounds remembered with their texts: the buckets of one histogram come again with each series.
const BOUNDS: usize = 256;

/// Longest text of a float, with a margin.
const BOUND_BYTES: usize = 31;

/// A metric name, ready to be written.
#[derive(Debug, Default)]
pub(in crate::exposition) struct Name {
    /// With the escapes of a quoted name.
    text: String,
    quoted: bool,
}

impl Name {
    /// Another name.
    pub(in crate::exposition) fn set(&mut self, name: &str) {
        self.text.clear();
        self.quoted = !is_legacy_metric_name(name);
        if self.quoted {
            escape(name, |piece| self.text.push_str(piece));
        } else {
            self.text.push_str(name);
        }
    }

    pub(in crate::exposition) fn as_str(&self) -> &str {
        &self.text
    }
}

/// Appends a label to those before it.
pub(in crate::exposition) fn append_label(out: &mut Vec<u8>, name: &str, value: &str) {
    if !out.is_empty() {
        out.push(b',');
    }
    if is_legacy_label_name(name) {
        out.extend_from_slice(name.as_bytes());
    } else {
        out.push(b'"');
        escape(name, |piece| out.extend_from_slice(piece.as_bytes()));
        out.push(b'"');
    }
    out.extend_from_slice(b"=\"");
    escape(value, |piece| out.extend_from_slice(piece.as_bytes()));
    out.push(b'"');
}

/// Appends a series: the name with a suffix, the labels, and perhaps one label more.
#[inline]
pub(in crate::exposition) fn append_series(
    out: &mut Vec<u8>,
    name: &Name,
    suffix: &str,
    labels: &[u8],
    more: Option<(&str, &[u8])>,
) {
    if name.quoted {
        out.extend_from_slice(b"{\"");
    }
    out.extend_from_slice(name.text.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    if name.quoted {
        out.push(b'"');
    }
    if labels.is_empty() && more.is_none() {
        if name.quoted {
            out.push(b'}');
        }
        return;
    }
    out.push(if name.quoted { b',' } else { b'{' });
    out.extend_from_slice(labels);
    if let Some((label, value)) = more {
        if !labels.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(b"=\"");
        out.extend_from_slice(value);
        out.push(b'"');
    }
    out.push(b'}');
}

fn escape<'a>(text: &'a str, mut each: impl FnMut(&'a str)) {
    let mut rest = text;
    while let Some(at) = memchr::memchr3(b'"', b'\\', b'\n', rest.as_bytes()) {
        each(&rest[..at]);
        each(match rest.as_bytes()[at] {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            _ => "\\n",
        });
        rest = &rest[at + 1..];
    }
    each(rest);
}

#[derive(Clone, Copy)]
struct Bound {
    bits: u64,
    len: u8,
    text: [u8; BOUND_BYTES],
}

/// Texts of bucket bounds and quantiles.
pub(in crate::exposition) struct BoundTexts {
    known: Box<[Bound]>,
}

impl std::fmt::Debug for BoundTexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoundTexts").finish_non_exhaustive()
    }
}

impl Default for BoundTexts {
    fn default() -> BoundTexts {
        let none = Bound {
            bits: 0,
            len: 0,
            text: [0; BOUND_BYTES],
        };
        BoundTexts {
            known: vec![none; BOUNDS].into(),
        }
    }
}

impl BoundTexts {
    /// The bound as OpenMetrics wants it.
    #[inline]
    pub(in crate::exposition) fn text(&mut self, bound: f64) -> &[u8] {
        let bits = bound.to_bits();
        let hash = bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let own = &mut self.known[hash as usize % BOUNDS];
        if own.len == 0 || own.bits != bits {
            let text = open_metrics_float(bound);
            let len = text.len().min(BOUND_BYTES);
            own.text[..len].copy_from_slice(&text.as_bytes()[..len]);
            (own.bits, own.len) = (bits, len as u8);
        }
        &own.text[..usize::from(own.len)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exposition::key::{SeriesText, parse_key};
    use crate::exposition::protocol::Format;

    proptest! {
        #[test]
        fn any_name_and_label_can_be_read_again(
            name in "[^\0]{1,6}|[a-z:]{1,8}",
            labels in prop::collection::btree_map(
                "[^\0]{1,4}|[a-z]{1,4}",
                ".{0,6}|[\"\\\\\n]{0,4}",
                0..4,
            ),
            bound in prop::option::of(any::<f64>()),
        ) {
            let (mut own, mut text, mut key) = (Name::default(), Vec::new(), Vec::new());
            own.set(&name);
            for (name, value) in &labels {
                append_label(&mut text, name, value);
            }
            let mut bounds = BoundTexts::default();
            let more = bound.map(|bound| ("le", bounds.text(bound)));
            append_series(&mut key, &own, "_x", &text, more);
            let mut found = SeriesText::default();
            parse_key(&key, Format::Rows, &mut found).expect("a series");
            let expected: std::collections::BTreeSet<(String, String)> = labels
                .into_iter()
                .chain([("__name__".to_owned(), format!("{name}_x"))])
                .chain(bound.map(|bound| ("le".to_owned(), open_metrics_float(bound))))
                .collect();
            let found = found.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            prop_assert_eq!(found.collect::<std::collections::BTreeSet<_>>(), expected);
        }

        #[test]
        fn bounds_are_remembered_right(bounds in prop::collection::vec(any::<f64>(), 1..600)) {
            let mut texts = BoundTexts::default();
            for bound in bounds.iter().chain(&bounds) {
                let expected = open_metrics_float(*bound);
                prop_assert!(expected.len() <= BOUND_BYTES);
                prop_assert_eq!(texts.text(*bound), expected.as_bytes());
            }
        }
    }
}
