//! Role `endpointslice`: one target for each address and port of a slice, and one for each further
//! port of the pods behind them.
//!
//! A service with two IP families has slices of both, with the same pods behind them: the slices
//! of its second family give no targets. Source `endpointslice/<namespace>/<name>`; a label names
//! the service.

use super::super::joined::{Joined, Made};
use super::super::labels::{Labels, Names, join_host_port};
use super::super::objects::{Endpoint, EndpointSlice, Service, SlicePort};
use super::backing::Backing;
use super::service::add_service;
use crate::model::target_group::LabelMap;

/// The label that names the service of a slice.
pub(in super::super) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// `conditions` in the order of [`Endpoint::conditions`].
const CONDITIONS: [&str; 3] = [
    "endpointslice_endpoint_conditions_ready",
    "endpointslice_endpoint_conditions_serving",
    "endpointslice_endpoint_conditions_terminating",
];

/// Labels and targets of a slice.
pub(in super::super) fn group(
    slice: &EndpointSlice,
    joined: &Joined<'_>,
    names: &mut Names,
) -> (LabelMap, Vec<LabelMap>) {
    let meta = &slice.meta;
    let service_name = meta.label(SERVICE_NAME);
    let service = service_name.and_then(|name| joined.service(&meta.namespace, name));
    if service.is_some_and(|service| is_secondary(slice, service)) {
        return (LabelMap::new(), Vec::new());
    }
    let mut labels = Labels::new(names);
    labels.set("namespace", &meta.namespace);
    labels.set("endpointslice_address_type", &slice.address_type);
    labels.object("endpointslice", meta);
    if let Some(service) = service {
        add_service(service, &mut labels);
    }
    joined.add_namespace(&meta.namespace, &mut labels);
    let group = labels.finish();
    let mut backing = Backing::default();
    let mut made = Made::new(joined, &group);
    for endpoint in &slice.endpoints {
        for port in &slice.ports {
            for address in &endpoint.addresses {
                let mut labels = Labels::new(names);
                add_port(address, port, &mut labels);
                add_endpoint(endpoint, &mut labels);
                joined.add_node(node_of(endpoint), &mut labels);
                if let Some(pod) = joined.pod(endpoint.target.as_ref()) {
                    backing.add(pod, (port.number, None), joined, &mut labels);
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

fn is_secondary(slice: &EndpointSlice, service: &Service) -> bool {
    let primary = service.primary_family.as_ref();
    primary.is_some_and(|primary| *primary != slice.address_type)
}

/// The node that an endpoint is, or is on.
pub(in super::super) fn node_of(endpoint: &Endpoint) -> Option<&str> {
    let target = endpoint
        .target
        .as_ref()
        .filter(|target| target.kind == "Node");
    target
        .map(|target| &*target.name)
        .or(endpoint.node.as_deref())
}

fn add_port(address: &str, port: &SlicePort, labels: &mut Labels<'_>) {
    match port.number {
        None => labels.address(address),
        Some(number) => {
            labels.address(&join_host_port(address, number));
            labels.set_number("endpointslice_port", number);
        }
    }
    labels.set_some("endpointslice_port_name", port.name.as_ref());
    labels.set_some("endpointslice_port_protocol", port.protocol.as_ref());
    labels.set_some(
        "endpointslice_port_app_protocol",
        port.app_protocol.as_ref(),
    );
}

fn add_endpoint(endpoint: &Endpoint, labels: &mut Labels<'_>) {
    for (name, value) in CONDITIONS.iter().zip(endpoint.conditions) {
        if let Some(value) = value {
            labels.set_bool(name, value);
        }
    }
    let hostname = endpoint.hostname.as_ref();
    labels.set_some("endpointslice_endpoint_hostname", hostname);
    if let Some(target) = &endpoint.target {
        labels.set("endpointslice_address_target_kind", &target.kind);
        labels.set("endpointslice_address_target_name", &target.name);
    }
    let node = endpoint.node.as_ref();
    labels.set_some("endpointslice_endpoint_node_name", node);
    labels.set_some("endpointslice_endpoint_zone", endpoint.zone.as_ref());
    let prefix = "endpointslice_endpoint_topology";
    let present = "endpointslice_endpoint_topology_present";
    labels.pairs([prefix, present], &endpoint.topology);
}
