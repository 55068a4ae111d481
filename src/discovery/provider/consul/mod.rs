//! Consul discovery: the instances of services in a catalog, `consul_sd_configs`.
//!
//! The list of services is a blocking query of its own; each service that is wanted is asked about
//! in blocking queries of a few threads, which take turns when there are many. Each service is a
//! group whose source is its name; one that left the list vanishes, one that cannot be asked about
//! keeps its last targets.
//!
//! Meta labels, after `__meta_consul_`: `address`, `dc`, `health`, `metadata_*`, `namespace`,
//! `node`, `partition`, `service`, `service_address`, `service_id`, `service_metadata_*`,
//! `service_port`, `tagged_address_*`, `tags`.
//! Implements the parts of <https://developer.hashicorp.com/consul/api-docs> that are needed.

mod answers;
mod client;
mod core;
mod turn;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use self::client::Api;
use self::core::Core;
use self::workers::ConsulProvider;
use super::{Opened, ProviderConfig, ProviderContext, ProviderError, ProviderSpec, Runner};
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::http_client::{Auth, HttpClientConfig};
use crate::config::read;
use crate::config::secret::{Secret, SecretSource};
use crate::limits;

/// The mechanism.
pub const SPEC: ProviderSpec = ProviderSpec {
    mechanism: "consul",
    parse,
};

const REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// An entry of `consul_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ConsulConfig {
    /// Host and port, perhaps with a scheme; `unix://` and the path of a socket.
    server: String,
    scheme: String,
    path_prefix: String,
    token: Secret,
    datacenter: String,
    namespace: String,
    partition: String,
    tag_separator: String,
    allow_stale: bool,
    refresh_interval: Duration,
    /// Services to watch; all if there are none.
    services: Vec<String>,
    /// Tags that an instance must have.
    tags: Vec<String>,
    /// What the metadata of a node must hold.
    node_meta: Vec<(String, String)>,
    /// An expression for the list of services.
    filter: String,
    /// An expression for instances.
    health_filter: String,
    client: HttpClientConfig,
}

fn parse(at: &Cursor<'_>) -> Decoded<Arc<dyn ProviderConfig>> {
    let mut fields = Fields::new(at, "consul.plain")?;
    let or = |text: Option<String>, default: &str| text.unwrap_or_else(|| default.to_owned());
    let mut config = ConsulConfig {
        server: or(fields.string("server"), "localhost:8500"),
        scheme: or(fields.string("scheme"), "http"),
        path_prefix: fields.string("path_prefix").unwrap_or_default(),
        token: Secret::new(fields.string("token").unwrap_or_default()),
        datacenter: fields.string("datacenter").unwrap_or_default(),
        namespace: fields.string("namespace").unwrap_or_default(),
        partition: fields.string("partition").unwrap_or_default(),
        tag_separator: or(fields.string("tag_separator"), ","),
        allow_stale: fields.bool("allow_stale").unwrap_or(true),
        refresh_interval: fields
            .duration("refresh_interval")
            .unwrap_or(REFRESH_INTERVAL)
            .max(limits::SD_REFRESH_MIN),
        services: fields.strings("services").unwrap_or_default(),
        tags: fields.strings("tags").unwrap_or_default(),
        node_meta: fields.string_map("node_meta").unwrap_or_default(),
        filter: fields.string("filter").unwrap_or_default(),
        health_filter: fields.string("health_filter").unwrap_or_default(),
        client: read::http_client::read(&mut fields, true),
    };
    read_server(&mut fields, &config);
    read_credentials(&mut fields, &mut config);
    fields.finish()?;
    Ok(Arc::new(config))
}

fn read_server(fields: &mut Fields<'_>, config: &ConsulConfig) {
    if config.server.trim().is_empty() {
        fields.rule(
            "server",
            "consul SD configuration requires a server address",
        );
    } else if let Err(message) = client::place(config) {
        fields.rule("server", message);
    }
}

/// Takes `username` and `password`, the old form of `basic_auth`, and finds credentials that
/// exclude each other.
fn read_credentials(fields: &mut Fields<'_>, config: &mut ConsulConfig) {
    let username = fields.string("username").unwrap_or_default();
    let password = fields.string("password").unwrap_or_default();
    if !username.is_empty() || !password.is_empty() {
        if matches!(config.client.auth, Auth::Basic { .. }) {
            let message = "at most one of consul SD configuration username and password and basic \
                           auth can be configured";
            fields.rule("username", message);
        } else if config.client.auth != Auth::None {
            let message = "at most one of basic_auth, oauth2 & authorization must be configured";
            fields.rule("username", message);
        }
        config.client.auth = Auth::Basic {
            username: SecretSource::Inline(Secret::new(username)),
            password: SecretSource::Inline(Secret::new(password)),
        };
    }
    let has_header = matches!(config.client.auth, Auth::Header { .. });
    if !config.token.is_empty() && (has_header || fields.has("oauth2")) {
        let message = "at most one of consul SD token, authorization, or oauth2 can be configured";
        fields.rule("token", message);
    }
}

impl ConsulConfig {
    /// Whether the list of services has to be asked for; otherwise their names are all there is
    /// to know.
    fn needs_list(&self) -> bool {
        self.services.is_empty() || !self.tags.is_empty()
    }

    /// Whether the list of services can never be empty: Consul itself is always in it, for those
    /// who may see it.
    fn lists_consul_itself(&self) -> bool {
        let default = |name: &str| name.is_empty() || name == "default";
        self.node_meta.is_empty()
            && self.filter.is_empty()
            && default(&self.namespace)
            && default(&self.partition)
    }

    /// Whether a service of that name, with these tags among its instances, is wanted.
    fn wants(&self, name: &str, tags: &[String]) -> bool {
        let named = self.services.is_empty() || self.services.iter().any(|own| own == name);
        named && self.tags.iter().all(|tag| tags.contains(tag))
    }
}

impl ProviderConfig for ConsulConfig {
    fn open(&self, context: &ProviderContext) -> Result<Opened, ProviderError> {
        let api = Arc::new(Api::open(self, context)?);
        let interrupt = Arc::clone(&api);
        let core = Core::new(self.clone(), context.jitter.clone());
        let provider = ConsulProvider::new(api, core);
        Ok(Opened {
            runner: Runner::Watch(Box::new(provider)),
            interrupt: Some(Box::new(move || interrupt.shutdown())),
        })
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
