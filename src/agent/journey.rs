//! The way of native histograms and start timestamps: from a block through the log, its restart and a
//! request of either version to what `narthex receive` makes of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use crate::model::block::{EpochId, ScrapeBlock, Sequence, SideTables};
use crate::model::histogram::{CUSTOM_BUCKETS, NativeHistogram};
use crate::model::labels::Labels;
use crate::model::line;
use crate::model::series::{ChunkBuilder, SeriesList, TargetIdentity};
use crate::model::source::{BlockSource, Next};
use crate::model::testing::{Observed, histogram};
use crate::model::time::{Mono, Wall};
use crate::receive::decode::{decode, decode_v2};
use crate::receive::message::{Message, Series};
use crate::receive::resolve::resolve;
use crate::remote::body::BodyBuilder;
use crate::remote::outgoing::OutgoingCache;
use crate::remote::piece::{Item, Piece};
use crate::remote::request::Rules;
use crate::sys::clock::ManualClock;
use crate::sys::fs_sim::SimFs;
use crate::telemetry::registry::Registry;
use crate::wal::open::{Opened, Options, open};
use crate::wal::reader::LogReader;
use crate::wire::version::Version;

const SERIES: usize = 3;

fn list() -> Arc<SeriesList> {
    let mut series = ChunkBuilder::default();
    for number in 0..SERIES {
        let number = number.to_string();
        series.push([("__name__", "seconds"), ("n", number.as_str())]);
    }
    let identity = TargetIdentity {
        id: 1,
        job: "j".into(),
        labels: Labels::from_pairs([("job", "j")]),
    };
    let chunk = Arc::new(series.finish(None));
    Arc::new(SeriesList::new(Arc::new(identity), vec![chunk]))
}

/// One series of one scrape.
#[derive(Clone, Debug)]
struct Cell {
    value: f64,
    histogram: Option<NativeHistogram>,
    start: Option<i64>,
}

fn block(list: &Arc<SeriesList>, number: usize, cells: &[Cell]) -> ScrapeBlock {
    let mut side = SideTables::default();
    for (slot, cell) in (0..).zip(cells) {
        side.histograms
            .extend(cell.histogram.clone().map(|own| (slot, own)));
        side.starts.extend(cell.start.map(|start| (slot, start)));
    }
    ScrapeBlock {
        sequence: Sequence::ZERO,
        epoch: EpochId(1),
        offset_ms: 1000 * (number as i64 + 1),
        series: Arc::clone(list),
        values: cells.iter().map(|cell| cell.value).collect(),
        side: (!side.is_empty()).then(|| Box::new(side)),
    }
}

fn start(disk: &SimFs) -> Opened {
    let options = Options {
        budget_bytes: 64 << 20,
        age_max: None,
        sync_interval: Duration::from_secs(10),
        ring_bytes: 1 << 20,
        stage_dir: None,
    };
    let clock = Arc::new(ManualClock::new(Mono::from_millis(1), Wall(0)));
    let storage = Arc::new(disk.clone());
    open(
        Path::new("/data"),
        options,
        storage,
        clock,
        &Registry::default(),
    )
    .expect("a log")
}

/// Blocks as a log gives them after a restart, and its bytes.
fn logged(blocks: Vec<ScrapeBlock>) -> (Vec<Arc<ScrapeBlock>>, usize) {
    let disk = SimFs::default();
    let mut opened = start(&disk);
    let _waits = opened.queues.register("q");
    for block in blocks {
        opened.core.append(Mono::from_millis(2), block);
    }
    opened.core.finish(Mono::from_millis(3));
    drop(opened);
    let files = disk.files();
    let segments = files
        .iter()
        .filter(|(path, _)| path.extension() == Some("seg".as_ref()));
    let bytes = segments.map(|(_, bytes)| bytes.len()).sum();
    let opened = start(&SimFs::holding(files));
    let mut reader = LogReader::onlooker(Arc::clone(&opened.log));
    let mut read = Vec::new();
    let mut after = Sequence::ZERO;
    while let Next::Block(block) = reader.next(after).expect("readable") {
        after = block.sequence;
        read.push(block);
    }
    (read, bytes)
}

fn pieces(blocks: &[Arc<ScrapeBlock>]) -> Vec<Piece> {
    let mut cache = OutgoingCache::default();
    let piece = |block: &Arc<ScrapeBlock>| {
        Piece::whole(Item {
            block: Arc::clone(block),
            wall_ms: block.offset_ms,
            outgoing: cache.get(&block.series, &Labels::default(), &[]),
            arrived: Mono(0),
        })
    };
    blocks.iter().map(piece).collect()
}

/// The body of a request with these blocks.
fn sent(version: Version, blocks: &[Arc<ScrapeBlock>]) -> Vec<u8> {
    let rules = Rules {
        oldest_ms: i64::MIN,
        exemplars: true,
        histograms: true,
    };
    let mut builder = BodyBuilder::default();
    builder
        .build(version.into(), &pieces(blocks), rules)
        .expect("built");
    builder.finish().expect("finished").to_vec()
}

