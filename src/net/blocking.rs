//! The blocking HTTP client of discovery and remote write: one per endpoint or watcher, on ureq.
//!
//! Any status is an answer, not an error. Bodies are decoded from gzip and cut at the caller's
//! limit, which counts decoded bytes. Redirects of GET are followed as `http::redirect` says, those
//! of POST and PUT never. [`Client::shutdown`] ends calls blocked in other threads. A client opens
//! new connections when TLS files changed. Errors and `Debug` never show secrets.

mod error;
mod refusal;
mod transport;
mod unix;

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Uri};
use parking_lot::Mutex;
use rustls::ClientConfig;
use ureq::Agent;
use ureq::unversioned::transport::Connector;

pub use self::error::{ClientError, Phase};
use self::transport::{NextHop, NextHopResolver};
use super::aws::Signable;
use super::context::HttpContext;
use super::resolve::Resolver;
use crate::config::http_client::HttpClientConfig;
use crate::http::redirect::{Trail, is_redirect};
use crate::http::url::Url;
use crate::limits;
use crate::model::time::Mono;
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::jitter::Jitter;
use crate::sys::published::Shared;

/// What does not come from the configuration. Begin with [`ClientOptions::new`].
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Connections kept for reuse; at least as many as threads that call at once.
    pub max_idle_connections: usize,
    /// Overrides `follow_redirects` of the configuration.
    pub follow_redirects: Option<bool>,
    /// Resolves names with a deadline; without it the calling thread asks the system, which may
    /// take longer than the request's time limit.
    pub resolver: Option<Resolver>,
    /// Each new connection tries the addresses of a name in a random order, not in the system's.
    pub round_robin: Option<Shared<Jitter>>,
    /// All requests go to the server behind this socket, whatever host their URL names; names,
    /// proxies and TLS then play no part. URLs must be `http` ones.
    pub unix_socket: Option<PathBuf>,
}

impl ClientOptions {
    /// One connection kept, redirects as configured, addresses in the order they are found.
    #[must_use]
    pub fn new(user_agent: impl Into<String>) -> ClientOptions {
        ClientOptions {
            user_agent: user_agent.into(),
            max_idle_connections: 1,
            follow_redirects: None,
            resolver: None,
            round_robin: None,
            unix_socket: None,
        }
    }
}

/// Methods that are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET, without a body.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its method.
    pub method: Method,
    /// An absolute `http` or `https` URL.
    pub url: &'a str,
    /// Headers beside those of the configuration. GET asks for gzip unless `accept-encoding` is
    /// given. When a redirect leaves the host, only what describes the wanted answer goes along.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; not sent with GET.
    pub body: &'a [u8],
    /// For everything from resolving the name to the last byte of the body.
    pub timeout: Duration,
    /// Decoded bytes of the answer's body that are kept.
    pub body_limit: usize,
}

impl<'a> Request<'a> {
    /// A GET.
    #[must_use]
    pub fn get(url: &'a str, timeout: Duration, body_limit: usize) -> Request<'a> {
        Request {
            method: Method::Get,
            url,
            headers: &[],
            body: &[],
            timeout,
            body_limit,
        }
    }
}

/// Status and headers of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    /// Status code, 200 to 999.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// Where the answer came from, after redirects; without user and password.
    pub final_url: String,
}

impl Head {
    /// Whether the status says that the request was carried out.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of that name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Status code and its usual phrase, as in `404 Not Found`.
    #[must_use]
    pub fn status_text(&self) -> String {
        let code = http::StatusCode::from_u16(self.status).ok();
        match code.and_then(|code| code.canonical_reason()) {
            Some(reason) => format!("{} {reason}", self.status),
            None => self.status.to_string(),
        }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status and headers.
    pub head: Head,
    /// The decoded body, at most the limit of the request.
    pub body: Vec<u8>,
    /// Whether the body was longer than the limit.
    pub truncated: bool,
}

/// A client. May be shared by threads.
#[derive(Debug)]
pub struct Client {
    context: Arc<HttpContext>,
    options: ClientOptions,
    state: Mutex<State>,
}

// A lock because shutdown comes from another thread; held only to read or swap the agent.
#[derive(Debug, Default)]
struct State {
    agent: Option<Agent>,
    tls: Option<Arc<ClientConfig>>,
    closed: bool,
}

/// One hop of a chain of redirects.
#[derive(Clone, Copy)]
struct Hop<'a> {
    url: &'a Url,
    trusted: bool,
    /// Whether the host must not be reached at a link-local address.
    away: bool,
    remaining: Duration,
    /// For streams: the longest silence inside the body; the rest of the time limit then ends
    /// with the head.
    silence: Option<Duration>,
}

impl Client {
    /// Prepares a client; nothing is connected yet.
    ///
    /// # Errors
    /// When certificates or the proxy URL of the configuration cannot be used.
    pub fn new(config: &HttpClientConfig, options: ClientOptions) -> Result<Client, ClientError> {
        Ok(Client {
            context: Arc::new(HttpContext::new(config)?),
            options,
            state: Mutex::default(),
        })
    }

