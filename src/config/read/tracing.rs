//! `tracing`: checked as in Prometheus, without effect.

use super::{headers, tls};
use crate::config::decode::{Cursor, Decoded, Fields};

/// Returns whether anything was written.
pub(super) fn read(at: &Cursor<'_>) -> Decoded<bool> {
    if at.node.is_null() {
        return Ok(false);
    }
    let mut fields = Fields::new(at, "config.plain")?;
    fields.get("client_type", client_type);
    if fields.string("endpoint").unwrap_or_default().is_empty() {
        fields.rule("endpoint", "tracing endpoint must be set");
    }
    fields.f64("sampling_fraction");
    fields.bool("insecure");
    fields.get("tls_config", tls::read);
    fields.get("headers", check_headers);
    let compression = fields.string("compression").unwrap_or_default();
    if !matches!(compression.as_str(), "" | "gzip") {
        let message =
            format!("invalid compression type {compression} provided, valid options: gzip");
        fields.rule("compression", message);
    }
    fields.duration("timeout");
    fields.finish()?;
    Ok(true)
}

fn client_type(at: &Cursor<'_>) -> Decoded<()> {
    if at.node.is_null() {
        return Ok(());
    }
    let text = at.string()?;
    if matches!(text.as_str(), "http" | "grpc") {
        return Ok(());
    }
    let expected = "expected tracing client type to be to be http or grpc, but got";
    Err(at.rule(format!("{expected} {text}")))
}

fn check_headers(at: &Cursor<'_>) -> Decoded<()> {
    for (name, value) in at.entries("map[string]string")? {
        value.string()?;
        if name.eq_ignore_ascii_case("authorization") {
            let message = "custom authorization header configuration is not yet supported";
            return Err(value.rule(message));
        }
        if headers::is_reserved(&name) {
            let message = format!("{name} is a reserved header. It must not be changed");
            return Err(value.rule(message));
        }
    }
    Ok(())
}
