//! Pages and rules at the edge of what is allowed.

use super::*;

fn rule(action: Action, regex: &str, replacement: &str) -> Rule {
    Rule {
        action,
        regex: crate::relabel::regex::compile(regex).expect("regex"),
        replacement: replacement.to_owned(),
        ..dropping("")
    }
}

#[test]
fn a_label_without_a_name_fails_the_scrape() {
    let text = "invalid metric name or label names";
    let refused = |harness: &mut Harness, page: &str| {
        let error = harness.outcome(page).error.expect("refused").to_string();
        assert!(error.starts_with(text), "{error}");
    };
    let page = "{\"m\",\"\"=\"x\"} 1\n";
    refused(&mut Harness::new(|_| {}), page);
    let map = rule(Action::LabelMap, "label_(.*)", "$1");
    let mut mapping = Harness::new(|config| config.metric_relabel_configs = vec![map]);
    refused(&mut mapping, "m{label_=\"x\"} 1\n");
    let without = Harness::new(|_| {}).page("{\"m\",\"\"=\"\"} 1\n");
    assert!(without.contains(&series("m", "1")), "{without:?}");
}

#[test]
fn a_row_that_relabelling_leaves_no_label_is_dropped() {
    let all = rule(Action::LabelDrop, ".*", "");
    let mut harness = Harness::new(|config| config.metric_relabel_configs = vec![all]);
    let outcome = harness.outcome("a 1\nb{x=\"1\"} 2\n");
    assert_eq!(
        (&outcome.error, lines(&outcome.blocks)),
        (&None, vec![up(1)])
    );
    assert_eq!(
        (outcome.counts.scraped, outcome.counts.post_relabel),
        (2, 0)
    );
}

#[test]
fn an_exported_label_takes_the_name_of_an_empty_one() {
    let outcome = Harness::new(|_| {}).outcome("m{job=\"a\",exported_job=\"\"} 1\n");
    let list = &outcome.blocks[0].series;
    let (chunk, index) = list.iter().next().expect("a series");
    assert_eq!(
        Labels::from_pairs(list.labels(chunk, index)).to_string(),
        r#"{__name__="m", exported_job="a", instance="i", job="j"}"#
    );
}

/// Of a page with a sample limit of 3: whether it is refused, and what was counted.
fn limited(page: &str) -> Vec<(bool, usize)> {
    let mut harness = Harness::new(|config| {
        config.limits.samples = Some(3);
        config.metric_relabel_configs = vec![dropping("gone")];
    });
    let outcomes = (0..2).map(|_| harness.outcome(page));
    let told = outcomes.map(|outcome| {
        let refused = outcome.error == Some(PageError::SampleLimit);
        assert!(refused || outcome.error.is_none());
        (refused, outcome.counts.series_added)
    });
    told.collect()
}

#[test]
fn the_sample_limit_does_not_count_lines_that_were_there() {
    let taken = [(false, 3), (false, 0)];
    assert_eq!(limited("a 1\na 1\nb 1\nc 1\nc 2\n"), taken);
    assert_eq!(limited("gone 1\ngone 1\na 1\na 1\nb 1\nc 1\n"), taken);
    assert!(!limited("a 1 900\na 1\nb 1\nc 1\n")[0].0);
    for refused in [
        "a 1\nb 1\nb 1\nc 1\nd 1\n",
        // Another text of the same series counts, and so does a time of its own.
        "a{x=\"1\",y=\"1\"} 1\na{y=\"1\",x=\"1\"} 1\nb 1\nc 1\n",
        "a 1 1000\na 1 1001\nb 1\nc 1\n",
    ] {
        assert!(limited(refused)[0].0, "{refused}");
    }
}
