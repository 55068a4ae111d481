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
        Readiness::Ready => return Response::text(200, "Prometheus Agent is Ready.\n"),
        Readiness::Starting => "false",
        Readiness::Stopping => "true",
    };
    Response::text(503, "Service Unavailable").with("X-Prometheus-Stopping", stopping)
}

pub(super) fn metrics(site: &Site, head: &RequestHead) -> Response {
    let format = Format::negotiate(head.header("accept").unwrap_or(""));
    let page = render::render(&site.registry, format);
    Response::typed(200, format.content_type(), page)
}

pub(super) fn version(site: &Site, _head: &RequestHead) -> Response {
    let mut body = json::encode(&site.options.build).unwrap_or_default();
    body.push(b'\n');
    Response::text(200, body)
}
