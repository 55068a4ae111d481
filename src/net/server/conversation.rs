//! One client's exchanges as a state machine: bytes and the time in, requests and bytes out.
//!
//! ```text
//!            first byte          head read          request whole
//!   Idle ------------> Head ---------------> Body ---------------> Handling
//!    ^                  |  deadline, refusal  |                       | answer
//!    |                  +---------------------+---> Writing <---------+
//!    |   keep-alive                                   |
//!    +------------------------------------------------+ close
//!                                                     v
//!                        Closed <--- Lingering (write side shut, input thrown away)
//! ```
//!
//! A new connection begins in Head: who connects must speak. Lingering exists because closing a
//! socket with unread input makes the kernel reset the connection, and the client would lose the
//! answer that explains why; after a request that was read whole it is skipped. While a request is handled or answered nothing is read: that is the
//! back-pressure on clients that pipeline.

use std::time::Duration;

use crate::http::server::parser::{RequestParser, Step};
use crate::http::server::request::{Method, Request, RequestHead};
use crate::http::server::response::{Exchange, Response};
use crate::limits;
use crate::model::time::{Mono, Wall};

/// Where a conversation stands; drawn above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Idle,
    Head,
    Body,
    Handling,
    Writing,
    Lingering,
    Closed,
}

/// Both clocks, read once per turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) mono: Mono,
    pub(crate) wall: Wall,
}

/// How large a body a route takes.
pub(crate) type BodyCap<'a> = &'a dyn Fn(&RequestHead) -> u64;

#[derive(Debug)]
pub(crate) struct Conversation {
    parser: RequestParser,
    phase: Phase,
    /// When the phase began and when it must be over.
    since: Mono,
    deadline: Mono,
    idle_timeout: Duration,
    /// When the client last moved [`limits::HTTP_PROGRESS_BYTES`], and what it has moved since.
    progress: Mono,
    moved: usize,
    input: Vec<u8>,
    output: Vec<u8>,
    /// What follows the output: a large body is moved here, not copied.
    body: Vec<u8>,
    /// Bytes written of the output, or of the body once the output is out.
    written: usize,
    head_only: bool,
    keep_alive: bool,
    /// The request was not read to its end: more of it may arrive.
    is_refused: bool,
}

impl Conversation {
    pub(crate) fn new(now: Mono, idle_timeout: Duration) -> Conversation {
        Conversation {
            parser: RequestParser::default(),
            phase: Phase::Head,
            since: now,
            deadline: now + limits::HTTP_HEAD_TIMEOUT,
            idle_timeout,
            progress: now,
            moved: 0,
            input: Vec::new(),
            output: Vec::new(),
            body: Vec::new(),
            written: 0,
            head_only: false,
            keep_alive: true,
            is_refused: false,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn deadline(&self) -> Mono {
        self.deadline
    }

    /// Since when the client owes us a request, the rest of one, or to take its answer; if it does.
    pub(crate) fn waiting_since(&self) -> Option<Mono> {
        match self.phase {
            Phase::Idle | Phase::Head => Some(self.since),
            Phase::Body | Phase::Writing => Some(self.progress),
            Phase::Handling | Phase::Lingering | Phase::Closed => None,
        }
    }

    /// Notes what the client has moved of its request or answer.
    fn count(&mut self, now: Mono) {
        if self.moved >= limits::HTTP_PROGRESS_BYTES {
            self.progress = now;
            self.moved = 0;
        }
    }

    /// Whether bytes of the client are of use now.
    pub(crate) fn wants_input(&self) -> bool {
        matches!(
            self.phase,
            Phase::Idle | Phase::Head | Phase::Body | Phase::Lingering
        )
    }

    fn enter(&mut self, phase: Phase, now: Mono, timeout: Duration) {
        self.phase = phase;
        self.since = now;
        self.progress = now;
        self.moved = 0;
        self.deadline = now + timeout;
    }

    /// Takes bytes of the client. [`Conversation::next_request`] reads them.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        if self.phase != Phase::Lingering {
            self.input.extend_from_slice(bytes);
            self.moved += bytes.len();
        }
    }

    /// The client will send no more.
    pub(crate) fn ended(&mut self) {
        if self.wants_input() {
            self.phase = Phase::Closed;
        }
    }

    /// The connection is of no use any more.
    pub(crate) fn broke(&mut self) {
        self.phase = Phase::Closed;
    }

