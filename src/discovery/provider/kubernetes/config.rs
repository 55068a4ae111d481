//! An entry of `kubernetes_sd_configs`: its fields, defaults and rules, in Prometheus's words.

use std::path::PathBuf;

use super::resource::watched;
use super::selector;
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::http_client::HttpClientConfig;
use crate::config::secret::Secret;
use crate::config::{read, url};
use crate::limits;

/// What is turned into targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Role {
    Node,
    Service,
    Pod,
    Endpoints,
    EndpointSlice,
    Ingress,
}

impl Role {
    fn parse(text: &str) -> Option<Role> {
        match text {
            "node" => Some(Role::Node),
            "service" => Some(Role::Service),
            "pod" => Some(Role::Pod),
            "endpoints" => Some(Role::Endpoints),
            "endpointslice" => Some(Role::EndpointSlice),
            "ingress" => Some(Role::Ingress),
            _ => None,
        }
    }

    /// Its name in the configuration and in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Node => "node",
            Role::Service => "service",
            Role::Pod => "pod",
            Role::Endpoints => "endpoints",
            Role::EndpointSlice => "endpointslice",
            Role::Ingress => "ingress",
        }
    }

    /// The kinds of objects that may be narrowed down by a selector.
    fn selectable(self) -> &'static [Role] {
        match self {
            Role::Pod => &[Role::Pod, Role::Node],
            Role::Service => &[Role::Service],
            Role::Endpoints => &[Role::Pod, Role::Service, Role::Endpoints],
            Role::EndpointSlice => &[Role::Pod, Role::Service, Role::EndpointSlice],
            Role::Node => &[Role::Node],
            Role::Ingress => &[Role::Ingress],
        }
    }
}

/// Where the API server is and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// As the pod that we run in, with its service account.
    InCluster,
    /// `api_server`, which may hold a password, and the HTTP client section.
    Explicit(Secret, Box<HttpClientConfig>),
    /// `kubeconfig_file`.
    KubeConfig(PathBuf),
}

/// Which namespaces are looked at; all of them when it asks for none.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Namespaces {
    pub(super) own: bool,
    pub(super) names: Vec<String>,
}

/// One of `selectors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) role: Role,
    pub(super) label: String,
    pub(super) field: String,
}

/// `attach_metadata`: whose labels are added to targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Attach {
    pub(super) node: bool,
    pub(super) namespace: bool,
    pub(super) deployment: bool,
    pub(super) job: bool,
    pub(super) cronjob: bool,
}

/// An entry of `kubernetes_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KubernetesConfig {
    pub(super) role: Role,
    pub(super) server: Server,
    pub(super) namespaces: Namespaces,
    pub(super) selectors: Vec<Selector>,
    pub(super) attach: Attach,
}

const ROLE_MISSING: &str =
    "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)";

/// Reads an entry.
pub(super) fn parse(at: &Cursor<'_>) -> Decoded<KubernetesConfig> {
    let mut fields = Fields::new(at, "kubernetes.plain")?;
    let role = fields.get("role", read_role);
    if !fields.has("role") {
        fields.rule_here(ROLE_MISSING);
    }
    let namespaces = fields
        .get("namespaces", read_namespaces)
        .unwrap_or_default();
    let attach = fields
        .get("attach_metadata", read_attach)
        .unwrap_or_default();
    let server = read_server(&mut fields, namespaces.own);
    let selectors = fields.get("selectors", |at| {
        at.list("[]kubernetes.SelectorConfig", read_selector)
    });
    let selectors = selectors.unwrap_or_default();
    if let Some(Some(role)) = role {
        for message in selector_mistakes(role, &selectors) {
            fields.rule("selectors", message);
        }
    }
    fields.finish()?;
    let role = role.flatten().ok_or_else(|| at.rule(ROLE_MISSING))?;
    let config = KubernetesConfig {
        role,
        server,
        namespaces,
        selectors,
        attach,
    };
    check_count(at, &config)?;
    Ok(config)
}

/// Each kind in each namespace costs a thread.
fn check_count(at: &Cursor<'_>, config: &KubernetesConfig) -> Decoded<()> {
    let mut namespaces = config.namespaces.names.clone();
    if config.namespaces.own {
        namespaces.push(String::new());
    }
    let count = watched(config, &namespaces).len();
    let most = limits::K8S_REFLECTORS;
    if count > most {
        return Err(at.rule(format!(
            "{count} lists to watch (kinds of objects times namespaces) are more than {most}: \
             leave the namespaces out to watch all, or write several entries"
        )));
    }
    Ok(())
}

fn read_role(at: &Cursor<'_>) -> Decoded<Option<Role>> {
    if at.node.is_null() {
        return Err(at.rule(ROLE_MISSING));
    }
    let text = at.string()?;
    let unknown = || at.rule(format!("unknown Kubernetes SD role {text:?}"));
    Role::parse(&text).map(Some).ok_or_else(unknown)
}

