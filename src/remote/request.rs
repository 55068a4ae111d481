//! Pieces in, a compressed body of remote write 1.0 out ([`v2`] makes those of 2.0).
//!
//! Pieces of one target that share a series list are written together: one entry per series with
//! a sample of each, which is what makes a backlog cheap. Different targets that expose the same
//! series are written series by series, side by side: that is what snappy compresses best, and the
//! series' own labels are made ready once for all of them. zstd looks further back and does better
//! with one target after another, and with the time of a sample before its value. What one target exposed before another
//! list of its own goes first, in a round of its own, so that no series goes back in time within a
//! body. Nothing is allocated, locked or hashed per sample. Samples that are too old are left out
//! each time the body is made, and native histograms that the endpoint does not get. A series that
//! has both kinds of samples gets one entry after another, in the order of time.

mod cursor;
mod kind;
mod layout;

use std::ops::Range;

use self::cursor::Cursor;
use self::kind::Part;
use self::layout::Layout;
use super::outgoing::Sent;
use super::piece::Piece;
use crate::model::histogram::{CUSTOM_BUCKETS, NativeHistogram};
use crate::model::series::Encoded;
use crate::wire::compress::{CompressError, CompressedBody, Compression};
use crate::wire::native_histogram::HistogramSample;
use crate::wire::remote_write_v1 as v1;
use crate::wire::version::Version;

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
    /// Whether native histograms are sent.
    pub histograms: bool,
}

/// What is in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Samples but for native histograms.
    pub samples: u64,
    /// Native histograms.
    pub histograms: u64,
    /// Exemplars.
    pub exemplars: u64,
    /// Series entries with metadata, which only 2.0 has.
    pub metadata: u64,
    /// Samples left out because of their age.
    pub too_old: u64,
    /// Native histograms left out because the endpoint is to get none.
    pub unwanted: u64,
    /// Native histograms left out because 1.0 has no custom buckets.
    pub custom_buckets: u64,
    /// Newest timestamp of a sample in it, milliseconds since 1970; `i64::MIN` without samples.
    pub highest_ms: i64,
}

impl Default for Counts {
    fn default() -> Self {
        Counts {
            samples: 0,
            histograms: 0,
            exemplars: 0,
            metadata: 0,
            too_old: 0,
            unwanted: 0,
            custom_buckets: 0,
            highest_ms: i64::MIN,
        }
    }
}

impl Counts {
    /// Samples of both kinds.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.samples + self.histograms
    }

    /// Whether a native histogram is left out; counts it then.
    fn leaves_out(&mut self, own: &NativeHistogram, rules: Rules, version: Version) -> bool {
        if !rules.histograms {
            self.unwanted += 1;
        } else if version == Version::V1 && own.schema == CUSTOM_BUCKETS {
            self.custom_buckets += 1;
        } else {
            return false;
        }
        true
    }
}

/// Blocks that are written as one: the same series with the same labels.
struct Run<'a> {
    piece: &'a Piece,
    /// One for each block, in order of time.
    cursors: Range<usize>,
    /// How many runs of the same target come before it.
    round: u32,
    /// None of its blocks has native histograms.
    plain: bool,
}

/// Runs of different targets.
struct Round<'r, 'a> {
    runs: &'r [Run<'a>],
    cursors: &'r mut [Cursor<'a>],
    rules: Rules,
    counts: &'r mut Counts,
}

/// The own labels of a series.
#[derive(Clone, Copy)]
struct Series<'a> {
    own: &'a Encoded<'a>,
    /// Shared labels of the names that the pattern of the own ones was made for, if it was.
    model: Option<&'a v1::SharedLabels>,
}

/// Makes bodies, one after another, in the same memory.
#[derive(Debug, Default)]
pub struct RequestBuilder {
    body: CompressedBody,
    pattern: v1::Pattern,
    order: Vec<usize>,
    layout: Layout,
    /// Samples left out because of their age, by index of their piece.
    too_old: Vec<(usize, u64)>,
    /// Native histograms left out because of their custom buckets, by index of their piece.
    custom_buckets: Vec<(usize, u64)>,
    compression: Compression,
}

impl RequestBuilder {
    /// Writes the pieces, which are in the order of their blocks.
    ///
    /// # Errors
    /// When the compressor refuses, which it has no reason to but for a lack of memory.
    pub fn build(
        &mut self,
        compression: Compression,
        pieces: &[Piece],
        rules: Rules,
    ) -> Result<Counts, CompressError> {
        self.body.begin(compression);
        self.compression = compression;
        self.order.clear();
        self.order.extend(0..pieces.len());
        let lane = |index: usize| pieces[index].item.block.series.lane();
        self.order
            .sort_unstable_by_key(|index| (lane(*index), *index));
        let mut cursors: Vec<_> = self
            .order
            .iter()
            .map(|index| Cursor::new(&pieces[*index]))
            .collect();
        let runs = runs(pieces, &self.order);
        let mut counts = Counts::default();
        for runs in runs.chunk_by(|left, right| left.round == right.round) {
            let mut round = Round {
                runs,
                cursors: &mut cursors,
                rules,
                counts: &mut counts,
            };
            match compression {
                Compression::Snappy => self.write_round(&mut round)?,
                Compression::Zstd => self.write_in_turn(&mut round)?,
            }
        }
        counts.too_old = cursors.iter().map(|cursor| cursor.too_old).sum();
        self.note_left_out(&cursors);
        Ok(counts)
    }

