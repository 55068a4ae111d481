//! The Docker Engine as `docker` and `dockerswarm` discovery ask it: where it listens, its lists,
//! its networks and its events.
//!
//! Implements the parts of <https://docs.docker.com/engine/api/> that are needed. Paths carry no
//! version, which every engine takes as its own newest, so nothing is negotiated; the fields that
//! are read are the same in all of them.

pub mod config;
mod events;
pub mod networks;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use self::config::{EngineConfig, Host};
use self::events::Events;
use super::{ProviderContext, ProviderError};
use crate::limits;
use crate::net::blocking::{Client, ClientError, ClientOptions, Request};

/// Why the engine's answer is of no use; `what` is what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is none.
    #[error("cannot list {what}: {source}")]
    Client {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        source: ClientError,
    },
    /// The engine refused.
    #[error("cannot list {what}: the engine answered {status}{message}")]
    Status {
        /// What was asked for.
        what: &'static str,
        /// Status code and phrase.
        status: String,
        /// What the engine says, after a colon.
        message: String,
    },
    /// It is too large.
    #[error(
        "cannot list {what}: the answer is larger than {} bytes",
        limits::SD_HTTP_BODY_BYTES
    )]
    TooLarge {
        /// What was asked for.
        what: &'static str,
    },
    /// It is something else than a list of such objects.
    #[error("cannot list {what}: {source}")]
    Json {
        /// What was asked for.
        what: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// An engine.
#[derive(Debug)]
pub struct Engine {
    client: Arc<Client>,
    base: String,
    timeout: Duration,
    /// The filters of the configuration as a query parameter, or nothing.
    filters: String,
    events: Events,
}

impl Engine {
    /// Prepares to ask, and begins to listen for events of `kinds` (as in the filter `type` of
    /// `/events`).
    ///
    /// # Errors
    /// When certificates cannot be used or the system gives no thread.
    pub fn open(
        config: &EngineConfig,
        kinds: &[&str],
        context: &ProviderContext,
    ) -> Result<Engine, ProviderError> {
        let mut options = ClientOptions::new(&*context.user_agent);
        // The lists and the events.
        options.max_idle_connections = 2;
        let base = match &config.host {
            Host::Socket(path) => {
                options.unix_socket = Some(path.clone());
                "http://localhost".to_owned()
            }
            Host::Base(base) => base.clone(),
        };
        let client = Arc::new(Client::new(&config.client, options)?);
        let filters = query_of(&config.filters);
        let url = format!("{base}/events?{}", events::query(kinds));
        let events = Events::listen(Arc::clone(&client), url, context)?;
        let timeout = config.refresh_interval;
        Ok(Engine {
            client,
            base,
            timeout: timeout.clamp(limits::SD_ANSWER_MIN, limits::SD_ANSWER_MAX),
            filters,
            events,
        })
    }

    /// Rings when something may have changed.
    #[must_use]
    pub fn news(&self) -> Receiver<()> {
        self.events.bell()
    }

    /// Ends calls that block other threads.
    #[must_use]
    pub fn interrupt(&self) -> Box<dyn FnOnce() + Send> {
        let client = Arc::clone(&self.client);
        Box::new(move || client.shutdown())
    }

    /// The objects that the filters of the configuration let through.
    ///
    /// # Errors
    /// When there is no such list.
    pub fn filtered<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
    ) -> Result<Vec<T>, EngineError> {
        self.get(what, &format!("{}{path}{}", self.base, self.filters))
    }

    /// All objects.
    ///
    /// # Errors
    /// When there is no such list.
    pub fn all<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
    ) -> Result<Vec<T>, EngineError> {
        self.get(what, &format!("{}{path}", self.base))
    }

    fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        url: &str,
    ) -> Result<Vec<T>, EngineError> {
        let limit = limits::SD_HTTP_BODY_BYTES;
        let request = Request {
            headers: &[("Accept", "application/json")],
            ..Request::get(url, self.timeout, limit)
        };
        let answer = self.client.send(&request);
        let answer = answer.map_err(|source| EngineError::Client { what, source })?;
        if answer.head.status != 200 {
            return Err(EngineError::Status {
                what,
                status: answer.head.status_text(),
                message: message_of(&answer.body),
            });
        }
        if answer.truncated {
            return Err(EngineError::TooLarge { what });
        }
        // Go writes null for a list that was never made.
        serde_json::from_slice::<Option<Vec<T>>>(&answer.body)
            .map(Option::unwrap_or_default)
            .map_err(|source| EngineError::Json { what, source })
    }
}

/// Filters as the engine reads them: a JSON object of lists in a query parameter.
fn query_of(filters: &[(String, Vec<String>)]) -> String {
    let mut by_name = std::collections::BTreeMap::<&str, Vec<&str>>::new();
    for (name, values) in filters {
        let all = by_name.entry(name).or_default();
        all.extend(values.iter().map(String::as_str));
    }
    by_name.retain(|_, values| !values.is_empty());
    if by_name.is_empty() {
        return String::new();
    }
    format!("?filters={}", escaped_json(&by_name))
}

fn escaped_json(value: &impl serde::Serialize) -> String {
    // Maps and lists of texts can always be written.
    let text = serde_json::to_string(value).unwrap_or_default();
    utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string()
}

/// What an engine says in a refusal, made fit for an error.
fn message_of(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Refusal {
        message: String,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => format!(": {}", super::shortened(&refusal.message)),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_one_name_are_joined() {
        let filter = |name: &str, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned());
            (name.to_owned(), values.collect::<Vec<_>>())
        };
        assert_eq!(query_of(&[]), "");
        assert_eq!(query_of(&[filter("label", &[])]), "");
        let query = query_of(&[
            filter("label", &["a=b"]),
            filter("name", &["x"]),
            filter("label", &["c"]),
        ]);
        let text = query.strip_prefix("?filters=").expect("a parameter");
        let text = percent_encoding::percent_decode_str(text).decode_utf8();
        let expected = r#"{"label":["a=b","c"],"name":["x"]}"#;
        assert_eq!(text.expect("text"), expected);
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_engine() {
        let body = br#"{"message":"This node is not a swarm manager."}"#;
        assert_eq!(message_of(body), ": This node is not a swarm manager.");
        assert_eq!(message_of(b"<html>"), "");
    }
}
