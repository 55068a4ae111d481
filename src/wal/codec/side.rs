//! The side tables of a block as sections (`docs/log-format.md`, 5.4).

mod form;
pub mod histograms;
mod numbers;
pub mod past;
mod starts;

#[cfg(test)]
mod tests;

use self::past::Past;
use super::definition::{put_labels, take_labels};
use super::values::State;
use crate::bytes::cursor::{Cursor, put_zigzag};
use crate::bytes::varint;
use crate::model::block::{ScrapeBlock, SideTables};
use crate::model::exemplar::Exemplar;
use crate::wal::format::record;

const TIMESTAMPS: u64 = 1;
const EXEMPLARS: u64 = 2;
pub(super) const STARTS: u64 = 3;
pub(super) const HISTOGRAMS: u64 = 4;
const HAS_TIMESTAMP: u64 = 1;

/// Appends the sections of the tables that are not empty, and puts the states of the histograms'
/// numbers into `states`. None if there are more histograms than a block may have.
pub fn put(
    out: &mut Vec<u8>,
    block: &ScrapeBlock,
    past: Past<'_>,
    states: &mut Vec<State>,
) -> Option<()> {
    states.clear();
    let Some(side) = &block.side else {
        return Some(());
    };
    let mut payload = Vec::new();
    if !side.timestamps.is_empty() {
        put_timestamps(&mut payload, &side.timestamps);
        record::put(out, TIMESTAMPS, &payload);
    }
    if !side.exemplars.is_empty() {
        payload.clear();
        put_exemplars(&mut payload, &side.exemplars);
        record::put(out, EXEMPLARS, &payload);
    }
    if !side.starts.is_empty() {
        payload.clear();
        starts::put(&mut payload, &side.starts, past);
        record::put(out, STARTS, &payload);
    }
    if !side.histograms.is_empty() {
        payload.clear();
        histograms::put(&mut payload, block, &side.histograms, past, states)?;
        record::put(out, HISTOGRAMS, &payload);
    }
    Some(())
}

/// Whether what [`put`] appends for these tables is text, which compresses.
#[must_use]
pub fn has_text(side: &SideTables) -> bool {
    !side.timestamps.is_empty() || !side.exemplars.is_empty()
}

fn put_timestamps(out: &mut Vec<u8>, table: &[(u32, i64)]) {
    varint::write(out, table.len() as u64);
    let mut next = 0;
    for (slot, _) in table {
        varint::write(out, u64::from(slot - next));
        next = slot + 1;
    }
    let mut distinct: Vec<i64> = table.iter().map(|(_, timestamp)| *timestamp).collect();
    distinct.sort_unstable();
    distinct.dedup();
    varint::write(out, distinct.len() as u64);
    let mut last: i64 = 0;
    for timestamp in &distinct {
        put_zigzag(out, timestamp.wrapping_sub(last));
        last = *timestamp;
    }
    for (_, timestamp) in table {
        let index = distinct.partition_point(|own| own < timestamp);
        varint::write(out, index as u64);
    }
}

fn take_timestamps(payload: &[u8], slots: usize) -> Option<Vec<(u32, i64)>> {
    let mut cursor = Cursor::new(payload);
    let mut table = Vec::new();
    let mut next: u32 = 0;
    for _ in 0..cursor.count(slots)? {
        let slot = next.checked_add(cursor.varint_u32()?)?;
        table.push((slot, 0));
        next = slot.checked_add(1)?;
    }
    let mut distinct = Vec::new();
    let mut last: i64 = 0;
    for _ in 0..cursor.count(table.len())? {
        last = last.wrapping_add(cursor.zigzag()?);
        distinct.push(last);
    }
    for (_, timestamp) in &mut table {
        *timestamp = *distinct.get(cursor.count(distinct.len())?)?;
    }
    (next as usize <= slots).then_some(table)
}

fn put_exemplars(out: &mut Vec<u8>, table: &[(u32, Exemplar)]) {
    varint::write(out, table.len() as u64);
    let mut last = 0;
    for (slot, exemplar) in table {
        varint::write(out, u64::from(slot - last));
        last = *slot;
        out.extend_from_slice(&exemplar.value.to_bits().to_le_bytes());
        if let Some(timestamp) = exemplar.timestamp_ms {
            varint::write(out, HAS_TIMESTAMP);
            put_zigzag(out, timestamp);
        } else {
            varint::write(out, 0);
        }
        put_labels(out, &exemplar.labels);
    }
}

fn take_exemplars(payload: &[u8], slots: usize) -> Option<Vec<(u32, Exemplar)>> {
    let mut cursor = Cursor::new(payload);
    let mut table = Vec::new();
    let mut slot: u32 = 0;
    for _ in 0..cursor.count(payload.len())? {
        slot = slot.checked_add(cursor.varint_u32()?)?;
        let value = f64::from_bits(cursor.u64()?);
        let timestamp_ms = match cursor.varint()? & HAS_TIMESTAMP {
            0 => None,
            _ => Some(cursor.zigzag()?),
        };
        let exemplar = Exemplar {
            labels: take_labels(&mut cursor)?,
            value,
            timestamp_ms,
        };
        table.push((slot, exemplar));
    }
    let inside = table
        .last()
        .is_none_or(|(slot, _)| (*slot as usize) < slots);
    inside.then_some(table)
}

/// What the sections of a block say.
#[derive(Debug, Default)]
pub struct Sections {
    /// The tables, if there are any.
    pub side: Option<Box<SideTables>>,
    /// Sections of a kind that this program does not know.
    pub unknown: u64,
}

/// Reads the sections of a block whose value column is `column`, where the sums of its histograms
/// are put in; the states of their numbers go to `states`.
#[must_use]
pub fn take(
    sections: &[u8],
    column: &mut [f64],
    past: Past<'_>,
    states: &mut Vec<State>,
) -> Option<Sections> {
    states.clear();
    let slots = column.len();
    let mut cursor = Cursor::new(sections);
    let mut side = SideTables::default();
    let mut unknown = 0;
    while !cursor.is_empty() {
        let tag = cursor.varint()?;
        let payload = cursor.block()?;
        match tag {
            TIMESTAMPS => side.timestamps = take_timestamps(payload, slots)?,
            EXEMPLARS => side.exemplars = take_exemplars(payload, slots)?,
            STARTS => side.starts = starts::take(payload, slots, past)?,
            HISTOGRAMS => side.histograms = histograms::take(payload, column, past, states)?,
            _ => unknown += 1,
        }
    }
    let side = (!side.is_empty()).then(|| Box::new(side));
    Some(Sections { side, unknown })
}
