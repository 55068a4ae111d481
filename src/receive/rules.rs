//! The rules of remote write 1.0 and 2.0, and of 1.0 with zstd, that a sender must keep.
//!
//! From the published specifications of the protocol. Pure.

use crate::http::server::request::RequestHead;
use crate::model::labels::METRIC_NAME;
use crate::wire::compress::Compression;
use crate::wire::prompb::Label;
use crate::wire::version::{Protocol, Version};

/// A rule, by what breaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Broken {
    ContentType,
    ContentEncoding,
    Version,
    UserAgent,
    FirstSymbol,
    RepeatedSymbol,
    OddReferences,
    MixedSamples,
    ExemplarTimestamp,
    NoLabels,
    EmptyName,
    EmptyValue,
    Unsorted,
    RepeatedName,
    NoMetricName,
    NoSamples,
    HistogramKind,
    HistogramSchema,
    HistogramResetHint,
    HistogramSpans,
    HistogramBounds,
    HistogramBuckets,
    HistogramCount,
    CustomBuckets,
    OutOfOrder,
    DuplicateTimestamp,
}

impl Broken {
    /// Every rule, in the order of the enum.
    pub(super) const ALL: [Broken; 26] = [
        Broken::ContentType,
        Broken::ContentEncoding,
        Broken::Version,
        Broken::UserAgent,
        Broken::FirstSymbol,
        Broken::RepeatedSymbol,
        Broken::OddReferences,
        Broken::MixedSamples,
        Broken::ExemplarTimestamp,
        Broken::NoLabels,
        Broken::EmptyName,
        Broken::EmptyValue,
        Broken::Unsorted,
        Broken::RepeatedName,
        Broken::NoMetricName,
        Broken::NoSamples,
        Broken::HistogramKind,
        Broken::HistogramSchema,
        Broken::HistogramResetHint,
        Broken::HistogramSpans,
        Broken::HistogramBounds,
        Broken::HistogramBuckets,
        Broken::HistogramCount,
        Broken::CustomBuckets,
        Broken::OutOfOrder,
        Broken::DuplicateTimestamp,
    ];

    /// The name of its counter.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Broken::ContentType => "content_type",
            Broken::ContentEncoding => "content_encoding",
            Broken::Version => "version",
            Broken::UserAgent => "user_agent",
            Broken::FirstSymbol => "first_symbol",
            Broken::RepeatedSymbol => "repeated_symbol",
            Broken::OddReferences => "odd_references",
            Broken::MixedSamples => "mixed_samples",
            Broken::ExemplarTimestamp => "exemplar_timestamp",
            Broken::NoLabels => "no_labels",
            Broken::EmptyName => "empty_label_name",
            Broken::EmptyValue => "empty_label_value",
            Broken::Unsorted => "unsorted_labels",
            Broken::RepeatedName => "repeated_label_name",
            Broken::NoMetricName => "no_metric_name",
            Broken::NoSamples => "no_samples",
            Broken::HistogramKind => "histogram_kind",
            Broken::HistogramSchema => "histogram_schema",
            Broken::HistogramResetHint => "histogram_reset_hint",
            Broken::HistogramSpans => "histogram_spans",
            Broken::HistogramBounds => "histogram_bounds",
            Broken::HistogramBuckets => "histogram_buckets",
            Broken::HistogramCount => "histogram_count",
            Broken::CustomBuckets => "custom_buckets_in_1_0",
            Broken::OutOfOrder => "out_of_order",
            Broken::DuplicateTimestamp => "duplicate_timestamp",
        }
    }

    /// What a strict receiver answers.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Broken::ContentType => "Content-Type names no message of remote write",
            Broken::ContentEncoding => {
                "Content-Encoding is not snappy, nor zstd with a message of 1.0"
            }
            Broken::Version => "the header with the version is not that of the message",
            Broken::UserAgent => "User-Agent is missing",
            Broken::FirstSymbol => "the first symbol is not empty",
            Broken::RepeatedSymbol => "repeated symbol",
            Broken::OddReferences => "odd number of label references",
            Broken::MixedSamples => "series with samples and histograms",
            Broken::ExemplarTimestamp => "exemplar without timestamp",
            Broken::NoLabels => "series without labels",
            Broken::EmptyName => "empty label name",
            Broken::EmptyValue => "empty label value",
            Broken::Unsorted => "labels are not sorted by name",
            Broken::RepeatedName => "repeated label name",
            Broken::NoMetricName => "series without metric name",
            Broken::NoSamples => "series without samples",
            Broken::HistogramKind => "histogram without a count, or with integers and floats",
            Broken::HistogramSchema => "histogram of a schema that does not exist",
            Broken::HistogramResetHint => "histogram with a reset hint that does not exist",
            Broken::HistogramSpans => "histogram with other buckets than its spans name",
            Broken::HistogramBounds => "histogram whose bounds do not fit its schema or buckets",
            Broken::HistogramBuckets => "histogram with a negative bucket count",
            Broken::HistogramCount => "histogram whose count is not what is in its buckets",
            Broken::CustomBuckets => "histogram with custom buckets, which 1.0 does not have",
            Broken::OutOfOrder => "out of order sample",
            Broken::DuplicateTimestamp => "duplicate sample for timestamp",
        }
    }

    /// The status that a strict receiver answers with.
    pub(super) const fn status(self) -> u16 {
        match self {
            Broken::ContentType | Broken::ContentEncoding => 415,
            _ => 400,
        }
    }
}

/// Checks the headers that the protocol demands. Returns what the body is; none if it is nothing that
/// could be read.
pub(super) fn check_head(head: &RequestHead, mut found: impl FnMut(Broken)) -> Option<Protocol> {
    let header = |name: &str| head.header(name).unwrap_or("");
    let version = Version::of_content_type(header("content-type"));
    let is = |own: Compression| header("content-encoding").eq_ignore_ascii_case(own.as_str());
    let protocol = match version {
        Some(Version::V1) if is(Compression::Zstd) => Some(Protocol::V1Zstd),
        _ if is(Compression::Snappy) => version.map(Protocol::from),
        _ => None,
    };
    if version.is_none() {
        found(Broken::ContentType);
    }
    if protocol.is_none() && !is(Compression::Snappy) {
        found(Broken::ContentEncoding);
    }
    let named = protocol.unwrap_or_else(|| version.unwrap_or_default().into());
    let (name, number) = named.version_header();
    let said = header(&name.to_ascii_lowercase());
    let fits = match version {
        // A later minor version is read as far as it is known.
        Some(Version::V2) => said.starts_with("2."),
        _ => said == number,
    };
    if !fits {
        found(Broken::Version);
    }
    if header("user-agent").is_empty() {
        found(Broken::UserAgent);
    }
    protocol
}

/// Checks the labels of one series.
pub(super) fn check_labels(labels: &[Label], mut found: impl FnMut(Broken)) {
    if labels.is_empty() {
        return found(Broken::NoLabels);
    }
    let mut has_name = false;
    for (index, label) in labels.iter().enumerate() {
        has_name |= label.name == METRIC_NAME && !label.value.is_empty();
        if label.name.is_empty() {
            found(Broken::EmptyName);
        }
        if label.value.is_empty() {
            found(Broken::EmptyValue);
        }
        match index
            .checked_sub(1)
            .map(|before| labels[before].name.cmp(&label.name))
        {
            Some(std::cmp::Ordering::Equal) => found(Broken::RepeatedName),
            Some(std::cmp::Ordering::Greater) => found(Broken::Unsorted),
            _ => {}
        }
    }
    if !has_name {
        found(Broken::NoMetricName);
    }
}
