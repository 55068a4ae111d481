//! Rows: what pages become that are not text, or whose series are put together, so that a scrape is
//! compared with the last one in one way whatever the target speaks.
//!
//! A page of rows is made and read in this process only. A row is the text of its series, as in
//! Prometheus text, and a sample in binary. What stands around the text begins with bytes that
//! UTF-8 does not have, so the end of the text is found without a length before it:
//!
//! ```text
//! row:     series text, SAMPLE, flags, value (8 bytes), [timestamp (zigzag)], [extras (block)]
//! family:  TYPE, number of the type, name (block)
//!          HELP or UNIT, name (block), text (block)
//! failure: WRONG, message (block)
//! ```
//!
//! A block is a varint length and that many bytes.

pub mod extras;
pub(super) mod writer;

use super::line::{Item, Tail};
use super::view::{Stop, View};
use crate::bytes::cursor::Cursor;
use crate::model::metadata::MetricType;

const SAMPLE: u8 = 0xff;
const TYPE: u8 = 0xfe;
const HELP: u8 = 0xfd;
const UNIT: u8 = 0xfc;
const WRONG: u8 = 0xfb;

/// Flags of a sample.
const TIMED: u8 = 1;
const WITH_EXTRAS: u8 = 2;

/// Reads the item at the start of the view.
pub(super) fn item<'a>(view: &View<'a>) -> Result<(Item<'a>, usize), Stop> {
    let input = view.input;
    let found = match input.first() {
        Some(&tag) if tag >= WRONG && tag != SAMPLE => meta(tag, &input[1..]),
        _ => row(input),
    };
    match found {
        Some((Parsed::Item(item), length)) => Ok((item, length)),
        Some((Parsed::Wrong(message), _)) => Err(Stop::wrong(0, message.to_owned())),
        None if view.last => Err(Stop::wrong(0, "BUG: a row that ends early".to_owned())),
        None => Err(Stop::More),
    }
}

enum Parsed<'a> {
    Item(Item<'a>),
    Wrong(&'a str),
}

fn row(input: &[u8]) -> Option<(Parsed<'_>, usize)> {
    let key_end = memchr::memchr(SAMPLE, input)?;
    let (tail, length) = tail(input, key_end)?;
    let key = &input[..key_end];
    let row = super::line::Row { key, tail };
    Some((Parsed::Item(Item::Row(row)), length))
}

/// Reads the sample behind the series text `input[..key_len]`; returns the length of the row.
#[inline]
pub(super) fn tail(input: &[u8], key_len: usize) -> Option<(Tail<'_>, usize)> {
    let mut cursor = Cursor::new(input.get(key_len..)?);
    if cursor.u8()? != SAMPLE {
        return None;
    }
    let flags = cursor.u8()?;
    let mut tail = Tail::of(f64::from_bits(cursor.u64()?));
    if flags & TIMED != 0 {
        tail.timestamp_ms = Some(cursor.zigzag()?);
    }
    if flags & WITH_EXTRAS != 0 {
        tail.exemplar = Some(cursor.block()?);
    }
    Some((tail, input.len() - cursor.rest().len()))
}

fn meta(tag: u8, rest: &[u8]) -> Option<(Parsed<'_>, usize)> {
    let mut cursor = Cursor::new(rest);
    let parsed = match tag {
        TYPE => {
            let kind = MetricType::from_number(cursor.u8()?);
            let name = cursor.string()?;
            Parsed::Item(Item::Type { name, kind })
        }
        HELP => Parsed::Item(Item::Help {
            name: cursor.string()?,
            text: cursor.string()?,
        }),
        UNIT => Parsed::Item(Item::Unit {
            name: cursor.string()?,
            unit: cursor.string()?,
        }),
        _ => Parsed::Wrong(cursor.string()?),
    };
    Some((parsed, 1 + rest.len() - cursor.rest().len()))
}

#[cfg(test)]
mod tests {
    use super::extras::{Extras, ExtrasWriter};
    use super::writer::RowWriter;
    use crate::exposition::line::{Item, LineParser, Tail};
    use crate::exposition::protocol::Format;
    use crate::model::metadata::MetricType;

    #[test]
    fn rows_come_back_as_they_were_written() {
        let mut rows = RowWriter::default();
        rows.begin(1000);
        rows.help("a", "two\nlines");
        rows.kind("a", MetricType::GaugeHistogram);
        rows.text().extend_from_slice(b"a{b=\"c\"}");
        assert!(rows.sample(1.5, None, &[]));
        rows.text().extend_from_slice(b"a");
        let mut extras = ExtrasWriter::default();
        extras.begin(Some(-7));
        assert!(rows.sample(f64::INFINITY, Some(-3), extras.bytes()));
        rows.wrong("enough");
        let page = rows.bytes();
        let mut parser = LineParser::new(Format::Rows);
        let mut at = 0;
        let mut items = Vec::new();
        let error = loop {
            match parser.step(&page[at..], true) {
                Ok(Some((item, length))) => {
                    items.push(item);
                    at += length;
                }
                Ok(None) => panic!("the failure is missing"),
                Err(error) => break error,
            }
        };
        assert_eq!((&*error.message, error.offset), ("enough", at as u64));
        let text = "two\nlines";
        assert_eq!(items[0], Item::Help { name: "a", text });
        assert!(matches!(
            items[1],
            Item::Type {
                name: "a",
                kind: MetricType::GaugeHistogram
            }
        ));
        let Item::Row(row) = items[2] else {
            panic!("a row");
        };
        assert_eq!((row.key, row.tail), (&b"a{b=\"c\"}"[..], Tail::of(1.5)));
        let Item::Row(row) = items[3] else {
            panic!("a row");
        };
        assert_eq!(
            (row.tail.value, row.tail.timestamp_ms),
            (f64::INFINITY, Some(-3))
        );
        let raw = row.tail.exemplar.expect("extras");
        assert_eq!(Extras::read(raw).expect("extras").start_ms, Some(-7));
        assert_eq!(
            Extras::read(b"{a=\"b\"} 1").map(|_| ()),
            None,
            "an exemplar of text"
        );
    }

    #[test]
    fn a_page_that_grows_too_large_ends_with_a_failure() {
        let mut rows = RowWriter::default();
        rows.begin(20);
        rows.text().extend_from_slice(&[b'a'; 30]);
        assert!(!rows.sample(1.0, None, &[]));
    }
}
