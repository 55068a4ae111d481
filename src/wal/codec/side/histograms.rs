//! Native histograms of a block (`docs/log-format.md`, 5.5): forms that changed, then all numbers in
//! one stream, each coded against the target's previous block as values are.
//!
//! The sums are here and not in the value column, where such a slot is absent: a program that does
//! not know this section gives out no sum as if it were a sample.

use std::borrow::Cow;
use std::iter::Peekable;

use super::past::Past;
use super::{form, numbers};
use crate::bytes::cursor::Cursor;
use crate::bytes::varint;
use crate::limits;
use crate::model::block::ScrapeBlock;
use crate::model::histogram::NativeHistogram;
use crate::model::value::ABSENT;
use crate::wal::codec::values::{self, Base, State};

type Table = Vec<(u32, NativeHistogram)>;

/// The values of a block as its value column has them: absent where a histogram is.
pub fn column(block: &ScrapeBlock) -> Cow<'_, [f64]> {
    let side = block.side.as_deref();
    let histograms = side.map_or(&[][..], |side| &side.histograms);
    if histograms.is_empty() {
        return Cow::Borrowed(&block.values);
    }
    let mut column = block.values.to_vec();
    for (slot, _) in histograms {
        column[*slot as usize] = ABSENT;
    }
    Cow::Owned(column)
}

/// The numbers of the previous block.
struct Numbers {
    values: Vec<f64>,
    /// Where those of each histogram begin; none if they were told as they are.
    starts: Vec<Option<usize>>,
}

impl Numbers {
    fn of(past: Past<'_>) -> Numbers {
        let table = past.table(|side| &side.histograms);
        let mut values = Vec::new();
        let starts = table.iter().map(|(slot, own)| {
            let start = values.len();
            let sum = past.block?.values.get(*slot as usize)?;
            numbers::put(&mut values, own, *sum).map(|()| start)
        });
        let starts = starts.collect();
        Numbers { values, starts }
    }
}

/// What may still be read or written: histograms, spans, bounds and buckets of a block.
struct Budget(usize);

impl Budget {
    fn spend(&mut self, parts: usize) -> Option<()> {
        self.0 = self.0.checked_sub(parts)?;
        Some(())
    }
}

/// Appends the histograms of a block, which are sorted by slot, and puts the states of their
/// numbers into `states`. None if they are too many for a block.
pub(super) fn put(
    out: &mut Vec<u8>,
    block: &ScrapeBlock,
    table: &[(u32, NativeHistogram)],
    past: Past<'_>,
    states: &mut Vec<State>,
) -> Option<()> {
    let before = past.table(|side| &side.histograms);
    let old_numbers = Numbers::of(past);
    let mut budget = Budget(limits::BLOCK_HISTOGRAM_PARTS_MAX);
    let mut olds = past.carried(before).into_iter().peekable();
    let (mut column, mut spans) = (Vec::new(), Vec::new());
    let mut edits = Edits::default();
    let nothing = form::nothing();
    let mut reference = &nothing;
    for (slot, own) in table {
        budget.spend(numbers::HEAD + form::parts(own) + own.bucket_count())?;
        edits.remove_before(*slot, &mut olds);
        let old = olds.next_if(|(own, _)| own == slot).map(|(_, at)| at);
        let sum = block.values[*slot as usize];
        let is_plain = numbers::put(&mut column, own, sum).is_some();
        let form_before = old.map(|at| &before[at].1);
        if !is_plain || form_before.is_none_or(|old| !form::is_same(old, own)) {
            edits.begin(*slot, true);
            let verbatim = (!is_plain).then_some(sum);
            let other = form_before.unwrap_or(reference);
            form::put(&mut edits.bytes, own, other, verbatim);
        }
        if is_plain {
            let lengths = numbers::lengths(own, own.bucket_count())?;
            let old = old.and_then(|at| Some((&before[at].1, old_numbers.starts[at]?)));
            numbers::put_spans(&mut spans, lengths, own, old);
        }
        reference = own;
    }
    edits.remove_before(u32::MAX, &mut olds);
    varint::write(out, edits.count);
    out.extend_from_slice(&edits.bytes);
    let base = Base {
        values: &old_numbers.values,
        states: past.states,
    };
    values::encode(&column, &spans, base, states, out);
    Some(())
}

/// What is not as in the previous block.
#[derive(Default)]
struct Edits {
    bytes: Vec<u8>,
    count: u64,
    next: u32,
}

