//! The metrics of the mechanism, shared by all its providers, under Prometheus's names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::resource::Kind;
use super::store::Event;
use crate::telemetry::registry::{Counter, Registry, Summary};

/// Kinds whose events are counted: those that are roles, as in Prometheus.
const COUNTED: [Kind; 6] = [
    Kind::EndpointSlice,
    Kind::Endpoints,
    Kind::Node,
    Kind::Pod,
    Kind::Service,
    Kind::Ingress,
];

/// They.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    registry: Registry,
    events: BTreeMap<(Kind, &'static str), Arc<Counter>>,
    /// Lists and watches that failed.
    pub(super) failures: Arc<Counter>,
}

fn word(event: Event) -> &'static str {
    match event {
        Event::Add => "add",
        Event::Update => "update",
        Event::Delete => "delete",
    }
}

impl Metrics {
    /// Registers them.
    pub(super) fn new(registry: &Registry) -> Metrics {
        let mut events = BTreeMap::new();
        for kind in COUNTED {
            for event in [Event::Add, Event::Update, Event::Delete].map(word) {
                let counter = registry.counter(
                    "prometheus_sd_kubernetes_events_total",
                    "The number of Kubernetes events handled.",
                    &[("event", event), ("role", kind.role())],
                );
                events.insert((kind, event), counter);
            }
        }
        Metrics {
            registry: registry.clone(),
            events,
            failures: registry.counter(
                "prometheus_sd_kubernetes_failures_total",
                "The number of failed WATCH/LIST requests.",
                &[],
            ),
        }
    }

    /// Counts events.
    pub(super) fn happened(&self, kind: Kind, event: Event, times: usize) {
        if let Some(counter) = self.events.get(&(kind, word(event))) {
            counter.add(times as f64);
        }
    }

    /// Counts a request by its status; one without an answer has none.
    pub(super) fn asked(&self, status: Option<u16>) {
        let status = status.map_or_else(|| "<error>".to_owned(), |status| status.to_string());
        let counter = self.registry.counter(
            "prometheus_sd_kubernetes_http_request_total",
            "Total number of HTTP requests to the Kubernetes API by status code.",
            &[("status_code", &status)],
        );
        counter.inc();
    }

    /// Notes how long an answer took to begin.
    pub(super) fn answered(&self, seconds: f64, path: &str) {
        let durations: Arc<Summary> = self.registry.summary(
            "prometheus_sd_kubernetes_http_request_duration_seconds",
            "Summary of latencies for HTTP requests to the Kubernetes API by endpoint.",
            &[("endpoint", path)],
            &[],
        );
        durations.observe(seconds);
    }
}
