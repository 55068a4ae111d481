//! Blocks and staleness markers of one target (the rules of Prometheus's scrape loop).

use super::*;
use crate::exposition::protocol::Format;
use crate::model::labels::Labels;
use crate::relabel::rule::{Action, NameScheme, Rule};
use crate::scrape::testing::{job, lines};
use crate::telemetry::budget::MemoryBudget;

struct Harness {
    target: TargetLoop,
    now: i64,
}

mod dialects;
mod exemplars;
mod histograms;
mod memory;
mod odd_pages;
mod random_pages;
mod starts;

fn shared() -> Shared {
    Shared {
        interner: Interner::default(),
        report: ReportSeries::default(),
        out_of_order_window_ms: 0,
        memory: MemoryBudget::unlimited(),
        offender: Default::default(),
    }
}

impl Harness {
    fn new(change: impl FnOnce(&mut ScrapeConfig)) -> Harness {
        Harness::sharing(change, shared())
    }

    fn sharing(change: impl FnOnce(&mut ScrapeConfig), shared: Shared) -> Harness {
        let mut config = job("j");
        change(&mut config);
        let labels = Labels::from_pairs([("instance", "i"), ("job", "j")]);
        let identity = Arc::new(TargetIdentity {
            id: 1,
            job: "j".into(),
            labels,
        });
        let timeout = Duration::from_secs(10);
        Harness {
            target: TargetLoop::new(identity, Arc::new(config), timeout, shared),
            now: 0,
        }
    }

    fn time(&mut self) -> ScrapeTime {
        self.now += 15_000;
        ScrapeTime {
            epoch: EpochId(1),
            offset_ms: self.now,
            wall: Wall(1_000_000 + self.now),
        }
    }

    fn outcome(&mut self, page: &str) -> Outcome {
        let at = self.time();
        self.target.page(
            at,
            &PageView::as_sent(Format::Text, page.as_bytes()),
            Duration::from_millis(5),
        )
    }

    fn open_metrics(&mut self, page: &str) -> Outcome {
        let at = self.time();
        let page = format!("{page}# EOF\n");
        let page = PageView::as_sent(Format::OpenMetrics, page.as_bytes());
        self.target.page(at, &page, Duration::from_millis(5))
    }

    fn page(&mut self, page: &str) -> Vec<String> {
        let outcome = self.outcome(page);
        assert_eq!(outcome.error, None);
        lines(&outcome.blocks)
    }

    fn failed(&mut self) -> Vec<String> {
        let at = self.time();
        lines(&self.target.failed(at, Duration::from_millis(5), Some(0)))
    }
}

/// A rule that drops the series of these names.
fn dropping(names: &str) -> Rule {
    Rule {
        action: Action::Drop,
        source_labels: vec!["__name__".to_owned()],
        separator: ";".to_owned(),
        regex: crate::relabel::regex::compile(names).expect("regex"),
        modulus: 0,
        target_label: String::new(),
        replacement: "$1".to_owned(),
        scheme: NameScheme::Utf8,
    }
}

