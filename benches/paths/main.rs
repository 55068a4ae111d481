//! Every path that a sample takes, one by one, on consecutive pages of real exporters: time,
//! samples and bytes a second, the ratio to visiting each newline of the same pages with `memchr`,
//! and calls of the allocator.
//!
//! An iteration is one scrape of one target, unless the name says otherwise. The pages are played
//! forwards and backwards, so that no step sees what the last one saw.

#![expect(clippy::print_stdout, reason = "a measurement prints its results")]

#[expect(dead_code, reason = "only calls are of interest here")]
#[path = "../../tests/memory/counting.rs"]
mod counting;
mod dialects;
mod discovery;
mod log;
mod measure;
#[allow(dead_code, reason = "the whole definition is there for all")]
#[path = "../../src/exposition/proto/testing.rs"]
mod messages;
#[path = "../support/pages.rs"]
mod pages;
#[allow(dead_code, reason = "shared with other benches and with tests")]
#[path = "../support/paths.rs"]
mod paths;
mod request;
mod scrape;
mod wheel;

use std::time::Duration;

use criterion::Criterion;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// What edge machines show, and a page with many histograms.
const EXPORTERS: [&str; 2] = ["node_exporter.prom", "etcd.prom"];

fn main() {
    let criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut bench = measure::Bench::new(criterion);
    let recorded = pages::recorded();
    for exporter in EXPORTERS {
        let pages = &recorded[exporter];
        bench.group(exporter, pages);
        scrape::measure(&mut bench, pages);
        log::measure(&mut bench, pages);
        request::measure(&mut bench, pages);
    }
    dialects::measure(&mut bench);
    bench.group("without pages", &[]);
    wheel::measure(&mut bench);
    discovery::measure(&mut bench);
    bench.finish();
}