fn received(version: Version, body: &[u8]) -> Message {
    match version {
        Version::V1 => decode(body).expect("a message").into(),
        Version::V2 => {
            let message = decode_v2(body).expect("a message");
            resolve(&message, |broken| panic!("{broken:?}")).expect("resolved")
        }
    }
}

/// The samples as lines, each as it was scraped; sorted, because requests put series together.
fn expected(version: Version, scrapes: &[Vec<Cell>]) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, cells) in scrapes.iter().enumerate() {
        for (series, cell) in cells.iter().enumerate() {
            let is_custom = |own: &NativeHistogram| own.schema == CUSTOM_BUCKETS;
            if version == Version::V1 && cell.histogram.as_ref().is_some_and(is_custom) {
                continue;
            }
            let number_of = series.to_string();
            let labels = [("__name__", "seconds"), ("job", "j"), ("n", &*number_of)];
            let mut line = String::new();
            let sample = line::Sample {
                value: cell.value,
                histogram: cell.histogram.as_ref(),
                timestamp_ms: Some(1000 * (number as i64 + 1)),
                start_ms: cell
                    .start
                    .filter(|start| version == Version::V2 && *start != 0),
            };
            line::write_sample(&mut line, labels.into_iter(), sample);
            lines.push(line);
        }
    }
    lines.sort();
    lines
}

fn shown(message: &Message) -> Vec<String> {
    let mut lines: Vec<String> = message.series.iter().flat_map(Series::lines).collect();
    lines.sort();
    lines
}

/// Scrapes whose series are floats and histograms, most as in the scrape before.
fn scrapes() -> impl Strategy<Value = Vec<Vec<Cell>>> {
    let cell = || {
        let own = (
            any::<i32>(),
            prop::option::of(histogram()),
            prop::option::of(-5i64..5),
        );
        own.prop_map(|(value, histogram, start)| Cell {
            value: f64::from(value) / 8.0,
            histogram,
            start,
        })
    };
    let changes = prop::collection::vec(
        prop::collection::vec(prop::option::of(cell()), SERIES),
        0..6,
    );
    (prop::collection::vec(cell(), SERIES), changes).prop_map(|(first, changes)| {
        let mut all = vec![first];
        for change in changes {
            let mut next = all[all.len() - 1].clone();
            for (own, change) in next.iter_mut().zip(change) {
                *own = change.unwrap_or_else(|| own.clone());
            }
            all.push(next);
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_scraped_is_received(scrapes in scrapes()) {
        let list = list();
        let blocks = scrapes.iter().enumerate();
        let blocks = blocks.map(|(number, cells)| block(&list, number, cells));
        let (read, _) = logged(blocks.collect());
        prop_assert_eq!(read.len(), scrapes.len());
        for version in [Version::V1, Version::V2] {
            let message = received(version, &sent(version, &read));
            prop_assert_eq!(shown(&message), expected(version, &scrapes));
        }
    }
}

/// Latencies as a client library counts them, in the finest buckets that are used in practice.
#[test]
fn bytes_of_a_histogram_are_few() {
    const SCRAPES: usize = 64;
    for (schema, warm, between, bounds) in [
        (3, 20_000, 20, [25.0, 150.0, 160.0]),
        (5, 100_000, 20, [40.0, 420.0, 430.0]),
    ] {
        let mut observed: Vec<Observed> = (0..SERIES as u64)
            .map(|seed| Observed::new(schema, seed))
            .collect();
        observed.iter_mut().for_each(|own| own.observe(warm, 8.0));
        let list = list();
        let mut buckets = 0;
        let blocks = (0..SCRAPES).map(|number| {
            let cells = observed.iter_mut().map(|own| {
                own.observe(between, 8.0);
                buckets = own.histogram().bucket_count();
                Cell {
                    value: own.sum,
                    histogram: Some(own.histogram()),
                    start: Some(1_700_000_000_000),
                }
            });
            block(&list, number, &cells.collect::<Vec<_>>())
        });
        let (read, log_bytes) = logged(blocks.collect());
        let samples = (SCRAPES * SERIES) as f64;
        // A request of one scrape shows what is sent while all is well.
        let wire = [Version::V1, Version::V2].map(|version| {
            let bodies = read
                .iter()
                .map(|block| sent(version, std::slice::from_ref(block)).len());
            bodies.sum::<usize>() as f64 / samples
        });
        let log = log_bytes as f64 / samples;
        println!(
            "{buckets} buckets, {between} observations a scrape: log {log:.1}, 1.0 {:.1}, 2.0 {:.1}",
            wire[0], wire[1]
        );
        let all = [log, wire[0], wire[1]];
        assert!(
            all.iter().zip(bounds).all(|(own, bound)| *own <= bound),
            "{all:?}"
        );
    }
}
