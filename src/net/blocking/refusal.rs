//! Bodies of refusals as they may be shown: they go to the log, and some servers repeat there the
//! credentials that they refuse.

use super::{Head, Request};
use crate::config::secret::Secret;
use crate::net::context::HttpContext;
use crate::net::mask;

/// Headers of requests whose values are secrets.
const SECRET_HEADERS: [&str; 2] = ["Authorization", "X-Consul-Token"];

/// The body without the secrets that `request` carried; that of a success stays as it is.
pub(super) fn showable(
    context: &HttpContext,
    request: &Request<'_>,
    head: &Head,
    body: Vec<u8>,
) -> Vec<u8> {
    if head.is_success() || body.is_empty() {
        return body;
    }
    let is_secret = |name: &str| {
        let mut names = SECRET_HEADERS.iter();
        names.any(|own| own.eq_ignore_ascii_case(name))
    };
    let sent = request.headers.iter().filter(|(name, _)| is_secret(name));
    // Without the scheme in front of it.
    let bare = |value: &str| Secret::new(value.rsplit(' ').next().unwrap_or(value));
    let mut sent: Vec<Secret> = sent.map(|(_, value)| bare(value)).collect();
    sent.extend(mask::of_url(request.url));
    let text = String::from_utf8_lossy(&body).into_owned();
    context.masked(text, sent).into_bytes()
}
