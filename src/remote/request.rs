//! Pieces in, a compressed body of remote write 1.0 out ([`v2`] makes those of 2.0).
//!
//! Pieces of one target that share a series list are written together: one entry per series with
//! a sample of each, which is what makes a backlog cheap. Targets with the same labels stay in the
//! order of the log instead, so that no series goes back in time within a body. Nothing is
//! allocated, locked or hashed per sample. Samples that are too old are left out each time the
//! body is made.

use super::piece::Piece;
use crate::model::exemplar::Exemplar;
use crate::model::series::SeriesChunk;
use crate::model::value::is_absent;
use crate::wire::compress::SnappyBody;
use crate::wire::remote_write_v1 as v1;

#[cfg(test)]
mod tests;
pub mod v2;
mod weave;

/// What goes into a body beside the samples.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Samples before this time (milliseconds since 1970) are left out.
    pub oldest_ms: i64,
    /// Whether exemplars are sent.
    pub exemplars: bool,
}

/// What is in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Samples.
    pub samples: u64,
    /// Exemplars.
    pub exemplars: u64,
    /// Series entries with metadata, which only 2.0 has.
    pub metadata: u64,
    /// Samples left out because of their age.
    pub too_old: u64,
    /// Newest timestamp of a sample in it, milliseconds since 1970; `i64::MIN` without samples.
    pub highest_ms: i64,
}

impl Default for Counts {
    fn default() -> Self {
        Counts {
            samples: 0,
            exemplars: 0,
            metadata: 0,
            too_old: 0,
            highest_ms: i64::MIN,
        }
    }
}

/// One block's side of a run, read slot by slot.
struct Cursor<'a> {
    values: &'a [f64],
    wall_ms: i64,
    timestamps: &'a [(u32, i64)],
    exemplars: &'a [(u32, Exemplar)],
    too_old: u64,
}

impl<'a> Cursor<'a> {
    fn new(piece: &'a Piece) -> Cursor<'a> {
        let block = &piece.item.block;
        let side = block.side.as_deref();
        Cursor {
            values: &block.values,
            wall_ms: piece.item.wall_ms,
            timestamps: side.map_or(&[], |side| &side.timestamps),
            exemplars: side.map_or(&[], |side| &side.exemplars),
            too_old: 0,
        }
    }

    #[inline]
    fn timestamp(&mut self, slot: u32) -> i64 {
        while let Some(((own, timestamp), rest)) = self.timestamps.split_first()
            && *own <= slot
        {
            if *own == slot {
                return *timestamp;
            }
            self.timestamps = rest;
        }
        self.wall_ms
    }

    fn exemplars_of(&mut self, slot: u32) -> &'a [(u32, Exemplar)] {
        let first = self.exemplars.partition_point(|(own, _)| *own < slot);
        self.exemplars = &self.exemplars[first..];
        let end = self.exemplars.partition_point(|(own, _)| *own == slot);
        &self.exemplars[..end]
    }
}

/// Makes bodies, one after another, in the same memory.
#[derive(Debug, Default)]
pub struct RequestBuilder {
    body: SnappyBody,
    order: Vec<usize>,
    /// Samples left out because of their age, by index of their piece.
    too_old: Vec<(usize, u64)>,
}

impl RequestBuilder {
    /// Writes the pieces, which are in the order of their blocks.
    ///
    /// # Errors
    /// When the compressor refuses, which it has no reason to.
    pub fn build(&mut self, pieces: &[Piece], rules: Rules) -> Result<Counts, snap::Error> {
        self.body.clear();
        self.too_old.clear();
        self.order.clear();
        self.order.extend(0..pieces.len());
        let lane = |index: usize| pieces[index].item.block.series.lane();
        self.order
            .sort_unstable_by_key(|index| (lane(*index), *index));
        let order = std::mem::take(&mut self.order);
        let mut counts = Counts::default();
        let runs = order.chunk_by(|left, right| same_run(&pieces[*left], &pieces[*right]));
        let mut result = Ok(());
        for run in runs {
            let cursors = run.iter().map(|index| Cursor::new(&pieces[*index]));
            let mut cursors: Vec<_> = cursors.collect();
            result = self.write_run(&pieces[run[0]], &mut cursors, rules, &mut counts);
            if result.is_err() {
                break;
            }
            let old = run.iter().zip(&cursors);
            let old = old.map(|(index, cursor)| (*index, cursor.too_old));
            self.too_old.extend(old.filter(|(_, samples)| *samples > 0));
        }
        self.order = order;
        result.map(|()| counts)
    }

