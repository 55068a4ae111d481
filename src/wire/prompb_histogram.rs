//! The message of a native histogram, for receiving and as the oracle of tests: the same in remote
//! write 1.0 and 2.0, but that 1.0 knows no start timestamp and no custom buckets.
//!
//! Written by hand from the published field numbers, as [`super::prompb`].

use prost::{Message, Oneof};

use crate::model::histogram::{Buckets, Counts, NativeHistogram, ResetHint, Span};

/// `Histogram`.
#[derive(Clone, PartialEq, Message)]
pub struct Histogram {
    /// Observations in all.
    #[prost(oneof = "Count", tags = "1, 2")]
    pub count: Option<Count>,
    /// Sum of the observations; a NaN of pattern 0x7ff0000000000002 ends the series.
    #[prost(double, tag = "3")]
    pub sum: f64,
    /// From -4 to 8 for exponential buckets, -53 for custom ones.
    #[prost(sint32, tag = "4")]
    pub schema: i32,
    /// Width of the zero bucket.
    #[prost(double, tag = "5")]
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    #[prost(oneof = "ZeroCount", tags = "6, 7")]
    pub zero_count: Option<ZeroCount>,
    /// Where the negative buckets are.
    #[prost(message, repeated, tag = "8")]
    pub negative_spans: Vec<BucketSpan>,
    /// Integer buckets, each as the difference to the one before.
    #[prost(sint64, repeated, tag = "9")]
    pub negative_deltas: Vec<i64>,
    /// Float buckets.
    #[prost(double, repeated, tag = "10")]
    pub negative_counts: Vec<f64>,
    /// Where the positive buckets are.
    #[prost(message, repeated, tag = "11")]
    pub positive_spans: Vec<BucketSpan>,
    /// Integer buckets, each as the difference to the one before.
    #[prost(sint64, repeated, tag = "12")]
    pub positive_deltas: Vec<i64>,
    /// Float buckets.
    #[prost(double, repeated, tag = "13")]
    pub positive_counts: Vec<f64>,
    /// Number of a [`ResetHint`].
    #[prost(int32, tag = "14")]
    pub reset_hint: i32,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "15")]
    pub timestamp: i64,
    /// Upper bounds of custom buckets.
    #[prost(double, repeated, tag = "16")]
    pub custom_values: Vec<f64>,
    /// When counting began, in milliseconds since 1970; zero for unknown.
    #[prost(int64, tag = "17")]
    pub start_timestamp: i64,
}

/// `Histogram.count`.
#[derive(Clone, Copy, PartialEq, Oneof)]
pub enum Count {
    /// Of an integer histogram.
    #[prost(uint64, tag = "1")]
    Int(u64),
    /// Of a float histogram.
    #[prost(double, tag = "2")]
    Float(f64),
}

/// `Histogram.zero_count`.
#[derive(Clone, Copy, PartialEq, Oneof)]
pub enum ZeroCount {
    /// Of an integer histogram.
    #[prost(uint64, tag = "6")]
    Int(u64),
    /// Of a float histogram.
    #[prost(double, tag = "7")]
    Float(f64),
}

/// `BucketSpan`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct BucketSpan {
    /// Buckets skipped since the span before.
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    /// Buckets.
    #[prost(uint32, tag = "2")]
    pub length: u32,
}

impl Histogram {
    /// Whether its counts are floats; as the total count says, and without one a zero count.
    #[must_use]
    pub fn is_float(&self) -> bool {
        match (self.count, self.zero_count) {
            (Some(count), _) => matches!(count, Count::Float(_)),
            (None, zero) => matches!(zero, Some(ZeroCount::Float(_))),
        }
    }

    /// The histogram without sum and times; none if a number has no meaning. Counts of the other
    /// kind are left out.
    #[must_use]
    pub fn to_model(&self) -> Option<NativeHistogram> {
        let counts = if self.is_float() {
            Counts::Float(Buckets {
                count: match self.count {
                    Some(Count::Float(count)) => count,
                    _ => 0.0,
                },
                zero: match self.zero_count {
                    Some(ZeroCount::Float(zero)) => zero,
                    _ => 0.0,
                },
                positive: self.positive_counts.as_slice().into(),
                negative: self.negative_counts.as_slice().into(),
            })
        } else {
            Counts::Integer(Buckets {
                count: match self.count {
                    Some(Count::Int(count)) => count,
                    _ => 0,
                },
                zero: match self.zero_count {
                    Some(ZeroCount::Int(zero)) => zero,
                    _ => 0,
                },
                positive: self.positive_deltas.as_slice().into(),
                negative: self.negative_deltas.as_slice().into(),
            })
        };
        let spans = |spans: &[BucketSpan]| {
            let span = |own: &BucketSpan| Span {
                offset: own.offset,
                length: own.length,
            };
            spans.iter().map(span).collect()
        };
        Some(NativeHistogram {
            reset_hint: ResetHint::from_number(u64::try_from(self.reset_hint).ok()?)?,
            schema: i8::try_from(self.schema).ok()?,
            zero_threshold: self.zero_threshold,
            counts,
            positive_spans: spans(&self.positive_spans),
            negative_spans: spans(&self.negative_spans),
            custom_values: self.custom_values.as_slice().into(),
        })
    }
}
