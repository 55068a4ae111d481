//! Start timestamps: the `_created` lines of OpenMetrics and the series that they speak of.
//!
//! Where a job takes start timestamps, such a line is no series: its value says since when the
//! series of its family count that have the same labels, but for `le` and `quantile`. Which slots
//! those are changes only with the shape of a page, so it is worked out then; a repeated page
//! costs the values of its lines. Prometheus finds the line only if no line of another series
//! stands before it; here the order within a family does not matter.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

use super::cache::chunk::{KeyChunk, RowKind};
use crate::exposition::created::{counts, family_of, group, millis};
use crate::exposition::key::{SeriesText, parse_key};
use crate::exposition::protocol::Format;
use crate::model::value::is_absent;

/// For each start line of a page, in order, the slots that it speaks of.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StartLinks {
    /// Where the slots of each line end in `slots`.
    ends: Vec<u32>,
    slots: Vec<u32>,
}

impl StartLinks {
    /// The links of a page of OpenMetrics with these chunks; none if it has no such line.
    #[must_use]
    pub fn of(chunks: &[Arc<KeyChunk>]) -> Option<Box<StartLinks>> {
        let lines = start_lines(chunks);
        if lines.is_empty() {
            return None;
        }
        let families: HashSet<&str> = lines.iter().map(|line| &*line.family).collect();
        let members = members(chunks, &families);
        let mut links = StartLinks::default();
        for line in &lines {
            links
                .slots
                .extend(members.get(&line.group).into_iter().flatten());
            links.ends.push(small(links.slots.len()));
        }
        Some(Box::new(links))
    }

    /// Start timestamps by slot, from the values of the lines in page order. A slot that has no
    /// sample in `values` gets none; neither does a line that names no time after 1970.
    #[must_use]
    pub fn starts(&self, lines: &[f64], values: &[f64]) -> Vec<(u32, i64)> {
        let mut starts = Vec::with_capacity(self.slots.len());
        let mut from = 0;
        for (seconds, end) in lines.iter().zip(&self.ends) {
            let slots = &self.slots[from..*end as usize];
            from = *end as usize;
            let known = |slot: &&u32| values.get(**slot as usize).is_some_and(|v| !is_absent(*v));
            if let Some(millis) = millis(*seconds) {
                starts.extend(slots.iter().filter(known).map(|slot| (*slot, millis)));
            }
        }
        // Nearly always in order: a line follows the series that it speaks of.
        if !starts.is_sorted_by_key(|(slot, _)| *slot) {
            starts.sort_by_key(|(slot, _)| *slot);
        }
        starts.dedup_by_key(|(slot, _)| *slot);
        starts
    }
}

/// A start line.
struct Line {
    family: String,
    group: u64,
}

fn start_lines(chunks: &[Arc<KeyChunk>]) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut labels, mut key) = (SeriesText::default(), Vec::new());
    for chunk in chunks {
        for row in chunk.rows() {
            row.put_key(&mut key);
            let is_line = row.kind == RowKind::Start;
            if !is_line || parse_key(&key, Format::OpenMetrics, &mut labels).is_err() {
                continue;
            }
            let family = family_of(&labels).to_owned();
            let group = group(&family, &labels);
            lines.push(Line { family, group });
        }
    }
    lines
}

/// Slots by group, of these families.
fn members(
    chunks: &[Arc<KeyChunk>],
    families: &HashSet<&str>,
) -> HashMap<u64, Vec<u32>, FixedState> {
    let mut members: HashMap<u64, Vec<u32>, FixedState> = HashMap::default();
    let (mut labels, mut key) = (SeriesText::default(), Vec::new());
    let mut first = 0;
    for chunk in chunks {
        let series = chunk.series();
        let family = series.family();
        if let Some(family) =
            family.filter(|own| counts(own.kind()) && families.contains(own.name()))
        {
            for (row, slot) in chunk.rows().zip(chunk.slots()) {
                row.put_key(&mut key);
                let Some(slot) = slot else { continue };
                if parse_key(&key, Format::OpenMetrics, &mut labels).is_ok() {
                    let slots = members.entry(group(family.name(), &labels)).or_default();
                    slots.push(small(first + slot));
                }
            }
        }
        first += series.len();
    }
    members
}

/// Slots are bounded by the sample limit and the size of a page, far below 2^32.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_without_a_sample_and_lines_without_a_time_give_no_start() {
        let links = StartLinks {
            ends: vec![2, 3, 4],
            slots: vec![3, 4, 0, 1],
        };
        let absent = crate::model::value::ABSENT;
        let values = [1.0, 1.0, 1.0, absent, 1.0];
        let starts = links.starts(&[1.5, 2.0, f64::NAN], &values);
        assert_eq!(starts, [(0, 2000), (4, 1500)]);
        assert_eq!(links.starts(&[0.0, -1.0, f64::INFINITY], &values), []);
    }
}
