//! From a receiver's books to what can be compared between runs.
//!
//! Three things differ between two runs of the same program and are taken out here, always and
//! for both agents: ports become the index of their target, timestamps become the number of the
//! scrape, and measured durations become one fixed value.

use std::collections::BTreeMap;

use narthex::model::value::STALE_BITS;

use super::{Case, SCRAPES, Scene, cases};
use crate::support::http::Request;
use crate::support::receiver::{Books, Labels, Point, label};

/// Explicit timestamps lie so many milliseconds apart, one step for each scrape.
pub(crate) const STEP_MS: i64 = 1000;

/// Where on the time axis of its run a sample lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum At {
    /// The timestamp of the n-th scrape.
    Scrape(usize),
    /// So many milliseconds after the first request: the page's own timestamp.
    Explicit(i64),
    /// After the last scrape of a target that vanished.
    End,
}

/// A sample: when, and the value bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) at: At,
    pub(crate) bits: u64,
}

/// What one case delivered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    pub(crate) case: &'static str,
    /// Samples in order of arrival, by series.
    pub(crate) series: BTreeMap<Labels, Vec<Event>>,
    /// Exemplars in order of arrival, by series, with their labels.
    pub(crate) exemplars: BTreeMap<Labels, Vec<(Labels, Event)>>,
    /// Type, help and unit, by family; only of the case about metadata.
    pub(crate) metadata: BTreeMap<String, (i32, String, String)>,
    /// What the targets were asked, by target.
    pub(crate) asked: Vec<Vec<Asked>>,
}

/// The parts of a request that the configuration decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// Headers that must be equal.
const HEADERS: [&str; 4] = [
    "Accept-Encoding",
    "Authorization",
    "X-Prometheus-Scrape-Timeout-Seconds",
    "Host",
];

/// The staleness marker.
pub(crate) fn is_stale(point: &Point) -> bool {
    point.bits == STALE_BITS
}

/// The name of the case that a series belongs to.
pub(crate) fn owner(labels: &Labels) -> Option<&'static str> {
    let job = label(labels, "job").split('.').next();
    let find = |name: Option<&str>| cases::all().find(|case| Some(case.name) == name);
    let case = find(job).or_else(|| find(Some(label(labels, "case"))))?;
    Some(case.name)
}

/// What arrived of one case.
pub(crate) fn observe(
    case: &'static Case,
    scene: &Scene,
    asked: &[Vec<Request>],
    books: &Books,
) -> Observed {
    let view = View {
        addresses: scene.addresses.get().map_or(&[], Vec::as_slice),
        epoch: scene.epoch.get().copied().unwrap_or(0),
        ups: books
            .named("up")
            .filter(|(labels, _)| owner(labels) == Some(case.name))
            .collect(),
        lasting: case.lasting == case.targets.len(),
    };
    let mine = |labels: &Labels| owner(labels) == Some(case.name);
    let mut observed = Observed {
        case: case.name,
        ..Observed::default()
    };
    for (labels, points) in books.series.iter().filter(|(labels, _)| mine(labels)) {
        let events = view.events(labels, points);
        if !events.is_empty() {
            observed.series.insert(view.labels(labels), events);
        }
    }
    for (labels, exemplars) in books.exemplars.iter().filter(|(labels, _)| mine(labels)) {
        let placed = exemplars.iter().filter_map(|(own, bits, timestamp)| {
            let at = view.place(labels, *timestamp)?;
            Some((own.clone(), Event { at, bits: *bits }))
        });
        observed
            .exemplars
            .insert(view.labels(labels), placed.collect());
    }
    if case.name == "metadata" {
        let families = books.metadata.iter();
        let mine = families.filter(|(family, _)| family.starts_with("meta_"));
        observed.metadata = mine
            .map(|(name, facts)| (name.clone(), facts.clone()))
            .collect();
    }
    observed.asked = asked.iter().map(|requests| view.asked(requests)).collect();
    observed
}

struct View<'a> {
    addresses: &'a [String],
    epoch: i64,
    /// The `up` series of the case.
    ups: Vec<(&'a Labels, &'a Vec<Point>)>,
    /// All targets stay to the end.
    lasting: bool,
}

impl View<'_> {
    fn token(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (index, address) in self.addresses.iter().enumerate() {
            text = text.replace(address, &format!("target{index}"));
        }
        text
    }

    fn labels(&self, labels: &Labels) -> Labels {
        let pairs = labels.iter();
        pairs
            .map(|(name, value)| (name.clone(), self.token(value)))
            .collect()
    }

    fn events(&self, labels: &Labels, points: &[Point]) -> Vec<Event> {
        let measured = label(labels, "__name__") == "scrape_duration_seconds";
        let event = |point: &Point| {
            let at = self.place(labels, point.timestamp)?;
            let bits = if measured && !is_stale(point) {
                0
            } else {
                point.bits
            };
            Some(Event { at, bits })
        };
        points.iter().filter_map(event).collect()
    }

    /// Where a sample lies; none beyond the scrapes that are compared.
    fn place(&self, labels: &Labels, timestamp: i64) -> Option<At> {
        let Some((up, scrape)) = self.scrape(labels, timestamp) else {
            let after = timestamp - self.epoch;
            return (after < STEP_MS * SCRAPES as i64).then_some(At::Explicit(after));
        };
        if !self.lasting && is_stale(&up[scrape]) {
            return Some(At::End);
        }
        // A target that vanishes is seen for a number of scrapes that depends on the clock.
        let gone = up.last().is_some_and(is_stale);
        let compared = if gone { cases::VANISHES_AT } else { SCRAPES };
        (scrape < compared).then_some(At::Scrape(scrape))
    }

    /// The scrape with that timestamp: of the target with the same `instance`, or of any.
    fn scrape(&self, labels: &Labels, timestamp: i64) -> Option<(&Vec<Point>, usize)> {
        let instance = label(labels, "instance");
        let same = |(up, _): &&(&Labels, _)| label(up, "instance") == instance;
        let find = |(_, points): &(&Labels, &'_ Vec<Point>)| {
            points.iter().position(|up| up.timestamp == timestamp)
        };
        let mut preferred = self.ups.iter().filter(same);
        let own = preferred.find_map(|up| Some((up.1, find(up)?)));
        if own.is_some() || self.ups.iter().any(|up| same(&up)) {
            return own;
        }
        self.ups.iter().find_map(|up| Some((up.1, find(up)?)))
    }

    fn asked(&self, requests: &[Request]) -> Vec<Asked> {
        let facts = |request: &Request| Asked {
            line: self.token(&format!("{} {}", request.method, request.path)),
            headers: HEADERS
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), self.token(request.header(name)?))))
                .collect(),
        };
        // The first is enough: what the configuration decides does not change in a run. The
        // second shows whether credentials are sent again.
        requests.iter().take(2).map(facts).collect()
    }
}