fn read_namespaces(at: &Cursor<'_>) -> Decoded<Namespaces> {
    let mut fields = Fields::new(at, "kubernetes.plain")?;
    let own = fields.bool("own_namespace").unwrap_or(false);
    let names = fields.strings("names").unwrap_or_default();
    fields.finish()?;
    Ok(Namespaces { own, names })
}

fn read_attach(at: &Cursor<'_>) -> Decoded<Attach> {
    let mut fields = Fields::new(at, "kubernetes.AttachMetadataConfig")?;
    let mut switch = |key| fields.bool(key).unwrap_or(false);
    let attach = Attach {
        node: switch("node"),
        namespace: switch("namespace"),
        deployment: switch("deployment"),
        job: switch("job"),
        cronjob: switch("cronjob"),
    };
    fields.finish()?;
    Ok(attach)
}

fn read_server(fields: &mut Fields<'_>, own_namespace: bool) -> Server {
    let address = fields.string("api_server").unwrap_or_default();
    let file = fields.string("kubeconfig_file").unwrap_or_default();
    let client = read::http_client::read(fields, true);
    let custom = client != HttpClientConfig::default();
    if !address.is_empty() && !file.is_empty() {
        let message = "cannot use 'kubeconfig_file' and 'api_server' simultaneously";
        fields.rule("kubeconfig_file", message);
    }
    if !file.is_empty() && custom {
        let message =
            "cannot use a custom HTTP client configuration together with 'kubeconfig_file'";
        fields.rule("kubeconfig_file", message);
    } else if address.is_empty() && custom {
        fields.rule_here(
            "to use custom HTTP client configuration please provide the 'api_server' URL explicitly",
        );
    }
    for (key, written) in [
        ("api_server", !address.is_empty()),
        ("kubeconfig_file", !file.is_empty()),
    ] {
        if written && own_namespace {
            let message =
                format!("cannot use '{key}' and 'namespaces.own_namespace' simultaneously");
            fields.rule("namespaces", message);
        }
    }
    if !address.is_empty() {
        check_address(fields, &address);
        return Server::Explicit(Secret::new(address), Box::new(client));
    }
    match file.as_str() {
        "" => Server::InCluster,
        file => Server::KubeConfig(file.into()),
    }
}

fn check_address(fields: &mut Fields<'_>, address: &str) {
    match url::parse(address) {
        Err(message) => fields.rule("api_server", message),
        Ok(parsed) if !parsed.is_http() => {
            fields.rule("api_server", "api_server must be an http or https URL");
        }
        Ok(parsed) if parsed.rest.contains(['?', '#']) => {
            fields.rule(
                "api_server",
                "api_server must have neither a query nor a fragment",
            );
        }
        Ok(_) => {}
    }
}

fn read_selector(at: &Cursor<'_>) -> Decoded<Selector> {
    let mut fields = Fields::new(at, "kubernetes.SelectorConfig")?;
    let role = fields.get("role", |at| {
        let text = at.string()?;
        let unknown = || at.rule(format!("unknown Kubernetes SD role {text:?}"));
        Role::parse(&text).ok_or_else(unknown)
    });
    if !fields.has("role") {
        fields.rule_here("selector has no role");
    }
    let label = fields.string("label").unwrap_or_default();
    let field = fields.string("field").unwrap_or_default();
    if let Err(message) = selector::check_fields(&field) {
        fields.rule("field", message);
    }
    if let Err(message) = selector::check_labels(&label) {
        fields.rule("label", message);
    }
    fields.finish()?;
    let role = role.ok_or_else(|| at.rule("selector has no role"))?;
    Ok(Selector { role, label, field })
}

fn selector_mistakes(role: Role, selectors: &[Selector]) -> Vec<String> {
    let allowed = role.selectable();
    let mut mistakes = Vec::new();
    for (index, selector) in selectors.iter().enumerate() {
        let before = &selectors[..index];
        if before.iter().any(|other| other.role == selector.role) {
            mistakes.push(format!(
                "duplicated selector role: {}",
                selector.role.name()
            ));
        } else if !allowed.contains(&selector.role) {
            let names: Vec<_> = allowed.iter().map(|role| role.name()).collect();
            let (role, names) = (role.name(), names.join(", "));
            mistakes.push(format!("{role} role supports only {names} selectors"));
        }
    }
    mistakes
}

impl KubernetesConfig {
    /// The label and field selector of a kind of objects; empty for none.
    pub(super) fn selector(&self, role: Role) -> (&str, &str) {
        let found = self.selectors.iter().find(|selector| selector.role == role);
        found.map_or(("", ""), |found| (&found.label, &found.field))
    }
}

#[cfg(test)]
mod tests;
