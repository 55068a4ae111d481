//! The samples of a log as text, one line each, in the order of the log.
//!
//! Comment lines say which block they are of; what cannot be read is a comment line too. A block
//! is written as soon as its frame is read.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::folder::Folder;
use super::scan::{Event, Scan};
use crate::model::block::{ScrapeBlock, Sequence};
use crate::model::calendar;
use crate::model::exemplar::Exemplar;
use crate::model::line;
use crate::model::time::Wall;
use crate::model::timeline::Timeline;
use crate::model::value;

/// Which samples to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// No block before this one.
    pub from: Option<Sequence>,
    /// No block after this one.
    pub to: Option<Sequence>,
    /// Only blocks of this job.
    pub job: Option<String>,
    /// At most so many samples.
    pub limit: Option<u64>,
}

/// Writes the selected samples.
///
/// # Errors
/// Whatever `out` reports. What the disk cannot read is a comment.
pub fn dump(folder: &Folder, selection: &Selection, out: &mut dyn Write) -> io::Result<()> {
    let from = selection.from.unwrap_or(Sequence::ZERO);
    let begins = |own: &Option<Sequence>| own.is_some_and(|first| first <= from);
    let mut firsts = folder.segments.iter().map(|segment| segment.first);
    let start = firsts.rposition(|own| begins(&own)).unwrap_or(0);
    let mut dump = Dump {
        selection,
        timeline: folder.timeline(),
        out,
        line: String::new(),
        expected: folder.segments.get(start).and_then(|own| own.first),
        left: selection.limit.unwrap_or(u64::MAX),
    };
    dump.expected = dump.expected.max(selection.from);
    for event in Scan::new(folder, start) {
        let Event::Frame(frame) = event else {
            continue;
        };
        for block in &frame.blocks {
            if dump.is_done(block.sequence) {
                return dump.out.flush();
            }
            dump.block(block)?;
        }
    }
    dump.out.flush()
}

struct Dump<'a> {
    selection: &'a Selection,
    timeline: Timeline,
    out: &'a mut dyn Write,
    line: String,
    /// The number that comes next.
    expected: Option<Sequence>,
    /// Samples that may still be written.
    left: u64,
}

impl Dump<'_> {
    fn is_done(&self, next: Sequence) -> bool {
        self.left == 0 || self.selection.to.is_some_and(|to| next > to)
    }

    fn block(&mut self, block: &ScrapeBlock) -> io::Result<()> {
        if self
            .selection
            .from
            .is_some_and(|from| block.sequence < from)
        {
            return Ok(());
        }
        if let Some(expected) = self.expected.filter(|own| *own < block.sequence) {
            let last = block.sequence.0 - 1;
            writeln!(self.out, "# lost: {}-{last}", expected.0)?;
        }
        self.expected = Some(block.sequence.next());
        let job = &block.series.target().job;
        if self
            .selection
            .job
            .as_deref()
            .is_some_and(|own| own != &**job)
        {
            return Ok(());
        }
        let base_ms = self.head(block)?;
        self.samples(block, base_ms)
    }

    /// Writes what the block is; returns its wall time in milliseconds since 1970, if known.
    fn head(&mut self, block: &ScrapeBlock) -> io::Result<Option<i64>> {
        let epoch = self.timeline.get(block.epoch);
        let wall = epoch.map(|epoch| epoch.base_wall.0.saturating_add(block.offset_ms));
        let time = match wall {
            Some(ms) => calendar::Millis(Wall(ms)).to_string(),
            None => format!(
                "time unknown ({} ms in epoch {})",
                block.offset_ms, block.epoch.0
            ),
        };
        let open = if epoch.is_some_and(|epoch| !epoch.frozen) {
            ", may still be corrected"
        } else {
            ""
        };
        let target = block.series.target();
        writeln!(
            self.out,
            "# sequence {}, job {:?}, {time}{open}, {} samples",
            block.sequence.0,
            target.job,
            block.sample_count(),
        )?;
        Ok(wall)
    }

    fn samples(&mut self, block: &ScrapeBlock, wall: Option<i64>) -> io::Result<()> {
        let side = block.side.as_deref();
        let mut explicit = side.map_or(&[][..], |side| &side.timestamps);
        let mut exemplars = side.map_or(&[][..], |side| &side.exemplars);
        for (slot, (chunk, index)) in block.series.iter().enumerate() {
            let timestamp = take_slot(&mut explicit, slot).next().copied();
            let own_exemplars = take_slot(&mut exemplars, slot);
            let Some(own) = block
                .values
                .get(slot)
                .filter(|own| !value::is_absent(**own))
            else {
                continue;
            };
            if self.left == 0 {
                return Ok(());
            }
            self.left -= 1;
            self.line.clear();
            let labels = block.series.labels(chunk, index);
            let sample = line::Sample {
                value: *own,
                histogram: block.histogram(slot),
                timestamp_ms: timestamp.or(wall),
                start_ms: block.start(slot),
            };
            line::write_sample(&mut self.line, labels, sample);
            self.line.push('\n');
            for exemplar in own_exemplars {
                write_exemplar(&mut self.line, exemplar);
            }
            self.out.write_all(self.line.as_bytes())?;
        }
        Ok(())
    }
}

/// Takes the entries of a slot off the front of a table that is sorted by slot.
fn take_slot<'a, T>(
    table: &mut &'a [(u32, T)],
    slot: usize,
) -> impl Iterator<Item = &'a T> + use<'a, T> {
    let count = table
        .iter()
        .take_while(|(own, _)| *own as usize <= slot)
        .count();
    let (own, rest) = table.split_at(count);
    *table = rest;
    own.iter().map(|(_, entry)| entry)
}

fn write_exemplar(out: &mut String, exemplar: &Exemplar) {
    out.push_str("# exemplar ");
    line::write_labels(out, exemplar.labels.iter());
    out.push(' ');
    line::write_value(out, exemplar.value);
    if let Some(timestamp_ms) = exemplar.timestamp_ms {
        // Writing to a String cannot fail.
        let _infallible = write!(out, " {timestamp_ms}");
    }
    out.push('\n');
}
