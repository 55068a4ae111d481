//! The requests and answers of etcd's JSON gateway: what a reading and a watch take. Pure.
//!
//! The gateway maps the gRPC interface to JSON: keys and values are base64, 64-bit numbers are texts,
//! fields with the value zero are left out, and a stream is one object a line.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use crate::limits;

/// Where ranges are read.
pub(super) const RANGE: &str = "/v3/kv/range";
/// Where watches are made.
pub(super) const WATCH: &str = "/v3/watch";
/// Where tokens are given out.
pub(super) const AUTHENTICATE: &str = "/v3/auth/authenticate";

/// A range of keys: from the first one up to, and without, the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// The first key.
    pub(super) from: Vec<u8>,
    /// What follows the last one.
    pub(super) end: Vec<u8>,
}

impl Range {
    /// All keys that begin with `prefix`.
    pub(super) fn of_prefix(prefix: &str) -> Range {
        let mut end = prefix.as_bytes().to_vec();
        while end.pop_if(|last| *last == 0xff).is_some() {}
        match end.last_mut() {
            Some(last) => *last += 1,
            // Nothing follows; etcd's word for that.
            None => end.push(0),
        }
        Range {
            from: prefix.as_bytes().to_vec(),
            end,
        }
    }

    /// What is left after `key`.
    pub(super) fn after(&self, key: &[u8]) -> Range {
        Range {
            from: [key, &[0]].concat(),
            end: self.end.clone(),
        }
    }
}

fn encoded<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

#[derive(Serialize)]
struct RangeRequest<'r> {
    #[serde(serialize_with = "encoded")]
    key: &'r [u8],
    #[serde(serialize_with = "encoded")]
    range_end: &'r [u8],
    limit: usize,
    /// 0 for the newest.
    revision: i64,
}

#[derive(Serialize)]
struct WatchRequest<'r> {
    create_request: Create<'r>,
}

#[derive(Serialize)]
struct Create<'r> {
    #[serde(serialize_with = "encoded")]
    key: &'r [u8],
    #[serde(serialize_with = "encoded")]
    range_end: &'r [u8],
    start_revision: i64,
    watch_id: usize,
    progress_notify: bool,
    fragment: bool,
}

#[derive(Serialize)]
struct AuthenticateRequest<'r> {
    name: &'r str,
    password: &'r str,
}

fn json(request: &impl Serialize) -> Vec<u8> {
    // Structs of texts and numbers cannot fail.
    serde_json::to_vec(request).unwrap_or_default()
}

/// Asks for at most `limit` keys of a range as of a revision, 0 for the newest.
pub(super) fn range(range: &Range, limit: usize, revision: i64) -> Vec<u8> {
    json(&RangeRequest {
        key: &range.from,
        range_end: &range.end,
        limit,
        revision,
    })
}

/// Asks for everything that happens to ranges after their revisions: one watch for each, numbered
/// from 1, all in one stream.
pub(super) fn watch<'r>(ranges: impl Iterator<Item = (&'r Range, i64)>) -> Vec<u8> {
    let requests = ranges.enumerate().map(|(index, (range, revision))| {
        let create_request = Create {
            key: &range.from,
            range_end: &range.end,
            start_revision: revision + 1,
            watch_id: index + 1,
            progress_notify: true,
            fragment: true,
        };
        json(&WatchRequest { create_request })
    });
    requests.collect::<Vec<_>>().join(&b'\n')
}

/// Asks for a token.
pub(super) fn authenticate(name: &str, password: &str) -> Vec<u8> {
    json(&AuthenticateRequest { name, password })
}

/// A 64-bit number, written as a text.
fn number<'de, D, N>(deserializer: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: std::str::FromStr + Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written<'t, N> {
        Text(#[serde(borrow)] Cow<'t, str>),
        Number(N),
    }
    match Written::deserialize(deserializer)? {
        Written::Number(number) => Ok(number),
        Written::Text(text) => text.parse().map_err(|_| D::Error::custom("no number")),
    }
}

/// Bytes in base64.
fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    STANDARD
        .decode(&*text)
        .map_err(|_| D::Error::custom("no base64"))
}

/// Which store answers, and how far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Header {
    /// The cluster.
    #[serde(default, deserialize_with = "number")]
    pub(super) cluster_id: u64,
    /// The newest revision.
    #[serde(default, deserialize_with = "number")]
    pub(super) revision: i64,
}

