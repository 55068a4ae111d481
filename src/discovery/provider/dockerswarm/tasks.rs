//! Tasks of a swarm, and the targets they stand for: joined with their services, nodes and
//! networks. Pure.
//!
//! Meta labels: `task_id`, `task_desired_state`, `task_state`, `task_slot`, `task_container_id`,
//! `task_port_publish_mode`, `container_label_*`, and those of the service and the node.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::docker_engine::networks::NetworkLabels;
use super::nodes::Node;
use super::services::{PublishedPort, Service};
use super::{Found, PREFIX, set};
use crate::discovery::targets::{TooMuch, add_all, host_port, or_default};
use crate::model::sorting;
use crate::model::target_group::LabelMap;

/// A task, as `/tasks` lists it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Task {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default, rename = "ServiceID", deserialize_with = "or_default")]
    service_id: String,
    #[serde(default, rename = "NodeID", deserialize_with = "or_default")]
    node_id: String,
    #[serde(default)]
    slot: i64,
    #[serde(default, deserialize_with = "or_default")]
    desired_state: String,
    #[serde(default, deserialize_with = "or_default")]
    spec: Spec,
    #[serde(default, deserialize_with = "or_default")]
    status: Status,
    #[serde(default, deserialize_with = "or_default")]
    networks_attachments: Vec<Attachment>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    #[serde(default, deserialize_with = "or_default")]
    container_spec: ContainerSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerSpec {
    #[serde(default, deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    #[serde(default, deserialize_with = "or_default")]
    state: String,
    container_status: Option<ContainerStatus>,
    #[serde(default, deserialize_with = "or_default")]
    port_status: PortStatus,
}

#[derive(Clone, Debug, Deserialize)]
struct ContainerStatus {
    #[serde(default, rename = "ContainerID", deserialize_with = "or_default")]
    id: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PortStatus {
    #[serde(default, deserialize_with = "or_default")]
    ports: Vec<PublishedPort>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attachment {
    #[serde(default, deserialize_with = "or_default")]
    network: AttachedNetwork,
    #[serde(default, deserialize_with = "or_default")]
    addresses: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct AttachedNetwork {
    #[serde(default, rename = "ID", deserialize_with = "or_default")]
    id: String,
}

/// What tasks are joined with.
#[derive(Debug)]
pub(super) struct Swarm {
    services: BTreeMap<String, (LabelMap, Vec<PublishedPort>)>,
    /// Labels and address.
    nodes: BTreeMap<String, (LabelMap, String)>,
    networks: NetworkLabels,
}

impl Swarm {
    pub(super) fn new(services: &[Service], nodes: &[Node], networks: NetworkLabels) -> Swarm {
        let service = |one: &Service| {
            let ports = one.endpoint.ports.clone();
            (one.id.clone(), (one.labels(), ports))
        };
        let node = |one: &Node| {
            let address = one.address().to_owned();
            (one.id.clone(), (one.labels(), address))
        };
        Swarm {
            services: sorting::map(services.iter().map(service)),
            nodes: sorting::map(nodes.iter().map(node)),
            networks,
        }
    }
}

impl Task {
    fn labels(&self) -> LabelMap {
        let mut labels = LabelMap::new();
        set(&mut labels, "task_id", &self.id);
        set(&mut labels, "task_desired_state", &self.desired_state);
        set(&mut labels, "task_state", &self.status.state);
        set(&mut labels, "task_slot", &self.slot.to_string());
        if let Some(container) = &self.status.container_status {
            set(&mut labels, "task_container_id", &container.id);
        }
        let prefix = format!("{PREFIX}container_label_");
        add_all(&mut labels, &prefix, &self.spec.container_spec.labels);
        labels
    }
}

fn mode(port: &PublishedPort) -> LabelMap {
    let mut labels = LabelMap::new();
    let name = "task_port_publish_mode";
    set(&mut labels, name, &port.publish_mode);
    labels
}

/// Adds the targets of these tasks. A service or node that is not known, because it is newer than
/// its list or gone, leaves its labels away.
pub(super) fn find(
    tasks: &[Task],
    swarm: &Swarm,
    port: i64,
    found: &mut Found,
) -> Result<(), TooMuch> {
    let unknown_service = (LabelMap::new(), Vec::new());
    let unknown_node = (LabelMap::new(), String::new());
    for task in tasks {
        let (service, ports) = swarm
            .services
            .get(&task.service_id)
            .unwrap_or(&unknown_service);
        let (node, node_address) = swarm.nodes.get(&task.node_id).unwrap_or(&unknown_node);
        let labels = task.labels();
        let common = [&labels, service, node];
        let on_node = task.status.port_status.ports.iter();
        for published in on_node.filter(|port| port.is_tcp()) {
            let own = mode(published);
            let address = host_port(node_address, published.number);
            let parts = [&own, common[0], common[1], common[2]];
            found.targets.add(address, &parts)?;
        }
        let tcp: Vec<_> = ports.iter().filter(|port| port.is_tcp()).collect();
        for attachment in &task.networks_attachments {
            let network = swarm.networks.of(&attachment.network.id);
            for text in &attachment.addresses {
                let Some(ip) = found.address(&format!("task {}", task.id), text) else {
                    continue;
                };
                let ip = ip.to_string();
                for published in &tcp {
                    let own = mode(published);
                    let address = host_port(&ip, published.number);
                    let parts = [&own, common[0], common[1], common[2], network];
                    found.targets.add(address, &parts)?;
                }
                if tcp.is_empty() {
                    let parts = [common[0], common[1], common[2], network];
                    found.targets.add(host_port(&ip, port), &parts)?;
                }
            }
        }
    }
    Ok(())
}
