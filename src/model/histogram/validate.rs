//! What makes a histogram wrong, by Prometheus's rules and in its words (`Histogram.Validate`).

use super::buckets::absolute;
use super::{Buckets, CUSTOM_BUCKETS, Counts, EXPONENTIAL_SCHEMAS, NativeHistogram, Span};

const SPANS_MISMATCH: &str = "histogram spans specify different number of buckets than provided";
const NEGATIVE_OFFSET: &str = "histogram has a span whose offset is negative";
const NEGATIVE_BUCKET: &str = "histogram has a bucket whose observation count is negative";

impl NativeHistogram {
    /// Checks the histogram whose sum is `sum`.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn validate(&self, sum: f64) -> Result<(), String> {
        match &self.counts {
            Counts::Integer(own) => self.integers(own, sum),
            Counts::Float(own) => self.floats(own),
        }
    }

    fn integers(&self, own: &Buckets<u64, i64>, sum: f64) -> Result<(), String> {
        self.shape(own, own.zero != 0)?;
        let negative = counted("negative", absolute(&own.negative))?;
        let positive = counted("positive", absolute(&own.positive))?;
        let found = own.zero.wrapping_add(negative).wrapping_add(positive);
        // Observations that are no number count, but are in no bucket.
        let (wrong, rule) = if sum.is_nan() {
            let rule = "histogram's observation count should be at least the number of \
                        observations found in the buckets";
            (found > own.count, rule)
        } else {
            let rule = "histogram's observation count should equal the number of observations \
                        found in the buckets (in absence of NaN)";
            (found != own.count, rule)
        };
        if wrong {
            let count = own.count;
            return Err(format!(
                "{found} observations found in buckets, but the Count field is {count}: {rule}"
            ));
        }
        Ok(())
    }

    fn floats(&self, own: &Buckets<f64, f64>) -> Result<(), String> {
        self.shape(own, own.zero != 0.0)?;
        negative_bucket("negative", own.negative.iter().copied())?;
        if own.zero < 0.0 {
            let zero = own.zero;
            return Err(format!(
                "zero bucket has observation count of {zero}: {NEGATIVE_BUCKET}"
            ));
        }
        if own.count < 0.0 {
            let (count, rule) = (own.count, "histogram's observation count is negative");
            return Err(format!("observation count is  {count}: {rule}"));
        }
        negative_bucket("positive", own.positive.iter().copied())
    }

    fn shape<C, B>(&self, own: &Buckets<C, B>, has_zero: bool) -> Result<(), String> {
        if self.schema == CUSTOM_BUCKETS {
            return self.custom_shape(own, has_zero);
        }
        if !EXPONENTIAL_SCHEMAS.contains(&self.schema) {
            return Err(invalid_schema(i64::from(self.schema)));
        }
        spans("positive", &self.positive_spans, own.positive.len())?;
        spans("negative", &self.negative_spans, own.negative.len())?;
        if self.custom_values.is_empty() {
            Ok(())
        } else {
            Err("histogram with exponential schema must not have custom bounds".to_owned())
        }
    }

    fn custom_shape<C, B>(&self, own: &Buckets<C, B>, has_zero: bool) -> Result<(), String> {
        let complaint = |text: String| Err(format!("custom buckets: {text}"));
        if let Err(text) =
            bounds(&self.custom_values).and_then(|()| self.custom_spans(own.positive.len()))
        {
            return complaint(text);
        }
        let lacking = |what: &str| complaint(what.to_owned());
        if has_zero {
            return lacking("must have zero count of 0");
        }
        if self.zero_threshold != 0.0 {
            return lacking("must have zero threshold of 0");
        }
        if !self.negative_spans.is_empty() {
            return lacking("must not have negative spans");
        }
        if !own.negative.is_empty() {
            return lacking("must not have negative buckets");
        }
        Ok(())
    }

    fn custom_spans(&self, buckets: usize) -> Result<(), String> {
        let mut covered = 0i64;
        for (number, span) in self.positive_spans.iter().enumerate() {
            offset(number, span, true)?;
            covered += i64::from(span.length) + i64::from(span.offset);
        }
        bucket_total(&self.positive_spans, buckets)?;
        let bounds = self.custom_values.len();
        if ((bounds + 1) as i64) < covered {
            return Err(format!(
                "only {bounds} custom bounds defined which is insufficient to cover total span \
                 length of {covered}: histogram custom bounds are too few"
            ));
        }
        Ok(())
    }
}

/// What is said of a schema that is not in use.
#[must_use]
pub fn invalid_schema(schema: i64) -> String {
    let (coarsest, finest) = (EXPONENTIAL_SCHEMAS.start(), EXPONENTIAL_SCHEMAS.end());
    format!(
        "histogram has an invalid schema, which must be between {coarsest} and {finest} for \
         exponential buckets, or {CUSTOM_BUCKETS} for custom buckets, got schema {schema}"
    )
}

fn spans(side: &str, spans: &[Span], buckets: usize) -> Result<(), String> {
    let mut offsets = spans.iter().enumerate();
    offsets
        .try_for_each(|(number, span)| offset(number, span, false))
        .and_then(|()| bucket_total(spans, buckets))
        .map_err(|text| format!("{side} side: {text}"))
}

fn offset(number: usize, span: &Span, also_first: bool) -> Result<(), String> {
    let own = span.offset;
    if own < 0 && (also_first || number > 0) {
        let number = number + 1;
        return Err(format!(
            "span number {number} with offset {own}: {NEGATIVE_OFFSET}"
        ));
    }
    Ok(())
}

