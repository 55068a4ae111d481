//! Talking to the JSON gateways of an etcd cluster: whose turn it is, tokens, one request at a time.
//!
//! A token is asked for when a user name is configured, and anew when etcd says that the one in use
//! is of no use any more. Passwords in files are read each time. Answers are bounded.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::wire::{self, Failure};
use crate::config::secret::{Secret, SecretSource};
use crate::discovery::keyed::TooMuch;
use crate::limits;
use crate::net::blocking::{Client, ClientError, Head, Method, Request};
use crate::net::mask;
use crate::net::secrets::{self, FileError};

/// Bytes of an answer that is an error or a token.
const SMALL: usize = 64 * 1024;

/// Why etcd is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum EtcdError {
    /// There is no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The password cannot be read.
    #[error(transparent)]
    Secret(#[from] FileError),
    /// The answer is an error.
    #[error("{status}: {message}{}", hint(.message))]
    Status {
        /// Status of the answer, or `watch`.
        status: String,
        /// The word of etcd.
        message: String,
        /// Whether another token would help.
        token: bool,
    },
    /// The answer is too large.
    #[error(
        "answer is larger than {} bytes, although only one key was asked for",
        limits::ETCD_BODY_BYTES
    )]
    TooLarge,
    /// The answer is none of etcd's gateway.
    #[error("answer is none of etcd's: {0}")]
    Shape(#[from] serde_json::Error),
    /// A message is too long.
    #[error(transparent)]
    TooLong(#[from] wire::TooLong),
    /// There is too much.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// The watch ended right after it began.
    #[error("watch ended: {0}")]
    Ended(String),
    /// The store wants to be read again and again.
    #[error("store changes faster than it can be read")]
    Restless,
}

fn hint(message: &str) -> &'static str {
    if message.contains("user name is empty") {
        "; etcd wants a username and a password"
    } else {
        ""
    }
}

impl EtcdError {
    /// An error that etcd reports, its text bounded and without control characters.
    pub(super) fn reported(status: &str, failure: &Failure) -> EtcdError {
        let text = failure.message.chars().take(limits::STORE_QUOTE_CHARS);
        EtcdError::Status {
            status: status.to_owned(),
            message: text.map(|c| if c.is_control() { '.' } else { c }).collect(),
            token: failure.is_about_the_token(),
        }
    }

    fn is_about_the_token(&self) -> bool {
        matches!(self, EtcdError::Status { token: true, .. })
    }
}

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Login {
    /// The user.
    pub(super) username: String,
    /// The password.
    pub(super) password: SecretSource,
}

/// A token, and whether it ever was of use.
#[derive(Debug)]
struct Token {
    text: Secret,
    proven: bool,
}

/// The gateways.
#[derive(Debug)]
pub(super) struct Gateway {
    client: Arc<Client>,
    endpoints: Vec<String>,
    current: usize,
    login: Option<Login>,
    /// The password that was sent last; etcd's words are shown without it.
    password: Secret,
    token: Option<Token>,
}

impl Gateway {
    /// Nothing is asked yet. Endpoints are URLs without a slash at the end, one at least.
    pub(super) fn new(
        client: Arc<Client>,
        endpoints: Vec<String>,
        login: Option<Login>,
    ) -> Gateway {
        Gateway {
            client,
            endpoints,
            current: 0,
            login,
            password: Secret::default(),
            token: None,
        }
    }

    /// How many endpoints there are.
    pub(super) fn count(&self) -> usize {
        self.endpoints.len()
    }

    /// The endpoint in use.
    pub(super) fn endpoint(&self) -> &str {
        self.endpoints.get(self.current).map_or("", String::as_str)
    }

    /// Goes over to the next endpoint.
    pub(super) fn turn(&mut self) {
        self.current = (self.current + 1) % self.endpoints.len().max(1);
    }

