//! Properties of the line parser: cutting the input changes nothing, and the short way through a
//! row or a comment accepts what the long way accepts.

use proptest::prelude::*;

use super::error::ParseError;
use super::line::{Item, LineParser};
use super::protocol::Format;
use super::view::View;
use super::{meta, series, tail};
use crate::limits;

/// Fragments from which pages are put together: enough of them fit that many pages are valid.
const PIECES: [&[u8]; 52] = [
    b"a",
    b"foo",
    b"a_b:c",
    b"{",
    b"}",
    b"\"",
    b"\"x\"",
    b"=",
    b",",
    b" ",
    b"  ",
    b"\t",
    b"\n",
    b"\n",
    b"1",
    b"1.5",
    b"-3e5",
    b"NaN",
    b"+Inf",
    b"1e999",
    b"0x1p3",
    b"1700000000",
    b"1700000000.123",
    b"#",
    b"# ",
    b"# HELP ",
    b"# TYPE ",
    b"# UNIT ",
    b"# EOF",
    b"# EOF\n",
    b"counter",
    b"\nfoo 1\n",
    b"\nfoo{a=\"b\"} 2\n",
    b"\nfoo{a=\"b\",c=\"d\"} 2.5e-05 17\n",
    b"\nfoo_total 1 2.5 # {t=\"x\"} 1 3\n",
    b"foo{a=\"\xc3\xa9\"} 2",
    b"foo{a=\"x\ny\"} 2",
    b"{\"my.metric\",l=\"v\"} 1",
    b"{\"q n\"=\"v\"}",
    b" # {t=\"x\"} 1",
    b"\\",
    b"\\n",
    b"\\\"",
    b"\r",
    b"\0",
    b"\xff",
    b"\n# TYPE foo counter\n",
    b"\n# HELP foo some \\\\ text\n",
    b"\n# UNIT foo_s s\n",
    b"# HELP \"a b\" c",
    b".5",
    b"_1",
];

fn any_format() -> impl Strategy<Value = Format> {
    prop::sample::select(vec![Format::Text, Format::OpenMetrics])
}

fn any_page() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..12);
    (pieces, any::<bool>()).prop_map(|(pieces, ends)| {
        let mut page = pieces.concat();
        if ends {
            page.extend_from_slice(b"\n# EOF\n");
        }
        // Most items begin with their own newline, which only text allows on an empty line.
        page.strip_prefix(b"\n").map(<[u8]>::to_vec).unwrap_or(page)
    })
}

