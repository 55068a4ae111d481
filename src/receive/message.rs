//! What a request of either version says, in one form and without references.

use prost::Message as _;

use crate::model::line;
use crate::model::value;
use crate::wire::prompb::{Exemplar, Label, WriteRequest};
use crate::wire::prompb_histogram::Histogram;
use crate::wire::prompb_v2::Sample;
use crate::wire::version::Version;

/// A request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Message {
    pub(crate) version: Version,
    pub(crate) series: Vec<Series>,
    /// Families with metadata in 1.0, series whose metadata says a type in 2.0.
    pub(crate) metadata: u64,
}

/// A series with its samples; those of 1.0 have no start timestamps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    pub(crate) labels: Vec<Label>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) histograms: Vec<Histogram>,
    pub(crate) exemplars: Vec<Exemplar>,
}

/// A sample of either kind, as far as books are kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) timestamp_ms: i64,
    /// Differs where what is sampled does: the bits of a float, a checksum of a histogram.
    pub(super) bits: u64,
    pub(super) is_stale: bool,
}

impl From<WriteRequest> for Message {
    fn from(request: WriteRequest) -> Message {
        let sample = |own: &crate::wire::prompb::Sample| Sample {
            value: own.value,
            timestamp: own.timestamp,
            start_timestamp: 0,
        };
        let series = request.timeseries.into_iter().map(|own| Series {
            labels: own.labels,
            samples: own.samples.iter().map(sample).collect(),
            histograms: own.histograms,
            exemplars: own.exemplars,
        });
        Message {
            version: Version::V1,
            series: series.collect(),
            metadata: request.metadata.len() as u64,
        }
    }
}

impl Message {
    /// Samples but for histograms, histograms, and exemplars.
    pub(super) fn counts(&self) -> [u64; 3] {
        let count = |of: fn(&Series) -> usize| self.series.iter().map(of).sum::<usize>() as u64;
        [
            count(|own| own.samples.len()),
            count(|own| own.histograms.len()),
            count(|own| own.exemplars.len()),
        ]
    }
}

impl Series {
    /// Its samples of both kinds, in the order in which receivers take them.
    pub(super) fn points(&self) -> impl Iterator<Item = Point> {
        let floats = self.samples.iter().map(|own| Point {
            timestamp_ms: own.timestamp,
            bits: own.value.to_bits(),
            is_stale: value::is_stale(own.value),
        });
        let histograms = self.histograms.iter().map(|own| {
            let sum = crc32c::crc32c(&own.encode_to_vec());
            Point {
                timestamp_ms: own.timestamp,
                bits: own.sum.to_bits() ^ u64::from(sum),
                is_stale: value::is_stale(own.sum),
            }
        });
        floats.chain(histograms)
    }

    /// Its samples as lines of text, as far as there are words for them.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let start = |own: i64| Some(own).filter(|own| *own != 0);
        let floats = self.samples.iter().map(move |own| {
            self.line(line::Sample {
                value: own.value,
                histogram: None,
                timestamp_ms: Some(own.timestamp),
                start_ms: start(own.start_timestamp),
            })
        });
        let histograms = self.histograms.iter().filter_map(move |own| {
            let histogram = own.to_model()?;
            Some(self.line(line::Sample {
                value: own.sum,
                histogram: Some(&histogram).filter(|_| !value::is_stale(own.sum)),
                timestamp_ms: Some(own.timestamp),
                start_ms: start(own.start_timestamp),
            }))
        });
        floats.chain(histograms)
    }

    fn line(&self, sample: line::Sample<'_>) -> String {
        let mut out = String::new();
        let labels = self.labels.iter().map(|own| (&*own.name, &*own.value));
        line::write_sample(&mut out, labels, sample);
        out
    }
}
