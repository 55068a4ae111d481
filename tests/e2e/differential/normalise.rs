//! Where Debian's Prometheus 2.42 is known to differ from the contract, Prometheus 3.14.
//!
//! Each rule has a name, a reason and the cases it may touch, and turns what 2.42 delivered into
//! what the contract wants. A difference that no rule names fails the test; so does a rule that
//! changes nothing.

use std::collections::BTreeMap;

use narthex::model::value::STALE_BITS;

use super::observe::{At, Event, Observed};
use crate::support::receiver::{Labels, label};

/// One known difference.
struct Rule {
    name: &'static str,
    /// Why the two differ.
    #[expect(dead_code, reason = "for the reader of the table")]
    reason: &'static str,
    /// Whether the rule may touch a case.
    concerns: fn(&str) -> bool,
    apply: fn(&mut Observed),
}

const RULES: &[Rule] = &[
    Rule {
        name: "le and quantile are written as OpenMetrics writes floats",
        reason: "since 3.0 the text formats are normalised: 1 becomes 1.0",
        concerns: |case| case != "untyped",
        apply: floats_in_labels,
    },
    Rule {
        name: "of a series that a page has twice, the first sample counts",
        reason: "2.42 in agent mode stores both with one timestamp, 3.x drops and counts the second",
        concerns: |case| case == "duplicates",
        apply: first_of_each_time,
    },
    Rule {
        name: "a sample that repeats the timestamp of its series is dropped",
        reason: "2.42 refuses only older ones, 3.x also equal ones",
        concerns: |case| case == "timestamps_repeated",
        apply: first_of_each_time,
    },
    Rule {
        name: "a failed scrape ends exactly the series that had a value before",
        reason: "2.42 spares those it had parsed before the error, and ends some it never stored",
        concerns: |case| matches!(case, "sample_limit" | "refused" | "refused_openmetrics"),
        apply: end_at_failures,
    },
    Rule {
        name: "targets on loopback are not asked for compression",
        reason: "narthex asks them only when enable_compression is written; docs/compatibility.md",
        concerns: |_| true,
        apply: ask_for_identity,
    },
    Rule {
        name: "the sign of zero is sent",
        reason: "Prometheus's encoder leaves out zeros of either sign, so -0 arrives as 0",
        concerns: |case| {
            matches!(
                case,
                "gauges" | "file_targets" | "relabel_drops" | "special_floats"
            )
        },
        apply: keep_the_sign_of_zero,
    },
    Rule {
        name: "a page that is thrown away adds no series",
        reason: "Prometheus counts them, because its cache keeps what the storage does not",
        concerns: |case| matches!(case, "prometheus_om" | "refused"),
        apply: add_nothing_at_failures,
    },
    Rule {
        name: "blanks before a metric name are skipped",
        reason: "2.42 takes them for a part of the name and then refuses it",
        concerns: |case| case == "spelling",
        apply: skip_leading_blanks,
    },
];

/// Applies all rules; returns the names of those that changed nothing.
pub(crate) fn apply(observed: &mut [Observed]) -> Vec<&'static str> {
    let mut unused = Vec::new();
    for rule in RULES {
        let mut changed = false;
        for one in observed.iter_mut().filter(|one| (rule.concerns)(one.case)) {
            let before = one.clone();
            (rule.apply)(one);
            changed |= before.series != one.series
                || before.exemplars != one.exemplars
                || before.asked != one.asked;
        }
        if !changed {
            unused.push(rule.name);
        }
    }
    unused
}

fn first_of_each_time(observed: &mut Observed) {
    for events in observed.series.values_mut() {
        events.dedup_by_key(|event| event.at);
    }
}

fn ask_for_identity(observed: &mut Observed) {
    let headers = observed
        .asked
        .iter_mut()
        .flatten()
        .flat_map(|asked| &mut asked.headers);
    for (_, value) in headers.filter(|(name, _)| name == "Accept-Encoding") {
        "identity".clone_into(value);
    }
}

/// The pages of these cases write -0 at exactly these places.
fn keep_the_sign_of_zero(observed: &mut Observed) {
    let is_minus_zero = |labels: &Labels, at: At| match label(labels, "__name__") {
        "temperature" => at == At::Scrape(0),
        "stays" => label(labels, "index") == "3",
        "turns" => at == At::Scrape(3),
        _ => false,
    };
    for (labels, events) in &mut observed.series {
        for event in events
            .iter_mut()
            .filter(|event| is_minus_zero(labels, event.at))
        {
            if event.bits == 0f64.to_bits() {
                event.bits = (-0f64).to_bits();
            }
        }
    }
}

fn add_nothing_at_failures(observed: &mut Observed) {
    for (instance, failures) in failures(observed) {
        let named = |labels: &Labels| {
            label(labels, "__name__") == "scrape_series_added"
                && label(labels, "instance") == instance
        };
        for (_, events) in observed
            .series
            .iter_mut()
            .filter(|(labels, _)| named(labels))
        {
            for event in events
                .iter_mut()
                .filter(|event| failures.contains(&event.at))
            {
                event.bits = 0f64.to_bits();
            }
        }
    }
}

