//! From the tree to the configuration: one file per section.
//!
//! Each reader takes its keys from [`Fields`], fills defaults in, checks the rules between fields in
//! Prometheus's words, and leaves nothing unread. All mistakes of a file are gathered.
//!
//! [`Fields`]: super::decode::Fields

mod auth;
mod discovery;
mod forbidden;
mod global;
mod headers;
pub mod http_client;
mod identity;
mod narthex;
mod oauth2;
mod otlp;
mod protocols;
mod proxy;
mod queue;
pub mod relabel;
mod remote_write;
mod scrape;
mod sigv4;
mod storage;
mod tls;
pub(super) mod top;
mod tracing;

pub(super) use self::headers::header_value;
use super::decode::{Cursor, Decoded};

/// A written secret reference, which needs a secret manager that nobody provides.
const NO_REFERENCE: &str =
    "not supported by this version of narthex: cannot use secret ref without manager";

/// Refuses a key that Prometheus knows and we do not serve yet, unless it is null.
fn unsupported(at: &Cursor<'_>) -> Decoded<()> {
    if at.node.is_null() {
        return Ok(());
    }
    Err(at.rule("not supported by this version of narthex"))
}
