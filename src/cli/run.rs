//! From given flags to the options of a run.

use std::path::PathBuf;
use std::time::Duration;

use crate::agent::options::{
    RunOptions, SandboxMode, SandboxOptions, ScrapeOptions, Staging, StorageOptions,
};
use crate::config::Features;
use crate::model::{duration, size};
use crate::telemetry::log::Format;
use crate::web::WebOptions;
use crate::web::external_url::ExternalUrl;

use super::help;
use super::parse::{Given, UsageError};

/// Checks every value.
pub(super) fn options(given: &Given, hostname: &str) -> Result<RunOptions, UsageError> {
    let features = features(given);
    let listen_addresses: Vec<String> = given
        .values("web.listen-address")
        .into_iter()
        .map(str::to_owned)
        .collect();
    for address in &listen_addresses {
        check_address(address)?;
    }
    Ok(RunOptions {
        config_file: given.value("config.file").into(),
        features: Features {
            start_timestamps: features.contains(&"st-storage"),
            start_zeros: features.contains(&"created-timestamp-zero-ingestion"),
            extra_scrape_metrics: features.contains(&"extra-scrape-metrics"),
        },
        auto_reload: auto_reload(given, &features)?,
        storage: storage(given)?,
        memory_max: memory_max(given)?,
        scrape: scrape(given)?,
        flush_deadline: duration(given, "storage.remote.flush-deadline")?,
        web: web(given, &listen_addresses[0], hostname)?,
        listen_addresses,
        web_config_file: Some(given.value("web.config.file"))
            .filter(|path| !path.is_empty())
            .map(Into::into),
        sandbox: sandbox(given)?,
        log_level: log_level(given.value("log.level"))?,
        log_format: log_format(given.value("log.format"))?,
        notices: notices(given, &features),
    })
}

fn invalid(text: impl Into<String>) -> UsageError {
    UsageError::Invalid(text.into())
}

fn duration(given: &Given, name: &str) -> Result<Duration, UsageError> {
    let parsed = duration::parse(given.value(name));
    parsed.map_err(|error| invalid(format!("{error}, flag '--{name}'")))
}

fn check_address(address: &str) -> Result<(), UsageError> {
    let port = address
        .rsplit_once(':')
        .map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) => Ok(()),
        _ => Err(invalid(format!(
            "not an address of the form host:port: {address:?}, flag '--web.listen-address'"
        ))),
    }
}

fn storage(given: &Given) -> Result<StorageOptions, UsageError> {
    let name = "storage.agent.max-bytes";
    let bytes_max = size::parse(given.value(name));
    Ok(StorageOptions {
        path: given.value("storage.agent.path").into(),
        bytes_max: bytes_max.map_err(|error| invalid(format!("{error}, flag '--{name}'")))?,
        age_max: Some(duration(given, "storage.agent.retention.max-time")?)
            .filter(|age| !age.is_zero()),
        sync_interval: duration(given, "storage.agent.sync-interval")?,
        staging: staging(given.value("storage.agent.staging-path")),
    })
}

/// Where systemd says that files of a service may live as long as the machine runs, then where every
/// Linux has shared memory.
fn staging(value: &str) -> Staging {
    match value {
        "none" => Staging::Off,
        "auto" => {
            let runtime = std::env::var("RUNTIME_DIRECTORY").unwrap_or_default();
            let runtime = runtime.split(':').filter(|path| path.starts_with('/'));
            Staging::Auto(runtime.chain(["/dev/shm"]).map(PathBuf::from).collect())
        }
        path => Staging::In(path.into()),
    }
}

fn sandbox(given: &Given) -> Result<SandboxOptions, UsageError> {
    let mode = match given.value("sandbox") {
        "off" => SandboxMode::Off,
        "auto" => SandboxMode::Auto,
        "required" => SandboxMode::Required,
        other => {
            return Err(invalid(format!(
                "not off, auto or required: {other:?}, flag '--sandbox'"
            )));
        }
    };
    let read = given.values("sandbox.read").into_iter();
    Ok(SandboxOptions {
        mode,
        read: read
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .collect(),
    })
}