    /// Ends the body. To be called once after [`RequestBuilder::build`].
    ///
    /// # Errors
    /// As [`RequestBuilder::build`].
    pub fn finish(&mut self) -> Result<&[u8], snap::Error> {
        self.body.finish()
    }

    /// Samples that the last body leaves out because of their age, by index of their piece.
    #[must_use]
    pub fn too_old(&self) -> &[(usize, u64)] {
        &self.too_old
    }

    /// Gives back the memory of an unusually large body.
    pub fn shrink(&mut self) {
        self.body.clear();
        self.body.shrink_to(crate::limits::REMOTE_BODY_KEEP_BYTES);
    }

    fn write_run(
        &mut self,
        piece: &Piece,
        cursors: &mut [Cursor<'_>],
        rules: Rules,
        counts: &mut Counts,
    ) -> Result<(), snap::Error> {
        let mut first = 0;
        for chunk in piece.item.block.series.chunks() {
            let end = first + chunk.len() as u32;
            let slots = piece.slots.start.max(first)..piece.slots.end.min(end);
            for slot in slots {
                let series = (slot, &**chunk, (slot - first) as usize);
                self.write_series(piece, series, cursors, rules, counts);
                self.body.advance()?;
            }
            first = end;
        }
        Ok(())
    }

    #[inline]
    fn write_series(
        &mut self,
        piece: &Piece,
        (slot, chunk, index): (u32, &SeriesChunk, usize),
        cursors: &mut [Cursor<'_>],
        rules: Rules,
        counts: &mut Counts,
    ) {
        let at = slot as usize;
        let outgoing = &piece.item.outgoing;
        let absent = cursors.iter().all(|cursor| is_absent(cursor.values[at]));
        if absent || !outgoing.sends(at) {
            return;
        }
        let out = self.body.raw();
        let series = v1::begin_series(out);
        outgoing.append_labels(out, at, chunk, index);
        let before = counts.samples;
        for cursor in cursors.iter_mut() {
            write_sample(out, slot, cursor, rules, counts);
        }
        if counts.samples == before {
            v1::abandon_series(out, &series);
            return;
        }
        if rules.exemplars {
            for cursor in cursors.iter_mut() {
                write_exemplars(out, slot, cursor, counts);
            }
        }
        v1::end_series(out, &series);
    }
}

#[inline]
fn write_sample(
    out: &mut Vec<u8>,
    slot: u32,
    cursor: &mut Cursor<'_>,
    rules: Rules,
    counts: &mut Counts,
) {
    let value = cursor.values[slot as usize];
    if is_absent(value) {
        return;
    }
    let timestamp = cursor.timestamp(slot);
    if timestamp < rules.oldest_ms {
        counts.too_old += 1;
        cursor.too_old += 1;
        return;
    }
    v1::append_sample(out, value, timestamp);
    counts.samples += 1;
    counts.highest_ms = counts.highest_ms.max(timestamp);
}

fn write_exemplars(out: &mut Vec<u8>, slot: u32, cursor: &mut Cursor<'_>, counts: &mut Counts) {
    if is_absent(cursor.values[slot as usize]) {
        return;
    }
    for (_, exemplar) in cursor.exemplars_of(slot) {
        v1::append_exemplar(out, exemplar, cursor.wall_ms);
        counts.exemplars += 1;
    }
}

/// Whether two pieces, in this order, can be written as one: the same series with the same labels.
fn same_run(left: &Piece, right: &Piece) -> bool {
    std::sync::Arc::ptr_eq(&left.item.block.series, &right.item.block.series)
        && std::sync::Arc::ptr_eq(&left.item.outgoing, &right.item.outgoing)
        && left.slots == right.slots
}
