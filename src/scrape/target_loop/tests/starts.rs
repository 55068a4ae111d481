//! Start timestamps of a target from page to page.

use super::*;
use crate::exposition::protocol::Dialect;
use crate::exposition::transcode::Histograms;

/// A target that takes start timestamps, or does not.
fn harness(start_timestamps: bool) -> Harness {
    Harness::new(|config| config.start_timestamps = start_timestamps)
}

/// Start timestamps of the page's series by name and labels.
fn starts(outcome: &Outcome) -> Vec<(String, i64)> {
    assert_eq!(outcome.error, None);
    let block = &outcome.blocks[0];
    let side = block.side.as_ref().map(|side| side.starts.clone());
    let name = |slot: u32| {
        let (chunk, index) = block.series.iter().nth(slot as usize).expect("a slot");
        let labels = block.series.labels(chunk, index);
        let mut own = labels.filter(|(name, _)| !matches!(*name, "job" | "instance"));
        let (_, name) = own.next().expect("a name");
        let rest: Vec<String> = own.map(|(name, value)| format!("{name}={value}")).collect();
        format!("{name} {}", rest.join(" ")).trim_end().to_owned()
    };
    let starts = side.unwrap_or_default().into_iter();
    starts.map(|(slot, at)| (name(slot), at)).collect()
}

fn expected(pairs: &[(&str, i64)]) -> Vec<(String, i64)> {
    let pairs = pairs.iter();
    pairs.map(|(name, at)| ((*name).to_owned(), *at)).collect()
}

