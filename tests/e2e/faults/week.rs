//! A week without a receiver, by a clock that is pushed on, through the log's cores.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use narthex::limits;
use narthex::model::block::{EpochId, ScrapeBlock, Sequence};
use narthex::model::labels::Labels;
use narthex::model::series::{ChunkBuilder, SeriesChunk, SeriesList, TargetIdentity};
use narthex::model::source::{BlockSource, GapReason, Next};
use narthex::model::time::{Mono, Wall};
use narthex::model::timeline::Epoch;
use narthex::sys::clock::{Clock, ManualClock};
use narthex::sys::fs::RealFs;
use narthex::telemetry::registry::Registry;
use narthex::wal::Options;
use narthex::wal::open::{Opened, open};
use narthex::wal::reader::LogReader;

use super::super::support::{effort, segment, target, wait};

/// Pages recorded one after the other.
const PAGES: usize = 8;

const WEEK_MS: u64 = 7 * 24 * 3_600_000;

/// Series of an exporter and its values at any scrape: recorded ones, and then the same changes
/// again and again, so that counters go on growing.
struct Exporter {
    list: Arc<SeriesList>,
    /// By page and series.
    pages: Vec<Vec<f64>>,
}

/// The rows of a page: its series as written, and their values.
fn rows(page: &str) -> Vec<(String, f64)> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let row = |line: &str| {
        let (key, value) = line.rsplit_once(' ')?;
        Some((key.to_owned(), value.parse().ok()?))
    };
    lines.filter_map(row).collect()
}

/// Name and labels of a series as written.
fn pairs(key: &str) -> Vec<(&str, &str)> {
    let (name, labels) = key.split_once('{').unwrap_or((key, ""));
    let mut pairs = vec![("__name__", name)];
    let labels = labels.trim_end_matches('}').split_terminator("\",");
    pairs.extend(labels.filter_map(|pair| pair.trim_end_matches('"').split_once("=\"")));
    pairs.sort_unstable();
    pairs
}

/// One chunk for each metric name, as a scrape makes them for families.
fn chunks(keys: &[String]) -> Vec<Arc<SeriesChunk>> {
    let name = |key: &String| key.split('{').next().unwrap_or_default().to_owned();
    let families = keys.chunk_by(|one, other| name(one) == name(other));
    let chunk = |keys: &[String]| {
        let mut builder = ChunkBuilder::default();
        keys.iter().for_each(|key| builder.push(pairs(key)));
        Arc::new(builder.finish(None))
    };
    families.map(chunk).collect()
}

impl Exporter {
    fn recorded(number: u64) -> Exporter {
        let page =
            |page| String::from_utf8(target::recorded(&format!("node_exporter.0{page}.prom")));
        let pages: Vec<_> = (0..PAGES).map(|n| rows(&page(n).expect("text"))).collect();
        let in_all = |key: &String| {
            pages
                .iter()
                .all(|page| page.iter().any(|(own, _)| own == key))
        };
        let keys = pages[0].iter().map(|(key, _)| key.clone());
        let keys: Vec<String> = keys.filter(in_all).collect();
        let value = |page: &[(String, f64)], key: &String| {
            let found = page.iter().find(|(own, _)| own == key);
            found.expect("in all pages").1
        };
        let values = |page: &Vec<_>| keys.iter().map(|key| value(page, key)).collect();
        let identity = Arc::new(TargetIdentity {
            id: number,
            job: "node".into(),
            labels: Labels::from_pairs([("instance", format!("host{number}:9100"))]),
        });
        Exporter {
            list: Arc::new(SeriesList::new(identity, chunks(&keys))),
            pages: pages.iter().map(values).collect(),
        }
    }

    fn values(&self, scrape: u64) -> Box<[f64]> {
        let (cycle, page) = (scrape / PAGES as u64, scrape as usize % PAGES);
        let (first, last) = (&self.pages[0], &self.pages[PAGES - 1]);
        let value =
            |slot: usize| self.pages[page][slot] + cycle as f64 * (last[slot] - first[slot]);
        (0..first.len()).map(value).collect()
    }

    fn block(&self, scrape: u64, offset_ms: u64) -> ScrapeBlock {
        ScrapeBlock {
            sequence: Sequence::ZERO,
            epoch: EpochId(1),
            offset_ms: offset_ms.cast_signed(),
            series: Arc::clone(&self.list),
            values: self.values(scrape),
            side: None,
        }
    }
}

/// A log whose time is pushed on, with one queue that settles nothing.
struct Simulation {
    clock: Arc<ManualClock>,
    registry: Registry,
    opened: Opened,
    exporters: Vec<Exporter>,
    /// Milliseconds between the scrapes of a target, all of which are scraped at once.
    interval_ms: u64,
    budget: u64,
    dir: PathBuf,
    /// The most bytes that the files ever took.
    most_bytes: u64,
}

fn file_bytes(dir: &Path) -> u64 {
    let paths = segment::list(dir).into_iter();
    paths
        .map(|path| fs::metadata(path).map_or(0, |found| found.len()))
        .sum()
}

