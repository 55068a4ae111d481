//! How fast pages are read, against the floor: visiting each newline with memchr.
//!
//! `step` reads every item in full. `predicted` knows the order of the page: it compares the
//! expected bytes and reads the tail, as a scrape of a target does that was scraped before.

use std::hint::black_box;
use std::io::Read;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use narthex::exposition::line::{Item, LineParser};
use narthex::exposition::protocol::Format;

const PAGES: [&str; 3] = [
    "node_exporter.00.prom",
    "prometheus.00.prom",
    "go_client.00.om",
];

/// What is expected next: a series, or a whole comment.
enum Expected {
    Series(Box<[u8]>),
    Comment(Box<[u8]>),
}

fn page(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pages");
    let file = std::fs::File::open(folder.join(format!("{name}.gz"))).expect("a page");
    let mut page = Vec::new();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut page)
        .expect("gzip");
    page
}

fn visit_newlines(page: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', page).fold(0, |sum, at| sum ^ at)
}

fn step(format: Format, page: &[u8]) -> f64 {
    let mut parser = LineParser::new(format);
    let (mut at, mut sum) = (0, 0.0);
    while let Some((item, length)) = parser.step(&page[at..], true).expect("a good page") {
        if let Item::Row(row) = item {
            sum += row.tail.value;
        }
        at += length;
    }
    sum
}

fn learn(format: Format, page: &[u8]) -> Vec<Expected> {
    let mut parser = LineParser::new(format);
    let mut order = Vec::new();
    let mut at = 0;
    while let Some((item, length)) = parser.step(&page[at..], true).expect("a good page") {
        order.push(match item {
            Item::Row(row) => Expected::Series(row.key.into()),
            _ => Expected::Comment(page[at..at + length].into()),
        });
        at += length;
    }
    order
}

fn predicted(format: Format, order: &[Expected], page: &[u8]) -> f64 {
    let mut parser = LineParser::new(format);
    let (mut at, mut sum) = (0, 0.0);
    for expected in order {
        let rest = &page[at..];
        match expected {
            Expected::Series(key) => {
                assert!(rest.starts_with(key), "the page has changed");
                let (tail, length) = parser.tail(rest, key.len()).expect("a good row");
                sum += tail.value;
                at += length;
            }
            Expected::Comment(line) => {
                assert!(rest.starts_with(line), "the page has changed");
                parser.skip(line.len(), None);
                at += line.len();
            }
        }
    }
    sum
}

fn pages(criterion: &mut Criterion) {
    for name in PAGES {
        let format = if name.ends_with(".om") {
            Format::OpenMetrics
        } else {
            Format::Text
        };
        let page = page(name);
        let order = learn(format, &page);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(page.len() as u64));
        group.bench_function("newlines", |bencher| {
            bencher.iter(|| visit_newlines(black_box(&page)));
        });
        group.bench_function("step", |bencher| {
            bencher.iter(|| step(format, black_box(&page)));
        });
        group.bench_function("predicted", |bencher| {
            bencher.iter(|| predicted(format, &order, black_box(&page)));
        });
        group.finish();
    }
}

criterion_group!(benches, pages);
criterion_main!(benches);
