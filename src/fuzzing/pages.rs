//! Pages of targets: where they are cut changes nothing, the short way through a known row agrees
//! with the long one, and what is accepted has labels and values that can be used.

use crate::exposition::error::ParseError;
use crate::exposition::exemplar::parse_exemplar;
use crate::exposition::key::{SeriesText, parse_key};
use crate::exposition::line::{Item, LineParser, Row};
use crate::exposition::protocol::Format;
use crate::model::value;

use super::choices;

/// Prometheus text.
pub(super) fn exposition(data: &[u8]) {
    page(Format::Text, data);
}

/// OpenMetrics text.
pub(super) fn openmetrics(data: &[u8]) {
    page(Format::OpenMetrics, data);
}

/// The first two bytes say how the page is cut.
fn page(format: Format, data: &[u8]) {
    let ([step, first], page) = choices(data);
    let whole = read(format, page, &[]);
    let step = usize::from(step).max(1);
    let cuts: Vec<usize> = (usize::from(first)..page.len()).step_by(step).collect();
    assert_eq!(read(format, page, &cuts), whole);
}

/// The items of a page as text, bit for bit, and how it ended.
fn read(format: Format, page: &[u8], cuts: &[usize]) -> (Vec<String>, Result<(), ParseError>) {
    let mut parser = LineParser::new(format);
    let mut items = Vec::new();
    let mut at = 0;
    for end in cuts.iter().copied().chain([page.len()]) {
        while at <= end {
            let before = parser.clone();
            match parser.step(&page[at..end], end == page.len()) {
                Err(error) => return (items, Err(error)),
                Ok(None) => break,
                Ok(Some((item, length))) => {
                    assert!(length > 0 && at + length <= end);
                    if let Item::Row(row) = &item {
                        check_row(format, row);
                        check_tail(before, &page[at..at + length], row);
                    }
                    items.extend(described(&item));
                    at += length;
                }
            }
        }
    }
    assert_eq!((parser.position(), at), (at as u64, page.len()));
    (items, parser.finish())
}

fn described(item: &Item<'_>) -> Option<String> {
    match item {
        // How many pieces of nothing there are does depend on the cuts.
        Item::Blank => None,
        Item::Row(row) => Some(format!("{:x} {row:?}", row.tail.value.to_bits())),
        other => Some(format!("{other:?}")),
    }
}

fn check_row(format: Format, row: &Row<'_>) {
    let value = row.tail.value;
    assert!(
        !value.is_nan() || value.to_bits() == value::NAN_BITS,
        "a marker from outside"
    );
    let mut labels = SeriesText::default();
    let parsed = parse_key(row.key, format, &mut labels);
    assert!(parsed.is_ok(), "the series of a row: {parsed:?}");
    if let Some(Err(error)) = row.tail.exemplar.map(parse_exemplar) {
        let known = error.message.contains("not unique");
        assert!(known, "the exemplar of a row: {error}");
    }
}

/// The short way may refuse; what it accepts is what the long way gave.
fn check_tail(mut parser: LineParser, line: &[u8], row: &Row<'_>) {
    if !line.starts_with(row.key) {
        // White space before the series: no scrape takes the short way there.
        return;
    }
    if let Some((tail, length)) = parser.tail(line, row.key.len()) {
        assert_eq!(length, line.len());
        assert_eq!(tail.value.to_bits(), row.tail.value.to_bits());
        assert_eq!(tail.timestamp_ms, row.tail.timestamp_ms);
        assert_eq!(tail.exemplar, row.tail.exemplar);
    }
}
