//! How ureq reaches the other side: the next hop (the target or a proxy), tunnels and TLS.
//!
//! ureq's own proxies always tunnel and its TLS cannot be given a name to expect, so both are done
//! here. ureq connects to what [`NextHopResolver`] names; [`NextHop`] does the rest.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use http::Uri;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::Error;
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, TcpConnector, Transport,
    TransportAdapter,
};

use super::error::{ClientError, Phase};
use crate::http::redirect::{self, RedirectError};
use crate::http::tunnel::{Tunnel, TunnelError};
use crate::limits;
use crate::net::context::HttpContext;
use crate::net::proxy::{Proxy, ProxyKind};
use crate::net::resolve;
use crate::sys::jitter::Jitter;
use crate::sys::published::Shared;

thread_local! {
    // ureq runs a request on the calling thread and hands no context through; this is how an
    // error learns what was being done.
    static PHASE: Cell<Phase> = const { Cell::new(Phase::Resolve) };
    // Whether the host that is resolved must not be reached at a link-local address.
    static AWAY: Cell<bool> = const { Cell::new(false) };
}

/// Notes whether this thread's request was redirected to a host that must not be link-local.
pub(super) fn forbid_link_local(away: bool) {
    AWAY.set(away);
}

/// Notes what this thread's request is doing.
pub(super) fn enter(phase: Phase) {
    PHASE.set(phase);
}

/// What this thread's request was doing last.
pub(super) fn phase() -> Phase {
    PHASE.get()
}

/// The connector that opens sockets.
pub(super) fn tcp() -> impl Connector<(), Out: Transport> {
    ().chain(TcpConnector::default())
}

fn own(error: impl Into<ClientError>) -> Error {
    Error::Other(Box::new(error.into()))
}

/// Host without brackets and port of a URI that was made from a parsed URL.
fn endpoint(uri: &Uri) -> (bool, &str, u16) {
    let tls = uri.scheme_str() == Some("https");
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (
        tls,
        host,
        uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
    )
}

/// Resolves what is connected to: the proxy if there is one, else the target.
#[derive(Debug)]
pub(super) struct NextHopResolver {
    pub(super) context: Arc<HttpContext>,
    pub(super) resolver: Option<resolve::Resolver>,
    pub(super) round_robin: Option<Shared<Jitter>>,
}

impl Resolver for NextHopResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        enter(Phase::Resolve);
        let (tls, host, port) = endpoint(uri);
        let proxy = self.context.proxy.choose(tls, host, port);
        let (host, port) = match proxy {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => (host, port),
        };
        let found = match &self.resolver {
            Some(resolver) => resolver.lookup(host, *timeout.after),
            None => resolve::lookup_here(host),
        };
        let mut found = found.map_err(own)?;
        if AWAY.get() && proxy.is_none() {
            found = redirect::without_link_local(&found);
            if found.is_empty() {
                return Err(own(RedirectError::LinkLocal));
            }
        }
        let mut addresses = self.empty();
        for address in found.iter() {
            addresses.push(SocketAddr::new(*address, port));
        }
        if let Some(jitter) = &self.round_robin {
            jitter.with(|jitter| jitter.shuffle(&mut addresses));
        }
        enter(Phase::Connect);
        Ok(addresses)
    }
}

/// Turns a socket to the next hop into a connection to the target.
#[derive(Debug)]
pub(super) struct NextHop {
    context: Arc<HttpContext>,
    tls: Option<Arc<ClientConfig>>,
    user_agent: String,
    /// Whether the socket leads to the target whatever the configuration says of proxies.
    direct: bool,
}

impl NextHop {
    pub(super) fn new(
        context: Arc<HttpContext>,
        tls: Option<Arc<ClientConfig>>,
        user_agent: &str,
    ) -> NextHop {
        NextHop {
            context,
            tls,
            user_agent: user_agent.to_owned(),
            direct: false,
        }
    }

    /// The same without proxies.
    pub(super) fn direct(self) -> NextHop {
        NextHop {
            direct: true,
            ..self
        }
    }

    fn proxy(&self, tls: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = self.context.proxy.choose(tls, host, port);
        proxy.filter(|_| !self.direct)
    }

    fn open(
        &self,
        details: &ConnectionDetails<'_>,
        socket: Box<dyn Transport>,
    ) -> Result<Link, Error> {
        let (tls, host, port) = endpoint(details.uri);
        let mut inner = socket;
        let mut absolute = None;
        if let Some(proxy) = self.proxy(tls, host, port) {
            if proxy.kind == ProxyKind::Https {
                inner = self.wrap(details, inner, &proxy.host)?;
            }
            if tls || proxy.kind == ProxyKind::Socks5 {
                enter(Phase::Proxy);
                let start = proxy
                    .open_tunnel(host, port, &self.user_agent)
                    .map_err(own)?;
                inner = tunnel(inner, start, &|| left(details))?;
            } else {
                absolute = Some(AbsoluteForm::new(details.uri, proxy));
            }
        }
        if tls {
            inner = self.wrap(details, inner, host)?;
        }
        enter(Phase::Response);
        Ok(Link {
            inner,
            absolute,
            tls,
        })
    }

