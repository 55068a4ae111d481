//! OAuth2 tokens: by a client's secret (RFC 6749, 4.4) or a signed assertion (RFC 7523).
//!
//! Equal configurations share a token, whoever uses them. A secret or key in a file is read for each
//! request to the token's server.

mod answer;
mod assertion;

use std::borrow::Cow;
use std::sync::Arc;

use parking_lot::Mutex;

use self::answer::{Refusal, parse, refusal};
use super::blocking::{Client, ClientError, ClientOptions, Method, Request, Response};
use super::context::ContextError;
use super::lease::{Granted, Issuer, Kind, Shared, Source};
use super::secrets;
use crate::config::http_client::HttpClientConfig;
use crate::config::oauth2::{Grant, OAuth2Config};
use crate::config::secret::Secret;
use crate::config::url;
use crate::http::auth;
use crate::http::form;
use crate::limits;
use crate::sys::clock::{Clock, SystemClock};

/// The value of `Authorization` that a token makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(pub Secret);

/// Tokens of one configuration.
#[derive(Debug)]
pub struct Tokens {
    config: OAuth2Config,
    source: Source<Token>,
}

/// All that are in use.
static SHARED: Shared<Tokens> = Shared::new();

impl Tokens {
    /// The tokens of a configuration, the same ones for everybody who has an equal one.
    ///
    /// # Errors
    /// When certificates or the proxy of the configuration cannot be used.
    pub fn shared(config: &OAuth2Config) -> Result<Arc<Tokens>, ContextError> {
        if let Some(known) = Tokens::known(config) {
            return Ok(known);
        }
        Ok(SHARED.add(Tokens::new(config, Arc::new(SystemClock))?))
    }

    /// The tokens of a configuration that is in use.
    #[must_use]
    pub fn known(config: &OAuth2Config) -> Option<Arc<Tokens>> {
        SHARED.find(|tokens| tokens.config == *config)
    }

    /// Tokens of its own, by a clock.
    ///
    /// # Errors
    /// As [`Tokens::shared`].
    pub fn new(config: &OAuth2Config, clock: Arc<dyn Clock>) -> Result<Tokens, ContextError> {
        let options = ClientOptions {
            follow_redirects: Some(false),
            ..ClientOptions::new(concat!("narthex/", env!("CARGO_PKG_VERSION")))
        };
        let client = HttpClientConfig {
            tls: config.tls.clone(),
            proxy: config.proxy.clone(),
            ..HttpClientConfig::default()
        };
        let client = Client::new(&client, options).map_err(|error| match error {
            ClientError::Context(error) => error,
            other => ContextError::Grant(other.to_string().into()),
        })?;
        let server = Server {
            config: config.clone(),
            client,
            clock: Arc::clone(&clock),
            style: Mutex::new(None),
        };
        let name = url::redacted(&config.token_url);
        Ok(Tokens {
            config: config.clone(),
            source: Source::new(Kind::OAuth2, name, Box::new(server), clock),
        })
    }

    /// Where they come from.
    #[must_use]
    pub fn source(&self) -> &Source<Token> {
        &self.source
    }

    /// Texts that must not be shown: the token there is, and the client's secret if it is written.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        let mut found = Vec::new();
        if let Some(Token(header)) = self.source.held() {
            let bare = header.expose().split_once(' ').map(|(_, bare)| bare);
            found.push(Secret::new(bare.unwrap_or(header.expose())));
        }
        if let Grant::ClientCredentials(source) = &self.config.grant {
            found.extend(secrets::resolve(source).map(Cow::into_owned));
        }
        found
    }
}

/// How the client shows its secret: servers differ, and do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Header,
    Parameters,
}

/// The server that gives tokens.
struct Server {
    config: OAuth2Config,
    client: Client,
    clock: Arc<dyn Clock>,
    /// The style that it took last.
    style: Mutex<Option<Style>>,
}

