//! Core of one lookup: whom to ask what next, and what the answers mean together.
//!
//! Names are tried in the order of the search list. For each, every server is asked until one
//! says "here are the records" (the lookup is done, even if there are none) or "no such name"
//! (on to the next name); `attempts` rounds over all servers. The outcome is empty only if every
//! name was denied by somebody who knows: one server that stayed silent makes it an error, so
//! that an outage of DNS never looks like "nothing there". Pure: the caller carries questions.

use std::net::SocketAddr;

use super::conf::ResolverConfig;
use super::message::{self, BadName, Query, Record, RecordKind, Reply};
use crate::limits;
use crate::model::time::Mono;
use crate::sys::jitter::Jitter;

/// How a question travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// One datagram each way.
    Udp,
    /// After a truncated reply.
    Tcp,
}

/// A question to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Whom to ask.
    pub server: SocketAddr,
    /// How.
    pub protocol: Protocol,
    /// The question.
    pub message: Vec<u8>,
    /// When to give this one up.
    pub deadline: Mono,
}

/// What the lookup wants next.
#[derive(Debug)]
pub enum Step {
    /// Ask this and report back.
    Ask(Ask),
    /// It is over.
    Done(Result<Vec<Record>, LookupError>),
}

/// What the reply to the last question was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Call [`Lookup::next`].
    Yes,
    /// Not an answer to the question: go on waiting.
    KeepWaiting,
}

/// Why a lookup gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The name itself is wrong.
    #[error(transparent)]
    Name(#[from] BadName),
    /// No server knew.
    #[error("no server could say whether {name} has {kind} records; last: {last}")]
    NoAnswer {
        /// The name as configured.
        name: String,
        /// What was asked for.
        kind: RecordKind,
        /// The last failure.
        last: AskError,
    },
}

/// Why one server gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It was silent.
    #[error("{server} did not answer in time")]
    Timeout {
        /// Who.
        server: SocketAddr,
    },
    /// It answered with a failure.
    #[error("{server} answered with code {code}")]
    Code {
        /// Who.
        server: SocketAddr,
        /// Response code of RFC 1035.
        code: u8,
    },
    /// It answered with something that is no DNS message.
    #[error("{server} answered with a malformed message")]
    Malformed {
        /// Who.
        server: SocketAddr,
    },
    /// The system could not reach it.
    #[error("{server}: {source}")]
    Io {
        /// Who.
        server: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The time for the whole lookup was over.
    #[error("out of time after {} s", limits::DNS_LOOKUP_DEADLINE.as_secs())]
    OutOfTime,
}

/// One lookup under way.
#[derive(Debug)]
pub struct Lookup {
    conf: ResolverConfig,
    name: String,
    kind: RecordKind,
    deadline: Mono,
    ids: Jitter,
    /// Absolute names still to try, the present one last.
    candidates: Vec<String>,
    /// Servers asked for the present name, over all rounds.
    asked: usize,
    /// Server that is asked first.
    offset: usize,
    mode: Mode,
    pending: Option<Query>,
    last_error: Option<AskError>,
    /// Whether a name was given up without anybody denying it.
    in_doubt: bool,
    done: Option<Vec<Record>>,
}

/// How the present server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Usual,
    WithoutEdns,
    Tcp,
}

impl Lookup {
    /// Begins a lookup at `now`.
    ///
    /// # Errors
    /// When the name cannot be asked for.
    pub fn new(
        now: Mono,
        conf: ResolverConfig,
        name: &str,
        kind: RecordKind,
        mut ids: Jitter,
    ) -> Result<Lookup, LookupError> {
        if !message::is_name(name) {
            return Err(LookupError::Name(BadName {
                name: name.to_owned(),
            }));
        }
        let mut candidates = conf.candidates(name);
        // A suffix can make a name too long; then there is nothing to ask about it.
        candidates.retain(|candidate| message::is_name(candidate));
        candidates.reverse();
        let offset = if conf.rotate {
            ids.next_u64() as usize % conf.servers.len().max(1)
        } else {
            0
        };
        Ok(Lookup {
            conf,
            name: name.to_owned(),
            kind,
            deadline: now + limits::DNS_LOOKUP_DEADLINE,
            ids,
            candidates,
            asked: 0,
            offset,
            mode: Mode::Usual,
            pending: None,
            last_error: None,
            in_doubt: false,
            done: None,
        })
    }

    /// What to do now.
    pub fn next(&mut self, now: Mono) -> Step {
        if let Some(records) = self.done.take() {
            return Step::Done(Ok(records));
        }
        if now >= self.deadline {
            self.candidates.clear();
            self.in_doubt = true;
            self.last_error.get_or_insert(AskError::OutOfTime);
        }
        while let Some(name) = self.candidates.last() {
            let rounds = usize::try_from(self.conf.attempts).unwrap_or(usize::MAX);
            if self.asked >= self.conf.servers.len().saturating_mul(rounds) {
                self.in_doubt = true;
                self.next_name();
                continue;
            }
            let query = Query {
                id: (self.ids.next_u64() >> 48) as u16,
                name: name.clone(),
                kind: self.kind,
                edns: self.mode == Mode::Usual,
            };
            match message::encode(&query) {
                Ok(message) => return self.ask(now, query, message),
                Err(bad) => return Step::Done(Err(bad.into())),
            }
        }
        Step::Done(self.verdict())
    }

    fn ask(&mut self, now: Mono, query: Query, message: Vec<u8>) -> Step {
        self.pending = Some(query);
        Step::Ask(Ask {
            server: self.server(),
            protocol: if self.mode == Mode::Tcp {
                Protocol::Tcp
            } else {
                Protocol::Udp
            },
            message,
            deadline: (now + self.conf.timeout).min(self.deadline),
        })
    }

    fn server(&self) -> SocketAddr {
        let servers = &self.conf.servers;
        servers[(self.offset + self.asked) % servers.len()]
    }

    fn verdict(&mut self) -> Result<Vec<Record>, LookupError> {
        match self.last_error.take() {
            Some(last) if self.in_doubt => Err(LookupError::NoAnswer {
                name: self.name.clone(),
                kind: self.kind,
                last,
            }),
            _ => Ok(Vec::new()),
        }
    }

    /// Bytes came in from the server that was asked.
    pub fn on_reply(&mut self, bytes: &[u8]) -> Taken {
        let Some(query) = &self.pending else {
            return Taken::KeepWaiting;
        };
        let server = self.server();
        match message::decode(bytes, query) {
            Reply::NotOurs => return Taken::KeepWaiting,
            Reply::Records(records) => self.done = Some(records),
            Reply::NoSuchName => self.next_name(),
            Reply::Truncated if self.mode != Mode::Tcp => self.mode = Mode::Tcp,
            Reply::NotUnderstood if self.mode == Mode::Usual => self.mode = Mode::WithoutEdns,
            Reply::Failed(code) => self.on_failure(AskError::Code { server, code }),
            Reply::NotUnderstood => self.on_failure(AskError::Code { server, code: 1 }),
            Reply::Truncated | Reply::Malformed => {
                self.on_failure(AskError::Malformed { server });
            }
        }
        self.pending = None;
        Taken::Yes
    }

    /// The server that was asked gave no answer.
    pub fn on_failure(&mut self, error: AskError) {
        self.last_error = Some(error);
        self.pending = None;
        self.mode = Mode::Usual;
        self.asked += 1;
    }

    fn next_name(&mut self) {
        self.candidates.pop();
        self.asked = 0;
        self.mode = Mode::Usual;
    }
}

#[cfg(test)]
mod tests;
