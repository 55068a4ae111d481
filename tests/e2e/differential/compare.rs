//! What differs between two observations, said so that it can be found.

use std::collections::BTreeSet;
use std::fmt::Debug;

use super::observe::{Event, Observed};
use crate::support::receiver::Labels;

/// One difference: the case and the two sides.
pub(crate) struct Difference {
    case: &'static str,
    what: String,
    left: String,
    right: String,
}

/// Differences reported of one case; the rest is counted.
const SHOWN: usize = 6;

/// Compares case by case.
pub(crate) fn all(left: &[Observed], right: &[Observed]) -> Vec<Difference> {
    assert_eq!(left.len(), right.len(), "the same cases");
    left.iter()
        .zip(right)
        .flat_map(|(a, b)| case(a, b))
        .collect()
}

fn case(left: &Observed, right: &Observed) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut note = |what: String, a: String, b: String| {
        found.push(Difference {
            case: left.case,
            what,
            left: a,
            right: b,
        });
    };
    let keys: BTreeSet<&Labels> = left.series.keys().chain(right.series.keys()).collect();
    for key in keys {
        let (a, b) = (left.series.get(key), right.series.get(key));
        if a != b {
            note(name(key), events(a), events(b));
        }
    }
    let keys: BTreeSet<&Labels> = left
        .exemplars
        .keys()
        .chain(right.exemplars.keys())
        .collect();
    for key in keys {
        let (a, b) = (left.exemplars.get(key), right.exemplars.get(key));
        if a != b {
            note(format!("exemplars of {}", name(key)), text(&a), text(&b));
        }
    }
    if left.metadata != right.metadata {
        note(
            "metadata".to_owned(),
            text(&left.metadata),
            text(&right.metadata),
        );
    }
    if left.asked != right.asked {
        note("requests".to_owned(), text(&left.asked), text(&right.asked));
    }
    found
}

/// All differences as text, a few of each case.
pub(crate) fn report(differences: &[Difference]) -> String {
    let cases: BTreeSet<&str> = differences.iter().map(|one| one.case).collect();
    let mut text = format!("{} cases differ: {cases:?}\n", cases.len());
    for case in cases {
        let here: Vec<&Difference> = differences.iter().filter(|one| one.case == case).collect();
        text.push_str(&format!("\n== {case}: {} differences\n", here.len()));
        for one in here.iter().take(SHOWN) {
            text.push_str(&format!(
                "{}\n   {}\n   {}\n",
                one.what, one.left, one.right
            ));
        }
    }
    text
}

/// One case in full, as far as it is short enough to read.
pub(crate) fn show(observed: &Observed) -> String {
    let mut text = format!("== {}\n", observed.case);
    for (labels, there) in observed.series.iter().take(60) {
        text.push_str(&format!("{}\n   {}\n", name(labels), events(Some(there))));
    }
    for (labels, exemplars) in &observed.exemplars {
        text.push_str(&format!(
            "exemplars of {}\n   {exemplars:?}\n",
            name(labels)
        ));
    }
    text.push_str(&format!("{:?}\n{:?}\n", observed.metadata, observed.asked));
    text
}

fn name(labels: &Labels) -> String {
    let pairs = labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"));
    pairs.collect::<Vec<_>>().join(" ")
}

fn events(events: Option<&Vec<Event>>) -> String {
    let Some(events) = events else {
        return "absent".to_owned();
    };
    let one = |event: &Event| {
        let value = f64::from_bits(event.bits);
        if value.is_nan() {
            format!("{:?}: {:#x}", event.at, event.bits)
        } else {
            format!("{:?}: {value}", event.at)
        }
    };
    events.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn text(value: &impl Debug) -> String {
    format!("{value:?}")
}
