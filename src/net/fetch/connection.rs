//! One connection through its stages: connecting, perhaps a tunnel, then one exchange after the
//! other.
//!
//! [`Connection::advance`] does what can be done without waiting, up to
//! [`limits::FETCH_READ_BYTES`] at a time, and says how to go on.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::ClientConfig;

use super::Failure;
use super::route::Route;
use super::socket::Socket;
use super::spec::FetchSpec;
use crate::http::exchange::{Exchange, ExchangeError};
use crate::http::tunnel::{Tunnel, TunnelError};
use crate::http::url::Url;
use crate::limits;
use crate::model::time::Mono;
use crate::net::context::HttpContext;

/// A connection and whose it is.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: Socket,
    stage: Stage,
    pub(super) key: Arc<str>,
    context: Arc<HttpContext>,
    tls: Option<Arc<ClientConfig>>,
    /// The exchange it works for; none while it is unused.
    pub(super) owner: Option<u64>,
    /// Whether it has carried an exchange before the current one.
    pub(super) reused: bool,
    /// Whether it stands in the queue of those to look after.
    pub(super) queued: bool,
    /// Since when it is unused.
    pub(super) idle_since: Mono,
}

#[derive(Debug)]
enum Stage {
    Connecting,
    Tunnel(Tunnel, Vec<u8>),
    Exchange(Box<Exchange>),
    Idle,
}

/// How to go on with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// When an event comes.
    Wait,
    /// After the others had their turn.
    Again,
    /// The response is complete.
    Done,
}

/// What a connection is wanted for.
pub(super) struct Errand<'a> {
    pub(super) spec: &'a FetchSpec,
    pub(super) url: &'a Url,
    pub(super) route: &'a Route,
    pub(super) trusted: bool,
    pub(super) body: &'a mut Vec<u8>,
}

impl Connection {
    /// A connection that is being made.
    pub(super) fn new(socket: Socket, owner: u64, route: &Route, spec: &FetchSpec) -> Connection {
        Connection {
            socket,
            stage: Stage::Connecting,
            key: Arc::clone(&route.key),
            context: Arc::clone(&spec.context),
            tls: None,
            owner: Some(owner),
            reused: false,
            queued: false,
            idle_since: Mono::default(),
        }
    }

