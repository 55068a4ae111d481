//! A service that was found and resolved.

use std::net::IpAddr;

/// Which address of a host is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefer {
    /// An IPv4 address, else an IPv6 one.
    Ipv4,
    /// An IPv6 address, else an IPv4 one.
    Ipv6,
    /// None: the name is enough.
    Name,
}

/// A service instance, resolved. All texts come from the network; bytes that are no UTF-8 are
/// replaced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// The network interface behind which it is.
    pub interface: String,
    /// Its full name, escaped; unique per interface.
    pub name: String,
    /// Its own name, for people: any text.
    pub instance: String,
    /// Its type, such as `_http._tcp`.
    pub kind: String,
    /// Its host, without the final dot.
    pub host: String,
    /// Its port; never zero.
    pub port: u16,
    /// The address of its host; none only when the name is preferred.
    pub address: Option<IpAddr>,
    /// Its attributes by lower-case key; none as value when there is no equals sign.
    pub attributes: Vec<(String, Option<String>)>,
}