const PAGE: &str = "# TYPE a counter
a_total{x=\"1\"} 1
a_created{x=\"1\"} 1.5
a_total{x=\"2\"} 1
a_created{x=\"2\"} 2.5
# TYPE h histogram
h_bucket{le=\"1.0\"} 1
h_bucket{le=\"+Inf\"} 2
h_count 2
h_sum 3
h_created 3.5
# TYPE g gauge
g_created 4.5
";

#[test]
fn created_lines_become_the_starts_of_their_series() {
    let mut harness = harness(true);
    let all = [
        ("a_total x=1", 1500),
        ("a_total x=2", 2500),
        ("h_bucket le=1.0", 3500),
        ("h_bucket le=+Inf", 3500),
        ("h_count", 3500),
        ("h_sum", 3500),
    ];
    for _ in 0..2 {
        let outcome = harness.open_metrics(PAGE);
        assert_eq!(starts(&outcome), expected(&all));
        // The gauge's own line is a series.
        assert_eq!(
            (outcome.counts.scraped, outcome.counts.post_relabel),
            (7, 7)
        );
        assert!(
            !lines(&outcome.blocks)
                .iter()
                .any(|line| line.contains("a_created"))
        );
    }
    // A counter begins anew, and another one is there.
    let page = PAGE
        .replace("1.5", "9")
        .replace("# TYPE h", "a_total{x=\"3\"} 1\n# TYPE h");
    let found = starts(&harness.open_metrics(&page));
    assert_eq!(found[0], ("a_total x=1".to_owned(), 9000));
    assert_eq!(found.len(), 6);
}

#[test]
fn without_the_feature_they_are_series() {
    let mut harness = harness(false);
    let outcome = harness.open_metrics(PAGE);
    assert_eq!(starts(&outcome), []);
    assert_eq!(outcome.counts.scraped, 10);
    assert!(
        lines(&outcome.blocks)
            .iter()
            .any(|line| line.contains("a_created"))
    );
}

#[test]
fn classic_text_has_no_start_timestamps() {
    let mut harness = harness(true);
    let got = harness.page("# TYPE a counter\na 1\na_created 5\n");
    assert!(got.contains(&series("a_created", "5")), "{got:?}");
}

#[test]
fn the_order_within_a_family_does_not_matter() {
    let mut harness = harness(true);
    let page = "# TYPE a counter\na_created{x=\"2\"} 2\na_total{x=\"1\"} 1\na_total{x=\"2\"} 1\n\
                a_created{x=\"1\"} 1\na_created{x=\"3\"} 3\n";
    let all = [("a_total x=1", 1000), ("a_total x=2", 2000)];
    assert_eq!(starts(&harness.open_metrics(page)), expected(&all));
}

#[test]
fn a_start_belongs_to_a_series_whatever_relabelling_calls_it() {
    let mut harness = Harness::new(|config| {
        config.start_timestamps = true;
        config.metric_relabel_configs = vec![Rule {
            action: Action::Replace,
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            regex: crate::relabel::regex::compile("(.*)").expect("regex"),
            modulus: 0,
            target_label: "__name__".to_owned(),
            replacement: "other".to_owned(),
            scheme: NameScheme::Utf8,
        }];
    });
    let page = "# TYPE a counter\na_total 1\na_created 1.5\n";
    assert_eq!(
        starts(&harness.open_metrics(page)),
        expected(&[("other", 1500)])
    );
}

/// What becomes of `PAGE` where classic histograms become native ones.
fn converted(start_timestamps: bool, always_classic: bool) -> Outcome {
    let histograms = Histograms {
        to_custom: true,
        always_classic,
        ..Histograms::default()
    };
    let page = format!("{PAGE}# EOF\n");
    let dialect = Dialect::Text(Format::OpenMetrics);
    harness(start_timestamps).body(dialect, page.as_bytes(), histograms)
}

#[test]
fn created_lines_become_the_starts_of_converted_histograms_too() {
    let outcome = converted(true, false);
    let all = [("a_total x=1", 1500), ("a_total x=2", 2500), ("h", 3500)];
    assert_eq!(starts(&outcome), expected(&all));
    // Two counters, the histogram and the gauge's own line.
    assert_eq!(outcome.counts.scraped, 4);
    let kept = [
        ("a_total x=1", 1500),
        ("a_total x=2", 2500),
        ("h_bucket le=1.0", 3500),
        ("h_bucket le=+Inf", 3500),
        ("h_count", 3500),
        ("h_sum", 3500),
        ("h", 3500),
    ];
    let outcome = converted(true, true);
    assert_eq!(starts(&outcome), expected(&kept));
    assert_eq!(outcome.counts.scraped, 8);
}

#[test]
fn without_the_feature_a_created_line_stays_a_series_beside_a_converted_histogram() {
    let outcome = converted(false, false);
    assert_eq!(starts(&outcome), []);
    let lines = lines(&outcome.blocks);
    assert!(lines.contains(&series("h_created", "3.5")), "{lines:?}");
    assert_eq!(outcome.counts.scraped, 7);
}

/// A target that adds zeros, and keeps start timestamps or does not.
fn with_zeros(start_timestamps: bool) -> Harness {
    Harness::new(|config| {
        config.start_timestamps = start_timestamps;
        config.start_zeros = true;
    })
}

/// Zeros of a scrape with their times; none if there is no block before its own.
fn zeros_of(outcome: &Outcome) -> Vec<String> {
    assert_eq!(outcome.error, None);
    // Every sample of such a block has a time of its own, and the report is not in it.
    let first = &outcome.blocks[0];
    let times = first.side.as_ref().map_or(0, |side| side.timestamps.len());
    match first.sample_count() == times {
        true => lines(std::slice::from_ref(first)),
        false => Vec::new(),
    }
}

/// Wall time of the last scrape in milliseconds.
fn wall_of(harness: &Harness) -> i64 {
    1_000_000 + harness.now
}

fn zero_at(millis: i64) -> String {
    format!("{} @{millis}", series("a_total", "0"))
}

/// A page of one counter that began at `seconds` of the harness's clock.
fn begun(value: u8, seconds: f64) -> String {
    format!("# TYPE a counter\na_total {value}\na_created {seconds}\n")
}

#[test]
fn a_series_that_began_since_the_last_scrape_gets_a_zero() {
    for start_timestamps in [false, true] {
        let mut harness = with_zeros(start_timestamps);
        let first = harness.open_metrics("");
        assert_eq!(zeros_of(&first), [""; 0], "no scrape came before");
        let since = wall_of(&harness);
        let seconds = (since + 500) as f64 / 1000.0;
        let outcome = harness.open_metrics(&begun(5, seconds));
        assert_eq!(zeros_of(&outcome), [zero_at(since + 500)]);
        let own = outcome.blocks[1].side.as_ref();
        let kept = own.is_some_and(|side| !side.starts.is_empty());
        assert_eq!(kept, start_timestamps);
        // It goes on counting, and begins anew.
        assert_eq!(zeros_of(&harness.open_metrics(&begun(6, seconds))), [""; 0]);
        let since = wall_of(&harness);
        let seconds = (since + 750) as f64 / 1000.0;
        let outcome = harness.open_metrics(&begun(1, seconds));
        assert_eq!(zeros_of(&outcome), [zero_at(since + 750)]);
    }
}

#[test]
fn starts_before_the_last_scrape_or_ahead_of_this_one_give_no_zero() {
    let mut harness = with_zeros(false);
    assert_eq!(zeros_of(&harness.open_metrics(&begun(5, 1.0))), [""; 0]);
    let since = wall_of(&harness);
    for seconds in [since as f64 / 1000.0, since as f64, f64::NAN] {
        let outcome = harness.open_metrics(&begun(5, seconds));
        assert_eq!(zeros_of(&outcome), [""; 0], "{seconds}");
    }
    let since = wall_of(&harness);
    let at = (since + 500) as f64 / 1000.0;
    let page = begun(5, at).replace("a_total 5", &format!("a_total 5 {at}"));
    let outcome = harness.open_metrics(&page);
    assert_eq!(zeros_of(&outcome), [""; 0], "it has a timestamp of its own");
}

#[test]
fn what_begins_while_its_target_is_down_gets_a_zero_however_often_it_was_tried_since() {
    let mut harness = with_zeros(false);
    for _page_between in 0..2 {
        harness.failed();
        let since = wall_of(&harness);
        harness.failed();
        harness.failed();
        let outcome = harness.open_metrics(&begun(5, (since + 500) as f64 / 1000.0));
        assert_eq!(zeros_of(&outcome), [zero_at(since + 500)]);
    }
    // The markers have the time of the first failure.
    harness.failed();
    let markers = wall_of(&harness);
    harness.failed();
    let outcome = harness.open_metrics(&begun(5, (markers - 1) as f64 / 1000.0));
    assert_eq!(zeros_of(&outcome), [""; 0]);
}

#[test]
fn an_attempt_under_another_clock_counts_for_what_begins_later() {
    let mut harness = with_zeros(false);
    harness.open_metrics("");
    let mut at = harness.time();
    at.epoch = EpochId(2);
    harness.target.failed(at, Duration::from_millis(5), Some(0));
    let started = (at.wall.0 + 500) as f64 / 1000.0;
    let page = format!("{}# EOF\n", begun(5, started));
    let page = PageView::as_sent(Format::OpenMetrics, page.as_bytes());
    at.offset_ms += 15_000;
    at.wall.0 += 15_000;
    let outcome = harness.target.page(at, &page, Duration::from_millis(5));
    assert_eq!(zeros_of(&outcome), [zero_at(at.wall.0 - 14_500)]);
}

#[test]
fn without_the_feature_there_are_no_zeros() {
    let mut harness = harness(true);
    harness.open_metrics("");
    let since = wall_of(&harness);
    let page = begun(5, (since + 500) as f64 / 1000.0);
    assert_eq!(harness.open_metrics(&page).blocks.len(), 1);
}

#[test]
fn a_native_histogram_begins_with_an_empty_one() {
    let mut harness = with_zeros(false);
    harness.open_metrics("");
    let since = wall_of(&harness);
    let seconds = (since + 500) as f64 / 1000.0;
    let page = format!(
        "# TYPE h histogram\nh_bucket{{le=\"1.0\"}} 1\nh_bucket{{le=\"+Inf\"}} 2\nh_count 2\nh_sum 3\n\
         h_created {seconds}\n# EOF\n"
    );
    let histograms = Histograms {
        to_custom: true,
        ..Histograms::default()
    };
    let dialect = Dialect::Text(Format::OpenMetrics);
    let outcome = harness.body(dialect, page.as_bytes(), histograms);
    assert_eq!(outcome.blocks.len(), 2);
    let [zero, own] = [0, 1].map(|at| outcome.blocks[at].histogram(0).expect("a histogram"));
    assert_eq!((zero.bucket_count(), own.bucket_count()), (0, 2));
    assert_eq!(zero.custom_values, own.custom_values);
    assert_eq!(outcome.blocks[0].values[0].to_bits(), 0.0_f64.to_bits());
}
