//! Role `pod`: one target for each container and declared port, init containers included.
//!
//! A container without ports is one target at the bare address of the pod; a pod without an
//! address has none. Where labels of nodes are attached, a pod whose node is not known has none
//! either: a selector may have left the node out. Source `pod/<namespace>/<name>`.

use super::super::joined::Joined;
use super::super::labels::{Labels, Names, join_host_port};
use super::super::objects::{Container, Pod, Port};
use crate::model::target_group::LabelMap;

/// Labels and targets of a pod.
pub(in super::super) fn group(
    pod: &Pod,
    joined: &Joined<'_>,
    names: &mut Names,
) -> (LabelMap, Vec<LabelMap>) {
    if pod.ip.is_empty() || joined.lacks_node(&pod.node) {
        return (LabelMap::new(), Vec::new());
    }
    let mut labels = Labels::new(names);
    labels.set("namespace", &pod.meta.namespace);
    add_pod(pod, joined, &mut labels);
    joined.add_namespace(&pod.meta.namespace, &mut labels);
    joined.add_node(Some(&pod.node), &mut labels);
    let labels = labels.finish();
    let mut targets = Vec::new();
    for container in &pod.containers {
        if container.ports.is_empty() {
            targets.push(target(pod, container, None, names));
        }
        for port in &container.ports {
            targets.push(target(pod, container, Some(port), names));
        }
    }
    (labels, targets)
}

fn target(pod: &Pod, container: &Container, port: Option<&Port>, names: &mut Names) -> LabelMap {
    let mut labels = Labels::new(names);
    match port {
        None => labels.address(&pod.ip),
        Some(port) => {
            labels.address(&join_host_port(&pod.ip, port.number));
            add_port(port, &mut labels);
        }
    }
    labels.set("pod_container_id", &container.id);
    add_container(container, &mut labels);
    labels.finish()
}

/// Adds what every target of a container has, in each role.
pub(super) fn add_container(container: &Container, labels: &mut Labels<'_>) {
    labels.set("pod_container_name", &container.name);
    labels.set("pod_container_image", &container.image);
    labels.set_bool("pod_container_init", container.init);
}

/// Adds the port of a container.
pub(super) fn add_port(port: &Port, labels: &mut Labels<'_>) {
    labels.set("pod_container_port_name", &port.name);
    labels.set_number("pod_container_port_number", port.number);
    labels.set("pod_container_port_protocol", &port.protocol);
}

/// Adds the labels of a pod, wherever it is the one behind a target.
pub(super) fn add_pod(pod: &Pod, joined: &Joined<'_>, labels: &mut Labels<'_>) {
    labels.set("pod_ip", &pod.ip);
    labels.set("pod_ready", &pod.ready);
    labels.set("pod_phase", &pod.phase);
    labels.set("pod_node_name", &pod.node);
    labels.set("pod_host_ip", &pod.host_ip);
    labels.set("pod_uid", &pod.uid);
    labels.object("pod", &pod.meta);
    if let Some((kind, name)) = &pod.controller {
        labels.set("pod_controller_kind", kind);
        labels.set("pod_controller_name", name);
    }
    joined.add_owners(pod, labels);
}
