//! Protobuf pages and native histograms, from the body to the block.

use super::*;
use crate::exposition::proto_messages::{self as pb, MetricFamily, delimited, family};
use crate::exposition::protocol::Dialect;
use crate::exposition::transcode::{Histograms, Options, Transcoder};
use crate::model::histogram::{Counts, NativeHistogram, ResetHint, Span};
use crate::scrape::samples::HistogramError;

const NATIVE: Histograms = Histograms {
    native: true,
    always_classic: false,
    to_custom: false,
};
pub(super) const CUSTOM: Histograms = Histograms {
    native: false,
    always_classic: false,
    to_custom: true,
};

impl Harness {
    pub(super) fn body(
        &mut self,
        dialect: Dialect,
        body: &[u8],
        histograms: Histograms,
    ) -> Outcome {
        let at = self.time();
        let options = Options {
            histograms,
            start_timestamps: self.target.config.takes_starts(),
            rows_max: 0,
        };
        let mut transcoder = Transcoder::default();
        let page = transcoder.page(dialect, body, options);
        self.target.page(at, &page, Duration::from_millis(5))
    }

    pub(super) fn protobuf(
        &mut self,
        families: &[MetricFamily],
        histograms: Histograms,
    ) -> Outcome {
        self.body(Dialect::Protobuf, &delimited(families), histograms)
    }

    fn text(&mut self, page: &str, histograms: Histograms) -> Outcome {
        let dialect = Dialect::Text(Format::OpenMetrics);
        self.body(dialect, page.as_bytes(), histograms)
    }
}

fn span(offset: i32, length: u32) -> pb::BucketSpan {
    pb::BucketSpan { offset, length }
}

/// Three observations in two buckets, and classic buckets beside them.
fn native() -> pb::Histogram {
    let bucket = |upper_bound, cumulative_count| pb::Bucket {
        upper_bound,
        cumulative_count,
        ..pb::Bucket::default()
    };
    pb::Histogram {
        sample_count: 4,
        sample_sum: 6.5,
        bucket: vec![bucket(1.0, 1), bucket(5.0, 4)],
        schema: 3,
        zero_threshold: 1e-128,
        zero_count: 1,
        positive_span: vec![span(2, 3)],
        positive_delta: vec![1, -1, 2],
        start_timestamp: Some(pb::Timestamp {
            seconds: 900,
            nanos: 0,
        }),
        ..pb::Histogram::default()
    }
}

fn of(kind: i32, histogram: pb::Histogram) -> Vec<MetricFamily> {
    let metric = pb::Metric {
        histogram: Some(histogram),
        ..pb::Metric::default()
    };
    vec![family("h", kind, vec![metric])]
}

/// The histograms of a block with the names of their series and their sums.
pub(super) fn histograms(outcome: &Outcome) -> Vec<(String, f64, NativeHistogram)> {
    assert_eq!(outcome.error, None);
    let block = &outcome.blocks[0];
    let side = block.side.as_ref().map(|side| side.histograms.clone());
    let series: Vec<_> = block.series.iter().collect();
    let named = side.unwrap_or_default().into_iter().map(|(slot, own)| {
        let (chunk, index) = series[slot as usize];
        let labels = Labels::from_pairs(block.series.labels(chunk, index));
        let extra = labels
            .iter()
            .filter(|(name, _)| !matches!(*name, "job" | "instance"));
        let name = Labels::from_pairs(extra).to_string();
        (name, block.values[slot as usize], own)
    });
    named.collect()
}

fn one(outcome: &Outcome) -> NativeHistogram {
    let found = histograms(outcome);
    let [(_, _, own)] = &found[..] else {
        panic!("one histogram: {found:?}");
    };
    own.clone()
}

