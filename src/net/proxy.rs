//! Which proxy a request goes through.
//!
//! `proxy_url` alone proxies everything. With `no_proxy`, or from the environment, the rules are
//! those of Go's `httpproxy`: loopback and `localhost` are never proxied, and the list may hold
//! hosts (with their subdomains), `.suffix`, `*.suffix`, addresses, networks, each but the last
//! with a port, and `*`. The environment is read once, through a function that is handed in.

use std::fmt;
use std::net::IpAddr;

use crate::config::http_client::ProxyConfig;
use crate::config::secret::Secret;
use crate::http::auth;
use crate::http::tunnel::{Tunnel, TunnelError};
use crate::http::url::{Url, UrlError, join_authority, split_authority};

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP: absolute URLs for `http`, CONNECT for `https`.
    Http,
    /// The same inside TLS.
    Https,
    /// SOCKS5 (RFC 1928); the proxy resolves names.
    Socks5,
}

/// A proxy. Prints without its credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// How it is spoken to.
    pub kind: ProxyKind,
    /// Host name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password of its URL.
    pub userinfo: Option<(Secret, Secret)>,
    /// `proxy_connect_header`: sent with CONNECT.
    pub connect_headers: Vec<(String, Vec<Secret>)>,
}

impl Proxy {
    /// The value of `Proxy-Authorization`, if the proxy's URL had a user.
    #[must_use]
    pub fn authorization(&self) -> Option<String> {
        let (user, password) = self.userinfo.as_ref()?;
        Some(auth::basic(user.expose(), password.expose()))
    }

    /// The negotiation this proxy wants for a tunnel to a target, and its first bytes.
    ///
    /// # Errors
    /// When the target or the configured headers cannot be sent.
    pub fn open_tunnel(
        &self,
        host: &str,
        port: u16,
        user_agent: &str,
    ) -> Result<(Tunnel, Vec<u8>), TunnelError> {
        if self.kind == ProxyKind::Socks5 {
            let userinfo = self.userinfo.as_ref();
            let userinfo = userinfo.map(|(user, password)| (user.expose(), password.expose()));
            return Tunnel::socks5(host, port, userinfo);
        }
        let authorization = self.authorization();
        let mut headers = vec![("User-Agent", user_agent)];
        if let Some(value) = &authorization {
            headers.push(("Proxy-Authorization", value));
        }
        for (name, values) in &self.connect_headers {
            headers.extend(values.iter().map(|value| (name.as_str(), value.expose())));
        }
        Tunnel::connect(&join_authority(host, Some(port)), &headers)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} proxy {}:{}", self.kind, self.host, self.port)
    }
}

/// A proxy URL that cannot be used. Never repeats it: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// A scheme other than http, https, socks5, socks5h.
    #[error("proxy URL has an unsupported scheme: use http, https or socks5")]
    Scheme,
    /// No URL at all.
    #[error("invalid proxy URL: {0}")]
    Url(#[from] UrlError),
}

/// Chooses a proxy for each URL.
#[derive(Clone, Debug, Default)]
pub struct ProxyRules {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// Absent where nothing is excepted, not even loopback.
    exceptions: Option<Exceptions>,
}

