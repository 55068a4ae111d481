//! One endpoint of `remote_write`.

use std::time::Duration;

use super::{headers, http_client, narthex, queue, relabel, sigv4, unsupported};
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::http_client::Auth;
use crate::config::remote_write::{ProtobufMessage, RemoteWriteConfig};
use crate::config::secret::{Secret, SecretSource};
use crate::config::sigv4::SigV4Config;
use crate::config::url::{self, Url};
use crate::relabel::rule::NameScheme;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Ways to authenticate, of which one may be written.
const AUTHS: [&str; 6] = [
    "basic_auth",
    "authorization",
    "oauth2",
    "sigv4",
    "azuread",
    "google_iam",
];

/// Reads an endpoint; its name stays empty when it was not written.
pub(super) fn read(at: &Cursor<'_>, scheme: NameScheme) -> Decoded<RemoteWriteConfig> {
    if at.node.is_null() {
        return Err(at.rule("empty or null remote write config section"));
    }
    let mut fields = Fields::new(at, "config.plain")?;
    let url = endpoint(&mut fields);
    let sigv4 = one_auth(&mut fields);
    let mut http_client = http_client::read(&mut fields, false);
    if let Some(config) = sigv4 {
        http_client.auth = Auth::SigV4(Box::new(config));
    } else if let Some(auth) = url.as_ref().and_then(userinfo) {
        http_client.auth = auth;
    }
    let name = fields.string("name").unwrap_or_default();
    let null_rule = "empty or null relabeling rule in remote write config";
    let rules = fields.get("write_relabel_configs", |at| {
        relabel::read_list(at, scheme, null_rule)
    });
    let protobuf_message = fields
        .get("protobuf_message", message)
        .unwrap_or(ProtobufMessage::V1);
    let endpoint = RemoteWriteConfig {
        url: url.map(|url| url.without_user()).unwrap_or_default(),
        name_written: !name.is_empty(),
        name,
        remote_timeout: fields.duration("remote_timeout").unwrap_or(TIMEOUT),
        headers: fields.get("headers", extra_headers).unwrap_or_default(),
        write_relabel_configs: rules.unwrap_or_default(),
        protobuf_message,
        send_exemplars: fields.bool("send_exemplars").unwrap_or(false),
        send_native_histograms: fields.bool("send_native_histograms").unwrap_or(false),
        round_robin_dns: fields.bool("round_robin_dns").unwrap_or(false),
        failed_request_logging: fields.bool("failed_request_logging").unwrap_or(false),
        queue: fields
            .get("queue_config", queue::read)
            .unwrap_or_else(queue::default),
        metadata: fields
            .get("metadata_config", queue::read_metadata)
            .unwrap_or_else(queue::default_metadata),
        narthex: fields
            .get("narthex", |at| narthex::read(at, protobuf_message))
            .unwrap_or_default(),
        http_client,
    };
    fields.finish()?;
    Ok(endpoint)
}

fn endpoint(fields: &mut Fields<'_>) -> Option<Url> {
    let Some(at) = fields.non_null("url") else {
        fields.rule("url", "url for remote_write is empty");
        return None;
    };
    let text = fields.note(at.string())?;
    let parsed = url::parse(&text).map_err(|error| at.rule(error));
    let url = fields.note(parsed)?;
    if text.is_empty() {
        fields.rule("url", "url for remote_write is empty");
    } else if !url.is_http() {
        let message = "url for remote_write must be an absolute http or https URL";
        fields.rule("url", message);
    }
    Some(url)
}

/// Name and password of the URL, which win over other ways to authenticate.
fn userinfo(url: &Url) -> Option<Auth> {
    let (name, password) = url.user.clone()?;
    let inline = |text: String| SecretSource::Inline(Secret::new(text));
    Some(Auth::Basic {
        username: inline(name),
        password: inline(password.unwrap_or_default()),
    })
}

/// Notes when two ways to authenticate are written, and reads the one that only endpoints have.
fn one_auth(fields: &mut Fields<'_>) -> Option<SigV4Config> {
    let written = AUTHS.map(|key| fields.non_null(key).map(|at| (key, at)));
    let written: Vec<_> = written.into_iter().flatten().collect();
    if written.len() > 1 {
        let names: Vec<&str> = written.iter().map(|(key, _)| *key).collect();
        let message = format!(
            "at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam \
             must be configured. Currently configured: [{}]",
            names.join(" ")
        );
        fields.rule(names[1], message);
        return None;
    }
    // The others belong to the HTTP client section.
    let (key, at) = written.first()?;
    match *key {
        "sigv4" => fields.note(sigv4::read(at)),
        "azuread" | "google_iam" => {
            fields.note(unsupported(at));
            None
        }
        _ => None,
    }
}

/// `headers`, in file order.
fn extra_headers(at: &Cursor<'_>) -> Decoded<Vec<(String, String)>> {
    let mut found = Vec::new();
    for (name, value) in at.entries("map[string]string")? {
        if name.eq_ignore_ascii_case("authorization") {
            return Err(value.rule(
                "authorization header must be changed via the basic_auth, authorization, \
                 oauth2, sigv4, azuread or google_iam parameter",
            ));
        }
        if headers::is_reserved(&name) {
            let message = format!("{name} is a reserved header. It must not be changed");
            return Err(value.rule(message));
        }
        if !headers::is_token(&name) {
            return Err(value.rule(format!("{name:?} is not a valid header name")));
        }
        let text = headers::header_value(&value)?;
        found.push((name, text));
    }
    Ok(found)
}

fn message(at: &Cursor<'_>) -> Decoded<ProtobufMessage> {
    let text = at.string()?;
    match text.as_str() {
        "prometheus.WriteRequest" => Ok(ProtobufMessage::V1),
        "io.prometheus.write.v2.Request" => Ok(ProtobufMessage::V2),
        _ => Err(at.rule(format!(
            "invalid protobuf_message value: unknown type for remote write protobuf message \
             {text}, supported: prometheus.WriteRequest, io.prometheus.write.v2.Request"
        ))),
    }
}
