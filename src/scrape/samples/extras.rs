//! Samples with more than a value: native histograms, their limits, start timestamps, exemplars.

use super::Samples;
use crate::exposition::rows::extras::{Extras, RawHistogram};
use crate::model::histogram::{EXPONENTIAL_SCHEMAS, NativeHistogram};

/// How fine native histograms may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistogramRules {
    /// Most buckets (`native_histogram_bucket_limit`); zero for any number.
    pub bucket_limit: u64,
    /// The finest schema (`native_histogram_min_bucket_factor`).
    pub finest_schema: i8,
}

impl Default for HistogramRules {
    fn default() -> HistogramRules {
        HistogramRules {
            bucket_limit: 0,
            finest_schema: *EXPONENTIAL_SCHEMAS.end(),
        }
    }
}

/// Why a histogram fails its scrape, in Prometheus's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistogramError {
    /// It has too many buckets, however coarse it is made. What follows is still counted.
    #[error("histogram bucket limit exceeded")]
    BucketLimit,
    /// It breaks a rule.
    #[error("{0}")]
    Invalid(String),
}

impl Samples<'_> {
    /// Why the histograms of the page fail it, if they do.
    #[must_use]
    pub fn histogram_error(&self) -> Option<&HistogramError> {
        self.histogram_error.as_ref()
    }

    /// Whether a histogram breaks a rule: nothing is taken or counted after it.
    #[inline]
    #[must_use]
    pub fn has_invalid_histogram(&self) -> bool {
        matches!(self.histogram_error, Some(HistogramError::Invalid(_)))
    }

    /// Takes what belongs to the sample that was taken last.
    pub(super) fn take_extras(
        &mut self,
        hash: impl Fn() -> u64,
        extras: &Extras<'_>,
        timestamp_ms: Option<i64>,
    ) {
        let slot = u32::try_from(self.values.len() - 1).unwrap_or(u32::MAX);
        if let Some(start_ms) = extras.start_ms {
            self.side.starts.push((slot, start_ms));
        }
        if let Some(raw) = &extras.histogram {
            match self.histogram(raw) {
                Ok(histogram) => self.side.histograms.push((slot, histogram)),
                Err(error) => return self.refuse(error),
            }
        }
        let raw = extras.exemplar_bytes();
        if raw.is_empty() {
            return;
        }
        let series = hash();
        if !self.exemplars.is_new(series, raw) {
            return;
        }
        if !self.rules.exemplars {
            self.counted.exemplars_shed += extras.exemplars().count();
            return;
        }
        let (taken, rejected) = self.exemplars.take_all(series, extras, timestamp_ms);
        self.counted.exemplars_rejected += rejected;
        let own = taken.into_iter().map(|exemplar| (slot, exemplar));
        self.side.exemplars.extend(own);
    }

    /// Reads the histogram whose sum is the value that was taken last.
    fn histogram(&self, raw: &RawHistogram<'_>) -> Result<NativeHistogram, HistogramError> {
        let HistogramRules {
            bucket_limit,
            finest_schema,
        } = self.rules.histograms;
        let mut own = raw.decode().map_err(HistogramError::Invalid)?;
        // Without a restriction, a schema that is too fine is not made coarser but refused.
        if finest_schema < *EXPONENTIAL_SCHEMAS.end() {
            own.limit_schema(finest_schema);
        }
        if bucket_limit > 0 && !own.limit_buckets(bucket_limit) {
            return Err(HistogramError::BucketLimit);
        }
        let sum = self.values.last().copied().unwrap_or(0.0);
        own.validate(sum).map_err(HistogramError::Invalid)?;
        Ok(own)
    }

    fn refuse(&mut self, error: HistogramError) {
        if matches!(error, HistogramError::Invalid(_)) {
            // It was scraped, but never reached the count after relabelling.
            self.counted.post_relabel -= 1;
        }
        self.histogram_error = Some(error);
        self.plain = false;
    }
}
