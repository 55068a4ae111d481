//! The fetcher: many GETs at once on one thread.
//!
//! It shares the thread's mio poll with its owner, who hands it events and turns:
//!
//! ```text
//! loop:  poll(wait)  ->  event(...) for each of its events  ->  turn(now)  ->  completed() until none
//! ```
//!
//! Each exchange has one deadline over everything: resolving, connecting, TLS, redirects, body. A
//! peer that hangs costs one descriptor until then and delays nobody. Connections are kept and used
//! again; one that turns out to be closed before it answered is replaced once. Names are resolved
//! on the resolver's threads. A panic in one exchange fails that exchange. Bodies stay as they came;
//! see [`BodyDecoder`]. It knows nothing of metrics.

mod connection;
mod dial;
mod error;
mod pool;
mod progress;
mod route;
mod socket;
mod spec;
mod task;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::Registry;
use mio::event::Event;

pub use self::error::{Failure, FetchError};
use self::pool::Pool;
pub use self::spec::{BodyDecoder, FetchSpec, Fetched, SpecError};
use self::task::{Fetch, Work};
use super::resolve::{Resolution, Resolver};
use crate::http::redirect::Trail;
use crate::limits;
use crate::model::time::Mono;
use crate::sys::mailbox::{Doorbell, MailReceiver, MailSender, mailbox};

/// Drives exchanges. Not for sharing between threads.
pub struct Fetcher {
    registry: Registry,
    first_token: usize,
    resolver: Resolver,
    inbox: MailReceiver<Word>,
    outbox: MailSender<Word>,
    pool: Pool,
    // Order never shows: looked up by key.
    fetches: HashMap<u64, Box<Fetch>>,
    /// When to look after an exchange even if nothing happens to it.
    alarms: BTreeSet<(Mono, u64)>,
    /// Connections to look after; each once.
    queue: VecDeque<usize>,
    completed: VecDeque<(u64, Result<Fetched, FetchError>)>,
    buffer: Box<[u8]>,
    spare: Vec<Vec<u8>>,
    /// Bytes of bodies of all exchanges under way.
    body_bytes: usize,
    serial: u64,
}

/// What an exchange has waited for: which one, the number of its question, the answer.
#[derive(Debug)]
struct Word {
    key: u64,
    serial: u64,
    said: Said,
}

#[derive(Debug)]
enum Said {
    /// By the resolver.
    Addresses(Resolution),
    /// It is known how the credentials stand.
    Credentials,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher")
            .field("active", &self.fetches.len())
            .finish_non_exhaustive()
    }
}

impl Fetcher {
    /// A fetcher whose events come at the poll of `registry` with `first_token` or a larger one.
    /// The resolver's answers ring `bell`, which must belong to the same poll: after each ring a
    /// turn is due.
    ///
    /// # Errors
    /// When the system gives no further handle to the poll.
    pub fn new(
        registry: &Registry,
        bell: &Doorbell,
        first_token: usize,
        resolver: Resolver,
    ) -> io::Result<Fetcher> {
        // When full, an answer is lost and its exchange ends by its deadline; it cannot be full
        // unless lookups outlive thousands of exchanges.
        let (outbox, inbox) = mailbox(bell, limits::FETCH_EXCHANGES);
        Ok(Fetcher {
            registry: registry.try_clone()?,
            first_token,
            resolver,
            inbox,
            outbox,
            pool: Pool::default(),
            fetches: HashMap::new(),
            alarms: BTreeSet::new(),
            queue: VecDeque::new(),
            completed: VecDeque::new(),
            buffer: vec![0; limits::FETCH_READ_BYTES].into(),
            spare: Vec::new(),
            body_bytes: 0,
            serial: 0,
        })
    }

    /// Begins an exchange that ends, one way or the other, by `deadline`. `key` names it in
    /// [`Fetcher::completed`]; one that is under way by that name is cancelled.
    pub fn start(&mut self, now: Mono, key: u64, spec: Arc<FetchSpec>, deadline: Mono) {
        self.cancel(key);
        let mut fetch = Box::new(Fetch {
            trail: Trail::new(&spec.url),
            spec,
            moved: None,
            deadline,
            alarm: deadline,
            retried: false,
            work: Work::Nothing,
            body: self.spare.pop().unwrap_or_default(),
        });
        self.alarms.insert((deadline, key));
        if self.fetches.len() >= limits::FETCH_EXCHANGES {
            return self.fail(key, &mut fetch, Failure::Busy);
        }
        self.open(now, key, fetch, true);
    }

