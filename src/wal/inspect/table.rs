//! A survey as tables for people.

use std::fmt::{self, Write};

use super::survey::{Contents, QueueRow, Survey};
use crate::limits;
use crate::model::calendar;
use crate::model::time::Wall;

/// Prints rows with every column as wide as its widest cell; the first column to the left, the
/// others to the right.
fn columns(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>]) -> fmt::Result {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if index == 0 {
                write!(line, "{cell:<width$}")?;
            } else {
                write!(line, "  {cell:>width$}")?;
            }
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

fn time(ms: Option<i64>) -> String {
    ms.map_or("-".to_owned(), |ms| calendar::Millis(Wall(ms)).to_string())
}

fn number(own: Option<u64>) -> String {
    own.map_or("-".to_owned(), |own| own.to_string())
}

/// `part` of `whole` in per cent.
fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{:.1}%", 100.0 * part as f64 / whole as f64)
}

/// What it holds: numbers, times, counts.
fn holds(name: &str, own: &Contents) -> Vec<String> {
    let (first, last) = own.sequences.unzip();
    let (from, to) = own.times_ms.unzip();
    let per_sample = own.bytes_per_sample;
    vec![
        name.to_owned(),
        number(first),
        number(last),
        time(from),
        time(to),
        own.frames.to_string(),
        own.blocks.to_string(),
        own.key_blocks.to_string(),
        own.samples.to_string(),
        own.histograms.to_string(),
        own.bytes.to_string(),
        per_sample.map_or("-".to_owned(), |own| format!("{own:.2}")),
        own.damaged_places.to_string(),
        own.lost_blocks.to_string(),
    ]
}

/// Where the bytes are: records before compression by kind, then the file.
fn spends(name: &str, own: &Contents) -> Vec<String> {
    let records = own.records;
    let total = records.total();
    let ratio = total as f64 / own.stored_bytes as f64;
    vec![
        name.to_owned(),
        share(records.definitions, total),
        share(records.key_blocks, total),
        share(records.values, total),
        share(records.histograms, total),
        share(records.side_tables, total),
        share(records.heads + records.unknown, total),
        total.to_string(),
        if ratio.is_finite() {
            format!("{ratio:.2}")
        } else {
            "-".to_owned()
        },
        own.stored_bytes.to_string(),
        share(own.overhead_bytes, own.bytes),
        share(own.waste_bytes, own.bytes),
    ]
}

fn settled(queue: &QueueRow) -> String {
    let shown = queue.ranges.iter().take(limits::LOG_REPORT_NAMES_MAX);
    let shown: Vec<String> = shown.map(|(a, b)| format!("{a}-{b}")).collect();
    let more = queue.ranges.len() - shown.len();
    match (shown.is_empty(), more) {
        (true, _) => "-".to_owned(),
        (false, 0) => shown.join(","),
        (false, more) => format!("{} and {more} more", shown.join(",")),
    }
}

fn queue(own: &QueueRow) -> Vec<String> {
    let (floor, generation) = if own.valid {
        (own.floor.to_string(), own.generation.to_string())
    } else {
        ("damaged".to_owned(), "-".to_owned())
    };
    vec![
        own.name.escape_debug().to_string(),
        floor,
        settled(own),
        generation,
        own.acknowledged_samples.to_string(),
        own.abandoned_samples.to_string(),
        own.unsettled_blocks.to_string(),
        own.unsettled_samples.to_string(),
    ]
}

/// Writes the tables.
pub(super) fn write(f: &mut fmt::Formatter<'_>, survey: &Survey) -> fmt::Result {
    writeln!(f, "log in {}\n", survey.segments_dir)?;
    let mut held = vec![row([
        "segment",
        "first",
        "last",
        "from",
        "to",
        "frames",
        "blocks",
        "keys",
        "samples",
        "histograms",
        "bytes",
        "B/sample",
        "damage",
        "lost",
    ])];
    let mut spent = vec![row([
        "segment",
        "definitions",
        "keys",
        "values",
        "histograms",
        "side",
        "heads",
        "records",
        "ratio",
        "stored",
        "overhead",
        "waste",
    ])];
    let segments = survey
        .segments
        .iter()
        .map(|own| (&*own.file, &own.contents));
    for (name, contents) in segments.chain([("total", &survey.total)]) {
        let name = name.trim_end_matches(".seg");
        held.push(holds(name, contents));
        spent.push(spends(name, contents));
    }
    columns(f, &held)?;
    writeln!(
        f,
        "\nrecords in bytes before compression and what they are, stored bytes after it;\n\
         overhead (headers, checksums) and waste (damage, torn end) as shares of the file\n"
    )?;
    columns(f, &spent)?;
    if survey.queues.is_empty() {
        return writeln!(f, "\nno queue has a position");
    }
    writeln!(f)?;
    let mut queues = vec![row([
        "queue",
        "settled to",
        "and",
        "generation",
        "acknowledged",
        "abandoned",
        "unsettled blocks",
        "samples",
    ])];
    queues.extend(survey.queues.iter().map(queue));
    columns(f, &queues)
}
