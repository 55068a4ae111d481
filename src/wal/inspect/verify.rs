//! Whether a log is sound: every checksum, every number, every block, every position.

use std::fmt;

use hashbrown::HashSet;
use serde::Serialize;

use super::continuity::Continuity;
use super::damage::{Damage, Kind};
use super::folder::Folder;
use super::keys::Keys;
use super::queues::QueueFile;
use super::scan::{Event, Frame, Scan};
use crate::model::block::Sequence;
use crate::wal::codec::decoder::Decoder;
use crate::wal::codec::measure::{Measured, measure};

/// What a log was found to be.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The folder of segments.
    pub segments_dir: String,
    /// Segments in it.
    pub segments: u64,
    /// Valid frames.
    pub frames: u64,
    /// Blocks that can be read.
    pub blocks: u64,
    /// Key blocks among them.
    pub key_blocks: u64,
    /// Samples in the blocks that can be read.
    pub samples: u64,
    /// Position files.
    pub positions: u64,
    /// Blocks that are lost.
    pub lost_blocks: u64,
    /// Damaged places, in the order of the log, at most
    /// [`crate::limits::LOG_REPORT_DAMAGES_MAX`].
    pub damages: Vec<Damage>,
    /// Damaged places beyond those.
    pub more_damages: u64,
    /// What is worth knowing and no damage.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }
}

/// Reads a whole log and checks it.
#[must_use]
pub fn verify(folder: &Folder) -> Report {
    let mut check = Check::default();
    let mut scan = Scan::new(folder, 0);
    while let Some(event) = scan.next() {
        match event {
            Event::Begin(index) => check.begin(folder, index),
            Event::Frame(frame) => check.frame(&frame, scan.decoder()),
            Event::Damage(bad) => {
                let last = bad.header.map_or(Sequence::ZERO, |own| own.last());
                check.named = check.named.max(last);
                check.continuity.bad(&bad);
            }
            Event::End(torn) => check.continuity.end(torn.as_ref(), folder),
            Event::Gone => check.continuity.gone(),
        }
    }
    for queue in &folder.queues {
        check_position(queue, check.named, &mut check.continuity);
    }
    check.finish(folder)
}

/// What is known while the log goes by.
#[derive(Default)]
struct Check {
    report: Report,
    continuity: Continuity,
    keys: Keys,
    file: String,
    /// The highest number that anything in the segments names.
    named: Sequence,
}

impl Check {
    fn begin(&mut self, folder: &Folder, index: usize) {
        let segment = &folder.segments[index];
        self.file.clone_from(&segment.name);
        self.report.segments += 1;
        let before = segment.first.map_or(0, |first| first.0.saturating_sub(1));
        self.named = self.named.max(Sequence(before));
        self.keys.begin();
        self.continuity.begin(folder, index);
    }

    fn frame(&mut self, frame: &Frame, decoder: &Decoder) {
        let measured = measure(frame.header.first, &frame.body);
        self.named = self.named.max(frame.header.last());
        self.count(frame, &measured);
        let place = (&*self.file, frame.offset);
        let broken = self.keys.frame(&measured, decoder, place);
        self.continuity.frame(frame, &measured, decoder);
        // After damage the key block may be what was lost.
        if self.continuity.is_segment_sound() {
            for damage in broken {
                self.continuity.report_aside(damage);
            }
        }
    }

    fn count(&mut self, frame: &Frame, measured: &Measured) {
        let report = &mut self.report;
        report.frames += 1;
        report.blocks += frame.blocks.len() as u64;
        let keys = measured.heads.iter().filter(|head| head.before.is_none());
        let keys: HashSet<Sequence> = keys.map(|head| head.sequence).collect();
        for block in &frame.blocks {
            report.samples += block.sample_count() as u64;
            report.key_blocks += u64::from(keys.contains(&block.sequence));
        }
    }

    fn finish(self, folder: &Folder) -> Report {
        Report {
            segments_dir: folder.segments_dir.display().to_string(),
            positions: folder.queues.len() as u64,
            lost_blocks: self.continuity.lost_blocks(),
            damages: self.continuity.damages,
            more_damages: self.continuity.more_damages,
            notes: self.continuity.notes,
            ..self.report
        }
    }
}

fn check_position(queue: &QueueFile, named: Sequence, continuity: &mut Continuity) {
    let damage = |offset, kind| Damage::at(&queue.file, offset, kind);
    let other_counts = queue.position.is_some();
    for offset in &queue.damaged_slots {
        continuity.report_aside(damage(*offset, Kind::PositionSlot(other_counts)));
    }
    if !other_counts && queue.damaged_slots.is_empty() {
        continuity.report_aside(damage(0, Kind::PositionSlot(false)));
    }
    if let Some(highest) = queue.highest().filter(|own| *own > named) {
        continuity.report_aside(damage(0, Kind::PositionBeyond(highest.0)));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for damage in &self.damages {
            writeln!(f, "damage: {damage}")?;
        }
        if self.more_damages > 0 {
            writeln!(f, "damage: {} places more", self.more_damages)?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        let places = self.damages.len() as u64 + self.more_damages;
        writeln!(
            f,
            "{}: {}: {} segments, {} frames, {} blocks ({} key blocks), {} samples, {} positions; \
             {places} damaged places, {} blocks lost",
            self.segments_dir,
            if self.is_sound() { "sound" } else { "damaged" },
            self.segments,
            self.frames,
            self.blocks,
            self.key_blocks,
            self.samples,
            self.positions,
            self.lost_blocks,
        )
    }
}
