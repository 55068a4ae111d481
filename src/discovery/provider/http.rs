//! HTTP discovery: target groups from a server, `http_sd_configs`.
//!
//! The server answers a GET with a JSON list of groups; only status 200 and the content type
//! `application/json` count. Every answer is the whole truth: groups that are no longer in it
//! vanish. A server that sends an `ETag` is asked for changes only. An answer that is too large,
//! late or broken keeps the last groups.
//!
//! Meta labels: `__meta_url`, a password in it shown as `xxxxx`.
//! Implements <https://prometheus.io/docs/prometheus/latest/http_sd/>.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Opened, ProviderConfig, ProviderContext, ProviderError, ProviderSpec, Refresh, Runner,
};
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::http_client::HttpClientConfig;
use crate::config::{read, url};
use crate::discovery::group::{self, GroupError};
use crate::discovery::outlet::Outlet;
use crate::limits;
use crate::model::target_group::TargetGroup;
use crate::net::blocking::{Client, ClientError, ClientOptions, Request, Response};
use crate::telemetry::registry::Counter;

/// The mechanism.
pub const SPEC: ProviderSpec = ProviderSpec {
    mechanism: "http",
    parse,
};

const REFRESH_INTERVAL: Duration = Duration::from_secs(60);
const META_URL: &str = "__meta_url";

/// An entry of `http_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HttpConfig {
    url: String,
    /// Also the time limit of a request.
    refresh_interval: Duration,
    client: HttpClientConfig,
}

fn parse(at: &Cursor<'_>) -> Decoded<Arc<dyn ProviderConfig>> {
    let mut fields = Fields::new(at, "http.plain")?;
    let address = fields.string("url").unwrap_or_default();
    let refresh_interval = fields.duration("refresh_interval");
    let client = read::http_client::read(&mut fields, true);
    if let Err(message) = check_url(&address) {
        fields.rule("url", message);
    }
    fields.finish()?;
    Ok(Arc::new(HttpConfig {
        url: address,
        refresh_interval: refresh_interval
            .unwrap_or(REFRESH_INTERVAL)
            .max(limits::SD_REFRESH_MIN),
        client,
    }))
}

fn check_url(address: &str) -> Result<(), String> {
    if address.is_empty() {
        return Err("URL is missing".to_owned());
    }
    let parsed = url::parse(address)?;
    if !matches!(parsed.scheme.as_str(), "http" | "https") {
        return Err("URL scheme must be 'http' or 'https'".to_owned());
    }
    if parsed.host.is_empty() {
        return Err("host is missing in URL".to_owned());
    }
    Ok(())
}

impl ProviderConfig for HttpConfig {
    fn open(&self, context: &ProviderContext) -> Result<Opened, ProviderError> {
        let options = ClientOptions::new(&*context.user_agent);
        let client = Arc::new(Client::new(&self.client, options)?);
        let provider = HttpProvider {
            config: self.clone(),
            shown_url: url::redacted(&self.url),
            client: Arc::clone(&client),
            etag: None,
            failures: context.registry.counter(
                "prometheus_sd_http_failures_total",
                "Number of HTTP service discovery refresh failures.",
                &[],
            ),
        };
        Ok(Opened {
            runner: Runner::Refresh(self.refresh_interval, Box::new(provider)),
            interrupt: Some(Box::new(move || client.shutdown())),
        })
    }
}

/// Why an answer is of no use.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("server returned HTTP status {0}")]
    Status(String),
    #[error("unsupported content type {0:?}")]
    ContentType(String),
    #[error("answer is larger than {} bytes", limits::SD_HTTP_BODY_BYTES)]
    TooLarge,
    #[error("{0}")]
    Groups(#[from] GroupError),
}

/// The provider.
#[derive(Debug)]
struct HttpProvider {
    config: HttpConfig,
    shown_url: String,
    client: Arc<Client>,
    /// What the server calls the last answer that was taken.
    etag: Option<String>,
    failures: Arc<Counter>,
}

impl Refresh for HttpProvider {
    fn refresh(&mut self, outlet: &Outlet) -> Result<Option<Vec<TargetGroup>>, ProviderError> {
        let outcome = self.ask();
        if outcome.is_err() && !outlet.stopped() {
            self.failures.inc();
        }
        Ok(outcome?)
    }
}

impl HttpProvider {
    fn ask(&mut self) -> Result<Option<Vec<TargetGroup>>, HttpError> {
        let interval = self.config.refresh_interval.as_secs_f64().to_string();
        let mut headers = vec![
            ("Accept", "application/json"),
            ("X-Prometheus-Refresh-Interval-Seconds", interval.as_str()),
        ];
        if let Some(etag) = &self.etag {
            headers.push(("If-None-Match", etag));
        }
        let (timeout, limit) = (self.config.refresh_interval, limits::SD_HTTP_BODY_BYTES);
        let response = self.client.send(&Request {
            headers: &headers,
            ..Request::get(&self.config.url, timeout, limit)
        })?;
        if response.head.status == 304 && self.etag.is_some() {
            return Ok(None);
        }
        // Whatever follows, the old answer is not the server's last word any more.
        self.etag = None;
        let groups = groups_from(&response, &self.shown_url)?;
        self.etag = response.head.header("etag").map(str::to_owned);
        Ok(Some(groups))
    }
}

/// The groups of an answer.
fn groups_from(response: &Response, shown_url: &str) -> Result<Vec<TargetGroup>, HttpError> {
    if response.head.status != 200 {
        return Err(HttpError::Status(response.head.status_text()));
    }
    let content_type = response.head.header("content-type").unwrap_or_default();
    if !is_json(content_type) {
        return Err(HttpError::ContentType(content_type.to_owned()));
    }
    if response.truncated {
        return Err(HttpError::TooLarge);
    }
    let mut groups = group::list_from_json(&response.body)?;
    for (index, group) in groups.iter_mut().enumerate() {
        group.source = format!("{shown_url}:{index}");
        let label = META_URL.to_owned();
        group.labels.insert(label, shown_url.to_owned());
    }
    Ok(groups)
}

/// `application/json`, perhaps with `charset=utf-8`, and nothing else.
fn is_json(content_type: &str) -> bool {
    let lower = content_type.trim().to_ascii_lowercase();
    match lower.split_once(';') {
        None => lower == "application/json",
        Some((kind, parameter)) => {
            let charset = parameter.trim_start();
            kind == "application/json" && matches!(charset, "charset=utf-8" | "charset=\"utf-8\"")
        }
    }
}

#[cfg(test)]
mod tests;
