//! Pages in protobuf: whatever is in them, rows come out that can be read, and histograms that can
//! be made coarser.

use crate::exposition::key::{SeriesText, parse_key};
use crate::exposition::line::{Item, LineParser, Row};
use crate::exposition::protocol::{Dialect, Format};
use crate::exposition::rows::extras::Extras;
use crate::exposition::transcode::{Histograms, Options, Transcoder};
use crate::model::value;

use super::choices;

/// Bytes that the rows may take here.
const ROWS_MAX: u64 = 1 << 20;

/// The first byte says what becomes of histograms.
pub(super) fn protobuf(data: &[u8]) {
    let ([wanted], body) = choices(data);
    let options = Options {
        histograms: Histograms {
            native: wanted & 1 != 0,
            always_classic: wanted & 2 != 0,
            to_custom: wanted & 4 != 0,
        },
        start_timestamps: wanted & 8 != 0,
        rows_max: ROWS_MAX,
    };
    let mut transcoder = Transcoder::default();
    let page = transcoder.page(Dialect::Protobuf, body, options);
    let mut parser = LineParser::new(page.format);
    let mut rest = page.bytes;
    // What is wrong with the body stands at the end.
    while let Ok(Some((item, length))) = parser.step(rest, true) {
        if let Item::Row(row) = &item {
            check_row(row);
            let short = parser.clone().tail(rest, row.key.len());
            assert_eq!(short.map(|(_, length)| length), Some(length));
        }
        rest = &rest[length..];
    }
}

fn check_row(row: &Row<'_>) {
    let sum = row.tail.value;
    assert!(
        !sum.is_nan() || sum.to_bits() == value::NAN_BITS,
        "a marker from outside"
    );
    let mut labels = SeriesText::default();
    let parsed = parse_key(row.key, Format::Rows, &mut labels);
    // No quoted name may hold NUL.
    assert!(parsed.is_ok() || row.key.contains(&0), "{parsed:?}");
    let Some(raw) = row.tail.exemplar else {
        return;
    };
    let extras = Extras::read(raw);
    assert!(extras.is_some(), "the extras of a row");
    let Some(extras) = extras else {
        return;
    };
    let _ = extras.exemplars().count();
    let histogram = extras.histogram.and_then(|raw| raw.decode().ok());
    let Some(mut histogram) = histogram.filter(|own| own.validate(sum).is_ok()) else {
        return;
    };
    let fits = histogram.limit_buckets(2);
    assert_eq!(fits, histogram.bucket_count() <= 2);
}
