//! Calls of the allocator while nothing changes but values: a scrape that shows the series of the
//! one before must cost none per sample and none per series, on none of the three paths. Pages of
//! 100 and of 10,000 series are compared. New series are paid for by families, and by nobody else.

use std::sync::Arc;
use std::time::Duration;

use narthex::config::scrape::ScrapeConfig;
use narthex::exposition::protocol::Format;
use narthex::limits;
use narthex::model::block::ScrapeBlock;
use narthex::model::labels::Labels;
use narthex::model::series::TargetIdentity;
use narthex::remote::body::BodyBuilder;
use narthex::remote::outgoing::OutgoingCache;
use narthex::scrape::target_loop::TargetLoop;
use narthex::sys::clock::Clock;
use narthex::wire::version::Version;

use crate::counting::measure;
use crate::log::Log;
use crate::paths::{Target, job, pieces, request, surroundings};

const FEW: usize = 100;
const MANY: usize = 10_000;

/// Scrapes before anything is counted: buffers have their size by then.
const WARM: usize = 40;

/// Scrapes that are counted.
const COUNTED: usize = 40;

/// Key blocks among them, at most: they stand alone, and are compared apart.
const KEYS: usize = COUNTED.div_ceil(limits::KEY_BLOCK_INTERVAL as usize);

/// A page of families of two series; every third value changes from round to round.
fn page(series: usize, round: usize) -> String {
    let mut out = String::new();
    for family in 0..series / 2 {
        let name = format!("memory_metric_{family}_total");
        let value = family * 7 + if family % 3 == 0 { round * 13 } else { 0 };
        out += &format!("# HELP {name} What it counts.\n# TYPE {name} counter\n");
        out += &format!("{name}{{device=\"a\"}} {value}\n{name}{{device=\"b\"}} {value}.5\n");
    }
    out
}

/// Calls in the counted rounds, fewest first; the first rounds only warm up.
fn calls(mut round: impl FnMut(usize) -> usize) -> Vec<usize> {
    for number in 0..WARM {
        round(number);
    }
    let mut counted: Vec<usize> = (WARM..WARM + COUNTED).map(round).collect();
    counted.sort_unstable();
    counted
}

/// Blocks of consecutive scrapes of one target.
fn blocks(series: usize) -> impl FnMut(usize) -> ScrapeBlock {
    let mut target = Target::new(1, &job(""));
    move |round| {
        let mut blocks = target.scrape(&page(series, round)).blocks;
        assert_eq!(blocks.len(), 1, "nothing vanished");
        blocks.remove(0)
    }
}

fn page_calls(series: usize) -> Vec<usize> {
    let mut target = Target::new(1, &job(""));
    calls(|round| {
        let page = page(series, round);
        let (outcome, taken) = measure(|| target.scrape(&page));
        assert_eq!(outcome.counts.scraped, series);
        taken.calls
    })
}

#[test]
fn a_repeated_scrape_allocates_nothing_per_series() {
    let (few, many) = (page_calls(FEW), page_calls(MANY));
    println!("page: {few:?} calls for {FEW} series, {many:?} for {MANY}");
    // The values, which are cut to their size, and the list of blocks.
    assert_eq!((few, many), (vec![3; COUNTED], vec![3; COUNTED]));
}

#[test]
fn a_first_scrape_allocates_by_families() {
    for series in [FEW, MANY] {
        let page = page(series, 0);
        let config = job("");
        let (outcome, taken) = measure(|| Target::new(1, &config).scrape(&page));
        assert_eq!(outcome.counts.series_added, series);
        println!("first page: {} calls for {series} series", taken.calls);
        // A family, its texts, two chunks and what is in them; buffers and tables that grow.
        assert!(
            taken.calls <= 6 * (series / 2) + 160,
            "{} calls",
            taken.calls
        );
    }
}

/// Calls for a page in whose middle a series is another one than before.
fn churned_calls(series: usize) -> usize {
    let mut target = Target::new(1, &job(""));
    let old = page(series, 0);
    target.scrape(&old);
    let family = format!("memory_metric_{}_total{{device=\"a\"}}", series / 4);
    let new = old.replace(&family, &family.replace("\"a\"", "\"c\""));
    let (outcome, taken) = measure(|| target.scrape(&new));
    assert_eq!(outcome.counts.series_added, 1);
    taken.calls
}

#[test]
fn a_new_series_allocates_nothing_for_the_others() {
    let (few, many) = (churned_calls(FEW), churned_calls(MANY));
    println!("churned page: {few} calls for {FEW} series, {many} for {MANY}");
    // Buffers for the rows behind it double until these fit.
    assert!(many <= few + 10, "{few} calls for {FEW}, {many} for {MANY}");
}

