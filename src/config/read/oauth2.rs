//! `oauth2`.

use super::auth::Choice;
use super::{proxy, tls};
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::oauth2::{Algorithm, Grant, JwtBearer, OAuth2Config};
use crate::config::url;
use crate::config::yaml::scalar::{Resolved, resolve};
use crate::config::yaml::{Node, Value};

const CREDENTIALS: &str = "client_credentials";
const ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

pub(super) fn read(at: &Cursor<'_>) -> Decoded<OAuth2Config> {
    let mut fields = Fields::new(at, "config.plain")?;
    let client_id = fields.string("client_id").unwrap_or_default();
    let token_url = fields.string("token_url").unwrap_or_default();
    check_token_url(&mut fields, &token_url);
    if client_id.is_empty() {
        fields.rule_here("oauth2 client_id must be configured");
    }
    let grant = grant(&mut fields, &client_id, &token_url);
    let mut endpoint_params = fields.string_map("endpoint_params").unwrap_or_default();
    endpoint_params.sort();
    let config = OAuth2Config {
        client_id,
        grant,
        scopes: fields.strings("scopes").unwrap_or_default(),
        token_url,
        endpoint_params,
        tls: fields.get("tls_config", tls::read).unwrap_or_default(),
        proxy: proxy::read(&mut fields),
    };
    fields.finish()?;
    Ok(config)
}

fn check_token_url(fields: &mut Fields<'_>, text: &str) {
    if text.is_empty() {
        return fields.rule_here("oauth2 token_url must be configured");
    }
    match url::parse(text) {
        Err(error) => fields.rule("token_url", error),
        Ok(url) if !url.is_http() => {
            fields.rule(
                "token_url",
                "token_url must be an absolute http or https URL",
            );
        }
        Ok(_) => {}
    }
}

fn grant(fields: &mut Fields<'_>, client_id: &str, token_url: &str) -> Grant {
    let kind = fields.string("grant_type").unwrap_or_default();
    let secret = Choice::read(fields, "client_secret", "client_secret_file")
        .or_reference(fields, "client_secret_ref");
    let key = Choice::read(
        fields,
        "client_certificate_key",
        "client_certificate_key_file",
    )
    .or_reference(fields, "client_certificate_key_ref");
    let algorithm = fields.get("signature_algorithm", algorithm);
    let or_else = |text: Option<String>, default: &str| {
        text.filter(|text| !text.is_empty())
            .unwrap_or_else(|| default.to_owned())
    };
    let assertion = JwtBearer {
        key_id: fields
            .string("client_certificate_key_id")
            .unwrap_or_default(),
        algorithm: algorithm.unwrap_or_default(),
        issuer: or_else(fields.string("iss"), client_id),
        audience: or_else(fields.string("audience"), token_url),
        claims: fields.get("claims", claims).unwrap_or_default(),
        key: key.clone().source(),
    };
    match kind.as_str() {
        "" | CREDENTIALS => {
            if secret.count() > 1 {
                fields.rule_here("at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be configured");
            }
            Grant::ClientCredentials(secret.source())
        }
        ASSERTION => {
            if key.count() > 1 {
                fields.rule_here("at most one of oauth2 client_certificate_key, client_certificate_key_file & client_certificate_key_ref must be configured using grant-type=urn:ietf:params:oauth:grant-type:jwt-bearer");
            } else if key.count() == 0 {
                fields.rule_here("grant_type jwt-bearer needs client_certificate_key or client_certificate_key_file");
            }
            Grant::JwtBearer(assertion)
        }
        other => {
            fields.rule(
                "grant_type",
                format!("unknown grant_type {other:?}: use {CREDENTIALS} or {ASSERTION}"),
            );
            Grant::ClientCredentials(secret.source())
        }
    }
}

fn algorithm(at: &Cursor<'_>) -> Decoded<Algorithm> {
    match at.string()?.as_str() {
        "" | "RS256" => Ok(Algorithm::Rs256),
        "RS384" => Ok(Algorithm::Rs384),
        "RS512" => Ok(Algorithm::Rs512),
        _ => Err(at.rule("valid signature algorithms are RS256, RS384 and RS512")),
    }
}

