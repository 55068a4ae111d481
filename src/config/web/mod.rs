//! The file of `--web.config.file`: how the agent's own web server is secured.
//!
//! Keys, defaults, rules and wording are those of Prometheus's exporter toolkit. Files that it names
//! are not read here; relative ones are joined to its folder.

mod bcrypt;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::bcrypt::BcryptHash;
pub use self::read::parse;
use super::http_client::{TextSource, TlsVersion};
use super::secret::SecretSource;

/// How the web server is secured. The default is not at all.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WebConfig {
    /// TLS; none for plain HTTP.
    pub tls: Option<ServerTls>,
    /// Headers of every answer, in file order.
    pub headers: Vec<(&'static str, String)>,
    /// At most so many requests; none for any number.
    pub rate_limit: Option<RateLimit>,
    /// Who may ask, by name, with the hash of the password. Empty for everybody.
    pub users: BTreeMap<String, BcryptHash>,
}

/// `tls_server_config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// Certificate chain of the server.
    pub cert: TextSource,
    /// Its private key.
    pub key: SecretSource,
    /// Authorities of the clients' certificates.
    pub client_ca: Option<TextSource>,
    /// What is asked of clients.
    pub client_auth: ClientAuth,
    /// Names of which a client's certificate must bear one; none for any.
    pub client_allowed_sans: Option<Vec<String>>,
    /// Lowest version.
    pub min_version: TlsVersion,
    /// Highest version; 1.2 or 1.3.
    pub max_version: TlsVersion,
    /// Names of the cipher suites of TLS 1.2 in Go's spelling; empty for the usual ones.
    pub cipher_suites: Vec<&'static str>,
    /// Whether the server's order of suites counts and not the client's.
    pub prefer_server_cipher_suites: bool,
    /// Names of the groups for the exchange of keys, in order; empty for the usual ones.
    pub curve_preferences: Vec<&'static str>,
}

/// `client_auth_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// Clients are not asked for a certificate.
    #[default]
    None,
    /// They are asked; any certificate will do, and none.
    Request,
    /// They must show a certificate, whoever issued it.
    RequireAny,
    /// They may show none, but one that is shown must be good.
    VerifyIfGiven,
    /// They must show a good one.
    RequireAndVerify,
}

/// `rate_limit`: a bucket of `burst` requests that gets one more every `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Time for one request. Never zero.
    pub interval: Duration,
    /// Requests at once.
    pub burst: u32,
}
