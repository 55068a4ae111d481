//! Tests of the log as a whole, on a simulated disk and in one thread.

mod crash;
mod damage;
mod havoc;
mod inspect;
mod losses;
mod model;
mod past;
mod recorded;
mod running;
mod scene;
mod sectors;
mod seek;
mod stage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::codec::values;
use super::format::frame::FrameHeader;
use super::frames::{Frames, Step};
use super::open::{Opened, Options, open};
use super::reader::LogReader;
use super::recover::recover;
use super::segment;
use super::testing::{Workload, render};
use crate::model::block::{EpochId, Sequence};
use crate::model::source::{BlockSource, Next};
use crate::model::time::{Mono, Wall};
use crate::model::timeline::Epoch;
use crate::sys::clock::{Clock, ManualClock};
use crate::sys::fs::Storage;
use crate::sys::fs_sim::SimFs;
use crate::telemetry::registry::Registry;

/// Where the simulated log is.
const DIR: &str = "/data";

/// Where its stage is.
const STAGE: &str = "/memory/stage";

/// A log on a simulated disk, and what was put into it.
struct Sim {
    disk: SimFs,
    clock: Arc<ManualClock>,
    opened: Opened,
    workload: Workload,
    /// Everything appended, ever, rendered, by number.
    appended: BTreeMap<u64, String>,
    options: Options,
}

fn options() -> Options {
    Options {
        budget_bytes: 1 << 30,
        age_max: None,
        sync_interval: Duration::from_secs(10),
        ring_bytes: 4000,
        stage_dir: None,
    }
}

/// With a stage on the same simulated machine. It syncs nothing there, so that a power cut takes it
/// or leaves any part of it.
fn staged() -> Options {
    Options {
        stage_dir: Some(STAGE.into()),
        ..options()
    }
}

fn reopen(disk: &SimFs, clock: &Arc<ManualClock>, options: Options) -> Opened {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let storage = Arc::new(disk.clone());
    let registry = Registry::default();
    open(Path::new(DIR), options, storage, clock, &registry).expect("opens unattended")
}

impl Sim {
    fn new(seed: u64, options: Options) -> Sim {
        let disk = SimFs::default();
        let clock = Arc::new(ManualClock::new(
            Mono::from_millis(1_000_000),
            Wall(1_700_000_000_000),
        ));
        Sim {
            opened: reopen(&disk, &clock, options.clone()),
            disk,
            clock,
            workload: Workload::new(seed, 2),
            appended: BTreeMap::new(),
            options,
        }
    }

    /// The log after the process or the machine went down.
    fn restart(self, disk: SimFs) -> Sim {
        drop(self.opened);
        Sim {
            opened: reopen(&disk, &self.clock, self.options.clone()),
            disk,
            ..self
        }
    }

    fn append(&mut self) -> Sequence {
        let now = self.clock.mono();
        let mut block = self.workload.next_block();
        let sequence = self.opened.core.append(now, block.clone());
        block.sequence = sequence;
        let before = self.appended.insert(sequence.0, render(&block));
        assert_eq!(before, None, "a sequence number came twice");
        sequence
    }

    /// Offset of the latest scrape, as far as the ring has it.
    fn newest_offset(&self) -> i64 {
        let blocks = self.opened.log.ring.lock().after(Sequence::ZERO);
        blocks
            .iter()
            .map(|block| block.offset_ms)
            .max()
            .expect("some")
    }

    fn pass(&mut self, millis: u64) {
        self.clock.advance_ms(millis);
        self.opened.core.tick(self.clock.mono());
    }

    fn begin_epoch(&mut self, id: u32, frozen: bool) {
        let epoch = Epoch {
            id: EpochId(id),
            base_wall: Wall(1000 * i64::from(id)),
            frozen,
        };
        self.workload.epoch = epoch.id;
        self.opened.core.put_epoch(self.clock.mono(), epoch);
    }

    /// The last number that the segments name, whatever the positions say.
    fn last_in_segments(&self) -> Sequence {
        let dir = &self.opened.log.segments_dir;
        recover(&self.disk, dir).expect("readable").last
    }

    fn segment_path(&self, number: u64) -> PathBuf {
        segment::path(&self.opened.log.segments_dir, number)
    }

    /// The frames of a segment of the log as it is: where each begins, and its header.
    fn frames(&self, number: u64) -> Vec<(u64, FrameHeader)> {
        let file = self.disk.open(&self.segment_path(number)).expect("there");
        let end = file.len().expect("known");
        let mut frames = Frames::new(file, number);
        let mut found = Vec::new();
        while let Step::Frame(header) = frames.step(end).expect("readable") {
            found.push((frames.began(), header));
        }
        found
    }

    fn reader(&self) -> LogReader {
        LogReader::onlooker(Arc::clone(&self.opened.log))
    }

    /// Reads everything after `after`; checks that nothing is invented, and that blocks and gaps
    /// follow one another without a hole. Returns the numbers of the blocks.
    fn read_all(&self, reader: &mut LogReader, mut after: Sequence) -> Vec<u64> {
        let mut read = Vec::new();
        loop {
            match reader.next(after).expect("the disk can be read") {
                Next::Block(block) => {
                    assert_eq!(block.sequence, after.next());
                    let appended = self.appended.get(&block.sequence.0);
                    assert_eq!(appended, Some(&render(&block)), "invented");
                    read.push(block.sequence.0);
                    after = block.sequence;
                }
                Next::Gap { first, last, .. } => {
                    assert_eq!(first, after.next());
                    assert!(first <= last);
                    after = last;
                }
                Next::CaughtUp => return read,
            }
        }
    }
}

#[test]
fn the_format_of_values_fits_the_limits() {
    // A block of the default sample limit must fit a frame at nine bytes and more a sample.
    let samples = 1_000_000;
    let mut bytes = Vec::new();
    let raw: Vec<f64> = (0..samples).map(|n| f64::from(n).sqrt() * 1e-7).collect();
    let span = values::Span {
        len: raw.len(),
        base: None,
    };
    let mut states = Vec::new();
    values::encode(
        &raw,
        &[span],
        values::Base::default(),
        &mut states,
        &mut bytes,
    );
    assert!(bytes.len() < crate::limits::FRAME_DECODED_BYTES_MAX);
}
