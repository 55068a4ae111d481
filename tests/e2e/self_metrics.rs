//! What the agent says about itself: the names and shapes that dashboards and tools read.

use std::collections::BTreeMap;

use super::support::agent::Agent;
use super::support::ledger::Ledger;
use super::support::receiver::Receiver;
use super::support::{config, wait};

/// Names that exist as soon as something was scraped and sent.
const NAMES: [&str; 61] = [
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
    "prometheus_agent_active_series",
    "prometheus_agent_corruptions_total",
    "prometheus_agent_deleted_series",
    "prometheus_agent_exemplars_appended_total",
    "prometheus_agent_out_of_order_samples_total",
    "prometheus_agent_samples_appended_total",
    "prometheus_build_info",
    "prometheus_config_last_reload_success_timestamp_seconds",
    "prometheus_config_last_reload_successful",
    "prometheus_http_requests_total",
    "prometheus_remote_storage_bytes_total",
    "prometheus_remote_storage_enqueue_retries_total",
    "prometheus_remote_storage_exemplars_in_total",
    "prometheus_remote_storage_exemplars_total",
    "prometheus_remote_storage_highest_timestamp_in_seconds",
    "prometheus_remote_storage_histograms_in_total",
    "prometheus_remote_storage_histograms_total",
    "prometheus_remote_storage_max_samples_per_send",
    "prometheus_remote_storage_metadata_total",
    "prometheus_remote_storage_queue_highest_sent_timestamp_seconds",
    "prometheus_remote_storage_samples_dropped_total",
    "prometheus_remote_storage_samples_failed_total",
    "prometheus_remote_storage_samples_in_total",
    "prometheus_remote_storage_samples_pending",
    "prometheus_remote_storage_samples_retried_total",
    "prometheus_remote_storage_samples_total",
    "prometheus_remote_storage_sent_batch_duration_seconds_bucket",
    "prometheus_remote_storage_sent_batch_duration_seconds_count",
    "prometheus_remote_storage_shard_capacity",
    "prometheus_remote_storage_shards",
    "prometheus_remote_storage_shards_desired",
    "prometheus_remote_storage_shards_max",
    "prometheus_remote_storage_shards_min",
    "prometheus_sd_discovered_targets",
    "prometheus_sd_failed_configs",
    "prometheus_sd_received_updates_total",
    "prometheus_sd_updates_total",
    "prometheus_target_interval_length_seconds_count",
    "prometheus_target_interval_length_seconds_sum",
    "prometheus_target_metadata_cache_entries",
    "prometheus_target_scrape_pool_exceeded_label_limits_total",
    "prometheus_target_scrape_pool_exceeded_target_limit_total",
    "prometheus_target_scrape_pool_reloads_failed_total",
    "prometheus_target_scrape_pool_reloads_total",
    "prometheus_target_scrape_pool_sync_total",
    "prometheus_target_scrape_pool_targets",
    "prometheus_target_scrape_pools_failed_total",
    "prometheus_target_scrape_pools_total",
    "prometheus_target_scrapes_exceeded_body_size_limit_total",
    "prometheus_target_scrapes_exceeded_sample_limit_total",
    "prometheus_target_scrapes_sample_duplicate_timestamp_total",
    "prometheus_target_scrapes_sample_out_of_bounds_total",
    "prometheus_target_scrapes_sample_out_of_order_total",
    "prometheus_target_sync_length_seconds_sum",
    "prometheus_tsdb_wal_segment_current",
];

/// Names that the contract (3.14) has and 2.42 does not.
const NEWER: [&str; 5] = [
    "prometheus_ready",
    "prometheus_remote_storage_queue_highest_timestamp_seconds",
    "prometheus_sd_last_update_timestamp_seconds",
    "prometheus_sd_updates_delayed_total",
    "prometheus_tsdb_wal_storage_size_bytes",
];

fn working() -> (Agent, Receiver, Ledger) {
    let receiver = Receiver::start();
    let ledger = Ledger::start(2, 5);
    let mut agent = Agent::with_config(&config(&receiver.url(), &[ledger.job("ledger", "200ms")]));
    agent.start();
    ledger.wait_for(3);
    ledger.settle(&receiver, wait::LONG);
    (agent, receiver, ledger)
}

#[test]
fn the_names_that_dashboards_read_are_there() {
    let (agent, _receiver, _ledger) = working();
    let newer = !agent.kind.is_excused("names newer than 2.42");
    for name in NAMES.into_iter().chain(NEWER.into_iter().filter(|_| newer)) {
        wait::until_true(name, wait::LONG, || agent.metric(name, "").is_some());
    }
    let page = agent.get("/metrics");
    assert!(
        page.head
            .to_lowercase()
            .contains("content-type: text/plain"),
        "{}",
        page.head
    );
    let typed = page
        .body
        .lines()
        .filter(|line| line.starts_with("# TYPE "))
        .count();
    let helped = page
        .body
        .lines()
        .filter(|line| line.starts_with("# HELP "))
        .count();
    assert!(
        typed > 50 && typed == helped,
        "{typed} types, {helped} helps"
    );
}

