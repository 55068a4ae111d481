//! What happens to an exchange that has a connection: progress, completion, failure, deadline.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::connection::{Connection, Step};
use super::spec::Fetched;
use super::task::{Fetch, Work};
use super::{Failure, FetchError, Fetcher};
use crate::http::exchange::{Exchange, ExchangeError, ResponseHead};
use crate::http::redirect::is_redirect;
use crate::limits;
use crate::model::time::Mono;

impl Fetcher {
    /// Looks after one connection.
    pub(super) fn visit(&mut self, now: Mono, slot: usize) {
        let Some(mut connection) = self.pool.take(slot) else {
            return;
        };
        connection.queued = false;
        let fetch = connection.owner.map(|key| (key, self.fetches.remove(&key)));
        match fetch {
            Some((key, Some(fetch))) => self.advance(now, slot, connection, key, fetch),
            Some((_, None)) => self.pool.release(slot),
            None => {
                let quiet = connection.is_quiet(&mut self.buffer);
                self.pool.put(slot, connection);
                if !quiet {
                    self.pool.close(slot);
                }
            }
        }
    }

    pub(super) fn advance(
        &mut self,
        now: Mono,
        slot: usize,
        mut connection: Box<Connection>,
        key: u64,
        mut fetch: Box<Fetch>,
    ) {
        self.body_bytes -= fetch.body.len();
        let (errand, buffer) = (&mut fetch.errand(), &mut self.buffer);
        // A fault of ours or of a library that one peer provokes must not cost the others.
        let advanced = catch_unwind(AssertUnwindSafe(|| connection.advance(errand, buffer)));
        let mut step = advanced.unwrap_or(Err(Failure::Internal));
        self.body_bytes += fetch.body.len();
        if self.body_bytes > limits::FETCH_BODIES_BYTES && self.body_bytes > fetch.body.len() {
            step = self.make_way(fetch.body.len()).map_or(step, Err);
        }
        match step {
            Ok(Step::Done) => self.finish(now, slot, connection, key, fetch),
            Ok(step) => {
                if !connection.is_connecting() && matches!(fetch.work, Work::Dialing(..)) {
                    fetch.work = Work::Exchanging(slot);
                    let deadline = fetch.deadline;
                    self.set_alarm(key, &mut fetch, deadline);
                }
                self.pool.put(slot, connection);
                self.fetches.insert(key, fetch);
                if step == Step::Again {
                    self.enqueue(slot);
                }
            }
            Err(failure) => {
                self.pool.release(slot);
                self.recover(now, key, fetch, &connection, failure);
            }
        }
    }

    /// There is too much of bodies: ends the exchange that has the largest, so that nobody pays for
    /// another's size. A failure means that the largest is the caller's, which has `own` bytes.
    fn make_way(&mut self, own: usize) -> Option<Failure> {
        let largest = self
            .fetches
            .iter()
            .max_by_key(|(_, fetch)| fetch.body.len());
        let largest = largest.filter(|(_, fetch)| fetch.body.len() > own);
        let Some((key, mut fetch)) = largest
            .map(|(key, _)| *key)
            .and_then(|key| self.fetches.remove_entry(&key))
        else {
            return Some(Failure::Crowded);
        };
        self.drop_connection(&fetch);
        self.fail(key, &mut fetch, Failure::Crowded);
        None
    }

    /// The response is complete: keep the connection if it leads to the target itself, follow a
    /// redirect or hand the result over.
    pub(super) fn finish(
        &mut self,
        now: Mono,
        slot: usize,
        mut connection: Box<Connection>,
        key: u64,
        mut fetch: Box<Fetch>,
    ) {
        let exchange = connection.exchange();
        let reusable = exchange.is_some_and(Exchange::is_reusable);
        let head = exchange.and_then(Exchange::head).cloned();
        if reusable && fetch.is_at_home() {
            connection.rest(now);
            self.pool.keep(slot, connection);
        } else {
            drop(connection);
            self.pool.release(slot);
        }
        match head {
            Some(head) => self.conclude(now, key, fetch, head),
            None => self.fail(key, &mut fetch, Failure::Internal),
        }
    }

