//! The HTTP client section (what Prometheus calls `HTTPClientConfig`), inlined in scrape jobs,
//! remote-write endpoints and HTTP discovery.

use super::{auth, headers, proxy, tls};
use crate::config::decode::Fields;
use crate::config::http_client::HttpClientConfig;

/// Takes the keys of the section out of `fields`; mistakes are noted there. `enable_http2` is that
/// key's default: true everywhere but in remote write.
pub fn read(fields: &mut Fields<'_>, enable_http2: bool) -> HttpClientConfig {
    HttpClientConfig {
        auth: auth::read(fields),
        tls: fields.get("tls_config", tls::read).unwrap_or_default(),
        proxy: proxy::read(fields),
        headers: headers::read(fields),
        follow_redirects: fields.bool("follow_redirects").unwrap_or(true),
        enable_http2: fields.bool("enable_http2").unwrap_or(enable_http2),
    }
}
