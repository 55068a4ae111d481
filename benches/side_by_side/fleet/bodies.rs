//! What the targets answer, rendered ahead: recorded pages, widened or cut to a number of series,
//! with names of their own or with series that are replaced.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use crate::churn::{GENERATIONS, labelled, replaced};
use crate::pages::{recorded, there_and_back};
use crate::scenario::{Scenario, Shape};

/// The answers of a fleet.
pub(crate) struct Bodies {
    /// For each kind of target, one turn of its answers.
    kinds: Vec<Vec<Arc<[u8]>>>,
}

impl Bodies {
    /// Renders all of them.
    pub(crate) fn render(scenario: &Scenario) -> Bodies {
        let mut recorded = recorded();
        recorded.retain(|name, _| name.ends_with(".prom"));
        let kinds = match scenario.shape {
            Shape::Alike => vec![turn(scenario, &recorded["node_exporter.prom"], "")],
            Shape::Own => (0..scenario.targets)
                .map(|number| {
                    turn(
                        scenario,
                        &recorded["node_exporter.prom"],
                        &format!("t{number}_"),
                    )
                })
                .collect(),
            Shape::Mixed => recorded
                .values()
                .map(|pages| turn(scenario, pages, ""))
                .collect(),
        };
        Bodies { kinds }
    }

    /// What a target answers to its scrape of that number. Each target begins at its own page, so
    /// that neighbours do not show the same values at the same time.
    pub(crate) fn get(&self, target: usize, scrape: usize) -> &Arc<[u8]> {
        let turn = &self.kinds[target % self.kinds.len()];
        &turn[(target + scrape) % turn.len()]
    }
}

/// One turn: the pages there and back; several times if series are replaced meanwhile.
fn turn(scenario: &Scenario, pages: &[String], prefix: &str) -> Vec<Arc<[u8]>> {
    let sized: Vec<String> = pages
        .iter()
        .map(|page| prefixed(&widen(page, scenario.series), prefix))
        .collect();
    let length = 2 * pages.len() - 2;
    let steps = match scenario.churn {
        0 => length,
        percent => lcm(length, GENERATIONS * 100 / percent),
    };
    let mut known: BTreeMap<usize, Arc<[u8]>> = BTreeMap::new();
    let body = |step| {
        let at = there_and_back(pages.len(), step);
        if scenario.churn == 0 {
            let shared = known
                .entry(at)
                .or_insert_with(|| encode(scenario, &sized[at]));
            return Arc::clone(shared);
        }
        encode(scenario, &replaced(&sized[at], 100 / scenario.churn, step))
    };
    (0..steps).map(body).collect()
}

fn lcm(one: usize, two: usize) -> usize {
    let (mut a, mut b) = (one, two);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    one / a * two
}

fn encode(scenario: &Scenario, page: &str) -> Arc<[u8]> {
    if !scenario.gzip {
        return page.as_bytes().into();
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(page.as_bytes()).expect("gzip");
    encoder.finish().expect("gzip").into()
}

/// Repeats the rows of each family with a further label until the page has `series` rows.
pub(crate) fn widen(page: &str, series: usize) -> String {
    let rows = page.lines().filter(|line| !line.starts_with('#')).count();
    let copies = series.div_ceil(rows.max(1));
    let mut out = String::new();
    let mut family: Vec<&str> = Vec::new();
    let mut left = series;
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if left == 0 {
            break;
        }
        if line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        family.push(line);
        if lines.peek().is_none_or(|next| next.starts_with('#')) {
            for copy in 0..copies {
                let kept = &family[..family.len().min(left)];
                kept.iter()
                    .for_each(|row| labelled(&mut out, row, "part", copy));
                left -= kept.len();
            }
            family.clear();
        }
    }
    out
}

/// The page with another beginning of all metric names.
pub(crate) fn prefixed(page: &str, prefix: &str) -> String {
    if prefix.is_empty() {
        return page.to_owned();
    }
    let line = |line: &str| {
        let (keyword, rest) = ["# HELP ", "# TYPE "]
            .iter()
            .find_map(|keyword| Some((*keyword, line.strip_prefix(keyword)?)))
            .unwrap_or(("", line));
        format!("{keyword}{prefix}{rest}\n")
    };
    page.lines().map(line).collect()
}
