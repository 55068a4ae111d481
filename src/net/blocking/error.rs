//! What can go wrong with a request, by who is to blame.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::http::redirect::RedirectError;
use crate::http::tunnel::TunnelError;
use crate::http::url::UrlError;
use crate::net::context::ContextError;
use crate::net::resolve::ResolveError;
use crate::net::tls::TlsError;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for a token or a temporary key.
    Credentials,
    /// Asking for the address of a name.
    Resolve,
    /// Opening a connection.
    Connect,
    /// Asking a proxy for a tunnel.
    Proxy,
    /// Negotiating TLS.
    Tls,
    /// Sending the request and waiting for the head of the answer.
    Response,
    /// Reading the body.
    Body,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Credentials => "waiting for credentials",
            Phase::Resolve => "resolving the name",
            Phase::Connect => "connecting",
            Phase::Proxy => "negotiating with the proxy",
            Phase::Tls => "negotiating TLS",
            Phase::Response => "waiting for the response",
            Phase::Body => "reading the body",
        })
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Configuration or its files.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A header or URL that cannot be put on the wire.
    #[error("request has a header or URL that cannot be sent")]
    Unsendable,
    /// [`super::Client::shutdown`] was called.
    #[error("client is shut down")]
    Closed,
    /// The name has no address, or nobody answers for it.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The system or the network, or the peer closed the connection.
    #[error("{during}: {source}")]
    Io {
        /// What was being done.
        during: Phase,
        /// The system's word.
        source: io::Error,
    },
    /// Not done in time.
    #[error("timed out after {after:?} while {during}")]
    Timeout {
        /// What was being done.
        during: Phase,
        /// The time limit.
        after: Duration,
    },
    /// The proxy did not open a tunnel.
    #[error(transparent)]
    Proxy(#[from] TunnelError),
    /// TLS was not agreed upon, for example because the certificate is not trusted.
    #[error("tls: {0}")]
    Tls(String),
    /// A redirect that is not followed.
    #[error(transparent)]
    Redirect(#[from] RedirectError),
    /// The peer does not speak HTTP/1.1 as it should.
    #[error("malformed HTTP response: {0}")]
    Protocol(String),
    /// The head of the answer is too large.
    #[error("HTTP response head is too large")]
    HeadTooLarge,
    /// The body is no gzip although it says so.
    #[error("gzip body cannot be decoded")]
    Gzip,
}

impl From<TlsError> for ClientError {
    fn from(error: TlsError) -> ClientError {
        ClientError::Context(ContextError::Tls(error))
    }
}

impl ClientError {
    pub(super) fn timeout(during: Phase, after: Duration) -> ClientError {
        ClientError::Timeout { during, after }
    }

    /// Whether time ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        use ClientError::{Resolve, Timeout};
        matches!(self, Timeout { .. } | Resolve(ResolveError::Timeout { .. }))
    }

    /// Whether only a change of the configuration or its files can help.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        use ClientError::{Context, Unsendable, Url};
        matches!(self, Context(_) | Url(_) | Unsendable)
    }

    /// Translates an error of the library that happened in `during`.
    pub(super) fn from_ureq(error: ureq::Error, during: Phase, after: Duration) -> ClientError {
        match error {
            ureq::Error::Timeout(_) => ClientError::timeout(during, after),
            ureq::Error::Io(source) => from_io(source, during, after),
            ureq::Error::Rustls(error) => ClientError::Tls(error.to_string()),
            ureq::Error::Protocol(error) => ClientError::Protocol(shorten(&error.to_string())),
            ureq::Error::LargeResponseHeader(..) => ClientError::HeadTooLarge,
            ureq::Error::Decompress(..) => ClientError::Gzip,
            ureq::Error::Http(_) | ureq::Error::BadUri(_) => ClientError::Unsendable,
            ureq::Error::Other(inner) => match inner.downcast::<ClientError>() {
                Ok(own) => *own,
                Err(other) => ClientError::Protocol(shorten(&other.to_string())),
            },
            other => ClientError::Protocol(shorten(&other.to_string())),
        }
    }
}

fn from_io(source: io::Error, during: Phase, after: Duration) -> ClientError {
    if source.kind() == io::ErrorKind::TimedOut {
        return ClientError::timeout(during, after);
    }
    let tls = source
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(error) => ClientError::Tls(error.to_string()),
        None => ClientError::Io { during, source },
    }
}

/// Peers can put anything into a malformed answer; a line of it is enough.
fn shorten(text: &str) -> String {
    text.chars()
        .take(200)
        .map(|c| if c.is_control() { '.' } else { c })
        .collect()
}
