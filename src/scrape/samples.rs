//! The samples of one page on their way into a block: slots, timestamps, exemplars, and the rules
//! for what is rejected (Prometheus's append errors, which fail a sample and not the scrape).

use foldhash::fast::FixedState;
use hashbrown::HashMap;

mod extras;

use super::cache::chunk::RowKind;
use super::exemplars::{FreshExemplars, LatestExemplars, PageExemplars};
use crate::exposition::line::Tail;
use crate::exposition::rows::extras::Extras;
use crate::limits;
use crate::model::block::SideTables;
use crate::model::value::ABSENT;

pub use extras::{HistogramError, HistogramRules};

/// What a page brought, for the synthetic series and our own metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows on the page.
    pub scraped: usize,
    /// Rows that metric relabelling left.
    pub post_relabel: usize,
    /// Series that were not on the last page.
    pub series_added: usize,
    /// Rows rejected because the same series stood on the page before.
    pub duplicate: usize,
    /// Rows rejected because their timestamp does not follow the series' last.
    pub out_of_order: usize,
    /// Rows rejected because their timestamp lies too far in the future.
    pub out_of_bounds: usize,
    /// Exemplars left out because of their labels.
    pub exemplars_rejected: usize,
    /// Exemplars not looked at because memory runs short.
    pub exemplars_shed: usize,
    /// Series not taken because memory runs short.
    pub series_shed: usize,
}

/// What is remembered of a series that has had a timestamp of its own.
#[derive(Clone, Copy, Debug)]
struct LastSample {
    timestamp_ms: i64,
    /// Whether the series counted as seen: accepted, and either without a timestamp of its own or
    /// in a job that tracks those. Only what was seen gets a marker when it goes.
    seen: bool,
}

/// Series of one target that expose timestamps. Empty, and free, for nearly all targets.
#[derive(Debug, Default)]
pub struct ExplicitTimes {
    last: HashMap<u64, LastSample, FixedState>,
}

impl ExplicitTimes {
    /// Whether the series with that own-label hash counted as seen in the last scrape, which
    /// showed it: if it goes, it gets a staleness marker.
    #[must_use]
    pub fn was_seen(&self, hash: u64) -> bool {
        self.last.get(&hash).is_none_or(|last| last.seen)
    }

    /// Whether no series has had a timestamp of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    fn commit(&mut self, pending: HashMap<u64, LastSample, FixedState>) {
        self.last.extend(pending);
    }
}

/// How this scrape treats samples.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Explicit timestamps are used.
    pub honor_timestamps: bool,
    /// Series with timestamps of their own get staleness markers too.
    pub track_timestamps: bool,
    /// The last scrape succeeded, so that its series can vanish.
    pub alive: bool,
    /// Time of the scrape in milliseconds since 1970.
    pub scrape_ms: i64,
    /// `out_of_order_time_window` in milliseconds.
    pub out_of_order_window_ms: i64,
    /// Samples that are allowed; zero for any number.
    pub sample_limit: u64,
    /// Whether exemplars are taken.
    pub exemplars: bool,
    /// Whether series are taken that the last page had not.
    pub new_series: bool,
    /// How fine native histograms may be.
    pub histograms: HistogramRules,
}

/// What is remembered of a target's series.
#[derive(Debug, Default)]
pub struct Past {
    /// Their timestamps.
    pub explicit: ExplicitTimes,
    /// Their exemplars.
    pub exemplars: LatestExemplars,
}

impl Past {
    /// Forgets the series with that own-label hash.
    pub fn forget(&mut self, series: u64) {
        self.explicit.last.remove(&series);
        self.exemplars.forget(series);
    }
}

