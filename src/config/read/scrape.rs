//! One job of `scrape_configs`, with what it inherits from `global`.

use std::sync::Arc;
use std::time::Duration;

use super::global::{self, GlobalSection, non_zero};
use super::{discovery, http_client, protocols, relabel};
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::scrape::{EscapingScheme, ScrapeConfig, ScrapeLimits, ScrapeProtocol};
use crate::model::sorting;
use crate::relabel::rule::NameScheme;

/// Reads a job.
///
/// # Errors
/// All its mistakes.
pub(in crate::config) fn read(
    at: &Cursor<'_>,
    global: &GlobalSection,
    file: &Arc<str>,
) -> Decoded<ScrapeConfig> {
    if at.node.is_null() {
        return Err(at.rule("empty or null scrape config section"));
    }
    let mut fields = Fields::new(at, "config.ScrapeConfig")?;
    let job_name = fields.string("job_name").unwrap_or_default();
    if job_name.is_empty() {
        fields.rule("job_name", "job_name is empty");
    }
    let (scrape_interval, scrape_timeout) = times(&mut fields, global, &job_name);
    let flag = Flags::read(&mut fields, global);
    let (name_scheme, escaping) = names(&mut fields, global);
    let (relabel_configs, metric_relabel_configs) = rules(&mut fields, name_scheme);
    let job = ScrapeConfig {
        scrape_interval,
        scrape_timeout,
        scrape_protocols: protocols(&mut fields, global, flag.native, &job_name),
        fallback_scrape_protocol: fallback(&mut fields, &job_name),
        scrape_native_histograms: flag.native,
        always_scrape_classic_histograms: flag.classic,
        convert_classic_histograms_to_nhcb: flag.nhcb,
        native_histogram_bucket_limit: fields.u64("native_histogram_bucket_limit").unwrap_or(0),
        native_histogram_min_bucket_factor: fields
            .f64("native_histogram_min_bucket_factor")
            .unwrap_or(0.0),
        start_timestamps: global.features.start_timestamps,
        start_zeros: global.features.start_zeros,
        name_scheme,
        escaping,
        extra_scrape_metrics: flag.extra,
        honor_labels: fields.bool("honor_labels").unwrap_or(false),
        honor_timestamps: fields.bool("honor_timestamps").unwrap_or(true),
        track_timestamps_staleness: fields.bool("track_timestamps_staleness").unwrap_or(false),
        metrics_path: fields
            .string("metrics_path")
            .unwrap_or_else(|| "/metrics".to_owned()),
        scheme: fields.string("scheme").unwrap_or_else(|| "http".to_owned()),
        params: fields.get("params", params).unwrap_or_default(),
        enable_compression: fields.bool("enable_compression"),
        limits: inherited(global::limits(&mut fields), &global.limits),
        scrape_failure_log_file: global::path(&mut fields, "scrape_failure_log_file")
            .or_else(|| global.scrape_failure_log_file.clone()),
        http_client: http_client::read(&mut fields, true),
        discovery: discovery::read(&mut fields, relabel_configs.is_empty(), file).into(),
        relabel_configs,
        metric_relabel_configs,
        job_name,
    };
    fields.finish()?;
    Ok(job)
}

fn times(fields: &mut Fields<'_>, global: &GlobalSection, job: &str) -> (Duration, Duration) {
    let interval = non_zero(fields.duration("scrape_interval")).unwrap_or(global.scrape_interval);
    let timeout = non_zero(fields.duration("scrape_timeout"));
    if timeout.is_some_and(|timeout| timeout > interval) {
        let message = format!(
            "scrape timeout greater than scrape interval for scrape config with job name {job:?}"
        );
        fields.rule("scrape_timeout", message);
    }
    let timeout = timeout.unwrap_or(global.scrape_timeout.min(interval));
    (interval, timeout)
}

/// Switches whose unwritten (or null) state is that of `global`.
struct Flags {
    native: bool,
    classic: bool,
    nhcb: bool,
    extra: bool,
}

