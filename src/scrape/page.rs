//! One page of one target: parsed along the cache, turned into values, the cache brought up to
//! date. All or nothing: an error leaves the cache as it was.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::cache::chunk::{KeyChunk, RowKind};
use super::cache::entry::Entry;
use super::cache::interner::Interner;
use super::cache::rebuild::{BadRow, Rebuilt, Source, own_hash, rebuild};
use super::cache::scan::{hash_of, scan};
use super::cache::walk::{RowAt, Rows, WalkEnd, walk};
use super::row_labels::{RowError, RowLabels};
use super::samples::{Counts, Filled, HistogramError, Past, Rules, Samples};
use crate::config::scrape::ScrapeConfig;
use crate::exposition::error::{ParseError, line_and_column};
use crate::exposition::line::{Item, LineParser, Tail};
use crate::exposition::protocol::Format;
use crate::limits;
use crate::model::labels::Labels;

/// Why a page fails its scrape. `counts` of what was read until then go into the report series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The text is malformed.
    #[error("{message} (line {line}, column {column})")]
    Parse {
        /// Prometheus's words.
        message: String,
        /// Line, counted from 1.
        line: usize,
        /// Column in bytes, counted from 1.
        column: usize,
    },
    /// Something else than text is malformed.
    #[error("{0}")]
    Rows(String),
    /// A native histogram is refused.
    #[error("{0}")]
    Histogram(HistogramError),
    /// A row's labels are refused.
    #[error("{0}")]
    Row(RowError),
    /// More samples than allowed.
    #[error("sample limit exceeded")]
    SampleLimit,
    /// Memory runs short, and nothing of the page was known before.
    #[error("no memory for new series: the memory budget is used up")]
    Memory,
}

/// What stays the same for all pages of a target.
#[derive(Debug)]
pub struct PageContext<'a> {
    /// The job.
    pub config: &'a ScrapeConfig,
    /// Labels attached to the target's samples.
    pub target: &'a Labels,
    /// Where chunks are shared.
    pub interner: &'a Interner,
}

/// An accepted page.
#[derive(Debug)]
pub struct Page {
    /// Values, timestamps and counts.
    pub filled: Filled,
    /// New chunks and what vanished, if the page is not of the same shape as the last.
    pub change: Option<Change>,
}

/// A page that fails its scrape.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub error: PageError,
    /// What was counted until then.
    pub counts: Counts,
}

/// How a page differs from the last one.
#[derive(Debug)]
pub struct Change {
    /// The page's chunks.
    pub chunks: Vec<Arc<KeyChunk>>,
    /// Hash and encoded own labels of the series that are gone.
    pub vanished: Vec<(u64, Box<[u8]>)>,
}

/// Reads `page`, which was exposed at the time in `rules`, along the chunks of the last page.
///
/// # Errors
/// Why the scrape fails, and what was counted until then.
pub fn read(
    context: &PageContext<'_>,
    format: Format,
    page: &[u8],
    chunks: &[Arc<KeyChunk>],
    rules: Rules,
    past: &Past,
) -> Result<Page, Box<Refused>> {
    let slots: usize = chunks.iter().map(|chunk| chunk.series().len()).sum();
    let samples = Samples::new(rules, past, slots + limits::REPORT_SERIES_MAX);
    let mut reader = Reader {
        context,
        format,
        page,
        chunks,
        samples,
    };
    match reader.read() {
        Ok(change) => Ok(Page {
            filled: reader.samples.finish(),
            change,
        }),
        Err(error) => Err(Box::new(Refused {
            error,
            counts: reader.samples.counts(),
        })),
    }
}

