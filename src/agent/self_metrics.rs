//! Metrics of the process itself, under the names that dashboards expect.

use std::sync::Arc;

use crate::model::time::Wall;
use crate::telemetry::process;
use crate::telemetry::registry::{Gauge, Registry};
use crate::web::BuildInfo;

/// Gauges that main sets.
#[derive(Debug)]
pub(super) struct LifeMetrics {
    pub(super) ready: Arc<Gauge>,
    pub(super) reload_succeeded: Arc<Gauge>,
    pub(super) reload_time: Arc<Gauge>,
    pub(super) clock_doubted: Arc<Gauge>,
}

impl LifeMetrics {
    /// Registers them, the build's and the process's.
    pub(super) fn new(registry: &Registry, build: &BuildInfo, started: Wall) -> LifeMetrics {
        register_process(registry, build, started);
        let gauge = |name, help| registry.gauge(name, help, &[]);
        LifeMetrics {
            ready: gauge(
                "prometheus_ready",
                "Whether Prometheus startup was fully completed and the server is ready for normal operation.",
            ),
            reload_succeeded: gauge(
                "prometheus_config_last_reload_successful",
                "Whether the last configuration reload attempt was successful.",
            ),
            reload_time: gauge(
                "prometheus_config_last_reload_success_timestamp_seconds",
                "Timestamp of the last successful configuration reload.",
            ),
            clock_doubted: gauge(
                "narthex_clock_doubted",
                "Whether sending waits because the wall clock cannot be right.",
            ),
        }
    }
}

/// The labels that Prometheus's `prometheus_build_info` has.
fn register_process(registry: &Registry, build: &BuildInfo, started: Wall) {
    let labels = [
        ("version", &*build.version),
        ("revision", &*build.revision),
        ("branch", &*build.branch),
        ("goversion", &*build.go_version),
        ("goos", std::env::consts::OS),
        ("goarch", std::env::consts::ARCH),
        ("tags", ""),
    ];
    process::register(registry, started, &labels);
}
