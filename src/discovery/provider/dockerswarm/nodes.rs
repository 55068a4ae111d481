//! Nodes of a swarm, and the targets and labels they stand for. Pure.
//!
//! Meta labels: `node_id`, `node_role`, `node_availability`, `node_hostname`, `node_status`,
//! `node_address`, `node_platform_architecture`, `node_platform_os`, `node_label_*`; of the role
//! `nodes` also `node_engine_version` and, for managers, `node_manager_address`,
//! `node_manager_leader`, `node_manager_reachability`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::docker_engine::networks::truth;
use super::{Found, PREFIX, set};
use crate::discovery::targets::{TooMuch, add_all, host_port, or_default};
use crate::model::target_group::LabelMap;

/// A node, as `/nodes` lists it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Node {
    #[serde(rename = "ID")]
    pub(super) id: String,
    #[serde(default, deserialize_with = "or_default")]
    spec: Spec,
    #[serde(default, deserialize_with = "or_default")]
    description: Description,
    #[serde(default, deserialize_with = "or_default")]
    status: Status,
    manager_status: Option<ManagerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    #[serde(default, deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    role: String,
    #[serde(default, deserialize_with = "or_default")]
    availability: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    #[serde(default, deserialize_with = "or_default")]
    hostname: String,
    #[serde(default, deserialize_with = "or_default")]
    platform: Platform,
    #[serde(default, deserialize_with = "or_default")]
    engine: EngineDescription,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Platform {
    #[serde(default, rename = "Architecture", deserialize_with = "or_default")]
    architecture: String,
    #[serde(default, rename = "OS", deserialize_with = "or_default")]
    os: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct EngineDescription {
    #[serde(default, rename = "EngineVersion", deserialize_with = "or_default")]
    version: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    #[serde(default, rename = "State", deserialize_with = "or_default")]
    state: String,
    #[serde(default, rename = "Addr", deserialize_with = "or_default")]
    address: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct ManagerStatus {
    #[serde(default, rename = "Leader", deserialize_with = "or_default")]
    leader: bool,
    #[serde(default, rename = "Reachability", deserialize_with = "or_default")]
    reachability: String,
    #[serde(default, rename = "Addr", deserialize_with = "or_default")]
    address: String,
}

impl Node {
    /// Where it is.
    pub(super) fn address(&self) -> &str {
        &self.status.address
    }

    /// The labels that the tasks on it carry, too.
    pub(super) fn labels(&self) -> LabelMap {
        let mut labels = LabelMap::new();
        let platform = &self.description.platform;
        for (name, value) in [
            ("node_id", &self.id),
            ("node_role", &self.spec.role),
            ("node_availability", &self.spec.availability),
            ("node_hostname", &self.description.hostname),
            ("node_status", &self.status.state),
            ("node_address", &self.status.address),
            ("node_platform_architecture", &platform.architecture),
            ("node_platform_os", &platform.os),
        ] {
            set(&mut labels, name, value);
        }
        let prefix = format!("{PREFIX}node_label_");
        add_all(&mut labels, &prefix, &self.spec.labels);
        labels
    }
}

/// Adds the targets of these nodes.
pub(super) fn find(nodes: &[Node], port: i64, found: &mut Found) -> Result<(), TooMuch> {
    for node in nodes {
        let mut labels = node.labels();
        let version = &node.description.engine.version;
        set(&mut labels, "node_engine_version", version);
        if let Some(manager) = &node.manager_status {
            set(&mut labels, "node_manager_leader", truth(manager.leader));
            let reachability = "node_manager_reachability";
            set(&mut labels, reachability, &manager.reachability);
            set(&mut labels, "node_manager_address", &manager.address);
        }
        let address = host_port(node.address(), port);
        found.targets.add(address, &[&labels])?;
    }
    Ok(())
}