    /// Whether it still waits for the network to say that it is connected.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.stage, Stage::Connecting)
    }

    /// The exchange under way.
    pub(super) fn exchange(&self) -> Option<&Exchange> {
        match &self.stage {
            Stage::Exchange(exchange) => Some(exchange),
            _ => None,
        }
    }

    /// Whether it can be used for requests of `context`: the same credentials, proxies and, if
    /// `tls` is spoken, certificates.
    pub(super) fn suits(
        &self,
        context: &Arc<HttpContext>,
        tls: Option<&Arc<ClientConfig>>,
    ) -> bool {
        let same_tls = match (&self.tls, tls) {
            (Some(own), Some(wanted)) => Arc::ptr_eq(own, wanted),
            (None, None) => true,
            _ => false,
        };
        same_tls && Arc::ptr_eq(&self.context, context)
    }

    /// Takes the connection out of use after a complete exchange.
    pub(super) fn rest(&mut self, now: Mono) {
        self.stage = Stage::Idle;
        self.owner = None;
        self.idle_since = now;
    }

    /// Whether an unused connection is still open and silent, as it should be.
    pub(super) fn is_quiet(&mut self, buffer: &mut [u8]) -> bool {
        let read = self.socket.read(&mut buffer[..1]);
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Sends a request on a connection that is connected.
    pub(super) fn ask(&mut self, errand: &Errand<'_>) -> Result<(), Failure> {
        let Errand {
            spec,
            url,
            route,
            trusted,
            ..
        } = errand;
        let head = route.request(url, &spec.context, &spec.headers, *trusted)?;
        self.socket.send(head.as_bytes());
        self.stage = Stage::Exchange(Box::new(Exchange::new(spec.body_limit)?));
        Ok(())
    }

    /// Does what can be done now.
    pub(super) fn advance(
        &mut self,
        errand: &mut Errand<'_>,
        buffer: &mut [u8],
    ) -> Result<Step, Failure> {
        if self.is_connecting() {
            if !self.socket.connected()? {
                return Ok(Step::Wait);
            }
            self.connected(errand)?;
        }
        let mut read = 0;
        loop {
            // A peer may have answered and closed before it took the whole request.
            let flushed = self.socket.flush();
            if read >= limits::FETCH_READ_BYTES {
                return Ok(Step::Again);
            }
            match self.socket.read(buffer) {
                Ok(amount) => {
                    read += amount;
                    if self.receive(&buffer[..amount], errand)? {
                        return Ok(Step::Done);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    flushed?;
                    return Ok(Step::Wait);
                }
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    /// The way is open to the next hop: begin what comes next.
    fn connected(&mut self, errand: &Errand<'_>) -> Result<(), Failure> {
        let user_agent = errand.spec.user_agent();
        if let Some((tunnel, first)) = errand.route.tunnel(errand.url, user_agent)? {
            self.socket.send(&first);
            self.stage = Stage::Tunnel(tunnel, Vec::new());
            return Ok(());
        }
        self.open(errand)
    }

    /// The way is open to whom the request is for.
    fn open(&mut self, errand: &Errand<'_>) -> Result<(), Failure> {
        if let Some(host) = &errand.route.tls {
            let source = &errand.spec.context.tls;
            let config = source.current().map_err(context_failure)?;
            let name = source.server_name(host).map_err(context_failure)?;
            self.socket
                .start_tls(Arc::clone(&config), name)
                .map_err(Failure::Tls)?;
            self.tls = Some(config);
        }
        self.ask(errand)
    }

    /// Takes in bytes, none at the end of the connection. True when the response is complete.
    fn receive(&mut self, bytes: &[u8], errand: &mut Errand<'_>) -> Result<bool, Failure> {
        match &mut self.stage {
            Stage::Exchange(exchange) if bytes.is_empty() => exchange.end()?,
            Stage::Exchange(exchange) => exchange.receive(bytes, errand.body)?,
            Stage::Tunnel(..) => self.negotiate(bytes, errand)?,
            Stage::Connecting | Stage::Idle => return Err(ExchangeError::Eof.into()),
        }
        Ok(self.exchange().is_some_and(Exchange::is_done))
    }

    fn negotiate(&mut self, bytes: &[u8], errand: &Errand<'_>) -> Result<(), Failure> {
        let Stage::Tunnel(tunnel, pending) = &mut self.stage else {
            return Ok(());
        };
        if bytes.is_empty() {
            return Err(TunnelError::Garbage.into());
        }
        pending.extend_from_slice(bytes);
        loop {
            let step = tunnel.advance(pending)?;
            pending.drain(..step.used);
            self.socket.send(&step.send);
            if step.open {
                // Behind a tunnel nobody speaks before he is asked.
                let early = !pending.is_empty();
                return if early {
                    Err(TunnelError::Garbage.into())
                } else {
                    self.open(errand)
                };
            }
            if step.used == 0 {
                return Ok(());
            }
        }
    }

    /// What a failing read means: after part of a body, that the body is cut.
    fn broken(&self, error: io::Error) -> Failure {
        let cut = error.kind() == ErrorKind::UnexpectedEof;
        match self.exchange() {
            Some(exchange) if cut && exchange.head().is_some() => {
                ExchangeError::UnexpectedEof.into()
            }
            Some(_) if cut => ExchangeError::Eof.into(),
            _ => error.into(),
        }
    }
}

fn context_failure(error: crate::net::tls::TlsError) -> Failure {
    Failure::Context(error.into())
}
