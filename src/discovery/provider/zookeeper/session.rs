//! A session with ZooKeeper across its connections: what to send when, and what came back. No I/O.
//!
//! A connection begins with a handshake that opens the session or goes on with the one there is, so
//! that a change of server does not cost the ensemble a new session. Answers come in the order of
//! the questions. A server that has said nothing for two thirds of the session's timeout is given up,
//! and pings see to it that a healthy one has something to say.
//!
//! The shell hands in bytes and the time, sends what it is given, and asks for the deadline.

use std::collections::VecDeque;
use std::time::Duration;

use super::jute::JuteError;
use super::wire::{self, Answer, Change, Code, FrameError, Frames, Granted, Question};
use crate::limits;
use crate::model::time::Mono;

/// Why a connection is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SessionError {
    /// The server ended the session, or did not know it. The next connection opens a new one.
    #[error("session expired")]
    Expired,
    /// The server said nothing for too long.
    #[error("no word for {0:?}")]
    Silent(Duration),
    /// The server answered something that was not asked.
    #[error("answer {found} where {expected} was due")]
    OutOfOrder {
        /// The number that came.
        found: i32,
        /// The number that was due; 0 for none.
        expected: i32,
    },
    /// The server sent something else than messages.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The server sent a message that cannot be read.
    #[error(transparent)]
    Jute(#[from] JuteError),
}

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The session is open; questions may be asked.
    Open,
    /// About a question.
    Answer(Question, Result<Answer, Code>),
    /// That a node changed; its watch is spent.
    Event(Change, String),
}

/// The session.
pub(super) struct Session {
    /// The timeout we ask for.
    wanted: Duration,
    id: i64,
    password: Vec<u8>,
    zxid: i64,
    /// The timeout that was granted.
    granted: Duration,
    /// When a server that had this session last said something.
    heard: Option<Mono>,
    link: Option<Link>,
}

/// One connection.
#[derive(Debug)]
struct Link {
    frames: Frames,
    open: bool,
    next_xid: i32,
    asked: VecDeque<(i32, Question)>,
    sent_at: Mono,
    heard_at: Mono,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, link) = (self.id, &self.link);
        write!(f, "Session {{ id: {id:#x}, link: {link:?} }}")
    }
}

impl Session {
    /// A session that is still to be opened.
    #[must_use]
    pub(super) fn new(timeout: Duration) -> Session {
        Session {
            wanted: timeout,
            id: 0,
            password: Vec::new(),
            zxid: 0,
            granted: timeout,
            heard: None,
            link: None,
        }
    }

    /// Begins anew on a new connection: the bytes to send. A session that no server has heard of for
    /// its timeout is over, and what had been seen in it is forgotten: else a server whose data was
    /// set back would turn us away for ever.
    pub(super) fn connect(&mut self, now: Mono) -> Vec<u8> {
        if self
            .heard
            .is_none_or(|heard| now.since(heard) > self.granted)
        {
            *self = Session::new(self.wanted);
        }
        self.link = Some(Link {
            frames: Frames::default(),
            open: false,
            next_xid: 1,
            asked: VecDeque::new(),
            sent_at: now,
            heard_at: now,
        });
        wire::open(&wire::Opening {
            zxid: self.zxid,
            timeout: i32::try_from(self.wanted.as_millis()).unwrap_or(i32::MAX),
            id: self.id,
            password: &self.password,
        })
    }

    /// Notes that the connection is gone.
    pub(super) fn disconnect(&mut self) {
        self.link = None;
    }

    /// Whether one more question may be asked now.
    #[must_use]
    pub(super) fn has_room(&self) -> bool {
        let link = self.link.as_ref();
        link.is_some_and(|link| link.open && link.asked.len() < limits::ZK_IN_FLIGHT)
    }