    /// The next whole request, if its bytes are there. The conversation is then in Handling until
    /// it is answered.
    pub(crate) fn next_request(&mut self, now: Now, cap: BodyCap<'_>) -> Option<Request> {
        if self.phase == Phase::Idle && !self.input.is_empty() {
            self.enter(Phase::Head, now.mono, limits::HTTP_HEAD_TIMEOUT);
        }
        if !matches!(self.phase, Phase::Head | Phase::Body) {
            return None;
        }
        self.count(now.mono);
        match self.parser.read(&mut self.input, cap) {
            Ok(Step::Complete(request)) => {
                self.head_only = request.head.method == Method::Head;
                self.keep_alive &= request.head.keep_alive;
                self.enter(Phase::Handling, now.mono, limits::HTTP_HANDLING_TIMEOUT);
                return Some(request);
            }
            Ok(Step::Continue) => self
                .output
                .extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n"),
            Ok(Step::NeedMore) => {}
            Err(refusal) => {
                self.close_with(now, refusal.status(), &refusal.to_string());
                return None;
            }
        }
        if self.phase == Phase::Head && self.parser.is_in_body() {
            self.enter(Phase::Body, now.mono, limits::HTTP_BODY_TIMEOUT);
        }
        None
    }

    fn close_with(&mut self, now: Now, status: u16, text: &str) {
        self.keep_alive = false;
        self.head_only = false;
        self.is_refused = true;
        self.answer(now, Response::text(status, format!("{text}\n")));
    }

    /// Puts the answer out.
    pub(crate) fn answer(&mut self, now: Now, response: Response) {
        let exchange = Exchange {
            head_only: self.head_only,
            keep_alive: self.keep_alive,
            now: now.wall,
        };
        self.body = response.encode(exchange, &mut self.output);
        if self.body.len() <= limits::HTTP_COPIED_BODY_BYTES {
            self.output.append(&mut self.body);
            self.body = Vec::new();
        }
        // It has grown by doubling, and may be held for a while.
        self.body.shrink_to_fit();
        self.enter(Phase::Writing, now.mono, limits::HTTP_WRITE_TIMEOUT);
    }

    /// Bytes of the answer that are held.
    pub(crate) fn held(&self) -> usize {
        self.output.len() + self.body.len()
    }

    /// What is to be written next; empty when all is.
    pub(crate) fn output(&self) -> &[u8] {
        let current = if self.output.is_empty() {
            &self.body
        } else {
            &self.output
        };
        current.get(self.written..).unwrap_or_default()
    }

    /// Notes that `bytes` of the output were written. True when the write side is to be shut.
    pub(crate) fn wrote(&mut self, now: Mono, bytes: usize) -> bool {
        self.written += bytes;
        self.moved += bytes;
        self.count(now);
        if !self.output().is_empty() {
            return false;
        }
        // An idle client must not keep the memory of its last answer.
        self.written = 0;
        let was_head = !std::mem::take(&mut self.output).is_empty();
        if was_head && !self.body.is_empty() {
            return false;
        }
        self.body = Vec::new();
        if self.phase != Phase::Writing {
            return false;
        }
        if self.keep_alive {
            self.enter(Phase::Idle, now, self.idle_timeout);
            if self.input.is_empty() {
                self.input = Vec::new();
            }
            return false;
        }
        let was_read_whole = self.input.is_empty() && !self.is_refused;
        self.input = Vec::new();
        if was_read_whole {
            self.phase = Phase::Closed;
        } else {
            self.enter(Phase::Lingering, now, limits::HTTP_LINGER_TIMEOUT);
        }
        true
    }

    /// Ends what has lasted too long.
    pub(crate) fn expire(&mut self, now: Now) {
        if now.mono < self.deadline {
            return;
        }
        let has_spoken = !self.input.is_empty() || self.parser.is_in_body();
        match self.phase {
            Phase::Head | Phase::Body if has_spoken => {
                self.close_with(now, 408, "request took too long");
            }
            Phase::Handling => self.close_with(now, 504, "no answer in time"),
            _ => self.phase = Phase::Closed,
        }
    }

    /// The server stops: what is under way is finished, nothing new is begun.
    pub(crate) fn stop(&mut self) {
        self.keep_alive = false;
        if matches!(self.phase, Phase::Idle | Phase::Head | Phase::Lingering) {
            self.phase = Phase::Closed;
        }
    }
}
