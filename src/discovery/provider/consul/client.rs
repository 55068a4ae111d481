//! Questions to Consul over HTTP: their URLs, and what of an answer counts.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use super::super::{ProviderContext, ProviderError, shortened};
use super::ConsulConfig;
use super::answers::Itself;
use super::core::{Indexed, Question, Reply, Subject};
use crate::config::url;
use crate::discovery::metrics::DURATION_QUANTILES;
use crate::discovery::targets::TooMuch;
use crate::limits;
use crate::net::blocking::{Client, ClientError, ClientOptions, Head, Request};
use crate::sys::clock::Clock;
use crate::telemetry::registry::{Counter, Summary};

/// What may stand in a path or a query as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Why a question has no good answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueryError {
    #[error("cannot ask for {what}: {source}")]
    Client { what: String, source: ClientError },
    #[error("cannot ask for {what}: Consul answered {status}{message}")]
    Status {
        what: String,
        status: String,
        message: String,
    },
    #[error(
        "the answer about {what} is larger than {} bytes",
        limits::SD_HTTP_BODY_BYTES
    )]
    TooLarge { what: String },
    #[error("the answer about {what} cannot be read: {source}")]
    Json {
        what: String,
        source: serde_json::Error,
    },
    #[error(
        "Consul lists no service at all, not even itself: the token lacks service:read or \
         node:read; the last targets stay"
    )]
    NothingListed,
    #[error(
        "the token may not see the instances of service {0}: it lacks node:read; the last targets stay"
    )]
    NoInstance(String),
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    #[error(
        "{more} more services match than the {} that are watched",
        limits::SD_CONSUL_SERVICES
    )]
    TooManyServices { more: usize },
    /// One that was told before and holds on.
    #[error("{0}")]
    Still(String),
    /// The question made us panic, or was answered with something else.
    #[error("internal error")]
    Other,
}

impl QueryError {
    /// Whether we ended the question ourselves.
    fn is_interrupt(&self) -> bool {
        matches!(
            self,
            QueryError::Client {
                source: ClientError::Closed,
                ..
            }
        )
    }
}

/// Where a server is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The beginning of its URLs, without a slash at the end.
    base: String,
    socket: Option<String>,
}

/// Reads where the server is.
///
/// # Errors
/// When it cannot be reached like that.
pub(super) fn place(config: &ConsulConfig) -> Result<Place, String> {
    let prefix = match config.path_prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("/{prefix}"),
    };
    let (scheme, server) = match config.server.split_once("://") {
        None => (config.scheme.as_str(), config.server.as_str()),
        Some(("unix", path)) => {
            return Ok(Place {
                base: format!("http://localhost{prefix}"),
                socket: Some(path.to_owned()),
            });
        }
        // TLS that was asked for is not given up.
        Some(("http", server)) => (config.scheme.as_str(), server),
        Some((scheme, server)) => (scheme, server),
    };
    if !matches!(scheme, "http" | "https") {
        return Err(format!(
            "cannot talk to Consul by {scheme:?}: use http, https or unix"
        ));
    }
    let base = format!("{scheme}://{}{prefix}", server.trim_end_matches('/'));
    url::parse(&base)?;
    Ok(Place { base, socket: None })
}

/// Asks. Shared by the threads of a provider.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    config: ConsulConfig,
    base: String,
    /// Parameters that every question to the catalog carries.
    common: String,
    clock: Arc<dyn Clock>,
    failures: Arc<Counter>,
    list_time: Arc<Summary>,
    health_time: Arc<Summary>,
}

impl Api {
    /// Prepares to ask.
    ///
    /// # Errors
    /// When certificates cannot be used.
    pub(super) fn open(
        config: &ConsulConfig,
        context: &ProviderContext,
    ) -> Result<Api, ProviderError> {
        let place = place(config)?;
        let mut options = ClientOptions::new(&*context.user_agent);
        options.max_idle_connections = limits::SD_CONSUL_WATCHERS + 2;
        options.unix_socket = place.socket.map(Into::into);
        let duration = |call: &str| {
            context.registry.summary(
                "prometheus_sd_consul_rpc_duration_seconds",
                "The duration of a Consul RPC call in seconds.",
                &[("call", call), ("endpoint", "catalog")],
                &DURATION_QUANTILES,
            )
        };
        Ok(Api {
            client: Client::new(&config.client, options)?,
            base: place.base,
            common: common(config),
            clock: Arc::clone(&context.clock),
            failures: context.registry.counter(
                "prometheus_sd_consul_rpc_failures_total",
                "The number of Consul RPC call failures.",
                &[],
            ),
            list_time: duration("services"),
            health_time: duration("service"),
            config: config.clone(),
        })
    }

