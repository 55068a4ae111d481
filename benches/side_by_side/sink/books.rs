//! What has arrived: counts, the order within each series, and when the samples of an outage came.

use std::collections::HashMap;
use std::time::Instant;

use foldhash::fast::FixedState;

use super::message::Sample;

/// Bits of the marker that ends a series.
const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Requests.
    pub(crate) requests: u64,
    /// Bytes of heads and bodies.
    pub(crate) bytes: u64,
    /// Samples, staleness markers included.
    pub(crate) samples: u64,
    /// Staleness markers among them.
    pub(crate) markers: u64,
    /// Samples that are older than one that came before in the same series.
    pub(crate) out_of_order: u64,
    /// Samples with the time of the one before in the same series.
    pub(crate) repeated: u64,
}

/// What an outage left behind, as it arrives.
#[derive(Clone, Debug, Default)]
pub(crate) struct CatchUp {
    /// Samples scraped before the return that came after it.
    pub(crate) late: u64,
    /// When the first request after the return came.
    pub(crate) first: Option<Instant>,
    /// When late samples came, and how many.
    pub(crate) arrivals: Vec<(Instant, u64)>,
}

impl CatchUp {
    /// When the last late sample came.
    pub(crate) fn last_late(&self) -> Option<Instant> {
        self.arrivals.last().map(|(at, _)| *at)
    }

    /// When so many percent of the late samples had come.
    pub(crate) fn at_percent(&self, percent: u64) -> Option<Instant> {
        let mut sum = 0;
        let enough = |(_, late): &&(Instant, u64)| {
            sum += late;
            sum * 100 >= self.late * percent
        };
        self.arrivals.iter().find(enough).map(|(at, _)| *at)
    }
}

/// Everything that is written down.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Counters.
    pub(crate) counts: Counts,
    /// When the first sample came.
    pub(crate) first_sample: Option<Instant>,
    /// Since the return of the receiver.
    pub(crate) catch_up: CatchUp,
    /// Wall time of that return, milliseconds since 1970.
    returned_ms: Option<i64>,
    newest: HashMap<u64, i64, FixedState>,
}

impl Books {
    /// The receiver is back, at this wall time.
    pub(crate) fn returned(&mut self, wall_ms: i64) {
        self.returned_ms = Some(wall_ms);
        self.catch_up = CatchUp::default();
    }

    /// Takes a request that came at `now` and took so many bytes.
    pub(crate) fn enter(&mut self, now: Instant, bytes: u64, samples: &[Sample]) {
        self.counts.requests += 1;
        self.counts.bytes += bytes;
        self.counts.samples += samples.len() as u64;
        for sample in samples {
            self.enter_sample(sample);
        }
        if !samples.is_empty() {
            self.first_sample.get_or_insert(now);
        }
        let Some(returned_ms) = self.returned_ms else {
            return;
        };
        self.catch_up.first.get_or_insert(now);
        let late = samples
            .iter()
            .filter(|sample| sample.timestamp_ms < returned_ms);
        let late = late.count() as u64;
        if late > 0 {
            self.catch_up.late += late;
            self.catch_up.arrivals.push((now, late));
        }
    }

    fn enter_sample(&mut self, sample: &Sample) {
        self.counts.markers += u64::from(sample.bits == STALE_BITS);
        let newest = self.newest.entry(sample.series).or_insert(i64::MIN);
        match sample.timestamp_ms.cmp(newest) {
            std::cmp::Ordering::Less => self.counts.out_of_order += 1,
            std::cmp::Ordering::Equal => self.counts.repeated += 1,
            std::cmp::Ordering::Greater => *newest = sample.timestamp_ms,
        }
    }
}
