//! Samples of zero where series begin (`created-timestamp-zero-ingestion`): a counter that is seen first
//! at 5 has grown by 5 since its start timestamp.
//!
//! A series gets one if its start timestamp lies between the last page of its target (or the markers
//! that followed it) and this one: then nothing of it was sent that is younger, and nothing has to be
//! remembered of any series. At the first scrape of a target nobody knows what was sent before, so
//! there is none.

use super::target_loop::ScrapeTime;
use crate::model::block::SideTables;
use crate::model::histogram::{Buckets, Counts, NativeHistogram, ResetHint};
use crate::model::value::{ABSENT, is_absent};

/// The zeros of a scrape, when nothing of its series was sent since `before`: values and tables of a block that goes
/// before its own, with the same series.
#[must_use]
pub(super) fn zeros(
    before: ScrapeTime,
    at: ScrapeTime,
    values: &[f64],
    side: &SideTables,
) -> Option<(Vec<f64>, SideTables)> {
    // What the wall clock was under another epoch is not comparable.
    if before.epoch != at.epoch {
        return None;
    }
    let explicit = |slot: u32| {
        let times = &side.timestamps;
        times.binary_search_by_key(&slot, |(own, _)| *own).is_ok()
    };
    let begins = |(slot, start): &(u32, i64)| {
        let known = values.get(*slot as usize).is_some_and(|v| !is_absent(*v));
        known && before.wall.0 < *start && *start < at.wall.0 && !explicit(*slot)
    };
    let timestamps: Vec<(u32, i64)> = side.starts.iter().copied().filter(begins).collect();
    if timestamps.is_empty() {
        return None;
    }
    let mut zeros = vec![ABSENT; values.len()];
    let mut histograms = Vec::new();
    for (slot, _) in &timestamps {
        zeros[*slot as usize] = 0.0;
        let own = side.histograms.binary_search_by_key(slot, |(own, _)| *own);
        if let Ok(own) = own {
            histograms.push((*slot, empty(&side.histograms[own].1)));
        }
    }
    let side = SideTables {
        timestamps,
        histograms,
        ..SideTables::default()
    };
    Some((zeros, side))
}

/// A histogram of the same shape without an observation.
fn empty(own: &NativeHistogram) -> NativeHistogram {
    NativeHistogram {
        counts: match own.counts {
            Counts::Integer(_) => Counts::Integer(Buckets::default()),
            Counts::Float(_) => Counts::Float(Buckets::default()),
        },
        positive_spans: Box::default(),
        negative_spans: Box::default(),
        reset_hint: ResetHint::Yes,
        ..own.clone()
    }
}