/// Claims with their values as JSON.
fn claims(at: &Cursor<'_>) -> Decoded<Vec<(String, String)>> {
    let entries = at.entries("map[string]interface {}")?;
    let value = |(name, at): (String, Cursor<'_>)| (name, json(at.node).to_string());
    Ok(entries.into_iter().map(value).collect())
}

fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Scalar { text, plain } => match resolve(text, *plain) {
            Resolved::Null => serde_json::Value::Null,
            Resolved::Bool(value) => value.into(),
            Resolved::Int(value) => value.into(),
            Resolved::Uint(value) => value.into(),
            Resolved::Float(value) => value.into(),
            _ => text.as_str().into(),
        },
        Value::Sequence(items) => items.iter().map(json).collect(),
        Value::Mapping(entries) => {
            let named = entries
                .iter()
                .map(|(key, value)| (key.text().unwrap_or_default().to_owned(), json(value)));
            serde_json::Value::Object(named.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::http_client::Auth;
    use crate::config::secret::{Secret, SecretSource};
    use crate::config::yaml::parse;

    fn section(text: &str) -> Result<OAuth2Config, String> {
        let root = parse(text).expect("yaml").root;
        let mut fields = Fields::new(&Cursor::new(&root, ""), "t").expect("mapping");
        let client = super::super::http_client::read(&mut fields, true);
        fields.finish().map_err(|error| error.to_string())?;
        match client.auth {
            Auth::OAuth2(config) => Ok(*config),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn client_credentials_are_the_default() {
        let config = section(
            "oauth2: {client_id: me, client_secret_file: /s, scopes: [a, b], token_url: 'https://idp/token', \
             endpoint_params: {resource: x, audience: y}, tls_config: {server_name: idp}, proxy_url: 'http://p:1'}",
        )
        .expect("valid");
        assert_eq!(
            config.grant,
            Grant::ClientCredentials(SecretSource::File("/s".into()))
        );
        assert_eq!(config.scopes, ["a", "b"]);
        let names: Vec<_> = config.endpoint_params.iter().map(|own| &*own.0).collect();
        assert_eq!(names, ["audience", "resource"]);
        assert_eq!(config.tls.server_name, "idp");
        assert_ne!(config.proxy, crate::config::http_client::ProxyConfig::None);
    }

    #[test]
    fn an_assertion_has_defaults_and_claims_of_any_type() {
        let config = section(
            "oauth2: {client_id: me, grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', \
             client_certificate_key: pem, token_url: 'https://idp/token', \
             claims: {n: 5, t: 'x', b: yes, l: [1], m: {a: null}}}",
        )
        .expect("valid");
        let Grant::JwtBearer(own) = config.grant else {
            panic!("an assertion");
        };
        assert_eq!(own.key, SecretSource::Inline(Secret::new("pem")));
        assert_eq!((&*own.issuer, &*own.audience), ("me", "https://idp/token"));
        assert_eq!(own.algorithm, Algorithm::Rs256);
        let values: Vec<_> = own.claims.iter().map(|own| &*own.1).collect();
        assert_eq!(values, ["5", "\"x\"", "true", "[1]", "{\"a\":null}"]);
    }

    #[test]
    fn mistakes_are_named_in_the_words_of_prometheus() {
        let url = "token_url: 'http://i/t'";
        for (text, expected) in [
            (
                "oauth2: {token_url: 'http://i/t'}".to_owned(),
                "oauth2 client_id must be configured",
            ),
            (
                "oauth2: {client_id: a}".to_owned(),
                "oauth2 token_url must be configured",
            ),
            (
                format!("oauth2: {{client_id: a, {url}, client_secret: x, client_secret_file: y}}"),
                "at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be configured",
            ),
            (
                format!("oauth2: {{client_id: a, {url}, client_secret_ref: x}}"),
                "cannot use secret ref without manager",
            ),
            (
                format!("oauth2: {{client_id: a, {url}, grant_type: password}}"),
                "unknown grant_type \"password\"",
            ),
            (
                format!("oauth2: {{client_id: a, {url}, signature_algorithm: ES256}}"),
                "valid signature algorithms are RS256, RS384 and RS512",
            ),
            (
                format!("oauth2: {{client_id: a, {url}, user: x}}"),
                "field user not found in type config.plain",
            ),
            (
                format!("basic_auth: {{username: a}}\noauth2: {{client_id: a, {url}}}"),
                "at most one of basic_auth, oauth2 & authorization must be configured",
            ),
            (
                format!("bearer_token: a\noauth2: {{client_id: a, {url}}}"),
                "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
            ),
            (
                "oauth2: {client_id: a, token_url: idp}".to_owned(),
                "token_url must be an absolute http or https URL",
            ),
        ] {
            let error = section(&text).expect_err(&text);
            assert!(error.contains(expected), "{text}\n{error}");
        }
    }
}