impl ProxyRules {
    /// The rules of a `ProxyConfig`. `environment` gives the value of a variable.
    ///
    /// # Errors
    /// When a proxy URL cannot be used.
    pub fn new(
        config: &ProxyConfig,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<ProxyRules, ProxyError> {
        match config {
            ProxyConfig::None => Ok(ProxyRules::default()),
            ProxyConfig::Url {
                url,
                no_proxy,
                connect_headers,
            } => {
                let proxy = parse_proxy(url.expose(), connect_headers)?;
                Ok(ProxyRules {
                    http: proxy.clone(),
                    https: proxy,
                    exceptions: (!no_proxy.is_empty()).then(|| Exceptions::parse(no_proxy)),
                })
            }
            ProxyConfig::Environment { connect_headers } => {
                from_environment(environment, connect_headers)
            }
        }
    }

    /// Whether a proxy itself is reached through TLS.
    #[must_use]
    pub fn needs_tls(&self) -> bool {
        [&self.http, &self.https]
            .into_iter()
            .flatten()
            .any(|proxy| proxy.kind == ProxyKind::Https)
    }

    /// The proxy for a URL, none for a direct connection.
    #[must_use]
    pub fn choose(&self, tls: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = if tls { &self.https } else { &self.http };
        let proxy = proxy.as_ref()?;
        match &self.exceptions {
            Some(exceptions) if exceptions.hold(host, port) => None,
            _ => Some(proxy),
        }
    }
}

fn from_environment(
    environment: &dyn Fn(&str) -> Option<String>,
    headers: &[(String, Vec<Secret>)],
) -> Result<ProxyRules, ProxyError> {
    let any = |upper: &str| {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        set(upper).or_else(|| set(&upper.to_ascii_lowercase()))
    };
    // Under CGI the variable could come from a request's `Proxy` header.
    let http = any("HTTP_PROXY").filter(|_| environment("REQUEST_METHOD").is_none());
    Ok(ProxyRules {
        http: parse_proxy(&http.unwrap_or_default(), headers)?,
        https: parse_proxy(&any("HTTPS_PROXY").unwrap_or_default(), headers)?,
        exceptions: Some(Exceptions::parse(&any("NO_PROXY").unwrap_or_default())),
    })
}

fn parse_proxy(text: &str, headers: &[(String, Vec<Secret>)]) -> Result<Option<Proxy>, ProxyError> {
    if text.is_empty() {
        return Ok(None);
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let (kind, default_port) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (ProxyKind::Http, 80),
        "https" => (ProxyKind::Https, 443),
        "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
        _ => return Err(ProxyError::Scheme),
    };
    let url = Url::parse(&format!("http://{rest}"))?;
    let written = split_authority(&url.authority)?.1;
    let secret = |(user, password): (String, String)| (Secret::new(user), Secret::new(password));
    Ok(Some(Proxy {
        kind,
        host: url.host,
        port: written.unwrap_or(default_port),
        userinfo: url.userinfo.map(secret),
        connect_headers: headers.to_vec(),
    }))
}

/// What is never proxied.
#[derive(Clone, Debug)]
struct Exceptions {
    all: bool,
    networks: Vec<(IpAddr, u8)>,
    addresses: Vec<(IpAddr, Option<u16>)>,
    domains: Vec<Domain>,
}

#[derive(Clone, Debug)]
struct Domain {
    /// Begins with a dot.
    suffix: String,
    /// Whether the name without the dot is meant too.
    itself: bool,
    port: Option<u16>,
}

impl Exceptions {
    fn parse(list: &str) -> Exceptions {
        let mut exceptions = Exceptions {
            all: false,
            networks: Vec::new(),
            addresses: Vec::new(),
            domains: Vec::new(),
        };
        for entry in list.split(',') {
            let entry = entry.trim().to_ascii_lowercase();
            if entry == "*" {
                exceptions.all = true;
            } else if let Some(network) = parse_network(&entry) {
                exceptions.networks.push(network);
            } else {
                exceptions.add_host(&entry);
            }
        }
        exceptions
    }

    fn add_host(&mut self, entry: &str) {
        let (host, port) = split_port(entry);
        if let Ok(address) = host.parse() {
            self.addresses.push((address, port));
            return;
        }
        let host = host
            .strip_prefix('*')
            .filter(|rest| rest.starts_with('.'))
            .unwrap_or(host);
        if host.is_empty() {
            return;
        }
        let itself = !host.starts_with('.');
        let dot = if itself { "." } else { "" };
        self.domains.push(Domain {
            suffix: format!("{dot}{host}"),
            itself,
            port,
        });
    }

    fn hold(&self, host: &str, port: u16) -> bool {
        if self.all || host.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let at_port = |wanted: Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        if let Ok(address) = host.parse::<IpAddr>() {
            return address.to_canonical().is_loopback()
                || self
                    .networks
                    .iter()
                    .any(|network| contains(*network, address))
                || self
                    .addresses
                    .iter()
                    .any(|(own, wanted)| *own == address && at_port(*wanted));
        }
        let host = host.to_ascii_lowercase();
        self.domains.iter().any(|domain| {
            let itself = domain.itself && host == domain.suffix[1..];
            (itself || host.ends_with(&domain.suffix)) && at_port(domain.port)
        })
    }
}

/// `host:port`, `[v6]:port`, `v6` or `host`.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some(rest) = entry.strip_prefix('[') {
        let (host, port) = rest.split_once(']').unwrap_or((rest, ""));
        return (
            host,
            port.strip_prefix(':').and_then(|port| port.parse().ok()),
        );
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, port.parse().ok()),
        _ => (entry, None),
    }
}