    /// Ends questions under way and refuses all later ones.
    pub(super) fn shutdown(&self) {
        self.client.shutdown();
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// When there is none, or none that can be read.
    pub(super) fn ask(&self, question: &Question) -> Result<Reply, QueryError> {
        let began = self.clock.mono();
        let result = match &question.subject {
            Subject::DataCenter => self.datacenter().map(Reply::DataCenter),
            Subject::Services => self
                .catalog("services", &self.list_url(question), question)
                .map(Reply::Services),
            Subject::Health(name) => self
                .catalog(name, &self.health_url(name, question), question)
                .map(Reply::Health),
        };
        let took = self.clock.mono().since(began).as_secs_f64();
        match &question.subject {
            Subject::DataCenter => {}
            Subject::Services => self.list_time.observe(took),
            Subject::Health(_) => self.health_time.observe(took),
        }
        if result.as_ref().is_err_and(|error| !error.is_interrupt()) {
            self.failures.inc();
        }
        result
    }

    /// A token for services and nodes alone may not ask the agent; the nodes tell as well.
    fn datacenter(&self) -> Result<Option<String>, QueryError> {
        let what = "the data centre of the agent";
        let url = format!("{}/v1/agent/self", self.base);
        match self.get(what, &url, limits::SD_CONSUL_SLACK) {
            Ok((_, body)) => read::<Itself>(what, &body).map(|own| Some(own.into_datacenter())),
            Err(QueryError::Status { status, .. }) if status.starts_with("403") => {
                log::info!(component = "discovery", mechanism = "consul";
                    "the token may not ask for the data centre of the agent (agent:read), taking that of each node");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn list_url(&self, question: &Question) -> String {
        let mut url = format!("{}/v1/catalog/services?{}", self.base, self.common);
        add(&mut url, "filter", &self.config.filter);
        block(&mut url, question);
        url
    }

    fn health_url(&self, name: &str, question: &Question) -> String {
        let name = utf8_percent_encode(name, ESCAPED);
        let mut url = format!("{}/v1/health/service/{name}?{}", self.base, self.common);
        add(&mut url, "filter", &self.config.health_filter);
        for tag in &self.config.tags {
            add(&mut url, "tag", tag);
        }
        block(&mut url, question);
        url
    }

    fn catalog<T: DeserializeOwned>(
        &self,
        what: &str,
        url: &str,
        question: &Question,
    ) -> Result<Indexed<T>, QueryError> {
        let what = match question.subject {
            Subject::Health(_) => format!("service {what}"),
            _ => what.to_owned(),
        };
        let most = question.wait + question.wait / 16 + limits::SD_CONSUL_SLACK;
        let (head, body) = self.get(&what, url, most)?;
        let index = head.header("x-consul-index");
        let filtered = head.header("x-consul-results-filtered-by-acls");
        Ok(Indexed {
            index: index.and_then(|text| text.parse().ok()).unwrap_or(0),
            filtered: filtered == Some("true"),
            value: read(&what, &body)?,
        })
    }

    fn get(&self, what: &str, url: &str, timeout: Duration) -> Result<(Head, Vec<u8>), QueryError> {
        let what = || what.to_owned();
        let token = ("X-Consul-Token", self.config.token.expose());
        let headers = [("Accept", "application/json"), token];
        let with_token = usize::from(!self.config.token.is_empty());
        let request = Request {
            headers: &headers[..=with_token],
            ..Request::get(url, timeout, limits::SD_HTTP_BODY_BYTES)
        };
        let answer = self.client.send(&request);
        let answer = answer.map_err(|source| QueryError::Client {
            what: what(),
            source,
        })?;
        if answer.head.status != 200 {
            let said = shortened(&String::from_utf8_lossy(&answer.body));
            let colon = if said.is_empty() { "" } else { ": " };
            return Err(QueryError::Status {
                what: what(),
                status: answer.head.status_text(),
                message: format!("{colon}{said}"),
            });
        }
        if answer.truncated {
            return Err(QueryError::TooLarge { what: what() });
        }
        Ok((answer.head, answer.body))
    }
}

fn read<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, QueryError> {
    serde_json::from_slice(body).map_err(|source| QueryError::Json {
        what: what.to_owned(),
        source,
    })
}

fn common(config: &ConsulConfig) -> String {
    let mut query = String::new();
    add(&mut query, "dc", &config.datacenter);
    add(&mut query, "ns", &config.namespace);
    add(&mut query, "partition", &config.partition);
    for (name, value) in &config.node_meta {
        add(&mut query, "node-meta", &format!("{name}:{value}"));
    }
    if config.allow_stale {
        query.push_str("stale=&");
    }
    query
}

/// Adds a parameter, unless it is empty.
fn add(url: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        let value = utf8_percent_encode(value, ESCAPED);
        url.push_str(&format!("{name}={value}&"));
    }
}

/// Makes it a blocking question, if there is an index to wait for.
fn block(url: &mut String, question: &Question) {
    if question.index > 0 {
        add(url, "index", &question.index.to_string());
        add(url, "wait", &format!("{}ms", question.wait.as_millis()));
    }
    // Whatever came last left its separator, or the question mark, behind.
    url.pop();
}
