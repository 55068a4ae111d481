//! The thread of a ZooKeeper provider: connects, sends what the session says, feeds the tree.
//!
//! Servers are tried in turn. When none of them will do, the run ends with the error of the last one,
//! and the loop around it pauses before the next; what was found stays. A lost connection is replaced
//! at once as long as the last one was good for longer than the session's timeout.
//!
//! # Thread
//! - Owns: session, tree, socket. Inbox: none. Outbox: updates, blocks when full.
//! - Waits on: its socket and a waker, together. Deadlines: the session's, the next full reading.
//! - Stops when: the outlet says so; the waker ends the wait. A look-up of a server's name is the
//!   system's and cannot be ended.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::line::{Line, Reading, Waiting};
use super::servers::{Server, Turns};
use super::session::{Heard, Session, SessionError};
use super::tree::{Parse, Tree, TreeError};
use crate::discovery::outlet::Outlet;
use crate::discovery::provider::{ProviderError, Watch};
use crate::limits;
use crate::model::time::Mono;
use crate::net::resolve::{self, ResolveError};
use crate::sys::jitter::Jitter;
use crate::telemetry::registry::Counter;

/// Why a server is of no use.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("cannot connect within {0:?}")]
    Slow(Duration),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// The same with the server.
#[derive(Debug, thiserror::Error)]
#[error("ZooKeeper server {server}: {error}")]
struct ServerError {
    server: Server,
    error: LinkError,
}

/// Something that is wrong in the tree.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Remark(String);

/// What a provider is told.
#[derive(Debug)]
pub(super) struct Orders {
    /// The servers.
    pub(super) servers: Vec<Server>,
    /// The paths.
    pub(super) paths: Vec<String>,
    /// The session's timeout.
    pub(super) timeout: Duration,
    /// What the data of a node means.
    pub(super) parse: Parse,
}

/// The provider.
#[derive(Debug)]
pub(super) struct Provider {
    orders: Orders,
    turns: Turns,
    waiting: Waiting,
    failures: Arc<Counter>,
    jitter: Jitter,
    session: Session,
    tree: Tree,
    /// Whether the tree has been read as a whole; before that it must not be passed on.
    whole: bool,
    /// Whether the last run ended as it should, and not in a panic.
    orderly: bool,
    reading: Reader,
}

/// When the tree is read and passed on.
#[derive(Clone, Copy, Debug, Default)]
struct Reader {
    /// When the reading under way began.
    began: Option<Mono>,
    /// When everything is read again.
    next: Mono,
    /// When the last update was sent.
    sent: Mono,
}

impl Provider {
    /// One that has not begun.
    #[must_use]
    pub(super) fn new(
        orders: Orders,
        waiting: Waiting,
        failures: Arc<Counter>,
        mut jitter: Jitter,
    ) -> Provider {
        Provider {
            turns: Turns::new(&orders.servers, &mut jitter),
            session: Session::new(orders.timeout),
            tree: Tree::new(&orders.paths, orders.parse),
            orders,
            waiting,
            failures,
            jitter,
            whole: false,
            orderly: true,
            reading: Reader::default(),
        }
    }

    /// Forgets everything, so that nothing is passed on before it was read again as a whole.
    fn forget(&mut self) {
        self.session = Session::new(self.orders.timeout);
        self.tree = Tree::new(&self.orders.paths, self.orders.parse);
        self.whole = false;
    }

    /// Time for one address to accept a connection.
    fn patience(&self) -> Duration {
        let servers = u32::try_from(self.turns.count()).unwrap_or(u32::MAX).max(1);
        (self.orders.timeout / servers).max(limits::ZK_CONNECT_MIN)
    }

    /// Tries servers until it is time to stop, or none is left.
    fn rounds(&mut self, outlet: &Outlet) -> Result<(), ProviderError> {
        let mut failed = 0;
        while let Some(server) = self.turns.take() {
            let began = outlet.clock().mono();
            let done = self.follow(&server, outlet);
            self.session.disconnect();
            let Err(error) = done else { return Ok(()) };
            if outlet.stopped() {
                return Ok(());
            }
            self.failures.inc();
            if matches!(error, LinkError::Tree(_)) {
                self.forget();
            }
            if outlet.clock().mono().since(began) > self.orders.timeout {
                failed = 0;
            }
            failed += 1;
            let error = ServerError { server, error };
            if failed >= self.turns.count() {
                return Err(error.into());
            }
            outlet.failed(&error);
        }
        Ok(())
    }

