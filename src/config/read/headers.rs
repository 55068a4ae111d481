//! `http_headers`, and which header names belong to us.

use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::http_client::{HeaderConfig, HeaderValue};
use crate::config::secret::{Secret, SecretSource};

/// Headers that change the connection or that we set ourselves. Lower case.
const RESERVED: [&str; 17] = [
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
    "transfer-encoding",
];

/// Whether `headers` of remote write may not set this name (`authorization` is a rule of its own).
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|own| own.eq_ignore_ascii_case(name))
}

fn is_reserved_for_clients(name: &str) -> bool {
    is_reserved(name)
        || name.eq_ignore_ascii_case("authorization")
        || name.eq_ignore_ascii_case("x-prometheus-scrape-timeout-seconds")
}

/// Whether a text may stand as a header name on the wire.
pub(super) fn is_token(name: &str) -> bool {
    let special = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || special(b))
}

/// Whether a text may stand as a header value on the wire: anything that ends no line.
pub(super) fn is_value(value: &str) -> bool {
    value
        .bytes()
        .all(|byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f))
}

/// `x-some-name` as Go writes it: `X-Some-Name`.
fn canonical(name: &str) -> String {
    let mut upper = true;
    let letters = name.chars().map(|c| {
        let letter = match upper {
            true => c.to_ascii_uppercase(),
            false => c.to_ascii_lowercase(),
        };
        upper = c == '-';
        letter
    });
    letters.collect()
}

pub(super) fn read(fields: &mut Fields<'_>) -> Vec<HeaderConfig> {
    fields.get("http_headers", read_all).unwrap_or_default()
}

fn read_all(at: &Cursor<'_>) -> Decoded<Vec<HeaderConfig>> {
    let mut headers = Vec::new();
    for (name, entry) in at.entries("config.Headers")? {
        if is_reserved_for_clients(&name) {
            let name = canonical(&name);
            return Err(entry.rule(format!("setting header {name:?} is not allowed")));
        }
        if !is_token(&name) {
            return Err(entry.rule(format!("{name:?} is not a valid header name")));
        }
        let values = read_one(&entry)?;
        headers.push(HeaderConfig { name, values });
    }
    Ok(headers)
}

fn read_one(at: &Cursor<'_>) -> Decoded<Vec<HeaderValue>> {
    let mut fields = Fields::new(at, "config.Header")?;
    let mut values = Vec::new();
    values.extend(
        texts(&mut fields, "values")
            .into_iter()
            .map(HeaderValue::Plain),
    );
    let secrets = texts(&mut fields, "secrets").into_iter();
    values.extend(secrets.map(|s| HeaderValue::Secret(SecretSource::Inline(Secret::new(s)))));
    let files = fields.strings("files").unwrap_or_default().into_iter();
    values.extend(files.map(|f| HeaderValue::Secret(SecretSource::File(f.into()))));
    fields.finish()?;
    Ok(values)
}

fn texts(fields: &mut Fields<'_>, key: &str) -> Vec<String> {
    let read = |at: &Cursor<'_>| at.list("[]string", header_value);
    fields.get(key, read).unwrap_or_default()
}

/// A text that may be sent as a header value.
pub(in crate::config) fn header_value(at: &Cursor<'_>) -> Decoded<String> {
    let value = at.string()?;
    if is_value(&value) {
        return Ok(value);
    }
    Err(at.rule("not a valid header value: it holds control characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_must_not_configure_reserved_headers() {
        for name in [
            "Content-Encoding",
            "content-type",
            "X-PROMETHEUS-REMOTE-WRITE-VERSION",
            "User-Agent",
        ] {
            assert!(is_reserved(name), "{name}");
        }
        assert!(!is_reserved("X-Scope-OrgID"));
    }
}