impl Edits {
    fn begin(&mut self, slot: u32, is_there: bool) {
        let gap = u64::from(slot.wrapping_sub(self.next)) << 1;
        varint::write(&mut self.bytes, gap | u64::from(is_there));
        self.next = slot.wrapping_add(1);
        self.count += 1;
    }

    /// Histograms of slots before `slot` that have none any more.
    fn remove_before(
        &mut self,
        slot: u32,
        olds: &mut Peekable<impl Iterator<Item = (u32, usize)>>,
    ) {
        while let Some((gone, _)) = olds.next_if(|(own, _)| *own < slot) {
            self.begin(gone, false);
        }
    }
}

/// A histogram whose numbers are not read yet.
struct Shell {
    slot: u32,
    own: NativeHistogram,
    /// Its sum, if its numbers stood with its form.
    sum: Option<f64>,
    /// Its place in the previous block.
    old: Option<usize>,
}

/// Reads what [`put`] appends for a block with these values, gives the sums to their slots and the
/// states to `states`.
pub(super) fn take(
    payload: &[u8],
    column: &mut [f64],
    past: Past<'_>,
    states: &mut Vec<State>,
) -> Option<Table> {
    let before = past.table(|side| &side.histograms);
    let mut cursor = Cursor::new(payload);
    let mut budget = Budget(limits::BLOCK_HISTOGRAM_PARTS_MAX);
    let shells = take_shells(&mut cursor, column.len(), past, &mut budget)?;
    let old_numbers = Numbers::of(past);
    let (mut spans, mut lengths) = (Vec::new(), Vec::new());
    for shell in shells.iter().filter(|shell| shell.sum.is_none()) {
        let own = numbers::lengths(&shell.own, budget.0)?;
        budget.spend(own[0] + own[1])?;
        let old = shell
            .old
            .and_then(|at| Some((&before[at].1, old_numbers.starts[at]?)));
        numbers::put_spans(&mut spans, own, &shell.own, old);
        lengths.push(own);
    }
    let base = Base {
        values: &old_numbers.values,
        states: past.states,
    };
    let read = values::decode(&spans, base, cursor.rest(), states)?;
    let (mut rest, mut lengths) = (&*read, lengths.into_iter());
    let mut table = Table::with_capacity(shells.len());
    for mut shell in shells {
        let sum = match shell.sum {
            Some(sum) => sum,
            None => {
                let [positive, negative] = lengths.next()?;
                let (own, behind) = rest.split_at_checked(numbers::HEAD + positive + negative)?;
                rest = behind;
                numbers::fill(&mut shell.own, own, positive)?
            }
        };
        column[shell.slot as usize] = sum;
        table.push((shell.slot, shell.own));
    }
    Some(table)
}

fn take_shells(
    cursor: &mut Cursor<'_>,
    slots: usize,
    past: Past<'_>,
    budget: &mut Budget,
) -> Option<Vec<Shell>> {
    let before = past.table(|side| &side.histograms);
    let mut olds = past.carried(before).into_iter().peekable();
    let mut shells: Vec<Shell> = Vec::new();
    let keep = |(slot, at): (u32, usize), shells: &mut Vec<Shell>, budget: &mut Budget| {
        let old = &before[at].1;
        budget.spend(numbers::HEAD + form::parts(old))?;
        shells.push(Shell {
            slot,
            own: form::shell(old),
            sum: None,
            old: Some(at),
        });
        Some(())
    };
    let nothing = form::nothing();
    let mut next = 0u32;
    for _ in 0..cursor.count(slots)? {
        let gap = cursor.varint()?;
        let slot = next.checked_add(u32::try_from(gap >> 1).ok()?)?;
        next = slot.checked_add(1)?;
        while let Some(old) = olds.next_if(|(own, _)| *own < slot) {
            keep(old, &mut shells, budget)?;
        }
        let old = olds.next_if(|(own, _)| *own == slot).map(|(_, at)| at);
        if gap & 1 == 0 {
            old?;
            continue;
        }
        let last = shells.last().map_or(&nothing, |shell| &shell.own);
        let other = old.map_or(last, |at| &before[at].1);
        let (own, sum) = form::take(cursor, other, budget.0)?;
        budget.spend(numbers::HEAD + form::parts(&own) + own.bucket_count())?;
        shells.push(Shell {
            slot,
            own,
            sum,
            old,
        });
    }
    for old in olds {
        keep(old, &mut shells, budget)?;
    }
    let inside = |shell: &Shell| (shell.slot as usize) < slots;
    shells.last().is_none_or(inside).then_some(shells)
}
