//! Start timestamps as what changed since the previous block (`docs/log-format.md`, 5.4).

use super::past::Past;
use crate::bytes::cursor::{Cursor, put_zigzag};
use crate::bytes::varint;

type Table = Vec<(u32, i64)>;

/// Appends the table, which is sorted by slot.
pub(super) fn put(out: &mut Vec<u8>, table: &[(u32, i64)], past: Past<'_>) {
    let before = expected(past);
    let mut changes = Changes::default();
    let (mut own, mut old) = (table.iter().peekable(), before.iter().peekable());
    loop {
        let slot = match (own.peek(), old.peek()) {
            (None, None) => break,
            (Some((slot, _)), None) | (None, Some((slot, _))) => *slot,
            (Some((one, _)), Some((two, _))) => *one.min(two),
        };
        let now = own
            .next_if(|(own, _)| *own == slot)
            .map(|(_, start)| *start);
        let then = old
            .next_if(|(own, _)| *own == slot)
            .map(|(_, start)| *start);
        if now != then {
            changes.put(slot, now);
        }
    }
    varint::write(out, changes.count);
    out.extend_from_slice(&changes.bytes);
}

#[derive(Default)]
struct Changes {
    bytes: Vec<u8>,
    count: u64,
    next: u32,
    start: i64,
}

impl Changes {
    fn put(&mut self, slot: u32, start: Option<i64>) {
        let gap = u64::from(slot.wrapping_sub(self.next)) << 1;
        varint::write(&mut self.bytes, gap | u64::from(start.is_some()));
        if let Some(start) = start {
            put_zigzag(&mut self.bytes, start.wrapping_sub(self.start));
            self.start = start;
        }
        self.next = slot.wrapping_add(1);
        self.count += 1;
    }
}

/// What the table is if nothing changed.
fn expected(past: Past<'_>) -> Table {
    let before = past.table(|side| &side.starts);
    let carried = past.carried(before).into_iter();
    carried.map(|(slot, at)| (slot, before[at].1)).collect()
}

/// Reads what [`put`] writes for a block of `slots` slots.
pub(super) fn take(payload: &[u8], slots: usize, past: Past<'_>) -> Option<Table> {
    let mut cursor = Cursor::new(payload);
    let before = expected(past);
    let mut old = before.into_iter().peekable();
    let mut table = Table::new();
    let (mut next, mut start) = (0u32, 0i64);
    for _ in 0..cursor.count(slots)? {
        let gap = cursor.varint()?;
        let slot = next.checked_add(u32::try_from(gap >> 1).ok()?)?;
        next = slot.checked_add(1)?;
        while let Some(entry) = old.next_if(|(own, _)| *own < slot) {
            table.push(entry);
        }
        let _replaced = old.next_if(|(own, _)| *own == slot);
        if gap & 1 != 0 {
            start = start.wrapping_add(cursor.zigzag()?);
            table.push((slot, start));
        }
    }
    table.extend(old);
    let inside = table
        .last()
        .is_none_or(|(slot, _)| (*slot as usize) < slots);
    inside.then_some(table)
}
