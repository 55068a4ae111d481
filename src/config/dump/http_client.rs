//! The HTTP client section.

use super::SECRET;
use super::section::Section;
use crate::config::http_client::{
    Auth, HeaderConfig, HeaderValue, HttpClientConfig, ProxyConfig, TextSource, TlsConfig,
    TlsVersion,
};
use crate::config::oauth2::{Grant, OAuth2Config};
use crate::config::secret::{Secret, SecretSource};
use crate::config::sigv4::SigV4Config;
use crate::config::url;
use crate::config::yaml::{Node, write};

/// Adds the section's keys.
pub(super) fn add(section: &mut Section, client: &HttpClientConfig) {
    auth(section, &client.auth);
    if client.tls != TlsConfig::default() {
        section.put("tls_config", tls(&client.tls));
    }
    section.word("follow_redirects", client.follow_redirects);
    section.word("enable_http2", client.enable_http2);
    proxy(section, &client.proxy);
    let headers = client.headers.iter();
    section.mapping(
        "http_headers",
        headers.map(|header| (header.name.clone(), values(header))),
    );
}

fn auth(section: &mut Section, auth: &Auth) {
    let mut inner = Section::default();
    match auth {
        Auth::None => {}
        Auth::Basic { username, password } => {
            match username {
                // A user name is no secret, as in Prometheus.
                SecretSource::Inline(name) => inner.text_if("username", name.expose()),
                SecretSource::File(path) => inner.path("username_file", path),
            }
            inner.secret("password", "password_file", password);
            section.put("basic_auth", inner.node());
        }
        Auth::Header { kind, credentials } => {
            inner.text("type", kind);
            inner.secret("credentials", "credentials_file", credentials);
            section.put("authorization", inner.node());
        }
        Auth::OAuth2(config) => section.put("oauth2", oauth2(config)),
        Auth::SigV4(config) => section.put("sigv4", sigv4(config)),
    }
}

fn oauth2(config: &OAuth2Config) -> Node {
    let mut section = Section::default();
    section.text("client_id", &config.client_id);
    match &config.grant {
        Grant::ClientCredentials(secret) => {
            section.secret("client_secret", "client_secret_file", secret);
        }
        Grant::JwtBearer(own) => {
            section.text("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
            let file = "client_certificate_key_file";
            section.secret("client_certificate_key", file, &own.key);
            section.text_if("client_certificate_key_id", &own.key_id);
            section.text("signature_algorithm", own.algorithm.name());
            section.text("iss", &own.issuer);
            section.text("audience", &own.audience);
            // Their values as JSON.
            let claims = own.claims.iter();
            section.mapping(
                "claims",
                claims.map(|(name, value)| (name.clone(), write::text(value))),
            );
        }
    }
    let scopes = config.scopes.iter();
    section.list("scopes", scopes.map(|scope| write::text(scope)));
    section.text("token_url", &url::redacted(&config.token_url));
    let params = config.endpoint_params.iter();
    section.mapping(
        "endpoint_params",
        params.map(|(name, value)| (name.clone(), write::text(value))),
    );
    if config.tls != TlsConfig::default() {
        section.put("tls_config", tls(&config.tls));
    }
    proxy(&mut section, &config.proxy);
    section.node()
}

fn sigv4(config: &SigV4Config) -> Node {
    let mut section = Section::default();
    section.text_if("region", &config.region);
    if let Some((access, _)) = &config.keys {
        section.text("access_key", access);
        section.text("secret_key", SECRET);
    }
    section.text_if("profile", &config.profile);
    section.text_if("role_arn", &config.role_arn);
    section.text_if("external_id", &config.external_id);
    if config.use_fips_sts_endpoint {
        section.word("use_fips_sts_endpoint", true);
    }
    section.text("service_name", &config.service_name);
    section.node()
}

fn tls(tls: &TlsConfig) -> Node {
    let mut section = Section::default();
    text_source(&mut section, ["ca", "ca_file"], tls.ca.as_ref());
    text_source(&mut section, ["cert", "cert_file"], tls.cert.as_ref());
    if let Some(key) = &tls.key {
        section.secret("key", "key_file", key);
    }
    section.text_if("server_name", &tls.server_name);
    section.word("insecure_skip_verify", tls.insecure_skip_verify);
    for (key, version) in [
        ("min_version", tls.min_version),
        ("max_version", tls.max_version),
    ] {
        if let Some(version) = version {
            section.text(key, version_name(version));
        }
    }
    section.node()
}

fn version_name(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::Tls10 => "TLS10",
        TlsVersion::Tls11 => "TLS11",
        TlsVersion::Tls12 => "TLS12",
        TlsVersion::Tls13 => "TLS13",
    }
}

fn text_source(section: &mut Section, [key, file_key]: [&str; 2], source: Option<&TextSource>) {
    match source {
        None => {}
        Some(TextSource::Inline(text)) => section.text(key, text),
        Some(TextSource::File(path)) => section.path(file_key, path),
    }
}

fn proxy(section: &mut Section, proxy: &ProxyConfig) {
    let connect_headers = match proxy {
        ProxyConfig::None => return,
        ProxyConfig::Environment { connect_headers } => {
            section.word("proxy_from_environment", true);
            connect_headers
        }
        ProxyConfig::Url {
            url,
            no_proxy,
            connect_headers,
        } => {
            section.text("proxy_url", &url::redacted(url.expose()));
            section.text_if("no_proxy", no_proxy);
            connect_headers
        }
    };
    let hidden = |values: &[Secret]| write::list(values.iter().map(|_| write::text(SECRET)));
    let headers = connect_headers.iter();
    section.mapping(
        "proxy_connect_header",
        headers.map(|(name, values)| (name.clone(), hidden(values))),
    );
}

fn values(header: &HeaderConfig) -> Node {
    let (mut plain, mut secrets, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for value in &header.values {
        match value {
            HeaderValue::Plain(text) => plain.push(write::text(text)),
            HeaderValue::Secret(SecretSource::Inline(_)) => secrets.push(write::text(SECRET)),
            HeaderValue::Secret(SecretSource::File(path)) => {
                files.push(write::text(&path.to_string_lossy()));
            }
        }
    }
    let mut section = Section::default();
    section.list("values", plain.into_iter());
    section.list("secrets", secrets.into_iter());
    section.list("files", files.into_iter());
    section.node()
}
