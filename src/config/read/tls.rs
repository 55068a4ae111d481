//! `tls_config`.

use super::NO_REFERENCE;
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::http_client::{TextSource, TlsConfig, TlsVersion};
use crate::config::secret::{Secret, SecretSource};

pub(super) fn read(at: &Cursor<'_>) -> Decoded<TlsConfig> {
    let mut fields = Fields::new(at, "config.plain")?;
    let ca = source(
        &mut fields,
        ["ca", "ca_file", "ca_ref"],
        "at most one of ca, ca_file & ca_ref must be configured",
    );
    let cert = source(
        &mut fields,
        ["cert", "cert_file", "cert_ref"],
        "at most one of cert, cert_file & cert_ref must be configured",
    );
    let key = source(
        &mut fields,
        ["key", "key_file", "key_ref"],
        "at most one of key and key_file must be configured",
    );
    match (&cert, &key) {
        (Some(_), None) => fields.rule_here("exactly one of key or key_file must be configured when a client certificate is configured",
        ),
        (None, Some(_)) => fields.rule_here("exactly one of cert or cert_file must be configured when a client key is configured",
        ),
        _ => {}
    }
    let tls = TlsConfig {
        ca,
        cert,
        key: key.map(|key| match key {
            TextSource::Inline(text) => SecretSource::Inline(Secret::new(text)),
            TextSource::File(path) => SecretSource::File(path),
        }),
        server_name: fields.string("server_name").unwrap_or_default(),
        insecure_skip_verify: fields.bool("insecure_skip_verify").unwrap_or(false),
        min_version: fields.get("min_version", version).flatten(),
        max_version: fields.get("max_version", version).flatten(),
    };
    check_versions(&mut fields, &tls);
    fields.finish()?;
    Ok(tls)
}

/// Takes the inline text, the file and the reference of one thing, of which one may be written.
fn source(fields: &mut Fields<'_>, keys: [&str; 3], many: &str) -> Option<TextSource> {
    let [inline, file, reference] =
        keys.map(|key| fields.string(key).filter(|text| !text.is_empty()));
    if reference.is_some() {
        fields.rule(keys[2], NO_REFERENCE);
    }
    match (inline, file) {
        (Some(text), Some(_)) => {
            fields.rule_here(many);
            Some(TextSource::Inline(text))
        }
        (Some(text), None) => Some(TextSource::Inline(text)),
        (None, Some(file)) => Some(TextSource::File(file.into())),
        (None, None) => None,
    }
}

fn version(at: &Cursor<'_>) -> Decoded<Option<TlsVersion>> {
    if at.node.is_null() {
        return Ok(None);
    }
    let text = at.string()?;
    let version = TlsVersion::from_name(&text);
    version.map_or_else(
        || Err(at.rule(format!("unknown TLS version: {text}"))),
        |version| Ok(Some(version)),
    )
}

fn check_versions(fields: &mut Fields<'_>, tls: &TlsConfig) {
    let Some(max) = tls.max_version else {
        return;
    };
    if max < TlsVersion::Tls12 {
        fields.rule(
            "max_version",
            "narthex speaks TLS 1.2 and 1.3 only, so max_version must be TLS12 or TLS13",
        );
    } else if tls.min_version.is_some_and(|min| min > max) {
        fields.rule(
            "max_version",
            "tls_config.max_version must be greater than or equal to tls_config.min_version if both are specified",
        );
    }
}
