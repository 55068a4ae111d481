//! Role `endpoints`: one target for each address and port of an `Endpoints` object, ready or not,
//! and one for each further port of the pods behind them.
//!
//! Source `endpoints/<namespace>/<name>`; the service has the same name.

use super::super::joined::{Joined, Made};
use super::super::labels::{Labels, Names, join_host_port};
use super::super::objects::{Address, Endpoints, Port};
use super::backing::Backing;
use super::service::add_service;
use crate::model::target_group::LabelMap;

/// Labels and targets of an `Endpoints` object.
pub(in super::super) fn group(
    endpoints: &Endpoints,
    joined: &Joined<'_>,
    names: &mut Names,
) -> (LabelMap, Vec<LabelMap>) {
    let meta = &endpoints.meta;
    let mut labels = Labels::new(names);
    labels.set("namespace", &meta.namespace);
    if let Some(service) = joined.service(&meta.namespace, &meta.name) {
        add_service(service, &mut labels);
    }
    labels.object("endpoints", meta);
    joined.add_namespace(&meta.namespace, &mut labels);
    let group = labels.finish();
    let mut backing = Backing::default();
    let mut made = Made::new(joined, &group);
    for subset in &endpoints.subsets {
        for port in &subset.ports {
            for address in &subset.addresses {
                let mut labels = Labels::new(names);
                add_endpoint(address, port, &mut labels);
                joined.add_node(node_of(address), &mut labels);
                if let Some(pod) = joined.pod(address.target.as_ref()) {
                    let covers = (Some(port.number), Some(&port.protocol));
                    backing.add(pod, covers, joined, &mut labels);
                }
                made.push(labels.finish());
                if made.is_full() {
                    return (group, made.finish());
                }
            }
        }
    }
    backing.add_uncovered(joined, names, &mut made);
    (group, made.finish())
}

/// The node that an address is on, or is.
pub(in super::super) fn node_of(address: &Address) -> Option<&str> {
    let target = address
        .target
        .as_ref()
        .filter(|target| target.kind == "Node");
    let own = address.node.as_deref();
    own.or(target.map(|target| &*target.name))
}

fn add_endpoint(address: &Address, port: &Port, labels: &mut Labels<'_>) {
    labels.address(&join_host_port(&address.ip, port.number));
    labels.set("endpoint_port_name", &port.name);
    labels.set("endpoint_port_protocol", &port.protocol);
    labels.set_bool("endpoint_ready", address.ready);
    if let Some(target) = &address.target {
        labels.set("endpoint_address_target_kind", &target.kind);
        labels.set("endpoint_address_target_name", &target.name);
    }
    labels.set_some("endpoint_node_name", address.node.as_ref());
    labels.set("endpoint_hostname", &address.hostname);
}
