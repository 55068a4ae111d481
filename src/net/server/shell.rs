//! The server's thread: poll, accept, read, hand over, write.
//!
//! # Thread
//! - Owns: the listeners and every client.
//! - Inbox: promised answers and the order to stop; room for one answer of every client, so it is
//!   never full.
//! - Outbox: none.
//! - Waits on: a mio poll.
//! - Deadlines: the nearest of its clients.
//! - Stops when: told so and the last client is done, at most `HTTP_STOP_TIMEOUT` later; or when
//!   its poll fails.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::http::server::request::Request;
use crate::http::server::response::Response;
use crate::limits;
use crate::model::pressure::Relief;
use crate::model::time::Mono;
use crate::sys::clock::Clock;
use crate::sys::mailbox::{MailReceiver, MailSender};

use super::conversation::{Conversation, Now, Phase};
use super::line::{HandshakeError, Line};
use super::{Answer, Handler, Mail, Promises, ServerOptions};

/// Where the mailbox rings. Listeners have the tokens below it, clients those above.
pub(super) const MAIL: Token = Token(1000);

pub(super) struct Doors {
    pub(super) poll: Poll,
    pub(super) inbox: MailReceiver<Mail>,
    pub(super) mail: MailSender<Mail>,
    pub(super) clock: Arc<dyn Clock>,
}

/// A listener and whether clients may be waiting at it: epoll tells only of changes.
struct Door {
    listener: TcpListener,
    has_waiting: bool,
}

struct Client {
    line: Line,
    peer: SocketAddr,
    talk: Conversation,
    /// What the poll last said, until the socket says otherwise.
    readable: bool,
    writable: bool,
}

pub(super) struct Server {
    doors: Doors,
    listeners: Vec<Door>,
    clients: BTreeMap<Token, Client>,
    next_token: usize,
    handler: Box<dyn Handler>,
    options: ServerOptions,
    scratch: Box<[u8]>,
    /// Set once stopping: when to be gone.
    end: Option<Mono>,
    /// When accepting may be tried again after it failed or found no place.
    retry_accept: Mono,
}

