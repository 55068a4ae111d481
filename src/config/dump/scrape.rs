//! One job, and relabelling rules.

use super::section::Section;
use super::{discovery, http_client};
use crate::config::read::relabel::action_name;
use crate::config::scrape::{ScrapeConfig, ScrapeLimits};
use crate::config::yaml::{Node, write};
use crate::model::size;
use crate::relabel::rule::{NameScheme, Rule};

pub(super) fn node(job: &ScrapeConfig) -> Node {
    let mut section = Section::default();
    section.text("job_name", &job.job_name);
    section.word("honor_labels", job.honor_labels);
    section.word("honor_timestamps", job.honor_timestamps);
    section.word("track_timestamps_staleness", job.track_timestamps_staleness);
    let params = job.params.iter();
    section.mapping(
        "params",
        params.map(|(name, values)| (name.clone(), texts(values))),
    );
    section.duration("scrape_interval", job.scrape_interval);
    section.duration("scrape_timeout", job.scrape_timeout);
    formats(&mut section, job);
    section.text("metrics_path", &job.metrics_path);
    section.text("scheme", &job.scheme);
    if let Some(wanted) = job.enable_compression {
        section.word("enable_compression", wanted);
    }
    limits(&mut section, &job.limits);
    section.number_if(
        "native_histogram_bucket_limit",
        job.native_histogram_bucket_limit,
    );
    if job.native_histogram_min_bucket_factor != 0.0 {
        let factor = float(job.native_histogram_min_bucket_factor);
        section.word("native_histogram_min_bucket_factor", factor.as_str());
    }
    let scheme = match job.name_scheme {
        NameScheme::Utf8 => "utf8",
        NameScheme::Legacy => "legacy",
    };
    section.text("metric_name_validation_scheme", scheme);
    section.text("metric_name_escaping_scheme", job.escaping.as_str());
    section.word("extra_scrape_metrics", job.extra_scrape_metrics);
    if let Some(path) = &job.scrape_failure_log_file {
        section.path("scrape_failure_log_file", path);
    }
    http_client::add(&mut section, &job.http_client);
    section.list("relabel_configs", job.relabel_configs.iter().map(rule));
    section.list(
        "metric_relabel_configs",
        job.metric_relabel_configs.iter().map(rule),
    );
    discovery::add(&mut section, &job.discovery);
    section.node()
}

fn texts(values: &[String]) -> Node {
    write::list(values.iter().map(|value| write::text(value)))
}

fn float(number: f64) -> String {
    match number {
        number if number.is_nan() => ".nan".to_owned(),
        f64::INFINITY => ".inf".to_owned(),
        f64::NEG_INFINITY => "-.inf".to_owned(),
        number => number.to_string(),
    }
}

fn formats(section: &mut Section, job: &ScrapeConfig) {
    let protocols = job.scrape_protocols.iter();
    section.list(
        "scrape_protocols",
        protocols.map(|protocol| write::text(protocol.as_str())),
    );
    if let Some(protocol) = job.fallback_scrape_protocol {
        section.text("fallback_scrape_protocol", protocol.as_str());
    }
    section.word("scrape_native_histograms", job.scrape_native_histograms);
    section.word(
        "always_scrape_classic_histograms",
        job.always_scrape_classic_histograms,
    );
    section.word(
        "convert_classic_histograms_to_nhcb",
        job.convert_classic_histograms_to_nhcb,
    );
}

fn limits(section: &mut Section, limits: &ScrapeLimits) {
    if let Some(bytes) = limits.body_size {
        section.word("body_size_limit", size::format(bytes).as_str());
    }
    if let Some(samples) = limits.samples {
        section.word("sample_limit", samples);
    }
    section.number_if("target_limit", limits.targets);
    section.number_if("label_limit", limits.labels);
    section.number_if("label_name_length_limit", limits.label_name_length);
    section.number_if("label_value_length_limit", limits.label_value_length);
    section.number_if("keep_dropped_targets", limits.keep_dropped_targets);
}

pub(super) fn rule(rule: &Rule) -> Node {
    let mut section = Section::default();
    section.list(
        "source_labels",
        rule.source_labels.iter().map(|label| write::text(label)),
    );
    section.text("separator", &rule.separator);
    if !rule.regex.is_default() {
        // Prometheus refuses a written regex with some actions, even if it is the default.
        section.text("regex", &rule.regex.source);
    }
    section.number_if("modulus", rule.modulus);
    section.text_if("target_label", &rule.target_label);
    section.text("replacement", &rule.replacement);
    section.text("action", action_name(rule.action));
    section.node()
}
