//! The list of mechanisms, one line each. `static` is not among them: it needs no provider.

use super::provider::{ProviderSpec, dns, file, http, mdns};

/// Every mechanism that can be configured.
pub const MECHANISMS: &[ProviderSpec] = &[
    dns::SPEC,  // names in the DNS
    file::SPEC, // files with target groups
    http::SPEC, // a server with target groups
    mdns::SPEC, // services of the local links
];

/// The mechanism of that name.
#[must_use]
pub fn find(mechanism: &str) -> Option<&'static ProviderSpec> {
    MECHANISMS.iter().find(|spec| spec.mechanism == mechanism)
}
