//! What a fleet holds whose targets share nothing: each has names of its own, as two hundred
//! different programs have. Nothing is stored once for all, so every byte a series takes counts.

use narthex::model::block::ScrapeBlock;

use crate::counting::{Taken, measure};
use crate::log::Log;
use crate::pages::recorded;
use narthex::scrape::target_loop::Shared;

use crate::paths::{Target, job, surroundings};

/// Targets, as many as make the tables of the log grow a few times.
const TARGETS: usize = 40;

/// The page of one target: that of a node_exporter with names of its own, every row three times.
fn page(number: usize, recorded: &str) -> (String, usize) {
    let mut out = String::new();
    let mut series = 0;
    let mut family = Vec::new();
    let prefix = format!("t{number}_");
    let mut lines = recorded.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some((keyword, rest)) = comment(line) {
            out += &format!("{keyword}{prefix}{rest}\n");
            continue;
        }
        family.push(line);
        if lines.peek().is_none_or(|next| next.starts_with('#')) {
            for part in 0..3 {
                for row in &family {
                    out += &format!("{prefix}{}\n", with_part(row, part));
                    series += 1;
                }
            }
            family.clear();
        }
    }
    (out, series)
}

fn comment(line: &str) -> Option<(&str, &str)> {
    ["# HELP ", "# TYPE "]
        .into_iter()
        .find_map(|keyword| Some((keyword, line.strip_prefix(keyword)?)))
}

fn with_part(row: &str, part: usize) -> String {
    if part == 0 {
        return row.to_owned();
    }
    match row.split_once('{') {
        Some((name, rest)) => format!("{name}{{part=\"{part}\",{rest}"),
        None => {
            let (name, value) = row.split_once(' ').expect("a name and a value");
            format!("{name}{{part=\"{part}\"}} {value}")
        }
    }
}

/// Targets that have been scraped, their blocks, and the number of their series.
fn scraped(shared: &Shared, pages: &[(String, usize)]) -> (Vec<Target>, Vec<ScrapeBlock>) {
    let config = job("");
    let mut blocks = Vec::new();
    let targets = pages.iter().enumerate().map(|(number, (page, _))| {
        let mut target = Target::beside(number as u64, &config, shared);
        blocks.extend(target.scrape(page).blocks);
        target
    });
    let targets = targets.collect();
    (targets, blocks)
}

#[test]
fn targets_that_share_nothing_take_few_bytes_a_series() {
    let recorded = recorded().remove("node_exporter.prom").expect("recorded");
    let pages: Vec<_> = (0..TARGETS)
        .map(|number| page(number, &recorded[0]))
        .collect();
    let series: usize = pages.iter().map(|(_, series)| series).sum();
    let shared = surroundings();
    let ((targets, blocks), scrape) = measure(|| scraped(&shared, &pages));
    let (mut log, opened) = measure(Log::open);
    let (_, appended) = measure(|| log.round(blocks));
    let a_series = |taken: &Taken| taken.held as f64 / series as f64;
    println!(
        "{} targets, {series} series: {:.1} bytes a series for the pages ({:.1} calls), {:.1} for \
         the log beside {} bytes",
        targets.len(),
        a_series(&scrape),
        scrape.calls as f64 / series as f64,
        a_series(&appended),
        opened.held,
    );
    // The pages' share holds the values, eight bytes, which the log shares.
    assert!(a_series(&scrape) <= 130.0, "{scrape:?}");
    assert!(a_series(&appended) <= 28.0, "{appended:?}");
}
