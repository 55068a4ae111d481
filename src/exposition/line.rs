//! The parser of a page: one item after another, over the bytes that are at hand.

use std::borrow::Cow;

use super::error::ParseError;
use super::lexer::State;
use super::protocol::Format;
use super::view::{Stop, View};
use super::{meta, quoted, rows, series, tail};
use crate::limits;
use crate::model::metadata::MetricType;

/// One item of a page. Names and texts are slices of it, escapes as they stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item<'a> {
    /// A sample.
    Row(Row<'a>),
    /// `# TYPE`.
    Type {
        /// Family name, see [`unescape_name`].
        name: &'a str,
        /// Its type.
        kind: MetricType,
    },
    /// `# HELP`.
    Help {
        /// Family name, see [`unescape_name`].
        name: &'a str,
        /// Its help, see [`unescape_help`].
        text: &'a str,
    },
    /// `# UNIT`, only in OpenMetrics.
    Unit {
        /// Family name, see [`unescape_name`].
        name: &'a str,
        /// Its unit, perhaps empty.
        unit: &'a str,
    },
    /// Any other comment, only in Prometheus text.
    Comment,
    /// An empty line, only in Prometheus text.
    Blank,
    /// The end of the page: `# EOF`. In Prometheus text a line that begins with NUL.
    Eof,
}

/// A sample of a page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// The text of the series, without the white space around it: equal bytes are equal series.
    pub key: &'a [u8],
    /// What follows it.
    pub tail: Tail<'a>,
}

/// What follows the series in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail<'a> {
    /// The value; every NaN is [`crate::model::value::NAN`].
    pub value: f64,
    /// The explicit timestamp in milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// An exemplar for [`super::exemplar::parse_exemplar`], already checked. In rows all that
    /// [`super::rows::extras::Extras`] reads.
    pub exemplar: Option<&'a [u8]>,
}

impl Tail<'_> {
    #[inline]
    pub(super) const fn of(value: f64) -> Self {
        Tail {
            value,
            timestamp_ms: None,
            exemplar: None,
        }
    }
}

/// The state of reading one page.
#[derive(Clone, Debug)]
pub struct LineParser {
    format: Format,
    /// Bytes of the page that items so far took.
    position: u64,
    kind: MetricType,
    ended: bool,
}

impl LineParser {
    /// Begins a page.
    #[must_use]
    pub fn new(format: Format) -> LineParser {
        LineParser {
            format,
            position: 0,
            kind: MetricType::Unknown,
            ended: false,
        }
    }

    /// The type that the page named last. Prometheus goes by it, not by the family, when it
    /// decides whether `le` and `quantile` are normalised.
    #[must_use]
    pub fn kind(&self) -> MetricType {
        self.kind
    }

    /// Bytes of the page read so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Tells the parser that the caller has stepped over `bytes` of whole items itself, having
    /// recognised them, and which type the last `# TYPE` among them named, if there was one.
    #[inline]
    pub fn skip(&mut self, bytes: usize, kind: Option<MetricType>) {
        self.position += bytes as u64;
        self.kind = kind.unwrap_or(self.kind);
    }

