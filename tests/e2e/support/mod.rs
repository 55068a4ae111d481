//! What the tests are made of: programs, scripted peers, books.

pub(crate) mod agent;
pub(crate) mod client;
pub(crate) mod discover;
pub(crate) mod discovered;
pub(crate) mod effort;
pub(crate) mod http;
pub(crate) mod kube;
pub(crate) mod ledger;
pub(crate) mod manager;
pub(crate) mod netns;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod prom;
pub(crate) mod receiver;
pub(crate) mod secure;
pub(crate) mod segment;
pub(crate) mod strace;
pub(crate) mod strict;
pub(crate) mod target;
pub(crate) mod verdict;
pub(crate) mod victoria;
pub(crate) mod volume;
pub(crate) mod wait;
pub(crate) mod wallclock;

use std::path::Path;

/// Replaces a file atomically, as tools that write target files do.
pub(crate) fn write_file(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).expect("to write in a scratch folder");
    std::fs::rename(&beside, path).expect("to rename in a scratch folder");
}

/// The `remote_write` section used by tests: quick, one entry, queue as small as a test's load.
pub(crate) fn remote_write(url: &str) -> String {
    format!("remote_write:\n{}", endpoint(url))
}

/// One item of `remote_write`.
pub(crate) fn endpoint(url: &str) -> String {
    format!(
        "- url: {url}\n  remote_timeout: 5s\n  send_exemplars: true\n  \
         metadata_config: {{send: true, send_interval: 1s}}\n  \
         queue_config: {{batch_send_deadline: 100ms, min_backoff: 50ms, max_backoff: 500ms, \
         max_shards: 2, max_samples_per_send: 500, capacity: 2000}}\n"
    )
}

/// The same, which gets remote write 2.0.
pub(crate) fn with_v2(config: &str) -> String {
    let old = "  send_exemplars: true\n";
    let new = "  send_exemplars: true\n  protobuf_message: io.prometheus.write.v2.Request\n";
    config.replace(old, new)
}

/// A whole configuration: jobs, each an item of `scrape_configs`, and one endpoint.
pub(crate) fn config(url: &str, jobs: &[String]) -> String {
    let jobs = jobs.concat();
    format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n{jobs}{}",
        remote_write(url)
    )
}