/// When scrapes failed, by instance.
fn failures(observed: &Observed) -> Vec<(String, Vec<At>)> {
    let ups = observed
        .series
        .iter()
        .filter(|(labels, _)| label(labels, "__name__") == "up");
    let of_one = |(labels, events): (&Labels, &Vec<Event>)| {
        let failed = events.iter().filter(|event| event.bits == 0f64.to_bits());
        (
            label(labels, "instance").to_owned(),
            failed.map(|event| event.at).collect(),
        )
    };
    ups.map(of_one).collect()
}

/// The first two pages of the case's first target are good, and their series end with them.
fn skip_leading_blanks(observed: &mut Observed) {
    let one = 1f64.to_bits();
    let Some(up) = observed
        .series
        .keys()
        .find(|labels| label(labels, "__name__") == "up" && label(labels, "instance") == "target0")
    else {
        return;
    };
    let named = |name: &str| {
        let mut labels = up.clone();
        let own = labels.iter_mut().find(|(label, _)| label == "__name__");
        if let Some((_, value)) = own {
            name.clone_into(value);
        }
        labels
    };
    let (leading, tabbed) = (named("leading"), named("tabbed"));
    let reports = [
        "up",
        "scrape_samples_post_metric_relabeling",
        "scrape_series_added",
    ]
    .map(named);
    for report in reports {
        for event in observed.series.entry(report).or_default() {
            if matches!(event.at, At::Scrape(0 | 1)) {
                event.bits = one;
            }
        }
    }
    for (labels, scrape) in [(leading, 0), (tabbed, 1)] {
        let event = |scrape, bits| Event {
            at: At::Scrape(scrape),
            bits,
        };
        let events = vec![event(scrape, one), event(scrape + 1, STALE_BITS)];
        observed.series.insert(labels, events);
    }
}

fn end_at_failures(observed: &mut Observed) {
    let ups = observed.series.clone();
    let ups = ups
        .iter()
        .filter(|(labels, _)| label(labels, "__name__") == "up");
    for (up_labels, ups) in ups {
        for (labels, events) in &mut observed.series {
            let same = label(labels, "instance") == label(up_labels, "instance");
            let name = label(labels, "__name__");
            if same && name != "up" && !name.starts_with("scrape_") {
                *events = ended_at_failures(events, ups);
            }
        }
    }
    observed.series.retain(|_, events| !events.is_empty());
}

/// The values of a series, with a marker at each failed scrape that follows a value.
fn ended_at_failures(events: &[Event], ups: &[Event]) -> Vec<Event> {
    let mut ended = Vec::new();
    let mut alive = false;
    for up in ups {
        let here = events.iter().find(|event| event.at == up.at);
        match here {
            Some(event) if event.bits != STALE_BITS => {
                alive = true;
                ended.push(*event);
            }
            Some(_) | None if alive => {
                alive = false;
                let bits = STALE_BITS;
                ended.push(Event { at: up.at, bits });
            }
            _ => {}
        }
    }
    ended
}

fn floats_in_labels(observed: &mut Observed) {
    observed.series = rewrite(std::mem::take(&mut observed.series));
    observed.exemplars = rewrite(std::mem::take(&mut observed.exemplars));
}

fn rewrite<T>(series: BTreeMap<Labels, T>) -> BTreeMap<Labels, T> {
    let change = |(mut labels, events): (Labels, T)| {
        let is_bucket = label(&labels, "__name__").ends_with("_bucket");
        for (name, value) in &mut labels {
            if (name == "le" && is_bucket) || name == "quantile" {
                *value = open_metrics_float(value);
            }
        }
        (labels, events)
    };
    series.into_iter().map(change).collect()
}

/// A float as OpenMetrics writes it: the shortest digits, an exponent below 1e-4 and from 1e6 on,
/// `.0` after what would look whole.
fn open_metrics_float(text: &str) -> String {
    let Ok(value) = text.parse::<f64>() else {
        return text.to_owned();
    };
    if !value.is_finite() {
        return text.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    if (-4..6).contains(&exponent) {
        let plain = format!("{value}");
        return if plain.contains('.') {
            plain
        } else {
            format!("{plain}.0")
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[test]
fn floats_are_written_as_open_metrics_writes_them() {
    for (text, expected) in [("1", "1.0"), ("0.5", "0.5"), ("+Inf", "+Inf"), ("0", "0.0")] {
        assert_eq!(open_metrics_float(text), expected);
    }
    assert_eq!(open_metrics_float("1e-05"), "1e-05");
    assert_eq!(open_metrics_float("100000"), "100000.0");
    assert_eq!(open_metrics_float("1000000"), "1e+06");
    assert_eq!(open_metrics_float("1.048576e+06"), "1.048576e+06");
}

#[test]
fn a_failure_ends_a_series_once_and_only_if_it_had_a_value() {
    use super::observe::At;
    let event = |scrape, bits| Event {
        at: At::Scrape(scrape),
        bits,
    };
    let one = 1f64.to_bits();
    let ups = [event(0, one), event(1, 0), event(2, 0), event(3, one)];
    let spared = [event(0, one), event(3, one)];
    let expected = [event(0, one), event(1, STALE_BITS), event(3, one)];
    assert_eq!(ended_at_failures(&spared, &ups), expected);
    assert_eq!(ended_at_failures(&[event(3, STALE_BITS)], &ups), []);
}
