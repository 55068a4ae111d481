//! The rules of remote write 1.0 that a sender must keep.
//!
//! From the published specification of the protocol, "Protocol" and "Labels". Pure.

use crate::http::server::request::RequestHead;
use crate::model::labels::METRIC_NAME;
use crate::wire::prompb::Label;

/// A rule, by what breaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Broken {
    ContentType,
    ContentEncoding,
    Version,
    UserAgent,
    NoLabels,
    EmptyName,
    EmptyValue,
    Unsorted,
    RepeatedName,
    NoMetricName,
    NoSamples,
    OutOfOrder,
    DuplicateTimestamp,
}

impl Broken {
    /// Every rule, in the order of the enum.
    pub(super) const ALL: [Broken; 13] = [
        Broken::ContentType,
        Broken::ContentEncoding,
        Broken::Version,
        Broken::UserAgent,
        Broken::NoLabels,
        Broken::EmptyName,
        Broken::EmptyValue,
        Broken::Unsorted,
        Broken::RepeatedName,
        Broken::NoMetricName,
        Broken::NoSamples,
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
            Broken::NoLabels => "no_labels",
            Broken::EmptyName => "empty_label_name",
            Broken::EmptyValue => "empty_label_value",
            Broken::Unsorted => "unsorted_labels",
            Broken::RepeatedName => "repeated_label_name",
            Broken::NoMetricName => "no_metric_name",
            Broken::NoSamples => "no_samples",
            Broken::OutOfOrder => "out_of_order",
            Broken::DuplicateTimestamp => "duplicate_timestamp",
        }
    }

    /// What a strict receiver answers.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Broken::ContentType => "Content-Type is not application/x-protobuf",
            Broken::ContentEncoding => "Content-Encoding is not snappy",
            Broken::Version => "X-Prometheus-Remote-Write-Version is not 0.1.0",
            Broken::UserAgent => "User-Agent is missing",
            Broken::NoLabels => "series without labels",
            Broken::EmptyName => "empty label name",
            Broken::EmptyValue => "empty label value",
            Broken::Unsorted => "labels are not sorted by name",
            Broken::RepeatedName => "repeated label name",
            Broken::NoMetricName => "series without metric name",
            Broken::NoSamples => "series without samples",
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

/// Checks the headers that the protocol demands.
pub(super) fn check_head(head: &RequestHead, mut found: impl FnMut(Broken)) {
    let header = |name: &str| head.header(name).unwrap_or("");
    let (kind, parameters) = match header("content-type").split_once(';') {
        Some((kind, parameters)) => (kind.trim(), parameters.trim()),
        None => (header("content-type"), ""),
    };
    let is_v1 = matches!(parameters, "" | "proto=prometheus.WriteRequest");
    if kind != "application/x-protobuf" || !is_v1 {
        found(Broken::ContentType);
    }
    if header("content-encoding") != "snappy" {
        found(Broken::ContentEncoding);
    }
    if header("x-prometheus-remote-write-version") != "0.1.0" {
        found(Broken::Version);
    }
    if header("user-agent").is_empty() {
        found(Broken::UserAgent);
    }
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
