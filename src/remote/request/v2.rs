//! Pieces in, a compressed body of remote write 2.0 out.
//!
//! Entries are written in the order that [`super::weave`] finds, and compressed while they are; the
//! table of symbols is complete only then, is compressed apart and put before them: snappy looks no
//! further back than to where it was begun anew, so the parts of a body can be put together.
//! Own labels and metadata of a series are looked up once for all targets that share its chunk.
//! Nothing is allocated or locked per sample. Samples that are too old are left out each time the
//! body is made.

use std::ops::Range;
use std::sync::Arc;

use super::kind::{self, Part};
use super::weave::{Segment, Weave};
use super::{Counts, Rules};
use crate::bytes::varint;
use crate::limits;
use crate::model::block::{ScrapeBlock, SideTables};
use crate::model::exemplar::Exemplar;
use crate::model::series::{Encoded, SeriesChunk};
use crate::model::value::is_absent;
use crate::remote::outgoing::OutgoingLabels;
use crate::remote::piece::Piece;
use crate::wire::compress::{CompressError, CompressedBody};
use crate::wire::native_histogram::HistogramSample;
use crate::wire::remote_write_v2 as v2;
use crate::wire::remote_write_v2::labels::{OwnLabel, SharedLabel, append_labels, look_up, share};
use crate::wire::remote_write_v2::symbols::Symbols;
use crate::wire::version::Version;

#[cfg(test)]
mod tests;

/// One block's side of a run, read slot by slot in any order.
struct Cursor<'a> {
    block: &'a ScrapeBlock,
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
            block,
            values: &block.values,
            wall_ms: piece.item.wall_ms,
            timestamps: side.map_or(&[], |side| &side.timestamps),
            exemplars: side.map_or(&[], |side| &side.exemplars),
            too_old: 0,
        }
    }

    #[inline]
    fn timestamp(&self, slot: u32) -> i64 {
        if self.timestamps.is_empty() {
            return self.wall_ms;
        }
        let found = self.timestamps.binary_search_by_key(&slot, |(own, _)| *own);
        found.map_or(self.wall_ms, |at| self.timestamps[at].1)
    }

    fn exemplars_of(&self, slot: u32) -> &'a [(u32, Exemplar)] {
        let first = self.exemplars.partition_point(|(own, _)| *own < slot);
        let rest = &self.exemplars[first..];
        &rest[..rest.partition_point(|(own, _)| *own == slot)]
    }
}

/// A run while it is written.
struct Strand<'a> {
    piece: &'a Piece,
    /// Its cursors.
    cursors: Range<usize>,
    /// Labels of its target and external ones.
    shared: Range<usize>,
    /// None of its blocks has native histograms or start timestamps.
    plain: bool,
}

/// What is written to while entries are.
#[derive(Debug, Default)]
struct Page {
    body: CompressedBody,
    symbols: Symbols,
    counts: Counts,
    /// The metadata of the group that is being written.
    metadata: Vec<u8>,
}

/// Makes bodies, one after another, in the same memory.
#[derive(Debug, Default)]
pub struct RequestBuilder {
    page: Page,
    weave: Weave,
    /// Compressed entries, while the table of symbols is compressed.
    entries: Vec<u8>,
    whole: Vec<u8>,
    /// Samples left out because of their age, by index of their piece.
    too_old: Vec<(usize, u64)>,
}

impl RequestBuilder {
    /// Writes the pieces, which are in the order of their blocks.
    ///
    /// # Errors
    /// When the compressor refuses, which it has no reason to.
    pub fn build(&mut self, pieces: &[Piece], rules: Rules) -> Result<Counts, CompressError> {
        let RequestBuilder {
            page,
            weave,
            too_old,
            ..
        } = self;
        page.body.clear();
        page.symbols.clear();
        page.counts = Counts::default();
        weave.arrange(pieces);
        let order = weave.order().iter();
        let mut cursors: Vec<_> = order.map(|index| Cursor::new(&pieces[*index])).collect();
        let mut shared = Vec::new();
        let strands = weave.runs().iter().map(|run| {
            let piece = &pieces[weave.order()[run.places.start]];
            let start = shared.len();
            let target = &piece.item.block.series.target().labels;
            let external = piece.item.outgoing.external();
            share(&mut shared, &mut page.symbols, target, external);
            let own = weave.order()[run.places.clone()].iter();
            let mut sides = own.map(|index| pieces[*index].item.block.side.as_deref());
            Strand {
                piece,
                cursors: run.places.clone(),
                shared: start..shared.len(),
                plain: sides.all(|side| side.is_none_or(is_plain)),
            }
        });
        let strands: Vec<_> = strands.collect();
        let mut group = Group {
            strands: &strands,
            shared: &shared,
            cursors: &mut cursors,
            own: Vec::new(),
            whole: Vec::new(),
            rules,
        };
        let mut groups = weave.groups();
        let result = groups.try_for_each(|segments| group.write(page, segments));
        too_old.clear();
        let old = weave.order().iter().zip(&cursors);
        let old = old.map(|(index, cursor)| (*index, cursor.too_old));
        too_old.extend(old.filter(|(_, samples)| *samples > 0));
        result.map(|()| page.counts)
    }

