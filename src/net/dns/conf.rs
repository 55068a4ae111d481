//! What `resolv.conf` says: whom to ask, which suffixes to try, how long to wait.
//!
//! Unknown lines are ignored, as the C library does. Values are clamped to what the C library
//! allows, so that a slip of the pen cannot stall discovery. Pure; resolv.conf(5).

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use resolv_conf::ScopedIp;

use crate::limits;

/// The settings a lookup needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverConfig {
    /// Servers in file order; never empty.
    pub servers: Vec<SocketAddr>,
    /// Suffixes in file order.
    pub search: Vec<String>,
    /// A name with at least so many dots is tried as it stands first.
    pub ndots: usize,
    /// Time for one server to answer once.
    pub timeout: Duration,
    /// How often all servers are tried.
    pub attempts: u32,
    /// Whether the load is spread over the servers.
    pub rotate: bool,
}

impl ResolverConfig {
    /// Reads the text of a `resolv.conf`. `port` is where the servers listen, 53 outside of
    /// tests; `scope` gives the index of the network interface that a link-local server names.
    #[must_use]
    pub fn parse(text: &[u8], port: u16, scope: impl Fn(&str) -> Option<u32>) -> ResolverConfig {
        let (mut conf, _ignored_lines) = resolv_conf::Config::parse_with_errors(text);
        let servers = std::mem::take(&mut conf.nameservers);
        let mut servers: Vec<SocketAddr> = servers
            .into_iter()
            .filter_map(|server| address(server, port, &scope))
            .take(limits::DNS_SERVERS_MAX)
            .collect();
        if servers.is_empty() {
            servers.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        }
        let search = conf.get_last_search_or_domain();
        ResolverConfig {
            servers,
            search: search
                .filter(|suffix| !suffix.is_empty() && *suffix != ".")
                .take(limits::DNS_SEARCH_MAX)
                .cloned()
                .collect(),
            ndots: usize::try_from(conf.ndots.min(limits::DNS_NDOTS_MAX)).unwrap_or(1),
            timeout: Duration::from_secs(
                u64::from(conf.timeout).clamp(1, limits::DNS_TIMEOUT_MAX.as_secs()),
            ),
            attempts: conf.attempts.clamp(1, limits::DNS_ATTEMPTS_MAX),
            rotate: conf.rotate,
        }
    }

    /// The absolute names to try for `name`, best first.
    #[must_use]
    pub fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let dots = name.bytes().filter(|byte| *byte == b'.').count();
        let suffixed = self
            .search
            .iter()
            .map(|suffix| format!("{name}.{}.", suffix.trim_matches('.')));
        let mut names: Vec<String> = suffixed.collect();
        let at = if dots >= self.ndots { 0 } else { names.len() };
        names.insert(at, format!("{name}."));
        names
    }
}

/// The address of a server; none if it names an interface that is not there.
fn address(
    server: ScopedIp,
    port: u16,
    scope: &impl Fn(&str) -> Option<u32>,
) -> Option<SocketAddr> {
    match server {
        ScopedIp::V6(ip, Some(name)) => {
            let index = name.parse().ok().or_else(|| scope(&name))?;
            Some(SocketAddrV6::new(ip, port, 0, index).into())
        }
        other => Some(SocketAddr::new(other.into(), port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ResolverConfig {
        ResolverConfig::parse(text.as_bytes(), 53, |name| (name == "eth0").then_some(7))
    }

    #[test]
    fn servers_search_list_and_options_are_read() {
        let conf = parse(
            "# made by hand\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\n\
             search a.test b.test\noptions ndots:3 timeout:2 attempts:4 rotate\nnonsense x\n",
        );
        let servers: Vec<_> = conf.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[fe80::1%7]:53"]);
        assert_eq!(conf.search, ["a.test", "b.test"]);
        assert_eq!((conf.ndots, conf.attempts, conf.rotate), (3, 4, true));
        assert_eq!(conf.timeout, Duration::from_secs(2));
    }

    #[test]
    fn an_empty_file_means_this_host_and_the_usual_patience() {
        let conf = parse("");
        assert_eq!(conf.servers, ["127.0.0.1:53".parse().expect("address")]);
        assert_eq!((conf.ndots, conf.attempts, conf.rotate), (1, 2, false));
        assert_eq!(conf.timeout, Duration::from_secs(5));
    }

    #[test]
    fn values_are_clamped() {
        let conf = parse("options ndots:99 timeout:0 attempts:1000\nnameserver fe80::1%gone\n");
        assert_eq!(conf.ndots, 15);
        assert_eq!(conf.timeout, Duration::from_secs(1));
        assert_eq!(conf.attempts, 5);
        assert_eq!(
            conf.servers.len(),
            1,
            "a server behind an unknown interface is left out"
        );
    }

    #[test]
    fn the_number_of_dots_decides_whether_suffixes_come_first() {
        let conf = parse("search a.test b.test.\noptions ndots:2\n");
        assert_eq!(conf.candidates("x"), ["x.a.test.", "x.b.test.", "x."]);
        assert_eq!(
            conf.candidates("x.y.z"),
            ["x.y.z.", "x.y.z.a.test.", "x.y.z.b.test."]
        );
        assert_eq!(conf.candidates("x."), ["x."]);
    }
}