#[test]
fn a_native_histogram_is_one_sample_whose_value_is_the_sum() {
    let mut harness = Harness::new(|config| config.start_timestamps = true);
    for round in 0..2 {
        let outcome = harness.protobuf(&of(pb::HISTOGRAM, native()), NATIVE);
        let found = histograms(&outcome);
        let (name, sum, own) = &found[0];
        assert_eq!((name.as_str(), *sum), (r#"{__name__="h"}"#, 6.5));
        assert_eq!((own.schema, own.reset_hint as u8), (3, 0));
        let spans = [(2, 1), (1, 1)].map(|(offset, length)| Span { offset, length });
        assert_eq!(*own.positive_spans, spans, "the empty bucket is gone");
        let Counts::Integer(counts) = &own.counts else {
            panic!("integers");
        };
        assert_eq!(
            (counts.count, counts.zero, &*counts.positive),
            (4, 1, &[1, 1][..])
        );
        let counted = outcome.counts;
        let added = if round == 0 { 1 } else { 0 };
        assert_eq!(
            (counted.scraped, counted.post_relabel, counted.series_added),
            (1, 1, added)
        );
        let side = outcome.blocks[0].side.as_ref().expect("tables");
        assert_eq!(side.starts, [(0, 900_000)]);
        let family = outcome.blocks[0].series.chunks()[0]
            .family()
            .expect("a family");
        assert_eq!((family.name(), family.help()), ("h", "About h."));
    }
}

#[test]
fn options_decide_between_native_and_classic() {
    let bucket = |le: &str, value: u8| format!(r#"{{__name__="h_bucket", le="{le}"}} {value}"#);
    let mut classic = vec![bucket("+Inf", 4), bucket("1.0", 1), bucket("5.0", 4)];
    classic.extend([series("h_count", "4"), series("h_sum", "6.5"), up(1)]);
    let families = of(pb::HISTOGRAM, native());
    let run = |histograms| {
        let outcome = Harness::new(|_| {}).protobuf(&families, histograms);
        (lines(&outcome.blocks), self::histograms(&outcome).len())
    };
    assert_eq!(run(Histograms::default()), (classic.clone(), 0));
    assert_eq!(run(NATIVE), (vec![series("h", "6.5"), up(1)], 1));
    let mut both = classic;
    both.push(series("h", "6.5"));
    both.sort();
    let always_classic = true;
    assert_eq!(
        run(Histograms {
            always_classic,
            ..NATIVE
        }),
        (both.clone(), 1)
    );
    assert_eq!(run(CUSTOM), (vec![series("h", "6.5"), up(1)], 1));
    assert_eq!(
        run(Histograms {
            always_classic,
            ..CUSTOM
        }),
        (both, 1)
    );
}

#[test]
fn gauges_and_floats_are_told_apart() {
    let mut own = native();
    own.sample_count_float = 4.0;
    own.positive_count = vec![1.0, 0.5, 1.5];
    let outcome = Harness::new(|_| {}).protobuf(&of(pb::GAUGE_HISTOGRAM, own), NATIVE);
    let found = one(&outcome);
    assert_eq!(found.reset_hint, ResetHint::Gauge);
    let Counts::Float(counts) = found.counts else {
        panic!("floats");
    };
    assert_eq!(
        (counts.count, &*counts.positive),
        (4.0, &[1.0, 0.5, 1.5][..])
    );
}

#[test]
fn a_vanished_histogram_gets_a_marker_like_any_series() {
    let mut harness = Harness::new(|_| {});
    harness.protobuf(&of(pb::HISTOGRAM, native()), NATIVE);
    let other = pb::Metric {
        gauge: Some(pb::Gauge { value: 1.0 }),
        ..pb::Metric::default()
    };
    let outcome = harness.protobuf(&[family("g", pb::GAUGE, vec![other])], NATIVE);
    assert_eq!(
        lines(&outcome.blocks),
        [series("g", "1"), series("h", "stale"), up(1)]
    );
    assert!(outcome.blocks.iter().all(|block| block.side.is_none()));
}

#[test]
fn a_series_can_be_a_float_in_one_scrape_and_a_histogram_in_the_next() {
    let mut harness = Harness::new(|_| {});
    let gauge = pb::Metric {
        gauge: Some(pb::Gauge { value: 2.0 }),
        ..pb::Metric::default()
    };
    let float = [family("h", pb::GAUGE, vec![gauge])];
    let histogram = of(pb::HISTOGRAM, native());
    for _ in 0..2 {
        let outcome = harness.protobuf(&float, NATIVE);
        assert_eq!(lines(&outcome.blocks), [series("h", "2"), up(1)]);
        assert_eq!(histograms(&outcome).len(), 0);
        let outcome = harness.protobuf(&histogram, NATIVE);
        assert_eq!(lines(&outcome.blocks), [series("h", "6.5"), up(1)]);
        assert_eq!(histograms(&outcome).len(), 1);
    }
}

#[test]
fn a_sum_that_is_no_number_is_the_canonical_one() {
    let mut own = native();
    own.sample_sum = f64::from_bits(crate::model::value::STALE_BITS);
    own.sample_count = 9;
    let outcome = Harness::new(|_| {}).protobuf(&of(pb::HISTOGRAM, own), NATIVE);
    assert_eq!(outcome.error, None, "observations of NaN are in no bucket");
    let sum = outcome.blocks[0].values[0];
    assert_eq!(sum.to_bits(), crate::model::value::NAN_BITS);
}

#[test]
fn an_invalid_histogram_fails_the_scrape_in_the_words_of_prometheus() {
    let mut own = native();
    own.sample_count = 9;
    let gauge = |name| family(name, pb::GAUGE, vec![pb::Metric::default()]);
    let mut families = of(pb::HISTOGRAM, own);
    families.insert(0, gauge("a"));
    families.push(gauge("z"));
    let outcome = Harness::new(|_| {}).protobuf(&families, NATIVE);
    let error = outcome.error.expect("refused").to_string();
    assert_eq!(
        error,
        "4 observations found in buckets, but the Count field is 9: histogram's observation \
         count should equal the number of observations found in the buckets (in absence of NaN)"
    );
    assert_eq!(
        (outcome.counts.scraped, outcome.counts.post_relabel),
        (2, 1)
    );
    let mut own = native();
    own.schema = 9;
    let error = Harness::new(|_| {})
        .protobuf(&of(pb::HISTOGRAM, own.clone()), NATIVE)
        .error;
    assert!(
        error
            .expect("refused")
            .to_string()
            .ends_with("got schema 9")
    );
    let mut coarser = Harness::new(|config| config.native_histogram_min_bucket_factor = 2.0);
    assert_eq!(
        one(&coarser.protobuf(&of(pb::HISTOGRAM, own), NATIVE)).schema,
        0
    );
}

#[test]
fn buckets_over_the_limit_are_merged_or_fail_the_scrape() {
    let limited = |limit, own: pb::Histogram| {
        let mut harness = Harness::new(|config| config.native_histogram_bucket_limit = limit);
        harness.protobuf(&of(pb::HISTOGRAM, own), NATIVE)
    };
    assert_eq!(one(&limited(2, native())).schema, 3);
    let found = one(&limited(1, native()));
    assert_eq!((found.schema, found.bucket_count()), (1, 1));
    let mut apart = native();
    apart.positive_span = vec![span(-500, 1), span(1000, 2)];
    let outcome = limited(1, apart);
    assert_eq!(
        outcome.error,
        Some(PageError::Histogram(HistogramError::BucketLimit))
    );
    assert_eq!(
        outcome.error.expect("over").to_string(),
        "histogram bucket limit exceeded"
    );
    assert_eq!(
        (outcome.counts.scraped, outcome.counts.post_relabel),
        (1, 1)
    );
}

#[test]
fn a_broken_page_fails_and_counts_what_came_before() {
    let mut body = delimited(&of(pb::HISTOGRAM, native()));
    body.push(100);
    let mut harness = Harness::new(|_| {});
    let outcome = harness.body(Dialect::Protobuf, &body, NATIVE);
    let error = outcome.error.expect("refused").to_string();
    let at = body.len() - 1;
    assert_eq!(
        error,
        format!("protobuf: a metric family at byte {at} has a wrong length")
    );
    assert_eq!(
        (outcome.counts.scraped, outcome.counts.post_relabel),
        (1, 1)
    );
    assert_eq!(lines(&outcome.blocks), [up(0)]);
}

const TEXT: &str = "# TYPE h histogram\n\
    h_bucket{a=\"x\",le=\"1\"} 2\n\
    h_bucket{a=\"x\",le=\"5.0\"} 3 # {id=\"t\"} 4 1.5\n\
    h_bucket{a=\"x\",le=\"+Inf\"} 4 # {id=\"u\"} 9\n\
    h_sum{a=\"x\"} 17\n\
    h_count{a=\"x\"} 4\n\
    h_bucket{le=\"1\",a=\"y\"} 0.5\n\
    h_count{a=\"y\"} 2\n\
    # TYPE other gauge\n\
    other 1\n\
    # EOF\n";

#[test]
fn classic_series_of_a_text_page_become_histograms() {
    let mut harness = Harness::new(|_| {});
    for _ in 0..2 {
        let outcome = harness.text(TEXT, CUSTOM);
        let found = histograms(&outcome);
        assert_eq!(found[0].0, r#"{__name__="h", a="x"}"#);
        assert_eq!(
            (found[0].1, &*found[0].2.custom_values),
            (17.0, &[1.0, 5.0][..])
        );
        assert_eq!(found[1].0, r#"{__name__="h", a="y"}"#);
        assert!(
            matches!(found[1].2.counts, Counts::Float(_)),
            "half an observation"
        );
        assert_eq!(outcome.counts.scraped, 3);
        let expected = [
            r#"{__name__="h", a="x"} 17"#.to_owned(),
            r#"{__name__="h", a="y"} 0"#.to_owned(),
            series("other", "1"),
            up(1),
        ];
        assert_eq!(lines(&outcome.blocks), expected);
    }
}

#[test]
fn exemplars_with_a_time_go_to_the_histogram() {
    let outcome = Harness::new(|_| {}).text(TEXT, CUSTOM);
    let side = outcome.blocks[0].side.as_ref().expect("tables");
    let found: Vec<_> = side
        .exemplars
        .iter()
        .map(|(slot, own)| (*slot, own.value, own.timestamp_ms))
        .collect();
    assert_eq!(found, [(0, 4.0, Some(1500))]);
}

#[test]
fn classic_series_can_stay_beside_and_what_is_none_is_left_out() {
    let always_classic = true;
    let both = Histograms {
        always_classic,
        ..CUSTOM
    };
    let outcome = Harness::new(|_| {}).text(TEXT, both);
    assert_eq!(histograms(&outcome).len(), 2);
    assert_eq!(outcome.counts.scraped, 10);
    let page = "# TYPE h histogram\n\
        h_bucket{le=\"1\"} 2\n\
        h_bucket{le=\"2\"} 1\n\
        h_created 5\n\
        # TYPE s summary\n\
        s_count 3\n\
        # EOF\n";
    let outcome = Harness::new(|_| {}).text(page, CUSTOM);
    assert_eq!(histograms(&outcome).len(), 0, "not cumulative");
    let expected = [series("h_created", "5"), series("s_count", "3"), up(1)];
    assert_eq!(lines(&outcome.blocks), expected);
}

#[test]
fn an_error_of_a_converted_page_has_its_place_on_the_page_of_the_target() {
    let page = TEXT.replace("other 1", "other x");
    let outcome = Harness::new(|_| {}).text(&page, CUSTOM);
    let error = outcome.error.expect("malformed").to_string();
    assert!(error.ends_with("(line 10, column 6)"), "{error}");
    assert_eq!(outcome.counts.scraped, 2);
}
