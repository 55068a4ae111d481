//! The seam to the network: one request, one answer.
//!
//! The real one is [`super::client`]; tests script theirs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::config::remote_write::RemoteWriteConfig;
use crate::wire::version::Protocol;

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
    /// What the receiver says it has written; none if it says nothing of the kind.
    pub written: Option<Written>,
    /// Beginning of the body, at most [`crate::limits::REMOTE_ANSWER_BYTES`].
    pub body: Vec<u8>,
}

/// What a receiver of remote write 2.0 says it has written of a request; what it does not name is
/// zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Written {
    /// Samples.
    pub samples: u64,
    /// Native histograms.
    pub histograms: u64,
    /// Exemplars.
    pub exemplars: u64,
}

impl Written {
    /// Everything together.
    #[must_use]
    pub fn all(self) -> u64 {
        let sum = self.samples.saturating_add(self.histograms);
        sum.saturating_add(self.exemplars)
    }
}

/// A request to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// What the body holds, and how it is compressed.
    pub protocol: Protocol,
    /// The message, compressed.
    pub body: &'a [u8],
    /// Zero for the first time this body is sent.
    pub attempt: u32,
    /// Longest wait for the answer.
    pub timeout: Duration,
}

/// Sends requests to one endpoint; shared by its shards.
pub trait Transport: Send + Sync {
    /// POSTs a body and waits for the answer.
    fn post(&self, post: Post<'_>) -> Answer;

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
