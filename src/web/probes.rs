//! The pages that machines ask for: health, readiness, metrics, version.

use crate::http::server::request::RequestHead;
use crate::http::server::response::Response;
use crate::telemetry::render::{self, Format};

use super::backend::Readiness;
use super::{Site, json};

pub(super) fn healthy(_site: &Site, _head: &RequestHead) -> Response {
    Response::text(200, "Prometheus Agent is Healthy.\n")
}

pub(super) fn ready(site: &Site, _head: &RequestHead) -> Response {
    let stopping = match site.backend.readiness() {
        Readiness::Ready => return Response::text(200, is_ready(site)),
        Readiness::Starting => "false",
        Readiness::Stopping => "true",
    };
    Response::text(503, "Service Unavailable").with("X-Prometheus-Stopping", stopping)
}

/// Ready also while the disk fails: samples are taken and delivered, and a restart would only lose
/// what memory holds. Whoever reads the text is told.
fn is_ready(site: &Site) -> String {
    let mut text = "Prometheus Agent is Ready.\n".to_owned();
    if let Some(problem) = site.backend.log().failing {
        text.push_str("The log cannot be written, samples are delivered from memory: ");
        text.push_str(&problem);
        text.push('\n');
    }
    text
}

pub(super) fn metrics(site: &Site, head: &RequestHead) -> Response {
    let format = Format::negotiate(head.header("accept").unwrap_or(""));
    let page = render::render(&site.registry, format);
    Response::typed(200, format.content_type(), page)
}

pub(super) fn version(site: &Site, _head: &RequestHead) -> Response {
    let mut body = json::encode(&site.options.build, site.room).unwrap_or_default();
    body.push(b'\n');
    Response::text(200, body)
}
