//! Text pages whose classic histograms become native ones with custom buckets (Prometheus's
//! `NHCBParser`).
//!
//! The series of one histogram stand together on a page. They are gathered as long as name and
//! labels are the same, and the histogram follows in their place. What is no histogram after all is
//! left out. Where start timestamps are taken, the `_created` lines of OpenMetrics are no series, and
//! the page is read twice for them: they stand behind the series that they speak of.

use super::created::{self, Starts};
use super::error::{ParseError, line_and_column};
use super::key::{SeriesText, parse_key};
use super::line::{Item, LineParser, Row, Tail, unescape_help, unescape_name};
use super::number;
use super::proto::key::{Name, append_label, append_series};
use super::protocol::Format;
use super::rows::extras::{ExtrasWriter, Origin};
use super::rows::writer::RowWriter;
use super::transcode::Options;
use crate::model::histogram::classic::ClassicHistogram;
use crate::model::labels::METRIC_NAME;
use crate::model::metadata::MetricType;

/// What is used again from page to page.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// Name of the family that the last `# TYPE` named.
    family: String,
    kind: MetricType,
    /// The series that a row belongs to: without suffix and `le`.
    series: Vec<u8>,
    /// The same for the histogram that is being gathered; empty when none is.
    open: Vec<u8>,
    histogram: ClassicHistogram,
    timestamp_ms: Option<i64>,
    /// Since when the histogram that is being gathered counts.
    start_ms: Option<i64>,
    starts: Starts,
    /// `_created` lines are no series.
    takes_starts: bool,
    extras: ExtrasWriter,
    exemplars: ExtrasWriter,
    name: Name,
    labels: Vec<u8>,
    text: SeriesText,
}

/// What a row says of a histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Bucket(f64),
    Sum,
    Count,
}

/// Writes the rows of `body`. What is wrong with the body stands at their end.
pub(super) fn transcode(
    format: Format,
    body: &[u8],
    options: Options,
    gathering: &mut Gathering,
    rows: &mut RowWriter,
) {
    gathering.begin();
    gathering.takes_starts = options.start_timestamps && format == Format::OpenMetrics;
    if gathering.takes_starts {
        gathering.starts = Starts::of(body);
    }
    let keep = options.histograms.always_classic;
    let read = read(format, body, keep, gathering, rows);
    gathering.starts = Starts::default();
    if let Err(error) = read {
        let (line, column) = line_and_column(body, error.offset);
        let message = error.message;
        rows.wrong(&format!("{message} (line {line}, column {column})"));
    }
}

/// `keep` leaves the classic rows among the others.
fn read(
    format: Format,
    body: &[u8],
    keep: bool,
    gathering: &mut Gathering,
    rows: &mut RowWriter,
) -> Result<(), ParseError> {
    let mut parser = LineParser::new(format);
    let mut rest = body;
    while let Some((item, length)) = parser.step(rest, true)? {
        let fits = match item {
            Item::Row(row) => gathering.row(&row, format, keep, rows)?,
            // Prometheus does not even see empty lines; comments end a histogram.
            Item::Blank | Item::Eof => true,
            _ => gathering.close(rows),
        };
        match item {
            Item::Type { name, kind } => {
                rows.kind(name, kind);
                gathering.family.clear();
                gathering.family.push_str(&unescape_name(name));
                gathering.kind = kind;
            }
            Item::Help { name, text } => rows.help(name, &unescape_help(text, format)),
            Item::Unit { name, unit } => rows.unit(name, unit),
            _ => {}
        }
        rest = &rest[length..];
        if !fits {
            return Err(ParseError {
                offset: (body.len() - rest.len()) as u64,
                message: "the page takes too much memory".into(),
            });
        }
    }
    gathering.close(rows);
    parser.finish()
}

impl Gathering {
    fn begin(&mut self) {
        self.family.clear();
        self.kind = MetricType::Unknown;
        self.open.clear();
    }

