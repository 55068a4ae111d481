//! What is in a log, in numbers: by segment, by queue, in all.

use serde::Serialize;

use super::continuity::Continuity;
use super::folder::{Folder, SegmentFile};
use super::queues::QueueFile;
use super::scan::{Event, Frame, Scan};
use super::table;
use crate::model::block::Sequence;
use crate::model::time::Wall;
use crate::model::timeline::Timeline;
use crate::wal::codec::measure::{Shares, measure};
use crate::wal::format::frame::FRAME_EXTRA_BYTES;
use crate::wal::format::header::HEADER_BYTES;

/// What one segment holds, or all of them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Contents {
    /// First and last sequence number of its readable blocks.
    pub sequences: Option<(u64, u64)>,
    /// Wall time of its first and last block in milliseconds since 1970, as far as their epochs
    /// are known.
    pub times_ms: Option<(i64, i64)>,
    /// Bytes of the file.
    pub bytes: u64,
    /// Valid frames.
    pub frames: u64,
    /// Readable blocks, without those that the next segment has again.
    pub blocks: u64,
    /// Key blocks among all blocks of valid frames.
    pub key_blocks: u64,
    /// Blocks that the next segment has again.
    pub superseded_blocks: u64,
    /// Samples in the readable blocks.
    pub samples: u64,
    /// Native histograms among them.
    pub histograms: u64,
    /// Bytes of the file by sample; none without samples.
    pub bytes_per_sample: Option<f64>,
    /// Bytes of the records of valid frames, before compression, by what they say.
    pub records: Shares,
    /// Bytes of the same after compression.
    pub stored_bytes: u64,
    /// Bytes of the headers and checksums of segment and frames.
    pub overhead_bytes: u64,
    /// Bytes that hold neither: damage, a torn end.
    pub waste_bytes: u64,
    /// Damaged places.
    pub damaged_places: u64,
    /// Blocks lost to them, those of later frames that lean on lost ones included.
    pub lost_blocks: u64,
}

impl Contents {
    fn frame(&mut self, frame: &Frame, timeline: &Timeline) {
        let measured = measure(frame.header.first, &frame.body);
        self.frames += 1;
        self.blocks += frame.blocks.len() as u64;
        self.superseded_blocks += frame.superseded;
        let keys = measured.heads.iter().filter(|head| head.before.is_none());
        self.key_blocks += keys.count() as u64;
        self.records.add(&measured.shares);
        self.stored_bytes += u64::from(frame.header.stored);
        self.overhead_bytes += FRAME_EXTRA_BYTES as u64;
        for block in &frame.blocks {
            self.samples += block.sample_count() as u64;
            self.histograms += block.histogram_count() as u64;
            let number = block.sequence.0;
            widen(&mut self.sequences, (number, number));
            if let Some(epoch) = timeline.get(block.epoch) {
                let wall = epoch.base_wall.0.saturating_add(block.offset_ms);
                widen(&mut self.times_ms, (wall, wall));
            }
        }
    }

    fn finish(&mut self) {
        let known = self.stored_bytes + self.overhead_bytes;
        self.waste_bytes = self.bytes.saturating_sub(known);
        let per_sample = self.bytes as f64 / self.samples as f64;
        self.bytes_per_sample = Some(per_sample).filter(|own| own.is_finite());
    }

    fn add(&mut self, other: &Contents) {
        if let Some(sequences) = other.sequences {
            widen(&mut self.sequences, sequences);
        }
        if let Some(times) = other.times_ms {
            widen(&mut self.times_ms, times);
        }
        self.bytes += other.bytes;
        self.frames += other.frames;
        self.blocks += other.blocks;
        self.key_blocks += other.key_blocks;
        self.superseded_blocks += other.superseded_blocks;
        self.samples += other.samples;
        self.histograms += other.histograms;
        self.records.add(&other.records);
        self.stored_bytes += other.stored_bytes;
        self.overhead_bytes += other.overhead_bytes;
        self.damaged_places += other.damaged_places;
        self.lost_blocks += other.lost_blocks;
    }
}

fn widen<T: Ord + Copy>(range: &mut Option<(T, T)>, own: (T, T)) {
    *range = Some(range.map_or(own, |(first, last)| (first.min(own.0), last.max(own.1))));
}

/// A segment.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentRow {
    /// Its number.
    pub number: u64,
    /// Its file's name.
    pub file: String,
    /// When it was made, as its header says, in milliseconds since 1970.
    pub created_ms: Option<i64>,
    /// What it holds.
    #[serde(flatten)]
    pub contents: Contents,
}

