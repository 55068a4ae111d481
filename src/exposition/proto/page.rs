//! A page of messages becomes rows.

use std::fmt;

use super::family::{Family, METRIC, Metric, PARTS, Single, Summary, quantile};
use super::histogram::Histogram;
use super::key::{BoundTexts, Name, append_series};
use super::wire::{Fields, WireError, timestamp_ms};
use crate::bytes::varint;
use crate::exposition::rows::extras::{ExtrasWriter, Origin};
use crate::exposition::rows::writer::RowWriter;
use crate::exposition::transcode::{Histograms, Options};
use crate::model::histogram::classic::{ClassicError, ClassicHistogram};
use crate::model::metadata::MetricType;

/// Longest varint that a length may take: that of 32 bits.
const LENGTH_BYTES_MAX: usize = 5;

/// Why a page is given up.
#[derive(Debug)]
enum Failure<'a> {
    Wire(WireError<'a>),
    /// A classic histogram that should become a native one is none.
    Classic(ClassicError),
    /// The rows take too much memory.
    TooLarge,
}

impl<'a> From<WireError<'a>> for Failure<'a> {
    fn from(error: WireError<'a>) -> Failure<'a> {
        Failure::Wire(error)
    }
}

/// What is used again from page to page.
#[derive(Debug, Default)]
pub(in crate::exposition) struct Scratch {
    name: Name,
    labels: Vec<u8>,
    bounds: BoundTexts,
    extras: ExtrasWriter,
    classic: ClassicHistogram,
}

/// Writes the rows of `body`. What is wrong with it stands at their end.
pub(in crate::exposition) fn transcode(
    body: &[u8],
    options: Options,
    scratch: &mut Scratch,
    rows: &mut RowWriter,
) {
    let mut writer = Writer {
        options,
        scratch,
        rows,
    };
    let mut at = 0;
    while at < body.len() {
        let Some((family, end)) = next_family(body, at) else {
            let message = format!("protobuf: a metric family at byte {at} has a wrong length");
            return writer.rows.wrong(&message);
        };
        if let Err(failure) = writer.family(family) {
            let message = failure.message(body, at, writer.scratch.name.as_str());
            return writer.rows.wrong(&message);
        }
        at = end;
    }
}

/// The message at `at` and where it ends.
fn next_family(body: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (length, used) = varint::read(&body[at..])?;
    let start = at + used;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    let family = body.get(start..end)?;
    (used <= LENGTH_BYTES_MAX).then_some((family, end))
}

impl Failure<'_> {
    #[cold]
    fn message(&self, body: &[u8], family: usize, name: &str) -> String {
        let at = match self {
            Failure::Wire(error) => error.rest.as_ptr() as usize - body.as_ptr() as usize,
            _ => family,
        };
        format!("protobuf: {self} at byte {at} (metric family {name:.200?} at byte {family})")
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Wire(error) => f.write_str(error.what),
            Failure::Classic(error) => error.fmt(f),
            Failure::TooLarge => f.write_str("the page takes too much memory"),
        }
    }
}

struct Writer<'s> {
    options: Options,
    scratch: &'s mut Scratch,
    rows: &'s mut RowWriter,
}