    /// Ends the body. To be called once after [`RequestBuilder::build`].
    ///
    /// # Errors
    /// As [`RequestBuilder::build`].
    pub fn finish(&mut self) -> Result<&[u8], CompressError> {
        let Page { body, symbols, .. } = &mut self.page;
        let entries_raw = body.raw_bytes();
        self.entries.clear();
        self.entries.extend_from_slice(elements(body.finish()?));
        body.clear();
        for part in symbols.fields().chunks(limits::REMOTE_SYMBOLS_PART_BYTES) {
            body.raw().extend_from_slice(part);
            body.advance()?;
        }
        let raw = symbols.fields().len() + entries_raw;
        self.whole.clear();
        varint::write(&mut self.whole, raw as u64);
        self.whole.extend_from_slice(elements(body.finish()?));
        self.whole.extend_from_slice(&self.entries);
        Ok(&self.whole)
    }

    /// Samples that the last body leaves out because of their age, by index of their piece.
    #[must_use]
    pub fn too_old(&self) -> &[(usize, u64)] {
        &self.too_old
    }

    /// Gives back the memory of an unusually large body.
    pub fn shrink(&mut self) {
        let keep = limits::REMOTE_BODY_KEEP_BYTES;
        self.page.body.clear();
        self.page.body.shrink_to(keep);
        self.page.symbols.shrink_to(keep);
        for buffer in [&mut self.entries, &mut self.whole] {
            buffer.clear();
            buffer.shrink_to(keep);
        }
    }
}

/// A snappy body without the length that stands before it.
fn elements(body: &[u8]) -> &[u8] {
    varint::read(body).map_or(&[], |(_, used)| &body[used..])
}

/// Writes groups of segments.
struct Group<'a, 'b> {
    strands: &'b [Strand<'a>],
    shared: &'b [SharedLabel<'a>],
    cursors: &'b mut [Cursor<'a>],
    /// Own labels of the series that is written, and of the one before until it is looked up.
    own: Vec<OwnLabel<'a>>,
    /// The same for labels that a rule has changed.
    whole: Vec<OwnLabel<'a>>,
    rules: Rules,
}

