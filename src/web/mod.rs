//! The status pages, the parts of Prometheus's HTTP API that an agent has, and the life-cycle
//! endpoints.
//!
//! `routes` is the list of everything that is answered; `docs/api.md` describes it. What is shown
//! comes from [`backend::Backend`], plain data that the engines published. Lifecycle endpoints
//! need the flag, POST or PUT, and a request that no other web site caused. [`door`] stands
//! before all of them: TLS and passwords as `--web.config.file` says, none without it.

pub mod backend;
pub mod door;
pub mod external_url;

mod api;
mod json;
mod lifecycle;
mod metrics;
mod probes;
mod relabel_steps;
mod routes;
mod selector;
mod self_metrics;
mod status;
mod status_page;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use crate::http::server::request::{Method, Request, RequestHead};
use crate::http::server::response::Response;
use crate::limits;
use crate::net::server::{self, Answer, Handler, Promises, ServerHandle, ServerOptions};
use crate::sys::clock::Clock;
use crate::telemetry::budget::MemoryBudget;
use crate::telemetry::registry::Registry;

use backend::Backend;
use door::{Door, Entry, Headers, dressed};
use external_url::ExternalUrl;
use metrics::RequestMetrics;
use routes::{Action, Route};

/// How the web side is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOptions {
    /// Where users reach it.
    pub external_url: ExternalUrl,
    /// In front of every path: empty, or a slash and no slash at the end.
    pub route_prefix: String,
    /// Whether `/-/reload` and `/-/quit` do anything.
    pub enable_lifecycle: bool,
    /// How long a client may stay between requests.
    pub idle_timeout: Duration,
    /// Clients at once.
    pub clients_max: usize,
    /// Title of the status page.
    pub page_title: String,
    /// All flags with their values, sorted by name.
    pub flags: Vec<(String, String)>,
    /// What was built.
    pub build: BuildInfo,
}

/// What was built, in the fields that Prometheus shows.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildInfo {
    /// Version of narthex.
    pub version: String,
    /// Commit.
    pub revision: String,
    /// Branch.
    pub branch: String,
    /// Who built it.
    pub build_user: String,
    /// When.
    pub build_date: String,
    /// The compiler, in the field that every client expects.
    pub go_version: String,
}

/// Starts serving on listeners that are already bound, behind a door.
///
/// # Errors
/// When the system gives no poll or no thread.
pub fn start(
    listeners: Vec<TcpListener>,
    options: WebOptions,
    backend: Arc<dyn Backend>,
    registry: Registry,
    (memory, door): (MemoryBudget, Door),
    clock: Arc<dyn Clock>,
) -> io::Result<ServerHandle> {
    let server_options = ServerOptions {
        thread_name: "web",
        clients_max: options.clients_max,
        idle_timeout: options.idle_timeout,
        memory,
    };
    let own_port = listeners
        .first()
        .and_then(|listener| listener.local_addr().ok())
        .map_or(0, |address| address.port());
    let site = Site {
        options,
        own_port,
        backend,
        metrics: RequestMetrics::new(registry.clone()),
        registry,
        clock: Arc::clone(&clock),
        door,
        room: 0,
    };
    server::start(listeners, Box::new(site), server_options, clock)
}

/// Everything that answers need.
pub(crate) struct Site {
    options: WebOptions,
    own_port: u16,
    backend: Arc<dyn Backend>,
    registry: Registry,
    metrics: RequestMetrics,
    clock: Arc<dyn Clock>,
    door: Door,
    /// Bytes that the answer to the request at hand may have.
    room: usize,
}

impl Handler for Site {
    fn body_bytes_max(&self, head: &RequestHead) -> u64 {
        match head.method {
            Method::Get | Method::Head => 0,
            _ => limits::WEB_BODY_BYTES_MAX,
        }
    }

    fn handle(&mut self, request: Request, promises: &Promises<'_>) -> Answer {
        self.receive(request, promises, true)
    }

    fn handle_again(&mut self, request: Request, promises: &Promises<'_>) -> Answer {
        self.receive(request, promises, false)
    }

    fn tls(&mut self) -> Option<Arc<ServerConfig>> {
        self.door.tls()
    }

    fn handshake_failed(&mut self, peer: SocketAddr, error: &str) {
        self.door.handshake_failed(peer, error);
    }
}

/// What cannot be answered at once.
pub(crate) enum Deferred {
    Reload,
}

impl Site {
    fn receive(&mut self, request: Request, promises: &Promises<'_>, is_first: bool) -> Answer {
        let request = match self.door.enter(request, promises, is_first) {
            Entry::Admitted(request) => request,
            Entry::Answered(answer) => return answer,
        };
        let headers = self.door.headers();
        self.room = promises.room().min(limits::WEB_ANSWER_BYTES_MAX);
        match self.serve(&request.head, promises, &headers) {
            Some(response) => Answer::Now(dressed(response, &headers)),
            None => Answer::Later,
        }
    }

    /// The answer to a request that was let in; none when it comes later.
    fn serve(
        &self,
        head: &RequestHead,
        promises: &Promises<'_>,
        headers: &Headers,
    ) -> Option<Response> {
        let began = self.clock.mono();
        let Some(inner) = head.path.strip_prefix(&*self.options.route_prefix) else {
            return Some(self.outside_prefix(&head.path));
        };
        // The bare prefix is the root.
        let inner = if inner.is_empty() { "/" } else { inner };
        let Some(route) = routes::find(inner) else {
            return Some(not_found());
        };
        let response = match self.answer(route, head) {
            Ok(response) if response.body.len() > self.room => secured(json::too_large(self.room)),
            Ok(response) => secured(response),
            Err(Deferred::Reload) => {
                lifecycle::reload(self, promises.promise(), Arc::clone(headers));
                return None;
            }
        };
        let took = self.clock.mono().since(began);
        self.metrics
            .count(route.path, response.status, took, response.body.len());
        Some(response)
    }

    fn answer(&self, route: &Route, head: &RequestHead) -> Result<Response, Deferred> {
        let reads = matches!(head.method, Method::Get | Method::Head);
        match route.action {
            Action::Page(_) | Action::Redirect(_) if !reads => {
                let response = Response::text(405, "Method Not Allowed\n");
                Ok(response.with("Allow", "GET, HEAD"))
            }
            Action::Page(page) => Ok(page(self, head)),
            Action::Redirect(path) => Ok(self.redirect(path)),
            Action::Unavailable => Ok(json::failure(
                422,
                "execution",
                "unavailable with Prometheus Agent",
            )),
            Action::NoReceiver(text) => Ok(Response::text(404, text)),
            Action::Lifecycle(what) => lifecycle::answer(self, what, head),
        }
    }

    fn redirect(&self, path: &str) -> Response {
        let target = format!("{}{path}", self.options.external_url.path);
        Response::empty(302).with("Location", target)
    }

    fn outside_prefix(&self, path: &str) -> Response {
        if path == "/" {
            return self.redirect("/");
        }
        not_found()
    }
}

fn not_found() -> Response {
    secured(Response::text(404, "404 page not found\n"))
}

/// Adds what keeps a browser from making more of an answer than it is.
fn secured(response: Response) -> Response {
    response
        .with("X-Content-Type-Options", "nosniff")
        .with("X-Frame-Options", "DENY")
        .with("Referrer-Policy", "no-referrer")
}

#[cfg(test)]
mod tests;