impl Simulation {
    fn new(dir: &Path, targets: u64, interval_ms: u64, budget: u64) -> Simulation {
        let clock = Arc::new(ManualClock::new(
            Mono::from_millis(5000),
            Wall(1_750_000_000_000),
        ));
        let registry = Registry::default();
        let options = Options {
            budget_bytes: budget,
            age_max: None,
            sync_interval: Duration::from_secs(10),
            ring_bytes: limits::RING_BYTES,
            stage_dir: None,
        };
        let given = Arc::clone(&clock) as Arc<dyn Clock>;
        let opened = open(dir, options, Arc::new(RealFs), given, &registry).expect("opens");
        drop(opened.queues.register("away"));
        let mut simulation = Simulation {
            clock,
            registry,
            opened,
            exporters: (0..targets).map(Exporter::recorded).collect(),
            interval_ms,
            budget,
            dir: dir.to_owned(),
            most_bytes: 0,
        };
        let epoch = Epoch {
            id: EpochId(1),
            base_wall: Wall(1_750_000_000_000),
            frozen: true,
        };
        let now = simulation.clock.mono();
        simulation.opened.core.put_epoch(now, epoch);
        simulation
    }

    /// The time until which everything due is done.
    fn pass(&mut self, until: Mono) {
        loop {
            let next = self.opened.core.next_deadline().min(until);
            let now = self.clock.mono();
            // Timers are late by a moment.
            self.clock
                .advance_ms((next.since(now).as_millis() as u64).max(1));
            let notices = self.opened.core.tick(self.clock.mono());
            let dropped = notices
                .iter()
                .all(|notice| matches!(notice, narthex::wal::core::Notice::Dropped(_)));
            assert!(dropped, "{notices:?}");
            if next >= until {
                return;
            }
        }
    }

    fn run(&mut self, scrapes: u64) {
        for scrape in 0..scrapes {
            let offset_ms = scrape * self.interval_ms;
            let now = self.clock.mono();
            for exporter in &self.exporters {
                self.opened
                    .core
                    .append(now, exporter.block(scrape, offset_ms));
            }
            self.pass(Mono::from_millis(5000 + offset_ms + self.interval_ms));
            if scrape % 60 == 0 {
                self.most_bytes = self.most_bytes.max(file_bytes(&self.dir));
                assert!(!self.opened.log.ring.lock().is_full(), "memory grows");
            }
        }
        self.opened.core.finish(self.clock.mono());
    }

    fn counter(&self, name: &'static str, labels: &[(&str, &str)]) -> f64 {
        self.registry.counter(name, "", labels).get()
    }

    /// Reads everything as a queue does that has settled nothing, and compares it with what was
    /// scraped. Returns the number of blocks dropped before, and of those read.
    fn drain(&self) -> (u64, u64) {
        let mut reader = LogReader::onlooker(Arc::clone(&self.opened.log));
        let (mut dropped, mut read) = (0, 0);
        loop {
            let after = Sequence(dropped + read);
            match reader.next(after).expect("readable") {
                Next::Gap {
                    first,
                    last,
                    reason,
                } => {
                    let only = (first, reason) == (Sequence(1), GapReason::Budget);
                    assert!(only, "{first:?} to {last:?} lost: {reason:?}");
                    dropped = last.0;
                }
                Next::Block(block) => {
                    assert_eq!(block.sequence, after.next());
                    self.compare(&block);
                    read += 1;
                }
                Next::CaughtUp => return (dropped, read),
            }
        }
    }

    fn compare(&self, block: &ScrapeBlock) {
        let targets = self.exporters.len() as u64;
        let (scrape, target) = (
            (block.sequence.0 - 1) / targets,
            (block.sequence.0 - 1) % targets,
        );
        let exporter = &self.exporters[target as usize];
        assert_eq!(block.offset_ms, (scrape * self.interval_ms).cast_signed());
        assert_eq!(block.series.target().labels, exporter.list.target().labels);
        let bits = |values: &[f64]| {
            values
                .iter()
                .map(|value| value.to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(&block.values), bits(&exporter.values(scrape)));
    }
}

#[test]
fn a_week_without_a_receiver_keeps_the_newest_and_counts_the_rest() {
    // Syncs cost nothing in memory; the order of things is the same.
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    let dir = tempfile::tempdir_in(base).expect("a folder");
    let (targets, interval_ms) = effort::pick((1, 60_000), (20, 15_000));
    let budget = effort::pick(2 << 20, 64 << 20);
    let mut simulation = Simulation::new(dir.path(), targets, interval_ms, budget);
    let scrapes = WEEK_MS / interval_ms;
    let begun = wait::now();
    simulation.run(scrapes);
    let written = wait::now();
    let (dropped, read) = simulation.drain();
    let drained = wait::now();
    let series = simulation.exporters[0].list.len() as u64;
    let blocks = scrapes * targets;
    let bytes = simulation.counter("narthex_log_written_bytes_total", &[]);
    println!(
        "7 days, {blocks} blocks of {series} samples: {:.2} bytes a sample, at most {} bytes of \
         {budget}; written at {:.0}, drained at {:.0} samples a second; {dropped} blocks dropped",
        bytes / (blocks * series) as f64,
        simulation.most_bytes,
        (blocks * series) as f64 / (written - begun).as_secs_f64(),
        (read * series) as f64 / (drained - written).as_secs_f64(),
    );
    assert_eq!(dropped + read, blocks);
    assert!(
        dropped > 0 && read > blocks / 20,
        "{dropped} dropped, {read} read"
    );
    assert!(
        simulation.most_bytes <= simulation.budget + simulation.budget / limits::LOG_SEGMENTS_MIN
    );
    let labels = [("queue", "away"), ("reason", "budget")];
    let counted = simulation.counter("narthex_log_lost_samples_total", &labels);
    assert_eq!(counted, (dropped * series) as f64);
}