    /// Reads from one server until it is time to stop.
    fn follow(&mut self, server: &Server, outlet: &Outlet) -> Result<(), LinkError> {
        let mut last = None;
        for address in resolve::lookup_here(&server.host)?.iter() {
            let address = SocketAddr::new(*address, server.port);
            match self.connect(address, outlet) {
                Ok(Some(line)) => return self.converse(line, outlet),
                Ok(None) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        last.map_or(Ok(()), Err)
    }

    /// Connects; nothing when it is time to stop.
    fn connect(&mut self, address: SocketAddr, outlet: &Outlet) -> Result<Option<Line>, LinkError> {
        let line = Line::connect(address, &self.waiting)?;
        let patience = self.patience();
        let deadline = outlet.clock().mono() + patience;
        while !outlet.stopped() {
            if line.is_connected()? {
                return Ok(Some(line));
            }
            let now = outlet.clock().mono();
            if now >= deadline {
                return Err(LinkError::Slow(patience));
            }
            self.waiting.wait(deadline.since(now))?;
        }
        Ok(None)
    }

    fn converse(&mut self, mut line: Line, outlet: &Outlet) -> Result<(), LinkError> {
        let now = outlet.clock().mono();
        line.put(&self.session.connect(now));
        let mut reading = Reading::Done;
        while !outlet.stopped() {
            let now = outlet.clock().mono();
            line.put(&self.session.beat(now)?);
            self.ask(now, &mut line);
            line.flush()?;
            if !self.pass_on(now, outlet) {
                break;
            }
            let time = match reading {
                Reading::Done => self.deadline().since(now),
                Reading::More => Duration::ZERO,
            };
            self.waiting.wait(time)?;
            let now = outlet.clock().mono();
            reading = line.read(|bytes| self.take(now, bytes))?;
        }
        // The server need not remember a session that nobody comes back to.
        line.put(&self.session.close());
        let _gone = line.flush();
        Ok(())
    }

    fn ask(&mut self, now: Mono, line: &mut Line) {
        if now >= self.reading.next && self.reading.began.is_none() && self.session.has_room() {
            self.read_again(now);
        }
        while self.session.has_room() {
            let Some(question) = self.tree.question() else {
                return;
            };
            line.put(&self.session.ask(now, question));
        }
    }

    fn read_again(&mut self, now: Mono) {
        self.tree.read_again();
        self.reading.began = Some(now);
        let spread = 0.95 + 0.1 * self.jitter.fraction();
        self.reading.next = now + limits::ZK_REREAD.mul_f64(spread);
    }

    fn take(&mut self, now: Mono, bytes: &[u8]) -> Result<(), LinkError> {
        for heard in self.session.receive(now, bytes)? {
            match heard {
                // Its server knows none of our watches.
                Heard::Open => self.read_again(now),
                Heard::Answer(question, answer) => self.tree.answer(question, answer)?,
                Heard::Event(change, path) => self.tree.event(change, &path),
            }
        }
        Ok(())
    }

    /// Passes on what is new, at once when the tree is at rest. False when it is time to stop.
    fn pass_on(&mut self, now: Mono, outlet: &Outlet) -> bool {
        let rest = self.session.has_room() && self.tree.is_idle() && !self.session.waits();
        self.whole |= rest;
        let due = rest || now.since(self.reading.sent) >= limits::ZK_UNREST;
        if !self.whole || !due {
            return true;
        }
        let read = if rest {
            self.reading.began.take()
        } else {
            None
        };
        if let Some(began) = read {
            outlet.took(now.since(began));
        }
        match self.tree.targets().update() {
            Some(update) => {
                self.reading.sent = now;
                if !outlet.send(update) {
                    return false;
                }
            }
            None if read.is_some() => outlet.unchanged(),
            None => return true,
        }
        if let Some(remark) = self.tree.remark().filter(|_| rest) {
            outlet.complain(&Remark(remark));
        }
        true
    }

    fn deadline(&mut self) -> Mono {
        let mut deadline = self.session.deadline().min(self.reading.next);
        if self.whole && self.tree.targets().has_news() {
            deadline = deadline.min(self.reading.sent + limits::ZK_UNREST);
        }
        deadline
    }
}

impl Watch for Provider {
    fn run(&mut self, outlet: &Outlet) -> Result<(), ProviderError> {
        if !std::mem::replace(&mut self.orderly, false) {
            self.forget();
        }
        self.reading = Reader {
            next: Mono::NEVER,
            ..Reader::default()
        };
        self.tree.targets().restate();
        let done = self.rounds(outlet);
        self.orderly = true;
        done
    }
}

#[cfg(test)]
mod tests;
