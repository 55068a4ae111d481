//! The door of the web server: TLS, names and passwords, headers, as `--web.config.file` says.
//!
//! The file and the certificates it names are looked at for every client and request and read again
//! when they changed. What cannot be used then leaves in force what was before, and is logged: a file
//! that is just being written must neither open the door nor shut it. Whether there is TLS at all is
//! settled at the start.

mod bucket;
mod checker;
mod file;
mod gate;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use rustls::ServerConfig;

use self::bucket::Bucket;
use self::checker::Checker;
use self::file::Loaded;
pub use self::file::{WebConfigError, check};
use self::gate::{Gate, Judgement, Reason};
use crate::config::web::WebConfig;
use crate::http::server::request::Request;
use crate::http::server::response::Response;
use crate::limits;
use crate::model::time::Mono;
use crate::net::server::{Answer, Promises};
use crate::net::tls::server::ServerTlsSource;
use crate::net::tls::stamp;
use crate::sys::clock::Clock;
use crate::telemetry::limited::RateLimit;
use crate::telemetry::registry::{Counter, Gauge, Registry};

/// Headers that every answer gets.
pub(super) type Headers = Arc<[(&'static str, String)]>;

/// What becomes of a request.
pub(super) enum Entry {
    Admitted(Request),
    Answered(Answer),
}

/// The door. The default is an open one.
#[derive(Default)]
pub struct Door(Option<Guarded>);

struct Guarded {
    path: PathBuf,
    loaded: Loaded,
    headers: Headers,
    limiter: Option<Bucket>,
    gate: Gate,
    checker: Checker,
    clock: Arc<dyn Clock>,
    counters: Counters,
    file_complaint: RateLimit,
    client_complaint: RateLimit,
}

struct Counters {
    registry: Registry,
    handshakes: Arc<Counter>,
    is_current: Arc<Gauge>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.0.as_ref().map(|guarded| &guarded.path);
        f.debug_tuple("Door").field(&path).finish()
    }
}

/// Why there is no door.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The file is wrong.
    #[error("unable to validate web configuration file: {0}")]
    File(#[from] WebConfigError),
    /// The system gives no thread or no random numbers.
    #[error("cannot check passwords: {0}")]
    System(#[from] io::Error),
}

impl Door {
    /// A door as the file says.
    ///
    /// # Errors
    /// When the file, or one that it names, cannot be used.
    pub fn guarded(
        path: &Path,
        clock: &Arc<dyn Clock>,
        registry: &Registry,
    ) -> Result<Door, DoorError> {
        let loaded = file::load(path)?;
        let mut key = [0; 32];
        SystemRandom::new()
            .fill(&mut key)
            .map_err(|_| io::Error::other("no random numbers"))?;
        let gate = Gate::new(&key);
        let checker = Checker::start(gate.verdicts())?;
        log::info!(component = "web", file = path.display().to_string(), tls = loaded.tls.is_some(),
            users = loaded.config.users.len(); "The web server is secured");
        let counters = Counters::new(registry);
        counters.is_current.set(1.0);
        Ok(Door(Some(Guarded {
            path: path.to_owned(),
            headers: headers(&loaded.config),
            limiter: limiter(&loaded.config),
            loaded,
            gate,
            checker,
            clock: Arc::clone(clock),
            counters,
            file_complaint: RateLimit::new(limits::WEB_COMPLAINT_INTERVAL),
            client_complaint: RateLimit::new(limits::WEB_COMPLAINT_INTERVAL),
        })))
    }

    /// How to speak TLS with a new client.
    pub(super) fn tls(&mut self) -> Option<Arc<ServerConfig>> {
        let guarded = self.0.as_mut()?;
        guarded.refresh();
        guarded.loaded.tls.as_ref().map(ServerTlsSource::current)
    }

    /// Takes note that a client could not be spoken to.
    pub(super) fn handshake_failed(&mut self, peer: SocketAddr, error: &str) {
        if let Some(guarded) = &mut self.0 {
            guarded.counters.handshakes.inc();
            guarded.complain(peer, error);
        }
    }

    /// Lets a request in or answers it. `is_first` is false when it comes back from the check of its
    /// password.
    pub(super) fn enter(
        &mut self,
        request: Request,
        promises: &Promises<'_>,
        is_first: bool,
    ) -> Entry {
        match &mut self.0 {
            None => Entry::Admitted(request),
            Some(guarded) => guarded.enter(request, promises, is_first),
        }
    }

    /// The headers that every answer gets now.
    pub(super) fn headers(&self) -> Headers {
        match &self.0 {
            None => Headers::default(),
            Some(guarded) => Arc::clone(&guarded.headers),
        }
    }
}

impl Guarded {
    fn enter(&mut self, request: Request, promises: &Promises<'_>, is_first: bool) -> Entry {
        self.refresh();
        let now = self.clock.mono();
        if is_first
            && self
                .limiter
                .as_mut()
                .is_some_and(|limiter| !limiter.take(now))
        {
            self.counters.refused("limit");
            return answered(Response::text(429, "Too Many Requests\n"));
        }
        let authorization = request.head.header("authorization");
        let judged = self
            .gate
            .judge(&self.loaded.config.users, authorization, now);
        match judged {
            Judgement::Pass => Entry::Admitted(request),
            Judgement::Refused(reason) => {
                let response = self.refuse(reason, promises.peer());
                answered(dressed(response, &self.headers))
            }
            Judgement::Check(check) => {
                if self.checker.ask(check, request, promises.promise()) {
                    return Entry::Answered(Answer::Later);
                }
                // The promise was kept by dropping it; this counts only.
                self.counters.refused("busy");
                Entry::Answered(Answer::Later)
            }
        }
    }

    fn refuse(&mut self, reason: Reason, peer: SocketAddr) -> Response {
        let (label, complaint) = match reason {
            // Browsers and scrapers ask without first.
            Reason::Missing => ("missing", None),
            Reason::Wrong => ("password", Some("wrong user name or password")),
            Reason::Rationed => ("rationed", Some("too many wrong passwords")),
        };
        self.counters.refused(label);
        if let Some(complaint) = complaint {
            self.complain(peer, complaint);
        }
        match reason {
            Reason::Rationed => Response::text(429, "Too Many Requests\n").with(
                "Retry-After",
                limits::WEB_WRONG_PASSWORD_INTERVAL.as_secs().to_string(),
            ),
            _ => Response::text(401, "Unauthorized\n").with("WWW-Authenticate", "Basic"),
        }
    }

    fn complain(&mut self, peer: SocketAddr, error: &str) {
        if let Some(more) = self.client_complaint.allow(self.clock.mono()) {
            log::warn!(component = "web", peer:% = peer, err = error, suppressed = more;
                "A client was refused");
        }
    }

    /// Takes in what changed in the files.
    fn refresh(&mut self) {
        match self.renew() {
            Ok(false) => {}
            Ok(true) => {
                self.counters.is_current.set(1.0);
                self.file_complaint = RateLimit::new(limits::WEB_COMPLAINT_INTERVAL);
                log::info!(component = "web", file = self.path.display().to_string();
                    "The web server's security was read again");
            }
            Err(error) => {
                self.counters.is_current.set(0.0);
                let now: Mono = self.clock.mono();
                if let Some(more) = self.file_complaint.allow(now) {
                    log::error!(component = "web", file = self.path.display().to_string(),
                        err:% = error, suppressed = more;
                        "Cannot read the web configuration; what was before stays in force");
                }
            }
        }
    }

    /// True when something new is in force.
    fn renew(&mut self) -> Result<bool, WebConfigError> {
        if stamp(self.path.clone())? == self.loaded.stamp {
            let is_new = match &mut self.loaded.tls {
                Some(tls) => tls.refresh()?,
                None => false,
            };
            // Back to what is in force is a recovery, too.
            return Ok(is_new || self.counters.is_current.get() < 1.0);
        }
        let loaded = file::load(&self.path)?;
        if loaded.tls.is_some() != self.loaded.tls.is_some() {
            return Err(WebConfigError::Restart(
                "tls_server_config was added or removed, which takes a restart",
            ));
        }
        if loaded.config.users.is_empty() && !self.loaded.config.users.is_empty() {
            return Err(WebConfigError::Restart(
                "basic_auth_users was removed, which takes a restart",
            ));
        }
        self.headers = headers(&loaded.config);
        if loaded.config.rate_limit != self.loaded.config.rate_limit {
            self.limiter = limiter(&loaded.config);
        }
        self.loaded = loaded;
        Ok(true)
    }
}

impl Counters {
    fn new(registry: &Registry) -> Counters {
        let handshakes = registry.counter(
            "narthex_web_tls_failures_total",
            "Clients of the web server with which no TLS came about.",
            &[],
        );
        let is_current = registry.gauge(
            "narthex_web_config_last_reload_successful",
            "Whether the web configuration file and those it names could be used when they last changed.",
            &[],
        );
        Counters {
            registry: registry.clone(),
            handshakes,
            is_current,
        }
    }

    fn refused(&self, reason: &str) {
        let name = "narthex_web_refused_requests_total";
        let help = "Requests to the web server that were refused for who asked or how often.";
        self.registry
            .counter(name, help, &[("reason", reason)])
            .inc();
    }
}

fn answered(response: Response) -> Entry {
    Entry::Answered(Answer::Now(response))
}

fn headers(config: &WebConfig) -> Headers {
    config.headers.clone().into()
}

fn limiter(config: &WebConfig) -> Option<Bucket> {
    let limit = config.rate_limit?;
    Some(Bucket::new(limit.interval, limit.burst))
}

/// The answer with these headers, instead of its own ones of the same names.
pub(super) fn dressed(mut response: Response, headers: &Headers) -> Response {
    response
        .headers
        .retain(|(own, _)| headers.iter().all(|(name, _)| name != own));
    response.headers.extend(headers.iter().cloned());
    response
}

#[cfg(test)]
mod tests;
