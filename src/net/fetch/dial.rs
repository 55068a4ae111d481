//! From an exchange to a connection: an unused one, or name, addresses and connecting.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::Token;
use rustix::io::Errno;

use super::connection::Connection;
use super::socket::Socket;
use super::task::{Dial, Fetch, Work};
use super::{Failure, Fetcher, Said, Word};
use crate::http::redirect::RedirectError;
use crate::model::time::Mono;
use crate::net::lease::Waiter;
use crate::net::resolve::{Resolution, ResolveError};

impl Fetcher {
    /// Begins the exchange, or its next part after a redirect, on an unused connection if there is
    /// one and `reuse` allows; once its credentials are there.
    pub(super) fn open(&mut self, now: Mono, key: u64, mut fetch: Box<Fetch>, reuse: bool) {
        let serial = self.serial + 1;
        let outbox = &self.outbox;
        let waiter = || -> Waiter {
            let outbox = outbox.clone();
            let said = Said::Credentials;
            // Lost: the exchange ends by its deadline.
            Box::new(move || drop(outbox.try_send(Word { key, serial, said })))
        };
        match fetch.spec.context.is_ready_or(waiter) {
            Ok(true) => self.open_authorized(now, key, fetch, reuse),
            Ok(false) => {
                self.serial = serial;
                fetch.work = Work::Authorizing(serial);
                self.fetches.insert(key, fetch);
            }
            Err(error) => self.fail(key, &mut fetch, error.into()),
        }
    }

    fn open_authorized(&mut self, now: Mono, key: u64, mut fetch: Box<Fetch>, reuse: bool) {
        // Where a connection leads whose address is forbidden now was not looked at.
        let reuse = reuse && !fetch.trail.forbids_link_local();
        let claimed = if reuse { self.claim(&fetch) } else { Ok(None) };
        match claimed {
            Ok(Some((slot, mut connection))) => {
                connection.owner = Some(key);
                connection.reused = true;
                let asked = connection.ask(&fetch.errand());
                fetch.work = Work::Exchanging(slot);
                self.pool.put(slot, connection);
                match asked {
                    Ok(()) => {
                        self.enqueue(slot);
                        self.fetches.insert(key, fetch);
                    }
                    Err(failure) => {
                        self.drop_connection(&fetch);
                        self.fail(key, &mut fetch, failure);
                    }
                }
            }
            Ok(None) => self.resolve(now, key, fetch),
            Err(failure) => self.fail(key, &mut fetch, failure),
        }
    }

    /// An unused connection for the exchange.
    pub(super) fn claim(
        &mut self,
        fetch: &Fetch,
    ) -> Result<Option<(usize, Box<Connection>)>, Failure> {
        let route = fetch.route();
        let context = &fetch.spec.context;
        let tls = match &route.tls {
            Some(_) => {
                let config = context.tls.current();
                Some(config.map_err(|error| Failure::Context(error.into()))?)
            }
            None => None,
        };
        let suits = |connection: &Connection| connection.suits(context, tls.as_ref());
        while let Some((slot, mut connection)) = self.pool.claim(&route.key, suits) {
            if connection.is_quiet(&mut self.buffer) {
                return Ok(Some((slot, connection)));
            }
            self.pool.release(slot);
        }
        Ok(None)
    }

    pub(super) fn resolve(&mut self, now: Mono, key: u64, mut fetch: Box<Fetch>) {
        if let Some(path) = fetch.route().unix_socket.clone() {
            return self.dial_unix(key, fetch, &path);
        }
        let name = fetch.route().host.as_str();
        if let Some(resolution) = self.resolver.known(name) {
            return self.dial(now, key, fetch, resolution);
        }
        self.serial += 1;
        let serial = self.serial;
        let outbox = self.outbox.clone();
        let waiter = Box::new(move |resolution| {
            let said = Said::Addresses(resolution);
            let _lost = outbox.try_send(Word { key, serial, said });
        });
        self.resolver.ask(name, waiter);
        fetch.work = Work::Resolving(serial);
        self.fetches.insert(key, fetch);
    }

    /// Goes on with an exchange that has waited.
    pub(super) fn heard(&mut self, now: Mono, word: Word) {
        let Word { key, serial, said } = word;
        let Some(fetch) = self.fetches.remove(&key) else {
            return;
        };
        match (said, &fetch.work) {
            (Said::Addresses(resolution), Work::Resolving(own)) if *own == serial => {
                self.dial(now, key, fetch, resolution);
            }
            (Said::Credentials, Work::Authorizing(own)) if *own == serial => {
                self.open(now, key, fetch, true);
            }
            _ => {
                self.fetches.insert(key, fetch);
            }
        }
    }

    pub(super) fn dial(
        &mut self,
        now: Mono,
        key: u64,
        mut fetch: Box<Fetch>,
        resolution: Resolution,
    ) {
        let allowed = resolution.map(|addresses| fetch.allowed(addresses));
        match allowed {
            Ok(addresses) if addresses.is_empty() => {
                self.fail(key, &mut fetch, RedirectError::LinkLocal.into());
            }
            Ok(addresses) => {
                let dial = Dial {
                    addresses,
                    tried: 0,
                };
                let none = ResolveError::NotFound {
                    name: fetch.route().host.clone(),
                };
                self.dial_next(now, key, fetch, dial, none.into());
            }
            Err(error) => self.fail(key, &mut fetch, error.into()),
        }
    }

    /// Connects to a socket of this host, which is decided at once.
    fn dial_unix(&mut self, key: u64, mut fetch: Box<Fetch>, path: &Arc<str>) {
        let slot = self.pool.reserve();
        let token = Token(self.first_token + slot);
        match Socket::connect_unix(path, &self.registry, token) {
            Ok(socket) => {
                let connection = Connection::new(socket, key, fetch.route(), &fetch.spec);
                self.pool.put(slot, Box::new(connection));
                let nowhere_else = Dial {
                    addresses: [].into(),
                    tried: 0,
                };
                fetch.work = Work::Dialing(slot, nowhere_else);
                self.fetches.insert(key, fetch);
            }
            Err(source) => {
                self.pool.release(slot);
                let path = Arc::clone(path);
                self.fail(key, &mut fetch, Failure::ConnectUnix { path, source });
            }
        }
    }

    /// Tries the next address; `last` is what went wrong with the one before.
    pub(super) fn dial_next(
        &mut self,
        now: Mono,
        key: u64,
        mut fetch: Box<Fetch>,
        mut dial: Dial,
        mut last: Failure,
    ) {
        while let Some(address) = dial.addresses.get(dial.tried).copied() {
            dial.tried += 1;
            let address = SocketAddr::new(address, fetch.route().port);
            let slot = self.pool.reserve();
            let token = Token(self.first_token + slot);
            match Socket::connect(address, &self.registry, token) {
                Ok(socket) => {
                    let connection = Connection::new(socket, key, fetch.route(), &fetch.spec);
                    self.pool.put(slot, Box::new(connection));
                    let until = dial.patience(now, fetch.deadline);
                    self.set_alarm(key, &mut fetch, until);
                    fetch.work = Work::Dialing(slot, dial);
                    self.fetches.insert(key, fetch);
                    return;
                }
                Err(source) => {
                    self.pool.release(slot);
                    if is_out_of_descriptors(&source) && self.pool.close_oldest() {
                        dial.tried -= 1;
                        continue;
                    }
                    last = Failure::Connect { address, source };
                }
            }
        }
        self.fail(key, &mut fetch, last);
    }
}

/// Whether a connection cannot be made because too many are open.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::MFILE | Errno::NFILE))
}
