//! What the web side counts of itself, under Prometheus's names.

use std::time::Duration;

use crate::telemetry::registry::Registry;

/// Bounds in seconds, those of Prometheus.
const DURATION_BOUNDS: [f64; 9] = [0.1, 0.2, 0.4, 1.0, 3.0, 8.0, 20.0, 60.0, 120.0];
/// Bounds in bytes, those of Prometheus: powers of ten from 100.
const SIZE_BOUNDS: [f64; 8] = [1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// Counts answered requests by route. Unknown paths are not counted: a client could invent any
/// number of them.
#[derive(Clone)]
pub(super) struct RequestMetrics(Registry);

impl RequestMetrics {
    pub(super) fn new(registry: Registry) -> RequestMetrics {
        RequestMetrics(registry)
    }

    pub(super) fn count(&self, handler: &str, status: u16, took: Duration, bytes: usize) {
        let code = status.to_string();
        let registry = &self.0;
        let help = "Counter of HTTP requests.";
        let labels = [("code", &*code), ("handler", handler)];
        registry
            .counter("prometheus_http_requests_total", help, &labels)
            .inc();
        let help = "Histogram of latencies for HTTP requests.";
        let labels = [("handler", handler)];
        let name = "prometheus_http_request_duration_seconds";
        let seconds = registry.histogram(name, help, &labels, &DURATION_BOUNDS);
        seconds.observe(took.as_secs_f64());
        let help = "Histogram of response size for HTTP requests.";
        let name = "prometheus_http_response_size_bytes";
        let sizes = registry.histogram(name, help, &labels, &SIZE_BOUNDS);
        sizes.observe(bytes as f64);
    }
}
