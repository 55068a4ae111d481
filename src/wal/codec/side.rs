//! The side tables of a block as sections (`docs/log-format.md`, 5.4).

use crate::bytes::cursor::{Cursor, put_zigzag};
use crate::bytes::varint;
use crate::model::block::SideTables;
use crate::model::exemplar::Exemplar;
use crate::wal::format::record;

use super::definition::{put_labels, take_labels};

const TIMESTAMPS: u64 = 1;
const EXEMPLARS: u64 = 2;
const HAS_TIMESTAMP: u64 = 1;

/// Appends the sections of the tables that are not empty.
pub fn put(out: &mut Vec<u8>, side: &SideTables) {
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

/// Reads the sections of a block of `slots` slots, and how many of them were unknown.
#[must_use]
pub fn take(sections: &[u8], slots: usize) -> Option<(Option<Box<SideTables>>, u64)> {
    let mut cursor = Cursor::new(sections);
    let mut side = SideTables::default();
    let mut unknown = 0;
    while !cursor.is_empty() {
        let tag = cursor.varint()?;
        let payload = cursor.block()?;
        match tag {
            TIMESTAMPS => side.timestamps = take_timestamps(payload, slots)?,
            EXEMPLARS => side.exemplars = take_exemplars(payload, slots)?,
            _ => unknown += 1,
        }
    }
    let side = (!side.is_empty()).then(|| Box::new(side));
    Some((side, unknown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::labels::Labels;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tables_survive(
            timestamps in prop::collection::btree_map(
                0..50u32, prop_oneof![any::<i64>(), 1_000_000..1_000_004i64], 0..20),
            exemplars in prop::collection::vec(
                (0..50u32, any::<i32>(), any::<Option<i64>>(), "[a-c]{0,3}"), 0..9),
        ) {
            let mut exemplars: Vec<_> = exemplars.into_iter().map(|(slot, value, at, trace)| {
                let labels = Labels::from_pairs([("trace", trace)]);
                (slot, Exemplar { labels, value: value.into(), timestamp_ms: at })
            }).collect();
            exemplars.sort_by_key(|(slot, _)| *slot);
            let side = SideTables { timestamps: timestamps.into_iter().collect(), exemplars, ..SideTables::default() };
            let mut sections = Vec::new();
            put(&mut sections, &side);
            let (back, unknown) = take(&sections, 50).expect("decodes");
            prop_assert_eq!(back.map(|side| *side).unwrap_or_default(), side);
            prop_assert_eq!(unknown, 0);
        }

        #[test]
        fn any_bytes_are_read_without_panic(tag in 0..4u64, payload: Vec<u8>, slots in 0..99usize) {
            let mut sections = Vec::new();
            record::put(&mut sections, tag, &payload);
            for bytes in [&sections, &payload] {
                if let Some((Some(side), _)) = take(bytes, slots) {
                    prop_assert!(side.timestamps.iter().all(|(slot, _)| (*slot as usize) < slots));
                    prop_assert!(side.exemplars.iter().all(|(slot, _)| (*slot as usize) < slots));
                }
            }
        }
    }
}