    /// Follows a redirect or hands the result over.
    fn conclude(&mut self, now: Mono, key: u64, mut fetch: Box<Fetch>, head: ResponseHead) {
        if fetch.spec.context.follow_redirects() && is_redirect(head.status) {
            return match fetch.redirect(head.location.as_deref()) {
                Ok(()) => self.open(now, key, fetch, true),
                Err(failure) => self.fail(key, &mut fetch, failure),
            };
        }
        self.alarms.remove(&(fetch.alarm, key));
        self.body_bytes -= fetch.body.len();
        let fetched = Fetched {
            status: head.status,
            reason: head.reason,
            content_type: head.content_type,
            gzip: head.gzip,
            wire_body: std::mem::take(&mut fetch.body),
            limit: fetch.spec.body_limit,
        };
        self.completed.push_back((key, Ok(fetched)));
    }

    /// A connection failed: try another address or a fresh connection, if that makes sense.
    pub(super) fn recover(
        &mut self,
        now: Mono,
        key: u64,
        mut fetch: Box<Fetch>,
        connection: &Connection,
        failure: Failure,
    ) {
        match std::mem::replace(&mut fetch.work, Work::Nothing) {
            Work::Dialing(_, dial) if connection.is_connecting() => {
                let failure = dial.refused(fetch.route().port, failure);
                return self.dial_next(now, key, fetch, dial, failure);
            }
            _ => (),
        }
        if let Some(head) = unwanted(connection.exchange()) {
            // The rest of a body that nobody wants is no loss.
            return self.conclude(now, key, fetch, head);
        }
        let unanswered = connection
            .exchange()
            .is_some_and(|exchange| !exchange.started());
        let lost = matches!(
            failure,
            Failure::Io(_) | Failure::Exchange(ExchangeError::Eof)
        );
        if connection.reused && unanswered && lost && !fetch.retried {
            fetch.retried = true;
            return self.open(now, key, fetch, false);
        }
        self.fail(key, &mut fetch, failure);
    }

    /// An exchange is overdue, or one address has had its time.
    pub(super) fn alarm(&mut self, now: Mono, key: u64) {
        let Some(mut fetch) = self.fetches.remove(&key) else {
            self.alarms.retain(|(_, own)| *own != key);
            return;
        };
        let exchange = fetch
            .slot()
            .and_then(|slot| self.pool.get_mut(slot))
            .and_then(|connection| connection.exchange());
        let in_body = exchange.is_some_and(|exchange| exchange.head().is_some());
        let unwanted = unwanted(exchange);
        self.drop_connection(&fetch);
        if now < fetch.deadline
            && let Work::Dialing(_, dial) = std::mem::replace(&mut fetch.work, Work::Nothing)
        {
            let late = Failure::Io(io::ErrorKind::TimedOut.into());
            let late = dial.refused(fetch.route().port, late);
            return self.dial_next(now, key, fetch, dial, late);
        }
        match unwanted {
            Some(head) if !is_redirect(head.status) => self.conclude(now, key, fetch, head),
            _ => self.fail(key, &mut fetch, Failure::Deadline(in_body)),
        }
    }

    pub(super) fn fail(&mut self, key: u64, fetch: &mut Fetch, failure: Failure) {
        self.alarms.remove(&(fetch.alarm, key));
        self.body_bytes -= fetch.body.len();
        self.let_go(fetch);
        let url = fetch.url().to_string();
        self.completed
            .push_back((key, Err(FetchError { url, failure })));
    }
}

/// The head of a response whose body is not wanted.
fn unwanted(exchange: Option<&Exchange>) -> Option<ResponseHead> {
    let head = exchange?.head()?;
    (head.status != 200).then(|| head.clone())
}
