//! A small log with a little of everything: two targets, changes of their series, every special
//! value, side tables, two epochs, three segments, positions. The recorded logs show it.

use super::*;
use crate::limits::KEY_BLOCK_INTERVAL;
use crate::model::block::{ScrapeBlock, SideTables};
use crate::model::exemplar::Exemplar;
use crate::model::histogram::{Buckets, CUSTOM_BUCKETS, Counts, NativeHistogram, ResetHint, Span};
use crate::model::labels::Labels;
use crate::model::metadata::{Family, MetricType};
use crate::model::series::{ChunkBuilder, SeriesChunk, SeriesList, TargetIdentity};
use crate::model::testing::Observed;
use crate::model::value::{ABSENT, NAN, STALE};

/// Scrapes of each target in the first segment: more than one key block apart.
const ROUNDS: u64 = KEY_BLOCK_INTERVAL as u64 + 4;

/// Scrapes of each target in the others.
const SHORT_ROUNDS: u64 = 5;

fn target(id: u64, job: &str) -> Arc<TargetIdentity> {
    let instance = format!("{job}.example:9100");
    Arc::new(TargetIdentity {
        id,
        job: job.into(),
        labels: Labels::from_pairs([("instance", instance.as_str()), ("job", job)]),
    })
}

fn chunk(name: &str, kind: MetricType, series: &[&[(&str, &str)]]) -> Arc<SeriesChunk> {
    let mut builder = ChunkBuilder::default();
    for labels in series {
        builder.push(
            [("__name__", name)]
                .into_iter()
                .chain(labels.iter().copied()),
        );
    }
    let family = Family::new(name, kind, &format!("Help of {name}."), "");
    Arc::new(builder.finish(Some(Arc::new(family))))
}

/// The two targets and what they expose.
struct Scene {
    node: Arc<SeriesList>,
    /// Before and after its series change.
    app: [Arc<SeriesList>; 2],
    epoch: EpochId,
    round: u64,
    /// What the last series of the application observes, if it has one for that.
    observed: Option<Observed>,
}

impl Scene {
    fn new(histograms: bool) -> Scene {
        let cpu: &[&[_]] = &[
            &[("cpu", "0"), ("mode", "idle")],
            &[("cpu", "0"), ("mode", "user")],
        ];
        let cpu = chunk("node_cpu_seconds_total", MetricType::Counter, cpu);
        let disk = chunk("disk.used", MetricType::Gauge, &[&[("path", "/a \"b\"\n")]]);
        let bucket: &[&[_]] = &[&[("le", "0.1")], &[("le", "+Inf")]];
        let bucket = chunk("app_seconds_bucket", MetricType::Histogram, bucket);
        // An own label wins over the target's, and an empty one removes it.
        let info: &[&[_]] = &[&[("instance", "inner"), ("job", "")]];
        let info = chunk("app_info", MetricType::Info, info);
        let (node, app) = (target(11, "node"), target(12, "app"));
        let latency = chunk("app_latency", MetricType::Histogram, &[&[("path", "/")]]);
        let list = |mut chunks: Vec<_>| {
            chunks.extend(histograms.then(|| Arc::clone(&latency)));
            Arc::new(SeriesList::new(Arc::clone(&app), chunks))
        };
        Scene {
            node: Arc::new(SeriesList::new(node, vec![cpu, disk])),
            app: [list(vec![Arc::clone(&bucket)]), list(vec![bucket, info])],
            epoch: EpochId(1),
            round: 0,
            observed: histograms.then(|| Observed::new(2, 5)),
        }
    }

    fn block(&self, series: &Arc<SeriesList>, values: &[f64], delay_ms: i64) -> ScrapeBlock {
        ScrapeBlock {
            sequence: Sequence::ZERO,
            epoch: self.epoch,
            offset_ms: self.round as i64 * 15_000 + delay_ms,
            series: Arc::clone(series),
            values: values.into(),
            side: None,
        }
    }

    /// One scrape of each target.
    fn next(&mut self) -> [ScrapeBlock; 2] {
        self.round += 1;
        let round = self.round as f64;
        let idle = 1000.0 + round * 14.93;
        let user = if self.round.is_multiple_of(4) {
            7.25
        } else {
            0.1 + 0.2
        };
        let used = match self.round % 9 {
            3 => NAN,
            5 => f64::INFINITY,
            7 => -0.0,
            8 => ABSENT,
            _ => 5e9 + round,
        };
        let mut node = self.block(&self.node, &[idle, user, used], 3);
        if self.round.is_multiple_of(6) {
            node.side = Some(Box::new(SideTables {
                timestamps: vec![(1, 1_600_000_000_000)],
                ..SideTables::default()
            }));
        }
        let app = match self.round % 12 {
            11 => self.block(&self.app[1], &[STALE, STALE, STALE], 20),
            6.. => self.block(&self.app[1], &[round, 2.0 * round, 1.0], 20),
            _ => self.with_exemplars(self.block(&self.app[0], &[round, 2.0 * round], 20)),
        };
        [node, self.with_histogram(app)]
    }