/// A queue.
#[derive(Clone, Debug, Serialize)]
pub struct QueueRow {
    /// Its name, or the readable part of it and a hash.
    pub name: String,
    /// Its position file's name.
    pub file: String,
    /// Whether a slot of the file is valid; without one the queue begins at the oldest block.
    pub valid: bool,
    /// Everything up to here is settled.
    pub floor: u64,
    /// Ranges of settled blocks above that.
    pub ranges: Vec<(u64, u64)>,
    /// How often the position was stored.
    pub generation: u64,
    /// Samples that the receiver has, ever.
    pub acknowledged_samples: u64,
    /// Samples that were given up, ever.
    pub abandoned_samples: u64,
    /// Readable blocks in the log that are not settled.
    pub unsettled_blocks: u64,
    /// Their samples.
    pub unsettled_samples: u64,
}

impl QueueRow {
    fn of(queue: &QueueFile) -> QueueRow {
        let (generation, position) = queue.position.clone().unwrap_or_default();
        let ranges = position.settled.ranges().iter();
        QueueRow {
            name: queue.name.clone(),
            file: queue.file.clone(),
            valid: queue.position.is_some(),
            floor: position.settled.floor().0,
            ranges: ranges.map(|(first, last)| (first.0, last.0)).collect(),
            generation,
            acknowledged_samples: position.totals.acknowledged,
            abandoned_samples: position.totals.abandoned,
            unsettled_blocks: 0,
            unsettled_samples: 0,
        }
    }
}

/// What is in a log.
#[derive(Clone, Debug, Serialize)]
pub struct Survey {
    /// The folder of segments.
    pub segments_dir: String,
    /// The segments, oldest first.
    pub segments: Vec<SegmentRow>,
    /// All of them.
    pub total: Contents,
    /// The queues.
    pub queues: Vec<QueueRow>,
}

impl Survey {
    /// Reads a whole log.
    #[must_use]
    pub fn of(folder: &Folder) -> Survey {
        let timeline = folder.timeline();
        let mut survey = Survey {
            segments_dir: folder.segments_dir.display().to_string(),
            segments: Vec::new(),
            total: Contents::default(),
            queues: folder.queues.iter().map(QueueRow::of).collect(),
        };
        let mut continuity = Continuity::default();
        let mut scan = Scan::new(folder, 0);
        while let Some(event) = scan.next() {
            match event {
                Event::Begin(index) => {
                    survey.begin(&folder.segments[index]);
                    continuity.begin(folder, index);
                }
                Event::Frame(frame) => {
                    let measured = measure(frame.header.first, &frame.body);
                    continuity.frame(&frame, &measured, scan.decoder());
                    survey.frame(&frame, &timeline, folder);
                }
                Event::Damage(bad) => continuity.bad(&bad),
                Event::End(torn) => continuity.end(torn.as_ref(), folder),
                Event::Gone => continuity.gone(),
            }
        }
        survey.finish(&continuity);
        survey
    }

    fn begin(&mut self, segment: &SegmentFile) {
        let header = segment.header.ok();
        let contents = Contents {
            bytes: segment.len,
            overhead_bytes: header.map_or(0, |_| HEADER_BYTES as u64),
            ..Contents::default()
        };
        self.segments.push(SegmentRow {
            number: segment.number,
            file: segment.name.clone(),
            created_ms: header.map(|header| header.created).map(|Wall(ms)| ms),
            contents,
        });
    }

    fn frame(&mut self, frame: &Frame, timeline: &Timeline, folder: &Folder) {
        if let Some(segment) = self.segments.last_mut() {
            segment.contents.frame(frame, timeline);
        }
        for (row, queue) in self.queues.iter_mut().zip(&folder.queues) {
            let unsettled = |own: &Sequence| !queue.has_settled(*own);
            for block in frame.blocks.iter().filter(|own| unsettled(&own.sequence)) {
                row.unsettled_blocks += 1;
                row.unsettled_samples += block.sample_count() as u64;
            }
        }
    }

    fn finish(&mut self, continuity: &Continuity) {
        for damage in &continuity.damages {
            let own = self.segments.iter_mut().find(|row| row.file == damage.file);
            if let Some(segment) = own {
                segment.contents.damaged_places += 1;
                segment.contents.lost_blocks += damage.lost.blocks;
            }
        }
        for segment in &mut self.segments {
            // A live log's newest segment may have grown since it was listed.
            let read = segment.contents.stored_bytes + segment.contents.overhead_bytes;
            segment.contents.bytes = segment.contents.bytes.max(read);
            segment.contents.finish();
            self.total.add(&segment.contents);
        }
        self.total.finish();
    }
}

impl std::fmt::Display for Survey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        table::write(f, self)
    }
}