fn parse_network(entry: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = entry.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits: u8 = bits.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    (bits <= width).then_some((address, bits))
}

fn contains((network, bits): (IpAddr, u8), address: IpAddr) -> bool {
    let prefix = |value: u128, width: u32| {
        let shift = width - u32::from(bits);
        value.checked_shr(shift).unwrap_or(0)
    };
    match (network, address.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            prefix(u32::from(network).into(), 32) == prefix(u32::from(address).into(), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            prefix(network.into(), 128) == prefix(address.into(), 128)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_url(url: &str, no_proxy: &str) -> ProxyRules {
        let config = ProxyConfig::Url {
            url: Secret::new(url),
            no_proxy: no_proxy.to_owned(),
            connect_headers: Vec::new(),
        };
        ProxyRules::new(&config, &|_| None).expect("rules")
    }

    fn proxied(rules: &ProxyRules, host: &str, port: u16) -> bool {
        rules.choose(false, host, port).is_some()
    }

    #[test]
    fn a_proxy_url_alone_proxies_loopback_too() {
        let rules = by_url("http://proxy", "");
        assert!(proxied(&rules, "localhost", 80) && proxied(&rules, "127.0.0.1", 80));
        let rules = by_url("http://proxy", "other");
        assert!(!proxied(&rules, "localhost", 80) && !proxied(&rules, "::1", 80));
    }

    #[test]
    fn exceptions_follow_go() {
        let list = "foo.com, .bar.com,*.baz.com:81 ,10.0.0.0/8,1.2.3.4:99,[fd00::1]:7,fe80::/10";
        let rules = by_url("http://proxy", list);
        let direct = [
            ("foo.com", 80),
            ("FOO.com", 80),
            ("a.foo.com", 1),
            ("x.bar.com", 80),
            ("x.baz.com", 81),
            ("10.250.0.1", 80),
            ("1.2.3.4", 99),
            ("fd00::1", 7),
            ("fe80::9", 80),
        ];
        for (host, port) in direct {
            assert!(!proxied(&rules, host, port), "{host}:{port}");
        }
        let through = [
            ("afoo.com", 80),
            ("bar.com", 80),
            ("x.baz.com", 80),
            ("11.0.0.1", 80),
            ("1.2.3.4", 98),
            ("fd00::1", 8),
        ];
        for (host, port) in through {
            assert!(proxied(&rules, host, port), "{host}:{port}");
        }
        assert!(!proxied(&by_url("http://proxy", "a,*"), "anything", 1));
    }

    #[test]
    fn the_environment_names_a_proxy_per_scheme() {
        let environment = |name: &str| match name {
            "https_proxy" => Some("secure:3128".to_owned()),
            "NO_PROXY" => Some("internal".to_owned()),
            _ => None,
        };
        let config = ProxyConfig::Environment {
            connect_headers: Vec::new(),
        };
        let rules = ProxyRules::new(&config, &environment).expect("rules");
        assert!(rules.choose(false, "h", 80).is_none());
        let proxy = rules.choose(true, "h", 443).expect("proxy");
        assert_eq!((proxy.host.as_str(), proxy.port), ("secure", 3128));
        assert!(rules.choose(true, "internal", 443).is_none());
    }

    #[test]
    fn credentials_are_kept_and_not_printed() {
        let rules = by_url("socks5://us:p%40ss@proxy", "");
        let proxy = rules.choose(true, "h", 443).expect("proxy");
        assert_eq!((proxy.kind, proxy.port), (ProxyKind::Socks5, 1080));
        assert_eq!(proxy.authorization(), Some(auth::basic("us", "p@ss")));
        assert!(!format!("{rules:?}").contains("p@ss"));
    }

    #[test]
    fn bad_proxy_urls_are_refused() {
        for url in ["ftp://h", "http://", "http://a b"] {
            let config = ProxyConfig::Url {
                url: Secret::new(url),
                no_proxy: String::new(),
                connect_headers: Vec::new(),
            };
            assert!(ProxyRules::new(&config, &|_| None).is_err(), "{url}");
        }
    }
}
