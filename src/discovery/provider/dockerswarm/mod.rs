//! Docker Swarm discovery: services, tasks or nodes of a swarm, `dockerswarm_sd_configs`. The
//! engine that is asked must be a manager.
//!
//! - `services`: a target for each virtual address of a service and each TCP port it publishes.
//! - `tasks`: a target for each TCP port published on the task's node, and for each address of the
//!   task in a network and each TCP port its service publishes.
//! - `nodes`: a target for each node, with the configured port.
//!
//! All targets are one group. The engine's events bring changes at once, as far as it sees them:
//! containers that start on other nodes are found at the refresh interval.
//!
//! Meta labels: `__meta_dockerswarm_` and what stands in the file of each role, `network_id`,
//! `network_name`, `network_scope`, `network_internal`, `network_ingress`, `network_label_*`.

mod nodes;
mod services;
mod tasks;

use std::net::IpAddr;
use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::docker_engine::config::{self, EngineConfig};
use super::docker_engine::networks::NetworkLabels;
use super::docker_engine::{Engine, EngineError};
use super::{
    Opened, ProviderConfig, ProviderContext, ProviderError, ProviderSpec, Refresh, Runner,
};
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::discovery::outlet::Outlet;
use crate::discovery::targets::TargetList;
use crate::model::target_group::{LabelMap, TargetGroup};

/// The mechanism.
pub const SPEC: ProviderSpec = ProviderSpec {
    mechanism: "dockerswarm",
    parse,
};

/// What all its labels begin with.
const PREFIX: &str = "__meta_dockerswarm_";
const SOURCE: &str = "DockerSwarm";

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Services,
    Tasks,
    Nodes,
}

/// An entry of `dockerswarm_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SwarmConfig {
    engine: EngineConfig,
    role: Role,
}

fn parse(at: &Cursor<'_>) -> Decoded<Arc<dyn ProviderConfig>> {
    let mut fields = Fields::new(at, "moby.plain")?;
    let engine = config::read(&mut fields);
    let role = match fields.string("role").unwrap_or_default().as_str() {
        "services" => Role::Services,
        "tasks" => Role::Tasks,
        "nodes" => Role::Nodes,
        other => {
            let message = match other {
                "" => "role missing (one of: tasks, services, nodes)".to_owned(),
                _ => format!("invalid role {other}, expected tasks, services, or nodes"),
            };
            fields.rule("role", message);
            Role::Services
        }
    };
    fields.finish()?;
    Ok(Arc::new(SwarmConfig { engine, role }))
}

impl ProviderConfig for SwarmConfig {
    fn open(&self, context: &ProviderContext) -> Result<Opened, ProviderError> {
        let kinds: &[&str] = match self.role {
            Role::Services => &["service", "network"],
            Role::Tasks => &["container", "service", "node", "network"],
            Role::Nodes => &["node"],
        };
        let engine = Engine::open(&self.engine, kinds, context)?;
        let interrupt = engine.interrupt();
        let provider = SwarmProvider {
            engine,
            role: self.role,
            port: self.engine.port,
        };
        Ok(Opened {
            runner: Runner::Refresh(self.engine.refresh_interval, Box::new(provider)),
            interrupt: Some(interrupt),
        })
    }
}

/// The provider.
#[derive(Debug)]
struct SwarmProvider {
    engine: Engine,
    role: Role,
    port: i64,
}

impl SwarmProvider {
    fn find(&self) -> Result<Found, ProviderError> {
        let engine = &self.engine;
        let networks = || NetworkLabels::ask(engine, PREFIX);
        let mut found = Found::default();
        match self.role {
            Role::Services => {
                let services: Vec<_> = engine.filtered("services", "/services")?;
                services::find(&services, &networks()?, self.port, &mut found)?;
            }
            Role::Tasks => {
                let tasks: Vec<_> = engine.filtered("tasks", "/tasks")?;
                let swarm = self.swarm()?;
                tasks::find(&tasks, &swarm, self.port, &mut found)?;
            }
            Role::Nodes => {
                let nodes: Vec<_> = engine.filtered("nodes", "/nodes")?;
                nodes::find(&nodes, self.port, &mut found)?;
            }
        }
        Ok(found)
    }

    /// What the labels of tasks are made of. The filters are for the tasks alone.
    fn swarm(&self) -> Result<tasks::Swarm, EngineError> {
        let services: Vec<_> = self.engine.all("services", "/services")?;
        let nodes: Vec<_> = self.engine.all("nodes", "/nodes")?;
        let networks = NetworkLabels::ask(&self.engine, PREFIX)?;
        Ok(tasks::Swarm::new(&services, &nodes, networks))
    }
}

impl Refresh for SwarmProvider {
    fn refresh(&mut self, outlet: &Outlet) -> Result<Option<Vec<TargetGroup>>, ProviderError> {
        let found = self.find()?;
        if let Some(unusable) = &found.unusable {
            outlet.complain(unusable);
        }
        let group = found.targets.into_group(SOURCE, LabelMap::new());
        Ok(Some(vec![group]))
    }

    fn news(&self) -> Option<Receiver<()>> {
        Some(self.engine.news())
    }
}

/// Targets, and what could not become one.
#[derive(Debug, Default)]
struct Found {
    targets: TargetList,
    unusable: Option<UnusableAddress>,
}

/// An address of the swarm that is none. Others are not held up by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{of} has the address {address:?}, which is no address with a prefix length; it is left out"
)]
struct UnusableAddress {
    of: String,
    address: String,
}

impl Found {
    /// The address in `address/prefix length`. Another text is noted.
    fn address(&mut self, of: &str, text: &str) -> Option<IpAddr> {
        let parsed = ip_of(text);
        if parsed.is_none() && self.unusable.is_none() {
            self.unusable = Some(UnusableAddress {
                of: super::shortened(of),
                address: super::shortened(text),
            });
        }
        parsed
    }
}

fn ip_of(text: &str) -> Option<IpAddr> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length: u8 = length.parse().ok()?;
    (length <= most).then_some(address)
}

/// Sets labels of the swarm.
fn set(labels: &mut LabelMap, name: &str, value: &str) {
    labels.insert(format!("{PREFIX}{name}"), value.to_owned());
}

#[cfg(test)]
mod tests;