    /// Gives the application's last series its sample, if there is such a series: most times a
    /// histogram that counts, now and then a gauge with custom buckets or a float.
    fn with_histogram(&mut self, mut block: ScrapeBlock) -> ScrapeBlock {
        let round = self.round;
        let Some(observed) = &mut self.observed else {
            return block;
        };
        observed.observe(round % 4 * 3, 4.0);
        let gauge = NativeHistogram {
            reset_hint: ResetHint::Gauge,
            schema: CUSTOM_BUCKETS,
            zero_threshold: 0.0,
            counts: Counts::Float(Buckets {
                count: 2.5,
                zero: 0.0,
                positive: [0.5, round as f64].into(),
                negative: [].into(),
            }),
            positive_spans: [Span {
                offset: 1,
                length: 2,
            }]
            .into(),
            negative_spans: [].into(),
            custom_values: [0.1, 1.0, 2.5].into(),
        };
        let (value, histogram) = match round % 12 {
            11 => (STALE, None),
            3 => (12.5, Some(gauge)),
            4 => (observed.sum, None),
            _ => (observed.sum, Some(observed.histogram())),
        };
        let slot = block.values.len() as u32;
        block.values = block.values.iter().copied().chain([value]).collect();
        let side = block.side.get_or_insert_default();
        side.histograms.extend(histogram.map(|own| (slot, own)));
        side.starts = vec![
            (0, 1_699_999_000_000 + round as i64 / 20),
            (slot, 1_699_999_123_456),
        ];
        block
    }

    fn with_exemplars(&self, mut block: ScrapeBlock) -> ScrapeBlock {
        let exemplar = |trace: &str, value, timestamp_ms| Exemplar {
            labels: Labels::from_pairs([("trace_id", trace)]),
            value,
            timestamp_ms,
        };
        if self.round.is_multiple_of(3) {
            block.side = Some(Box::new(SideTables {
                exemplars: vec![
                    (0, exemplar("4bf92f", 0.04, Some(1_700_000_000_500))),
                    (1, exemplar("0af765", 0.2, None)),
                ],
                ..SideTables::default()
            }));
        }
        block
    }
}

fn begin_epoch(sim: &mut Sim, id: u32, frozen: bool) {
    let epoch = Epoch {
        id: EpochId(id),
        base_wall: Wall(1_700_000_000_000 + 3_600_000 * i64::from(id - 1)),
        frozen,
    };
    sim.opened.core.put_epoch(sim.clock.mono(), epoch);
}

fn scrape(sim: &mut Sim, scene: &mut Scene, rounds: u64) {
    for round in 0..rounds {
        for block in scene.next() {
            sim.opened.core.append(sim.clock.mono(), block);
        }
        // A frame holds two scrapes of each target.
        sim.pass(if round % 2 == 1 { 1_000 } else { 100 });
    }
    sim.pass(11_000);
}

/// The disk with the log, with native histograms and start timestamps or without.
pub(super) fn disk(histograms: bool) -> SimFs {
    let mut options = options();
    // Else frames are closed early, to make room in memory.
    options.ring_bytes = 1 << 20;
    let mut sim = Sim::new(0, options);
    let mut scene = Scene::new(histograms);
    // Holds everything back.
    let _waits = sim.opened.queues.register("two");
    let seat = sim.opened.queues.register("one");
    begin_epoch(&mut sim, 1, true);
    scrape(&mut sim, &mut scene, ROUNDS);
    seat.settled.with(|own| {
        own.insert(Sequence(1), Sequence(20));
        own.insert(Sequence(25), Sequence(28));
    });
    seat.totals.with(|own| {
        own.acknowledged = 61;
        own.abandoned = 2;
    });
    sim.opened.core.finish(sim.clock.mono());
    let disk = sim.disk.clone();
    sim = sim.restart(disk);
    // The clock was set: another epoch, frozen once it is believed.
    scene.epoch = EpochId(2);
    begin_epoch(&mut sim, 2, false);
    scrape(&mut sim, &mut scene, SHORT_ROUNDS);
    begin_epoch(&mut sim, 2, true);
    let disk = sim.disk.clone();
    sim = sim.restart(disk);
    scrape(&mut sim, &mut scene, SHORT_ROUNDS);
    let files = sim.disk.files();
    let named = |path: &Path| path.file_name().is_some_and(|name| name != "lock");
    SimFs::holding(files.into_iter().filter(|(path, _)| named(path)))
}
