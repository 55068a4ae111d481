//! `/-/reload` and `/-/quit`.
//!
//! They change the agent, so three things must hold: the flag is set, the method is POST or PUT,
//! and no other web site made the user's browser send the request. Browsers say the last in
//! `Sec-Fetch-Site` and `Origin`; command-line tools send neither.

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
