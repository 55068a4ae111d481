//! The scrape block: one scrape of one target, from the parser to the wire.

use std::sync::Arc;

use super::exemplar::Exemplar;
use super::histogram::NativeHistogram;
use super::series::SeriesList;

/// Names a block for ever: never reused, growing in the order of the log. Zero is no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The sequence number before every block.
    pub const ZERO: Sequence = Sequence(0);

    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Sequence {
        Sequence(self.0 + 1)
    }
}

/// Names a stretch of time with one mapping from the monotonic to the wall clock
/// (see [`super::timeline`]). Grows; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EpochId(pub u32);

/// One scrape of one target.
#[derive(Clone, Debug)]
pub struct ScrapeBlock {
    /// Given by the log when it takes the block; zero before.
    pub sequence: Sequence,
    /// The epoch that `offset_ms` counts in.
    pub epoch: EpochId,
    /// Time of the scrape in milliseconds since the epoch's base.
    pub offset_ms: i64,
    /// The series; slot `n` of the list has the value `values[n]`.
    pub series: Arc<SeriesList>,
    /// One value per slot. [`super::value::ABSENT`] where this scrape has no sample for it.
    pub values: Box<[f64]>,
    /// What few scrapes have; none costs one word.
    pub side: Option<Box<SideTables>>,
}

/// Parts of a block that most scrapes lack. Every table is sorted by slot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SideTables {
    /// Explicit timestamps in milliseconds since 1970. A slot not listed has the block's time.
    pub timestamps: Vec<(u32, i64)>,
    /// Start ("created") timestamps in milliseconds since 1970: since when a slot counts.
    pub starts: Vec<(u32, i64)>,
    /// Exemplars. A slot may have several.
    pub exemplars: Vec<(u32, Exemplar)>,
    /// Native histograms. The value of such a slot is the histogram's sum.
    pub histograms: Vec<(u32, NativeHistogram)>,
}

impl SideTables {
    /// Whether every table is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
            && self.starts.is_empty()
            && self.exemplars.is_empty()
            && self.histograms.is_empty()
    }

    fn size_bytes(&self) -> usize {
        let histograms = self.histograms.iter();
        let histograms: usize = histograms.map(|(_, own)| 8 + own.size_bytes()).sum();
        let stamps = self.timestamps.len() + self.starts.len();
        size_of::<SideTables>() + stamps * 16 + self.exemplars.len() * 128 + histograms
    }
}

impl ScrapeBlock {
    /// Number of samples: slots that are not absent.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.values
            .iter()
            .filter(|value| !super::value::is_absent(**value))
            .count()
    }

    /// Its native histograms, sorted by slot. Where the value is absent or ends the series, there
    /// is no sample of a histogram, whatever this holds.
    #[must_use]
    pub fn histograms(&self) -> &[(u32, NativeHistogram)] {
        self.side.as_deref().map_or(&[], |side| &side.histograms)
    }

    /// The native histogram at `slot`; none where the sample is a float, or there is none.
    #[must_use]
    pub fn histogram(&self, slot: usize) -> Option<&NativeHistogram> {
        let all = self.histograms();
        if all.is_empty() {
            return None;
        }
        let at = all.binary_search_by_key(&slot, |(own, _)| *own as usize);
        let found = &all[at.ok()?].1;
        let sum = *self.values.get(slot)?;
        (!super::value::is_absent(sum) && !super::value::is_stale(sum)).then_some(found)
    }

    /// Number of samples that are native histograms.
    #[must_use]
    pub fn histogram_count(&self) -> usize {
        let slots = self.histograms().iter();
        slots
            .filter(|(slot, _)| self.histogram(*slot as usize).is_some())
            .count()
    }

    /// The start timestamp at `slot` in milliseconds since 1970, if it is known.
    #[must_use]
    pub fn start(&self, slot: usize) -> Option<i64> {
        let starts = &self.side.as_deref()?.starts;
        let at = starts.binary_search_by_key(&slot, |(own, _)| *own as usize);
        Some(starts[at.ok()?].1)
    }

    /// Bytes of memory that belong to this block alone.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let side = self.side.as_ref().map_or(0, |side| side.size_bytes());
        size_of::<Self>() + self.values.len() * size_of::<f64>() + side
    }
}
