//! `/-/reload` and `/-/quit`.
//!
//! They change the agent, so three things must hold: the flag is set, the method is POST or PUT,
//! and no other web site made the user's browser send the request. Browsers say the last in
//! `Sec-Fetch-Site` and `Origin`; command-line tools send neither. A site whose name was made to lead
//! here is of the same origin for the browser, so that browsers must also know us by one of our own names.

use std::net::IpAddr;

use crate::http::server::request::{Method, RequestHead};
use crate::http::server::response::Response;
use crate::net::server::Reply;
use crate::sys::clock::Clock;

use super::door::{Headers, dressed};
use super::{Deferred, Site, secured};

/// What can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Reload,
    Quit,
}

pub(super) fn answer(site: &Site, order: Order, head: &RequestHead) -> Result<Response, Deferred> {
    if !matches!(head.method, Method::Post | Method::Put) {
        let response = Response::text(405, "Only POST or PUT requests allowed");
        return Ok(response.with("Allow", "POST, PUT"));
    }
    if !site.options.enable_lifecycle {
        return Ok(Response::text(403, "Lifecycle API is not enabled."));
    }
    if is_cross_site(head) {
        return Ok(Response::text(403, "Cross-site request refused.\n"));
    }
    if is_browser(head) && !is_own_name(site, head.header("host").unwrap_or_default()) {
        let text = "Request for an unknown host refused; see --web.external-url.\n";
        return Ok(Response::text(403, text));
    }
    match order {
        Order::Reload => Err(Deferred::Reload),
        Order::Quit => {
            site.backend.quit();
            Ok(Response::text(200, "Requesting termination... Goodbye!"))
        }
    }
}

/// Whether a browser sent this on behalf of another site.
fn is_cross_site(head: &RequestHead) -> bool {
    if let Some(site) = head.header_values("sec-fetch-site").next()
        && !matches!(site, b"same-origin" | b"none")
    {
        return true;
    }
    let Some(origin) = head.header_values("origin").next() else {
        return false;
    };
    let origin_host = std::str::from_utf8(origin)
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, host)| host);
    let host = head.header("host");
    match (origin_host, host) {
        (Some(origin), Some(host)) => !origin.eq_ignore_ascii_case(host),
        _ => true,
    }
}

/// Whether a browser sent this.
fn is_browser(head: &RequestHead) -> bool {
    head.header_values("sec-fetch-site")
        .chain(head.header_values("origin"))
        .next()
        .is_some()
}

/// Whether a `Host` header names us in a way that nobody else can have made up: an address, `localhost`,
/// the host of the external URL, or the machine's name.
fn is_own_name(site: &Site, host: &str) -> bool {
    let host = without_port(host);
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let names = [
        "localhost",
        without_port(&site.options.external_url.host),
        &site.backend.runtime().hostname,
    ];
    address.parse::<IpAddr>().is_ok() || names.iter().any(|own| own.eq_ignore_ascii_case(host))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Has the configuration read again and answers when that is done.
pub(super) fn reload(site: &Site, reply: Reply, headers: Headers) {
    let metrics = site.metrics.clone();
    let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::clone(&site.clock);
    let began = clock.mono();
    site.backend.reload(Box::new(move |outcome| {
        let response = match outcome {
            Ok(()) => Response::empty(200),
            Err(error) => Response::text(500, format!("failed to reload config: {error}\n")),
        };
        let took = clock.mono().since(began);
        metrics.count("/-/reload", response.status, took, response.body.len());
        reply.send(dressed(secured(response), &headers));
    }));
}