fn up(value: u8) -> String {
    format!(r#"{{__name__="up"}} {value}"#)
}

fn series(name: &str, value: &str) -> String {
    format!(r#"{{__name__="{name}"}} {value}"#)
}

#[test]
fn an_unchanged_page_reuses_the_series_list() {
    let mut harness = Harness::new(|_| {});
    let page = "# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\nb 3\n";
    let first = harness.outcome(page);
    let second = harness.outcome(&page.replace(" 3", " 4"));
    assert!(Arc::ptr_eq(
        &first.blocks[0].series,
        &second.blocks[0].series
    ));
    assert_eq!(
        (first.counts.series_added, second.counts.series_added),
        (3, 0)
    );
    let family = second.blocks[0].series.chunks()[0]
        .family()
        .map(|family| family.name().to_owned());
    assert_eq!(family.as_deref(), Some("a"));
}

#[test]
fn series_that_vanish_get_one_marker() {
    let mut harness = Harness::new(|_| {});
    harness.page("a 1\nb 2\nc 3\n");
    assert_eq!(
        harness.page("a 1\nc 3\n"),
        [
            series("a", "1"),
            series("b", "stale"),
            series("c", "3"),
            up(1)
        ]
    );
    assert_eq!(
        harness.page("a 1\nc 3\n"),
        [series("a", "1"), series("c", "3"), up(1)]
    );
    assert_eq!(harness.page("c 3\nb 2\na 1\nd 4\n").len(), 5);
}

#[test]
fn an_empty_page_succeeds_and_ends_every_series() {
    let mut harness = Harness::new(|_| {});
    harness.page("a 1\n");
    assert_eq!(harness.page(""), [series("a", "stale"), up(1)]);
    assert_eq!(harness.page(""), [up(1)]);
}

#[test]
fn a_failed_scrape_marks_everything_once() {
    let mut harness = Harness::new(|_| {});
    assert_eq!(harness.failed(), [up(0)]);
    harness.page("a 1\nb 2\n");
    assert_eq!(
        harness.failed(),
        [series("a", "stale"), series("b", "stale"), up(0)]
    );
    assert_eq!(harness.failed(), [up(0)]);
    let again = harness.outcome("a 1\n");
    assert_eq!(
        again.counts.series_added, 0,
        "it was known, as in Prometheus"
    );
    assert_eq!(
        lines(&again.blocks),
        [series("a", "1"), up(1)],
        "b was marked already"
    );
}

#[test]
fn a_parse_error_throws_the_whole_page_away() {
    let mut harness = Harness::new(|_| {});
    harness.page("a 1\nb 2\n");
    let outcome = harness.outcome("a 1\nb 2\nc{ 3\n");
    let error = outcome
        .error
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(error.contains("line 3"), "{error}");
    assert_eq!(
        lines(&outcome.blocks),
        [series("a", "stale"), series("b", "stale"), up(0)]
    );
}

#[test]
fn series_with_timestamps_get_markers_only_when_tracked() {
    for (track, expected) in [
        (false, vec![up(1)]),
        (true, vec![series("a", "stale"), up(1)]),
    ] {
        let mut harness = Harness::new(|config| config.track_timestamps_staleness = track);
        assert_eq!(
            harness.page("a 1 500\n"),
            [format!("{} @500", series("a", "1")), up(1)]
        );
        assert_eq!(harness.page(""), expected);
    }
}

#[test]
fn timestamps_are_ignored_unless_honored() {
    let mut harness = Harness::new(|config| config.honor_timestamps = false);
    assert_eq!(harness.page("a 1 500\n"), [series("a", "1"), up(1)]);
    assert_eq!(harness.page("a 1 500\n"), [series("a", "1"), up(1)]);
}

#[test]
fn a_repeated_series_is_rejected_and_the_scrape_succeeds() {
    let mut harness = Harness::new(|_| {});
    for _ in 0..2 {
        let outcome = harness.outcome("a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\n");
        assert_eq!(outcome.counts.duplicate, 1);
        assert_eq!(outcome.counts.post_relabel, 2);
        assert_eq!(
            lines(&outcome.blocks),
            [r#"{__name__="a", x="1", y="2"} 1"#.to_owned(), up(1)]
        );
    }
    let swapped = harness.outcome("a{y=\"2\",x=\"1\"} 2\n");
    assert_eq!(
        lines(&swapped.blocks),
        [r#"{__name__="a", x="1", y="2"} 2"#.to_owned(), up(1)]
    );
}

#[test]
fn conflicting_labels_are_exported_or_honored() {
    let page = "a{job=\"own\",exported_job=\"x\",instance=\"\"} 1\n";
    let labels_of = |honor: bool| {
        let mut harness = Harness::new(|config| config.honor_labels = honor);
        let outcome = harness.outcome(page);
        let list = &outcome.blocks[0].series;
        let (chunk, index) = list.iter().next().expect("a series");
        Labels::from_pairs(list.labels(chunk, index)).to_string()
    };
    let exported =
        r#"{__name__="a", exported_exported_job="own", exported_job="x", instance="i", job="j"}"#;
    assert_eq!(labels_of(false), exported);
    assert_eq!(
        labels_of(true),
        r#"{__name__="a", exported_job="x", job="own"}"#
    );
}

#[test]
fn a_label_that_stands_twice_fails_the_scrape_unless_relabelling_removes_it() {
    let page = "a{x=\"1\",x=\"2\"} 1\nb 1\n";
    let error = Harness::new(|_| {}).outcome(page).error;
    assert!(matches!(error, Some(PageError::Row(_))), "{error:?}");
    for (action, regex) in [(Action::Drop, "a"), (Action::LabelDrop, "x")] {
        let mut harness = Harness::new(|config| {
            config.metric_relabel_configs = vec![Rule {
                action,
                source_labels: vec!["__name__".to_owned()],
                separator: ";".to_owned(),
                regex: crate::relabel::regex::compile(regex).expect("regex"),
                modulus: 0,
                target_label: String::new(),
                replacement: "$1".to_owned(),
                scheme: NameScheme::Utf8,
            }];
        });
        assert!(harness.page(page).contains(&series("b", "1")), "{action:?}");
    }
}

#[test]
fn relabelled_away_rows_are_counted_but_not_kept() {
    let mut harness = Harness::new(|config| {
        config.metric_relabel_configs = vec![dropping("b.*")];
    });
    for round in 0..2 {
        let outcome = harness.outcome("a 1\nb 2\nb2 3\nc 4\n");
        let Counts {
            scraped,
            post_relabel,
            series_added,
            ..
        } = outcome.counts;
        assert_eq!(
            (scraped, post_relabel, series_added),
            (4, 2, if round == 0 { 2 } else { 0 })
        );
        assert_eq!(
            lines(&outcome.blocks),
            [series("a", "1"), series("c", "4"), up(1)]
        );
    }
}

#[test]
fn the_sample_limit_fails_the_scrape() {
    let mut harness = Harness::new(|config| config.limits.samples = Some(2));
    let outcome = harness.outcome("a 1\nb 2\nc 3\n");
    assert_eq!(outcome.error, Some(PageError::SampleLimit));
    assert_eq!(
        (outcome.counts.scraped, outcome.counts.post_relabel),
        (3, 3)
    );
    assert_eq!(lines(&outcome.blocks), [up(0)]);
    assert_eq!(harness.page("a 1\nb 2\n").len(), 3);
}

#[test]
fn the_end_of_a_target_marks_the_report_series_too() {
    let mut harness = Harness::new(|_| {});
    harness.page("a 1\n");
    let at = harness.time();
    let block = harness.target.end(at, &[]).expect("markers");
    assert_eq!(
        lines(&[block]),
        [series("a", "stale"), r#"{__name__="up"} stale"#.to_owned()]
    );
    let mut fresh = Harness::new(|_| {});
    let at = fresh.time();
    assert!(fresh.target.end(at, &[]).is_none(), "never scraped");
}

#[test]
fn a_changed_job_relabels_every_series_and_marks_those_that_go() {
    let mut harness = Harness::new(|_| {});
    harness.page("a 1\nb 2\n");
    let mut config = job("j");
    config.metric_relabel_configs = vec![Rule {
        action: Action::Replace,
        source_labels: vec!["__name__".to_owned()],
        separator: ";".to_owned(),
        regex: crate::relabel::regex::compile("b").expect("regex"),
        modulus: 0,
        target_label: "new".to_owned(),
        replacement: "1".to_owned(),
        scheme: NameScheme::Utf8,
    }];
    harness
        .target
        .reconfigure(Arc::new(config), Duration::from_secs(10));
    let expected = [
        series("a", "1"),
        r#"{__name__="b", new="1"} 2"#.to_owned(),
        series("b", "stale"),
        up(1),
    ];
    assert_eq!(harness.page("a 1\nb 2\n"), expected);
    harness
        .target
        .reconfigure(Arc::new(job("j")), Duration::from_secs(5));
    assert!(harness.page("a 1\nb 2\n").contains(&series("b", "2")));
}

#[test]
fn a_changed_job_forgets_what_its_old_rules_made_whatever_comes_next() {
    for empty in [true, false] {
        let mut harness = Harness::new(|_| {});
        harness.page("a 1\nb 2\n");
        let mut config = job("j");
        config.metric_relabel_configs = vec![dropping("b")];
        config.extra_scrape_metrics = true;
        harness
            .target
            .reconfigure(Arc::new(config), Duration::from_secs(10));
        let gone = [series("a", "stale"), series("b", "stale")];
        if empty {
            let outcome = harness.outcome("# EOF\n");
            let block = &outcome.blocks[0];
            assert_eq!(block.values.len(), block.series.len());
            assert_eq!(lines(&outcome.blocks), [&gone[..], &[up(1)]].concat());
        } else {
            assert_eq!(harness.failed(), [&gone[..], &[up(0)]].concat());
        }
        let outcome = harness.outcome("a 1\nb 2\n");
        let block = &outcome.blocks[0];
        assert_eq!(block.values.len(), block.series.len());
        assert_eq!(lines(&outcome.blocks), [series("a", "1"), up(1)]);
    }
}

#[test]
fn a_target_that_ends_in_the_moment_of_its_last_scrape_still_gets_markers() {
    let mut harness = Harness::new(|_| {});
    let at = harness.time();
    let page = harness.target.page(
        at,
        &PageView::as_sent(Format::Text, b"a 1\n"),
        Duration::ZERO,
    );
    let end = harness.target.end(at, &[]).expect("markers");
    assert!(end.offset_ms > page.blocks[0].offset_ms);
}

#[test]
fn times_grow_even_when_the_clock_does_not() {
    let mut harness = Harness::new(|_| {});
    let at = harness.time();
    let one = harness.target.page(
        at,
        &PageView::as_sent(Format::Text, b"a 1\n"),
        Duration::ZERO,
    );
    let two = harness.target.page(
        at,
        &PageView::as_sent(Format::Text, b"a 1\n"),
        Duration::ZERO,
    );
    assert!(two.blocks[0].offset_ms > one.blocks[0].offset_ms);
}
