//! The protobuf exposition format: `io.prometheus.client.MetricFamily` messages, each with its
//! length before it.
//!
//! Read by field numbers, straight from the bytes into rows ([`super::rows`]). Every length is
//! checked against what is there, messages nest no deeper than the definition does, and fields that
//! nobody knows are stepped over. Rules and leniency are those of Prometheus's own parser.

pub(super) mod exemplar;
mod family;
mod histogram;
pub(super) mod key;
pub(super) mod native;
pub(super) mod page;
mod wire;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