impl<'a> Group<'a, '_> {
    /// Writes the chunk that all these segments hold.
    fn write(&mut self, page: &mut Page, segments: &[Segment]) -> Result<(), CompressError> {
        let Some(chunk) = segments.first().map(|segment| self.chunk(segment)) else {
            return Ok(());
        };
        page.metadata.clear();
        if let Some(family) = chunk.family() {
            v2::append_metadata(&mut page.metadata, &mut page.symbols, family);
        }
        for (index, own) in chunk.all_encoded().enumerate() {
            let mut known = false;
            for segment in segments {
                self.write_series(page, segment, (own, index), &mut known);
                page.body.advance()?;
            }
        }
        Ok(())
    }

    fn chunk(&self, segment: &Segment) -> &'a Arc<SeriesChunk> {
        let piece = self.strands[segment.run as usize].piece;
        &piece.item.block.series.chunks()[segment.chunk as usize]
    }

    /// Writes a series of one run. `known` tells whether its own labels were looked up.
    #[inline]
    fn write_series(
        &mut self,
        page: &mut Page,
        segment: &Segment,
        (own, index): (Encoded<'a>, usize),
        known: &mut bool,
    ) {
        let strand = &self.strands[segment.run as usize];
        let slot = segment.first + index as u32;
        if strand.plain {
            let whole = Part::whole(&strand.cursors);
            self.write_entry::<false>(page, strand, (slot, &whole), own, known);
        } else {
            self.write_parts(page, strand, slot, own, known);
        }
    }

    /// Writes a series of a run that has native histograms or start timestamps.
    #[cold]
    fn write_parts(
        &mut self,
        page: &mut Page,
        strand: &Strand<'a>,
        slot: u32,
        own: Encoded<'a>,
        known: &mut bool,
    ) {
        let mut places = strand.cursors.clone();
        while !places.is_empty() {
            let kinds = self.cursors[places.clone()].iter();
            let part = Part::first(&places, kinds.map(|cursor| kind::of(cursor.block, slot)));
            places.start = part.places.end;
            self.write_entry::<true>(page, strand, (slot, &part), own, known);
        }
    }

    /// Writes an entry with the samples of a part of the run's blocks, which have native histograms
    /// or start timestamps only if it is `RICH`: what most targets have is a path of its own.
    #[inline]
    fn write_entry<const RICH: bool>(
        &mut self,
        page: &mut Page,
        strand: &Strand<'a>,
        (slot, part): (u32, &Part),
        own: Encoded<'a>,
        known: &mut bool,
    ) {
        let at = slot as usize;
        let outgoing = &strand.piece.item.outgoing;
        let cursors = &mut self.cursors[part.places.clone()];
        let absent = cursors.iter().all(|cursor| is_absent(cursor.values[at]));
        if absent || !strand.piece.slots.contains(&slot) || !outgoing.sends(at) {
            return;
        }
        let out = page.body.raw();
        let series = v2::begin_series(out);
        match outgoing.labels(at, own) {
            OutgoingLabels::Own(stored) => {
                if !*known {
                    look_up(&mut self.own, &mut page.symbols, stored);
                    *known = true;
                }
                append_labels(out, &self.own, &self.shared[strand.shared.clone()]);
            }
            OutgoingLabels::Whole(stored) => {
                look_up(&mut self.whole, &mut page.symbols, stored);
                append_labels(out, &self.whole, &[]);
            }
        }
        let counts = &mut page.counts;
        let before = counts.all();
        for cursor in cursors.iter_mut() {
            if RICH {
                write_rich_sample(out, slot, cursor, self.rules, counts);
            } else {
                write_sample(out, slot, cursor, self.rules, counts);
            }
        }
        if counts.all() == before {
            return v2::abandon_series(out, &series);
        }
        if self.rules.exemplars {
            for cursor in cursors.iter().filter(|one| !is_absent(one.values[at])) {
                for (_, exemplar) in cursor.exemplars_of(slot) {
                    v2::append_exemplar(out, &mut page.symbols, exemplar, cursor.wall_ms);
                    counts.exemplars += 1;
                }
            }
        }
        out.extend_from_slice(&page.metadata);
        counts.metadata += u64::from(!page.metadata.is_empty());
        v2::end_series(out, &series);
    }
}

/// Whether there is nothing in it but what every sample may have.
fn is_plain(side: &SideTables) -> bool {
    side.histograms.is_empty() && side.starts.is_empty()
}

/// Value and time of the sample at a slot, unless there is none or it is too old.
#[inline]
fn sample_of(
    slot: u32,
    cursor: &mut Cursor<'_>,
    rules: Rules,
    counts: &mut Counts,
) -> Option<(f64, i64)> {
    let value = cursor.values[slot as usize];
    if is_absent(value) {
        return None;
    }
    let timestamp = cursor.timestamp(slot);
    if timestamp < rules.oldest_ms {
        counts.too_old += 1;
        cursor.too_old += 1;
        return None;
    }
    Some((value, timestamp))
}

#[inline]
fn write_sample(
    out: &mut Vec<u8>,
    slot: u32,
    cursor: &mut Cursor<'_>,
    rules: Rules,
    counts: &mut Counts,
) {
    if let Some((value, timestamp)) = sample_of(slot, cursor, rules, counts) {
        v2::append_sample(out, value, timestamp);
        counts.samples += 1;
        counts.highest_ms = counts.highest_ms.max(timestamp);
    }
}

/// Writes a sample that may be a native histogram and may have a start timestamp.
fn write_rich_sample(
    out: &mut Vec<u8>,
    slot: u32,
    cursor: &mut Cursor<'_>,
    rules: Rules,
    counts: &mut Counts,
) {
    let Some((value, timestamp_ms)) = sample_of(slot, cursor, rules, counts) else {
        return;
    };
    let start_ms = cursor.block.start(slot as usize).unwrap_or(0);
    match cursor.block.histogram(slot as usize) {
        Some(histogram) => {
            if counts.leaves_out(histogram, rules, Version::V2) {
                return;
            }
            let sample = HistogramSample {
                histogram,
                sum: value,
                timestamp_ms,
                start_ms,
            };
            v2::append_histogram(out, &sample);
            counts.histograms += 1;
        }
        None => {
            v2::append_started_sample(out, value, timestamp_ms, start_ms);
            counts.samples += 1;
        }
    }
    counts.highest_ms = counts.highest_ms.max(timestamp_ms);
}
