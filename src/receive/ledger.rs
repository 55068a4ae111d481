//! What has arrived: counts by job, and the last sample of each series to check the order.
//!
//! Bounded: jobs beyond [`limits::RECEIVE_JOBS_MAX`] are counted together, targets and series
//! beyond their limits are no longer told apart, and [`Ledger::is_full`] says so. Series are told
//! apart by a 64-bit hash; a collision could miss or invent one break of order.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use crate::limits;
use crate::model::labels::hash_pairs;
use crate::wire::prompb::Label;

use super::histogram;
use super::message::{Message, Point, Series};
use super::rules::{Broken, check_labels};

/// Where jobs go that found no room.
const OTHER_JOBS: &str = "(other jobs)";

/// What one job has sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct JobCounts {
    pub(super) samples: u64,
    pub(super) stale: u64,
    pub(super) series: u64,
    pub(super) targets: u64,
}

/// How often each rule was broken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings([u64; Broken::ALL.len()]);

impl Findings {
    pub(super) fn add(&mut self, broken: Broken) {
        self.0[broken as usize] += 1;
    }

    fn merge(&mut self, other: &Findings) {
        self.0
            .iter_mut()
            .zip(other.0)
            .for_each(|(own, more)| *own += more);
    }

    /// The rules that were broken, with their counts.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Broken, u64)> {
        let counted = Broken::ALL.into_iter().zip(self.0);
        counted.filter(|(_, count)| *count > 0)
    }

    pub(super) fn first(&self) -> Option<Broken> {
        self.iter().next().map(|(broken, _)| broken)
    }
}

/// Everything counted so far.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) requests: u64,
    pub(super) requests_v2: u64,
    pub(super) requests_zstd: u64,
    pub(super) refused: u64,
    pub(super) undecodable: u64,
    pub(super) bytes: u64,
    /// Samples of both kinds.
    pub(super) samples: u64,
    pub(super) exemplars: u64,
    /// Native histograms among the samples.
    pub(super) histograms: u64,
    /// Samples of both kinds that say since when they count.
    pub(super) started: u64,
    /// Families in 1.0, series with a type in 2.0.
    pub(super) metadata: u64,
    pub(super) findings: Findings,
    pub(super) jobs: BTreeMap<String, JobCounts>,
    /// The first samples, as lines.
    pub(super) examples: Vec<String>,
    series: HashMap<u64, Point, foldhash::fast::FixedState>,
    targets: HashSet<u64, foldhash::fast::FixedState>,
    is_full: bool,
}

impl Ledger {
    /// Whether something could not be told apart any more.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Which rules a request breaks. Changes nothing.
    pub(super) fn judge(&self, message: &Message, findings: &mut Findings) {
        for series in &message.series {
            check_labels(&series.labels, |broken| findings.add(broken));
            let is_empty = series.samples.is_empty() && series.histograms.is_empty();
            if is_empty && series.exemplars.is_empty() {
                findings.add(Broken::NoSamples);
            }
            for own in &series.histograms {
                histogram::check(own, message.version, |broken| findings.add(broken));
            }
            let mut last = self.series.get(&key(&series.labels)).copied();
            for point in series.points() {
                if let Some(broken) = order(last, point) {
                    findings.add(broken);
                } else {
                    last = Some(point);
                }
            }
        }
    }

    /// Counts a request that is taken.
    pub(super) fn take(&mut self, message: &Message, findings: &Findings) {
        self.findings.merge(findings);
        self.metadata += message.metadata;
        let [floats, histograms, exemplars] = message.counts();
        self.samples += floats + histograms;
        self.histograms += histograms;
        self.exemplars += exemplars;
        for series in &message.series {
            self.remember_examples(series);
            let floats = series.samples.iter().map(|own| own.start_timestamp);
            let starts = floats.chain(series.histograms.iter().map(|own| own.start_timestamp));
            self.started += starts.filter(|start| *start != 0).count() as u64;
            let is_new_target = self.is_new_target(&series.labels);
            let is_new_series = self.remember(series);
            let counts = self.job(label(&series.labels, "job"));
            for point in series.points() {
                counts.samples += 1;
                counts.stale += u64::from(point.is_stale);
            }
            counts.series += u64::from(is_new_series);
            counts.targets += u64::from(is_new_target);
        }
    }

    /// Counts a request that is refused because of its findings.
    pub(super) fn refuse(&mut self, findings: &Findings) {
        self.refused += 1;
        self.findings.merge(findings);
    }

    fn job(&mut self, name: &str) -> &mut JobCounts {
        let is_known = self.jobs.contains_key(name);
        let has_room = self.jobs.len() < limits::RECEIVE_JOBS_MAX;
        self.is_full |= !is_known && !has_room;
        let name = if is_known || has_room {
            name
        } else {
            OTHER_JOBS
        };
        self.jobs.entry(name.to_owned()).or_default()
    }

    fn is_new_target(&mut self, labels: &[Label]) -> bool {
        let pairs = [
            ("job", label(labels, "job")),
            ("instance", label(labels, "instance")),
        ];
        let key = hash_pairs(pairs.into_iter());
        if self.targets.len() >= limits::RECEIVE_TARGETS_MAX {
            self.is_full |= !self.targets.contains(&key);
            return false;
        }
        self.targets.insert(key)
    }

    /// Notes the newest sample of a series; true when the series is new.
    fn remember(&mut self, series: &Series) -> bool {
        let Some(newest) = series.points().max_by_key(|point| point.timestamp_ms) else {
            return false;
        };
        let key = key(&series.labels);
        if let Some(last) = self.series.get_mut(&key) {
            if newest.timestamp_ms > last.timestamp_ms {
                *last = newest;
            }
            return false;
        }
        let has_room = self.series.len() < limits::RECEIVE_SERIES_MAX;
        self.is_full |= !has_room;
        if has_room {
            self.series.insert(key, newest);
        }
        has_room
    }

    fn remember_examples(&mut self, series: &Series) {
        if self.examples.len() < limits::RECEIVE_EXAMPLES {
            self.examples.extend(series.lines().next());
        }
    }
}

/// How a sample breaks the order. The same sample again is no break: receivers accept it.
fn order(last: Option<Point>, own: Point) -> Option<Broken> {
    let last = last?;
    match own.timestamp_ms.cmp(&last.timestamp_ms) {
        std::cmp::Ordering::Less => Some(Broken::OutOfOrder),
        std::cmp::Ordering::Equal if own.bits != last.bits => Some(Broken::DuplicateTimestamp),
        _ => None,
    }
}

fn key(labels: &[Label]) -> u64 {
    hash_pairs(labels.iter().map(|label| (&*label.name, &*label.value)))
}

fn label<'a>(labels: &'a [Label], name: &str) -> &'a str {
    let found = labels.iter().find(|label| label.name == name);
    found.map_or("", |label| &label.value)
}
