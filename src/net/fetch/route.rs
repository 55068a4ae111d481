//! How a URL is reached, and what is said first on the way.

use std::sync::Arc;

use super::Failure;
use crate::http::request;
use crate::http::tunnel::{Tunnel, TunnelError};
use crate::http::url::{Url, join_authority};
use crate::net::context::HttpContext;
use crate::net::proxy::{Proxy, ProxyKind};

/// The way to a URL.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// Host to connect to: the target's or the proxy's.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// Whose certificate is expected, if TLS is spoken.
    pub(super) tls: Option<String>,
    /// The socket to connect to instead.
    pub(super) unix_socket: Option<Arc<str>>,
    /// The proxy, if there is one.
    proxy: Option<Proxy>,
    /// Equal for URLs that can share a connection, given the same context.
    pub(super) key: Arc<str>,
}

impl Route {
    /// Plans the way to `url`, through a socket of this host if there is one.
    pub(super) fn plan(
        context: &HttpContext,
        url: &Url,
        unix_socket: Option<&Arc<str>>,
    ) -> Result<Route, Failure> {
        let proxy = match unix_socket {
            Some(_) => None,
            None => context.proxy.choose(url.tls, &url.host, url.port),
        };
        let key = |via: &str| Arc::from(format!("{}://{} {via}", url.scheme(), url.host_port()));
        let Some(proxy) = proxy else {
            return Ok(Route {
                host: url.host.clone(),
                port: url.port,
                tls: url.tls.then(|| url.host.clone()),
                proxy: None,
                // No proxy's name begins with a slash.
                key: key(unix_socket.map_or("", |path| path)),
                unix_socket: unix_socket.cloned(),
            });
        };
        let tls = match (url.tls, proxy.kind) {
            (true, ProxyKind::Https) => return Err(Failure::TlsInTls),
            (true, _) => Some(url.host.clone()),
            (false, ProxyKind::Https) => Some(proxy.host.clone()),
            (false, _) => None,
        };
        Ok(Route {
            host: proxy.host.clone(),
            port: proxy.port,
            tls,
            key: key(&join_authority(&proxy.host, Some(proxy.port))),
            proxy: Some(proxy.clone()),
            unix_socket: None,
        })
    }

    /// The negotiation of a tunnel and its first bytes, if the way leads through one.
    pub(super) fn tunnel(
        &self,
        url: &Url,
        user_agent: &str,
    ) -> Result<Option<(Tunnel, Vec<u8>)>, TunnelError> {
        match &self.proxy {
            Some(proxy) if url.tls || proxy.kind == ProxyKind::Socks5 => {
                proxy.open_tunnel(&url.host, url.port, user_agent).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether the way leads through a proxy.
    pub(super) fn is_proxied(&self) -> bool {
        self.proxy.is_some()
    }

    /// Whether the proxy is asked with the whole URL.
    fn is_absolute(&self, url: &Url) -> bool {
        let http = |proxy: &Proxy| proxy.kind != ProxyKind::Socks5;
        !url.tls && self.proxy.as_ref().is_some_and(http)
    }

    /// The head of a request. With `trusted`, credentials and custom headers are sent along.
    pub(super) fn request(
        &self,
        url: &Url,
        context: &HttpContext,
        headers: &[(String, String)],
        trusted: bool,
    ) -> Result<String, Failure> {
        let mut extra = Vec::new();
        let absolute = self.is_absolute(url);
        if absolute && let Some(value) = self.proxy.as_ref().and_then(Proxy::authorization) {
            extra.push(("Proxy-Authorization", value));
        }
        if trusted {
            if let Some(value) = context.authorization(url.userinfo.as_ref())? {
                extra.push(("Authorization", value));
            }
            extra.extend(context.extra_headers()?);
        }
        let own = headers.iter().map(|(name, value)| (name.as_str(), value));
        let extra = extra.iter().map(|(name, value)| (*name, value));
        let all = own.chain(extra).map(|(name, value)| (name, value.as_str()));
        let mut head = String::with_capacity(512);
        if absolute {
            request::write_get(&mut head, &url.to_string(), &url.authority, all)?;
        } else {
            request::write_get(&mut head, &url.target, &url.authority, all)?;
        }
        Ok(head)
    }
}
