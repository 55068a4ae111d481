//! The list of mechanisms, one line each. `static` is not among them: it needs no provider.

use super::provider::{ProviderSpec, dns, etcd, file, http, zookeeper};

/// Every mechanism that can be configured.
pub const MECHANISMS: &[ProviderSpec] = &[
    dns::SPEC,            // names in the DNS
    etcd::SPEC,           // keys in etcd
    file::SPEC,           // files with target groups
    http::SPEC,           // a server with target groups
    zookeeper::NERVE,     // services of nerve in ZooKeeper
    zookeeper::SERVERSET, // serversets in ZooKeeper
];

/// The mechanism of that name.
#[must_use]
pub fn find(mechanism: &str) -> Option<&'static ProviderSpec> {
    MECHANISMS.iter().find(|spec| spec.mechanism == mechanism)
}