impl Server {
    pub(super) fn new(
        doors: Doors,
        listeners: Vec<std::net::TcpListener>,
        handler: Box<dyn Handler>,
        options: ServerOptions,
    ) -> io::Result<Server> {
        let mut own = Vec::new();
        for (index, listener) in listeners.into_iter().enumerate() {
            listener.set_nonblocking(true)?;
            let mut listener = TcpListener::from_std(listener);
            let registry = doors.poll.registry();
            registry.register(&mut listener, Token(index), Interest::READABLE)?;
            own.push(Door {
                listener,
                has_waiting: true,
            });
        }
        Ok(Server {
            doors,
            listeners: own,
            clients: BTreeMap::new(),
            next_token: MAIL.0 + 1,
            handler,
            options,
            scratch: vec![0; limits::HTTP_READ_BYTES].into(),
            end: None,
            retry_accept: Mono(0),
        })
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(limits::HTTP_EVENTS);
        let mut wake_at = Mono(0);
        loop {
            let timeout = (wake_at != Mono::NEVER).then(|| wake_at.since(self.now().mono));
            match self.doors.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    log::error!(err:% = error; "http server stops: its poll failed");
                    return;
                }
            }
            let now = self.now();
            self.note(&events);
            self.read_mail(now);
            self.accept(now);
            wake_at = self.drive_all(now);
            if self
                .end
                .is_some_and(|end| self.clients.is_empty() || now.mono >= end)
            {
                return;
            }
        }
    }

    fn now(&self) -> Now {
        Now {
            mono: self.doors.clock.mono(),
            wall: self.doors.clock.wall(),
        }
    }

    fn note(&mut self, events: &Events) {
        for event in events {
            if let Some(client) = self.clients.get_mut(&event.token()) {
                client.readable |= event.is_readable() || event.is_error();
                client.writable |= event.is_writable() || event.is_error();
            } else if let Some(door) = self.listeners.get_mut(event.token().0) {
                door.has_waiting = true;
            }
        }
    }

    fn read_mail(&mut self, now: Now) {
        self.doors.inbox.answer_bell();
        while let Ok(mail) = self.doors.inbox.try_recv() {
            match mail {
                Mail::Answer(token, response) => {
                    // A client that gave up in between is gone from the map, or past Handling.
                    if let Some(client) = self.clients.get_mut(&token)
                        && client.talk.phase() == Phase::Handling
                    {
                        client.talk.answer(now, response);
                    }
                }
                Mail::Again(token, request) => self.handle_again(now, token, request),
                Mail::Stop => {
                    self.listeners.clear();
                    self.end = Some(now.mono + limits::HTTP_STOP_TIMEOUT);
                    self.clients
                        .values_mut()
                        .for_each(|client| client.talk.stop());
                }
            }
        }
    }

    /// Hands a request to the handler for the second time.
    fn handle_again(&mut self, now: Now, token: Token, request: Request) {
        let room = self.room_in_all().saturating_sub(self.held());
        if let Some(client) = self.clients.get_mut(&token)
            && client.talk.phase() == Phase::Handling
        {
            let promises = Promises {
                mail: &self.doors.mail,
                client: token,
                peer: client.peer,
                room: room.max(limits::HTTP_ANSWER_BYTES_MIN),
            };
            let handler = self.handler.as_mut();
            let answer = guarded(request, |request| handler.handle_again(request, &promises));
            if let Answer::Now(response) = answer {
                client.talk.answer(now, response);
            }
        }
    }

    /// Bytes of answers that are held.
    fn held(&self) -> usize {
        self.clients.values().map(|client| client.talk.held()).sum()
    }

    /// Bytes that all answers may have together.
    fn room_in_all(&self) -> usize {
        let memory = &self.options.memory;
        if memory.sheds(Relief::Visitors) {
            return 0;
        }
        let budget = memory.body_bytes_max().unwrap_or(u64::MAX);
        budget.min(limits::HTTP_ANSWERS_BYTES_MAX as u64) as usize
    }

    fn accept(&mut self, now: Now) {
        while now.mono >= self.retry_accept
            && let Some(door) = self.listeners.iter_mut().find(|door| door.has_waiting)
        {
            if self.clients.len() >= self.options.clients_max {
                // Asking would take the client in; so make a place first.
                match make_place(&mut self.clients, now.mono) {
                    Ok(()) => {}
                    Err(retry) => {
                        self.retry_accept = retry;
                        return;
                    }
                }
            }
            match door.listener.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer, now.mono),
                Err(error) if error.kind() == ErrorKind::WouldBlock => door.has_waiting = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    // Out of descriptors, or a client that was gone before we took it.
                    log::debug!(err:% = error; "cannot accept a client");
                    self.retry_accept = now.mono + limits::HTTP_ACCEPT_RETRY;
                }
            }
        }
    }

    /// Whether memory runs short and there are clients enough; counts the one that is turned away.
    /// A few are always served: the agent scrapes itself, and is watched.
    fn turns_away(&self) -> bool {
        self.clients.len() >= limits::MEMORY_CLIENTS && self.options.memory.shed(Relief::Visitors)
    }

    fn welcome(&mut self, mut stream: TcpStream, peer: SocketAddr, now: Mono) {
        if self.turns_away() {
            // Closed at once: an answer would cost what there is not.
            return;
        }
        let token = Token(self.next_token);
        self.next_token += 1;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self
            .doors
            .poll
            .registry()
            .register(&mut stream, token, interest);
        if let Err(error) = registered {
            log::debug!(err:% = error; "cannot watch a client");
            return;
        }
        // Small answers should not wait for the peer's acknowledgement; slower if it fails.
        let _slower = stream.set_nodelay(true);
        let tls = self.handler.tls();
        let line = match Line::new(stream, tls) {
            Ok(line) => line,
            Err(error) => {
                log::debug!(err:% = error; "cannot speak TLS with a client");
                return;
            }
        };
        let client = Client {
            line,
            peer,
            talk: Conversation::new(now, self.options.idle_timeout),
            readable: true,
            writable: true,
        };
        self.clients.insert(token, client);
    }

    /// Moves every client on, and returns when to look again.
    fn drive_all(&mut self, now: Now) -> Mono {
        let before = self.clients.len();
        let mut wake_at = self.move_on(now);
        if self.clients.len() < before {
            // A place, and a descriptor, became free.
            self.retry_accept = Mono(0);
        }
        if self.listeners.iter().any(|door| door.has_waiting) {
            wake_at = wake_at.min(self.retry_accept.max(now.mono));
        }
        wake_at
    }

    fn move_on(&mut self, now: Now) -> Mono {
        let mut wake_at = self.end.unwrap_or(Mono::NEVER);
        let (mut held, in_all) = (self.held(), self.room_in_all());
        let (handler, mail) = (&mut self.handler, &self.doors.mail);
        self.clients.retain(|token, client| {
            client.talk.expire(now);
            let promises = Promises {
                mail,
                client: *token,
                peer: client.peer,
                room: in_all
                    .saturating_sub(held)
                    .max(limits::HTTP_ANSWER_BYTES_MIN),
            };
            held -= client.talk.held();
            let has_more = client.drive(now, handler.as_mut(), &promises, &mut self.scratch);
            held += client.talk.held();
            let next = if has_more {
                now.mono
            } else {
                client.talk.deadline()
            };
            wake_at = wake_at.min(next);
            client.talk.phase() != Phase::Closed
        });
        wake_at
    }
}

