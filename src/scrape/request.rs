//! What a scrape asks a target for: the headers, and whether a compressed page is wanted.

use std::net::IpAddr;
use std::sync::Arc;

use super::target::Target;
use crate::config::scrape::ScrapeConfig;
use crate::exposition::protocol::accept_header;
use crate::http::url::{Url, split_authority};
use crate::limits;
use crate::net::context::HttpContext;
use crate::net::fetch::FetchSpec;
use crate::telemetry::budget::MemoryBudget;

/// Puts a target's request together.
///
/// # Errors
/// Why the target cannot be asked; every scrape then fails with that.
pub(super) fn spec(
    target: &Target,
    config: &ScrapeConfig,
    context: &Result<Arc<HttpContext>, Arc<str>>,
    user_agent: &str,
    memory: &MemoryBudget,
) -> Result<Arc<FetchSpec>, Arc<str>> {
    let context = context.clone()?;
    let compress = config
        .enable_compression
        .unwrap_or_else(|| target.unix_socket.is_none() && !is_loopback(&target.url));
    let header = |name: &str, value: String| (name.to_owned(), value);
    let headers = vec![
        header(
            "Accept",
            accept_header(&config.scrape_protocols, config.escaping),
        ),
        header(
            "Accept-Encoding",
            (if compress { "gzip" } else { "identity" }).to_owned(),
        ),
        header("User-Agent", user_agent.to_owned()),
        header(
            "X-Prometheus-Scrape-Timeout-Seconds",
            target.timeout.as_secs_f64().to_string(),
        ),
    ];
    let limit = limit_within(body_limit(config), memory);
    FetchSpec::new(
        &target.url,
        target.unix_socket.clone(),
        context,
        headers,
        limit,
    )
    .map(Arc::new)
    .map_err(|error| error.to_string().into())
}

/// The limit of a page's size, decoded or not, that the job has; zero is no limit.
pub(super) fn body_limit(config: &ScrapeConfig) -> u64 {
    let written = config.limits.body_size;
    written.unwrap_or(limits::SCRAPE_BODY_BYTES_MAX)
}

/// The limit of a page's size as far as the memory budget allows it; zero is no limit.
pub(super) fn limit_within(limit: u64, memory: &MemoryBudget) -> u64 {
    match memory.body_bytes_max() {
        Some(most) if limit == 0 || most < limit => most,
        _ => limit,
    }
}

/// Whether the target is on this host: compressing its page would only burn CPU on both sides.
fn is_loopback(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let Ok((host, _)) = split_authority(&url.host_port()) else {
        return false;
    };
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::registry::Registry;

    #[test]
    fn a_page_has_its_share_of_the_memory_budget() {
        let budget = |bytes| MemoryBudget::new(&Registry::default(), bytes, || 0);
        let share = budget(Some(64 << 20));
        assert_eq!(limit_within(0, &share), 4 << 20);
        assert_eq!(limit_within(10 << 20, &share), 4 << 20);
        assert_eq!(limit_within(1000, &share), 1000);
        assert_eq!(
            limit_within(0, &budget(Some(1))),
            limits::MEMORY_BODY_BYTES_MIN
        );
        assert_eq!(limit_within(0, &budget(None)), 0);
    }

    #[test]
    fn targets_on_this_host_are_known_by_their_address() {
        for (url, expected) in [
            ("http://localhost:1/", true),
            ("http://127.9.9.9/metrics", true),
            ("http://[::1]:9100/metrics", true),
            ("http://192.0.2.1:9100/metrics", false),
            ("http://localhost.example/metrics", false),
        ] {
            assert_eq!(is_loopback(url), expected, "{url}");
        }
    }
}
