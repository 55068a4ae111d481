//! The three paths that every sample takes, each with one call per scrape: a page that is read
//! along the last one, a block that is encoded for the log, a request. For benches, for counts of
//! instructions, and for counts of allocations.

use std::sync::Arc;
use std::time::Duration;

use narthex::config::load::{Files, Source, load};
use narthex::config::scrape::ScrapeConfig;
use narthex::exposition::protocol::Format;
use narthex::exposition::transcode::PageView;
use narthex::model::block::{EpochId, ScrapeBlock, Sequence};
use narthex::model::labels::Labels;
use narthex::model::series::TargetIdentity;
use narthex::model::time::{Mono, Wall};
use narthex::remote::body::BodyBuilder;
use narthex::remote::outgoing::OutgoingCache;
use narthex::remote::piece::{Item, Piece};
use narthex::remote::request::Rules;
use narthex::scrape::cache::interner::Interner;
use narthex::scrape::report::ReportSeries;
use narthex::scrape::target_loop::{Outcome, ScrapeTime, Shared, TargetLoop};
use narthex::wal::codec::body::Bodies;
use narthex::wal::codec::encoder::Encoder;
use narthex::wire::version::Version;

use super::pages::there_and_back;

/// Milliseconds between two scrapes.
const INTERVAL_MS: i64 = 15_000;

/// Wall time of the epoch, milliseconds since 1970.
const BASE_MS: i64 = 1_700_000_000_000;

/// A configuration without files.
pub(crate) struct NoFiles;

impl Files for NoFiles {
    fn glob(&self, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("{path} is not there"))
    }
}

/// The one job of `scrape_configs: [{job_name: node, MORE}]`.
pub(crate) fn job(more: &str) -> Arc<ScrapeConfig> {
    let text = format!("scrape_configs: [{{job_name: node{more}}}]");
    let source = Source {
        file: "bench.yml",
        text: &text,
        files: &NoFiles,
        environment: &|_| None,
        features: narthex::config::Features::default(),
    };
    let loaded = load(&source).expect("a valid configuration");
    Arc::clone(&loaded.config.scrape_configs[0])
}

/// What the targets of a fleet share.
pub(crate) fn surroundings() -> Shared {
    Shared {
        interner: Interner::default(),
        report: ReportSeries::default(),
        out_of_order_window_ms: 0,
        memory: narthex::telemetry::budget::MemoryBudget::unlimited(),
        offender: Default::default(),
    }
}

/// A target that is scraped every fifteen seconds.
pub(crate) struct Target {
    core: TargetLoop,
    scrapes: i64,
}

impl Target {
    /// A target that has not been scraped; `number` tells it from others.
    pub(crate) fn new(number: u64, config: &Arc<ScrapeConfig>) -> Target {
        Target::beside(number, config, &surroundings())
    }

    /// The same, of a fleet that shares what is alike.
    pub(crate) fn beside(number: u64, config: &Arc<ScrapeConfig>, shared: &Shared) -> Target {
        let instance = format!("host{number}.example.com:9100");
        let identity = TargetIdentity {
            id: number,
            job: "node".into(),
            labels: Labels::from_pairs([("instance", instance.as_str()), ("job", "node")]),
        };
        let timeout = Duration::from_secs(10);
        let (identity, shared) = (Arc::new(identity), shared.clone());
        Target {
            core: TargetLoop::new(identity, Arc::clone(config), timeout, shared),
            scrapes: 0,
        }
    }

    /// The next scrape shows this page of text.
    pub(crate) fn scrape(&mut self, page: &str) -> Outcome {
        self.scrape_as(Format::Text, page)
    }

    /// The same, in another format.
    pub(crate) fn scrape_as(&mut self, format: Format, page: &str) -> Outcome {
        self.page(&PageView::as_sent(format, page.as_bytes()))
    }

    /// The next scrape shows this page.
    pub(crate) fn page(&mut self, page: &PageView<'_>) -> Outcome {
        self.scrapes += 1;
        let offset_ms = INTERVAL_MS * self.scrapes;
        let at = ScrapeTime {
            epoch: EpochId(1),
            offset_ms,
            wall: Wall(BASE_MS + offset_ms),
        };
        let outcome = self.core.page(at, page, Duration::from_millis(5));
        assert_eq!(outcome.error, None, "a good page");
        outcome
    }
}

/// The blocks of one whole turn of the pages there and back, after a turn that made the series
/// known; they can be taken again and again.
pub(crate) fn turn_of_blocks(target: &mut Target, pages: &[String]) -> Vec<Vec<ScrapeBlock>> {
    let turn = (2 * pages.len()).saturating_sub(2).max(1);
    let mut scrape = |step| {
        target
            .scrape(&pages[there_and_back(pages.len(), step)])
            .blocks
    };
    for step in 0..turn {
        scrape(step);
    }
    (turn..2 * turn).map(scrape).collect()
}

/// Samples in the blocks of a scrape.
pub(crate) fn samples_in(blocks: &[ScrapeBlock]) -> usize {
    blocks.iter().map(ScrapeBlock::sample_count).sum()
}

/// The encoder of the log, without files.
#[derive(Default)]
pub(crate) struct LogEncoder {
    encoder: Encoder,
    bodies: Bodies,
    last: u64,
    offset: u64,
}

impl LogEncoder {
    /// Encodes the blocks of one scrape, [`INTERVAL_MS`] after the one before, and closes the
    /// frame. Returns the number of its first block, and its bytes before checksum and header.
    pub(crate) fn scrape(&mut self, blocks: &[ScrapeBlock]) -> (Sequence, Vec<u8>) {
        let first = Sequence(self.last + 1);
        for block in blocks {
            self.last += 1;
            let numbered = Arc::new(ScrapeBlock {
                sequence: Sequence(self.last),
                offset_ms: INTERVAL_MS * self.last as i64,
                ..block.clone()
            });
            let now = Mono::from_millis(self.last);
            self.encoder
                .encode(now, self.offset, &numbered, &mut self.bodies)
                .expect("a block that fits");
        }
        self.bodies.close();
        let mut bytes = Vec::new();
        while let Some(body) = self.bodies.pop() {
            bytes.extend_from_slice(&body.bytes);
        }
        self.offset += bytes.len() as u64;
        (first, bytes)
    }
}

/// Blocks as an endpoint takes them.
pub(crate) fn pieces(cache: &mut OutgoingCache, blocks: Vec<ScrapeBlock>) -> Vec<Piece> {
    late_pieces(cache, blocks, 0)
}

/// The same, of a target that is scraped that many milliseconds after others.
pub(crate) fn late_pieces(
    cache: &mut OutgoingCache,
    blocks: Vec<ScrapeBlock>,
    late_ms: i64,
) -> Vec<Piece> {
    let external = Labels::from_pairs([("site", "bench")]);
    let item = |block: ScrapeBlock| Item {
        wall_ms: BASE_MS + block.offset_ms + late_ms,
        outgoing: cache.get(&block.series, &external, &[]),
        block: Arc::new(block),
        arrived: Mono(0),
    };
    blocks.into_iter().map(item).map(Piece::whole).collect()
}

/// Makes one request of the pieces; returns the bytes of its body.
pub(crate) fn request(builder: &mut BodyBuilder, version: Version, pieces: &[Piece]) -> usize {
    let rules = Rules {
        oldest_ms: i64::MIN,
        exemplars: true,
        histograms: true,
    };
    let counts = builder.build(version.into(), pieces, rules).expect("built");
    let expected: u64 = pieces.iter().map(|piece| piece.samples).sum();
    assert_eq!(counts.all(), expected);
    builder.finish().expect("finished").len()
}