/// Sends the client away that has owed us a request longest, or has not moved its request or answer, if
/// one has for long enough; else says when that will be.
fn make_place(clients: &mut BTreeMap<Token, Client>, now: Mono) -> Result<(), Mono> {
    let waiting = clients.iter().filter_map(|(token, client)| {
        let since = client.talk.waiting_since()?;
        let is_idle = client.talk.phase() == Phase::Idle;
        let grace = if is_idle {
            0
        } else {
            limits::HTTP_GRACE.as_nanos() as u64
        };
        Some((Mono(since.0.saturating_add(grace)), *token))
    });
    match waiting.min() {
        Some((from, token)) if from <= now => {
            clients.remove(&token);
            Ok(())
        }
        Some((from, _)) => Err(from),
        None => Err(now + limits::HTTP_GRACE),
    }
}

impl Client {
    /// Reads, answers and writes as far as it goes without waiting. True when there may be more
    /// to do at once: nobody gets more than a few rounds in a row.
    fn drive(
        &mut self,
        now: Now,
        handler: &mut dyn Handler,
        promises: &Promises<'_>,
        scratch: &mut [u8],
    ) -> bool {
        for _ in 0..limits::HTTP_ROUNDS {
            let cap = |head: &_| handler.body_bytes_max(head);
            let request = self.talk.next_request(now, &cap);
            let is_handled = request.is_some();
            if let Some(request) = request
                && let Answer::Now(response) =
                    guarded(request, |request| handler.handle(request, promises))
            {
                self.talk.answer(now, response);
            }
            let moved = self.write(now) | self.read(handler, scratch);
            if self.talk.phase() == Phase::Closed || !(moved || is_handled) {
                return false;
            }
        }
        true
    }

    fn read(&mut self, handler: &mut dyn Handler, scratch: &mut [u8]) -> bool {
        if !self.readable || !self.talk.wants_input() {
            return false;
        }
        match self.line.read(scratch) {
            Ok(0) => self.talk.ended(),
            Ok(bytes) => self.talk.received(&scratch[..bytes]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                return false;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
                if let Some(failure) = inner {
                    let failure: &HandshakeError = failure;
                    handler.handshake_failed(self.peer, &failure.to_string());
                }
                self.talk.ended();
            }
        }
        true
    }

    fn write(&mut self, now: Now) -> bool {
        if !self.writable {
            return false;
        }
        let written = if self.line.wants_write() {
            self.line.flush().map(|()| 0)
        } else if self.talk.output().is_empty() {
            return false;
        } else {
            self.line.write(self.talk.output())
        };
        match written {
            Ok(0) => {}
            Ok(bytes) => {
                if self.talk.wrote(now.mono, bytes) {
                    // Fails when the client is gone already; reading will tell.
                    let _gone = self.line.close();
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.writable = false;
                return false;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.talk.broke(),
        }
        true
    }
}

/// A panic of the handler is an answer, too.
fn guarded(request: Request, handle: impl FnOnce(Request) -> Answer) -> Answer {
    let path = request.head.path.clone();
    let handled = catch_unwind(AssertUnwindSafe(|| handle(request)));
    handled.unwrap_or_else(|_| {
        log::error!(path = path; "BUG: the handler of a request panicked");
        Answer::Now(Response::text(500, "internal error\n"))
    })
}
