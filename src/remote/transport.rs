//! The seam to the network: one request, one answer.
//!
//! The real one is [`super::client`]; tests script theirs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::config::remote_write::RemoteWriteConfig;

/// What came back for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A status line and what followed.
    Http(HttpAnswer),
    /// No answer: refused, reset, timed out, a bad certificate, a name that does not resolve.
    /// The text says which, without secrets.
    Network(String),
}

/// The parts of an HTTP response that matter here.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct HttpAnswer {
    /// Status code.
    pub status: u16,
    /// `Content-Type`, empty if missing.
    pub content_type: String,
    /// First `Retry-After`.
    pub retry_after: Option<String>,
    /// Beginning of the body, at most [`crate::limits::REMOTE_ANSWER_BYTES`].
    pub body: Vec<u8>,
}

/// Sends requests to one endpoint; shared by its shards.
pub trait Transport: Send + Sync {
    /// POSTs a snappy body and waits for the answer at most `timeout`. `attempt` is zero for the
    /// first time this body is sent.
    fn post(&self, body: &[u8], attempt: u32, timeout: Duration) -> Answer;

    /// Ends requests under way and refuses later ones; may be called from any thread.
    fn cut(&self);
}

// Not a supertrait: that would put what every implementation could show into the program, and nothing
// shows it.
impl std::fmt::Debug for dyn Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transport")
    }
}

/// Makes a transport for a configuration: at start and after each reload.
pub type Connect = Box<dyn Fn(&RemoteWriteConfig) -> io::Result<Arc<dyn Transport>> + Send>;
