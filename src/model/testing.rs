//! Native histograms for tests: arbitrary ones, and one that observes.

use proptest::prelude::*;

use super::histogram::{
    Buckets, CUSTOM_BUCKETS, Counts, EXPONENTIAL_SCHEMAS, NativeHistogram, ResetHint, Span,
};

fn bits() -> impl Strategy<Value = f64> {
    let any = any::<u64>().prop_map(f64::from_bits);
    prop_oneof![Just(0.0), Just(-0.0), Just(1.5), 0.0..1e9f64, any]
}

fn spans() -> impl Strategy<Value = Vec<Span>> {
    prop::collection::vec((-3i32..9, 0u32..5), 0..5).prop_map(|spans| {
        let span = |(at, (offset, length)): (usize, (i32, u32))| Span {
            offset: if at == 0 { offset } else { offset.abs() },
            length,
        };
        spans.into_iter().enumerate().map(span).collect()
    })
}

fn buckets(spans: &[Span]) -> usize {
    spans.iter().map(|span| span.length as usize).sum()
}

fn counts(positive: usize, negative: usize) -> impl Strategy<Value = Counts> {
    let integer = |buckets| {
        let delta = prop_oneof![4 => -3i64..9, 1 => any::<i64>()];
        prop::collection::vec(delta, buckets)
    };
    let float = |buckets| prop::collection::vec(bits(), buckets);
    let count = || prop_oneof![0u64..1000, any::<u64>()];
    let integers = (count(), count(), integer(positive), integer(negative)).prop_map(
        |(count, zero, positive, negative)| {
            Counts::Integer(Buckets {
                count,
                zero,
                positive: positive.into(),
                negative: negative.into(),
            })
        },
    );
    let floats = (bits(), bits(), float(positive), float(negative)).prop_map(
        |(count, zero, positive, negative)| {
            Counts::Float(Buckets {
                count,
                zero,
                positive: positive.into(),
                negative: negative.into(),
            })
        },
    );
    prop_oneof![2 => integers, 1 => floats]
}

/// Any histogram whose spans name as many buckets as it has; counts need not add up.
pub(crate) fn histogram() -> impl Strategy<Value = NativeHistogram> {
    let schema = prop_oneof![
        4 => EXPONENTIAL_SCHEMAS,
        1 => Just(CUSTOM_BUCKETS),
        1 => any::<i8>()
    ];
    (
        spans(),
        spans(),
        schema,
        bits(),
        0u64..4,
        prop::collection::vec(bits(), 0..4),
    )
        .prop_flat_map(
            |(positive, negative, schema, zero_threshold, hint, custom)| {
                let counts = counts(buckets(&positive), buckets(&negative));
                counts.prop_map(move |counts| NativeHistogram {
                    reset_hint: ResetHint::from_number(hint).expect("one of four"),
                    schema,
                    zero_threshold,
                    counts,
                    positive_spans: positive.clone().into(),
                    negative_spans: negative.clone().into(),
                    custom_values: custom.clone().into(),
                })
            },
        )
}

/// A histogram that is observed into, as a client library has it.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    schema: i8,
    /// What the buckets hold, by index.
    buckets: std::collections::BTreeMap<i32, u64>,
    /// The sum of what was observed.
    pub(crate) sum: f64,
    dice: u64,
}

impl Observed {
    pub(crate) fn new(schema: i8, seed: u64) -> Observed {
        Observed {
            schema,
            buckets: std::collections::BTreeMap::new(),
            sum: 0.0,
            dice: seed,
        }
    }

    fn fraction(&mut self) -> f64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.dice >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Observes latencies around 50 ms; `spread` is how many times more or less most of them are.
    pub(crate) fn observe(&mut self, times: u64, spread: f64) {
        for _ in 0..times {
            let bell: f64 = (0..6).map(|_| self.fraction()).sum::<f64>() / 3.0 - 1.0;
            let value = 0.05 * spread.powf(2.0 * bell);
            let index = value.log2() * f64::from(self.schema).exp2();
            *self.buckets.entry(index.ceil() as i32).or_default() += 1;
            self.sum += value;
        }
    }

    /// What a scrape shows.
    pub(crate) fn histogram(&self) -> NativeHistogram {
        let mut spans: Vec<Span> = Vec::new();
        let mut deltas = Vec::new();
        let (mut next, mut before) = (0, 0);
        for (index, count) in &self.buckets {
            match spans.last_mut() {
                Some(last) if *index == next => last.length += 1,
                _ => spans.push(Span {
                    offset: index - next,
                    length: 1,
                }),
            }
            next = index + 1;
            deltas.push(*count as i64 - before);
            before = *count as i64;
        }
        NativeHistogram {
            reset_hint: ResetHint::Unknown,
            schema: self.schema,
            zero_threshold: 2.938735877055719e-39,
            counts: Counts::Integer(Buckets {
                count: self.buckets.values().sum(),
                zero: 0,
                positive: deltas.into(),
                negative: [].into(),
            }),
            positive_spans: spans.into(),
            negative_spans: [].into(),
            custom_values: [].into(),
        }
    }
}

/// Everything of a histogram, bit by bit, as text.
pub(crate) fn render(own: &NativeHistogram) -> String {
    let hex = |all: &[f64]| {
        let bits = all.iter().map(|one| format!("{:x}", one.to_bits()));
        bits.collect::<Vec<_>>().join(" ")
    };
    let counts = match &own.counts {
        Counts::Integer(counts) => format!("{counts:?}"),
        Counts::Float(counts) => format!(
            "{} / {} / {}",
            hex(&[counts.count, counts.zero]),
            hex(&counts.positive),
            hex(&counts.negative)
        ),
    };
    format!(
        "{:?} {} {:x} {counts} {:?} {:?} {}",
        own.reset_hint,
        own.schema,
        own.zero_threshold.to_bits(),
        own.positive_spans,
        own.negative_spans,
        hex(&own.custom_values)
    )
}
