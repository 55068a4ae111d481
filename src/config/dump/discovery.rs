//! Discovery entries. They are trees whose meaning only the mechanism knows, so what may be shown
//! is listed here by key; any other scalar is hidden.

use super::SECRET;
use super::section::Section;
use crate::config::scrape::DiscoveryConfig;
use crate::config::url;
use crate::config::yaml::{Node, Value, write};

/// Keys whose whole content may be shown.
const PUBLIC: &[&str] = &[
    "labels",
    "files",
    "paths",
    "timeout",
    "prefixes",
    "format",
    "names",
    "type",
    "port",
    "refresh_interval",
    "follow_redirects",
    "enable_http2",
    "no_proxy",
    "proxy_from_environment",
    "username",
    "username_file",
    "password_file",
    "credentials_file",
    "bearer_token_file",
    "client_secret_file",
    "ca",
    "cert",
    "ca_file",
    "cert_file",
    "key_file",
    "server_name",
    "insecure_skip_verify",
    "min_version",
    "max_version",
    "values",
    "client_id",
    "address",
    "allow_stale",
    "cronjob",
    "datacenter",
    "deployment",
    "field",
    "filter",
    "filters",
    "health_filter",
    "host_networking_host",
    "interfaces",
    "job",
    "kubeconfig_file",
    "label",
    "match_first_network",
    "namespace",
    "node",
    "node_meta",
    "own_namespace",
    "partition",
    "path_prefix",
    "role",
    "scheme",
    "services",
    "tag_separator",
    "tags",
];

/// Keys that hold URLs or addresses, one or a list of them, shown without their passwords.
const URLS: &[&str] = &[
    "targets",
    "servers",
    "endpoints",
    "url",
    "api_server",
    "proxy_url",
    "token_url",
    "host",
    "server",
];

/// Adds all entries of a job, each under its mechanism.
pub(super) fn add(section: &mut Section, entries: &[DiscoveryConfig]) {
    for group in entries.chunk_by(|one, two| one.mechanism == two.mechanism) {
        let key = match group[0].mechanism.as_str() {
            "static" => "static_configs".to_owned(),
            mechanism => format!("{mechanism}_sd_configs"),
        };
        section.list(&key, group.iter().map(|entry| public(&entry.node)));
    }
}

/// A copy with everything hidden that is not listed.
fn public(node: &Node) -> Node {
    let value = match &node.value {
        Value::Null => Value::Null,
        Value::Scalar { .. } => return write::text(SECRET),
        Value::Sequence(items) => Value::Sequence(items.iter().map(public).collect()),
        Value::Mapping(entries) => {
            let entries = entries.iter();
            Value::Mapping(
                entries
                    .map(|(key, value)| (key.clone(), shown(key, value)))
                    .collect(),
            )
        }
    };
    Node {
        value,
        ..node.clone()
    }
}

fn shown(key: &Node, value: &Node) -> Node {
    let key = key.text().unwrap_or_default();
    match &value.value {
        _ if PUBLIC.contains(&key) => value.clone(),
        Value::Scalar { .. } if URLS.contains(&key) => address(value),
        Value::Sequence(items) if URLS.contains(&key) => Node {
            value: Value::Sequence(items.iter().map(address).collect()),
            ..value.clone()
        },
        _ => public(value),
    }
}

/// A URL or an address without its password; what is no text is hidden.
fn address(node: &Node) -> Node {
    let Value::Scalar { text, .. } = &node.value else {
        return public(node);
    };
    let redacted = url::redacted(text);
    match redacted == *text {
        true => node.clone(),
        false => write::text(&redacted),
    }
}
