//! Containers as the engine lists them, and the targets they stand for. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::docker_engine::networks::NetworkLabels;
use super::{PREFIX, Rules};
use crate::discovery::targets::{TargetList, TooMuch, add_all, host_port, or_default};
use crate::model::sorting;
use crate::model::target_group::{LabelMap, TargetGroup};

/// A container, as `/containers/json` lists it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Container {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    names: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    image: String,
    #[serde(default, rename = "ImageID", deserialize_with = "or_default")]
    image_id: String,
    #[serde(default, deserialize_with = "or_default")]
    ports: Vec<Port>,
    #[serde(default, deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    host_config: HostConfig,
    #[serde(default, deserialize_with = "or_default")]
    network_settings: NetworkSettings,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Port {
    #[serde(default, rename = "IP", deserialize_with = "or_default")]
    ip: String,
    #[serde(default)]
    private_port: u32,
    #[serde(default)]
    public_port: u32,
    #[serde(default, deserialize_with = "or_default")]
    r#type: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(default, deserialize_with = "or_default")]
    network_mode: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(default, deserialize_with = "or_default")]
    networks: Networks,
}

/// By name, in whose order they count; null ones are left out of account.
type Networks = BTreeMap<String, Option<Attachment>>;

#[derive(Clone, Debug, Deserialize)]
struct Attachment {
    #[serde(default, rename = "NetworkID", deserialize_with = "or_default")]
    network_id: String,
    #[serde(default, rename = "IPAddress", deserialize_with = "or_default")]
    ip: String,
}

/// The group of all targets of these containers. One without a name is about to vanish and counts
/// as gone.
pub(super) fn group_from(
    containers: &[Container],
    networks: &NetworkLabels,
    rules: &Rules,
) -> Result<TargetGroup, TooMuch> {
    let by_id: BTreeMap<&str, &Container> = sorting::map(
        containers
            .iter()
            .map(|container| (container.id.as_str(), container)),
    );
    let mut targets = TargetList::default();
    for container in containers {
        let Some(name) = container.names.first() else {
            continue;
        };
        let common = container.labels(name);
        let attached = container.attached(&by_id).values().flatten();
        let wanted = match rules.match_first_network {
            true => 1,
            false => usize::MAX,
        };
        for attachment in attached.take(wanted) {
            let place = [&common, networks.of(&attachment.network_id)];
            container.add(attachment, &place, rules, &mut targets)?;
        }
    }
    Ok(targets.into_group("Docker", LabelMap::new()))
}

impl Container {
    fn labels(&self, name: &str) -> LabelMap {
        let mut labels = LabelMap::new();
        let mut set = |label: &str, value: &str| {
            labels.insert(format!("{PREFIX}container_{label}"), value.to_owned());
        };
        set("id", &self.id);
        set("name", name);
        set("image", &self.image);
        set("image_id", &self.image_id);
        set("network_mode", &self.host_config.network_mode);
        let prefix = format!("{PREFIX}container_label_");
        add_all(&mut labels, &prefix, &self.labels);
        labels
    }

    /// The networks it is in: its own, or those of the container whose network it shares, perhaps
    /// by way of others.
    fn attached<'a>(&'a self, all: &BTreeMap<&str, &'a Container>) -> &'a Networks {
        let mut owner = self;
        // Each step leads to another container, unless they share in a circle.
        for _ in 0..=all.len() {
            let shared = owner.host_config.network_mode.strip_prefix("container:");
            let next = shared.and_then(|id| all.get(id));
            match next {
                Some(next) if owner.network_settings.networks.is_empty() => owner = next,
                _ => break,
            }
        }
        &owner.network_settings.networks
    }

    /// Adds its targets in one network.
    fn add(
        &self,
        attachment: &Attachment,
        place: &[&LabelMap; 2],
        rules: &Rules,
        targets: &mut TargetList,
    ) -> Result<(), TooMuch> {
        let ip = &attachment.ip;
        let [common, network] = *place;
        let mut shows_none = true;
        for port in self.ports.iter().filter(|port| port.r#type == "tcp") {
            shows_none = false;
            let own = labels(ip, Some(port));
            let address = host_port(ip, port.private_port);
            targets.add(address, &[&own, common, network])?;
        }
        if shows_none {
            // As do containers in the network of the host.
            let address = match self.host_config.network_mode.as_str() {
                "host" => rules.host_networking_host.clone(),
                _ => host_port(ip, rules.port),
            };
            targets.add(address, &[&labels(ip, None), common, network])?;
        }
        Ok(())
    }
}

fn labels(ip: &str, port: Option<&Port>) -> LabelMap {
    let mut labels = LabelMap::new();
    let mut set = |label: &str, value: String| {
        labels.insert(format!("{PREFIX}{label}"), value);
    };
    set("network_ip", ip.to_owned());
    if let Some(port) = port {
        set("port_private", port.private_port.to_string());
        if port.public_port > 0 {
            set("port_public", port.public_port.to_string());
            set("port_public_ip", port.ip.clone());
        }
    }
    labels
}
