//! The messages `MetricFamily` and `Metric`: what is taken of them before rows are written.

use super::exemplar::pair;
use super::key::append_label;
use super::wire::{Fields, WireError};
use crate::model::metadata::MetricType;

/// The message `MetricFamily` without its metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family<'a> {
    pub(super) name: &'a str,
    pub(super) help: &'a str,
    pub(super) unit: &'a str,
    pub(super) kind: MetricType,
    pub(super) has_metrics: bool,
}

/// Number of the field that holds the metrics.
pub(super) const METRIC: u32 = 4;

impl<'a> Family<'a> {
    /// Reads everything but the metrics.
    pub(super) fn read(message: &'a [u8]) -> Result<Family<'a>, WireError<'a>> {
        let mut fields = Fields::of(message);
        let mut own = Family {
            name: "",
            help: "",
            unit: "",
            kind: MetricType::Counter,
            has_metrics: false,
        };
        while let Some(field) = fields.next()? {
            match field.number {
                1 => own.name = field.text()?,
                2 => own.help = field.text()?,
                3 => {
                    let kind = kind(field.varint()?);
                    own.kind = kind.ok_or(field.wrong("unknown metric type"))?;
                }
                METRIC => own.has_metrics = true,
                5 => own.unit = field.text()?,
                _ => {}
            }
        }
        if own.has_metrics && own.name.is_empty() {
            let what = "invalid metric name: it is empty";
            return Err(WireError {
                rest: message,
                what,
            });
        }
        Ok(own)
    }

    /// Number of the field of a metric that holds its value.
    pub(super) const fn value_field(&self) -> u32 {
        match self.kind {
            MetricType::Gauge => 2,
            MetricType::Counter => 3,
            MetricType::Summary => 4,
            MetricType::Histogram | MetricType::GaugeHistogram => 7,
            _ => 5,
        }
    }
}

/// The enumeration `MetricType`.
const fn kind(number: u64) -> Option<MetricType> {
    Some(match number {
        0 => MetricType::Counter,
        1 => MetricType::Gauge,
        2 => MetricType::Summary,
        3 => MetricType::Unknown,
        4 => MetricType::Histogram,
        5 => MetricType::GaugeHistogram,
        _ => return None,
    })
}

/// The message `Metric` without its labels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric<'a> {
    /// The message that the family's type asks for; empty if there is none.
    pub(super) value: &'a [u8],
    /// Zero is none.
    pub(super) timestamp_ms: Option<i64>,
}

impl<'a> Metric<'a> {
    /// Reads a metric, whose value is in the field of that number; its labels go to `labels`.
    pub(super) fn read(
        message: &'a [u8],
        value_field: u32,
        labels: &mut Vec<u8>,
    ) -> Result<Metric<'a>, WireError<'a>> {
        labels.clear();
        let mut fields = Fields::of(message);
        let mut own = Metric {
            value: &[],
            timestamp_ms: None,
        };
        while let Some(field) = fields.next()? {
            match field.number {
                1 => {
                    let (name, value) = pair(field.bytes()?)?;
                    if name.is_empty() {
                        return Err(field.wrong("invalid label name: it is empty"));
                    }
                    append_label(labels, name, value);
                }
                6 => own.timestamp_ms = Some(field.varint()? as i64).filter(|at| *at != 0),
                number if number == value_field => own.value = field.bytes()?,
                _ => {}
            }
        }
        Ok(own)
    }
}

/// The messages `Counter`, `Gauge` and `Untyped`: the last lacks what the first has more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Single<'a> {
    pub(super) value: f64,
    pub(super) exemplar: Option<&'a [u8]>,
    pub(super) start: Option<&'a [u8]>,
}

impl<'a> Single<'a> {
    /// Reads the message; only counters have exemplars and start timestamps.
    pub(super) fn read(message: &'a [u8], counter: bool) -> Result<Single<'a>, WireError<'a>> {
        let mut fields = Fields::of(message);
        let mut own = Single::default();
        while let Some(field) = fields.next()? {
            match field.number {
                1 => own.value = field.double()?,
                2 if counter => own.exemplar = Some(field.bytes()?),
                3 if counter => own.start = Some(field.bytes()?),
                _ => {}
            }
        }
        Ok(own)
    }
}

/// The message `Summary` without its quantiles.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Summary<'a> {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) start: Option<&'a [u8]>,
}

/// Number of the field that holds quantiles, and buckets in histograms.
pub(super) const PARTS: u32 = 3;

impl<'a> Summary<'a> {
    /// Reads everything but the quantiles.
    pub(super) fn read(message: &'a [u8]) -> Result<Summary<'a>, WireError<'a>> {
        let mut fields = Fields::of(message);
        let mut own = Summary::default();
        while let Some(field) = fields.next()? {
            match field.number {
                1 => own.count = field.varint()?,
                2 => own.sum = field.double()?,
                4 => own.start = Some(field.bytes()?),
                _ => {}
            }
        }
        Ok(own)
    }
}

/// The message `Quantile`: which one, and its value.
pub(super) fn quantile(message: &[u8]) -> Result<(f64, f64), WireError<'_>> {
    let mut fields = Fields::of(message);
    let (mut quantile, mut value) = (0.0, 0.0);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => quantile = field.double()?,
            2 => value = field.double()?,
            _ => {}
        }
    }
    Ok((quantile, value))
}
