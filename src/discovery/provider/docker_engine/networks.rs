//! Labels of networks, by the identifier of the network.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Engine, EngineError};
use crate::discovery::targets::{add_all, or_default};
use crate::model::sorting;
use crate::model::target_group::LabelMap;

/// A network, as `/networks` lists it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Network {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    scope: String,
    #[serde(default, deserialize_with = "or_default")]
    internal: bool,
    #[serde(default, deserialize_with = "or_default")]
    ingress: bool,
    #[serde(default, deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
}

/// Labels by network.
#[derive(Clone, Debug, Default)]
pub struct NetworkLabels {
    by_id: BTreeMap<String, LabelMap>,
    none: LabelMap,
}

impl NetworkLabels {
    /// Asks the engine; label names begin with `prefix`.
    ///
    /// # Errors
    /// When the networks cannot be listed.
    pub fn ask(engine: &Engine, prefix: &str) -> Result<NetworkLabels, EngineError> {
        let networks: Vec<Network> = engine.all("networks", "/networks")?;
        Ok(NetworkLabels::new(&networks, prefix))
    }

    /// The labels of these networks.
    #[must_use]
    pub fn new(networks: &[Network], prefix: &str) -> NetworkLabels {
        let labelled = |network: &Network| {
            let mut labels = LabelMap::new();
            let mut set = |name: &str, value: &str| {
                labels.insert(format!("{prefix}network_{name}"), value.to_owned());
            };
            set("id", &network.id);
            set("name", &network.name);
            set("scope", &network.scope);
            set("internal", truth(network.internal));
            set("ingress", truth(network.ingress));
            let prefix = format!("{prefix}network_label_");
            add_all(&mut labels, &prefix, &network.labels);
            (network.id.clone(), labels)
        };
        NetworkLabels {
            by_id: sorting::map(networks.iter().map(labelled)),
            none: LabelMap::new(),
        }
    }

    /// Those of one network, none if it is not known: it may be newer than the list.
    #[must_use]
    pub fn of(&self, id: &str) -> &LabelMap {
        self.by_id.get(id).unwrap_or(&self.none)
    }
}

/// `true` or `false`.
#[must_use]
pub fn truth(is: bool) -> &'static str {
    if is { "true" } else { "false" }
}