/// A key and its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct KeyValue {
    /// The key.
    #[serde(default, deserialize_with = "bytes")]
    pub(super) key: Vec<u8>,
    /// The value; empty in a deletion.
    #[serde(default, deserialize_with = "bytes")]
    pub(super) value: Vec<u8>,
    /// The revision of the last change.
    #[serde(default, deserialize_with = "number")]
    pub(super) mod_revision: i64,
}

/// The answer to [`range`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Page {
    /// Where it comes from.
    #[serde(default)]
    pub(super) header: Header,
    /// The keys, sorted.
    #[serde(default)]
    pub(super) kvs: Vec<KeyValue>,
    /// Whether there are more.
    #[serde(default)]
    pub(super) more: bool,
}

/// The answer to [`authenticate`].
#[derive(Deserialize)]
pub(super) struct Token {
    /// The token; secret.
    pub(super) token: String,
}

/// An error of etcd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Failure {
    /// What is wrong.
    #[serde(default)]
    pub(super) message: String,
    /// The code of gRPC.
    #[serde(default, alias = "grpc_code")]
    pub(super) code: i64,
}

impl Failure {
    /// Whether another token would help.
    pub(super) fn is_about_the_token(&self) -> bool {
        is_about_the_token(&self.message)
    }
}

/// Whether a text of etcd says that another token would help.
pub(super) fn is_about_the_token(text: &str) -> bool {
    ["invalid auth token", "revision of auth store is old"]
        .iter()
        .any(|part| text.contains(part))
}

/// What happened to a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Event {
    /// `DELETE`; else the key was written.
    #[serde(default, rename = "type")]
    kind: String,
    /// The key.
    #[serde(default)]
    pub(super) kv: KeyValue,
}

impl Event {
    /// Whether the key is gone: deleted, or its lease is over.
    pub(super) fn is_deletion(&self) -> bool {
        self.kind == "DELETE"
    }
}

/// One message of a watch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Said {
    /// Where it comes from.
    #[serde(default)]
    pub(super) header: Header,
    /// Which watch says it.
    #[serde(default, deserialize_with = "number")]
    pub(super) watch_id: i64,
    /// Whether it says that the watch was made.
    #[serde(default)]
    pub(super) created: bool,
    /// Whether it says that the watch is over.
    #[serde(default)]
    pub(super) canceled: bool,
    /// Why it is.
    #[serde(default)]
    pub(super) cancel_reason: String,
    /// The oldest revision there is, when the watch wanted an older one; else 0.
    #[serde(default, deserialize_with = "number")]
    pub(super) compact_revision: i64,
    /// Whether the next message of this watch has more events of the same revisions.
    #[serde(default)]
    pub(super) fragment: bool,
    /// What happened. None and nothing else said: all is told up to the revision of the header.
    #[serde(default)]
    pub(super) events: Vec<Event>,
}

#[derive(Deserialize)]
struct Line {
    result: Option<Said>,
    error: Option<Failure>,
}

/// Reads a line of a watch.
///
/// # Errors
/// When it is none.
pub(super) fn said(line: &[u8]) -> Result<Result<Said, Failure>, serde_json::Error> {
    let line: Line = serde_json::from_slice(line)?;
    match (line.result, line.error) {
        (_, Some(failure)) => Ok(Err(failure)),
        (Some(said), None) => Ok(Ok(said)),
        (None, None) => Err(serde_json::Error::custom("neither result nor error")),
    }
}

/// A message longer than [`limits::ETCD_BODY_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "message of the watch is longer than {} bytes",
    limits::ETCD_BODY_BYTES
)]
pub(super) struct TooLong;

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// Up to where there is no end of a line.
    searched: usize,
}

impl Lines {
    /// Takes bytes in, however the stream was cut.
    ///
    /// # Errors
    /// When a line is too long.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.bytes.len() + bytes.len() > limits::ETCD_BODY_BYTES {
            return Err(TooLong);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The next line that is there as a whole, without its end. Empty ones are left out.
    pub(super) fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            let found = memchr::memchr(b'\n', &self.bytes[self.searched..]);
            let Some(length) = found else {
                self.searched = self.bytes.len();
                return None;
            };
            let rest = self.bytes.split_off(self.searched + length + 1);
            let mut line = std::mem::replace(&mut self.bytes, rest);
            self.searched = 0;
            line.pop();
            if !line.trim_ascii().is_empty() {
                return Some(line);
            }
        }
    }
}

#[cfg(test)]
mod tests;
