//! From a row's series text to its labels: conflicts with the target's labels, metric relabelling,
//! validity and limits (Prometheus's `mutateSampleLabels` and `checkLabels`).
//!
//! Runs once per new series, never per sample.

use crate::config::scrape::{ScrapeConfig, ScrapeLimits};
use crate::exposition::created;
use crate::exposition::key::{SeriesText, parse_key};
use crate::exposition::normalize;
use crate::exposition::protocol::Format;
use crate::model::labels::{
    Labels, LabelsBuilder, METRIC_NAME, is_legacy_label_name, is_legacy_metric_name,
};
use crate::model::metadata::MetricType;
use crate::model::series::encode_label;
use crate::model::sorting;
use crate::relabel::{apply::apply, rule::NameScheme};

/// Why a row fails its whole scrape, in Prometheus's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The series text itself is malformed.
    #[error("{0}")]
    Syntax(String),
    /// A label name stands twice.
    #[error("label name {name:?} is not unique: invalid sample {series}")]
    DuplicateLabel {
        /// The name.
        name: String,
        /// The series text.
        series: String,
    },
    /// No metric name is left.
    #[error("missing metric name (__name__ label)")]
    NoName,
    /// A name is not valid under the job's scheme.
    #[error("invalid metric name or label names: {0}")]
    InvalidName(String),
    /// Too many labels.
    #[error(
        "label_limit exceeded (metric: {metric:.50}, number of labels: {count}, limit: {limit})"
    )]
    LabelCount {
        /// Metric name.
        metric: String,
        /// Labels it has.
        count: usize,
        /// Labels it may have.
        limit: u64,
    },
    /// A label name is too long.
    #[error(
        "label_name_length_limit exceeded (metric: {metric:.50}, label name: {name:.50}, \
         length: {length}, limit: {limit})"
    )]
    NameLength {
        /// Metric name.
        metric: String,
        /// The label name.
        name: String,
        /// Its bytes.
        length: usize,
        /// Bytes it may have.
        limit: u64,
    },
    /// A label value is too long.
    #[error(
        "label_value_length_limit exceeded (metric: {metric:.50}, label name: {name:.50}, \
         value: {value:.50?}, length: {length}, limit: {limit})"
    )]
    ValueLength {
        /// Metric name.
        metric: String,
        /// The label name.
        name: String,
        /// The value.
        value: String,
        /// Its bytes.
        length: usize,
        /// Bytes it may have.
        limit: u64,
    },
}

impl RowError {
    /// Whether a label limit was exceeded (counted apart by Prometheus).
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(
            self,
            RowError::LabelCount { .. }
                | RowError::NameLength { .. }
                | RowError::ValueLength { .. }
        )
    }
}

/// Turns rows into own labels for one target. Reuses its buffers.
#[derive(Debug)]
pub struct RowLabels<'a> {
    config: &'a ScrapeConfig,
    target: &'a Labels,
    format: Format,
    /// Nothing in the configuration changes or limits labels.
    plain: bool,
    scraped: SeriesText,
    builder: LabelsBuilder,
}

