//! `proxy_url`, `no_proxy`, `proxy_from_environment` and `proxy_connect_header`.

use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::http_client::ProxyConfig;
use crate::config::secret::Secret;
use crate::config::url;

pub(super) fn read(fields: &mut Fields<'_>) -> ProxyConfig {
    let url_written = fields.non_null("proxy_url").is_some();
    let url = fields.get("proxy_url", proxy_url).flatten();
    let no_proxy = fields.string("no_proxy").unwrap_or_default();
    let environment = fields.bool("proxy_from_environment").unwrap_or(false);
    let connect_headers = fields
        .get("proxy_connect_header", connect_headers)
        .unwrap_or_default();
    if !connect_headers.is_empty() && !environment && url.is_none() {
        fields.rule(
            "proxy_connect_header",
            "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
        );
    }
    if environment && url.is_some() {
        fields.rule(
            "proxy_url",
            "if proxy_from_environment is configured, proxy_url must not be configured",
        );
    }
    if environment && !no_proxy.is_empty() {
        fields.rule(
            "no_proxy",
            "if proxy_from_environment is configured, no_proxy must not be configured",
        );
    }
    if !url_written && !environment && !no_proxy.is_empty() {
        fields.rule(
            "no_proxy",
            "if no_proxy is configured, proxy_url must also be configured",
        );
    }
    match url {
        _ if environment => ProxyConfig::Environment { connect_headers },
        None => ProxyConfig::None,
        Some(url) => ProxyConfig::Url {
            url,
            no_proxy,
            connect_headers,
        },
    }
}

fn proxy_url(at: &Cursor<'_>) -> Decoded<Option<Secret>> {
    let text = at.string()?;
    if text.is_empty() {
        return Ok(None);
    }
    let url = url::parse(&text).map_err(|error| at.rule(error))?;
    let known = matches!(url.scheme.as_str(), "http" | "https" | "socks5" | "socks5h");
    if !known || url.host.is_empty() {
        return Err(at.rule("proxy_url must be an absolute http, https or socks5 URL"));
    }
    Ok(Some(Secret::new(text)))
}

fn connect_headers(at: &Cursor<'_>) -> Decoded<Vec<(String, Vec<Secret>)>> {
    let mut headers = Vec::new();
    for (name, values) in at.entries("config.ProxyHeader")? {
        let values = values.list("[]config.Secret", |value| value.string().map(Secret::new))?;
        headers.push((name, values));
    }
    Ok(headers)
}
