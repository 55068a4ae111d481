//! One refused sample as a line of JSON, and back.

use std::collections::BTreeMap;

use prost::Message;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::model::block::ScrapeBlock;
use crate::model::calendar::Rfc3339;
use crate::model::float;
use crate::model::line;
use crate::model::sorting;
use crate::model::time::Wall;
use crate::model::value::{is_absent, is_stale};
use crate::remote::piece::Piece;
use crate::wire::prompb;

/// What is the same for all samples of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// When.
    pub at: Wall,
    /// Name of the endpoint.
    pub endpoint: String,
    /// Why, in the words of the books of losses.
    pub reason: &'static str,
    /// Status of the answer; zero without one.
    pub status: u16,
    /// The receiver's words: one line, bounded, without secrets.
    pub answer: String,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was refused, RFC 3339.
    pub time: String,
    /// Name of the endpoint.
    pub remote_name: String,
    /// Name of the job.
    pub job: String,
    /// Why, in the words of the books of losses.
    pub reason: String,
    /// Status of the answer; zero without one.
    pub status: u16,
    /// The receiver's words.
    pub answer: String,
    /// Labels as they were sent.
    pub labels: BTreeMap<String, String>,
    /// The value as text; `stale` for a staleness marker, and in braces for a native histogram.
    pub value: String,
    /// Time of the sample in milliseconds since 1970.
    pub timestamp_ms: i64,
}

impl Entry {
    /// Reads a line; none if it is no whole entry.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Entry> {
        serde_json::from_slice(line).ok()
    }

    /// The labels as Prometheus writes a series.
    #[must_use]
    pub fn series(&self) -> String {
        let name = self.labels.get("__name__").map_or("", String::as_str);
        let others = self.labels.iter().filter(|(key, _)| *key != "__name__");
        let pairs: Vec<String> = others
            .map(|(key, value)| format!("{key}={value:?}"))
            .collect();
        format!("{name}{{{}}}", pairs.join(", "))
    }
}

/// Appends the first `most` samples of a piece, a line each. Returns how many there are now; lines
/// that are too long are left out.
pub fn append(out: &mut Vec<u8>, why: &Circumstances, piece: &Piece, most: usize) -> usize {
    let block = &piece.item.block;
    let job = &block.series.target().job;
    let mut written = 0;
    let series = block.series.iter().enumerate();
    let inside = series
        .skip(piece.slots.start as usize)
        .take(piece.slots.len());
    let mut labels = Vec::new();
    let sent = inside.filter(|(slot, _)| piece.item.sends(*slot));
    for (slot, (chunk, index)) in sent.take(most) {
        labels.clear();
        let outgoing = &piece.item.outgoing;
        outgoing.append_labels(&mut labels, slot, chunk, index);
        let entry = Entry {
            time: Rfc3339(why.at).to_string(),
            remote_name: why.endpoint.clone(),
            job: job.to_string(),
            reason: why.reason.to_owned(),
            status: why.status,
            answer: why.answer.clone(),
            labels: decoded(&labels),
            value: text(block, slot),
            timestamp_ms: timestamp(piece, slot),
        };
        written += usize::from(put(out, &entry));
    }
    written
}

fn put(out: &mut Vec<u8>, entry: &Entry) -> bool {
    let Ok(line) = serde_json::to_vec(entry) else {
        return false;
    };
    let fits = line.len() < limits::REJECTED_LINE_BYTES;
    if fits {
        out.extend_from_slice(&line);
        out.push(b'\n');
    }
    fits
}

fn decoded(labels: &[u8]) -> BTreeMap<String, String> {
    let series = prompb::TimeSeries::decode(labels).unwrap_or_default();
    let labels = series.labels.into_iter();
    sorting::map(labels.map(|label| (label.name, label.value)))
}

fn text(block: &ScrapeBlock, slot: usize) -> String {
    let value = block.values[slot];
    if is_stale(value) || is_absent(value) {
        return "stale".to_owned();
    }
    let Some(histogram) = block.histogram(slot) else {
        return float::format_go(value);
    };
    let mut out = String::new();
    line::write_histogram(&mut out, histogram, value);
    out
}

fn timestamp(piece: &Piece, slot: usize) -> i64 {
    let side = piece.item.block.side.as_deref();
    let explicit = side.and_then(|side| {
        let own = u32::try_from(slot).ok()?;
        let at = side
            .timestamps
            .binary_search_by_key(&own, |(slot, _)| *slot);
        at.ok().map(|at| side.timestamps[at].1)
    });
    explicit.unwrap_or(piece.item.wall_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::block::SideTables;
    use crate::model::time::Mono;
    use crate::model::value::{ABSENT, STALE};
    use crate::remote::testing::{block, list, piece};

    fn why() -> Circumstances {
        Circumstances {
            at: Wall(1_700_000_000_000),
            endpoint: "central".to_owned(),
            reason: "invalid",
            status: 400,
            answer: "HTTP 400: no \"good\"".to_owned(),
        }
    }

    #[test]
    fn a_line_says_all_about_a_sample() {
        let mut own = block(7, &list(1, 5));
        own.values[1] = ABSENT;
        own.values[2] = STALE;
        own.values[3] = f64::INFINITY;
        own.side = Some(Box::new(SideTables {
            timestamps: vec![(3, 4242)],
            ..SideTables::default()
        }));
        let (_, part) = piece(Mono(0), own).cut(1);
        let mut out = Vec::new();
        assert_eq!(append(&mut out, &why(), &part, 10), 3);
        let entries: Vec<Entry> = out
            .split(|byte| *byte == b'\n')
            .filter_map(Entry::parse)
            .collect();
        let facts = entries
            .iter()
            .map(|own| (own.series(), own.value.as_str(), own.timestamp_ms));
        let expected = [("2", "stale", 7000), ("3", "+Inf", 4242), ("4", "7", 7000)];
        let series = |n: &str| format!("m{{instance=\"t1\", job=\"job\", n={n:?}}}");
        assert!(facts.eq(expected.map(|(n, value, time)| (series(n), value, time))));
        let first = &entries[0];
        assert_eq!((first.status, first.job.as_str()), (400, "job"));
        assert_eq!(first.answer, "HTTP 400: no \"good\"");
        assert_eq!(first.time, "2023-11-14T22:13:20Z");
    }

    #[test]
    fn the_number_of_lines_is_bounded() {
        let mut out = Vec::new();
        let own = piece(Mono(0), block(1, &list(1, 50)));
        assert_eq!(append(&mut out, &why(), &own, 7), 7);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 7);
        let long = Circumstances {
            answer: "x".repeat(limits::REJECTED_LINE_BYTES),
            ..why()
        };
        assert_eq!(append(&mut Vec::new(), &long, &own, 7), 0);
    }
}
