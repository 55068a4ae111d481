//! From the text of the file to the configuration.

use std::collections::BTreeMap;

use super::{BcryptHash, ClientAuth, RateLimit, ServerTls, WebConfig};
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::error::{ConfigError, Problems};
use crate::config::http_client::{TextSource, TlsVersion};
use crate::config::secret::{Secret, SecretSource};
use crate::config::{paths, yaml};

/// Headers that may be set, with the values that are allowed where not all are.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// The cipher suites that Go knows and calls secure.
const CIPHERS: [&str; 13] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
];

const CURVES: [&str; 4] = ["CurveP256", "CurveP384", "CurveP521", "X25519"];

/// Reads the text of `file`. `credentials` is the folder that systemd shows a service its credentials
/// in, if there is one.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(file: &str, text: &str, credentials: Option<&str>) -> Result<WebConfig, ConfigError> {
    let fault = |problems: Problems| ConfigError {
        file: file.to_owned(),
        problems,
    };
    let mut root = yaml::parse(text).map_err(|error| fault(error.into()))?.root;
    let places = paths::Places {
        folder: paths::folder(file),
        credentials,
    };
    // A path that needs credentials where there are none stays, and is not found when it is read.
    let _needed = paths::resolve(&mut root, places);
    read(&Cursor::new(&root, "")).map_err(fault)
}

fn read(at: &Cursor<'_>) -> Decoded<WebConfig> {
    let mut fields = Fields::new(at, "web.Config")?;
    let config = WebConfig {
        tls: fields.get("tls_server_config", tls).flatten(),
        headers: fields.get("http_server_config", http).unwrap_or_default(),
        rate_limit: fields.get("rate_limit", rate_limit).flatten(),
        users: fields.get("basic_auth_users", users).unwrap_or_default(),
    };
    fields.finish()?;
    Ok(config)
}

fn text(fields: &mut Fields<'_>, key: &str) -> Option<String> {
    fields.string(key).filter(|text| !text.is_empty())
}

/// Text or file of one thing. Where both are written the file counts, as in Prometheus.
fn source(fields: &mut Fields<'_>, key: &str, file: &str) -> Option<TextSource> {
    let inline = text(fields, key).map(TextSource::Inline);
    let path = text(fields, file).map(|path| TextSource::File(path.into()));
    path.or(inline)
}

fn tls(at: &Cursor<'_>) -> Decoded<Option<ServerTls>> {
    let mut fields = Fields::new(at, "web.TLSConfig")?;
    let cert = source(&mut fields, "cert", "cert_file");
    let key = source(&mut fields, "key", "key_file");
    let client_ca = source(&mut fields, "client_ca", "client_ca_file");
    let auth_written = fields.has("client_auth_type");
    let auth_text = fields.string("client_auth_type").unwrap_or_default();
    let cipher_suites = fields.get("cipher_suites", |at| known(at, &CIPHERS, "cipher"));
    let curve_preferences = fields.get("curve_preferences", |at| known(at, &CURVES, "curve"));
    let min_version = fields.get("min_version", version);
    let max_version = fields.get("max_version", version);
    let prefer_server = fields.bool("prefer_server_cipher_suites");
    let allowed = fields.non_null("client_allowed_sans");
    let allowed = allowed.and_then(|at| fields.note(at.strings()));
    let client_auth = match auth_text.as_str() {
        "" | "NoClientCert" => ClientAuth::None,
        "RequestClientCert" => ClientAuth::Request,
        "RequireAnyClientCert" | "RequireClientCert" => ClientAuth::RequireAny,
        "VerifyClientCertIfGiven" => ClientAuth::VerifyIfGiven,
        "RequireAndVerifyClientCert" => ClientAuth::RequireAndVerify,
        other => {
            fields.rule("client_auth_type", format!("invalid ClientAuth: {other}"));
            ClientAuth::None
        }
    };
    let is_on = cert.is_some()
        || key.is_some()
        || client_ca.is_some()
        || auth_written && !auth_text.is_empty();
    let max_version = max_version.unwrap_or(TlsVersion::Tls13);
    let min_version = min_version.unwrap_or(TlsVersion::Tls12);
    if is_on {
        check(
            &mut fields,
            (&cert, &key, &client_ca),
            client_auth,
            allowed.is_some(),
        );
        check_versions(&mut fields, min_version, max_version);
    }
    fields.finish()?;
    let (Some(cert), Some(key)) = (cert, key) else {
        return Ok(None);
    };
    Ok(Some(ServerTls {
        cert,
        key: match key {
            TextSource::Inline(text) => SecretSource::Inline(Secret::new(text)),
            TextSource::File(path) => SecretSource::File(path),
        },
        client_ca,
        client_auth,
        client_allowed_sans: allowed,
        min_version,
        max_version,
        cipher_suites: cipher_suites.unwrap_or_default(),
        prefer_server_cipher_suites: prefer_server.unwrap_or(true),
        curve_preferences: curve_preferences.unwrap_or_default(),
    }))
}