    /// Asks; nothing when the answer is larger than [`limits::ETCD_BODY_BYTES`].
    ///
    /// # Errors
    /// When there is no answer of use.
    pub(super) fn ask<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &[u8],
    ) -> Result<Option<T>, EtcdError> {
        self.with_token(|gateway| gateway.post(path, body, limits::ETCD_BODY_BYTES))
    }

    /// Opens a watch, of which `silence` is the longest pause.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn watch(
        &mut self,
        body: &[u8],
        silence: Duration,
    ) -> Result<Box<dyn Read>, EtcdError> {
        self.with_token(|gateway| gateway.open(body, silence))
    }

    /// Notes that the watch said something that proves the token.
    pub(super) fn proven(&mut self) {
        if let Some(token) = &mut self.token {
            token.proven = true;
        }
    }

    /// Forgets a token that etcd does not take. True when it was of use once, so that another one
    /// is worth a try.
    pub(super) fn renew(&mut self, error: &EtcdError) -> bool {
        error.is_about_the_token() && self.token.take().is_some_and(|token| token.proven)
    }

    fn with_token<T>(
        &mut self,
        mut act: impl FnMut(&mut Gateway) -> Result<T, EtcdError>,
    ) -> Result<T, EtcdError> {
        self.log_in()?;
        match act(self) {
            Err(error) if self.renew(&error) => {
                self.log_in()?;
                act(self)
            }
            done => done,
        }
    }

    fn log_in(&mut self) -> Result<(), EtcdError> {
        let Some(login) = self.login.as_ref().filter(|_| self.token.is_none()) else {
            return Ok(());
        };
        let password = match &login.password {
            SecretSource::Inline(secret) => secret.clone(),
            SecretSource::File(path) => secrets::read_secret(path)?,
        };
        let body = wire::authenticate(&login.username, password.expose());
        self.password = password;
        match self.post::<wire::Token>(wire::AUTHENTICATE, &body, SMALL) {
            Ok(answer) => {
                let text = answer
                    .map(|answer| Secret::new(answer.token))
                    .unwrap_or_default();
                self.token = Some(Token {
                    text,
                    proven: false,
                });
                Ok(())
            }
            // Then nobody asks for one.
            Err(EtcdError::Status { message, .. }) if is_unneeded(&message) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &[u8],
        body_limit: usize,
    ) -> Result<Option<T>, EtcdError> {
        let url = format!("{}{path}", self.endpoint());
        let headers = self.headers();
        let response = self.client.send(&Request {
            method: Method::Post,
            headers: &headers,
            body,
            ..Request::get(&url, limits::ETCD_TIMEOUT, body_limit)
        })?;
        if response.head.status != 200 {
            return Err(self.refused(&response.head, &response.body));
        }
        if response.truncated {
            return Ok(None);
        }
        let answer = serde_json::from_slice(&response.body)?;
        self.proven();
        Ok(Some(answer))
    }

    fn open(&mut self, body: &[u8], silence: Duration) -> Result<Box<dyn Read>, EtcdError> {
        let url = format!("{}{}", self.endpoint(), wire::WATCH);
        let headers = self.headers();
        let request = Request {
            method: Method::Post,
            headers: &headers,
            body,
            ..Request::get(&url, limits::ETCD_TIMEOUT, 0)
        };
        let (head, reader) = self.client.stream(&request, silence)?;
        if head.status == 200 {
            return Ok(Box::new(reader));
        }
        let mut said = Vec::new();
        // What cannot be read is told by the status.
        let _cut = reader.take(SMALL as u64).read_to_end(&mut said);
        Err(self.refused(&head, &said))
    }

    fn refused(&self, head: &Head, body: &[u8]) -> EtcdError {
        let mut failure = serde_json::from_slice::<Failure>(body).unwrap_or_default();
        failure.message = mask::hide(failure.message, vec![self.password.clone()]);
        EtcdError::reported(&head.status_text(), &failure)
    }

    fn headers(&self) -> Vec<(&'static str, &str)> {
        let mut headers = vec![("Content-Type", "application/json")];
        if let Some(token) = &self.token {
            headers.push(("Authorization", token.text.expose()));
        }
        headers
    }
}

fn is_unneeded(message: &str) -> bool {
    message.contains("authentication is not enabled")
}