struct Reader<'a> {
    context: &'a PageContext<'a>,
    format: Format,
    page: &'a [u8],
    chunks: &'a [Arc<KeyChunk>],
    samples: Samples<'a>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<Option<Change>, PageError> {
        let mut parser = LineParser::new(self.format);
        let start = WalkEnd {
            used: 0,
            next: RowAt::default(),
        };
        let mut fast = FastRows {
            chunks: self.chunks,
            samples: &mut self.samples,
        };
        let end = walk(&mut parser, self.page, start, self.chunks, &mut fast);
        let mut entries = Vec::new();
        let scanned = scan(&mut parser, self.page, end, self.chunks, &mut entries);
        let scanned = scanned.and_then(|()| parser.finish());
        if let Err(error) = scanned {
            self.samples.count_rows(entries.len(), entries.len());
            return Err(self.parse_error(&error));
        }
        self.check_histograms()?;
        if entries.is_empty() && end.next.chunk >= self.chunks.len() {
            self.check_limits(self.chunks)?;
            return Ok(None);
        }
        if !self.samples.takes_new_series() {
            self.leave_out_new_series(&mut entries)?;
        }
        let change = self.rebuild(end.next, &entries)?;
        self.check_histograms()?;
        self.check_limits(&change.chunks)?;
        Ok(Some(change))
    }

    /// Leaves out the rows that the last page had not.
    fn leave_out_new_series(&mut self, entries: &mut Vec<Entry>) -> Result<(), PageError> {
        let all = entries.len();
        entries.retain(|entry| entry.old.is_some());
        let left_out = all - entries.len();
        self.samples.count_shed(left_out);
        if left_out > 0 && self.chunks.is_empty() {
            return Err(PageError::Memory);
        }
        Ok(())
    }

    fn rebuild(&mut self, split: RowAt, entries: &[Entry]) -> Result<Change, PageError> {
        let Reader {
            context,
            format,
            page,
            chunks,
            ..
        } = *self;
        let source = Source {
            page,
            format,
            old: chunks,
            split,
        };
        let mut labels = RowLabels::new(context.config, context.target, format);
        let rebuilt = rebuild(&source, entries, &mut labels, context.interner);
        let Rebuilt {
            chunks,
            kinds,
            hashes,
            vanished,
        } = match rebuilt {
            Ok(rebuilt) => rebuilt,
            Err(BadRow { rows, kept, error }) => {
                self.samples.count_rows(rows, kept);
                return Err(PageError::Row(error));
            }
        };
        let old = self.chunks;
        for (entry, (kind, hash)) in entries.iter().zip(kinds.iter().zip(&hashes)) {
            let sample = entry.sample.tail(page);
            let hash = || match entry.old {
                Some(at) if *hash == 0 => hash_of_row(&old[at.chunk], at.row),
                _ => *hash,
            };
            self.samples.take(*kind, entry.old.is_some(), &sample, hash);
        }
        Ok(Change { chunks, vanished })
    }

    /// Fails if a histogram breaks a rule.
    fn check_histograms(&self) -> Result<(), PageError> {
        match self.samples.histogram_error() {
            Some(error @ HistogramError::Invalid(_)) => Err(PageError::Histogram(error.clone())),
            _ => Ok(()),
        }
    }

    /// Fails if there is too much on the page, whose chunks these are.
    fn check_limits(&self, chunks: &[Arc<KeyChunk>]) -> Result<(), PageError> {
        let repeats = self.samples.counts().duplicate;
        if self.samples.is_over_limit(0)
            && (self.samples.is_over_limit(repeats)
                || self.samples.is_over_limit(self.repeated_lines(chunks)))
        {
            return Err(PageError::SampleLimit);
        }
        let error = self.samples.histogram_error();
        error.map_or(Ok(()), |error| Err(PageError::Histogram(error.clone())))
    }

    /// How many rows without a timestamp repeat the text of an earlier one. Prometheus does not
    /// count them as samples, though it counts rows that mean an earlier series in other words.
    /// Costs another look at the page; only one that may be over its limit gets it.
    fn repeated_lines(&self, chunks: &[Arc<KeyChunk>]) -> usize {
        let mut kept = HashSet::with_hasher(FixedState::default());
        let mut seen = HashSet::with_hasher(FixedState::default());
        let mut key = Vec::new();
        for chunk in chunks {
            for row in chunk.rows() {
                row.put_key(&mut key);
                if row.kind.has_slot() {
                    kept.insert(hash_of(&key));
                }
            }
        }
        let mut parser = LineParser::new(self.format);
        let (mut used, mut repeated) = (0, 0);
        while let Ok(Some((item, length))) = parser.step(&self.page[used..], true) {
            used += length;
            let Item::Row(row) = item else { continue };
            let hash = hash_of(row.key);
            let again = kept.contains(&hash) && !seen.insert(hash);
            repeated += usize::from(again && self.samples.is_untimed(row.tail.timestamp_ms));
        }
        repeated
    }

    fn parse_error(&self, error: &ParseError) -> PageError {
        if self.format == Format::Rows {
            return PageError::Rows(error.message.to_string());
        }
        let (line, column) = line_and_column(self.page, error.offset);
        PageError::Parse {
            message: error.message.to_string(),
            line,
            column,
        }
    }
}

/// Rows of the fast walk go straight into their slots.
struct FastRows<'a, 'b> {
    chunks: &'a [Arc<KeyChunk>],
    samples: &'a mut Samples<'b>,
}

impl Rows for FastRows<'_, '_> {
    #[inline]
    fn matched(&mut self, at: RowAt, kind: RowKind, tail: &Tail<'_>) {
        let chunks = self.chunks;
        let hash = || hash_of_row(&chunks[at.chunk], at.row);
        self.samples.take(kind, true, tail, hash);
    }
}

fn hash_of_row(chunk: &KeyChunk, row: usize) -> u64 {
    let slot = chunk.slots().nth(row).flatten();
    slot.map_or(0, |slot| own_hash(chunk.series().encoded(slot)))
}
