//! Role `service`: one target for each port of a service, at its DNS name.
//!
//! Source `svc/<namespace>/<name>`.

use super::super::joined::Joined;
use super::super::labels::{Labels, Names, join_host_port};
use super::super::objects::{Port, Service};
use crate::model::target_group::LabelMap;

/// Labels and targets of a service.
pub(in super::super) fn group(
    service: &Service,
    joined: &Joined<'_>,
    names: &mut Names,
) -> (LabelMap, Vec<LabelMap>) {
    let mut labels = Labels::new(names);
    add_service(service, &mut labels);
    joined.add_namespace(&service.meta.namespace, &mut labels);
    let labels = labels.finish();
    let ports = service.ports.iter();
    let targets = ports.map(|port| target(service, port, names)).collect();
    (labels, targets)
}

fn target(service: &Service, port: &Port, names: &mut Names) -> LabelMap {
    let mut labels = Labels::new(names);
    let host = format!("{}.{}.svc", service.meta.name, service.meta.namespace);
    labels.address(&join_host_port(&host, port.number));
    labels.set("service_port_name", &port.name);
    labels.set_number("service_port_number", port.number);
    labels.set("service_port_protocol", &port.protocol);
    labels.set("service_type", &service.kind);
    if service.kind == "ExternalName" {
        labels.set("service_external_name", &service.external_name);
    } else {
        labels.set("service_cluster_ip", &service.cluster_ip);
    }
    if service.kind == "LoadBalancer" {
        labels.set("service_loadbalancer_ip", &service.load_balancer_ip);
    }
    labels.finish()
}

/// Adds the labels of a service, wherever it is the one behind a group.
pub(super) fn add_service(service: &Service, labels: &mut Labels<'_>) {
    labels.set("namespace", &service.meta.namespace);
    labels.object("service", &service.meta);
}
