//! One exchange from the first question to the last byte, redirects and repetitions included.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Failure;
use super::connection::Errand;
use super::route::Route;
use super::spec::FetchSpec;
use crate::http::redirect::Trail;
use crate::http::url::Url;
use crate::limits;
use crate::model::time::Mono;
use crate::net::resolve::Addresses;

/// One exchange, redirects and repetitions included.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) spec: Arc<FetchSpec>,
    /// Where redirects have led.
    pub(super) moved: Option<Box<(Url, Route)>>,
    pub(super) trail: Trail,
    pub(super) deadline: Mono,
    pub(super) alarm: Mono,
    /// Whether a stale connection has already been replaced.
    pub(super) retried: bool,
    pub(super) work: Work,
    pub(super) body: Body,
}

/// What has come of a body. A large one is gathered in segments, because a vector that grows holds
/// its old and its new memory at once, up to three times of what is in it.
#[derive(Debug, Default)]
pub(super) struct Body {
    full: Vec<Vec<u8>>,
    open: Vec<u8>,
}

impl Body {
    /// Nothing yet; `memory` is used.
    pub(super) fn within(memory: Vec<u8>) -> Body {
        Body {
            full: Vec::new(),
            open: memory,
        }
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.gathered() + self.open.len()
    }

    /// Bytes in full segments.
    pub(super) fn gathered(&self) -> usize {
        self.full.iter().map(Vec::len).sum()
    }

    /// Begins a new segment if the current one is full.
    pub(super) fn turn_page(&mut self) {
        if self.open.len() >= limits::FETCH_SEGMENT_BYTES {
            // Room for what one turn reads, so that a segment does not grow.
            let room = limits::FETCH_SEGMENT_BYTES + limits::FETCH_READ_BYTES;
            let full = std::mem::replace(&mut self.open, Vec::with_capacity(room));
            self.full.push(full);
        }
    }

    /// All of it in one piece. Each segment is let go when it has been copied.
    pub(super) fn take(&mut self) -> Vec<u8> {
        if self.full.is_empty() {
            return std::mem::take(&mut self.open);
        }
        let mut whole = Vec::with_capacity(self.len());
        for segment in self.full.drain(..) {
            whole.extend_from_slice(&segment);
        }
        whole.append(&mut self.open);
        self.open = Vec::new();
        whole
    }

    /// Memory that can be used again; the rest is let go.
    pub(super) fn into_memory(self) -> Vec<u8> {
        self.open
    }
}

#[derive(Debug)]
pub(super) enum Work {
    /// Not begun.
    Nothing,
    /// Waits until credentials have been fetched; the question's number.
    Authorizing(u64),
    /// Waits for the resolver's answer with this number.
    Resolving(u64),
    /// Has a connection being made, and further addresses if it fails.
    Dialing(usize, Dial),
    /// Has a connection.
    Exchanging(usize),
}

/// Addresses to try in turn.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) addresses: Addresses,
    /// How many have been tried.
    pub(super) tried: usize,
}

impl Fetch {
    pub(super) fn url(&self) -> &Url {
        self.moved.as_ref().map_or(&self.spec.url, |moved| &moved.0)
    }

    pub(super) fn route(&self) -> &Route {
        self.moved
            .as_ref()
            .map_or(&self.spec.route, |moved| &moved.1)
    }

    pub(super) fn errand(&mut self) -> Errand<'_> {
        let (url, route) = match &self.moved {
            Some(moved) => (&moved.0, &moved.1),
            None => (&self.spec.url, &self.spec.route),
        };
        Errand {
            spec: &self.spec,
            url,
            route,
            trusted: self.trail.keeps_credentials(),
            body: &mut self.body.open,
        }
    }

    pub(super) fn slot(&self) -> Option<usize> {
        match self.work {
            Work::Dialing(slot, _) | Work::Exchanging(slot) => Some(slot),
            Work::Nothing | Work::Authorizing(_) | Work::Resolving(_) => None,
        }
    }

    /// Goes on where a redirect leads.
    pub(super) fn redirect(&mut self, location: Option<&str>) -> Result<(), Failure> {
        let from = self.url().clone();
        let to = self.trail.follow(&from, location)?;
        let route = Route::plan(&self.spec.context, &to, self.spec.unix_socket.as_ref())?;
        self.moved = Some(Box::new((to, route)));
        self.retried = false;
        Ok(())
    }
}

impl Dial {
    /// Until when the current address is waited for: an even share of what is left.
    pub(super) fn patience(&self, now: Mono, deadline: Mono) -> Mono {
        let left = self.addresses.len() - self.tried;
        if left == 0 {
            return deadline;
        }
        let share = deadline.since(now) / (left as u32 + 1);
        (now + share.max(limits::FETCH_ADDRESS_PATIENCE)).min(deadline)
    }

    /// Names the address that was tried last.
    pub(super) fn refused(&self, port: u16, failure: Failure) -> Failure {
        match (failure, self.addresses.get(self.tried.wrapping_sub(1))) {
            (Failure::Io(source), Some(address)) => Failure::Connect {
                address: SocketAddr::new(*address, port),
                source,
            },
            (failure, _) => failure,
        }
    }
}
