//! Reads blocks from segments, in order, from any point on.
//!
//! Begins at the start of the segment that has the wanted block, because definitions and key
//! blocks stand before it. Holds that segment's definitions, each target's last block, one frame
//! and its blocks.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::codec::decoder::Decoder;
use super::format::frame::FrameHeader;
use super::frames::{Frames, Step};
use super::log::Log;
use super::segment::{self, SegmentInfo};
use crate::limits;
use crate::model::block::{ScrapeBlock, Sequence};

/// A place in the segments.
#[derive(Debug, Default)]
pub struct DiskCursor {
    open: Option<Open>,
    decoder: Decoder,
    /// Blocks of the current frame that were not given yet.
    ready: VecDeque<Arc<ScrapeBlock>>,
    /// What was last asked for; asking for less begins anew.
    after: Sequence,
    /// Blocks and samples of the frames seen, to estimate what damage cost.
    seen: (u64, u64),
    /// Reads that failed in a row.
    failures: u32,
    /// Segments up to this number cannot be opened, and are passed over.
    unopenable: u64,
}

#[derive(Debug)]
struct Open {
    number: u64,
    frames: Frames,
    end: u64,
}

impl DiskCursor {
    /// The first readable block after `after`; none at the end of what is on disk.
    ///
    /// # Errors
    /// When the disk cannot be read. After a few errors at one place that place counts as damaged.
    pub fn next(&mut self, log: &Log, after: Sequence) -> io::Result<Option<Arc<ScrapeBlock>>> {
        if after < self.after {
            *self = DiskCursor::default();
        }
        self.after = after;
        loop {
            while let Some(block) = self.ready.pop_front() {
                if block.sequence > after {
                    return Ok(Some(block));
                }
            }
            if !self.advance(log, after.next())? {
                return Ok(None);
            }
        }
    }

    /// Gives back a block that [`DiskCursor::next`] gave, for the next call.
    pub fn put_back(&mut self, block: Arc<ScrapeBlock>) {
        self.ready.push_front(block);
    }

    /// Mean number of samples in the blocks seen.
    #[must_use]
    pub fn samples_per_block(&self) -> f64 {
        self.seen.1 as f64 / self.seen.0.max(1) as f64
    }

    /// Reads one frame or goes to the next segment. False at the end.
    fn advance(&mut self, log: &Log, wanted: Sequence) -> io::Result<bool> {
        let Some(segment) = self.choose(log, wanted) else {
            return Ok(false);
        };
        if self
            .open
            .as_ref()
            .is_none_or(|open| open.number != segment.number)
        {
            return self.enter(log, segment);
        }
        let Some(open) = &mut self.open else {
            return Ok(false);
        };
        open.end = segment.end;
        match open.frames.step(open.end) {
            Err(error) => {
                self.failures += 1;
                if self.failures < limits::LOG_READ_ATTEMPTS {
                    return Err(error);
                }
                open.frames.skip_page();
                self.failures = 0;
                log.metrics.corruptions.inc();
            }
            Ok(Step::Frame(header)) => self.take(log, &header),
            Ok(Step::Damage(header)) => {
                let (blocks, samples) = header.map_or((0, 0), |own| (own.span, own.samples));
                self.see(blocks, samples);
                log.metrics.corruptions.inc();
            }
            Ok(Step::End) => {
                let following = log.catalog.lock().following(open.number);
                return match following {
                    Some(segment) => self.enter(log, segment),
                    None => Ok(false),
                };
            }
        }
        Ok(true)
    }

    /// The segment to read from: the current one until a later one has what is wanted.
    fn choose(&self, log: &Log, wanted: Sequence) -> Option<SegmentInfo> {
        let catalog = log.catalog.lock();
        let mut target = catalog.locate(wanted)?;
        if target.number <= self.unopenable {
            target = catalog.following(self.unopenable)?;
        }
        let Some(open) = &self.open else {
            return Some(target);
        };
        if target.number > open.number {
            return Some(target);
        }
        // A deleted segment that is open can still be read; its end is known.
        catalog.get(open.number).or(Some(SegmentInfo {
            number: open.number,
            end: open.end,
            ..target
        }))
    }

    fn enter(&mut self, log: &Log, segment: SegmentInfo) -> io::Result<bool> {
        let path = segment::path(&log.segments_dir, segment.number);
        let file = match log.storage.open(&path) {
            Ok(file) => file,
            // Deleted since the catalog was read: look again.
            Err(_) if log.catalog.lock().get(segment.number).is_none() => return Ok(true),
            Err(error) => {
                self.failures += 1;
                if self.failures < limits::LOG_READ_ATTEMPTS {
                    return Err(error);
                }
                self.failures = 0;
                self.unopenable = segment.number;
                log.metrics.corruptions.inc();
                return Ok(true);
            }
        };
        self.decoder.begin_segment();
        self.ready.clear();
        self.open = Some(Open {
            number: segment.number,
            frames: Frames::new(file, segment.number),
            end: segment.end,
        });
        Ok(true)
    }

    fn see(&mut self, blocks: u32, samples: u32) {
        self.seen.0 += u64::from(blocks);
        self.seen.1 += u64::from(samples);
    }

    fn take(&mut self, log: &Log, header: &FrameHeader) {
        self.failures = 0;
        self.see(header.span, header.samples);
        let Some(open) = &mut self.open else {
            return;
        };
        let Some(body) = open.frames.body(header) else {
            log.metrics.corruptions.inc();
            return;
        };
        let decoded = self.decoder.frame(header.first, &body);
        log.metrics.unknown_records.add(decoded.unknown as f64);
        let following = log.catalog.lock().following(open.number);
        let stop = following.map_or(Sequence(u64::MAX), |own| own.first);
        let inside = decoded
            .blocks
            .into_iter()
            .filter(|block| block.sequence < stop);
        self.ready.extend(inside);
    }
}
