//! Reads blocks from segments, in order, from any point on.
//!
//! What a block needs stands before it: definitions anywhere in its segment, its target's key block
//! at most 32 blocks back. A reader that begins inside a segment therefore looks through what is
//! before (`seek`), and reads from where the oldest key block stands that it needs. Holds the
//! segment's definitions, each target's last block, one frame and its blocks.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use hashbrown::HashMap;

use super::codec::decoder::Decoder;
use super::format::frame::FrameHeader;
use super::frames::{Frames, Step};
use super::log::Log;
use super::segment::{self, SegmentInfo};
use crate::limits;
use crate::model::block::{ScrapeBlock, Sequence};
use crate::model::time::Mono;

/// A place in the segments.
#[derive(Debug)]
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
    /// Since when the file does not open.
    refused_since: Option<Mono>,
    /// Segments up to this number cannot be opened, and are passed over.
    unopenable: u64,
}

#[derive(Debug)]
struct Open {
    number: u64,
    frames: Frames,
    end: u64,
    /// While looking through what is before the wanted block: where the targets' last key blocks
    /// stand.
    seeking: Option<HashMap<u32, u64>>,
}

impl DiskCursor {
    /// A cursor that begins wherever it is asked to.
    #[must_use]
    pub fn new(log: &Log) -> DiskCursor {
        DiskCursor {
            open: None,
            decoder: Decoder::new(log.chunks.clone()),
            ready: VecDeque::new(),
            after: Sequence::ZERO,
            seen: (0, 0),
            failures: 0,
            refused_since: None,
            unopenable: 0,
        }
    }

    /// The first readable block after `after`; none at the end of what is on disk.
    ///
    /// # Errors
    /// When the disk cannot be read. After a few errors at one place that place counts as damaged.
    pub fn next(&mut self, log: &Log, after: Sequence) -> io::Result<Option<Arc<ScrapeBlock>>> {
        if after < self.after {
            *self = DiskCursor::new(log);
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
            return self.enter(log, segment, wanted);
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
                self.failures = 0;
                let header = open.frames.give_up(open.end);
                self.pass_over(log, header);
            }
            Ok(Step::Frame(header)) => {
                self.failures = 0;
                match &mut open.seeking {
                    Some(keys) => {
                        if seek(&mut self.decoder, &mut open.frames, keys, &header, wanted) {
                            open.begin();
                        }
                    }
                    None => self.take(log, &header),
                }
            }
            Ok(Step::Damage(header)) => self.pass_over(log, header),
            Ok(Step::End) if open.seeking.is_some() => open.begin(),
            Ok(Step::End) => {
                let following = log.catalog.lock().following(open.number);
                return match following {
                    Some(segment) => self.enter(log, segment, wanted),
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

    fn enter(&mut self, log: &Log, segment: SegmentInfo, wanted: Sequence) -> io::Result<bool> {
        let path = segment::path(&log.segments_dir, segment.number);
        let file = match log.storage.open(&path) {
            Ok(file) => file,
            // Deleted since the catalog was read: look again.
            Err(_) if log.catalog.lock().get(segment.number).is_none() => return Ok(true),
            Err(error) => return self.refuse(log, segment.number, error),
        };
        self.refused_since = None;
        self.failures = 0;
        self.decoder.begin_segment();
        self.ready.clear();
        self.open = Some(Open {
            number: segment.number,
            frames: Frames::new(file, segment.number),
            end: segment.end,
            seeking: (segment.first < wanted).then(HashMap::new),
        });
        Ok(true)
    }

    /// A file does not open. One that is gone is damage; what is behind other errors, such as too
    /// many open files, passes, and the scrapes in it are worth the wait.
    fn refuse(&mut self, log: &Log, number: u64, error: io::Error) -> io::Result<bool> {
        let now = log.clock.mono();
        let since = *self.refused_since.get_or_insert(now);
        self.failures += 1;
        // Unless the folder is as well: then the disk is.
        let is_gone =
            error.kind() == io::ErrorKind::NotFound && log.storage.list(&log.segments_dir).is_ok();
        let is_over = match is_gone {
            true => self.failures >= limits::LOG_READ_ATTEMPTS,
            false => now.since(since) >= limits::LOG_OPEN_PATIENCE,
        };
        if !is_over {
            return Err(error);
        }
        self.failures = 0;
        self.refused_since = None;
        self.unopenable = number;
        log.metrics.corruptions.inc();
        Ok(true)
    }

    /// Takes note of damage. While seeking it does not count: reading meets it again where it
    /// matters.
    fn pass_over(&mut self, log: &Log, header: Option<FrameHeader>) {
        if self.open.as_ref().is_some_and(|own| own.seeking.is_some()) {
            return;
        }
        let (blocks, samples) = header.map_or((0, 0), |own| (own.span, own.samples));
        self.see(blocks, samples);
        log.metrics.corruptions.inc();
    }

    fn see(&mut self, blocks: u32, samples: u32) {
        self.seen.0 += u64::from(blocks);
        self.seen.1 += u64::from(samples);
    }

    fn take(&mut self, log: &Log, header: &FrameHeader) {
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

impl Open {
    /// Ends the seeking: reading begins where every block from the wanted one on can be decoded, at
    /// the oldest of the targets' last key blocks, or here.
    fn begin(&mut self) {
        let keys = self.seeking.take().unwrap_or_default();
        let here = self.frames.offset();
        self.frames.go_to(keys.into_values().fold(here, u64::min));
    }
}

/// Takes the definitions of a frame before the block `wanted`, and notes its key blocks. True if the
/// frame has that block, or those behind it; it comes again then.
fn seek(
    decoder: &mut Decoder,
    frames: &mut Frames,
    keys: &mut HashMap<u32, u64>,
    header: &FrameHeader,
    wanted: Sequence,
) -> bool {
    let start = frames.began();
    if header.first < wanted {
        let Some(body) = frames.body(header) else {
            return false;
        };
        decoder.scan(header.first, &body, wanted, |target, key| {
            if key {
                keys.insert(target, start);
            }
        });
        if header.last() < wanted {
            return false;
        }
    }
    frames.go_to(start);
    true
}
