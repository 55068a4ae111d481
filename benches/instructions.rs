//! Walks one of the hottest paths a given number of times, for a tool that counts
//! instructions (`packaging/scripts/instructions.sh`). Prints how many samples went along.
//!
//! `instructions PATH SCRAPES`, where PATH is one of those that `instructions` without arguments
//! lists. Two runs of different length differ by the path alone: what comes before is the same in
//! both.

#![expect(clippy::print_stdout, reason = "the samples are its result")]
#![expect(clippy::panic, reason = "a wrong command line ends it")]

#[path = "support/churn.rs"]
mod churn;
#[path = "support/pages.rs"]
mod pages;
#[path = "support/paths.rs"]
mod paths;

use std::hint::black_box;

use narthex::model::block::ScrapeBlock;
use narthex::remote::body::BodyBuilder;
use narthex::remote::outgoing::OutgoingCache;
use narthex::wire::version::Version;

/// The names of the paths, as they stand in `benches/instructions.txt`.
const PATHS: [&str; 8] = [
    "repeated_scrape",
    "first_scrape",
    "churned_scrape",
    "churned_log",
    "churned_request",
    "block_encode",
    "request_encode",
    "request_encode_v2",
];

/// The exporter whose pages are used: 542 rows, the page that edge machines show.
const EXPORTER: &str = "node_exporter.prom";

/// Targets whose scrapes share a request.
const TARGETS: usize = 10;

/// Of how many series one is another at each churned scrape.
const CHURN: usize = 20;

/// Reads pages of targets that were never scraped.
fn first_scrape(pages: &[String], scrapes: usize) -> usize {
    let config = paths::job("");
    let mut samples = 0;
    for step in 0..scrapes {
        let page = &pages[pages::there_and_back(pages.len(), step)];
        let mut target = paths::Target::new(1, &config);
        samples += black_box(target.scrape(page)).counts.scraped;
    }
    samples
}

/// One turn of pages of which each has some series that the one before had not.
fn churned(pages: &[String]) -> Vec<String> {
    let page = |step| {
        let page = &pages[pages::there_and_back(pages.len(), step)];
        churn::replaced(page, CHURN, step)
    };
    (0..CHURN * churn::GENERATIONS).map(page).collect()
}

/// Reads pages of which some series are new; what becomes of the blocks is up to `then`.
fn churned_scrape(
    pages: &[String],
    scrapes: usize,
    mut then: impl FnMut(Vec<ScrapeBlock>),
) -> usize {
    let pages = churned(pages);
    let mut target = paths::Target::new(1, &paths::job(""));
    let mut samples = 0;
    for step in 0..scrapes {
        let outcome = target.scrape(&pages[step % pages.len()]);
        samples += outcome.counts.scraped;
        then(outcome.blocks);
    }
    samples
}

/// The same, and encodes the blocks for the log.
fn churned_log(pages: &[String], scrapes: usize) -> usize {
    let mut encoder = paths::LogEncoder::default();
    churned_scrape(pages, scrapes, |blocks| {
        black_box(encoder.scrape(&blocks));
    })
}

/// The same, and makes a request of the blocks of ten targets, each of which is at its own step.
fn churned_request(pages: &[String], scrapes: usize) -> usize {
    let pages = churned(pages);
    let config = paths::job("");
    let shared = paths::surroundings();
    let targets = (0..TARGETS as u64).map(|number| paths::Target::beside(number, &config, &shared));
    let mut targets: Vec<_> = targets.collect();
    let mut cache = OutgoingCache::default();
    let mut builder = BodyBuilder::default();
    let mut samples = 0;
    for step in 0..scrapes / TARGETS {
        let mut blocks = Vec::new();
        for (number, target) in targets.iter_mut().enumerate() {
            let outcome = target.scrape(&pages[(step + number) % pages.len()]);
            samples += outcome.counts.scraped;
            blocks.extend(outcome.blocks);
        }
        let pieces = paths::pieces(&mut cache, blocks);
        black_box(paths::request(&mut builder, Version::V1, &pieces));
    }
    samples
}

/// Reads pages along those before; the series are known.
fn repeated_scrape(pages: &[String], scrapes: usize) -> usize {
    let mut target = paths::Target::new(1, &paths::job(""));
    paths::turn_of_blocks(&mut target, pages);
    let mut samples = 0;
    for step in 0..scrapes {
        let page = &pages[pages::there_and_back(pages.len(), step)];
        samples += black_box(target.scrape(page)).counts.scraped;
    }
    samples
}

/// Encodes blocks for the log; the definitions are written.
fn block_encode(pages: &[String], scrapes: usize) -> usize {
    let mut target = paths::Target::new(1, &paths::job(""));
    let turn = paths::turn_of_blocks(&mut target, pages);
    let mut encoder = paths::LogEncoder::default();
    for blocks in &turn {
        black_box(encoder.scrape(blocks));
    }
    let mut samples = 0;
    for blocks in turn.iter().cycle().take(scrapes) {
        black_box(encoder.scrape(blocks));
        samples += paths::samples_in(blocks);
    }
    samples
}

/// Makes requests that hold one scrape of each of ten targets, as a queue that keeps up does.
fn request_encode(version: Version, pages: &[String], scrapes: usize) -> usize {
    let config = paths::job("");
    let shared = paths::surroundings();
    // All of them live at once: what they have in common is stored once.
    let targets = (0..TARGETS as u64).map(|number| paths::Target::beside(number, &config, &shared));
    let mut targets: Vec<_> = targets.collect();
    let turns = targets
        .iter_mut()
        .map(|target| paths::turn_of_blocks(target, pages));
    let turns: Vec<_> = turns.collect();
    let mut cache = OutgoingCache::default();
    let requests: Vec<_> = (0..turns[0].len())
        .map(|step| {
            let blocks = turns.iter().flat_map(|turn| turn[step].iter().cloned());
            paths::pieces(&mut cache, blocks.collect())
        })
        .collect();
    let mut builder = BodyBuilder::default();
    let mut samples = 0;
    for pieces in requests.iter().cycle().take(scrapes / TARGETS) {
        black_box(paths::request(&mut builder, version, pieces));
        samples += pieces.iter().map(|piece| piece.samples).sum::<u64>();
    }
    samples as usize
}

fn main() {
    // Cargo adds this to the arguments of a bench.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| it != "--bench")
        .collect();
    let [path, scrapes] = arguments.as_slice() else {
        println!("{}", PATHS.join("\n"));
        return;
    };
    let scrapes = scrapes.parse().expect("a number of scrapes");
    let pages = pages::recorded().remove(EXPORTER).expect("recorded pages");
    let samples = match path.as_str() {
        "first_scrape" => first_scrape(&pages, scrapes),
        "churned_scrape" => churned_scrape(&pages, scrapes, |blocks| {
            black_box(blocks);
        }),
        "churned_log" => churned_log(&pages, scrapes),
        "churned_request" => churned_request(&pages, scrapes),
        "repeated_scrape" => repeated_scrape(&pages, scrapes),
        "block_encode" => block_encode(&pages, scrapes),
        "request_encode" => request_encode(Version::V1, &pages, scrapes),
        "request_encode_v2" => request_encode(Version::V2, &pages, scrapes),
        other => panic!("unknown path {other}: one of {}", PATHS.join(", ")),
    };
    println!("{samples}");
}
