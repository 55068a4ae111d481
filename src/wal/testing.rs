//! Scrapes for tests: a few targets whose series and values change as exporters' do.

use std::sync::Arc;

use crate::model::block::{EpochId, ScrapeBlock, Sequence, SideTables};
use crate::model::exemplar::Exemplar;
use crate::model::labels::Labels;
use crate::model::metadata::{Family, MetricType};
use crate::model::series::{ChunkBuilder, SeriesChunk, SeriesList, TargetIdentity};
use crate::model::testing::Observed;
use crate::model::value::{ABSENT, NAN, STALE};
use crate::sys::jitter::Jitter;

/// A source of scrapes; the same seed gives the same ones.
#[derive(Debug)]
pub(crate) struct Workload {
    dice: Jitter,
    targets: Vec<Target>,
    turn: usize,
    pub(crate) epoch: EpochId,
}

#[derive(Debug)]
struct Target {
    identity: Arc<TargetIdentity>,
    chunks: Vec<Arc<SeriesChunk>>,
    list: Arc<SeriesList>,
    values: Vec<f64>,
    offset_ms: i64,
    /// What one of its series observes, in some scrapes.
    observed: Observed,
}

impl Workload {
    pub(crate) fn new(seed: u64, targets: usize) -> Workload {
        let mut dice = Jitter::seeded(seed);
        let shared: Vec<_> = (0..6).map(|family| chunk(&mut dice, family)).collect();
        let targets = (0..targets).map(|n| Target::new(n, &shared)).collect();
        Workload {
            dice,
            targets,
            turn: 0,
            epoch: EpochId(1),
        }
    }

    fn below(&mut self, limit: u64) -> usize {
        (self.dice.next_u64() % limit) as usize
    }

    /// The next scrape, of the next target in turn.
    pub(crate) fn next_block(&mut self) -> ScrapeBlock {
        let turn = self.turn % self.targets.len();
        self.turn += 1;
        if self.below(8) == 0 {
            let family = self.below(6);
            let fresh = chunk(&mut self.dice, family as u64);
            self.targets[turn].replace(family, fresh);
        }
        let (dice, target) = (&mut self.dice, &mut self.targets[turn]);
        for value in &mut target.values {
            *value = step(dice, *value);
        }
        target.offset_ms += 15_000 + (dice.next_u64() % 3) as i64;
        let mut values = target.values.clone();
        let mut side = side(dice, values.len());
        if dice.next_u64().is_multiple_of(3) {
            target.observed.observe(dice.next_u64() % 40, 4.0);
            let last = values.len() - 1;
            values[last] = target.observed.sum;
            let side = side.get_or_insert_default();
            side.histograms = vec![(last as u32, target.observed.histogram())];
            side.starts = vec![(0, 1_700_000_000_000 - (dice.next_u64() % 2) as i64)];
        }
        ScrapeBlock {
            sequence: Sequence::ZERO,
            epoch: self.epoch,
            offset_ms: target.offset_ms,
            series: Arc::clone(&target.list),
            values: values.into_boxed_slice(),
            side,
        }
    }
}

impl Target {
    fn new(number: usize, chunks: &[Arc<SeriesChunk>]) -> Target {
        let instance = format!("host{number}:9100");
        let identity = Arc::new(TargetIdentity {
            id: 1000 + number as u64,
            job: "node".into(),
            labels: Labels::from_pairs([("instance", instance.as_str()), ("job", "node")]),
        });
        let list = Arc::new(SeriesList::new(Arc::clone(&identity), chunks.to_vec()));
        Target {
            identity,
            chunks: chunks.to_vec(),
            values: vec![0.0; list.len()],
            list,
            offset_ms: number as i64 * 100,
            observed: Observed::new(3, number as u64),
        }
    }

    fn replace(&mut self, family: usize, chunk: Arc<SeriesChunk>) {
        self.chunks[family] = chunk;
        let identity = Arc::clone(&self.identity);
        self.list = Arc::new(SeriesList::new(identity, self.chunks.clone()));
        self.values.resize(self.list.len(), 0.0);
    }
}

fn chunk(dice: &mut Jitter, family: u64) -> Arc<SeriesChunk> {
    let name = format!("metric_{family}_total");
    let mut builder = ChunkBuilder::default();
    let salt = dice.next_u64() % 1000;
    for series in 0..1 + dice.next_u64() % 5 {
        let path = format!("/path/{salt}/{series}");
        builder.push([("__name__", name.as_str()), ("path", path.as_str())]);
    }
    let named = !family.is_multiple_of(3);
    let family = named.then(|| {
        let help = "Something that is counted.";
        Arc::new(Family::new(&name, MetricType::Counter, help, ""))
    });
    Arc::new(builder.finish(family))
}

fn step(dice: &mut Jitter, value: f64) -> f64 {
    match dice.next_u64() % 40 {
        0..20 => value,
        20..30 => value + 1.0,
        30..35 => (dice.next_u64() % 100_000) as f64 / 100.0,
        35 => dice.fraction(),
        36 => f64::from_bits(dice.next_u64()),
        37 => STALE,
        38 => ABSENT,
        _ => NAN,
    }
}

fn side(dice: &mut Jitter, slots: usize) -> Option<Box<SideTables>> {
    if !dice.next_u64().is_multiple_of(5) {
        return None;
    }
    let exemplar = Exemplar {
        labels: Labels::from_pairs([("trace_id", format!("{:x}", dice.next_u64()))]),
        value: 0.5,
        timestamp_ms: None,
    };
    Some(Box::new(SideTables {
        timestamps: vec![
            (0, 1_700_000_000_000),
            (slots as u32 - 1, 1_700_000_000_123),
        ],
        exemplars: vec![(0, exemplar)],
        ..SideTables::default()
    }))
}

/// Everything that must survive, as text.
pub(crate) fn render(block: &ScrapeBlock) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "{} {} {} {:?} {:?}\n",
        block.sequence.0,
        block.epoch.0,
        block.offset_ms,
        block.series.target(),
        block.side
    );
    for (slot, (chunk, index)) in block.series.iter().enumerate() {
        let labels = Labels::from_pairs(block.series.labels(chunk, index));
        let family = chunk.family().map(|family| family.name());
        let bits = block.values[slot].to_bits();
        writeln!(text, "{labels} {family:?} {bits:x}").expect("written");
    }
    text
}