    /// Ends an exchange without a result.
    pub fn cancel(&mut self, key: u64) {
        if let Some(mut fetch) = self.fetches.remove(&key) {
            self.alarms.remove(&(fetch.alarm, key));
            self.body_bytes -= fetch.body.len();
            self.drop_connection(&fetch);
            self.let_go(&mut fetch);
        }
        self.completed.retain(|(own, _)| *own != key);
    }

    /// Takes note of an event of the poll. False if it is not the fetcher's.
    pub fn event(&mut self, event: &Event) -> bool {
        let Some(number) = event.token().0.checked_sub(self.first_token) else {
            return false;
        };
        if let Some(connection) = self.pool.get_mut(number) {
            let failed = event.is_error();
            connection.socket.note(
                failed || event.is_readable() || event.is_read_closed(),
                failed || event.is_writable() || event.is_write_closed(),
            );
            self.enqueue(number);
        }
        true
    }

    /// Does what is to be done: once for each connection that can go on, then the answers of the
    /// resolver, then what is overdue.
    pub fn turn(&mut self, now: Mono) {
        for _ in 0..self.queue.len() {
            if let Some(slot) = self.queue.pop_front() {
                self.visit(now, slot);
            }
        }
        self.inbox.answer_bell();
        while let Ok(word) = self.inbox.try_recv() {
            self.heard(now, word);
        }
        while let Some((_, key)) = self.alarms.first().copied().filter(|(at, _)| *at <= now) {
            self.alarm(now, key);
        }
        self.pool.expire(now);
    }

    /// How long the poll may wait: none for ever, zero if there is something to do or to take.
    #[must_use]
    pub fn wait(&self, now: Mono) -> Option<Duration> {
        if !self.queue.is_empty() || !self.completed.is_empty() {
            return Some(Duration::ZERO);
        }
        let alarm = self.alarms.first().map(|(at, _)| *at);
        let next = alarm.into_iter().chain(self.pool.next_expiry()).min()?;
        Some(next.since(now))
    }

    /// The next result.
    pub fn completed(&mut self) -> Option<(u64, Result<Fetched, FetchError>)> {
        self.completed.pop_front()
    }

    /// Takes back a result whose body has been used, to use its memory again.
    pub fn recycle(&mut self, fetched: Fetched) {
        self.keep_body(fetched.wire_body);
    }

    /// Exchanges under way.
    #[must_use]
    pub fn active(&self) -> usize {
        self.fetches.len()
    }

    fn enqueue(&mut self, slot: usize) {
        if let Some(connection) = self.pool.get_mut(slot)
            && !std::mem::replace(&mut connection.queued, true)
        {
            self.queue.push_back(slot);
        }
    }

    fn set_alarm(&mut self, key: u64, fetch: &mut Fetch, at: Mono) {
        self.alarms.remove(&(fetch.alarm, key));
        fetch.alarm = at;
        self.alarms.insert((at, key));
    }

    /// Takes the memory of an exchange's body.
    fn let_go(&mut self, fetch: &mut Fetch) {
        let body = std::mem::take(&mut fetch.body);
        self.keep_body(body);
    }

    fn keep_body(&mut self, mut body: Vec<u8>) {
        let fitting = (1..=limits::FETCH_SPARE_BYTES).contains(&body.capacity());
        if fitting && self.spare.len() < limits::FETCH_SPARE_BODIES {
            body.clear();
            self.spare.push(body);
        }
    }

    /// Closes the connection an exchange works on.
    fn drop_connection(&mut self, fetch: &Fetch) {
        if let Some(slot) = fetch.slot()
            && self.pool.take(slot).is_some()
        {
            self.pool.release(slot);
        }
    }
}

#[cfg(test)]
mod tests;
