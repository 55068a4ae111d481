//! Objects as the API server writes them, as far as labels need them.
//!
//! One shape serves all kinds: their fields do not get in each other's way, and one decoder is
//! smaller than nine. Everything else (about nine tenths of a pod) is skipped as it is read. The
//! server writes null for empty lists, so null is nothing everywhere. Field names are those of
//! the API.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::object::{object, read};

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

object! {
    /// Any object, a `Status` included.
    Object {
        "metadata" => metadata: Or<Metadata>,
        "spec" => spec: Or<Spec>,
        "status" => status: Or<Status>,
        /// Endpoints.
        "subsets" => subsets: Or<Vec<Subset>>,
        /// Endpoint slices, as are the next two.
        "addressType" => address_type: Or<String>,
        "endpoints" => endpoints: Or<Vec<Endpoint>>,
        "ports" => ports: Or<Vec<Port>>,
        /// Of a `Status`, as are the next three.
        "code" => code: Or<u16>,
        "reason" => reason: Or<String>,
        "message" => message: Or<String>,
        "details" => details: Or<Details>,
    }
}

object! {
    Details {
        "retryAfterSeconds" => retry_after_seconds: Or<u64>,
    }
}

object! {
    Metadata {
        "name" => name: Or<String>,
        "namespace" => namespace: Or<String>,
        "uid" => uid: Or<String>,
        "resourceVersion" => resource_version: Or<String>,
        "labels" => labels: Or<BTreeMap<String, Or<String>>>,
        "annotations" => annotations: Or<BTreeMap<String, Or<String>>>,
        "ownerReferences" => owner_references: Or<Vec<Owner>>,
        /// Of a list: where the next page begins.
        "continue" => continue_token: Or<String>,
    }
}

object! {
    Owner {
        "kind" => kind: Or<String>,
        "name" => name: Or<String>,
        "controller" => controller: Or<bool>,
    }
}

object! {
    Spec {
        /// Pods.
        "nodeName" => node_name: Or<String>,
        "containers" => containers: Or<Vec<Container>>,
        "initContainers" => init_containers: Or<Vec<Container>>,
        /// Services.
        "type" => kind: Or<String>,
        "clusterIP" => cluster_ip: Or<String>,
        "externalName" => external_name: Or<String>,
        "loadBalancerIP" => load_balancer_ip: Or<String>,
        "ipFamilies" => ip_families: Or<Vec<String>>,
        "ipFamilyPolicy" => ip_family_policy: Or<String>,
        "ports" => ports: Or<Vec<Port>>,
        /// Nodes.
        "providerID" => provider_id: Or<String>,
        /// Ingresses.
        "ingressClassName" => ingress_class_name: Option<String>,
        "tls" => tls: Or<Vec<Tls>>,
        "rules" => rules: Or<Vec<Rule>>,
    }
}

object! {
    Container {
        "name" => name: Or<String>,
        "image" => image: Or<String>,
        "ports" => ports: Or<Vec<ContainerPort>>,
    }
}

object! {
    ContainerPort {
        "name" => name: Or<String>,
        "containerPort" => container_port: Or<i32>,
        "protocol" => protocol: Or<String>,
    }
}

object! {
    /// A port of a service, of endpoints or of a slice.
    Port {
        "name" => name: Option<String>,
        "port" => port: Option<i32>,
        "protocol" => protocol: Option<String>,
        "appProtocol" => app_protocol: Option<String>,
    }
}

/// The `status` of an object.
#[derive(Debug, Default)]
pub(super) struct Status(pub(super) StatusFields);

object! {
    StatusFields {
        /// Pods.
        "phase" => phase: Or<String>,
        "podIP" => pod_ip: Or<String>,
        "hostIP" => host_ip: Or<String>,
        "containerStatuses" => container_statuses: Or<Vec<ContainerStatus>>,
        "initContainerStatuses" => init_container_statuses: Or<Vec<ContainerStatus>>,
        /// Pods and nodes.
        "conditions" => conditions: Or<Vec<Condition>>,
        /// Nodes.
        "addresses" => addresses: Or<Vec<NodeAddress>>,
        "daemonEndpoints" => daemon_endpoints: Or<DaemonEndpoints>,
    }
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
                read(map).map(Status)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

object! {
    ContainerStatus {
        "name" => name: Or<String>,
        "containerID" => container_id: Or<String>,
    }
}

object! {
    Condition {
        "type" => kind: Or<String>,
        "status" => status: Or<String>,
    }
}

object! {
    NodeAddress {
        "type" => kind: Or<String>,
        "address" => address: Or<String>,
    }
}

object! {
    DaemonEndpoints {
        "kubeletEndpoint" => kubelet_endpoint: Or<KubeletEndpoint>,
    }
}

object! {
    KubeletEndpoint {
        /// With a capital, unlike any other field.
        "Port" => port: Or<i32>,
    }
}

object! {
    Subset {
        "addresses" => addresses: Or<Vec<Address>>,
        "notReadyAddresses" => not_ready_addresses: Or<Vec<Address>>,
        "ports" => ports: Or<Vec<Port>>,
    }
}

object! {
    Address {
        "ip" => ip: Or<String>,
        "hostname" => hostname: Or<String>,
        "nodeName" => node_name: Option<String>,
        "targetRef" => target_ref: Option<Reference>,
    }
}

object! {
    Reference {
        "kind" => kind: Or<String>,
        "namespace" => namespace: Or<String>,
        "name" => name: Or<String>,
    }
}

object! {
    Endpoint {
        "addresses" => addresses: Or<Vec<String>>,
        "conditions" => conditions: Or<Conditions>,
        "hostname" => hostname: Option<String>,
        "nodeName" => node_name: Option<String>,
        "zone" => zone: Option<String>,
        "targetRef" => target_ref: Option<Reference>,
        "deprecatedTopology" => deprecated_topology: Or<BTreeMap<String, Or<String>>>,
    }
}

object! {
    #[derive(Clone)]
    Conditions {
        "ready" => ready: Option<bool>,
        "serving" => serving: Option<bool>,
        "terminating" => terminating: Option<bool>,
    }
}

object! {
    Tls {
        "hosts" => hosts: Or<Vec<String>>,
    }
}

object! {
    Rule {
        "host" => host: Or<String>,
        "http" => http: Option<Http>,
    }
}

object! {
    Http {
        "paths" => paths: Or<Vec<Path>>,
    }
}

object! {
    Path {
        "path" => path: Or<String>,
    }
}
