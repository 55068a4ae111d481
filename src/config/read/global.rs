//! `global`: what jobs inherit, and the external labels.

use std::path::PathBuf;
use std::time::Duration;

use super::protocols;
use crate::config::Features;
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::scrape::{EscapingScheme, ScrapeLimits, ScrapeProtocol};
use crate::model::labels::is_legacy_label_name;
use crate::relabel::rule::NameScheme;

const INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);

/// The section with its defaults.
#[derive(Clone, Debug)]
pub(in crate::config) struct GlobalSection {
    pub(super) scrape_interval: Duration,
    pub(super) scrape_timeout: Duration,
    pub(super) scrape_protocols: Option<Vec<ScrapeProtocol>>,
    pub(super) scrape_failure_log_file: Option<PathBuf>,
    /// Before environment variables are expanded.
    pub(in crate::config) external_labels: Vec<(String, String)>,
    pub(super) limits: ScrapeLimits,
    pub(super) name_scheme: NameScheme,
    pub(super) escaping: Option<EscapingScheme>,
    pub(super) scrape_native_histograms: bool,
    pub(super) convert_classic_histograms_to_nhcb: bool,
    pub(super) always_scrape_classic_histograms: bool,
    pub(super) extra_scrape_metrics: bool,
    /// No keys of the file.
    pub(super) features: Features,
}

impl GlobalSection {
    /// What holds where nothing is written. Start timestamps come best by protobuf, so a job that
    /// takes them asks for it first, as in Prometheus.
    fn unwritten(features: Features) -> Self {
        let takes_starts = features.start_timestamps || features.start_zeros;
        let protocols = takes_starts.then(|| protocols::default(true));
        GlobalSection {
            scrape_interval: INTERVAL,
            scrape_timeout: TIMEOUT,
            scrape_protocols: protocols,
            scrape_failure_log_file: None,
            external_labels: Vec::new(),
            limits: ScrapeLimits::default(),
            name_scheme: NameScheme::Utf8,
            escaping: None,
            scrape_native_histograms: false,
            convert_classic_histograms_to_nhcb: false,
            always_scrape_classic_histograms: false,
            extra_scrape_metrics: features.extra_scrape_metrics,
            features,
        }
    }

    /// The escaping that jobs inherit which name neither a validation nor an escaping scheme.
    pub(super) fn effective_escaping(&self) -> EscapingScheme {
        self.escaping.unwrap_or(match self.name_scheme {
            NameScheme::Legacy => EscapingScheme::Underscores,
            NameScheme::Utf8 => EscapingScheme::AllowUtf8,
        })
    }
}

/// Takes the section out of the main file's fields. Its mistakes are noted there, and jobs inherit
/// what could be read, so that their own mistakes show as well.
pub(super) fn read(top: &mut Fields<'_>, features: Features) -> GlobalSection {
    let unwritten = GlobalSection::unwritten(features);
    let Some(at) = top.non_null("global") else {
        return unwritten;
    };
    let Some(mut fields) = top.note(Fields::new(&at, "config.plain")) else {
        return unwritten;
    };
    let (scrape_interval, scrape_timeout) = times(&mut fields);
    let scrape_protocols = fields.get("scrape_protocols", |at| {
        protocols::list(at, "for global config")
    });
    let name_scheme = fields.get("metric_name_validation_scheme", name_scheme);
    let name_scheme = name_scheme.flatten().unwrap_or_default();
    let escaping = fields.get("metric_name_escaping_scheme", |at| {
        protocols::escaping(at, "global")
    });
    let external_labels = external_labels(&mut fields, name_scheme);
    let limits = limits(&mut fields);
    let flags = [
        "scrape_native_histograms",
        "convert_classic_histograms_to_nhcb",
        "always_scrape_classic_histograms",
    ]
    .map(|key| fields.bool(key).unwrap_or(false));
    let extra = fields.bool("extra_scrape_metrics");
    let scrape_failure_log_file = path(&mut fields, "scrape_failure_log_file");
    // Read and checked, but only a server that evaluates queries uses them.
    fields.duration("evaluation_interval");
    fields.duration("rule_query_offset");
    fields.string("query_log_file");
    top.note(fields.finish());
    GlobalSection {
        scrape_interval,
        scrape_timeout,
        scrape_protocols: scrape_protocols.flatten().or(unwritten.scrape_protocols),
        scrape_failure_log_file,
        external_labels,
        limits,
        name_scheme,
        escaping: escaping.flatten(),
        scrape_native_histograms: flags[0],
        convert_classic_histograms_to_nhcb: flags[1],
        always_scrape_classic_histograms: flags[2],
        extra_scrape_metrics: extra.unwrap_or(unwritten.extra_scrape_metrics),
        features,
    }
}

fn times(fields: &mut Fields<'_>) -> (Duration, Duration) {
    let interval = non_zero(fields.duration("scrape_interval")).unwrap_or(INTERVAL);
    let timeout = non_zero(fields.duration("scrape_timeout"));
    if timeout.is_some_and(|timeout| timeout > interval) {
        let message = "global scrape timeout greater than scrape interval";
        fields.rule("scrape_timeout", message);
    }
    (interval, timeout.unwrap_or(TIMEOUT.min(interval)))
}

/// A written zero means the default, as an unwritten key does.
pub(super) fn non_zero(duration: Option<Duration>) -> Option<Duration> {
    duration.filter(|duration| !duration.is_zero())
}

/// A path; an empty one is none.
pub(super) fn path(fields: &mut Fields<'_>, key: &str) -> Option<PathBuf> {
    let text = fields.string(key).filter(|text| !text.is_empty())?;
    Some(text.into())
}

/// `utf8`, `legacy`, or nothing when empty.
pub(super) fn name_scheme(at: &Cursor<'_>) -> Decoded<Option<NameScheme>> {
    let text = at.string()?;
    match text.as_str() {
        "" => Ok(None),
        "utf8" => Ok(Some(NameScheme::Utf8)),
        "legacy" => Ok(Some(NameScheme::Legacy)),
        _ => Err(at.rule(format!("unrecognized ValidationScheme: {text:?}"))),
    }
}

/// The limits that both `global` and jobs have.
pub(super) fn limits(fields: &mut Fields<'_>) -> ScrapeLimits {
    ScrapeLimits {
        body_size: fields.size("body_size_limit"),
        samples: fields.u64("sample_limit"),
        targets: fields.u64("target_limit").unwrap_or(0),
        labels: fields.u64("label_limit").unwrap_or(0),
        label_name_length: fields.u64("label_name_length_limit").unwrap_or(0),
        label_value_length: fields.u64("label_value_length_limit").unwrap_or(0),
        keep_dropped_targets: fields.u64("keep_dropped_targets").unwrap_or(0),
    }
}

fn external_labels(fields: &mut Fields<'_>, scheme: NameScheme) -> Vec<(String, String)> {
    let labels = fields.string_map("external_labels").unwrap_or_default();
    for (name, _) in &labels {
        let valid = match scheme {
            NameScheme::Utf8 => !name.is_empty(),
            NameScheme::Legacy => is_legacy_label_name(name),
        };
        if !valid {
            fields.rule(
                "external_labels",
                format!("{name:?} is not a valid label name"),
            );
        }
    }
    labels
}
