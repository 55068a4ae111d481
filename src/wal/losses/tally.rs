//! Counts what is lost with a segment, by job: reads it once more.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::model::block::Sequence;
use crate::model::position::AckRanges;
use crate::sys::fs::Storage;
use crate::wal::codec::decoder::Decoder;
use crate::wal::format::frame::FrameHeader;
use crate::wal::frames::{Frames, Step};
use crate::wal::retention;
use crate::wal::segment::{self, SegmentInfo};

/// A block that is in a queue's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The block.
    pub sequence: Sequence,
    /// Its job.
    pub job: Arc<str>,
    /// Its samples.
    pub samples: u64,
}

/// What a queue loses with a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Samples by job. What cannot be decoded is estimated, under the empty name.
    pub lost: BTreeMap<Arc<str>, u64>,
    /// Blocks that the queue has read and not settled.
    pub held: Vec<Held>,
}

impl Tally {
    /// Samples lost.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.lost.values().sum()
    }
}

/// Which blocks count.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What the queue has settled.
    pub settled: &'a AckRanges,
    /// Blocks from here on are lost; those before are held.
    pub from: Sequence,
    /// The last block that belongs to the segment.
    pub last: Sequence,
}

impl Wanted<'_> {
    /// The tally of a block that is at hand.
    #[must_use]
    pub fn tally_one(&self, sequence: Sequence, job: &Arc<str>, samples: u64) -> Tally {
        let mut tally = Tally::default();
        tally.add(*self, sequence, job, samples);
        tally
    }
}

/// Counts what is wanted of a segment. Blocks that no readable header names are estimated by those
/// of the others, or as `typical` samples each if there are none.
#[must_use]
pub fn count(
    storage: &dyn Storage,
    dir: &Path,
    segment: &SegmentInfo,
    wanted: Wanted<'_>,
    typical: f64,
) -> Tally {
    let mut tally = Tally::default();
    let mut named = AckRanges::default();
    let (mut blocks, mut samples) = (0, 0);
    let file = storage.open(&segment::path(dir, segment.number)).ok();
    let mut frames = file.map(|file| Frames::new(file, segment.number));
    let mut decoder = Decoder::default();
    while let Some(frames) = &mut frames {
        let (header, body) = match frames.step_over(segment.end) {
            Step::Frame(header) => (header, frames.body(&header)),
            Step::Damage(Some(header)) => (header, None),
            Step::Damage(None) => continue,
            Step::End => break,
        };
        tally.add_frame(&mut decoder, &header, body.as_deref(), wanted);
        if header.span > 0 {
            named.insert(header.first, header.last());
            blocks += u64::from(header.span);
            samples += u64::from(header.samples);
        }
    }
    named.join(wanted.settled);
    let first = segment.first.max(wanted.from);
    let unnamed = retention::unsettled(&named, first, wanted.last);
    let mean = match blocks {
        0 => typical,
        _ => samples as f64 / blocks as f64,
    };
    tally.add_unnamed((unnamed as f64 * mean).round() as u64);
    tally
}

impl Tally {
    fn add_frame(
        &mut self,
        decoder: &mut Decoder,
        header: &FrameHeader,
        body: Option<&[u8]>,
        wanted: Wanted<'_>,
    ) {
        let mut readable = AckRanges::default();
        let mut samples = 0;
        let blocks = body.map(|body| decoder.frame(header.first, body).blocks);
        for block in blocks.into_iter().flatten() {
            let own = block.sample_count() as u64;
            samples += own;
            readable.insert(block.sequence, block.sequence);
            let job = &block.series.target().job;
            self.add(wanted, block.sequence, job, own);
        }
        self.estimate(header, &readable, samples, wanted);
    }

    fn add_unnamed(&mut self, samples: u64) {
        if samples > 0 {
            *self.lost.entry("".into()).or_default() += samples;
        }
    }

    fn add(&mut self, wanted: Wanted<'_>, sequence: Sequence, job: &Arc<str>, samples: u64) {
        if sequence > wanted.last || wanted.settled.contains(sequence) {
            return;
        }
        let job = Arc::clone(job);
        if sequence >= wanted.from {
            *self.lost.entry(job).or_default() += samples;
        } else {
            self.held.push(Held {
                sequence,
                job,
                samples,
            });
        }
    }

    /// Blocks of a frame that could not be decoded have, together, the samples that the others do
    /// not have.
    fn estimate(
        &mut self,
        header: &FrameHeader,
        readable: &AckRanges,
        samples: u64,
        wanted: Wanted<'_>,
    ) {
        let unreadable = retention::unsettled(readable, header.first, header.last());
        let rest = u64::from(header.samples).saturating_sub(samples);
        if header.span == 0 || unreadable == 0 || rest == 0 {
            return;
        }
        let mut done = readable.clone();
        done.join(wanted.settled);
        let first = header.first.max(wanted.from);
        let lost = retention::unsettled(&done, first, header.last().min(wanted.last));
        self.add_unnamed(rest * lost / unreadable);
    }
}
