//! One block's side of a run, read slot by slot, in any order.

use super::Rules;
use crate::model::block::ScrapeBlock;
use crate::model::exemplar::Exemplar;
use crate::model::value::is_absent;
use crate::remote::piece::Piece;
use crate::wire::remote_write_v1::SampleTime;

/// Where a block is read.
pub(super) struct Cursor<'a> {
    pub(super) block: &'a ScrapeBlock,
    pub(super) values: &'a [f64],
    pub(super) wall_ms: i64,
    wall: SampleTime,
    timestamps: &'a [(u32, i64)],
    exemplars: &'a [(u32, Exemplar)],
    /// Samples left out because of their age.
    pub(super) too_old: u64,
    /// Native histograms left out because 1.0 has no custom buckets.
    pub(super) custom_buckets: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(piece: &'a Piece) -> Cursor<'a> {
        let block = &piece.item.block;
        let side = block.side.as_deref();
        Cursor {
            block,
            values: &block.values,
            wall_ms: piece.item.wall_ms,
            wall: SampleTime::new(piece.item.wall_ms),
            timestamps: side.map_or(&[], |side| &side.timestamps),
            exemplars: side.map_or(&[], |side| &side.exemplars),
            too_old: 0,
            custom_buckets: 0,
        }
    }

    /// Whether the block has a sample at `slot`.
    #[inline]
    pub(super) fn has(&self, slot: u32) -> bool {
        !is_absent(self.values[slot as usize])
    }

    /// The sample at `slot` and its time, unless there is none or it is too old.
    #[inline]
    pub(super) fn sample(&mut self, slot: u32, rules: Rules) -> Option<(f64, i64)> {
        let value = self.values[slot as usize];
        if is_absent(value) {
            return None;
        }
        let timestamp = self.timestamp(slot);
        if timestamp < rules.oldest_ms {
            self.too_old += 1;
            return None;
        }
        Some((value, timestamp))
    }

    /// A time that [`Cursor::sample`] gave, as it is sent.
    #[inline]
    pub(super) fn time(&self, timestamp_ms: i64) -> SampleTime {
        match timestamp_ms == self.wall_ms {
            true => self.wall,
            false => SampleTime::new(timestamp_ms),
        }
    }

    /// Slots come in any order: what a target has in common with another is written with that one.
    #[inline]
    fn timestamp(&self, slot: u32) -> i64 {
        if self.timestamps.is_empty() {
            return self.wall_ms;
        }
        let found = self.timestamps.binary_search_by_key(&slot, |(own, _)| *own);
        found.map_or(self.wall_ms, |at| self.timestamps[at].1)
    }

    /// The exemplars at `slot`.
    pub(super) fn exemplars_of(&self, slot: u32) -> &'a [(u32, Exemplar)] {
        let first = self.exemplars.partition_point(|(own, _)| *own < slot);
        let rest = &self.exemplars[first..];
        &rest[..rest.partition_point(|(own, _)| *own == slot)]
    }
}