impl<'a> RowLabels<'a> {
    /// For rows of `format` exposed by a target with these labels.
    #[must_use]
    pub fn new(config: &'a ScrapeConfig, target: &'a Labels, format: Format) -> RowLabels<'a> {
        let limits = &config.limits;
        let limits = [
            limits.labels,
            limits.label_name_length,
            limits.label_value_length,
        ];
        let limited = limits.iter().any(|limit| *limit > 0);
        let checked = config.name_scheme != NameScheme::Utf8;
        RowLabels {
            config,
            target,
            format,
            plain: config.metric_relabel_configs.is_empty() && !limited && !checked,
            scraped: SeriesText::default(),
            builder: LabelsBuilder::default(),
        }
    }

    /// Whether the row is no series but says since when others count.
    #[must_use]
    pub fn is_start(&self, key: &[u8], type_before: MetricType) -> bool {
        self.config.takes_starts()
            && self.format == Format::OpenMetrics
            && created::is_start(key, type_before)
    }

    /// Appends the own labels of the series written as `key` to `out`, sorted and encoded as a
    /// chunk of series has them. False when relabelling drops it. `type_before` is the type that
    /// the page named last.
    ///
    /// # Errors
    /// What fails the whole scrape.
    pub fn own(
        &mut self,
        key: &[u8],
        type_before: MetricType,
        out: &mut Vec<u8>,
    ) -> Result<bool, RowError> {
        parse_key(key, self.format, &mut self.scraped)
            .map_err(|error| RowError::Syntax(error.to_string()))?;
        if self.plain && self.is_as_scraped() {
            self.copy_scraped(type_before, out);
            return Ok(true);
        }
        self.read(type_before);
        self.merge();
        if !apply(&self.config.metric_relabel_configs, &mut self.builder) {
            return Ok(false);
        }
        if self.builder.is_empty() {
            return Ok(false);
        }
        self.check_names()?;
        check_limits(&self.config.limits, &self.builder)?;
        self.check_repeated(key)?;
        self.subtract_target(out);
        Ok(true)
    }

    /// Whether the own labels are the scraped ones, but for those with empty values: there is a
    /// metric name, every label has a name, and none stands twice or has a name that the target's
    /// labels have.
    fn is_as_scraped(&self) -> bool {
        let mut target = self.target.iter().map(|(name, _)| name).peekable();
        let (mut named, mut last) = (false, None);
        for (name, value) in self.scraped.iter() {
            while target.next_if(|own| *own < name).is_some() {}
            if last == Some(name) || target.peek() == Some(&name) || name.is_empty() {
                return false;
            }
            named |= name == METRIC_NAME && !value.is_empty();
            last = Some(name);
        }
        named
    }

    fn copy_scraped(&self, type_before: MetricType, out: &mut Vec<u8>) {
        for (name, value) in self.scraped.iter() {
            match normalize::label_value(type_before, name, value) {
                Some(value) => encode_label(out, name, &value),
                None if value.is_empty() => {}
                None => encode_label(out, name, value),
            }
        }
    }

    fn read(&mut self, type_before: MetricType) {
        self.builder.clear();
        for (name, value) in self.scraped.iter() {
            match normalize::label_value(type_before, name, value) {
                Some(value) => self.builder.set(name, &value),
                None => self.builder.set(name, value),
            }
        }
    }

    /// Joins scraped and target labels as `honor_labels` says.
    fn merge(&mut self) {
        if self.config.honor_labels {
            for (name, value) in self.target.iter() {
                // A scraped label wins even when it is empty: that is how an exporter says "none".
                if !has(&self.scraped, name) {
                    self.builder.set(name, value);
                }
            }
            return;
        }
        let mut conflicts = Vec::new();
        for (name, value) in self.target.iter() {
            let existing = self.builder.get(name);
            if !existing.is_empty() {
                conflicts.push((name, existing.to_owned()));
            }
            self.builder.set(name, value);
        }
        if conflicts.is_empty() {
            return;
        }
        // Shortest names first, until each name is free.
        sorting::sort_by_key(&mut conflicts, |(name, _)| name.len());
        for (name, value) in conflicts {
            let mut free = format!("exported_{name}");
            while self.builder.contains(&free) {
                free.insert_str(0, "exported_");
            }
            self.builder.set(&free, &value);
        }
    }

    fn check_names(&self) -> Result<(), RowError> {
        let metric = self.builder.get(METRIC_NAME);
        if metric.is_empty() {
            return Err(RowError::NoName);
        }
        let valid = match self.config.name_scheme {
            NameScheme::Utf8 => !self.builder.contains(""),
            NameScheme::Legacy => {
                is_legacy_metric_name(metric)
                    && self
                        .builder
                        .iter()
                        .all(|(name, _)| is_legacy_label_name(name))
            }
        };
        if valid {
            Ok(())
        } else {
            Err(RowError::InvalidName(self.builder.build().to_string()))
        }
    }

    /// Refuses a label that stands twice, unless relabelling has taken it away.
    fn check_repeated(&self, key: &[u8]) -> Result<(), RowError> {
        let repeated = self.scraped.duplicate_name();
        match repeated.filter(|name| self.builder.contains(name)) {
            None => Ok(()),
            Some(name) => Err(RowError::DuplicateLabel {
                name: name.to_owned(),
                series: String::from_utf8_lossy(key).into_owned(),
            }),
        }
    }

    /// Appends what must be laid over the target's labels to give the builder's.
    fn subtract_target(&self, out: &mut Vec<u8>) {
        let mut target = self.target.iter().peekable();
        for (name, value) in self.builder.iter() {
            while let Some((gone, _)) = target.next_if(|(own, _)| *own < name) {
                encode_label(out, gone, "");
            }
            let of_target = target.next_if(|(own, _)| *own == name);
            if of_target.is_none_or(|(_, own)| own != value) {
                encode_label(out, name, value);
            }
        }
        for (gone, _) in target {
            encode_label(out, gone, "");
        }
    }
}

/// Whether the row has a label of that name, be its value empty.
fn has(scraped: &SeriesText, name: &str) -> bool {
    scraped.iter().any(|(own, _)| own == name)
}

fn check_limits(limits: &ScrapeLimits, labels: &LabelsBuilder) -> Result<(), RowError> {
    let metric = || labels.get(METRIC_NAME).to_owned();
    if limits.labels > 0 && labels.len() as u64 > limits.labels {
        let (count, limit) = (labels.len(), limits.labels);
        return Err(RowError::LabelCount {
            metric: metric(),
            count,
            limit,
        });
    }
    if limits.label_name_length == 0 && limits.label_value_length == 0 {
        return Ok(());
    }
    for (name, value) in labels.iter() {
        let limit = limits.label_name_length;
        if limit > 0 && name.len() as u64 > limit {
            let (name, length) = (name.to_owned(), name.len());
            return Err(RowError::NameLength {
                metric: metric(),
                name,
                length,
                limit,
            });
        }
        let limit = limits.label_value_length;
        if limit > 0 && value.len() as u64 > limit {
            let (name, length) = (name.to_owned(), value.len());
            let value = value.to_owned();
            return Err(RowError::ValueLength {
                metric: metric(),
                name,
                value,
                length,
                limit,
            });
        }
    }
    Ok(())
}