fn bucket_total(spans: &[Span], have: usize) -> Result<(), String> {
    let need: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    if need != have as u64 {
        return Err(format!(
            "spans need {need} buckets, have {have} buckets: {SPANS_MISMATCH}"
        ));
    }
    Ok(())
}

/// The sum of absolute counts, none of which may be negative.
fn counted(side: &str, counts: impl Iterator<Item = i64> + Clone) -> Result<u64, String> {
    negative_bucket(side, counts.clone())?;
    Ok(counts.fold(0u64, |sum, count| sum.wrapping_add(count as u64)))
}

fn negative_bucket<C: Default + PartialOrd + std::fmt::Display>(
    side: &str,
    mut counts: impl Iterator<Item = C>,
) -> Result<(), String> {
    let mut number = 0;
    let found = counts.find(|count| {
        number += 1;
        *count < C::default()
    });
    match found {
        None => Ok(()),
        Some(count) => Err(format!(
            "{side} side: bucket number {number} has observation count of {count}: \
             {NEGATIVE_BUCKET}"
        )),
    }
}

fn bounds(bounds: &[f64]) -> Result<(), String> {
    if bounds.iter().any(|bound| bound.is_nan()) {
        return Err("histogram custom bounds must not be NaN".to_owned());
    }
    for pair in bounds.windows(2) {
        if pair[1] <= pair[0] {
            let (before, own) = (pair[0], pair[1]);
            return Err(format!(
                "previous bound is {before:.6} and current is {own:.6}: histogram custom bounds \
                 must be in strictly increasing order"
            ));
        }
    }
    if bounds.last() == Some(&f64::INFINITY) {
        let rule = "histogram custom bounds must be finite";
        return Err(format!(
            "last +Inf bound must not be explicitly defined: {rule}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::histogram::testing::{floats, histogram, integers, span};

    fn complaint(own: &NativeHistogram) -> String {
        own.validate(1.0).expect_err("wrong")
    }

    proptest! {
        #[test]
        fn what_is_right_passes_and_a_wrong_count_does_not(own in histogram()) {
            prop_assert_eq!(own.validate(1.0), Ok(()));
            let mut wrong = own.clone();
            if let Counts::Integer(counts) = &mut wrong.counts {
                counts.count += 1;
                prop_assert!(wrong.validate(1.0).is_err());
                prop_assert_eq!(wrong.validate(f64::NAN), Ok(()), "one of them was NaN");
            }
        }
    }

    #[test]
    fn counts_that_are_too_low_are_wrong_even_with_nan() {
        let mut own = integers(&[span(0, 1)], &[2]);
        let Counts::Integer(counts) = &mut own.counts else {
            panic!("integers");
        };
        counts.count = 1;
        let text = own.validate(f64::NAN).expect_err("too low");
        assert!(text.starts_with("2 observations found in buckets, but the Count field is 1:"));
    }

    #[test]
    fn spans_must_fit_the_buckets() {
        let own = integers(&[span(0, 2)], &[2]);
        assert_eq!(
            complaint(&own),
            "positive side: spans need 2 buckets, have 1 buckets: histogram spans specify \
             different number of buckets than provided"
        );
        let own = integers(&[span(-3, 1), span(-1, 1)], &[1, 1]);
        assert_eq!(
            complaint(&own),
            "positive side: span number 2 with offset -1: histogram has a span whose offset is \
             negative"
        );
    }

    #[test]
    fn no_count_is_negative() {
        let own = integers(&[span(0, 2)], &[2, -1]);
        assert_eq!(
            complaint(&own),
            "positive side: bucket number 2 has observation count of -1: histogram has a bucket \
             whose observation count is negative"
        );
        let own = floats(&[span(0, 1)], &[-0.5]);
        assert_eq!(
            complaint(&own),
            "observation count is  -0.5: histogram's observation count is negative"
        );
    }

    #[test]
    fn schemas_have_a_range() {
        for schema in [-54, -5, 9, 52] {
            let mut own = integers(&[], &[]);
            own.schema = schema;
            assert!(complaint(&own).ends_with(&format!("got schema {schema}")));
        }
    }

    #[test]
    fn custom_bounds_grow_and_are_enough() {
        let with = |bounds: &[f64]| {
            let mut own = integers(&[span(0, 2)], &[1, 1]);
            own.schema = CUSTOM_BUCKETS;
            own.custom_values = bounds.into();
            own
        };
        assert_eq!(with(&[0.5]).validate(1.0), Ok(()));
        for (bounds, expected) in [
            (&[][..], "only 0 custom bounds"),
            (
                &[2.0, 1.0],
                "previous bound is 2.000000 and current is 1.000000",
            ),
            (&[f64::INFINITY], "last +Inf bound"),
            (&[f64::NAN], "histogram custom bounds must not be NaN"),
        ] {
            let text = complaint(&with(bounds));
            assert!(
                text.starts_with(&format!("custom buckets: {expected}")),
                "{text}"
            );
        }
        let mut exponential = with(&[0.5]);
        exponential.schema = 0;
        assert!(complaint(&exponential).contains("must not have custom bounds"));
        let mut with_zero = with(&[0.5]);
        with_zero.zero_threshold = 1.0;
        assert_eq!(
            complaint(&with_zero),
            "custom buckets: must have zero threshold of 0"
        );
    }
}