impl Flags {
    fn read(fields: &mut Fields<'_>, global: &GlobalSection) -> Flags {
        let mut flag = |key: &str, inherited: bool| match fields.non_null(key) {
            Some(at) => fields.note(at.bool()).unwrap_or(inherited),
            None => inherited,
        };
        Flags {
            native: flag("scrape_native_histograms", global.scrape_native_histograms),
            classic: flag(
                "always_scrape_classic_histograms",
                global.always_scrape_classic_histograms,
            ),
            nhcb: flag(
                "convert_classic_histograms_to_nhcb",
                global.convert_classic_histograms_to_nhcb,
            ),
            extra: flag("extra_scrape_metrics", global.extra_scrape_metrics),
        }
    }
}

fn protocols(
    fields: &mut Fields<'_>,
    global: &GlobalSection,
    native: bool,
    job: &str,
) -> Vec<ScrapeProtocol> {
    let whose = format!("for scrape config with job name {job:?}");
    let written = fields.get("scrape_protocols", |at| protocols::list(at, &whose));
    let inherited = || global.scrape_protocols.clone();
    let chosen = written.flatten().or_else(inherited);
    chosen.unwrap_or_else(|| protocols::default(native))
}

fn fallback(fields: &mut Fields<'_>, job: &str) -> Option<ScrapeProtocol> {
    let text = fields
        .string("fallback_scrape_protocol")
        .filter(|text| !text.is_empty())?;
    match protocols::protocol(&text) {
        Ok(protocol) => Some(protocol),
        Err(error) => {
            let message = format!(
                "invalid fallback_scrape_protocol for scrape config with job name {job:?}: {error}"
            );
            fields.rule("fallback_scrape_protocol", message);
            None
        }
    }
}

/// Validation and escaping of names. A job that only asks for legacy validation does not inherit
/// the escaping of `global`, which may contradict it.
fn names(fields: &mut Fields<'_>, global: &GlobalSection) -> (NameScheme, EscapingScheme) {
    let written = fields.get("metric_name_validation_scheme", global::name_scheme);
    let written = written.flatten();
    let scheme = written.unwrap_or(global.name_scheme);
    let escaping = fields.get("metric_name_escaping_scheme", |at| {
        protocols::escaping(at, "scrape config")
    });
    let escaping = escaping.flatten().unwrap_or(match written {
        None => global.effective_escaping(),
        Some(NameScheme::Legacy) => EscapingScheme::Underscores,
        Some(NameScheme::Utf8) => EscapingScheme::AllowUtf8,
    });
    if scheme == NameScheme::Legacy && escaping == EscapingScheme::AllowUtf8 {
        fields.rule(
            "metric_name_escaping_scheme",
            "utf8 metric names requested but validation scheme is not set to UTF8",
        );
    }
    (scheme, escaping)
}

type Rules = Vec<crate::relabel::rule::Rule>;

fn rules(fields: &mut Fields<'_>, scheme: NameScheme) -> (Rules, Rules) {
    let mut list = |key: &str, null_item: &str| {
        let rules = fields.get(key, |at| relabel::read_list(at, scheme, null_item));
        rules.unwrap_or_default()
    };
    let target = "empty or null target relabeling rule in scrape config";
    let metric = "empty or null metric relabeling rule in scrape config";
    (
        list("relabel_configs", target),
        list("metric_relabel_configs", metric),
    )
}

/// Query parameters, sorted by name.
fn params(at: &Cursor<'_>) -> Decoded<Vec<(String, Vec<String>)>> {
    let mut params = Vec::new();
    for (name, values) in at.entries("url.Values")? {
        params.push((name, values.strings()?));
    }
    sorting::sort(&mut params);
    Ok(params)
}

/// A job's zero means: what `global` says. Only where neither says anything is a limit unwritten.
fn inherited(job: ScrapeLimits, global: &ScrapeLimits) -> ScrapeLimits {
    let number = |own: u64, global: u64| if own == 0 { global } else { own };
    let option = |own: Option<u64>, global: Option<u64>| match own {
        Some(0) | None => global.or(own),
        written => written,
    };
    ScrapeLimits {
        body_size: option(job.body_size, global.body_size),
        samples: option(job.samples, global.samples),
        targets: number(job.targets, global.targets),
        labels: number(job.labels, global.labels),
        label_name_length: number(job.label_name_length, global.label_name_length),
        label_value_length: number(job.label_value_length, global.label_value_length),
        keep_dropped_targets: number(job.keep_dropped_targets, global.keep_dropped_targets),
    }
}