/// What a page gives: items as text, bit for bit, and how it ended.
fn read(format: Format, page: &[u8], cuts: &[usize]) -> (Vec<String>, Result<(), ParseError>) {
    let mut parser = LineParser::new(format);
    let mut items = Vec::new();
    let mut at = 0;
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (page.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(page.len());
    for end in ends {
        while at <= end {
            match parser.step(&page[at..end], end == page.len()) {
                Err(error) => return (items, Err(error)),
                Ok(None) => break,
                Ok(Some((item, length))) => {
                    assert!(length > 0 && at + length <= end);
                    at += length;
                    items.extend(described(&item));
                }
            }
        }
    }
    assert_eq!(parser.position(), at as u64);
    assert_eq!(at, page.len(), "a page without an error is read whole");
    (items, parser.finish())
}

fn described(item: &Item<'_>) -> Option<String> {
    match item {
        // How many pieces of nothing there are does depend on the cuts.
        Item::Blank => None,
        Item::Row(row) => {
            let bits = row.tail.value.to_bits();
            Some(format!("{:?} {bits:x} {row:?}", row.key))
        }
        other => Some(format!("{other:?}")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn where_the_input_is_cut_changes_nothing(
        format in any_format(),
        page in any_page(),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let whole = read(format, &page, &[]);
        prop_assert_eq!(&read(format, &page, &cuts), &whole);
        let everywhere: Vec<usize> = (0..page.len()).collect();
        prop_assert_eq!(&read(format, &page, &everywhere), &whole);
    }

    #[test]
    fn the_tail_of_a_known_series_agrees_with_the_whole_row(
        format in any_format(),
        key in prop::sample::select(vec!["foo", "foo{a=\"b\"}", "{\"x.y\",l=\"v\"}"]),
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..6),
        blank in any::<bool>(),
    ) {
        let mut line = key.as_bytes().to_vec();
        line.extend_from_slice(if blank { b" " } else { b"" });
        line.extend_from_slice(&pieces.concat());
        let mut quick = LineParser::new(format);
        let mut slow = quick.clone();
        if let Some((tail, length)) = quick.tail(&line, key.len()) {
            let stepped = slow.step(&line, false).expect("step accepts it").expect("complete");
            prop_assert_eq!(stepped.1, length);
            let Item::Row(row) = stepped.0 else { panic!("a row: {:?}", stepped.0) };
            prop_assert_eq!(row.key, key.as_bytes());
            prop_assert_eq!(row.tail.value.to_bits(), tail.value.to_bits());
            prop_assert_eq!(row.tail.timestamp_ms, tail.timestamp_ms);
            prop_assert_eq!(row.tail.exemplar, tail.exemplar);
            prop_assert_eq!(quick.position(), slow.position());
        }
    }

    #[test]
    fn the_short_way_reads_rows_as_the_long_one(
        format in any_format(),
        name in "[a-z_:0-9é]{0,2}[a-z0-9_:]{0,18}",
        labels in "(\\{([a-z_0-9]{0,2}[a-z0-9]{0,9}=\"[a-z0-9 .é\\\\\"]{0,18}\",?){0,3}\\})?",
        value in "[ \t{]{0,2}(-?[0-9]{1,20}|[0-9.e+-]{0,24}|[naif+]{0,4})",
        exemplar in "( # \\{([a-z0-9é]{1,9}=\"[a-z0-9é]{0,20}\",?){0,2}\\} [0-9.e+-]{0,24}( [0-9.e+]{0,24})?)?",
    ) {
        let line = format!("{name}{labels}{value}{exemplar}\nx 1\n");
        let view = View { input: line.as_bytes(), format, last: false };
        if let Some(end) = series::plain(view.input) {
            let scanned = series::scan(&view, 0, &mut ()).expect("the long way takes it");
            prop_assert_eq!(scanned.end, end);
            let mut short = tail::plain(view.input, end);
            if format == Format::OpenMetrics {
                short = short.or_else(|| tail::plain_with_exemplar(view.input, end));
            }
            if let Some((tail, length)) = short {
                let long = tail::read(&view, scanned).expect("the long way takes it");
                prop_assert_eq!((tail, length), long);
                prop_assert_eq!(tail.value.to_bits(), long.0.value.to_bits());
            }
        }
    }

    #[test]
    fn the_short_way_reads_comments_as_the_long_one(
        format in any_format(),
        word in "# (HELP|TYPE|UNIT|EOF) ",
        name in "[a-z_:0-9é]{0,2}[a-z0-9_:]{0,18}",
        text in "[ \t]{0,2}(counter|info|untyped|[a-z é\\\\]{0,20})",
    ) {
        let line = format!("{word}{name}{text}\nx 1\n");
        let view = View { input: line.as_bytes(), format, last: false };
        if let Some(short) = meta::plain(format, view.input) {
            let long = match format {
                Format::OpenMetrics => meta::open_metrics(&view, 0),
                Format::Text | Format::Rows => meta::text(&view, 0),
            };
            prop_assert_eq!(short, long.expect("the long way takes it"));
        }
    }

    #[test]
    fn decimals_are_rounded_correctly(
        whole in "[0-9]{0,12}",
        fraction in "[0-9]{0,12}",
        exponent in prop::option::of(-30i32..30),
    ) {
        let exponent = exponent.map_or(String::new(), |exponent| format!("e{exponent:+03}"));
        let text = format!("{whole}.{fraction}{exponent}");
        let expected: Option<f64> = text.parse().ok();
        let mine = super::number::float(text.as_bytes()).ok();
        prop_assert_eq!(mine.map(f64::to_bits), expected.map(f64::to_bits), "{}", text);
    }
}

#[test]
fn common_lines_go_the_short_way() {
    // However long the page is.
    let rest = "bar 2\n".repeat(limits::EXPOSITION_ITEM_BYTES_MAX / 4);
    for (format, line) in [
        (Format::Text, "foo 1\n"),
        (Format::Text, "foo 1.5e+09 1700000000000\n"),
        (Format::Text, "foo NaN\n"),
        (Format::OpenMetrics, "foo -2.25\n"),
        (Format::OpenMetrics, "foo 1 1700000000.5\n"),
        (Format::OpenMetrics, "foo 1 # {a=\"b\"} 2\n"),
    ] {
        let page = format!("{line}{rest}");
        let found = LineParser::new(format).tail(page.as_bytes(), 3);
        assert_eq!(found.map(|(_, length)| length), Some(line.len()), "{line}");
    }
    for series in ["foo", "a:b_c", "foo{a=\"\"}", "foo{a=\"b c\",_d=\"1/2\"}"] {
        let row = format!("{series} 0.24496509464097568\n");
        assert_eq!(series::plain(row.as_bytes()), Some(series.len()));
        let read = tail::plain(row.as_bytes(), series.len());
        assert_eq!(read.map(|(_, end)| end), Some(row.len()));
    }
    let row = b"foo 500.0 # {a=\"b\"} 0.004129940693066469 1.7953222614208555e+09\n";
    let read = tail::plain_with_exemplar(row, 3);
    assert_eq!(read.map(|(_, end)| end), Some(row.len()));
    for comment in ["# HELP a:b_c Of \\\\ é.\n", "# TYPE foo gauge\n"] {
        for format in [Format::Text, Format::OpenMetrics] {
            let read = meta::plain(format, comment.as_bytes());
            assert_eq!(read.map(|(_, end)| end), Some(comment.len()), "{comment}");
        }
    }
}

#[test]
fn an_endless_item_is_an_error_wherever_it_is_cut() {
    let mut page = b"ok 1\na{b=\"".to_vec();
    page.resize(page.len() + limits::EXPOSITION_ITEM_BYTES_MAX, b'x');
    page.extend_from_slice(b"\"} 1\n");
    let whole = read(Format::Text, &page, &[]);
    let error = whole.1.clone().expect_err("too long");
    assert!(error.to_string().starts_with("line longer than"), "{error}");
    assert_eq!(error.offset, 5);
    assert_eq!(read(Format::Text, &page, &[7, 100_000]), whole);
}

#[test]
fn a_page_ends_as_its_format_says() {
    let mut parser = LineParser::new(Format::OpenMetrics);
    assert!(parser.finish().is_err());
    assert_eq!(parser.step(b"# EOF\n", true), Ok(Some((Item::Eof, 6))));
    assert_eq!(parser.finish(), Ok(()));
    assert!(parser.step(b"\n", true).is_err(), "data behind the end");
    assert_eq!(parser.tail(b"foo 1\n", 3), None);
    assert_eq!(LineParser::new(Format::Text).finish(), Ok(()));
}

#[test]
fn nans_are_canonical() {
    for spelling in ["NaN", "nan", "nAn"] {
        let line = format!("foo {spelling}\n");
        let (tail, _) = LineParser::new(Format::Text)
            .tail(line.as_bytes(), 3)
            .expect(spelling);
        assert_eq!(tail.value.to_bits(), crate::model::value::NAN_BITS);
    }
}
