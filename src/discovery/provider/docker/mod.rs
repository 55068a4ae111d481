//! Docker discovery: the containers of one engine, `docker_sd_configs`.
//!
//! A container has a target for each of its networks and each TCP port it exposes, or one with the
//! configured port for each network if it exposes none. All targets are one group. The engine's
//! events bring changes at once.
//!
//! Meta labels, after `__meta_docker_`: `container_id`, `container_name`, `container_image`,
//! `container_image_id`, `container_network_mode`, `container_label_*`, `network_id`,
//! `network_name`, `network_scope`, `network_internal`, `network_ingress`, `network_label_*`,
//! `network_ip`, `port_private`, `port_public`, `port_public_ip`.

mod containers;

use std::sync::Arc;

use crossbeam_channel::Receiver;

use self::containers::Container;
use super::docker_engine::Engine;
use super::docker_engine::config::{self, EngineConfig};
use super::docker_engine::networks::NetworkLabels;
use super::{
    Opened, ProviderConfig, ProviderContext, ProviderError, ProviderSpec, Refresh, Runner,
};
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::discovery::outlet::Outlet;
use crate::model::target_group::TargetGroup;

/// The mechanism.
pub const SPEC: ProviderSpec = ProviderSpec {
    mechanism: "docker",
    parse,
};

/// What all its labels begin with.
const PREFIX: &str = "__meta_docker_";

/// An entry of `docker_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DockerConfig {
    engine: EngineConfig,
    rules: Rules,
}

/// How containers become targets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rules {
    /// Port of containers that expose none.
    port: i64,
    /// Address of containers in the network of the host, port and all if it has one.
    host_networking_host: String,
    /// Whether only the first network of a container counts, by name.
    match_first_network: bool,
}

fn parse(at: &Cursor<'_>) -> Decoded<Arc<dyn ProviderConfig>> {
    let mut fields = Fields::new(at, "moby.plain")?;
    let engine = config::read(&mut fields);
    let host_networking_host = fields.string("host_networking_host");
    let rules = Rules {
        port: engine.port,
        host_networking_host: host_networking_host.unwrap_or_else(|| "localhost".to_owned()),
        match_first_network: fields.bool("match_first_network").unwrap_or(true),
    };
    fields.finish()?;
    Ok(Arc::new(DockerConfig { engine, rules }))
}

impl ProviderConfig for DockerConfig {
    fn open(&self, context: &ProviderContext) -> Result<Opened, ProviderError> {
        let engine = Engine::open(&self.engine, &["container", "network"], context)?;
        let interrupt = engine.interrupt();
        let provider = DockerProvider {
            engine,
            rules: self.rules.clone(),
        };
        Ok(Opened {
            runner: Runner::Refresh(self.engine.refresh_interval, Box::new(provider)),
            interrupt: Some(interrupt),
        })
    }
}

/// The provider.
#[derive(Debug)]
struct DockerProvider {
    engine: Engine,
    rules: Rules,
}

impl Refresh for DockerProvider {
    fn refresh(&mut self, _outlet: &Outlet) -> Result<Option<Vec<TargetGroup>>, ProviderError> {
        let containers: Vec<Container> = self.engine.filtered("containers", "/containers/json")?;
        let networks = NetworkLabels::ask(&self.engine, PREFIX)?;
        let group = containers::group_from(&containers, &networks, &self.rules)?;
        Ok(Some(vec![group]))
    }

    fn news(&self) -> Option<Receiver<()>> {
        Some(self.engine.news())
    }
}

#[cfg(test)]
mod tests;
