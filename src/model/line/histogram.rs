//! A native histogram as text: `{count:3,sum:1.5,schema:0,...,positive_spans:[0:2],...}`.
//!
//! The words are those of OpenMetrics 2.0; buckets are given as what they hold. What is not there is
//! left out, and what is known of resets stands behind.

use std::fmt::{Display, Write};

use crate::model::float;
use crate::model::histogram::{CUSTOM_BUCKETS, Counts, NativeHistogram, ResetHint, Span};

/// Appends a histogram in braces; `sum` is the value of its sample.
pub fn write_histogram(out: &mut String, own: &NativeHistogram, sum: f64) {
    let (count, zero, positive, negative) = match &own.counts {
        Counts::Integer(counts) => (
            counts.count.to_string(),
            counts.zero.to_string(),
            totals(&counts.positive),
            totals(&counts.negative),
        ),
        Counts::Float(counts) => (
            float::format_go(counts.count),
            float::format_go(counts.zero),
            floats(&counts.positive),
            floats(&counts.negative),
        ),
    };
    // Writing to a String cannot fail.
    let _infallible = write!(out, "{{count:{count},sum:");
    float::write_go(out, sum);
    let _infallible = write!(out, ",schema:{}", own.schema);
    if own.schema != CUSTOM_BUCKETS {
        let threshold = float::format_go(own.zero_threshold);
        let _infallible = write!(out, ",zero_threshold:{threshold},zero_count:{zero}");
    }
    write_list(out, "custom_values", &floats(&own.custom_values));
    write_list(out, "negative_spans", &spans(&own.negative_spans));
    write_list(out, "negative_buckets", &negative);
    write_list(out, "positive_spans", &spans(&own.positive_spans));
    write_list(out, "positive_buckets", &positive);
    out.push_str(match own.reset_hint {
        ResetHint::Unknown => "}",
        ResetHint::Yes => ",reset:yes}",
        ResetHint::No => ",reset:no}",
        ResetHint::Gauge => ",reset:gauge}",
    });
}

/// What each bucket holds, of the differences to the bucket before.
fn totals(deltas: &[i64]) -> Vec<String> {
    let mut count: i128 = 0;
    let total = |delta: &i64| {
        count += i128::from(*delta);
        count.to_string()
    };
    deltas.iter().map(total).collect()
}

fn floats(values: &[f64]) -> Vec<String> {
    values
        .iter()
        .map(|value| float::format_go(*value))
        .collect()
}

fn spans(spans: &[Span]) -> Vec<String> {
    let text = |span: &Span| format!("{}:{}", span.offset, span.length);
    spans.iter().map(text).collect()
}

fn write_list(out: &mut String, name: &str, list: &[impl Display]) {
    for (index, one) in list.iter().enumerate() {
        let _infallible = if index == 0 {
            write!(out, ",{name}:[{one}")
        } else {
            write!(out, ",{one}")
        };
    }
    if !list.is_empty() {
        out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::histogram::Buckets;

    #[test]
    fn both_kinds_are_written_on_one_line() {
        let mut own = NativeHistogram {
            reset_hint: ResetHint::Unknown,
            schema: 3,
            zero_threshold: 1e-9,
            counts: Counts::Integer(Buckets {
                count: 9,
                zero: 1,
                positive: [2, 1, -2].into(),
                negative: [2].into(),
            }),
            positive_spans: [
                Span {
                    offset: -1,
                    length: 2,
                },
                Span {
                    offset: 4,
                    length: 1,
                },
            ]
            .into(),
            negative_spans: [Span {
                offset: 0,
                length: 1,
            }]
            .into(),
            custom_values: [].into(),
        };
        let text = |own: &NativeHistogram, sum| {
            let mut out = String::new();
            write_histogram(&mut out, own, sum);
            out
        };
        assert_eq!(
            text(&own, 2.5),
            "{count:9,sum:2.5,schema:3,zero_threshold:1e-09,zero_count:1,negative_spans:[0:1],\
             negative_buckets:[2],positive_spans:[-1:2,4:1],positive_buckets:[2,3,1]}"
        );
        own.schema = CUSTOM_BUCKETS;
        own.reset_hint = ResetHint::Gauge;
        own.custom_values = [0.1, 1.0].into();
        own.counts = Counts::Float(Buckets {
            count: 3.5,
            zero: 0.0,
            positive: [1.0, 2.0, 0.5].into(),
            negative: [].into(),
        });
        own.negative_spans = [].into();
        assert_eq!(
            text(&own, f64::NAN),
            "{count:3.5,sum:NaN,schema:-53,custom_values:[0.1,1],positive_spans:[-1:2,4:1],\
             positive_buckets:[1,2,0.5],reset:gauge}"
        );
    }
}
