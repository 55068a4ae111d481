//! Native histograms: exponential and custom buckets, sparse, in one sample.
//!
//! The terms and the meaning of every field are those of the Prometheus data model (native
//! histograms specification). The sum stands in the value column of the block, so that a stale
//! marker is the same for every kind of series.

mod buckets;
pub mod classic;
pub mod compact;
pub mod reduce;
pub mod validate;

#[cfg(test)]
mod testing;

/// The schema of histograms with custom bucket bounds ("NHCB").
pub const CUSTOM_BUCKETS: i8 = -53;

/// The coarsest and the finest schema of exponential buckets.
pub const EXPONENTIAL_SCHEMAS: std::ops::RangeInclusive<i8> = -4..=8;

/// A run of consecutive buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// Buckets skipped since the end of the span before; for the first span the index of its
    /// first bucket. Only that of the first span may be negative.
    pub offset: i32,
    /// Buckets of the run.
    pub length: u32,
}

/// What is known about counter resets between this sample and the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResetHint {
    /// The reader must look for itself.
    #[default]
    Unknown = 0,
    /// There was a reset.
    Yes = 1,
    /// There was none.
    No = 2,
    /// The histogram is a gauge; resets have no meaning.
    Gauge = 3,
}

impl ResetHint {
    /// The hint with that number in protobuf and in the log.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<ResetHint> {
        Some(match number {
            0 => ResetHint::Unknown,
            1 => ResetHint::Yes,
            2 => ResetHint::No,
            3 => ResetHint::Gauge,
            _ => return None,
        })
    }
}

/// What was counted, as integers or as floats.
#[derive(Clone, Debug, PartialEq)]
pub enum Counts {
    /// A histogram of whole observations.
    Integer(Buckets<u64, i64>),
    /// A histogram that was calculated, or that is a gauge of averages.
    Float(Buckets<f64, f64>),
}

/// Counts of one histogram: `C` is the type of a count, `B` that of what a bucket holds.
/// Integer buckets hold the difference to the bucket before, float buckets their own count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets<C, B> {
    /// Observations in all.
    pub count: C,
    /// Observations in the zero bucket.
    pub zero: C,
    /// The buckets of the positive spans, in their order.
    pub positive: Box<[B]>,
    /// The buckets of the negative spans, by growing distance from zero.
    pub negative: Box<[B]>,
}

/// One native histogram, without its sum.
#[derive(Clone, Debug, PartialEq)]
pub struct NativeHistogram {
    /// What is known about resets.
    pub reset_hint: ResetHint,
    /// In [`EXPONENTIAL_SCHEMAS`], or [`CUSTOM_BUCKETS`].
    pub schema: i8,
    /// Observations closer to zero than this, or as close, are in the zero bucket.
    pub zero_threshold: f64,
    /// What was counted.
    pub counts: Counts,
    /// Where the positive buckets are.
    pub positive_spans: Box<[Span]>,
    /// Where the negative buckets are.
    pub negative_spans: Box<[Span]>,
    /// Upper bounds of custom buckets, growing, without infinity. Empty for other schemas.
    pub custom_values: Box<[f64]>,
}

impl NativeHistogram {
    /// Buckets of both signs, without the zero bucket: what `native_histogram_bucket_limit` is
    /// compared with.
    #[must_use]
    pub fn bucket_count(&self) -> usize {
        match &self.counts {
            Counts::Integer(own) => own.positive.len() + own.negative.len(),
            Counts::Float(own) => own.positive.len() + own.negative.len(),
        }
    }

    /// Bytes of memory that belong to it.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let spans = self.positive_spans.len() + self.negative_spans.len();
        size_of::<Self>()
            + spans * size_of::<Span>()
            + (self.bucket_count() + self.custom_values.len()) * size_of::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_have_their_numbers() {
        for number in 0..4 {
            let hint = ResetHint::from_number(number).expect("known");
            assert_eq!(hint as u64, number);
        }
        assert_eq!(ResetHint::from_number(4), None);
    }

    #[test]
    fn size_and_buckets_are_counted() {
        let span = Span {
            offset: 0,
            length: 2,
        };
        let histogram = NativeHistogram {
            reset_hint: ResetHint::Unknown,
            schema: 0,
            zero_threshold: 0.0,
            counts: Counts::Integer(Buckets {
                count: 3,
                zero: 0,
                positive: [1, 1].into(),
                negative: [].into(),
            }),
            positive_spans: [span].into(),
            negative_spans: [].into(),
            custom_values: [].into(),
        };
        assert_eq!(histogram.bucket_count(), 2);
        let own = size_of::<NativeHistogram>();
        assert_eq!(histogram.size_bytes(), own + 8 + 16);
    }
}
