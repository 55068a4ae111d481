//! The messages of remote write 2.0, for receiving and as the oracle of tests.
//!
//! Written by hand from the published field numbers (`io/prometheus/write/v2/types.proto`). The hot
//! path does not use them: `wire::remote_write_v2` appends bytes and is checked against these.

use prost::Message;

use super::prompb_histogram::Histogram;

/// `io.prometheus.write.v2.Request`.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    /// Every string of the request, each once; the first is empty.
    #[prost(string, repeated, tag = "4")]
    pub symbols: Vec<String>,
    /// Series with their samples.
    #[prost(message, repeated, tag = "5")]
    pub timeseries: Vec<TimeSeries>,
}

/// `TimeSeries`.
#[derive(Clone, PartialEq, Message)]
pub struct TimeSeries {
    /// Names and values in turn, sorted by name: indexes of symbols.
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    /// In order of time.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    /// Native histograms, in order of time, where there are no samples.
    #[prost(message, repeated, tag = "3")]
    pub histograms: Vec<Histogram>,
    /// Exemplars.
    #[prost(message, repeated, tag = "4")]
    pub exemplars: Vec<Exemplar>,
    /// Type, help and unit.
    #[prost(message, optional, tag = "5")]
    pub metadata: Option<Metadata>,
}

/// `Sample`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Sample {
    /// Value; a NaN of pattern 0x7ff0000000000002 ends the series.
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
    /// When counting began, in milliseconds since 1970; zero for unknown.
    #[prost(int64, tag = "3")]
    pub start_timestamp: i64,
}

/// `Exemplar`.
#[derive(Clone, PartialEq, Message)]
pub struct Exemplar {
    /// Its own labels, as those of a series.
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    /// Observed value.
    #[prost(double, tag = "2")]
    pub value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "3")]
    pub timestamp: i64,
}

/// `Metadata`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Metadata {
    /// Number of a [`crate::model::metadata::MetricType`].
    #[prost(int32, tag = "1")]
    pub kind: i32,
    /// Help text: an index of symbols.
    #[prost(uint32, tag = "3")]
    pub help_ref: u32,
    /// Unit: an index of symbols.
    #[prost(uint32, tag = "4")]
    pub unit_ref: u32,
}