fn memory_max(given: &Given) -> Result<Option<u64>, UsageError> {
    let name = "memory.max-bytes";
    let value = given.value(name);
    if value.is_empty() {
        return Ok(None);
    }
    let bytes = size::parse(value);
    bytes
        .map(Some)
        .map_err(|error| invalid(format!("{error}, flag '--{name}'")))
}

fn scrape(given: &Given) -> Result<ScrapeOptions, UsageError> {
    let tolerance = duration(given, "scrape.timestamp-tolerance")?;
    Ok(ScrapeOptions {
        discovery_reload_interval: duration(given, "scrape.discovery-reload-interval")?,
        timestamp_tolerance: given
            .is_set("scrape.adjust-timestamps")
            .then_some(tolerance),
    })
}

fn auto_reload(given: &Given, features: &[&str]) -> Result<Option<Duration>, UsageError> {
    let interval = duration(given, "config.auto-reload-interval")?;
    let wanted = given.is_set("config.auto-reload") || features.contains(&"auto-reload-config");
    Ok(wanted.then_some(interval.max(Duration::from_secs(1))))
}

fn web(given: &Given, listen_address: &str, hostname: &str) -> Result<WebOptions, UsageError> {
    let flag = given.value("web.external-url");
    let external_url = ExternalUrl::parse(flag, listen_address, hostname)
        .map_err(|error| invalid(format!("parse external URL {flag:?}: {error}")))?;
    let name = "web.max-connections";
    let clients_max = given.value(name).parse().ok().filter(|number| *number > 0);
    Ok(WebOptions {
        route_prefix: external_url.route_prefix(given.value("web.route-prefix")),
        external_url,
        enable_lifecycle: given.is_set("web.enable-lifecycle"),
        idle_timeout: duration(given, "web.read-timeout")?,
        clients_max: clients_max.ok_or_else(|| {
            invalid(format!(
                "not a positive number: {:?}, flag '--{name}'",
                given.value(name)
            ))
        })?,
        page_title: given.value("web.page-title").to_owned(),
        flags: given.all_values(),
        build: help::build_info(),
    })
}

fn log_level(text: &str) -> Result<log::LevelFilter, UsageError> {
    match text {
        "debug" => Ok(log::LevelFilter::Debug),
        "info" => Ok(log::LevelFilter::Info),
        "warn" => Ok(log::LevelFilter::Warn),
        "error" => Ok(log::LevelFilter::Error),
        other => Err(invalid(format!("unrecognized log level {other:?}"))),
    }
}

fn log_format(text: &str) -> Result<Format, UsageError> {
    match text {
        "logfmt" => Ok(Format::Logfmt),
        "json" => Ok(Format::Json),
        other => Err(invalid(format!("unrecognized log format {other:?}"))),
    }
}

/// Names in all `--enable-feature` flags.
fn features(given: &Given) -> Vec<&str> {
    let values = given.values("enable-feature").into_iter();
    let names = values.flat_map(|value| value.split(',')).map(str::trim);
    names.filter(|name| !name.is_empty()).collect()
}

/// Features with an effect here, and those whose absence nobody will notice.
const FEATURES: [&str; 10] = [
    "agent",
    "auto-gomaxprocs",
    "auto-gomemlimit",
    "auto-reload-config",
    "created-timestamp-zero-ingestion",
    "exemplar-storage",
    "expand-external-labels",
    "extra-scrape-metrics",
    "metadata-wal-records",
    "st-storage",
];

fn notices(given: &Given, features: &[&str]) -> Vec<String> {
    let mut notices = given.notices();
    let unknown = features.iter().filter(|name| !FEATURES.contains(name));
    notices.extend(unknown.map(|name| format!("--enable-feature={name} has no effect")));
    notices
}