    /// Sends a request and reads the whole answer, blocking for at most `request.timeout`.
    ///
    /// # Errors
    /// When there is no complete answer. Any status is an answer.
    pub fn send(&self, request: &Request<'_>) -> Result<Response, ClientError> {
        let deadline = SystemClock.mono() + request.timeout;
        let (head, mut body) = self.follow(request, deadline, None)?;
        transport::enter(Phase::Body);
        let mut reader = body.as_reader();
        let mut content = Vec::new();
        let limit = request.body_limit as u64;
        reader
            .by_ref()
            .take(limit.saturating_add(1))
            .read_to_end(&mut content)
            .map_err(|error| self.error(error.into(), request.timeout))?;
        let truncated = content.len() > request.body_limit;
        content.truncate(request.body_limit);
        Ok(Response {
            body: refusal::showable(&self.context, request, &head, content),
            head,
            truncated,
        })
    }

    /// Sends a request whose answer goes on and on. `request.timeout` bounds the time to the head,
    /// `silence` the time between two pieces of the body; `request.body_limit` is not applied: the
    /// reader may be endless, the caller bounds what it keeps.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub fn stream(
        &self,
        request: &Request<'_>,
        silence: Duration,
    ) -> Result<(Head, impl Read + use<>), ClientError> {
        let deadline = SystemClock.mono() + request.timeout;
        let (head, body) = self.follow(request, deadline, Some(silence))?;
        let mut reader = body.into_reader();
        if head.is_success() {
            return Ok((
                head,
                io::Cursor::new(Vec::new()).chain(reader.take(u64::MAX)),
            ));
        }
        let mut said = Vec::new();
        // What cannot be read is told by the status.
        let _cut = reader
            .by_ref()
            .take(limits::HTTP_REFUSAL_BYTES)
            .read_to_end(&mut said);
        let said = refusal::showable(&self.context, request, &head, said);
        Ok((head, io::Cursor::new(said).chain(reader.take(0))))
    }

    /// Ends blocked calls of other threads and refuses all later ones. Does not wait.
    pub fn shutdown(&self) {
        let agent = {
            let mut state = self.state.lock();
            state.closed = true;
            state.agent.take()
        };
        if let Some(agent) = agent {
            agent.shutdown();
        }
    }

    fn follow(
        &self,
        request: &Request<'_>,
        deadline: Mono,
        silence: Option<Duration>,
    ) -> Result<(Head, ureq::Body), ClientError> {
        let configured = self.context.follow_redirects();
        let follow =
            self.options.follow_redirects.unwrap_or(configured) && request.method == Method::Get;
        let mut url = Url::parse(request.url)?;
        let mut trail = Trail::new(&url);
        loop {
            if trail.keeps_credentials() {
                self.wait_for_credentials(deadline, request.timeout)?;
            }
            let hop = Hop {
                url: &url,
                trusted: trail.keeps_credentials(),
                away: trail.forbids_link_local(),
                remaining: deadline.since(SystemClock.mono()),
                silence,
            };
            let (parts, body) = self.exchange(request, hop)?.into_parts();
            let head = Head {
                status: parts.status.as_u16(),
                headers: parts.headers,
                final_url: url.to_string(),
            };
            if !follow || !is_redirect(head.status) {
                return Ok((head, body));
            }
            url = trail.follow(&url, head.header("location"))?;
        }
    }

    fn wait_for_credentials(&self, deadline: Mono, limit: Duration) -> Result<(), ClientError> {
        let is_closed = || self.state.lock().closed;
        if self.context.wait_until_ready(deadline, is_closed)? {
            return Ok(());
        }
        if is_closed() {
            return Err(ClientError::Closed);
        }
        Err(ClientError::timeout(Phase::Credentials, limit))
    }

    fn exchange(
        &self,
        request: &Request<'_>,
        hop: Hop<'_>,
    ) -> Result<http::Response<ureq::Body>, ClientError> {
        if hop.remaining.is_zero() {
            return Err(ClientError::timeout(Phase::Response, request.timeout));
        }
        let agent = self.agent(hop.url)?;
        let head = self.head(request, hop)?;
        transport::enter(Phase::Resolve);
        transport::forbid_link_local(hop.away);
        let answer = match request.method {
            Method::Get => agent.run(limited(&agent, head, (), hop)?),
            Method::Post | Method::Put => agent.run(limited(&agent, head, request.body, hop)?),
        };
        answer.map_err(|error| self.error(error, request.timeout))
    }

    /// The agent for a URL: the one there is, unless TLS material changed.
    fn agent(&self, url: &Url) -> Result<Agent, ClientError> {
        let context = &self.context;
        let proxied = self.options.unix_socket.is_none() && context.proxy.needs_tls();
        let tls = if url.tls || proxied {
            Some(context.tls.current()?)
        } else {
            None
        };
        let mut state = self.state.lock();
        if state.closed {
            return Err(ClientError::Closed);
        }
        let stale = match (&tls, &state.tls) {
            (Some(now), Some(then)) => !Arc::ptr_eq(now, then),
            (Some(_), None) => true,
            (None, _) => false,
        };
        if let Some(agent) = state.agent.as_ref().filter(|_| !stale) {
            return Ok(agent.clone());
        }
        let agent = self.new_agent(tls.clone());
        state.agent = Some(agent.clone());
        state.tls = tls;
        Ok(agent)
    }

    fn new_agent(&self, tls: Option<Arc<ClientConfig>>) -> Agent {
        let idle = self.options.max_idle_connections;
        let config = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(self.options.user_agent.as_str())
            .accept("")
            .accept_encoding("")
            .input_buffer_size(limits::BLOCKING_BUFFER_BYTES)
            .output_buffer_size(limits::BLOCKING_BUFFER_BYTES)
            .max_response_header_size(limits::HTTP_HEAD_BYTES)
            .max_idle_connections(idle)
            .max_idle_connections_per_host(idle)
            .max_idle_age(limits::IDLE_CONNECTION)
            .build();
        let context = Arc::clone(&self.context);
        let hop = NextHop::new(context, tls, &self.options.user_agent);
        if let Some(path) = &self.options.unix_socket {
            let socket = ().chain(unix::UnixConnector(path.clone()));
            return Agent::with_parts(config, socket.chain(hop.direct()), unix::NoNames);
        }
        let resolver = NextHopResolver {
            context: Arc::clone(&self.context),
            resolver: self.options.resolver.clone(),
            round_robin: self.options.round_robin.clone(),
        };
        Agent::with_parts(config, transport::tcp().chain(hop), resolver)
    }

    /// Method, URL and headers.
    fn head(
        &self,
        request: &Request<'_>,
        hop: Hop<'_>,
    ) -> Result<http::request::Builder, ClientError> {
        let url = hop.url;
        let method_name = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
        };
        let uri = format!("{}://{}{}", url.scheme(), url.authority, url.target);
        let uri = Uri::try_from(uri).map_err(|_| ClientError::Unsendable)?;
        let mut head = http::Request::builder().method(method_name).uri(uri);
        let given = |name: &str| {
            request
                .headers
                .iter()
                .any(|(own, _)| own.eq_ignore_ascii_case(name))
        };
        if request.method == Method::Get && !given("accept-encoding") {
            head = head.header("accept-encoding", "gzip");
        }
        let kept = request
            .headers
            .iter()
            .filter(|(name, _)| hop.trusted || is_harmless(name));
        for (name, value) in kept {
            head = head.header(*name, *value);
        }
        if hop.trusted {
            for (name, value) in self.context.extra_headers()? {
                head = head.header(name, value);
            }
            let authorization = self.context.authorization(url.userinfo.as_ref())?;
            if let Some(value) = authorization.filter(|_| !given("authorization")) {
                head = head.header("authorization", value);
            }
            let own = request.headers.iter();
            let mut kind = own.filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            let signable = Signable {
                method: method_name,
                url,
                content_type: kind.next().map(|(_, value)| *value),
                body: request.body,
            };
            for (name, value) in self.context.signature(&signable)? {
                head = head.header(name, value);
            }
        }
        Ok(head)
    }

    fn error(&self, error: ureq::Error, after: Duration) -> ClientError {
        if self.state.lock().closed {
            return ClientError::Closed;
        }
        ClientError::from_ureq(error, transport::phase(), after)
    }
}

/// Whether reading a stream failed because it was silent for too long.
#[must_use]
pub fn is_silence(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(ureq::Error::Timeout(_)))
}

/// Headers that may go to a host that the user did not name.
fn is_harmless(name: &str) -> bool {
    [
        "accept",
        "accept-encoding",
        "accept-language",
        "content-type",
    ]
    .iter()
    .any(|own| own.eq_ignore_ascii_case(name))
}

/// Joins head and body and sets the time limits.
fn limited<B: ureq::AsSendBody>(
    agent: &Agent,
    head: http::request::Builder,
    body: B,
    hop: Hop<'_>,
) -> Result<http::Request<B>, ClientError> {
    let request = head.body(body).map_err(|_| ClientError::Unsendable)?;
    let settings = agent.configure_request(request);
    let settings = match hop.silence {
        None => settings.timeout_global(Some(hop.remaining)),
        Some(silence) => settings
            .timeout_resolve(Some(hop.remaining))
            .timeout_connect(Some(hop.remaining))
            .timeout_recv_response(Some(hop.remaining))
            .timeout_per_read(Some(silence)),
    };
    Ok(settings.build())
}

#[cfg(test)]
mod tests;
