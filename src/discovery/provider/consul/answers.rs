//! What Consul answers, and the targets that the instances of a service stand for. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::discovery::targets::{TargetList, TooMuch, add_all, host_port, or_default};
use crate::model::target_group::{LabelMap, TargetGroup};

const PREFIX: &str = "__meta_consul_";

/// Services and the tags of all their instances, as `/v1/catalog/services` lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Services(BTreeMap<String, Option<Vec<String>>>);

impl Services {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name and tags of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        let all = self.0.iter();
        all.map(|(name, tags)| (name.as_str(), tags.as_deref().unwrap_or(&[])))
    }
}

/// An instance of a service, as `/v1/health/service/<name>` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Instance {
    node: Node,
    service: Service,
    #[serde(default, deserialize_with = "or_default")]
    checks: Vec<Check>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(rename = "Node")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    address: String,
    #[serde(default, deserialize_with = "or_default")]
    datacenter: String,
    #[serde(default, deserialize_with = "or_default")]
    meta: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    tagged_addresses: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    #[serde(default, rename = "ID", deserialize_with = "or_default")]
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    address: String,
    /// Left away by Consul if it is 0.
    #[serde(default, deserialize_with = "or_default")]
    port: i64,
    #[serde(default, deserialize_with = "or_default")]
    meta: BTreeMap<String, String>,
    /// Consul Enterprise only, as is the next one.
    #[serde(default, deserialize_with = "or_default")]
    namespace: String,
    #[serde(default, deserialize_with = "or_default")]
    partition: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Check {
    #[serde(default, rename = "CheckID", deserialize_with = "or_default")]
    id: String,
    #[serde(default, rename = "Status", deserialize_with = "or_default")]
    status: String,
}

/// What an agent says of itself, as far as it matters.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Itself {
    #[serde(rename = "Config")]
    config: ItselfConfig,
}

#[derive(Clone, Debug, Deserialize)]
struct ItselfConfig {
    #[serde(rename = "Datacenter")]
    datacenter: String,
}

impl Itself {
    /// The data centre it is in.
    pub(super) fn into_datacenter(self) -> String {
        self.config.datacenter
    }
}

/// The group of a service. Without a data centre each instance has that of its node, which is the
/// same one.
pub(super) fn group_from(
    name: &str,
    datacenter: Option<&str>,
    separator: &str,
    instances: &[Instance],
) -> Result<TargetGroup, TooMuch> {
    let mut labels = LabelMap::from([(format!("{PREFIX}service"), name.to_owned())]);
    if let Some(datacenter) = datacenter {
        labels.insert(format!("{PREFIX}dc"), datacenter.to_owned());
    }
    let mut targets = TargetList::default();
    for instance in instances {
        let mut own = instance.labels(separator);
        if datacenter.is_none() {
            let datacenter = instance.node.datacenter.clone();
            own.insert(format!("{PREFIX}dc"), datacenter);
        }
        targets.add(instance.address(), &[&own])?;
    }
    Ok(targets.into_group(name, labels))
}

impl Instance {
    /// That of the service; if it has none, that of the node.
    fn address(&self) -> String {
        let host = match self.service.address.as_str() {
            "" => &self.node.address,
            own => own,
        };
        host_port(host, self.service.port)
    }

    fn labels(&self, separator: &str) -> LabelMap {
        let Instance { node, service, .. } = self;
        let mut labels = LabelMap::new();
        let mut set = |name: &str, value: &str| {
            labels.insert(format!("{PREFIX}{name}"), value.to_owned());
        };
        // Separators on both sides, so that an expression need not care where a tag stands.
        let tags = service.tags.join(separator);
        set("tags", &format!("{separator}{tags}{separator}"));
        set("address", &node.address);
        set("node", &node.name);
        set("service_address", &service.address);
        set("service_port", &service.port.to_string());
        set("service_id", &service.id);
        set("namespace", &service.namespace);
        set("partition", &service.partition);
        set("health", health_of(&self.checks));
        add_all(&mut labels, &format!("{PREFIX}metadata_"), &node.meta);
        let prefix = format!("{PREFIX}service_metadata_");
        add_all(&mut labels, &prefix, &service.meta);
        let prefix = format!("{PREFIX}tagged_address_");
        add_all(&mut labels, &prefix, &node.tagged_addresses);
        labels
    }
}