    fn wrap(
        &self,
        details: &ConnectionDetails<'_>,
        inner: Box<dyn Transport>,
        host: &str,
    ) -> Result<Box<dyn Transport>, Error> {
        enter(Phase::Tls);
        let config = match &self.tls {
            Some(config) => Arc::clone(config),
            None => self.context.tls.current().map_err(own)?,
        };
        let name = self.context.tls.server_name(host).map_err(own)?;
        let mut connection = ClientConnection::new(config, name)?;
        let mut socket = TransportAdapter::new(inner, Arc::clone(&details.current_time));
        // For the handshake as a whole.
        socket.set_timeout(left(details)?);
        connection.complete_io(&mut socket)?;
        let size = limits::BLOCKING_BUFFER_BYTES;
        Ok(Box::new(TlsTransport {
            buffers: LazyBuffers::new(size, size),
            stream: StreamOwned::new(connection, socket),
        }))
    }
}

impl<In: Transport> Connector<In> for NextHop {
    type Out = Link;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Link>, Error> {
        match chained {
            Some(socket) => self.open(details, Box::new(socket)).map(Some),
            None => Ok(None),
        }
    }
}

/// What is left of the time for making a connection, an error when nothing is: ureq takes no time at all
/// for no limit.
fn left(details: &ConnectionDetails<'_>) -> Result<NextTimeout, Error> {
    let limit = details.timeout;
    let clock = ((details.current_time)(), details.now, limit.after);
    let (Instant::Exact(now), Instant::Exact(began), Duration::Exact(after)) = clock else {
        return Ok(limit);
    };
    let left = after.saturating_sub(now.saturating_duration_since(began));
    if left.is_zero() {
        return Err(Error::Timeout(limit.reason));
    }
    Ok(NextTimeout {
        after: Duration::Exact(left),
        ..limit
    })
}

fn tunnel(
    inner: Box<dyn Transport>,
    (mut tunnel, first): (Tunnel, Vec<u8>),
    left: &dyn Fn() -> Result<NextTimeout, Error>,
) -> Result<Box<dyn Transport>, Error> {
    let mut inner = inner;
    transmit(&mut *inner, &first, left()?)?;
    loop {
        let progress = inner.maybe_await_input(left()?)?;
        let buffers = inner.buffers();
        let step = tunnel.advance(buffers.input()).map_err(own)?;
        buffers.input_consume(step.used);
        if step.open {
            return Ok(inner);
        }
        if !progress {
            return Err(own(TunnelError::Garbage));
        }
        transmit(&mut *inner, &step.send, left()?)?;
    }
}

/// Sends bytes of any length through the output buffer.
fn transmit(to: &mut dyn Transport, bytes: &[u8], timeout: NextTimeout) -> Result<(), Error> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let output = to.buffers().output();
        let amount = rest.len().min(output.len());
        output[..amount].copy_from_slice(&rest[..amount]);
        to.transmit_output(amount, timeout)?;
        rest = &rest[amount..];
    }
    Ok(())
}

/// A connection to the target, perhaps through a proxy that wants absolute URLs.
#[derive(Debug)]
pub(super) struct Link {
    inner: Box<dyn Transport>,
    absolute: Option<AbsoluteForm>,
    tls: bool,
}

impl Transport for Link {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        enter(Phase::Response);
        if let Some(absolute) = self.absolute.as_mut().filter(|absolute| absolute.at_head) {
            absolute.at_head = false;
            let head = absolute.rewrite(&self.inner.buffers().output()[..amount]);
            return transmit(&mut *self.inner, &head, timeout);
        }
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if let Some(absolute) = &mut self.absolute {
            // What is sent after an answer is the next request.
            absolute.at_head = true;
        }
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.tls
    }
}

/// Puts the origin into the request line and the proxy's credentials behind it, because an HTTP
/// proxy that is not asked for a tunnel needs both (RFC 9112, 3.2.2).
struct AbsoluteForm {
    origin: String,
    header: String,
    at_head: bool,
}

impl std::fmt::Debug for AbsoluteForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.origin)
    }
}

impl AbsoluteForm {
    fn new(uri: &Uri, proxy: &Proxy) -> AbsoluteForm {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        AbsoluteForm {
            origin: format!("http://{authority}"),
            header: proxy
                .authorization()
                .map(|value| format!("Proxy-Authorization: {value}\r\n"))
                .unwrap_or_default(),
            at_head: true,
        }
    }

    fn rewrite(&self, head: &[u8]) -> Vec<u8> {
        let method = head
            .iter()
            .position(|byte| *byte == b' ')
            .map_or(0, |at| at + 1);
        let line = head
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(method, |at| at + 1);
        let parts = [
            &head[..method],
            self.origin.as_bytes(),
            &head[method..line],
            self.header.as_bytes(),
            &head[line..],
        ];
        parts.concat()
    }
}

struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl std::fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsTransport")
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        let output = &self.buffers.output()[..amount];
        self.stream.write_all(output)?;
        self.stream.flush()?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.sock.set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.stream.read(input)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
