//! A large backlog does not delay a start, nor the first scrape after it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use narthex::limits;
use narthex::model::block::{EpochId, ScrapeBlock, Sequence};
use narthex::model::labels::Labels;
use narthex::model::series::{ChunkBuilder, SeriesList, TargetIdentity};
use narthex::model::timeline::Epoch;
use narthex::sys::clock::{Clock, SystemClock};
use narthex::sys::fs::RealFs;
use narthex::telemetry::registry::Registry;
use narthex::wal::Options;
use narthex::wal::open::open;

use super::super::support::{effort, segment, wait};
use super::Scene;

/// Series of the target whose scrapes fill the log.
const SERIES: u32 = 1000;

/// What a start may take longer than one without a backlog: the newest segment is read.
const LONGER: Duration = Duration::from_millis(if cfg!(debug_assertions) { 5000 } else { 500 });

fn list() -> Arc<SeriesList> {
    let identity = TargetIdentity {
        id: 1,
        job: "filler".into(),
        labels: Labels::from_pairs([("instance", "host:9100"), ("job", "filler")]),
    };
    let mut builder = ChunkBuilder::default();
    for number in 0..SERIES {
        builder.push([
            ("__name__", "filler"),
            ("number", number.to_string().as_str()),
        ]);
    }
    let chunks = vec![Arc::new(builder.finish(None))];
    Arc::new(SeriesList::new(Arc::new(identity), chunks))
}

/// Fills the log below `data` with scrapes whose values no codec makes smaller.
fn fill(data: &Path, bytes: u64) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = Options {
        budget_bytes: 4 << 30,
        age_max: None,
        sync_interval: Duration::from_secs(3600),
        ring_bytes: limits::RING_BYTES,
        stage_dir: None,
    };
    let storage = Arc::new(RealFs);
    let registry = Registry::default();
    let given = Arc::clone(&clock);
    let mut opened = open(data, options, storage, given, &registry).expect("opens");
    let last = opened.timeline.load().last().map_or(0, |last| last.id.0);
    let epoch = Epoch {
        id: EpochId(last + 1),
        base_wall: clock.wall(),
        frozen: true,
    };
    opened.core.put_epoch(clock.mono(), epoch);
    let (list, mut dice) = (list(), effort::dice("backlog"));
    let written = registry.counter("narthex_log_written_bytes_total", "", &[]);
    while written.get() < bytes as f64 {
        let values = (0..SERIES).map(|_| f64::from_bits(dice.next_u64() >> 2));
        let block = ScrapeBlock {
            sequence: Sequence::ZERO,
            epoch: epoch.id,
            offset_ms: 0,
            series: Arc::clone(&list),
            values: values.collect(),
            side: None,
        };
        opened.core.append(clock.mono(), block);
    }
    opened.core.finish(clock.mono());
}

/// How long it takes until the agent is ready and until it has scraped, from its launch.
fn start(scene: &mut Scene) -> (Duration, Duration) {
    let scrapes = |scene: &Scene| scene.ledger.times().iter().map(Vec::len).sum::<usize>();
    let before = scrapes(scene);
    let begun = wait::now();
    scene.agent.launch();
    wait::until_true("the first scrape", wait::LONG, || scrapes(scene) > before);
    let scraped = wait::now() - begun;
    scene.agent.wait_until_ready();
    (wait::now() - begun, scraped)
}

#[test]
fn a_large_backlog_delays_neither_start_nor_first_scrape() {
    let mut scene = Scene::new(1, 25);
    if scene.agent.kind.is_excused("its log is not ours to fill") {
        return;
    }
    scene.agent = scene.agent.flags(&["--storage.agent.max-bytes=4GB"]);
    scene.receiver.go_away();
    let empty = start(&mut scene);
    scene.ledger.wait_for(3);
    scene.agent.terminate();
    fill(&scene.agent.data(), effort::pick(24 << 20, 1 << 30));
    let paths = segment::list(&scene.agent.data());
    let sizes = paths
        .iter()
        .map(|path| std::fs::metadata(path).expect("there").len());
    let backlog: u64 = sizes.sum();
    let full = start(&mut scene);
    println!(
        "ready and first scrape after {empty:?} with no log, {full:?} with {} segments of {backlog} bytes; \
         {} MiB resident, peak {}",
        paths.len(),
        scene.agent.resident_bytes() >> 20,
        scene.agent.peak_bytes() >> 20,
    );
    assert!(full.0 < empty.0 + LONGER && full.1 < empty.1 + LONGER);
}
