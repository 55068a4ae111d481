//! Memory of the log and of a reader that lags.

use std::sync::Arc;
use std::time::Duration;

use narthex::limits;
use narthex::model::block::{EpochId, ScrapeBlock, Sequence};
use narthex::model::labels::Labels;
use narthex::model::metadata::{Family, MetricType};
use narthex::model::series::{ChunkBuilder, SeriesChunk, SeriesList, TargetIdentity};
use narthex::model::source::{BlockSource, Next};
use narthex::model::time::{Mono, Wall};
use narthex::model::timeline::Epoch;
use narthex::sys::clock::{Clock, ManualClock};
use narthex::sys::fs::RealFs;
use narthex::telemetry::registry::Registry;
use narthex::wal;
use narthex::wal::reader::LogReader;

use crate::counting::{Taken, measure};

/// Series of a family: node_exporter has about two on the average.
const FAMILY: usize = 2;
const SERIES: usize = 1000;

/// Scrapes of a fleet.
struct Fleet {
    lists: Vec<Arc<SeriesList>>,
    round: i64,
}

fn chunks(prefix: &str) -> Vec<Arc<SeriesChunk>> {
    let family = |number: usize| {
        let name = format!("{prefix}_metric_number_{number}_seconds_total");
        let help = "What a help text of usual length says of it.";
        let family = Family::new(&name, MetricType::Unknown, help, "");
        let mut chunk = ChunkBuilder::default();
        for series in 0..FAMILY {
            let device = format!("device{series}");
            chunk.push([("__name__", name.as_str()), ("device", device.as_str())]);
        }
        Arc::new(chunk.finish(Some(Arc::new(family))))
    };
    (0..SERIES / FAMILY).map(family).collect()
}

impl Fleet {
    /// Targets that expose the same series, or series that share nothing.
    fn new(targets: usize, alike: bool) -> Fleet {
        let shared = chunks("node");
        let list = |number: usize| {
            let instance = format!("host{number}:9100");
            let identity = TargetIdentity {
                id: number as u64,
                job: "node".into(),
                labels: Labels::from_pairs([("instance", instance.as_str())]),
            };
            let own = if alike {
                shared.clone()
            } else {
                chunks(&format!("t{number}"))
            };
            Arc::new(SeriesList::new(Arc::new(identity), own))
        };
        Fleet {
            lists: (0..targets).map(list).collect(),
            round: 0,
        }
    }

    fn series(&self) -> isize {
        (self.lists.len() * SERIES) as isize
    }

    fn scrape(&mut self) -> Vec<ScrapeBlock> {
        self.round += 1;
        let round = self.round;
        let block = |list: &Arc<SeriesList>| ScrapeBlock {
            sequence: Sequence::ZERO,
            epoch: EpochId(1),
            offset_ms: 15_000 * round,
            series: Arc::clone(list),
            values: (0..SERIES as i64)
                .map(|slot| (slot * (slot % 5 * round)) as f64)
                .collect(),
            side: None,
        };
        self.lists.iter().map(block).collect()
    }
}

/// A log in an empty folder, without its thread.
pub(crate) struct Log {
    pub(crate) opened: wal::open::Opened,
    pub(crate) clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

impl Log {
    pub(crate) fn open() -> Log {
        let folder = tempfile::tempdir().expect("folder");
        let clock = Arc::new(ManualClock::new(
            Mono::from_millis(1),
            Wall(1_800_000_000_000),
        ));
        let options = wal::Options {
            budget_bytes: 1 << 30,
            age_max: None,
            sync_interval: Duration::from_secs(10),
            ring_bytes: limits::RING_BYTES,
            stage_dir: None,
        };
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let registry = Registry::default();
        let opened = wal::open::open(folder.path(), options, Arc::new(RealFs), shared, &registry);
        let mut opened = opened.expect("an empty folder");
        let epoch = Epoch {
            id: EpochId(1),
            base_wall: clock.wall(),
            frozen: true,
        };
        opened.core.put_epoch(clock.mono(), epoch);
        Log {
            opened,
            clock,
            _folder: folder,
        }
    }

    /// Appends a round of scrapes. Blocks are given away as the scrape side gives them.
    pub(crate) fn round(&mut self, blocks: Vec<ScrapeBlock>) {
        let pause = 15_000 / blocks.len() as u64;
        for block in blocks {
            self.opened.core.append(self.clock.mono(), block);
            self.clock.advance_ms(pause);
            self.opened.core.tick(self.clock.mono());
        }
    }
}

/// Bytes that the log holds after some rounds beyond each target's last block, which it shares
/// with the scrape side.
fn log_bytes(targets: usize, alike: bool) -> isize {
    let mut fleet = Fleet::new(targets, alike);
    let (mut log, opened) = measure(Log::open);
    let seat = log.opened.queues.register("q");
    let mut rounds = Taken::default();
    for _ in 0..4 {
        let (blocks, given) = measure(|| fleet.scrape());
        let ((), taken) = measure(|| log.round(blocks));
        rounds.held += given.held + taken.held;
        let taken = log.opened.core.status().progress.taken;
        seat.settled.with(|own| own.insert(Sequence(1), taken));
    }
    opened.held + rounds.held - 8 * fleet.series()
}

#[test]
fn the_log_takes_two_mebibytes_and_twenty_bytes_a_series() {
    for (targets, alike) in [(2, true), (50, true), (200, true)] {
        let bytes = log_bytes(targets, alike);
        let series = (targets * SERIES) as isize;
        println!(
            "{targets} targets: {bytes} bytes, {} a series",
            bytes / series
        );
        assert!(
            bytes <= (2 << 20) + 20 * series,
            "{bytes} bytes for {series} series"
        );
    }
    // Targets that share nothing cost sixty bytes a definition of a family more.
    for targets in [5, 20] {
        let bytes = log_bytes(targets, false);
        println!("{targets} targets that share nothing: {bytes} bytes");
        assert!(
            bytes <= (2 << 20) + 20 * (targets * SERIES) as isize,
            "{bytes} bytes"
        );
    }
}

#[test]
fn a_reader_that_lags_takes_four_mebibytes_and_twelve_bytes_a_series() {
    for (targets, alike) in [(2, true), (100, true), (5, false), (20, false)] {
        let mut fleet = Fleet::new(targets, alike);
        let mut log = Log::open();
        let _seat = log.opened.queues.register("q");
        for _ in 0..40 {
            let blocks = fleet.scrape();
            log.round(blocks);
        }
        log.opened.core.finish(log.clock.mono());
        let shared = Arc::clone(&log.opened.log);
        let (samples, taken) = measure(|| {
            let mut reader = LogReader::onlooker(shared);
            let (mut after, mut samples) = (Sequence::ZERO, 0);
            while let Next::Block(block) = reader.next(after).expect("readable") {
                after = block.sequence;
                samples += block.sample_count();
            }
            samples
        });
        assert_eq!(samples as isize, 40 * fleet.series());
        println!(
            "{targets} targets, alike {alike}: peak {} bytes",
            taken.peak
        );
        assert!(taken.peak <= (4 << 20) + 12 * fleet.series(), "{taken:?}");
    }
}