/// Calls for pages of OpenMetrics whose counters all have an exemplar, which stays, and a start
/// timestamp.
fn open_metrics_calls(series: usize) -> Vec<usize> {
    let mut config = ScrapeConfig::clone(&job(""));
    config.start_timestamps = true;
    let mut target = Target::new(1, &Arc::new(config));
    calls(|round| {
        let mut page = "# TYPE memory counter\n".to_owned();
        for device in 0..series {
            let labels = format!("{{device=\"{device}\"}}");
            page += &format!("memory_total{labels} {round} # {{trace=\"t{device}\"}} 0.5\n");
            page += &format!("memory_created{labels} {device}.5\n");
        }
        page += "# EOF\n";
        let (outcome, taken) = measure(|| target.scrape_as(Format::OpenMetrics, &page));
        let side = outcome.blocks[0].side.as_ref().expect("starts");
        assert_eq!(side.starts.len(), series);
        assert_eq!(side.exemplars.is_empty(), round > 0);
        taken.calls
    })
}

#[test]
fn lasting_exemplars_and_start_timestamps_allocate_nothing_per_series() {
    let (few, many) = (open_metrics_calls(FEW), open_metrics_calls(MANY));
    println!("page: {few:?} calls for {FEW} series, {many:?} for {MANY}");
    // As above, the lines and the table of start timestamps, and the box of the tables.
    assert_eq!((few, many), (vec![6; COUNTED], vec![6; COUNTED]));
}

fn append_calls(series: usize) -> Vec<usize> {
    let Log {
        mut opened, clock, ..
    } = Log::open();
    let mut next = blocks(series);
    calls(|round| {
        let block = next(round);
        let ((), taken) = measure(|| {
            opened.core.append(clock.mono(), block);
        });
        // Frames are closed and written apart from the block.
        clock.advance_ms(15_000);
        opened.core.tick(clock.mono());
        taken.calls
    })
}

#[test]
fn an_append_to_the_log_allocates_nothing_per_series() {
    let (few, many) = (append_calls(FEW), append_calls(MANY));
    println!("append: {few:?} calls for {FEW} series, {many:?} for {MANY}");
    // The block itself, the states of its slots, and the body of the frame, which grows.
    assert_eq!(few[..COUNTED - KEYS], many[..COUNTED - KEYS]);
    assert!(
        many[COUNTED - KEYS - 1] <= 6,
        "a block that leans on the last"
    );
    // A key block repeats definitions now and then: buffers double until these fit.
    assert!(
        few[COUNTED - 1] <= 24 && many[COUNTED - 1] <= 24,
        "a key block"
    );
}

fn request_calls(version: Version, series: usize) -> Vec<usize> {
    let mut next = blocks(series);
    let mut cache = OutgoingCache::default();
    let mut builder = BodyBuilder::default();
    calls(|round| {
        let pieces = pieces(&mut cache, vec![next(round)]);
        let (bytes, taken) = measure(|| request(&mut builder, version, &pieces));
        assert!(bytes > series, "{bytes} bytes");
        taken.calls
    })
}

#[test]
fn a_request_allocates_nothing_per_series() {
    // The cursor of the block, the one run, and the length before the body. In 2.0 the cursors, the runs, the
    // labels of targets, those of a series, and the lengths before the two parts of the body.
    for (version, calls) in [(Version::V1, 3), (Version::V2, 6)] {
        let (few, many) = (request_calls(version, FEW), request_calls(version, MANY));
        println!("request: {few:?} calls for {FEW} series, {many:?} for {MANY}");
        assert_eq!((few, many), (vec![calls; COUNTED], vec![calls; COUNTED]));
    }
}

/// Calls of the allocator for a target whose job is read anew, with so many targets listed in it.
fn reconfigure_calls(listed: usize) -> usize {
    let targets = (0..listed).map(|number| format!("'host{number}:9100'"));
    let targets = targets.collect::<Vec<_>>().join(", ");
    let config = || job(&format!(", static_configs: [{{targets: [{targets}]}}]"));
    let identity = TargetIdentity {
        id: 1,
        job: "node".into(),
        labels: Labels::default(),
    };
    let timeout = Duration::from_secs(10);
    let mut target = TargetLoop::new(Arc::new(identity), config(), timeout, surroundings());
    let read_anew = config();
    let ((), taken) = measure(|| target.reconfigure(read_anew, timeout));
    taken.calls
}

#[test]
fn a_target_costs_the_same_however_many_its_job_lists() {
    let (few, many) = (reconfigure_calls(1), reconfigure_calls(1000));
    println!("reconfigure: {few} calls beside no other target, {many} beside 999");
    assert_eq!(few, many);
}
