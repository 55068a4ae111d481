//! The HTTP client section, shared by scrape jobs, HTTP discovery and remote write.

use std::path::PathBuf;

use super::oauth2::OAuth2Config;
use super::secret::{Secret, SecretSource};
use super::sigv4::SigV4Config;

/// How to talk to an HTTP server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpClientConfig {
    /// How to authenticate.
    pub auth: Auth,
    /// TLS for `https` URLs.
    pub tls: TlsConfig,
    /// Which proxy to use.
    pub proxy: ProxyConfig,
    /// Extra headers, in file order. Reserved names never occur.
    pub headers: Vec<HeaderConfig>,
    /// Whether redirects are followed (never for POST).
    pub follow_redirects: bool,
    /// Accepted for compatibility; narthex speaks HTTP/1.1.
    pub enable_http2: bool,
}

impl Default for HttpClientConfig {
    fn default() -> Self {
        HttpClientConfig {
            auth: Auth::None,
            tls: TlsConfig::default(),
            proxy: ProxyConfig::None,
            headers: Vec::new(),
            follow_redirects: true,
            enable_http2: true,
        }
    }
}

/// How to authenticate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// `basic_auth`. A missing half is empty.
    Basic {
        /// User name, inline or from a file.
        username: SecretSource,
        /// Password.
        password: SecretSource,
    },
    /// `authorization`: a header of a type and credentials.
    Header {
        /// `Bearer` unless written.
        kind: String,
        /// The credentials.
        credentials: SecretSource,
    },
    /// `oauth2`: a token that is fetched.
    OAuth2(Box<OAuth2Config>),
    /// `sigv4`: every request is signed. In `remote_write` only.
    SigV4(Box<SigV4Config>),
}

/// `tls_config`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct TlsConfig {
    /// Certificate authorities to trust instead of the system's.
    pub ca: Option<TextSource>,
    /// Client certificate (chain).
    pub cert: Option<TextSource>,
    /// Its private key.
    pub key: Option<SecretSource>,
    /// Name to expect in the server's certificate and to send as SNI; empty for the URL's host.
    pub server_name: String,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
    /// Lowest version, if written.
    pub min_version: Option<TlsVersion>,
    /// Highest version, if written.
    pub max_version: Option<TlsVersion>,
}

/// Text in the configuration or in a file that is read again when it changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TextSource {
    /// In the configuration.
    Inline(String),
    /// In this file.
    File(PathBuf),
}

/// TLS versions of the configuration. Only 1.2 and 1.3 can be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// `TLS10`.
    Tls10,
    /// `TLS11`.
    Tls11,
    /// `TLS12`.
    Tls12,
    /// `TLS13`.
    Tls13,
}

impl TlsVersion {
    /// The version of that name, like `TLS12`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<TlsVersion> {
        match name {
            "TLS10" => Some(TlsVersion::Tls10),
            "TLS11" => Some(TlsVersion::Tls11),
            "TLS12" => Some(TlsVersion::Tls12),
            "TLS13" => Some(TlsVersion::Tls13),
            _ => None,
        }
    }
}

/// Which proxy to use.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub enum ProxyConfig {
    /// None.
    #[default]
    None,
    /// `proxy_url`, with `no_proxy` exceptions.
    Url {
        /// Scheme http, https or socks5; may hold credentials, therefore secret.
        url: Secret,
        /// The text of `no_proxy`.
        no_proxy: String,
        /// `proxy_connect_header`.
        connect_headers: Vec<(String, Vec<Secret>)>,
    },
    /// `proxy_from_environment`: HTTP_PROXY, HTTPS_PROXY, NO_PROXY and their lower-case forms.
    Environment {
        /// `proxy_connect_header`.
        connect_headers: Vec<(String, Vec<Secret>)>,
    },
}

/// One entry of `http_headers`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderConfig {
    /// Header name as written.
    pub name: String,
    /// Its values: plain, secret, then from files, in that order.
    pub values: Vec<HeaderValue>,
}

/// A value of an extra header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HeaderValue {
    /// Shown in dumps.
    Plain(String),
    /// Hidden in dumps.
    Secret(SecretSource),
}
