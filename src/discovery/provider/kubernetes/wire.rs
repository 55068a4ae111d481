//! Objects as the API server writes them, as far as labels need them.
//!
//! One shape serves all kinds: their fields do not get in each other's way, and one decoder is
//! smaller than nine. Everything else (about nine tenths of a pod) is skipped as it is read. The
//! server writes null for empty lists, so null is nothing everywhere. Field names are those of
//! the API.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A value whose null means the default, as in Go.
#[derive(Clone, Debug, Default)]
pub(super) struct Or<T>(pub(super) T);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Or<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Or<T>, D::Error> {
        Ok(Or(Option::deserialize(deserializer)?.unwrap_or_default()))
    }
}

impl<T> Deref for Or<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Any object, a `Status` included.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object {
    pub(super) metadata: Or<Metadata>,
    pub(super) spec: Or<Spec>,
    pub(super) status: Or<Status>,
    /// Endpoints.
    pub(super) subsets: Or<Vec<Subset>>,
    /// Endpoint slices, as are the next two.
    pub(super) address_type: Or<String>,
    pub(super) endpoints: Or<Vec<Endpoint>>,
    pub(super) ports: Or<Vec<Port>>,
    /// Of a `Status`, as are the next three.
    pub(super) code: Or<u16>,
    pub(super) reason: Or<String>,
    pub(super) message: Or<String>,
    pub(super) details: Or<Details>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Details {
    pub(super) retry_after_seconds: Or<u64>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: Or<String>,
    pub(super) namespace: Or<String>,
    pub(super) uid: Or<String>,
    pub(super) resource_version: Or<String>,
    pub(super) labels: Or<BTreeMap<String, Or<String>>>,
    pub(super) annotations: Or<BTreeMap<String, Or<String>>>,
    pub(super) owner_references: Or<Vec<Owner>>,
    /// Of a list: where the next page begins.
    #[serde(rename = "continue")]
    pub(super) continue_token: Or<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Owner {
    pub(super) kind: Or<String>,
    pub(super) name: Or<String>,
    pub(super) controller: Or<bool>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    /// Pods.
    pub(super) node_name: Or<String>,
    pub(super) containers: Or<Vec<Container>>,
    pub(super) init_containers: Or<Vec<Container>>,
    /// Services.
    #[serde(rename = "type")]
    pub(super) kind: Or<String>,
    #[serde(rename = "clusterIP")]
    pub(super) cluster_ip: Or<String>,
    pub(super) external_name: Or<String>,
    #[serde(rename = "loadBalancerIP")]
    pub(super) load_balancer_ip: Or<String>,
    pub(super) ip_families: Or<Vec<String>>,
    pub(super) ip_family_policy: Or<String>,
    pub(super) ports: Or<Vec<Port>>,
    /// Nodes.
    #[serde(rename = "providerID")]
    pub(super) provider_id: Or<String>,
    /// Ingresses.
    pub(super) ingress_class_name: Option<String>,
    pub(super) tls: Or<Vec<Tls>>,
    pub(super) rules: Or<Vec<Rule>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Container {
    pub(super) name: Or<String>,
    pub(super) image: Or<String>,
    pub(super) ports: Or<Vec<ContainerPort>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerPort {
    pub(super) name: Or<String>,
    pub(super) container_port: Or<i32>,
    pub(super) protocol: Or<String>,
}

/// A port of a service, of endpoints or of a slice.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Port {
    pub(super) name: Option<String>,
    pub(super) port: Option<i32>,
    pub(super) protocol: Option<String>,
    pub(super) app_protocol: Option<String>,
}

/// The `status` of an object.
#[derive(Debug, Default)]
pub(super) struct Status(pub(super) StatusFields);

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct StatusFields {
    /// Pods.
    pub(super) phase: Or<String>,
    #[serde(rename = "podIP")]
    pub(super) pod_ip: Or<String>,
    #[serde(rename = "hostIP")]
    pub(super) host_ip: Or<String>,
    pub(super) container_statuses: Or<Vec<ContainerStatus>>,
    pub(super) init_container_statuses: Or<Vec<ContainerStatus>>,
    /// Pods and nodes.
    pub(super) conditions: Or<Vec<Condition>>,
    /// Nodes.
    pub(super) addresses: Or<Vec<NodeAddress>>,
    pub(super) daemon_endpoints: Or<DaemonEndpoints>,
}

impl Deref for Status {
    type Target = StatusFields;

    fn deref(&self) -> &StatusFields {
        &self.0
    }
}

/// In an object of the kind `Status` the field is a word, which says nothing new.
impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Status;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status")
            }
            fn visit_str<E>(self, _word: &str) -> Result<Status, E> {
                Ok(Status::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Status, A::Error> {
                StatusFields::deserialize(MapAccessDeserializer::new(map)).map(Status)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct ContainerStatus {
    pub(super) name: Or<String>,
    #[serde(rename = "containerID")]
    pub(super) container_id: Or<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: Or<String>,
    pub(super) status: Or<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct NodeAddress {
    #[serde(rename = "type")]
    pub(super) kind: Or<String>,
    pub(super) address: Or<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DaemonEndpoints {
    pub(super) kubelet_endpoint: Or<KubeletEndpoint>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct KubeletEndpoint {
    /// With a capital, unlike any other field.
    #[serde(rename = "Port")]
    pub(super) port: Or<i32>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Subset {
    pub(super) addresses: Or<Vec<Address>>,
    pub(super) not_ready_addresses: Or<Vec<Address>>,
    pub(super) ports: Or<Vec<Port>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Address {
    pub(super) ip: Or<String>,
    pub(super) hostname: Or<String>,
    pub(super) node_name: Option<String>,
    pub(super) target_ref: Option<Reference>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    pub(super) kind: Or<String>,
    pub(super) namespace: Or<String>,
    pub(super) name: Or<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Endpoint {
    pub(super) addresses: Or<Vec<String>>,
    pub(super) conditions: Or<Conditions>,
    pub(super) hostname: Option<String>,
    pub(super) node_name: Option<String>,
    pub(super) zone: Option<String>,
    pub(super) target_ref: Option<Reference>,
    pub(super) deprecated_topology: Or<BTreeMap<String, Or<String>>>,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Conditions {
    pub(super) ready: Option<bool>,
    pub(super) serving: Option<bool>,
    pub(super) terminating: Option<bool>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Tls {
    pub(super) hosts: Or<Vec<String>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Rule {
    pub(super) host: Or<String>,
    pub(super) http: Option<Http>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Http {
    pub(super) paths: Or<Vec<Path>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Path {
    pub(super) path: Or<String>,
}
