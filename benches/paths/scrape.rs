//! From the bytes of an answer to a block: decompression, the first scrape of a target, a repeated
//! one, and metric relabelling of every series.

use std::hint::black_box;
use std::io::Write;

use narthex::http::gzip::Inflater;
use narthex::limits;
use narthex::model::labels::LabelsBuilder;
use narthex::model::series::SeriesList;
use narthex::relabel::apply::apply;

use crate::measure::Bench;
use crate::pages::there_and_back;
use crate::paths::{Target, job};

/// Metric relabelling as configurations have it: one rule that drops by name, one that makes a
/// label from another, one that removes a label.
const RULES: &str = ", metric_relabel_configs: [\
    {source_labels: [__name__], regex: 'go_(gc|memstats)_.*', action: drop}, \
    {source_labels: [device], regex: '(eth|ens|sd)[a-z0-9]+', target_label: kind, replacement: '$1'}, \
    {regex: 'address|broadcast', action: labeldrop}]";

/// Measures the group's pages.
pub(crate) fn measure(bench: &mut Bench, pages: &[String]) {
    let config = job("");
    let rows = Target::new(1, &config).scrape(&pages[0]).counts.scraped;
    inflate(bench, pages, rows);
    let mut step = 0;
    let mut next = || {
        step += 1;
        &pages[there_and_back(pages.len(), step)]
    };
    bench.run("first scrape", rows, || {
        black_box(Target::new(1, &config).scrape(next()));
    });
    let mut target = Target::new(1, &config);
    bench.run("repeated scrape", rows, || {
        black_box(target.scrape(next()));
    });
    relabel(bench, &pages[0], rows);
}

fn inflate(bench: &mut Bench, pages: &[String], rows: usize) {
    let gzip = |page: &String| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(page.as_bytes()).expect("gzip");
        encoder.finish().expect("gzip")
    };
    let bodies: Vec<Vec<u8>> = pages.iter().map(gzip).collect();
    let mut inflater = Inflater::default();
    let mut step = 0;
    bench.run("inflate", rows, || {
        let at = there_and_back(bodies.len(), step);
        step += 1;
        let page = inflater.inflate(&bodies[at], limits::SCRAPE_BODY_BYTES_MAX);
        assert_eq!(page.expect("gzip").len(), pages[at].len());
    });
}

/// The rules on every series of a page: what the first scrape does for each.
fn relabel(bench: &mut Bench, page: &str, rows: usize) {
    let blocks = Target::new(1, &job("")).scrape(page).blocks;
    let list: &SeriesList = &blocks[0].series;
    let rules = job(RULES).metric_relabel_configs.clone();
    let mut labels = LabelsBuilder::default();
    bench.run("metric relabelling", rows, || {
        for (chunk, index) in list.iter().take(rows) {
            labels.clear();
            for (name, value) in list.labels(chunk, index) {
                labels.set(name, value);
            }
            black_box(apply(&rules, &mut labels));
        }
    });
}
