//! All connections of a fetcher: those at work by number, the unused ones by where they lead.
//!
//! Unused connections are closed after [`limits::IDLE_CONNECTION`], and before that when there are
//! more than [`limits::FETCH_IDLE_TLS`] with TLS or [`limits::FETCH_IDLE_PLAIN`] without.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::connection::Connection;
use crate::limits;
use crate::model::time::Mono;

/// The connections.
#[derive(Debug, Default)]
pub(super) struct Pool {
    slots: Vec<Option<Box<Connection>>>,
    free: Vec<usize>,
    // Order never shows: looked up by key.
    idle: HashMap<Arc<str>, Vec<usize>>,
    /// Unused connections, those unused longest first: plain, and with TLS.
    order: [BTreeSet<(Mono, usize)>; 2],
}

impl Pool {
    /// A number for a connection that will be put there or released.
    pub(super) fn reserve(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        })
    }

    /// Gives a number back whose connection is gone.
    pub(super) fn release(&mut self, slot: usize) {
        self.free.push(slot);
    }

    /// Puts a connection (back) to its number.
    pub(super) fn put(&mut self, slot: usize, connection: Box<Connection>) {
        self.slots[slot] = Some(connection);
    }

    /// Takes a connection from its number, which stays its own.
    pub(super) fn take(&mut self, slot: usize) -> Option<Box<Connection>> {
        self.slots.get_mut(slot)?.take()
    }

    /// Looks at a connection.
    pub(super) fn get_mut(&mut self, slot: usize) -> Option<&mut Connection> {
        self.slots.get_mut(slot)?.as_deref_mut()
    }

    /// Keeps a connection, which is at rest, for later; closes others if there are too many.
    pub(super) fn keep(&mut self, slot: usize, connection: Box<Connection>) {
        let class = usize::from(connection.socket.is_tls());
        let key = Arc::clone(&connection.key);
        self.order[class].insert((connection.idle_since, slot));
        self.idle.entry(key).or_default().push(slot);
        self.put(slot, connection);
        let most = [limits::FETCH_IDLE_PLAIN, limits::FETCH_IDLE_TLS][class];
        if self.order[class].len() > most
            && let Some((_, oldest)) = self.order[class].first().copied()
        {
            self.close(oldest);
        }
    }

    /// Takes an unused connection that leads to `key` and for which `suits` holds.
    pub(super) fn claim(
        &mut self,
        key: &str,
        suits: impl Fn(&Connection) -> bool,
    ) -> Option<(usize, Box<Connection>)> {
        let slots = &self.slots;
        let fitting = |slot: &usize| slots[*slot].as_deref().is_some_and(&suits);
        let slot = self.idle.get(key)?.iter().copied().rev().find(fitting)?;
        let connection = self.take(slot)?;
        self.forget(slot, &connection);
        Some((slot, connection))
    }

    /// Closes an unused connection.
    pub(super) fn close(&mut self, slot: usize) {
        if let Some(connection) = self.take(slot) {
            self.forget(slot, &connection);
            self.release(slot);
        }
    }

    /// Closes the connection that has been unused longest; false when there is none.
    pub(super) fn close_oldest(&mut self) -> bool {
        let oldest = self.oldest();
        if let Some((_, slot)) = oldest {
            self.close(slot);
        }
        oldest.is_some()
    }

    /// Closes what has been unused too long.
    pub(super) fn expire(&mut self, now: Mono) {
        while let Some((since, slot)) = self.oldest()
            && now.since(since) >= limits::IDLE_CONNECTION
        {
            self.close(slot);
        }
    }

    /// When [`Pool::expire`] has something to do.
    pub(super) fn next_expiry(&self) -> Option<Mono> {
        self.oldest()
            .map(|(since, _)| since + limits::IDLE_CONNECTION)
    }

    /// Number of unused connections, plain and with TLS.
    #[cfg(test)]
    pub(super) fn idle(&self) -> [usize; 2] {
        [self.order[0].len(), self.order[1].len()]
    }

    fn oldest(&self) -> Option<(Mono, usize)> {
        self.order
            .iter()
            .filter_map(|order| order.first().copied())
            .min()
    }

    fn forget(&mut self, slot: usize, connection: &Connection) {
        for order in &mut self.order {
            order.remove(&(connection.idle_since, slot));
        }
        if let Some(slots) = self.idle.get_mut(&connection.key) {
            slots.retain(|own| *own != slot);
            if slots.is_empty() {
                self.idle.remove(&connection.key);
            }
        }
    }
}
