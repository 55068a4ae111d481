//! Recorded pages of real exporters, sixteen consecutive ones of each, through the whole way from
//! text to the log and to the wire: `tests/data/exporters.tar.xz`, unpacked with `tar` and `xz`.

#[allow(dead_code, reason = "the order in which benches play them")]
#[path = "../../benches/support/pages.rs"]
mod pages;
#[allow(dead_code, reason = "shared with the benches, which use all of it")]
#[path = "../../benches/support/paths.rs"]
mod paths;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use narthex::exposition::key::{SeriesText, parse_key};
use narthex::exposition::line::{Item, LineParser};
use narthex::exposition::protocol::Format;
use narthex::exposition::transcode::PageView;
use narthex::model::block::{EpochId, ScrapeBlock};
use narthex::model::labels::Labels;
use narthex::model::series::TargetIdentity;
use narthex::model::time::{Mono, Wall};
use narthex::model::timeline::Epoch;
use narthex::model::value::{is_absent, is_stale};
use narthex::scrape::target_loop::{ScrapeTime, Shared, TargetLoop};
use narthex::sys::clock::{Clock, ManualClock};
use narthex::sys::fs::RealFs;
use narthex::telemetry::registry::Registry;
use narthex::wal;

use self::pages::recorded;

/// Rows of a page by labels, read one by one without any cache.
fn naive(page: &str) -> BTreeMap<Labels, u64> {
    let mut parser = LineParser::new(Format::Text);
    let mut rest = page.as_bytes();
    let mut rows = BTreeMap::new();
    let mut series = SeriesText::default();
    while let Some((item, used)) = parser.step(rest, true).expect("a valid page") {
        if let Item::Row(row) = item {
            parse_key(row.key, Format::Text, &mut series).expect("a valid series");
            let kind = parser.kind();
            let normal = series.iter().map(|(name, value)| {
                let own = narthex::exposition::normalize::label_value(kind, name, value);
                (name.to_owned(), own.unwrap_or_else(|| value.to_owned()))
            });
            rows.insert(Labels::from_pairs(normal), row.tail.value.to_bits());
        }
        rest = &rest[used..];
    }
    rows
}

fn target(name: &str) -> TargetLoop {
    let text = format!("scrape_configs: [{{job_name: {name:?}}}]");
    let source = narthex::config::load::Source {
        file: "test.yml",
        text: &text,
        files: &NoFiles,
        environment: &|_| None,
        features: narthex::config::Features::default(),
    };
    let loaded = narthex::config::load::load(&source).expect("a valid configuration");
    let identity = TargetIdentity {
        id: 1,
        job: name.into(),
        labels: Labels::default(),
    };
    let shared = Shared {
        interner: narthex::scrape::cache::interner::Interner::default(),
        report: narthex::scrape::report::ReportSeries::default(),
        out_of_order_window_ms: 0,
        memory: narthex::telemetry::budget::MemoryBudget::unlimited(),
        offender: Default::default(),
    };
    let config = Arc::clone(&loaded.config.scrape_configs[0]);
    TargetLoop::new(Arc::new(identity), config, Duration::from_secs(10), shared)
}

/// The test configuration names no files.
struct NoFiles;

impl narthex::config::load::Files for NoFiles {
    fn glob(&self, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("{path} is not there"))
    }
}

fn at(scrape: usize) -> ScrapeTime {
    let offset_ms = 15_000 * (scrape as i64 + 1);
    ScrapeTime {
        epoch: EpochId(1),
        offset_ms,
        wall: Wall(1_700_000_000_000 + offset_ms),
    }
}

fn scrape(target: &mut TargetLoop, number: usize, page: &str) -> Vec<ScrapeBlock> {
    let body = page.as_bytes();
    let outcome = target.page(
        at(number),
        &PageView::as_sent(Format::Text, body),
        Duration::from_millis(5),
    );
    assert_eq!(outcome.error, None);
    outcome.blocks
}

fn is_report(labels: &Labels) -> bool {
    let name = labels.get("__name__").unwrap_or_default();
    name == "up" || name.starts_with("scrape_")
}

