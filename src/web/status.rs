//! `/api/v1/status/...` and the small lists beside it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::url::redacted;
use crate::http::server::request::RequestHead;
use crate::http::server::response::Response;
use crate::model::calendar::{self, Rfc3339};
use crate::model::sorting;
use crate::model::time::Wall;

use super::backend::DiscoveryStatus;
use super::{Site, json};

/// Field names and order are those of Prometheus.
#[derive(Serialize)]
struct Runtime {
    #[serde(rename = "startTime")]
    start_time: String,
    #[serde(rename = "CWD")]
    working_directory: String,
    hostname: String,
    #[serde(rename = "serverTime")]
    server_time: String,
    #[serde(rename = "reloadConfigSuccess")]
    reload_succeeded: bool,
    #[serde(rename = "lastConfigTime")]
    last_config_time: String,
    #[serde(rename = "corruptionCount")]
    corruption_count: u64,
    /// Threads do here what goroutines do there.
    #[serde(rename = "goroutineCount")]
    goroutine_count: u64,
    #[serde(rename = "GOMAXPROCS")]
    cores: u64,
    #[serde(rename = "GOMEMLIMIT")]
    memory_bytes_max: u64,
    #[serde(rename = "GOGC")]
    gogc: &'static str,
    #[serde(rename = "GODEBUG")]
    godebug: &'static str,
    #[serde(rename = "storageRetention")]
    storage_retention: &'static str,
}

pub(super) fn runtime(site: &Site, _head: &RequestHead) -> Response {
    let info = site.backend.runtime();
    let text = |wall: Wall| Rfc3339(wall).to_string();
    json::success(
        site,
        Runtime {
            start_time: text(info.started),
            working_directory: info.working_directory,
            hostname: info.hostname,
            server_time: text(site.clock.wall()),
            reload_succeeded: info.reload_succeeded,
            last_config_time: text(info.config_loaded),
            corruption_count: info.corruptions,
            goroutine_count: info.threads,
            cores: info.cores,
            memory_bytes_max: info.memory_bytes_max,
            gogc: "",
            godebug: "",
            storage_retention: "",
        },
    )
}

pub(super) fn build(site: &Site, _head: &RequestHead) -> Response {
    json::success(site, &site.options.build)
}

#[derive(Serialize)]
struct Config {
    yaml: String,
}

pub(super) fn config(site: &Site, _head: &RequestHead) -> Response {
    let yaml = site.backend.config_yaml();
    json::success(site, Config { yaml })
}

pub(super) fn flags(site: &Site, _head: &RequestHead) -> Response {
    let flags = site.options.flags.iter();
    // --web.external-url may hold a password.
    let map: BTreeMap<&str, String> =
        sorting::map(flags.map(|(name, value)| (&**name, redacted(value))));
    json::success(site, map)
}

/// A line of the books of losses.
#[derive(Serialize)]
struct LossLine {
    remote_name: String,
    job: String,
    reason: &'static str,
    samples: u64,
    first: String,
    last: String,
}

/// What was lost ever, by endpoint, job and reason. Prometheus has no such path.
pub(super) fn losses(site: &Site, _head: &RequestHead) -> Response {
    let losses = site.backend.losses();
    let lines = losses.iter().map(|(key, loss)| LossLine {
        remote_name: key.queue.clone(),
        job: key.job.clone(),
        reason: key.reason.name(),
        samples: loss.samples,
        first: Rfc3339(loss.first).to_string(),
        last: Rfc3339(loss.last).to_string(),
    });
    json::success(site, lines.collect::<Vec<_>>())
}

/// One provider. Prometheus shows nothing of the kind; the names follow those of its targets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    mechanism: String,
    jobs: Vec<String>,
    groups: u64,
    targets: u64,
    last_success: String,
    last_error: String,
    last_error_time: String,
    /// Seconds; null for those that do not poll.
    last_refresh_duration: Option<f64>,
}

#[derive(Serialize)]
struct Providers {
    providers: Vec<Provider>,
}

pub(super) fn discovery(site: &Site, _head: &RequestHead) -> Response {
    let text = |wall: Option<Wall>| {
        wall.map_or_else(
            || calendar::NEVER.to_owned(),
            |wall| Rfc3339(wall).to_string(),
        )
    };
    let provider = |status: DiscoveryStatus| Provider {
        mechanism: status.mechanism,
        jobs: status.jobs.iter().map(ToString::to_string).collect(),
        groups: status.groups,
        targets: status.targets,
        last_success: text(status.last_update),
        last_error: status.last_error,
        last_error_time: text(status.last_error_at),
        last_refresh_duration: status.last_refresh.map(|took| took.as_secs_f64()),
    };
    let providers = site.backend.discovery().into_iter();
    json::success(
        site,
        Providers {
            providers: providers.map(provider).collect(),
        },
    )
}

/// The log needs no replay, so there is never anything to show.
#[derive(Serialize)]
struct WalReplay {
    min: u64,
    max: u64,
    current: u64,
}

pub(super) fn wal_replay(site: &Site, _head: &RequestHead) -> Response {
    json::success(
        site,
        WalReplay {
            min: 0,
            max: 0,
            current: 0,
        },
    )
}

pub(super) fn features(site: &Site, _head: &RequestHead) -> Response {
    let api = [
        ("admin", false),
        ("lifecycle", site.options.enable_lifecycle),
    ];
    let features: BTreeMap<&str, BTreeMap<&str, bool>> = sorting::map([
        ("api", sorting::map(api)),
        ("prometheus", sorting::map([("agent_mode", true)])),
        ("scrape", sorting::map([("extra_scrape_metrics", true)])),
    ]);
    json::success(site, features)
}

/// There are none: what needs attention is in the metrics and the log.
pub(super) fn notifications(site: &Site, _head: &RequestHead) -> Response {
    json::success(site, [(); 0])
}

/// There never will be one: the answer that ends an event source, so that a browser does not ask
/// again.
pub(super) fn live_notifications(_site: &Site, _head: &RequestHead) -> Response {
    Response::empty(204)
}
