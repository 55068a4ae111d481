//! The list of mechanisms, one line each. `static` is not among them: it needs no provider.

use super::provider::{
    ProviderSpec, consul, dns, docker, dockerswarm, etcd, file, http, kubernetes, mdns, zookeeper,
};

/// Every mechanism that can be configured.
pub const MECHANISMS: &[ProviderSpec] = &[
    consul::SPEC,         // services of a Consul catalog
    dns::SPEC,            // names in the DNS
    docker::SPEC,         // containers of a Docker engine
    dockerswarm::SPEC,    // services, tasks or nodes of a Docker swarm
    etcd::SPEC,           // keys in etcd
    file::SPEC,           // files with target groups
    http::SPEC,           // a server with target groups
    kubernetes::SPEC,     // objects of a Kubernetes cluster
    mdns::SPEC,           // services of the local links
    zookeeper::NERVE,     // services of nerve in ZooKeeper
    zookeeper::SERVERSET, // serversets in ZooKeeper
];

/// The mechanism of that name.
#[must_use]
pub fn find(mechanism: &str) -> Option<&'static ProviderSpec> {
    MECHANISMS.iter().find(|spec| spec.mechanism == mechanism)
}
