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
    input: Vec<u8>,
    output: Vec<u8>,
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
            input: Vec::new(),
            output: Vec::new(),
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

    /// Since when the client owes us a request, if it does.
    pub(crate) fn waiting_since(&self) -> Option<Mono> {
        matches!(self.phase, Phase::Idle | Phase::Head).then_some(self.since)
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
        self.deadline = now + timeout;
    }

    /// Takes bytes of the client. [`Conversation::next_request`] reads them.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        if self.phase != Phase::Lingering {
            self.input.extend_from_slice(bytes);
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
        self.answer(now, &Response::text(status, format!("{text}\n")));
    }

    /// Puts the answer out.
    pub(crate) fn answer(&mut self, now: Now, response: &Response) {
        let exchange = Exchange {
            head_only: self.head_only,
            keep_alive: self.keep_alive,
            now: now.wall,
        };
        response.encode(exchange, &mut self.output);
        self.enter(Phase::Writing, now.mono, limits::HTTP_WRITE_TIMEOUT);
    }

    /// What is still to be written.
    pub(crate) fn output(&self) -> &[u8] {
        &self.output[self.written..]
    }

    /// Notes that `bytes` of the output were written. True when the write side is to be shut.
    pub(crate) fn wrote(&mut self, now: Mono, bytes: usize) -> bool {
        self.written += bytes;
        if self.written < self.output.len() {
            return false;
        }
        // An idle client must not keep the memory of its last answer.
        self.output = Vec::new();
        self.written = 0;
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