/// The types in a table of docs/metrics.md by the metric's name.
fn documented() -> BTreeMap<&'static str, &'static str> {
    let rows = include_str!("../../docs/metrics.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let kind = |cell: &str| match cell.split(' ').next() {
        Some("C") => "counter",
        Some("G") => "gauge",
        Some("H") => "histogram",
        Some("S") => "summary",
        _ => "not a type",
    };
    rows.map(|(name, rest)| (name, kind(rest))).collect()
}

#[test]
fn the_types_are_those_of_the_documentation() {
    let (agent, _receiver, _ledger) = working();
    if agent.kind.is_excused("our documentation is about narthex") {
        return;
    }
    let documented = documented();
    let page = agent.get("/metrics").body;
    let types = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let wrong: Vec<_> = types
        .filter(|(name, kind)| documented.get(name) != Some(kind))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_counts_are_true() {
    let (agent, receiver, ledger) = working();
    let sent = |agent: &Agent| agent.metric("prometheus_remote_storage_samples_total", "");
    let accepted = receiver.books(|books| books.samples as f64);
    wait::until_true("what arrived to be counted as sent", wait::LONG, || {
        sent(&agent) >= Some(accepted)
    });
    for name in [
        "prometheus_target_scrape_pool_targets",
        "prometheus_sd_discovered_targets",
    ] {
        wait::until_true(name, wait::LONG, || {
            agent.metric(name, "ledger") == Some(2.0)
        });
    }
    assert_eq!(
        agent.metric("prometheus_remote_storage_samples_failed_total", ""),
        Some(0.0)
    );
    // Ten series of the ledger and five of each of the two targets.
    let active = || agent.metric("prometheus_agent_active_series", "");
    wait::until_true("every series", wait::LONG, || active() >= Some(20.0));
    assert_eq!(active(), Some(20.0));
    wait::until_true("what arrived to be counted as kept", wait::LONG, || {
        agent.metric("prometheus_agent_samples_appended_total", "float") >= Some(accepted)
    });
    ledger.wait_for(1);
}

#[test]
fn the_api_answers_in_the_shapes_that_tools_read() {
    let (agent, _receiver, ledger) = working();
    let data = |path: &str| {
        let answer = agent.get(path);
        let json = answer.json();
        assert_eq!(
            (answer.status, json["status"].as_str()),
            (200, Some("success")),
            "{path}"
        );
        json["data"].clone()
    };
    let targets = data("/api/v1/targets?state=active");
    let active = targets["activeTargets"].as_array().expect("a list");
    assert_eq!(active.len(), 2);
    for target in active {
        assert_eq!(target["health"], "up");
        assert_eq!(target["scrapePool"], "ledger");
        assert_eq!(target["labels"]["job"], "ledger");
        assert_eq!(target["lastError"], "");
        assert_eq!(target["scrapeInterval"], "200ms");
        assert_eq!(target["scrapeTimeout"], "200ms");
        let address = target["discoveredLabels"]["__address__"]
            .as_str()
            .expect("an address");
        assert!(
            ledger.addresses().iter().any(|one| one == address),
            "{address}"
        );
        assert_eq!(target["scrapeUrl"], format!("http://{address}/metrics"));
        assert!(
            target["lastScrape"]
                .as_str()
                .expect("a time")
                .starts_with("20")
        );
        assert!(target["lastScrapeDuration"].as_f64().expect("seconds") > 0.0);
        assert!(target["globalUrl"].is_string());
    }
    assert!(
        data("/api/v1/status/config")["yaml"]
            .as_str()
            .expect("text")
            .contains("job_name: ledger")
    );
    assert!(data("/api/v1/status/flags")["config.file"].is_string());
    assert!(data("/api/v1/status/buildinfo")["version"].is_string());
    assert!(data("/api/v1/status/runtimeinfo")["startTime"].is_string());
    let metadata = wait::until("metadata", wait::LONG, || {
        Some(data("/api/v1/targets/metadata")).filter(|found| !found[0].is_null())
    });
    assert_eq!(metadata[0]["metric"], "ledger_value");
    assert_eq!(metadata[0]["type"], "gauge");
    let query = agent.get("/api/v1/query?query=up");
    assert_eq!(query.status, 422);
    assert_eq!(query.json()["error"], "unavailable with Prometheus Agent");
}