    /// Notes what each piece lost; the cursors are in the order of the blocks.
    fn note_left_out(&mut self, cursors: &[Cursor<'_>]) {
        let lost = |(_, samples): &(usize, u64)| *samples > 0;
        let pairs = || self.order.iter().copied().zip(cursors);
        let old = pairs().map(|(index, cursor)| (index, cursor.too_old));
        self.too_old.clear();
        self.too_old.extend(old.filter(lost));
        let custom = pairs().map(|(index, cursor)| (index, cursor.custom_buckets));
        self.custom_buckets.clear();
        self.custom_buckets.extend(custom.filter(lost));
    }

    /// Ends the body. To be called once after [`RequestBuilder::build`].
    ///
    /// # Errors
    /// As [`RequestBuilder::build`].
    pub fn finish(&mut self) -> Result<&[u8], CompressError> {
        self.body.finish()
    }

    /// The body that was ended last.
    #[must_use]
    pub fn finished(&self) -> &[u8] {
        self.body.finished()
    }

    /// Samples that the last body leaves out because of their age, by index of their piece.
    #[must_use]
    pub fn too_old(&self) -> &[(usize, u64)] {
        &self.too_old
    }

    /// Native histograms that the last body leaves out because of their custom buckets, by index of
    /// their piece.
    #[must_use]
    pub fn custom_buckets(&self) -> &[(usize, u64)] {
        &self.custom_buckets
    }

    /// What the compressor holds where the allocator does not see it, in bytes.
    #[must_use]
    pub fn foreign_bytes(&self) -> usize {
        self.body.foreign_bytes()
    }

    /// Gives back the memory of an unusually large body.
    pub fn shrink(&mut self) {
        self.body.clear();
        self.body.shrink_to(crate::limits::REMOTE_BODY_KEEP_BYTES);
    }

    /// Writes a round, the targets that resemble one another side by side.
    fn write_round(&mut self, round: &mut Round<'_, '_>) -> Result<(), CompressError> {
        let mut layout = std::mem::take(&mut self.layout);
        layout.clear();
        for (number, run) in round.runs.iter().enumerate() {
            let chunks = run.piece.item.block.series.chunks();
            layout.add(number as u32, chunks, &run.piece.slots);
        }
        let mut result = Ok(());
        let mut stack = layout.first();
        while let Some(number) = stack
            && result.is_ok()
        {
            result = self.write_stack(&layout, number, round);
            stack = layout.after(number);
        }
        self.layout = layout;
        result
    }

    /// Writes a round, one target after another.
    fn write_in_turn(&mut self, round: &mut Round<'_, '_>) -> Result<(), CompressError> {
        for run in round.runs {
            let slots = &run.piece.slots;
            let mut first = 0;
            for chunk in run.piece.item.block.series.chunks() {
                let end = first + chunk.len() as u32;
                if first < slots.end && slots.start < end {
                    for (slot, own) in (first..).zip(chunk.all_encoded()) {
                        if slots.contains(&slot) {
                            let series = Series {
                                own: &own,
                                model: None,
                            };
                            self.write_series(round, run, slot, &series);
                            self.body.advance()?;
                        }
                    }
                }
                first = end;
            }
        }
        Ok(())
    }

    /// Writes a chunk's series, each for all targets.
    fn write_stack(
        &mut self,
        layout: &Layout,
        stack: u32,
        round: &mut Round<'_, '_>,
    ) -> Result<(), CompressError> {
        let Some(first) = layout.parts(stack).next() else {
            return Ok(());
        };
        let runs = round.runs;
        let item = &runs[first.list as usize].piece.item;
        let Some(chunk) = item.block.series.chunks().get(first.chunk as usize) else {
            return Ok(());
        };
        let model = item.outgoing.shared();
        for (index, own) in chunk.all_encoded().enumerate() {
            let model = self.pattern.set(own, model).then_some(model);
            let series = Series { own: &own, model };
            for part in layout.parts(stack) {
                let run = &runs[part.list as usize];
                let slot = part.first_slot + index as u32;
                if run.piece.slots.contains(&slot) {
                    self.write_series(round, run, slot, &series);
                    self.body.advance()?;
                }
            }
        }
        Ok(())
    }

    /// Writes one series of one target.
    #[inline]
    fn write_series(
        &mut self,
        round: &mut Round<'_, '_>,
        run: &Run<'_>,
        slot: u32,
        series: &Series<'_>,
    ) {
        if run.plain {
            let whole = Part::whole(&run.cursors);
            self.write_entry::<false>(round, run, slot, series, &whole);
        } else {
            self.write_parts(round, run, slot, series);
        }
    }

    /// Writes one series of a target that has native histograms.
    #[cold]
    fn write_parts(
        &mut self,
        round: &mut Round<'_, '_>,
        run: &Run<'_>,
        slot: u32,
        series: &Series<'_>,
    ) {
        let mut places = run.cursors.clone();
        while !places.is_empty() {
            let kinds = round.cursors[places.clone()].iter();
            let part = Part::first(&places, kinds.map(|cursor| kind::of(cursor.block, slot)));
            places.start = part.places.end;
            self.write_entry::<true>(round, run, slot, series, &part);
        }
    }

    /// Writes an entry with the samples of a part of the run's blocks, which have native histograms
    /// only if it is `RICH`: what most targets have is a path of its own.
    #[inline]
    fn write_entry<const RICH: bool>(
        &mut self,
        round: &mut Round<'_, '_>,
        run: &Run<'_>,
        slot: u32,
        series: &Series<'_>,
        part: &Part,
    ) {
        let (rules, counts) = (round.rules, &mut *round.counts);
        let cursors = &mut round.cursors[part.places.clone()];
        if !cursors.iter().any(|cursor| cursor.has(slot)) {
            return;
        }
        let Series { own, model } = series;
        let out = self.body.raw();
        let entry = v1::begin_series(out);
        match run.piece.item.outgoing.sent(slot as usize) {
            Sent::Dropped => return v1::abandon_series(out, &entry),
            Sent::Changed(labels, nothing) => v1::append_labels(out, labels, nothing),
            Sent::AsIs(shared) if model.is_some_and(|model| model.has_names_of(shared)) => {
                self.pattern.append(out, shared);
            }
            Sent::AsIs(shared) => v1::append_labels(out, **own, shared),
        }
        let written = |counts: &Counts| if RICH { counts.all() } else { counts.samples };
        let before = written(counts);
        for cursor in cursors.iter_mut() {
            if RICH && part.histograms {
                write_histogram(out, slot, cursor, rules, counts);
            } else if let Some((value, timestamp_ms)) = cursor.sample(slot, rules) {
                let time = cursor.time(timestamp_ms);
                match self.compression {
                    Compression::Snappy => v1::append_sample(out, value, &time),
                    Compression::Zstd => v1::append_sample_time_first(out, value, &time),
                }
                counts.samples += 1;
                counts.highest_ms = counts.highest_ms.max(timestamp_ms);
            }
        }
        if written(counts) == before {
            return v1::abandon_series(out, &entry);
        }
        if rules.exemplars {
            for cursor in cursors.iter().filter(|cursor| cursor.has(slot)) {
                for (_, exemplar) in cursor.exemplars_of(slot) {
                    v1::append_exemplar(out, exemplar, cursor.wall_ms);
                    counts.exemplars += 1;
                }
            }
        }
        v1::end_series(out, &entry);
    }
}

/// Writes the native histogram of a block, if it has one at that slot that is sent.
fn write_histogram(
    out: &mut Vec<u8>,
    slot: u32,
    cursor: &mut Cursor<'_>,
    rules: Rules,
    counts: &mut Counts,
) {
    let Some((sum, timestamp_ms)) = cursor.sample(slot, rules) else {
        return;
    };
    let Some(histogram) = cursor.block.histogram(slot as usize) else {
        return;
    };
    let custom_buckets = counts.custom_buckets;
    if counts.leaves_out(histogram, rules, Version::V1) {
        cursor.custom_buckets += counts.custom_buckets - custom_buckets;
        return;
    }
    let sample = HistogramSample {
        histogram,
        sum,
        timestamp_ms,
        start_ms: 0,
    };
    v1::append_histogram(out, &sample);
    counts.histograms += 1;
    counts.highest_ms = counts.highest_ms.max(timestamp_ms);
}

/// The runs of all rounds: in a round every target has one at most.
fn runs<'a>(pieces: &'a [Piece], order: &[usize]) -> Vec<Run<'a>> {
    let lane = |index: usize| pieces[index].item.block.series.lane();
    let mut runs: Vec<Run<'a>> = Vec::with_capacity(order.len());
    let mut end = 0;
    let mut last = None;
    for alike in order.chunk_by(|left, right| same_run(&pieces[*left], &pieces[*right])) {
        let piece = &pieces[alike[0]];
        let round = match last {
            Some((before, round)) if before == lane(alike[0]) => round + 1,
            _ => 0,
        };
        last = Some((lane(alike[0]), round));
        let mut blocks = alike.iter().map(|index| &pieces[*index].item.block);
        runs.push(Run {
            piece,
            cursors: end..end + alike.len(),
            round,
            plain: blocks.all(|block| block.histograms().is_empty()),
        });
        end += alike.len();
    }
    runs.sort_unstable_by_key(|run| (run.round, run.cursors.start));
    runs
}

/// Whether two pieces, in this order, can be written as one.
fn same_run(left: &Piece, right: &Piece) -> bool {
    std::sync::Arc::ptr_eq(&left.item.block.series, &right.item.block.series)
        && std::sync::Arc::ptr_eq(&left.item.outgoing, &right.item.outgoing)
        && left.slots == right.slots
}
