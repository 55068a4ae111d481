//! Metrics of the mechanism, shared by all its providers.

use std::sync::Arc;

use crate::net::mdns::browser::Received;
use crate::telemetry::registry::{Counter, Gauge, Registry};

const IGNORED: &str = "narthex_sd_mdns_packets_ignored_total";

/// The metrics.
#[derive(Debug)]
pub(super) struct MdnsMetrics {
    interfaces: Arc<Gauge>,
    /// What this provider has added to it.
    own_interfaces: f64,
    /// Packets that were sent.
    pub(super) sent: Arc<Counter>,
    responses: Arc<Counter>,
    queries: Arc<Counter>,
    malformed: Arc<Counter>,
    foreign: Arc<Counter>,
    too_many: Arc<Counter>,
    too_long: Arc<Counter>,
    refused: Arc<Counter>,
}

impl MdnsMetrics {
    /// Registers them.
    pub(super) fn new(registry: &Registry) -> MdnsMetrics {
        let ignored = |reason: &str| {
            let help = "Total number of mDNS packets that were not used.";
            registry.counter(IGNORED, help, &[("reason", reason)])
        };
        MdnsMetrics {
            interfaces: registry.gauge(
                "narthex_sd_mdns_interfaces",
                "Number of network interfaces that mDNS discovery browses on.",
                &[],
            ),
            own_interfaces: 0.0,
            sent: registry.counter(
                "narthex_sd_mdns_packets_sent_total",
                "Total number of mDNS packets sent.",
                &[],
            ),
            responses: registry.counter(
                "narthex_sd_mdns_responses_received_total",
                "Total number of mDNS responses received and used.",
                &[],
            ),
            refused: registry.counter(
                "narthex_sd_mdns_records_refused_total",
                "Total number of mDNS records refused because there were too many.",
                &[],
            ),
            queries: ignored("query"),
            malformed: ignored("malformed"),
            foreign: ignored("sender"),
            too_many: ignored("rate"),
            too_long: ignored("length"),
        }
    }

    /// Notes how many interfaces this provider uses now.
    pub(super) fn uses_interfaces(&mut self, count: usize) {
        let count = count as f64;
        self.interfaces.add(count - self.own_interfaces);
        self.own_interfaces = count;
    }

    /// Counts a packet.
    pub(super) fn received(&self, received: Received) {
        match received {
            Received::Taken(refused) => {
                self.responses.inc();
                self.refused.add(refused as f64);
            }
            Received::Query => self.queries.inc(),
            Received::Malformed => self.malformed.inc(),
            Received::Foreign => self.foreign.inc(),
            Received::TooMany => self.too_many.inc(),
            // Between the end of an interface and that of its sockets.
            Received::NoLink => {}
        }
    }

    /// Counts a packet that is longer than the protocol allows.
    pub(super) fn too_long(&self) {
        self.too_long.inc();
    }
}

impl Drop for MdnsMetrics {
    /// A provider that has ended uses none.
    fn drop(&mut self) {
        self.uses_interfaces(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_of_all_providers_are_added_up() {
        let registry = Registry::default();
        let mut one = MdnsMetrics::new(&registry);
        let mut two = MdnsMetrics::new(&registry);
        one.uses_interfaces(2);
        two.uses_interfaces(3);
        one.uses_interfaces(1);
        assert_eq!(one.interfaces.get(), 4.0);
        drop(one);
        assert_eq!(two.interfaces.get(), 3.0);
    }
}
