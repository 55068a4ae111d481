//! One exchange from the first question to the last byte, redirects and repetitions included.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Failure;
use super::connection::Errand;
use super::route::Route;
use super::spec::FetchSpec;
use crate::http::redirect::{self, Trail};
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
    /// What has come of the body. Large blocks of memory grow in place, see [`crate::sys::memory`].
    pub(super) body: Vec<u8>,
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

    /// Whether it is asked for where the spec says, or at the usual port for TLS of the same host, where
    /// many servers send their clients. Where else redirects lead is up to the target, which could have a
    /// connection kept for every port there is.
    pub(super) fn is_at_home(&self) -> bool {
        let (home, at) = (&self.spec.url, self.url());
        self.route().key == self.spec.route.key
            || (at.host == home.host && at.tls && at.port == 443)
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
            body: &mut self.body,
        }
    }

    /// The addresses that may be connected to, perhaps none: those of a proxy are not the target's choice.
    pub(super) fn allowed(&self, addresses: Addresses) -> Addresses {
        if self.route().is_proxied() || !self.trail.forbids_link_local() {
            return addresses;
        }
        redirect::without_link_local(&addresses)
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
