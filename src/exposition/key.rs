//! The labels of a series, read from its text. Done once for a series that was never seen.

use super::error::ParseError;
use super::protocol::Format;
use super::quoted;
use super::series::{self, Visit};
use super::view::{Stop, View};
use crate::model::labels::METRIC_NAME;

/// Names and values of one series, unescaped. Its memory is meant to be used again for the next.
#[derive(Clone, Debug, Default)]
pub struct SeriesText {
    text: String,
    /// What becomes the text once all of it is there: checked as UTF-8 in one go.
    read: Vec<u8>,
    /// Start of the name, start of the value, end of the value.
    places: Vec<(u32, u32, u32)>,
}

impl SeriesText {
    /// The labels, sorted by name; the metric name is `__name__`. Nothing is checked: names may
    /// be empty or occur twice, values may be empty.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.places.iter().map(|place| self.at(*place))
    }

    fn at(&self, (name, value, end): (u32, u32, u32)) -> (&str, &str) {
        let (name, value, end) = (name as usize, value as usize, end as usize);
        let part = |range| self.text.get(range).unwrap_or_default();
        (part(name..value), part(value..end))
    }

    /// The first name that occurs more than once: such a series fails its scrape.
    #[must_use]
    pub fn duplicate_name(&self) -> Option<&str> {
        let names = self.iter().zip(self.iter().skip(1));
        names
            .filter(|((one, _), (next, _))| one == next)
            .map(|((name, _), _)| name)
            .next()
    }

    /// Number of labels, the metric name included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn clear(&mut self) {
        self.read = std::mem::take(&mut self.text).into_bytes();
        self.read.clear();
        self.places.clear();
    }

    /// Ends the series. The scanner has checked that it is UTF-8.
    pub(super) fn end(&mut self) {
        self.text = String::from_utf8(std::mem::take(&mut self.read)).unwrap_or_default();
    }

    fn sort(&mut self) {
        let text = self.text.as_bytes();
        let name = |place: &(u32, u32, u32)| &text[place.0 as usize..place.1 as usize];
        if !self.places.is_sorted_by(|one, two| name(one) <= name(two)) {
            // Stable: of equal names, the one written first stays first.
            self.places.sort_by_key(name);
        }
    }

    fn push(&mut self, name: &[u8], value: &[u8]) {
        let start = self.offset();
        unescape(&mut self.read, name);
        let middle = self.offset();
        unescape(&mut self.read, value);
        self.places.push((start, middle, self.offset()));
    }

    /// The parser's bound on items keeps this far below 4 GiB.
    fn offset(&self) -> u32 {
        u32::try_from(self.read.len()).unwrap_or(u32::MAX)
    }
}

impl Visit for SeriesText {
    fn metric(&mut self, name: &[u8]) {
        self.push(METRIC_NAME.as_bytes(), name);
    }

    fn label(&mut self, name: &[u8], value: &[u8]) {
        self.push(name, value);
    }
}

fn unescape(out: &mut Vec<u8>, bytes: &[u8]) {
    if memchr::memchr(b'\\', bytes).is_none() {
        out.extend_from_slice(bytes);
        return;
    }
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    out.extend_from_slice(quoted::unescape(text).as_bytes());
}

/// Reads the labels of the series `key`, a [`super::line::Row`]'s, into `labels`, replacing what
/// is there. `le` and `quantile` stay as they are (see [`super::normalize`]).
///
/// # Errors
/// If `key` is not the whole text of one series; a row's key always is.
pub fn parse_key(key: &[u8], format: Format, labels: &mut SeriesText) -> Result<(), ParseError> {
    labels.clear();
    let view = View {
        input: key,
        format: format.of_series(),
        last: true,
    };
    let starts = key
        .first()
        .is_some_and(|byte| *byte == b'{' || series::is_name_start(*byte));
    if !starts {
        return Err(not_a_series(0));
    }
    match series::scan(&view, 0, labels) {
        Ok(scanned) if scanned.end == key.len() => {
            labels.end();
            labels.sort();
            Ok(())
        }
        Ok(scanned) => Err(not_a_series(scanned.end)),
        Err(Stop::Wrong(complaint)) => Err(complaint.into_error(0)),
        Err(Stop::More) => Err(not_a_series(key.len())),
    }
}

#[cold]
fn not_a_series(at: usize) -> ParseError {
    ParseError {
        offset: at as u64,
        message: "not the text of a series".into(),
    }
}