/// Fills the slots of one block.
#[derive(Debug)]
pub struct Samples<'a> {
    rules: Rules,
    explicit: &'a ExplicitTimes,
    exemplars: PageExemplars<'a>,
    pending: HashMap<u64, LastSample, FixedState>,
    values: Vec<f64>,
    side: SideTables,
    starts: Vec<f64>,
    unseen: Vec<u32>,
    /// The first histogram that fails the scrape; one over the limit of buckets only if no other.
    histogram_error: Option<HistogramError>,
    /// Nothing that came so far makes a plain row need a second look.
    plain: bool,
    /// Values that were not those of plain rows.
    other_values: usize,
    /// What was counted so far of rows that are not plain ones.
    counted: Counts,
}

/// The slots of a page that is not accepted yet.
#[derive(Debug)]
pub struct Filled {
    /// One value per slot.
    pub values: Vec<f64>,
    /// Explicit timestamps and exemplars.
    pub side: SideTables,
    /// Values of the start lines, in page order.
    pub starts: Vec<f64>,
    /// Slots of series that counted as seen in the last scrape and do not in this one, though
    /// the page shows them: they get a staleness marker.
    pub unseen: Vec<u32>,
    /// What was counted.
    pub counts: Counts,
    /// Timestamps to commit.
    pub times: PageTimes,
    /// Exemplars to commit.
    pub exemplars: FreshExemplars,
}

