//! Why a fetch failed, in the words users know from Prometheus.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustix::io::Errno;

use crate::http::exchange::ExchangeError;
use crate::http::gzip::GzipError;
use crate::http::redirect::RedirectError;
use crate::http::request::HeaderError;
use crate::http::tunnel::TunnelError;
use crate::net::context::ContextError;
use crate::net::resolve::ResolveError;

/// A failed fetch: what went wrong and, unless the body was being read, with which URL.
#[derive(Debug)]
pub struct FetchError {
    /// The URL, without user and password.
    pub url: String,
    /// What went wrong.
    pub failure: Failure,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration or its files.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A header that cannot be sent.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The name has no address.
    #[error("dial tcp: {0}")]
    Resolve(#[from] ResolveError),
    /// No connection.
    #[error("dial tcp {address}: connect: {}", describe(.source))]
    Connect {
        /// The address tried last.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// No connection to a socket of this host.
    #[error("dial unix {path}: connect: {}", describe(.source))]
    ConnectUnix {
        /// Its path.
        path: Arc<str>,
        /// The system's word.
        source: io::Error,
    },
    /// The connection broke.
    #[error("{}", describe(.0))]
    Io(io::Error),
    /// TLS was not agreed upon.
    #[error("tls: {0}")]
    Tls(rustls::Error),
    /// The proxy did not open a tunnel.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// A TLS proxy for an `https` target.
    #[error("https targets cannot be reached through an https proxy: use an http or socks5 proxy")]
    TlsInTls,
    /// The deadline passed; `true` while the body was being read.
    #[error("context deadline exceeded")]
    Deadline(bool),
    /// The response is unusable.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The body cannot be decoded.
    #[error(transparent)]
    Gzip(#[from] GzipError),
    /// A redirect that is not followed.
    #[error(transparent)]
    Redirect(#[from] RedirectError),
    /// All bodies under way together are too large.
    #[error("too many bytes of other targets in memory")]
    Crowded,
    /// Too many exchanges under way.
    #[error("too many exchanges under way")]
    Busy,
    /// A fault of ours, contained to this exchange.
    #[error("internal error")]
    Internal,
}

impl Failure {
    /// Whether it happened after the head of a wanted response.
    fn in_body(&self) -> bool {
        use ExchangeError::{BodyTooLarge, Chunks, UnexpectedEof};
        match self {
            Failure::Deadline(in_body) => *in_body,
            Failure::Exchange(error) => {
                matches!(error, BodyTooLarge | Chunks | UnexpectedEof)
            }
            Failure::Gzip(_) | Failure::Crowded => true,
            _ => false,
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.failure.in_body() {
            return write!(f, "{}", self.failure);
        }
        write!(f, "Get {:?}: {}", self.url, self.failure)
    }
}

impl std::error::Error for FetchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.failure)
    }
}

impl From<io::Error> for Failure {
    /// TLS errors come out of the socket wrapped; anything else is the network's.
    fn from(error: io::Error) -> Failure {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(inner) => Failure::Tls(inner.clone()),
            None => Failure::Io(error),
        }
    }
}

/// The system's word as Go prints it: lower case and without the number.
fn describe(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none() {
        return "i/o timeout".to_owned();
    }
    let known = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::CONNREFUSED) => "connection refused",
        Some(Errno::NOENT) => "no such file or directory",
        Some(Errno::CONNRESET) => "connection reset by peer",
        Some(Errno::TIMEDOUT) => "connection timed out",
        Some(Errno::HOSTUNREACH) => "no route to host",
        Some(Errno::NETUNREACH) => "network is unreachable",
        Some(Errno::PIPE) => "broken pipe",
        Some(Errno::ADDRNOTAVAIL) => "cannot assign requested address",
        Some(Errno::MFILE) => "too many open files",
        Some(Errno::ACCESS | Errno::PERM) => "permission denied",
        _ => return error.to_string(),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(failure: Failure) -> String {
        FetchError {
            url: "http://h:1/metrics".to_owned(),
            failure,
        }
        .to_string()
    }

    #[test]
    fn the_words_are_those_of_prometheus() {
        let refused = io::Error::from_raw_os_error(Errno::CONNREFUSED.raw_os_error());
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let connect = Failure::Connect {
            address,
            source: refused,
        };
        assert_eq!(
            text(connect),
            "Get \"http://h:1/metrics\": dial tcp 127.0.0.1:1: connect: connection refused"
        );
        let deadline = "Get \"http://h:1/metrics\": context deadline exceeded";
        assert_eq!(text(Failure::Deadline(false)), deadline);
        assert_eq!(text(Failure::Deadline(true)), "context deadline exceeded");
        assert_eq!(
            text(ExchangeError::BodyTooLarge.into()),
            "body size limit exceeded"
        );
        assert_eq!(
            text(ExchangeError::Eof.into()),
            "Get \"http://h:1/metrics\": EOF"
        );
        let name = "h".to_owned();
        assert_eq!(
            text(ResolveError::NotFound { name }.into()),
            "Get \"http://h:1/metrics\": dial tcp: lookup h: no such host"
        );
    }
}
