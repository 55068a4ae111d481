//! Sockets, TLS, names, proxies: how bytes reach another host.
//!
//! Two clients share everything below them: [`blocking`] runs one request on the calling thread,
//! for discovery and remote write; [`fetch`] drives many exchanges on one thread, for scrapes.
//! Both are configured by a [`context::HttpContext`]. [`server`] is the other side, for status
//! pages and the embedded receiver. No decision of the domain is made here.

pub mod aws;
pub mod blocking;
pub mod context;
pub mod dns;
pub mod fetch;
pub mod lease;
pub mod mask;
pub mod mdns;
pub mod oauth2;
pub mod proxy;
pub mod resolve;
pub mod secrets;
pub mod server;
pub mod tls;

#[cfg(test)]
pub(crate) mod testing;
