//! Criterion with what it does not print: ratios to the bound, and calls of the allocator.

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput};

use crate::counting;
use crate::pages::there_and_back;

/// The bound that everything about pages is compared with.
const BOUND: &str = "every newline";

/// What a path was found to take.
struct Row {
    group: String,
    path: String,
    /// Median of the seconds an iteration.
    seconds: f64,
    /// Samples, or what else the path counts, an iteration.
    items: f64,
    /// Bytes of a page, on the average; zero where no page is involved.
    page_bytes: f64,
    calls: f64,
}

/// All measurements of a run.
pub(crate) struct Bench {
    criterion: Criterion,
    group: String,
    page_bytes: f64,
    rows: Vec<Row>,
}

impl Bench {
    /// Nothing is measured yet.
    pub(crate) fn new(criterion: Criterion) -> Bench {
        Bench {
            criterion,
            group: String::new(),
            page_bytes: 0.0,
            rows: Vec::new(),
        }
    }

    /// Begins a group of paths that take the same pages, and measures their bound.
    pub(crate) fn group(&mut self, name: &str, pages: &[String]) {
        name.clone_into(&mut self.group);
        if pages.is_empty() {
            self.page_bytes = 0.0;
            return;
        }
        let bytes: usize = pages.iter().map(String::len).sum();
        self.page_bytes = bytes as f64 / pages.len() as f64;
        let rows = pages[0]
            .lines()
            .filter(|line| !line.starts_with('#'))
            .count();
        let mut step = 0;
        self.run(BOUND, rows, || {
            let page = &pages[there_and_back(pages.len(), step)];
            step += 1;
            black_box(memchr::memchr_iter(b'\n', page.as_bytes()).fold(0, |sum, at| sum ^ at));
        });
    }

    /// Measures one path; `items` go along it with each call of `step`.
    pub(crate) fn run(&mut self, path: &str, items: usize, mut step: impl FnMut()) {
        let mut group = self.criterion.benchmark_group(&self.group);
        group.throughput(Throughput::Elements(items as u64));
        let (mut times, mut calls) = (Vec::new(), 0.0);
        group.bench_function(path, |bencher| {
            bencher.iter_custom(|iterations| {
                let (took, taken) = counting::measure(|| {
                    #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
                    let start = Instant::now();
                    for _ in 0..iterations {
                        step();
                    }
                    start.elapsed()
                });
                times.push(took.as_secs_f64() / iterations as f64);
                calls = taken.calls as f64 / iterations as f64;
                took
            });
        });
        group.finish();
        times.sort_by(f64::total_cmp);
        // Not measured: the command line asked for others.
        let Some(seconds) = times.get(times.len() / 2) else {
            return;
        };
        self.rows.push(Row {
            group: self.group.clone(),
            path: path.to_owned(),
            seconds: *seconds,
            items: items as f64,
            page_bytes: self.page_bytes,
            calls,
        });
    }

    /// Prints the table.
    pub(crate) fn finish(self) {
        self.criterion.final_summary();
        println!("\n| pages | path | us | items/s | MB/s | ratio | allocations |");
        println!("|---|---|---|---|---|---|---|");
        for row in &self.rows {
            let megabytes = match row.page_bytes {
                0.0 => String::new(),
                bytes => format!("{:.0}", bytes / row.seconds / 1e6),
            };
            let bound = |other: &&Row| other.group == row.group && other.path == BOUND;
            let bound = self.rows.iter().find(bound);
            let ratio = bound.map(|bound| format!("{:.2}x", row.seconds / bound.seconds));
            println!(
                "| {} | {} | {:.2} | {:.0} | {megabytes} | {} | {:.1} |",
                row.group,
                row.path,
                row.seconds * 1e6,
                row.items / row.seconds,
                ratio.unwrap_or_default(),
                row.calls
            );
        }
    }
}
