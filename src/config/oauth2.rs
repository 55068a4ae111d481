//! `oauth2` of the HTTP client section: where tokens come from.

use super::http_client::{ProxyConfig, TlsConfig};
use super::secret::SecretSource;

/// How to get tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OAuth2Config {
    /// Who asks.
    pub client_id: String,
    /// What the right to ask is shown by.
    pub grant: Grant,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// An absolute `http` or `https` URL.
    pub token_url: String,
    /// Further parameters of the request, sorted by name.
    pub endpoint_params: Vec<(String, String)>,
    /// TLS to the token's server.
    pub tls: TlsConfig,
    /// The proxy to it.
    pub proxy: ProxyConfig,
}

/// `grant_type`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Grant {
    /// `client_credentials`, with the client's secret.
    ClientCredentials(SecretSource),
    /// `urn:ietf:params:oauth:grant-type:jwt-bearer`, with a signed assertion (RFC 7523).
    JwtBearer(JwtBearer),
}

/// What an assertion says and how it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JwtBearer {
    /// RSA key in PEM.
    pub key: SecretSource,
    /// Its name for the server; empty for none.
    pub key_id: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// `iss`: who makes the assertion.
    pub issuer: String,
    /// `aud`: for whom; the token URL unless written.
    pub audience: String,
    /// Further claims: names, and values as JSON.
    pub claims: Vec<(String, String)>,
}

/// `signature_algorithm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Algorithm {
    /// RSA PKCS#1 with SHA-256.
    #[default]
    Rs256,
    /// With SHA-384.
    Rs384,
    /// With SHA-512.
    Rs512,
}

impl Algorithm {
    /// Its name in the configuration and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Rs384 => "RS384",
            Algorithm::Rs512 => "RS512",
        }
    }
}