/// Values and markers of the page's series in a scrape's blocks.
fn content(blocks: &[ScrapeBlock]) -> (BTreeMap<Labels, u64>, BTreeSet<Labels>) {
    let (mut values, mut ended) = (BTreeMap::new(), BTreeSet::new());
    for block in blocks {
        for ((chunk, index), value) in block.series.iter().zip(block.values.iter()) {
            let labels = Labels::from_pairs(block.series.labels(chunk, index));
            if is_absent(*value) || is_report(&labels) {
                continue;
            }
            if is_stale(*value) {
                ended.insert(labels);
            } else {
                values.insert(labels, value.to_bits());
            }
        }
    }
    (values, ended)
}

#[test]
fn every_page_becomes_the_samples_and_markers_it_stands_for() {
    for (exporter, pages) in recorded() {
        assert_eq!(pages.len(), 16, "{exporter}");
        let mut target = target(&exporter);
        let mut before: BTreeMap<Labels, u64> = BTreeMap::new();
        for (number, page) in pages.iter().enumerate() {
            let expected = naive(page);
            assert!(expected.len() > 250, "{exporter}");
            let (values, ended) = content(&scrape(&mut target, number, page));
            assert!(values == expected, "{exporter}.{number}");
            let gone = before
                .keys()
                .filter(|labels| !expected.contains_key(labels));
            assert_eq!(ended, gone.cloned().collect(), "{exporter}.{number}");
            before = expected;
        }
    }
}

/// Bytes a sample of the log when the sixteen pages are played forwards and backwards, every
/// definition, key block, frame and checksum included.
fn log_bytes_per_sample(pages: &[String], turns: usize) -> f64 {
    let folder = tempfile::tempdir().expect("folder");
    let clock = Arc::new(ManualClock::new(
        Mono::from_millis(1),
        Wall(1_700_000_000_000),
    ));
    let options = wal::Options {
        budget_bytes: 512 << 20,
        age_max: None,
        sync_interval: Duration::from_secs(10),
        ring_bytes: 1 << 20,
        stage_dir: None,
    };
    let registry = Registry::default();
    let shared_clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let opened = wal::open::open(
        folder.path(),
        options,
        Arc::new(RealFs),
        shared_clock,
        &registry,
    );
    let mut opened = opened.expect("an empty folder");
    let epoch = Epoch {
        id: EpochId(1),
        base_wall: clock.wall(),
        frozen: true,
    };
    opened.core.put_epoch(clock.mono(), epoch);
    let reader = opened.queues.register("reader");
    let (mut target, mut samples) = (target("log"), 0);
    for turn in 0..turns {
        let forwards = (0..pages.len()).map(|index| {
            if turn % 2 == 0 {
                index
            } else {
                pages.len() - 1 - index
            }
        });
        for (step, index) in forwards.enumerate() {
            for block in scrape(&mut target, turn * pages.len() + step, &pages[index]) {
                samples += block.sample_count();
                opened.core.append(clock.mono(), block);
            }
            clock.advance_ms(15_000);
            opened.core.tick(clock.mono());
        }
    }
    opened.core.finish(clock.mono());
    drop(reader);
    opened.core.status().bytes as f64 / samples as f64
}

#[test]
fn the_log_stays_small_on_real_pages() {
    let pages = recorded();
    // What was measured when the coding was made, with a twentieth to spare; a change that costs more
    // should be a decision. Turns enough for segments to roll, fewer where a page is large.
    for (exporter, turns, limit) in [
        ("node_exporter.prom", 64, 0.72),
        ("consul.prom", 64, 0.49),
        ("prometheus.prom", 64, 0.485),
        ("haproxy.prom", 64, 0.28),
        ("etcd.prom", 16, 0.235),
        ("kube_apiserver.prom", 4, 0.295),
    ] {
        let found = log_bytes_per_sample(&pages[exporter], turns);
        println!("{exporter}: {found:.3} bytes a sample");
        assert!(
            found <= limit,
            "{exporter}: {found:.3} bytes a sample, at most {limit}"
        );
    }
}
