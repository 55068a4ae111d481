//! Pages (`NAME.prom`, `NAME.om`) with the rows or the error they give (`NAME.rows`,
//! `NAME.error`).
//!
//! What stands in the expectations is what Prometheus 3.14's own parsers say of the same page,
//! but for the cases called `differs-*`: leading blanks are no part of a metric name here, a NUL
//! in a comment does not end the page, quoted names are checked as UTF-8 at once, and the
//! escapes of exemplars are resolved.
//!
//! Every page is also read byte by byte.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use narthex::exposition::exemplar::parse_exemplar;
use narthex::exposition::key::{SeriesText, parse_key};
use narthex::exposition::line::{Item, LineParser, Row, unescape_help};
use narthex::exposition::normalize;
use narthex::exposition::protocol::Format;
use narthex::model::float::format_go;

#[test]
fn pages_give_the_rows_or_the_error_of_prometheus() {
    let mut pages = 0;
    for (path, format) in pages_in("tests/golden/exposition") {
        let page = fs::read(&path).expect("a page");
        let outcome = read(format, &page, page.len());
        assert_eq!(
            outcome,
            read(format, &page, 1),
            "{} byte by byte",
            path.display()
        );
        let (rows, error) = outcome;
        if let Ok(expected) = fs::read_to_string(path.with_extension("error")) {
            assert_eq!(
                error.as_deref(),
                Some(expected.trim_end_matches('\n')),
                "{}",
                path.display()
            );
        } else {
            let expected = fs::read_to_string(path.with_extension("rows")).expect("rows or error");
            assert_eq!(
                (rows.as_str(), error),
                (expected.as_str(), None),
                "{}",
                path.display()
            );
        }
        pages += 1;
    }
    assert!(pages >= 60, "only {pages} pages found");
}

#[test]
fn pages_of_real_exporters_are_read_whole() {
    let mut pages = 0;
    for (path, format) in pages_in("tests/data/pages") {
        let page = unpacked(&path);
        let (rows, error) = read(format, &page, page.len());
        assert_eq!(error, None, "{}", path.display());
        let samples = rows.lines().filter(|row| row.starts_with("row ")).count();
        let lines = page.split(|byte| *byte == b'\n');
        let expected = lines
            .filter(|line| !line.is_empty() && line[0] != b'#')
            .count();
        assert_eq!(samples, expected, "{}", path.display());
        pages += 1;
    }
    assert!(pages >= 4, "only {pages} pages found");
}

#[test]
fn known_rows_read_the_same_the_short_way_whatever_happens_to_them() {
    for (path, format) in pages_in("tests/data/pages") {
        let page = unpacked(&path);
        let mut parser = LineParser::new(format);
        let mut at = 0;
        while let Some((item, length)) = parser.step(&page[at..], true).expect("a good page") {
            if let Item::Row(row) = item {
                let line = &page[at..at + length];
                compare_ways(format, line, row.key.len());
                for place in row.key.len()..length {
                    for byte in b" \t\n{}\"#.-+e_0N\r\0\xff" {
                        let mut damaged = line.to_vec();
                        damaged[place] = *byte;
                        compare_ways(format, &damaged, row.key.len());
                    }
                }
            }
            at += length;
        }
    }
}

/// Whatever the short way accepts, the long way accepts just so.
fn compare_ways(format: Format, line: &[u8], key_len: usize) {
    let Some((tail, length)) = LineParser::new(format).tail(line, key_len) else {
        return;
    };
    let stepped = LineParser::new(format).step(line, false);
    let row = match stepped {
        Ok(Some((Item::Row(row), length))) => Some((row, length)),
        _ => None,
    };
    let (row, stepped_length) = row.expect("the long way accepts it too");
    assert_eq!((row.key, stepped_length), (&line[..key_len], length));
    assert_eq!(row.tail.value.to_bits(), tail.value.to_bits());
    assert_eq!(row.tail.timestamp_ms, tail.timestamp_ms);
    assert_eq!(row.tail.exemplar, tail.exemplar);
}

fn unpacked(path: &Path) -> Vec<u8> {
    let compressed = fs::read(path).expect("a page");
    let mut page = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(&*compressed), &mut page).expect("gzip");
    page
}

/// Files by name, `.prom` and `.om`, perhaps compressed.
fn pages_in(folder: &str) -> Vec<(PathBuf, Format)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&root).expect("the folder of pages");
    let mut pages: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.trim_end_matches(".gz");
            let format = match name.rsplit_once('.')?.1 {
                "prom" => Format::Text,
                "om" => Format::OpenMetrics,
                _ => return None,
            };
            Some((path, format))
        })
        .collect();
    pages.sort_by(|(one, _), (other, _)| one.cmp(other));
    pages
}

/// Reads a page that arrives `chunk` bytes at a time.
fn read(format: Format, page: &[u8], chunk: usize) -> (String, Option<String>) {
    let mut parser = LineParser::new(format);
    let mut out = String::new();
    let (mut at, mut arrived) = (0, 0);
    while arrived < page.len() {
        arrived = (arrived + chunk).min(page.len());
        loop {
            match parser.step(&page[at..arrived], arrived == page.len()) {
                Err(error) => return (out, Some(error.to_string())),
                Ok(None) => break,
                Ok(Some((item, length))) => {
                    at += length;
                    describe(&parser, format, &item, &mut out);
                }
            }
        }
    }
    (out, parser.finish().err().map(|error| error.to_string()))
}

fn describe(parser: &LineParser, format: Format, item: &Item<'_>, out: &mut String) {
    let _ = match item {
        Item::Row(row) => return describe_row(parser, format, row, out),
        Item::Type { name, kind } => writeln!(out, "type {} {}", quoted(name), kind.as_str()),
        Item::Help { name, text } => {
            let text = unescape_help(text, format);
            writeln!(out, "help {} {}", quoted(name), quoted(&text))
        }
        Item::Unit { name, unit } => writeln!(out, "unit {} {}", quoted(name), quoted(unit)),
        Item::Comment | Item::Blank | Item::Eof => Ok(()),
    };
}

fn describe_row(parser: &LineParser, format: Format, row: &Row<'_>, out: &mut String) {
    let mut labels = SeriesText::default();
    parse_key(row.key, format, &mut labels).expect("the key of a row");
    let labels = labels.iter().map(|(name, value)| {
        let normal = normalize::label_value(parser.kind(), name, value);
        (name.to_owned(), normal.unwrap_or_else(|| value.to_owned()))
    });
    let key = quoted(std::str::from_utf8(row.key).expect("UTF-8"));
    let _ = write!(out, "row {key} {}", set(labels));
    describe_number(row.tail.value, row.tail.timestamp_ms, out);
    if let Some(raw) = row.tail.exemplar {
        let exemplar = parse_exemplar(raw).expect("the exemplar of a row");
        let pairs = exemplar.labels.iter();
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let _ = write!(out, " # {}", set(pairs));
        describe_number(exemplar.value, exemplar.timestamp_ms, out);
    }
    out.push('\n');
}

fn describe_number(value: f64, timestamp_ms: Option<i64>, out: &mut String) {
    let _ = write!(out, " {}", format_go(value));
    if let Some(millis) = timestamp_ms {
        let _ = write!(out, " @{millis}");
    }
}

fn set(labels: impl Iterator<Item = (String, String)>) -> String {
    let labels: Vec<String> = labels
        .map(|(name, value)| format!("{}={}", quoted(&name), quoted(&value)))
        .collect();
    format!("{{{}}}", labels.join(", "))
}

/// Quotes as Go's `strconv.Quote` does, as far as the pages need it.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
