//! Discovery from etcd: `etcd_sd_configs`, which Prometheus does not have.
//!
//! Every key below the prefixes is one target, or several; [`value`] says which values are. All keys
//! are read at one revision and then watched from there; they are read again once per refresh
//! interval, and whenever etcd has forgotten what a watch missed. A key that is deleted, or whose
//! lease is over, takes its targets along. While no endpoint can be reached everything found stays.
//!
//! ```text
//! gateway (HTTP, tokens, endpoints) <- shell -> keys (revisions, state) -> value (labels) -> updates
//!                                        wire (JSON both ways)
//! ```
//!
//! Speaks to the JSON gateway of etcd 3.4 and later, so that no gRPC is needed. Implements
//! <https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/>. Meta labels: [`value`].

mod gateway;
mod keys;
mod shell;
mod value;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use self::gateway::{Gateway, Login};
use self::keys::Keys;
use self::shell::{Pace, Provider};
use self::value::Format;
use super::{Opened, ProviderConfig, ProviderContext, ProviderError, ProviderSpec, Runner};
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::http_client::{Auth, HttpClientConfig};
use crate::config::secret::{Secret, SecretSource};
use crate::config::{read, url};
use crate::limits;
use crate::net::blocking::{Client, ClientOptions};

/// The mechanism.
pub const SPEC: ProviderSpec = ProviderSpec {
    mechanism: "etcd",
    parse,
};

const REFRESH_INTERVAL: Duration = Duration::from_mins(5);

/// An entry of `etcd_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct EtcdConfig {
    /// URLs without a slash at the end.
    endpoints: Vec<String>,
    prefixes: Vec<String>,
    format: Format,
    login: Option<Login>,
    pace: Pace,
    client: HttpClientConfig,
}

fn parse(at: &Cursor<'_>) -> Decoded<Arc<dyn ProviderConfig>> {
    let mut fields = Fields::new(at, "etcd.plain")?;
    let endpoints = fields.strings("endpoints").unwrap_or_default();
    let prefixes = fields.strings("prefixes").unwrap_or_default();
    let format = fields.string("format").unwrap_or_else(|| "auto".to_owned());
    let refresh = fields.duration("refresh_interval");
    let refresh = refresh
        .unwrap_or(REFRESH_INTERVAL)
        .max(limits::SD_REFRESH_MIN);
    let login = read_login(&mut fields);
    let client = read::http_client::read(&mut fields, true);
    if endpoints.is_empty() {
        fields.rule(
            "endpoints",
            "etcd SD config must contain at least one endpoint",
        );
    }
    for endpoint in &endpoints {
        if let Err(message) = check_endpoint(endpoint) {
            fields.rule("endpoints", message);
        }
    }
    if prefixes.is_empty() || prefixes.iter().any(String::is_empty) {
        let message = "etcd SD config must contain at least one prefix, and none that is empty";
        fields.rule("prefixes", message);
    }
    let format = Format::named(&format).unwrap_or_else(|| {
        let message = format!("unknown format {format:?}; write auto, address, json or skydns");
        fields.rule("format", message);
        Format::Auto
    });
    if login.is_some() && client.auth != Auth::None {
        let message = "username cannot be combined with basic_auth, authorization or bearer_token: \
                       the token of etcd takes the same header";
        fields.rule("username", message);
    }
    fields.finish()?;
    Ok(Arc::new(EtcdConfig {
        endpoints: endpoints
            .iter()
            .map(|url| url.trim_end_matches('/').to_owned())
            .collect(),
        prefixes,
        format,
        login,
        pace: Pace {
            refresh,
            silence: limits::ETCD_SILENCE.min(refresh),
        },
        client,
    }))
}

/// `username`, and `password` or `password_file`.
fn read_login(fields: &mut Fields<'_>) -> Option<Login> {
    let mut text = |key: &str| fields.string(key).filter(|text| !text.is_empty());
    let (username, password) = (text("username"), text("password"));
    let file = text("password_file");
    if password.is_some() && file.is_some() {
        fields.rule(
            "password_file",
            "at most one of password & password_file must be configured",
        );
    }
    let has_password = password.is_some() || file.is_some();
    let password = match file {
        Some(path) => SecretSource::File(path.into()),
        None => SecretSource::Inline(Secret::new(password.unwrap_or_default())),
    };
    match username {
        Some(username) => Some(Login { username, password }),
        None if has_password => {
            fields.rule_here("a password needs a username");
            None
        }
        None => None,
    }
}

fn check_endpoint(endpoint: &str) -> Result<(), String> {
    let parsed = url::parse(endpoint)?;
    let shown = url::redacted(endpoint);
    if !matches!(parsed.scheme.as_str(), "http" | "https") || parsed.host.is_empty() {
        return Err(format!(
            "{shown:?} is not a URL such as https://etcd1.example:2379"
        ));
    }
    if parsed.user.is_some() {
        return Err(format!(
            "{shown:?} holds a user; write username and password instead"
        ));
    }
    if parsed.rest.contains(['?', '#']) {
        return Err(format!("{shown:?} has a query or a fragment"));
    }
    Ok(())
}

impl ProviderConfig for EtcdConfig {
    fn open(&self, context: &ProviderContext) -> Result<Opened, ProviderError> {
        let options = ClientOptions::new(&*context.user_agent);
        let client = Arc::new(Client::new(&self.client, options)?);
        let mut endpoints = self.endpoints.clone();
        // So that a fleet does not knock at one door.
        context.jitter.clone().shuffle(&mut endpoints);
        let gateway = Gateway::new(Arc::clone(&client), endpoints, self.login.clone());
        let keys = Keys::new(&self.prefixes, self.format);
        let provider = Provider::new(gateway, keys, self.pace, context.jitter.clone());
        Ok(Opened {
            runner: Runner::Watch(Box::new(provider)),
            interrupt: Some(Box::new(move || client.shutdown())),
        })
    }
}

#[cfg(test)]
mod tests;