    /// Takes a row. False if the rows take too much memory.
    fn row(
        &mut self,
        row: &Row<'_>,
        format: Format,
        keep: bool,
        rows: &mut RowWriter,
    ) -> Result<bool, ParseError> {
        if self.takes_starts && created::is_start(row.key, self.kind) {
            return Ok(true);
        }
        let part = if self.kind == MetricType::Histogram {
            self.part(row.key, format)?
        } else {
            None
        };
        let mut fits = true;
        if part.is_none() || self.open != self.series {
            fits &= self.close(rows);
        }
        let start_ms = self.start_of(row.key, format)?;
        if let Some(part) = part {
            self.start_ms = start_ms;
            self.gather(part, &row.tail);
        }
        if part.is_none() || keep {
            rows.text().extend_from_slice(row.key);
            self.extras.begin(start_ms);
            if let Some(exemplar) = row.tail.exemplar {
                self.extras.exemplar(Origin::Text, exemplar);
            }
            fits &= rows.sample(row.tail.value, row.tail.timestamp_ms, self.extras.bytes());
        }
        Ok(fits)
    }

    /// Since when a series of the family counts, if a line says so.
    fn start_of(&mut self, key: &[u8], format: Format) -> Result<Option<i64>, ParseError> {
        if self.starts.is_empty() || !created::counts(self.kind) {
            return Ok(None);
        }
        parse_key(key, format, &mut self.text)?;
        Ok(self.starts.of_series(&self.family, &self.text))
    }

    /// What a row says of a histogram of the family, and which series that is.
    fn part(&mut self, key: &[u8], format: Format) -> Result<Option<Part>, ParseError> {
        parse_key(key, format, &mut self.text)?;
        let labels = self.text.iter();
        let own = |wanted: &str| {
            let mut labels = labels.clone();
            labels
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| value)
        };
        let suffix = own(METRIC_NAME).and_then(|name| name.strip_prefix(&*self.family));
        let part = match suffix {
            Some("_bucket") => {
                let bound =
                    own("le").and_then(|text| number::decimal_or_name(text.as_bytes()).ok());
                bound.filter(|bound| !bound.is_nan()).map(Part::Bucket)
            }
            Some("_sum") => Some(Part::Sum),
            Some("_count") => Some(Part::Count),
            _ => None,
        };
        if part.is_some() {
            self.labels.clear();
            for (name, value) in labels.filter(|(name, _)| !matches!(*name, METRIC_NAME | "le")) {
                append_label(&mut self.labels, name, value);
            }
            self.name.set(&self.family);
            self.series.clear();
            append_series(&mut self.series, &self.name, "", &self.labels, None);
        }
        Ok(part)
    }

    fn gather(&mut self, part: Part, tail: &Tail<'_>) {
        if self.open.is_empty() {
            self.open.clone_from(&self.series);
            self.histogram.clear();
            self.exemplars.begin(None);
        }
        self.timestamp_ms = tail.timestamp_ms;
        if let Some(exemplar) = tail.exemplar {
            self.exemplars.exemplar(Origin::Text, exemplar);
        }
        match part {
            Part::Bucket(bound) => self.histogram.bucket(bound, tail.value),
            Part::Sum => self.histogram.sum(tail.value),
            Part::Count => self.histogram.count(tail.value),
        }
    }

    /// Writes the histogram that was being gathered, if there is one and it is right. False if the
    /// rows take too much memory.
    fn close(&mut self, rows: &mut RowWriter) -> bool {
        if self.open.is_empty() {
            return true;
        }
        let mut fits = true;
        if let Ok(gathered) = self.histogram.finish() {
            self.extras.begin(self.start_ms);
            self.extras.classic(gathered.buckets, false);
            self.extras.append_exemplars_of(&self.exemplars);
            rows.text().extend_from_slice(&self.open);
            fits = rows.sample(gathered.sum, self.timestamp_ms, self.extras.bytes());
        }
        self.open.clear();
        fits
    }
}
