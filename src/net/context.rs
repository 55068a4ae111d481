//! What every request of one HTTP client section has in common: credentials, extra headers, TLS,
//! proxy.
//!
//! Built once from the configuration and shared. Secret files are read at each use, TLS files when
//! they change; both therefore take effect without a reload. Where credentials must be fetched first,
//! [`HttpContext::is_ready_or`] says whether they are there; only then a request is put together.

use std::sync::Arc;

use super::aws::{Signable, Signer};
use super::lease::{Source, Standing, Waiter};
use super::mask;
use super::oauth2::{Token, Tokens};
use super::proxy::{ProxyError, ProxyRules};
use super::secrets::{self, FileError};
use super::tls::{TlsError, TlsSource};
use crate::config::http_client::{Auth, HeaderValue, HttpClientConfig};
use crate::config::secret::Secret;
use crate::http::auth::{self, UnsendableError};
use crate::http::request::is_header_name;
use crate::model::time::Mono;
use crate::sys::clock::{Clock, SystemClock};

/// Why requests cannot be prepared: always a matter of the configuration or its files.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The proxy cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] FileError),
    /// A secret cannot be sent.
    #[error(transparent)]
    Unsendable(#[from] UnsendableError),
    /// A token or key that requests need cannot be fetched, for this reason.
    #[error("{0}")]
    Grant(Arc<str>),
    /// A header cannot be sent.
    #[error("http header {name:?} has a name or a value that cannot be sent")]
    Header {
        /// Its name.
        name: String,
    },
}

/// One HTTP client section, ready for use.
#[derive(Debug)]
pub struct HttpContext {
    config: HttpClientConfig,
    /// TLS for `https` URLs.
    pub tls: TlsSource,
    /// Which proxy to use.
    pub proxy: ProxyRules,
    tokens: Option<Arc<Tokens>>,
    signer: Option<Arc<Signer>>,
}

impl HttpContext {
    /// Prepares a section; reads the environment for `proxy_from_environment`.
    ///
    /// # Errors
    /// When certificates or the proxy URL cannot be used. Secrets are not read yet.
    pub fn new(config: &HttpClientConfig) -> Result<HttpContext, ContextError> {
        Ok(HttpContext {
            tls: TlsSource::new(&config.tls)?,
            proxy: ProxyRules::new(&config.proxy, &|name| std::env::var(name).ok())?,
            tokens: match &config.auth {
                Auth::OAuth2(own) => Some(Tokens::shared(own)?),
                _ => None,
            },
            signer: match &config.auth {
                Auth::SigV4(own) => Some(Signer::shared(own)?),
                _ => None,
            },
            config: config.clone(),
        })
    }

    /// Whether requests can be made now, as far as it depends on what must be fetched first. While
    /// that is being fetched, `waiter` is called at the end of it.
    ///
    /// # Errors
    /// When it could not be fetched.
    pub fn is_ready_or(&self, waiter: impl FnOnce() -> Waiter) -> Result<bool, ContextError> {
        match (&self.tokens, &self.signer) {
            (Some(tokens), _) => settled(tokens.source().standing_or(waiter())),
            (None, Some(signer)) => settled(signer.source().standing_or(waiter())),
            (None, None) => Ok(true),
        }
    }

    /// Waits until requests can be made, `deadline` has passed or `is_over` says so; false if they
    /// cannot be made then.
    ///
    /// # Errors
    /// As [`HttpContext::is_ready_or`].
    pub fn wait_until_ready(
        &self,
        deadline: Mono,
        is_over: impl Fn() -> bool,
    ) -> Result<bool, ContextError> {
        match (&self.tokens, &self.signer) {
            (Some(tokens), _) => settled(tokens.source().wait(deadline, is_over)),
            (None, Some(signer)) => settled(signer.source().wait(deadline, is_over)),
            (None, None) => Ok(true),
        }
    }

    /// Whether redirects are followed.
    #[must_use]
    pub fn follow_redirects(&self) -> bool {
        self.config.follow_redirects
    }

    /// What a server said, with the secrets of this section and `sent` replaced.
    #[must_use]
    pub fn masked(&self, text: String, sent: Vec<Secret>) -> String {
        let mut secrets = sent;
        secrets.extend(mask::written(&self.config));
        secrets.extend(mask::fetched(
            self.tokens.as_deref(),
            self.signer.as_deref(),
        ));
        mask::hide(text, secrets)
    }