    /// Parses the item at the start of `input` and says how many bytes it took. `last` says that
    /// no bytes follow `input`. None: the item goes on behind `input`, or nothing is left.
    ///
    /// Where `input` is cut makes no difference to items and errors.
    ///
    /// # Errors
    /// Prometheus's words; also if an item is longer than
    /// [`limits::EXPOSITION_ITEM_BYTES_MAX`]. The page is then to be given up.
    pub fn step<'a>(
        &mut self,
        input: &'a [u8],
        last: bool,
    ) -> Result<Option<(Item<'a>, usize)>, ParseError> {
        if input.is_empty() {
            return Ok(None);
        }
        let bound = input.len().min(limits::EXPOSITION_ITEM_BYTES_MAX);
        let view = View {
            input: &input[..bound],
            format: self.format,
            last: last && bound == input.len(),
        };
        if let Some(end) = self.plain_series(view.input) {
            // The commonest row is put together here: an item on its way through memory is read in
            // other portions than it was written, and processors wait for that.
            if let Some((tail, length)) = tail::plain(view.input, end) {
                self.position += length as u64;
                let key = &view.input[..end];
                return Ok(Some((Item::Row(Row { key, tail }), length)));
            }
            if self.format == Format::OpenMetrics
                && let Some((tail, length)) = tail::plain_with_exemplar(view.input, end)
            {
                self.position += length as u64;
                let key = &view.input[..end];
                return Ok(Some((Item::Row(Row { key, tail }), length)));
            }
        }
        if let Some((item, length)) = self.plain_comment(view.input) {
            self.position += length as u64;
            return Ok(Some((item, length)));
        }
        match self.item(&view) {
            Ok((item, length)) => {
                self.position += length as u64;
                Ok(Some((item, length)))
            }
            Err(Stop::Wrong(complaint)) => Err(complaint.into_error(self.position)),
            Err(Stop::More) if bound == limits::EXPOSITION_ITEM_BYTES_MAX => Err(ParseError {
                offset: self.position,
                message: format!("line longer than {bound} bytes").into(),
            }),
            Err(Stop::More) => Ok(None),
        }
    }

    /// The end of the commonest kind of series, if a row begins with one.
    #[inline(always)]
    fn plain_series(&self, input: &[u8]) -> Option<usize> {
        match self.ended || self.format == Format::Rows {
            true => None,
            false => series::plain(input),
        }
    }

    /// The commonest kind of comment, if one comes.
    #[inline(always)]
    fn plain_comment<'a>(&mut self, input: &'a [u8]) -> Option<(Item<'a>, usize)> {
        if self.ended || self.format == Format::Rows {
            return None;
        }
        let (item, length) = meta::plain(self.format, input)?;
        if let Item::Type { kind, .. } = item {
            self.kind = kind;
        }
        Some((item, length))
    }

    /// Parses what follows the series in a row whose series is known: the caller has recognised
    /// `input[..key_len]` as the key of an earlier row. Returns the length of the whole row.
    ///
    /// None says nothing about the row: [`LineParser::step`] decides then. What is returned is
    /// what it would return.
    // A call, and an answer handed over in memory, would cost a tenth of a repeated scrape.
    #[inline(always)]
    pub fn tail<'a>(&mut self, input: &'a [u8], key_len: usize) -> Option<(Tail<'a>, usize)> {
        if self.ended {
            return None;
        }
        let input = &input[..input.len().min(limits::EXPOSITION_ITEM_BYTES_MAX)];
        let found = match tail::plain(input, key_len) {
            Some(found) => found,
            None => self.other_tail(input, key_len)?,
        };
        self.position += found.1 as u64;
        Some(found)
    }

    #[inline(never)]
    fn other_tail<'a>(&self, input: &'a [u8], key_len: usize) -> Option<(Tail<'a>, usize)> {
        if self.format == Format::Rows {
            return rows::tail(input, key_len);
        }
        // With a blank behind it, the key cannot be the beginning of a longer name.
        if input.get(key_len) != Some(&b' ') {
            return None;
        }
        if self.format == Format::OpenMetrics
            && let Some(found) = tail::plain_with_exemplar(input, key_len)
        {
            return Some(found);
        }
        let view = View {
            input,
            format: self.format,
            last: false,
        };
        let series = series::Scanned {
            end: key_len,
            last_token: key_len,
        };
        tail::read(&view, series).ok()
    }

    /// Ends the page.
    ///
    /// # Errors
    /// If it is OpenMetrics and lacks `# EOF`.
    pub fn finish(&mut self) -> Result<(), ParseError> {
        if self.format != Format::OpenMetrics || self.ended {
            return Ok(());
        }
        match tail::no_end(0) {
            Stop::Wrong(complaint) => Err(complaint.into_error(self.position)),
            Stop::More => Ok(()),
        }
    }

    fn item<'a>(&mut self, view: &View<'a>) -> Result<(Item<'a>, usize), Stop> {
        if self.ended {
            return self.after_end(view);
        }
        if self.format == Format::Rows {
            let (item, length) = rows::item(view)?;
            if let Item::Type { kind, .. } = item {
                self.kind = kind;
            }
            return Ok((item, length));
        }
        let start = view.blanks(0);
        let first = view.byte(start)?;
        match first {
            Some(byte) if byte == b'{' || series::is_name_start(byte) => row(view, start),
            Some(b'#') => self.comment(view, start),
            Some(b'\n') if self.format == Format::Text => {
                Ok((Item::Blank, (start + 1).min(view.input.len())))
            }
            Some(0) if self.format == Format::Text => {
                self.ended = true;
                Ok((Item::Eof, view.input.len()))
            }
            _ => {
                let expectation = "expected a valid start token";
                Err(view.unexpected(expectation, State::Start, start, 0))
            }
        }
    }

    /// Prometheus text ignores what stands behind its end.
    fn after_end<'a>(&self, view: &View<'a>) -> Result<(Item<'a>, usize), Stop> {
        match self.format {
            Format::Text | Format::Rows => Ok((Item::Blank, view.input.len())),
            Format::OpenMetrics => Err(Stop::wrong(0, "unexpected data after # EOF".to_owned())),
        }
    }

    fn comment<'a>(&mut self, view: &View<'a>, start: usize) -> Result<(Item<'a>, usize), Stop> {
        let found = match self.format {
            Format::Text | Format::Rows => meta::text(view, start),
            Format::OpenMetrics => meta::open_metrics(view, start),
        };
        match &found {
            Ok((Item::Type { kind, .. }, _)) => self.kind = *kind,
            Ok((Item::Eof, _)) => self.ended = true,
            _ => {}
        }
        found
    }
}

fn row<'a>(view: &View<'a>, start: usize) -> Result<(Item<'a>, usize), Stop> {
    let scanned = series::scan(view, start, &mut ())?;
    let (tail, length) = tail::read(view, scanned)?;
    let key = &view.input[start..scanned.end];
    Ok((Item::Row(Row { key, tail }), length.min(view.input.len())))
}

/// A quoted family name without its escapes.
#[must_use]
pub fn unescape_name(name: &str) -> Cow<'_, str> {
    quoted::unescape(name)
}

/// A help text without its escapes, which differ between the formats.
#[must_use]
pub fn unescape_help(text: &str, format: Format) -> Cow<'_, str> {
    match format {
        Format::Text => quoted::unescape_without_quotes(text),
        Format::OpenMetrics => quoted::unescape(text),
        Format::Rows => Cow::Borrowed(text),
    }
}