type Sources<'a> = (
    &'a Option<TextSource>,
    &'a Option<TextSource>,
    &'a Option<TextSource>,
);

fn check(fields: &mut Fields<'_>, sources: Sources<'_>, auth: ClientAuth, sans: bool) {
    let (cert, key, client_ca) = sources;
    if cert.is_none() {
        fields.rule_here("missing one of cert or cert_file");
    }
    if key.is_none() {
        fields.rule_here("missing one of key or key_file");
    }
    if client_ca.is_some() && auth == ClientAuth::None {
        fields.rule_here("client CA's have been configured without a Client Auth Policy");
    }
    let verifies = matches!(
        auth,
        ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify
    );
    if verifies && client_ca.is_none() {
        // Go would look into the system's store, which nobody means for clients.
        fields.rule(
            "client_auth_type",
            "client certificates cannot be verified without client_ca or client_ca_file",
        );
    }
    let requires = matches!(auth, ClientAuth::RequireAny | ClientAuth::RequireAndVerify);
    if sans && !requires {
        fields.rule("client_allowed_sans", "client_allowed_sans requires client_auth_type to be one of RequireAnyClientCert or RequireAndVerifyClientCert");
    }
}

fn check_versions(fields: &mut Fields<'_>, min: TlsVersion, max: TlsVersion) {
    if max < TlsVersion::Tls12 {
        fields.rule(
            "max_version",
            "narthex speaks TLS 1.2 and 1.3 only, so max_version must be TLS12 or TLS13",
        );
    } else if min > max {
        fields.rule("max_version", "max_version is below min_version");
    }
}

fn version(at: &Cursor<'_>) -> Decoded<TlsVersion> {
    let text = at.string()?;
    TlsVersion::from_name(&text).ok_or_else(|| at.rule(format!("unknown TLS version: {text}")))
}

/// A list of names, each of which must be among those known.
fn known(at: &Cursor<'_>, names: &[&'static str], what: &str) -> Decoded<Vec<&'static str>> {
    at.list("[]string", |item| {
        let text = item.string()?;
        let found = names.iter().find(|name| **name == text);
        found
            .copied()
            .ok_or_else(|| item.rule(format!("unknown {what}: {text}")))
    })
}

fn http(at: &Cursor<'_>) -> Decoded<Vec<(&'static str, String)>> {
    let mut fields = Fields::new(at, "web.HTTPConfig")?;
    // Accepted: the server speaks HTTP/1.1.
    let _no_effect = fields.bool("http2");
    let headers = fields.get("headers", headers).unwrap_or_default();
    fields.finish()?;
    Ok(headers)
}

fn headers(at: &Cursor<'_>) -> Decoded<Vec<(&'static str, String)>> {
    let mut found = Vec::new();
    for (name, entry) in at.entries("map[string]string")? {
        let Some((known, values)) = HEADERS.iter().find(|(known, _)| *known == name) else {
            return Err(entry.rule(format!("HTTP header {name:?} can not be configured")));
        };
        let value = crate::config::read::header_value(&entry)?;
        if !values.is_empty() && !values.contains(&value.as_str()) {
            let listed: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
            let listed = listed.join(" ");
            return Err(entry.rule(format!(
                "invalid value for {name}. Expected one of: [{listed}], but got: {value:?}"
            )));
        }
        found.push((*known, value));
    }
    Ok(found)
}

fn rate_limit(at: &Cursor<'_>) -> Decoded<Option<RateLimit>> {
    let mut fields = Fields::new(at, "web.RateLimiterConfig")?;
    let interval = fields.duration("interval").unwrap_or_default();
    let burst = fields.u64("burst").unwrap_or_default();
    let burst = u32::try_from(burst).unwrap_or(u32::MAX);
    fields.finish()?;
    Ok((!interval.is_zero()).then_some(RateLimit { interval, burst }))
}

fn users(at: &Cursor<'_>) -> Decoded<BTreeMap<String, BcryptHash>> {
    let mut found = BTreeMap::new();
    for (name, entry) in at.entries("map[string]config.Secret")? {
        let hash = BcryptHash::parse(&entry.string()?).map_err(|error| entry.rule(error))?;
        found.insert(name, hash);
    }
    Ok(found)
}