    /// The value of `Authorization`, secrets as they are now. `userinfo`, from the URL, counts
    /// where the configuration says nothing.
    ///
    /// # Errors
    /// When a secret cannot be read or sent.
    pub fn authorization(
        &self,
        userinfo: Option<&(String, String)>,
    ) -> Result<Option<String>, ContextError> {
        match &self.config.auth {
            Auth::None => Ok(userinfo.map(|(user, password)| auth::basic(user, password))),
            Auth::Basic { username, password } => {
                let user = secrets::resolve(username)?;
                let password = secrets::resolve(password)?;
                Ok(Some(auth::basic(user.expose(), password.expose())))
            }
            Auth::Header { kind, credentials } => {
                let credentials = secrets::resolve(credentials)?;
                Ok(Some(auth::of_kind(kind, credentials.expose())?))
            }
            Auth::OAuth2(_) => {
                let source = self.tokens.as_ref().map(|tokens| tokens.source());
                match source.map(Source::standing) {
                    Some(Standing::Ready(Token(header))) => Ok(Some(header.expose().to_owned())),
                    Some(Standing::Failed(error)) => Err(ContextError::Grant(error)),
                    _ => Err(ContextError::Grant("oauth2: there is no token yet".into())),
                }
            }
            // The signature is made over the whole request.
            Auth::SigV4(_) => Ok(None),
        }
    }

    /// The headers that sign a request for AWS; none unless the configuration wants that.
    ///
    /// # Errors
    /// When there are no keys.
    pub fn signature(
        &self,
        request: &Signable<'_>,
    ) -> Result<Vec<(&'static str, String)>, ContextError> {
        match &self.signer {
            None => Ok(Vec::new()),
            Some(signer) => signer.sign(request, SystemClock.wall()),
        }
    }

    /// The extra headers, secrets as they are now, in file order.
    ///
    /// # Errors
    /// When a secret cannot be read or sent.
    pub fn extra_headers(&self) -> Result<Vec<(&str, String)>, ContextError> {
        let mut headers = Vec::new();
        for header in &self.config.headers {
            for value in &header.values {
                let value = match value {
                    HeaderValue::Plain(text) => text.clone(),
                    HeaderValue::Secret(source) => secrets::resolve(source)?.expose().to_owned(),
                };
                if !is_header_name(&header.name) || !auth::is_header_value(&value) {
                    return Err(ContextError::Header {
                        name: header.name.clone(),
                    });
                }
                headers.push((header.name.as_str(), value));
            }
        }
        Ok(headers)
    }
}

fn settled<T>(standing: Standing<T>) -> Result<bool, ContextError> {
    match standing {
        Standing::Ready(_) => Ok(true),
        Standing::Pending => Ok(false),
        Standing::Failed(error) => Err(ContextError::Grant(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::http_client::HeaderConfig;
    use crate::config::secret::SecretSource;

    #[test]
    fn the_configuration_wins_over_the_url() {
        let userinfo = ("u".to_owned(), "p".to_owned());
        let mut config = HttpClientConfig::default();
        let from_url = HttpContext::new(&config).expect("context");
        let value = from_url.authorization(Some(&userinfo)).expect("value");
        assert_eq!(value, Some(auth::basic("u", "p")));
        config.auth = Auth::Header {
            kind: "Bearer".to_owned(),
            credentials: SecretSource::Inline(Secret::new("t")),
        };
        let configured = HttpContext::new(&config).expect("context");
        let value = configured.authorization(Some(&userinfo)).expect("value");
        assert_eq!(value.as_deref(), Some("Bearer t"));
    }

    #[test]
    fn header_values_keep_their_order_and_must_be_sendable() {
        let header = |value: &str| HeaderConfig {
            name: "X-Scope".to_owned(),
            values: vec![
                HeaderValue::Plain("a".to_owned()),
                HeaderValue::Secret(SecretSource::Inline(Secret::new(value))),
            ],
        };
        let context = |value| {
            HttpContext::new(&HttpClientConfig {
                headers: vec![header(value)],
                ..HttpClientConfig::default()
            })
            .expect("context")
        };
        let sendable = context("b");
        let headers = sendable.extra_headers().expect("headers");
        assert_eq!(
            headers,
            [("X-Scope", "a".to_owned()), ("X-Scope", "b".to_owned())]
        );
        let error = context("b\r\nX: y").extra_headers().expect_err("refused");
        assert!(!error.to_string().contains("y\""));
    }

    #[test]
    fn header_files_are_read_at_each_use() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("tenant");
        let context = HttpContext::new(&HttpClientConfig {
            headers: vec![HeaderConfig {
                name: "X-Scope".to_owned(),
                values: vec![HeaderValue::Secret(SecretSource::File(path.clone()))],
            }],
            ..HttpClientConfig::default()
        })
        .expect("context");
        assert!(context.extra_headers().is_err());
        for tenant in ["one", "two"] {
            std::fs::write(&path, format!("{tenant}\n")).expect("written");
            let headers = context.extra_headers().expect("headers");
            assert_eq!(headers, [("X-Scope", tenant.to_owned())]);
        }
    }
}