/// The worst of all checks; maintenance is the worst of all. Nothing if one is in a state that
/// nobody knows.
fn health_of(checks: &[Check]) -> &'static str {
    let mut worst = 0;
    for check in checks {
        let maintenance =
            check.id == "_node_maintenance" || check.id.starts_with("_service_maintenance:");
        let rank = match check.status.as_str() {
            _ if maintenance => 3,
            "critical" => 2,
            "warning" => 1,
            "passing" => 0,
            _ => return "",
        };
        worst = worst.max(rank);
    }
    ["passing", "warning", "critical", "maintenance"][worst]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(checks: &[(&str, &str)]) -> &'static str {
        let check = |(id, status): &(&str, &str)| Check {
            id: (*id).to_owned(),
            status: (*status).to_owned(),
        };
        health_of(&checks.iter().map(check).collect::<Vec<_>>())
    }

    #[test]
    fn the_worst_check_is_the_health() {
        assert_eq!(health(&[]), "passing");
        assert_eq!(health(&[("a", "passing"), ("b", "warning")]), "warning");
        assert_eq!(health(&[("a", "critical"), ("b", "warning")]), "critical");
        let node = ("_node_maintenance", "critical");
        assert_eq!(health(&[("a", "critical"), node]), "maintenance");
        let service = ("_service_maintenance:web-1", "critical");
        assert_eq!(health(&[service, ("a", "passing")]), "maintenance");
        assert_eq!(health(&[("a", "sleepy")]), "");
    }

    #[test]
    fn instances_of_a_real_answer_become_targets() {
        let text = include_str!("../../../../tests/data/discovery/consul/health-service-web.json");
        let instances: Vec<Instance> = serde_json::from_str(text).expect("instances");
        let group = group_from("web", Some("dc1"), ",", &instances).expect("bounded");
        assert_eq!(group.source, "web");
        assert_eq!(group.labels["__meta_consul_dc"], "dc1");
        let label = |index: usize, name: &str| group.targets[index][name].as_str();
        assert_eq!(label(0, "__address__"), "127.0.0.1:9100");
        assert_eq!(label(1, "__address__"), "127.0.0.5:9101");
        assert_eq!(label(0, "__meta_consul_tags"), ",prod,v1,");
        assert_eq!(label(2, "__meta_consul_tags"), ",,");
        assert_eq!(label(0, "__meta_consul_service_metadata_team"), "a b");
        assert_eq!(label(0, "__meta_consul_metadata_rack"), "r1");
        assert_eq!(label(0, "__meta_consul_tagged_address_lan"), "127.0.0.1");
        let health: Vec<_> = (0..3).map(|n| label(n, "__meta_consul_health")).collect();
        assert_eq!(health, ["passing", "warning", "critical"]);
        assert!(!group.targets[0].contains_key("__meta_consul_dc"));
        let unknown = group_from("web", None, ";", &instances).expect("bounded");
        assert_eq!(unknown.targets[0]["__meta_consul_dc"], "dc1");
        assert_eq!(unknown.targets[0]["__meta_consul_tags"], ";prod;v1;");
    }

    #[test]
    fn a_service_without_a_port_keeps_zero_and_ipv6_gets_brackets() {
        for (text, address) in [
            (
                include_str!("../../../../tests/data/discovery/consul/health-service-noport.json"),
                "127.0.0.1:0",
            ),
            (
                include_str!("../../../../tests/data/discovery/consul/health-service-v6.json"),
                "[::1]:9100",
            ),
        ] {
            let instances: Vec<Instance> = serde_json::from_str(text).expect("instances");
            let group = group_from("s", Some("dc1"), ",", &instances).expect("bounded");
            assert_eq!(group.targets[0]["__address__"], address);
        }
    }
}