impl Issuer<Token> for Server {
    fn issue(&self) -> Result<Granted<Token>, String> {
        match &self.config.grant {
            Grant::ClientCredentials(secret) => {
                let secret = secrets::resolve(secret).map_err(|error| error.to_string())?;
                self.with_secret(&secret)
            }
            Grant::JwtBearer(own) => {
                let key = secrets::resolve(&own.key).map_err(|error| error.to_string())?;
                let assertion =
                    assertion::sign(&self.config, own, key.expose(), self.clock.wall())?;
                let mut parameters = self.parameters();
                parameters.retain(|(name, _)| name != "scope");
                let kind = "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned();
                parameters.push(("grant_type".to_owned(), kind));
                parameters.push(("assertion".to_owned(), assertion.expose().to_owned()));
                let response = self.post(&parameters, None)?;
                granted(&response, &assertion)
            }
        }
    }
}

impl Server {
    /// Tries the style that worked, or one after the other.
    fn with_secret(&self, secret: &Secret) -> Result<Granted<Token>, String> {
        let known = *self.style.lock();
        let styles = match known {
            Some(style) => vec![style],
            None => vec![Style::Header, Style::Parameters],
        };
        let mut outcome = Err(String::new());
        for style in styles {
            let response = self.ask(style, secret)?;
            outcome = granted(&response, secret);
            if outcome.is_ok() {
                *self.style.lock() = Some(style);
                return outcome;
            }
        }
        // Whatever changed at the server, the next time all are tried.
        *self.style.lock() = None;
        outcome
    }

    fn ask(&self, style: Style, secret: &Secret) -> Result<Response, String> {
        let mut parameters = self.parameters();
        parameters.push(("grant_type".to_owned(), "client_credentials".to_owned()));
        let id = &self.config.client_id;
        match style {
            Style::Header => {
                let (id, secret) = (form::escape(id), form::escape(secret.expose()));
                self.post(&parameters, Some(&auth::basic(&id, &secret)))
            }
            Style::Parameters => {
                parameters.push(("client_id".to_owned(), id.clone()));
                if !secret.is_empty() {
                    parameters.push(("client_secret".to_owned(), secret.expose().to_owned()));
                }
                self.post(&parameters, None)
            }
        }
    }

    /// What every request has.
    fn parameters(&self) -> Vec<(String, String)> {
        let mut parameters = self.config.endpoint_params.clone();
        if !self.config.scopes.is_empty() {
            parameters.push(("scope".to_owned(), self.config.scopes.join(" ")));
        }
        parameters
    }

    fn post(
        &self,
        parameters: &[(String, String)],
        authorization: Option<&str>,
    ) -> Result<Response, String> {
        let body = form::encode(parameters);
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        if let Some(value) = authorization {
            headers.push(("authorization", value));
        }
        let request = Request {
            method: Method::Post,
            url: &self.config.token_url,
            headers: &headers,
            body: body.as_bytes(),
            timeout: limits::GRANT_TIMEOUT,
            body_limit: limits::GRANT_ANSWER_BYTES,
        };
        let sent = self.client.send(&request);
        sent.map_err(|error| format!("oauth2: cannot fetch token: {error}"))
    }
}

/// What an answer grants. Some servers repeat what they were sent; `secret` is not shown.
fn granted(response: &Response, secret: &Secret) -> Result<Granted<Token>, String> {
    let content_type = response.head.header("content-type").unwrap_or_default();
    let is_success = (200..300).contains(&response.head.status);
    let outcome = if is_success {
        parse(content_type, &response.body)
    } else {
        Err(refusal(content_type, &response.body))
    };
    outcome.map_err(|refusal: Refusal| {
        let text = refusal.describe(&response.head.status_text());
        if secret.is_empty() {
            return text;
        }
        text.replace(secret.expose(), "<secret>")
    })
}

#[cfg(test)]
mod tests;