impl<'a> Samples<'a> {
    /// Begins a block with room for `slots` values.
    #[must_use]
    pub fn new(rules: Rules, past: &'a Past, slots: usize) -> Samples<'a> {
        Samples {
            rules,
            explicit: &past.explicit,
            exemplars: PageExemplars::new(&past.exemplars),
            pending: HashMap::with_hasher(FixedState::default()),
            values: Vec::with_capacity(slots),
            side: SideTables::default(),
            starts: Vec::new(),
            unseen: Vec::new(),
            histogram_error: None,
            plain: past.explicit.is_empty(),
            other_values: 0,
            counted: Counts::default(),
        }
    }

    /// Takes the sample of a row. `known`: the last page had the row too. `hash` gives the hash
    /// of the series' own labels; it is asked for only where timestamps or exemplars make it
    /// necessary.
    #[inline]
    pub fn take(&mut self, kind: RowKind, known: bool, sample: &Tail<'_>, hash: impl Fn() -> u64) {
        let plain = sample.timestamp_ms.is_none() && sample.exemplar.is_none();
        // Counted by their values: a counter would be written for each row.
        if plain && known && self.plain && kind == RowKind::Kept {
            self.values.push(sample.value);
        } else {
            self.take_otherwise(kind, known, sample, hash);
        }
    }

    /// Takes a sample that is not one more of a known series at the time of the scrape.
    fn take_otherwise(
        &mut self,
        kind: RowKind,
        known: bool,
        sample: &Tail<'_>,
        hash: impl Fn() -> u64,
    ) {
        if kind == RowKind::Start {
            if self.starts.is_empty() {
                // There are hardly more of them than series.
                self.starts.reserve(self.values.capacity());
            }
            self.starts.push(sample.value);
            return;
        }
        if self.has_invalid_histogram() {
            return;
        }
        self.counted.scraped += 1;
        if kind == RowKind::Dropped {
            return;
        }
        self.counted.post_relabel += 1;
        let timestamp_ms = sample.timestamp_ms.filter(|_| self.rules.honor_timestamps);
        let accepted = self.accept(kind, known, timestamp_ms, &hash);
        if accepted
            && kind == RowKind::Kept
            && !known
            && !self.is_over_limit(self.counted.duplicate)
        {
            self.counted.series_added += 1;
        }
        self.other_values += 1;
        self.values
            .push(if accepted { sample.value } else { ABSENT });
        if let Some(raw) = sample.exemplar
            && accepted
        {
            match Extras::read(raw) {
                Some(extras) => self.take_extras(&hash, &extras, timestamp_ms),
                None => self.take_exemplar(hash(), raw, timestamp_ms),
            }
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let plain = self.values.len() - self.other_values;
        Counts {
            scraped: self.counted.scraped + plain,
            post_relabel: self.counted.post_relabel + plain,
            ..self.counted
        }
    }

    /// So many rows were read that are no samples; of them relabelling would have left `kept`.
    pub fn count_rows(&mut self, rows: usize, kept: usize) {
        self.counted.scraped += rows;
        self.counted.post_relabel += kept;
    }

    /// So many new series are not taken because memory runs short.
    pub fn count_shed(&mut self, series: usize) {
        self.counted.scraped += series;
        self.counted.series_shed += series;
    }

    /// Whether series are taken that the last page had not.
    #[must_use]
    pub fn takes_new_series(&self) -> bool {
        self.rules.new_series
    }

    /// Whether the page has more samples than allowed, without so many that do not count.
    #[must_use]
    pub fn is_over_limit(&self, uncounted: usize) -> bool {
        let limit = self.rules.sample_limit;
        limit > 0 && self.counts().post_relabel.saturating_sub(uncounted) as u64 > limit
    }

    /// Whether a row with that timestamp gets the time of the scrape.
    #[must_use]
    pub fn is_untimed(&self, timestamp_ms: Option<i64>) -> bool {
        timestamp_ms.is_none() || !self.rules.honor_timestamps
    }

    fn accept(
        &mut self,
        kind: RowKind,
        known: bool,
        timestamp_ms: Option<i64>,
        hash: impl FnOnce() -> u64,
    ) -> bool {
        if timestamp_ms.is_none() && kind == RowKind::Duplicate {
            self.counted.duplicate += 1;
            return false;
        }
        if timestamp_ms.is_none() && self.explicit.is_empty() && self.pending.is_empty() {
            return true;
        }
        let hash = hash();
        let last = self
            .pending
            .get(&hash)
            .or_else(|| self.explicit.last.get(&hash))
            .copied();
        if timestamp_ms.is_none() && last.is_none() {
            return true;
        }
        let at = timestamp_ms.unwrap_or(self.rules.scrape_ms);
        let accepted = self.judge(at, last);
        let slot = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        if accepted && timestamp_ms.is_some() {
            self.side.timestamps.push((slot, at));
        }
        let seen = accepted && (timestamp_ms.is_none() || self.rules.track_timestamps);
        if kind == RowKind::Kept && !seen && self.was_seen(hash, known) {
            self.unseen.push(slot);
        }
        let before = last.map_or(i64::MIN, |last| last.timestamp_ms);
        let timestamp_ms = if accepted { at } else { before };
        self.pending.insert(hash, LastSample { timestamp_ms, seen });
        self.plain = false;
        accepted
    }

    /// Whether a sample at `at` may follow the series' last.
    fn judge(&mut self, at: i64, last: Option<LastSample>) -> bool {
        if at > self.rules.scrape_ms + limits::FUTURE_SAMPLE_MS_MAX {
            self.counted.out_of_bounds += 1;
            return false;
        }
        let window = self.rules.out_of_order_window_ms;
        if last.is_some_and(|last| at <= last.timestamp_ms.saturating_sub(window)) {
            self.counted.out_of_order += 1;
            return false;
        }
        true
    }

    fn was_seen(&self, hash: u64, known: bool) -> bool {
        let before = self.explicit.last.get(&hash);
        self.rules.alive && before.map_or(known, |last| last.seen)
    }

    fn take_exemplar(&mut self, series: u64, raw: &[u8], timestamp_ms: Option<i64>) {
        if !self.exemplars.is_new(series, raw) {
            return;
        }
        if !self.rules.exemplars {
            self.counted.exemplars_shed += 1;
            return;
        }
        let slot = u32::try_from(self.values.len() - 1).unwrap_or(u32::MAX);
        match self.exemplars.take(series, raw, timestamp_ms) {
            Some(exemplar) => self.side.exemplars.push((slot, exemplar)),
            None => self.counted.exemplars_rejected += 1,
        }
    }

    /// Ends the page.
    #[must_use]
    pub fn finish(self) -> Filled {
        let counts = self.counts();
        Filled {
            values: self.values,
            side: self.side,
            starts: self.starts,
            unseen: self.unseen,
            counts,
            times: PageTimes(self.pending),
            exemplars: self.exemplars.finish(),
        }
    }
}

/// Timestamps of a page that is not accepted yet.
#[derive(Debug)]
pub struct PageTimes(HashMap<u64, LastSample, FixedState>);

impl PageTimes {
    /// Makes them the series' last timestamps.
    pub fn commit(self, times: &mut ExplicitTimes) {
        if !self.0.is_empty() {
            times.commit(self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::value::is_absent;

    fn rules() -> Rules {
        Rules {
            honor_timestamps: true,
            track_timestamps: false,
            alive: true,
            scrape_ms: 1000,
            out_of_order_window_ms: 0,
            sample_limit: 0,
            exemplars: true,
            new_series: true,
            histograms: HistogramRules::default(),
        }
    }

    fn fill(past: &Past, rows: &[(RowKind, Option<i64>, u64)]) -> Filled {
        let mut samples = Samples::new(rules(), past, rows.len());
        for (kind, timestamp_ms, hash) in rows {
            let sample = Tail {
                value: 1.0,
                timestamp_ms: *timestamp_ms,
                exemplar: None,
            };
            samples.take(*kind, true, &sample, || *hash);
        }
        samples.finish()
    }

    fn run(past: &mut Past, rows: &[(RowKind, Option<i64>, u64)]) -> (Vec<bool>, Counts) {
        let Filled {
            values,
            counts,
            times,
            ..
        } = fill(past, rows);
        times.commit(&mut past.explicit);
        (
            values.iter().map(|value| !is_absent(*value)).collect(),
            counts,
        )
    }

    #[test]
    fn duplicates_without_a_timestamp_are_rejected() {
        let rows = [(RowKind::Kept, None, 1), (RowKind::Duplicate, None, 1)];
        let (accepted, counts) = run(&mut Past::default(), &rows);
        assert_eq!(accepted, [true, false]);
        assert_eq!(
            (counts.scraped, counts.post_relabel, counts.duplicate),
            (2, 2, 1)
        );
    }

    #[test]
    fn explicit_timestamps_must_grow_from_scrape_to_scrape() {
        let mut past = Past::default();
        assert_eq!(run(&mut past, &[(RowKind::Kept, Some(500), 1)]).0, [true]);
        let (accepted, counts) = run(&mut past, &[(RowKind::Kept, Some(500), 1)]);
        assert_eq!((accepted, counts.out_of_order), (vec![false], 1));
        assert_eq!(run(&mut past, &[(RowKind::Kept, Some(501), 1)]).0, [true]);
        assert!(!past.explicit.was_seen(1));
        assert_eq!(run(&mut past, &[(RowKind::Kept, None, 1)]).0, [true]);
        assert!(past.explicit.was_seen(1));
    }

    #[test]
    fn samples_far_in_the_future_are_out_of_bounds() {
        let at = 1001 + limits::FUTURE_SAMPLE_MS_MAX;
        let (accepted, counts) = run(&mut Past::default(), &[(RowKind::Kept, Some(at), 1)]);
        assert_eq!((accepted, counts.out_of_bounds), (vec![false], 1));
    }

    #[test]
    fn a_series_twice_on_a_page_is_accepted_with_growing_timestamps() {
        let rows = [
            (RowKind::Kept, Some(10), 1),
            (RowKind::Duplicate, Some(20), 1),
        ];
        assert_eq!(run(&mut Past::default(), &rows).0, [true, true]);
    }

    #[test]
    fn a_series_that_gets_a_timestamp_is_no_longer_seen() {
        let mut past = Past::default();
        let filled = fill(
            &past,
            &[(RowKind::Kept, None, 1), (RowKind::Kept, Some(500), 2)],
        );
        assert_eq!(filled.unseen, [1], "it was plain in the last scrape");
        filled.times.commit(&mut past.explicit);
        let filled = fill(
            &past,
            &[(RowKind::Kept, None, 1), (RowKind::Kept, Some(600), 2)],
        );
        assert!(filled.unseen.is_empty(), "once is enough");
    }
}
