//! Services of a swarm, and the targets and labels they stand for. Pure.
//!
//! Meta labels: `service_id`, `service_name`, `service_mode`, `service_label_*`,
//! `service_updating_status`, `service_task_container_image`, `service_task_container_hostname`,
//! `service_endpoint_port_name`, `service_endpoint_port_publish_mode`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::docker_engine::networks::NetworkLabels;
use super::{Found, PREFIX, set};
use crate::discovery::targets::{TooMuch, add_all, host_port, or_default};
use crate::model::target_group::LabelMap;

/// A service, as `/services` lists it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Service {
    #[serde(rename = "ID")]
    pub(super) id: String,
    #[serde(default, deserialize_with = "or_default")]
    spec: Spec,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) endpoint: Endpoint,
    update_status: Option<UpdateStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    task_template: TaskTemplate,
    #[serde(default, deserialize_with = "or_default")]
    mode: Mode,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TaskTemplate {
    #[serde(default, deserialize_with = "or_default")]
    container_spec: ContainerSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerSpec {
    #[serde(default, deserialize_with = "or_default")]
    image: String,
    #[serde(default, deserialize_with = "or_default")]
    hostname: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mode {
    replicated: Option<IgnoredAny>,
    global: Option<IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateStatus {
    #[serde(default, deserialize_with = "or_default")]
    state: String,
}

/// Where a service can be reached.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Endpoint {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) ports: Vec<PublishedPort>,
    #[serde(default, rename = "VirtualIPs", deserialize_with = "or_default")]
    virtual_ips: Vec<VirtualIp>,
}

#[derive(Clone, Debug, Deserialize)]
struct VirtualIp {
    #[serde(default, rename = "NetworkID", deserialize_with = "or_default")]
    network_id: String,
    #[serde(default, rename = "Addr", deserialize_with = "or_default")]
    address: String,
}

/// A port of a service or a task.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PublishedPort {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    protocol: String,
    #[serde(default, rename = "PublishedPort")]
    pub(super) number: u32,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) publish_mode: String,
}

impl PublishedPort {
    pub(super) fn is_tcp(&self) -> bool {
        self.protocol == "tcp"
    }
}

impl Service {
    /// The labels that its tasks carry, too.
    pub(super) fn labels(&self) -> LabelMap {
        let mut labels = LabelMap::new();
        set(&mut labels, "service_id", &self.id);
        set(&mut labels, "service_name", &self.spec.name);
        let mode = match &self.spec.mode {
            Mode {
                global: Some(_), ..
            } => "global",
            Mode {
                replicated: Some(_),
                ..
            } => "replicated",
            _ => "",
        };
        set(&mut labels, "service_mode", mode);
        let prefix = format!("{PREFIX}service_label_");
        add_all(&mut labels, &prefix, &self.spec.labels);
        labels
    }

    fn all_labels(&self) -> LabelMap {
        let mut labels = self.labels();
        let container = &self.spec.task_template.container_spec;
        let image = "service_task_container_image";
        set(&mut labels, image, &container.image);
        let hostname = "service_task_container_hostname";
        set(&mut labels, hostname, &container.hostname);
        if let Some(status) = &self.update_status {
            set(&mut labels, "service_updating_status", &status.state);
        }
        labels
    }
}

/// Adds the targets of these services. One without virtual addresses has none.
pub(super) fn find(
    services: &[Service],
    networks: &NetworkLabels,
    port: i64,
    found: &mut Found,
) -> Result<(), TooMuch> {
    for service in services {
        let common = service.all_labels();
        for virtual_ip in &service.endpoint.virtual_ips {
            let of = format!("service {}", service.spec.name);
            let Some(ip) = found.address(&of, &virtual_ip.address) else {
                continue;
            };
            let ip = ip.to_string();
            let network = networks.of(&virtual_ip.network_id);
            let mut publishes_none = true;
            for published in service.endpoint.ports.iter().filter(|port| port.is_tcp()) {
                publishes_none = false;
                let mut own = LabelMap::new();
                set(&mut own, "service_endpoint_port_name", &published.name);
                let mode = "service_endpoint_port_publish_mode";
                set(&mut own, mode, &published.publish_mode);
                let address = host_port(&ip, published.number);
                found.targets.add(address, &[&own, &common, network])?;
            }
            if publishes_none {
                let address = host_port(&ip, port);
                found.targets.add(address, &[&common, network])?;
            }
        }
    }
    Ok(())
}