    /// Whether there are questions without an answer.
    #[must_use]
    pub(super) fn waits(&self) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| !link.asked.is_empty())
    }

    /// Asks: the bytes to send, none when there is no connection.
    pub(super) fn ask(&mut self, now: Mono, question: Question) -> Vec<u8> {
        let Some(link) = &mut self.link else {
            return Vec::new();
        };
        let xid = link.number();
        let bytes = wire::ask(xid, &question);
        link.asked.push_back((xid, question));
        link.sent_at = now;
        bytes
    }

    /// Ends the session: the bytes to send.
    pub(super) fn close(&mut self) -> Vec<u8> {
        let link = self.link.as_mut().filter(|link| link.open);
        link.map_or_else(Vec::new, |link| wire::close(link.number()))
    }

    /// What is due by now: a ping to send, if any.
    ///
    /// # Errors
    /// When the server has been silent for too long.
    pub(super) fn beat(&mut self, now: Mono) -> Result<Vec<u8>, SessionError> {
        let (patience, pause) = (self.patience(), self.pause());
        let Some(link) = &mut self.link else {
            return Ok(Vec::new());
        };
        if now.since(link.heard_at) >= patience {
            return Err(SessionError::Silent(patience));
        }
        if !link.open || now.since(link.sent_at) < pause {
            return Ok(Vec::new());
        }
        link.sent_at = now;
        Ok(wire::ping())
    }

    /// When [`Session::beat`] is due.
    #[must_use]
    pub(super) fn deadline(&self) -> Mono {
        let Some(link) = &self.link else {
            return Mono::NEVER;
        };
        let silent = link.heard_at + self.patience();
        if link.open {
            silent.min(link.sent_at + self.pause())
        } else {
            silent
        }
    }

    /// How long a server may say nothing.
    fn patience(&self) -> Duration {
        self.granted * 2 / 3
    }

    /// How long we may say nothing.
    fn pause(&self) -> Duration {
        self.granted / 3
    }

    /// Takes bytes in that a server sent, and returns what they say.
    ///
    /// # Errors
    /// When the connection is of no use any more.
    pub(super) fn receive(&mut self, now: Mono, bytes: &[u8]) -> Result<Vec<Heard>, SessionError> {
        // Moved out for as long as its frames are borrowed.
        let Some(mut link) = self.link.take() else {
            return Ok(Vec::new());
        };
        link.heard_at = now;
        link.frames.push(bytes);
        let mut frames = std::mem::take(&mut link.frames);
        let mut heard = Vec::new();
        while let Some(message) = frames.message()? {
            heard.extend(self.understand(&mut link, message)?);
        }
        if link.open {
            self.heard = Some(now);
        }
        link.frames = frames;
        self.link = Some(link);
        Ok(heard)
    }

    fn understand(&mut self, link: &mut Link, bytes: &[u8]) -> Result<Option<Heard>, SessionError> {
        if !link.open {
            self.accept(wire::granted(bytes)?)?;
            link.open = true;
            return Ok(Some(Heard::Open));
        }
        let (header, rest) = wire::header(bytes)?;
        self.zxid = self.zxid.max(header.zxid);
        match header.xid {
            wire::XID_PING => Ok(None),
            wire::XID_EVENT => {
                let event = wire::event(rest)?;
                Ok(event.map(|(change, path)| Heard::Event(change, path)))
            }
            found => {
                let due = link.asked.pop_front();
                let expected = due.as_ref().map_or(0, |(xid, _)| *xid);
                let Some((_, question)) = due.filter(|(xid, _)| *xid == found) else {
                    return Err(SessionError::OutOfOrder { found, expected });
                };
                if header.error == Some(Code::SESSION_EXPIRED) {
                    return Err(self.expire());
                }
                let answer = match header.error {
                    Some(code) => Err(code),
                    None => Ok(wire::answer(question.what, rest)?),
                };
                Ok(Some(Heard::Answer(question, answer)))
            }
        }
    }

    fn accept(&mut self, granted: Granted) -> Result<(), SessionError> {
        let timeout = u64::try_from(granted.timeout).unwrap_or(0);
        if timeout == 0 || granted.id == 0 {
            return Err(self.expire());
        }
        self.granted = Duration::from_millis(timeout);
        self.id = granted.id;
        self.password = granted.password;
        Ok(())
    }

    /// The next connection opens a new session. What was seen stays seen: a server that is behind it
    /// must not show us the past.
    fn expire(&mut self) -> SessionError {
        self.id = 0;
        self.password.clear();
        SessionError::Expired
    }
}

impl Link {
    fn number(&mut self) -> i32 {
        let xid = self.next_xid;
        self.next_xid = xid.checked_add(1).unwrap_or(1);
        xid
    }
}

#[cfg(test)]
mod tests;