impl Writer<'_> {
    fn family<'a>(&mut self, message: &'a [u8]) -> Result<(), Failure<'a>> {
        self.scratch.name.set("");
        let family = Family::read(message)?;
        if !family.has_metrics {
            return Ok(());
        }
        self.scratch.name.set(family.name);
        let name = self.scratch.name.as_str();
        self.rows.help(name, family.help);
        if !family.unit.is_empty() {
            self.rows.unit(name, family.unit);
        }
        self.rows.kind(name, family.kind);
        let mut fields = Fields::of(message);
        while let Some(field) = fields.next()? {
            if field.number == METRIC {
                let labels = &mut self.scratch.labels;
                let metric = Metric::read(field.bytes()?, family.value_field(), labels)?;
                self.metric(&family, &metric)?;
            }
        }
        Ok(())
    }

    fn metric<'a>(&mut self, family: &Family<'a>, metric: &Metric<'a>) -> Result<(), Failure<'a>> {
        match family.kind {
            MetricType::Summary => self.summary(metric),
            MetricType::Histogram => self.histogram(metric, false),
            MetricType::GaugeHistogram => self.histogram(metric, true),
            kind => self.single(metric, kind == MetricType::Counter),
        }
    }

    fn single<'a>(&mut self, metric: &Metric<'a>, counter: bool) -> Result<(), Failure<'a>> {
        let own = Single::read(metric.value, counter)?;
        self.begin_extras(own.start)?;
        if let Some(exemplar) = own.exemplar {
            self.scratch.extras.exemplar(Origin::Proto, exemplar);
        }
        self.row("", metric, None, own.value)
    }

    fn summary<'a>(&mut self, metric: &Metric<'a>) -> Result<(), Failure<'a>> {
        let own = Summary::read(metric.value)?;
        self.begin_extras(own.start)?;
        self.row("_count", metric, None, own.count as f64)?;
        self.row("_sum", metric, None, own.sum)?;
        let mut fields = Fields::of(metric.value);
        while let Some(field) = fields.next()? {
            if field.number == PARTS {
                let (which, value) = quantile(field.bytes()?)?;
                self.row("", metric, Some(("quantile", which)), value)?;
            }
        }
        Ok(())
    }

    fn histogram<'a>(&mut self, metric: &Metric<'a>, is_gauge: bool) -> Result<(), Failure<'a>> {
        let own = Histogram::read(metric.value)?;
        let Histograms {
            native,
            always_classic,
            to_custom,
        } = self.options.histograms;
        if native && own.is_native() {
            self.begin_extras(own.start)?;
            self.scratch.extras.native(own.message(), is_gauge);
            self.native_row(metric, &own)?;
            return if always_classic && own.has_buckets {
                self.classic(metric, &own)
            } else {
                Ok(())
            };
        }
        if !to_custom || always_classic {
            self.classic(metric, &own)?;
        }
        if to_custom {
            self.custom(metric, &own, is_gauge)?;
        }
        Ok(())
    }

    /// The series of the classic half. What follows an infinite bound is not looked at.
    fn classic<'a>(&mut self, metric: &Metric<'a>, own: &Histogram<'a>) -> Result<(), Failure<'a>> {
        self.begin_extras(own.start)?;
        self.row("_count", metric, None, own.count())?;
        self.row("_sum", metric, None, own.sum)?;
        let mut complete = false;
        let mut failed = None;
        own.buckets(|bucket| {
            if complete || failed.is_some() {
                return Ok(());
            }
            complete = bucket.bound == f64::INFINITY;
            self.begin_extras(own.start)?;
            if let Some(exemplar) = bucket.exemplar {
                self.scratch.extras.exemplar(Origin::Proto, exemplar);
            }
            let bound = Some(("le", bucket.bound));
            failed = self.row("_bucket", metric, bound, bucket.count).err();
            Ok(())
        })?;
        match failed {
            Some(failure) => Err(failure),
            None if complete => Ok(()),
            None => {
                self.begin_extras(own.start)?;
                let bound = Some(("le", f64::INFINITY));
                self.row("_bucket", metric, bound, own.count())
            }
        }
    }

    /// The classic half as a native histogram with custom buckets.
    fn custom<'a>(
        &mut self,
        metric: &Metric<'a>,
        own: &Histogram<'a>,
        is_gauge: bool,
    ) -> Result<(), Failure<'a>> {
        self.begin_extras(own.start)?;
        let Scratch {
            classic, extras, ..
        } = &mut *self.scratch;
        classic.clear();
        classic.count(own.count());
        classic.sum(own.sum);
        own.buckets(|bucket| {
            classic.bucket(bucket.bound, bucket.count);
            Ok(())
        })?;
        let gathered = classic.finish().map_err(Failure::Classic)?;
        extras.classic(gathered.buckets, is_gauge);
        self.native_row(metric, own)
    }

    /// The row of a native histogram, which has been put into the extras.
    fn native_row<'a>(
        &mut self,
        metric: &Metric<'a>,
        own: &Histogram<'a>,
    ) -> Result<(), Failure<'a>> {
        let extras = &mut self.scratch.extras;
        own.native_exemplars(|exemplar| extras.exemplar(Origin::Proto, exemplar))?;
        self.row("", metric, None, own.sum)
    }

    /// Begins the extras of a series that began then.
    #[inline]
    fn begin_extras<'a>(&mut self, start: Option<&'a [u8]>) -> Result<(), WireError<'a>> {
        let start = match start {
            Some(message) if self.options.start_timestamps => Some(timestamp_ms(message)?),
            _ => None,
        };
        self.scratch.extras.begin(start.filter(|at| *at != 0));
        Ok(())
    }

    #[inline]
    fn row<'a>(
        &mut self,
        suffix: &str,
        metric: &Metric<'_>,
        bound: Option<(&str, f64)>,
        value: f64,
    ) -> Result<(), Failure<'a>> {
        let Scratch {
            name,
            labels,
            bounds,
            extras,
            ..
        } = &mut *self.scratch;
        let more = bound.map(|(label, bound)| (label, bounds.text(bound)));
        append_series(self.rows.text(), name, suffix, labels, more);
        if self.rows.sample(value, metric.timestamp_ms, extras.bytes()) {
            Ok(())
        } else {
            Err(Failure::TooLarge)
        }
    }
}
