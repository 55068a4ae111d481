//! The resolver that discovery uses: `resolv.conf`, the lookup core and the sockets together.
//!
//! `resolv.conf` is read at every lookup: it is short, lookups are seconds apart, and a DHCP
//! client may rewrite it at any time. Blocks its thread; the stop check ends it early.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::conf::ResolverConfig;
use super::lookup::{AskError, Lookup, LookupError, Step, Taken};
use super::message::{Record, RecordKind};
use super::transport::{self, Waiter};
use crate::limits;
use crate::sys::clock::Clock;
use crate::sys::jitter::Jitter;

/// Where the resolver finds its servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverSource {
    /// The file that lists them.
    pub resolv_conf: PathBuf,
    /// The port they listen on.
    pub port: u16,
}

impl Default for ResolverSource {
    /// What every host has: `/etc/resolv.conf`, port 53.
    fn default() -> Self {
        ResolverSource {
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            port: 53,
        }
    }
}

/// Why a name could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The list of servers could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Conf {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The servers gave no answer.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The caller wants to stop.
    #[error("stopped")]
    Stopped,
}

/// A blocking stub resolver.
#[derive(Debug)]
pub struct Resolver {
    source: ResolverSource,
    clock: Arc<dyn Clock>,
    jitter: Jitter,
}

impl Resolver {
    /// A resolver over the servers of `source`. `jitter` numbers the questions: seed it from the
    /// system.
    #[must_use]
    pub fn new(source: ResolverSource, clock: Arc<dyn Clock>, jitter: Jitter) -> Resolver {
        Resolver {
            source,
            clock,
            jitter,
        }
    }

    /// The records of `name`: none if every name of the search list is denied or the name has no
    /// records of this kind.
    ///
    /// # Errors
    /// When that cannot be said for certain.
    pub fn lookup(
        &mut self,
        name: &str,
        kind: RecordKind,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<Record>, ResolveError> {
        let path = &self.source.resolv_conf;
        let text = read_bounded(path).map_err(|source| ResolveError::Conf {
            path: path.clone(),
            source,
        })?;
        let conf = ResolverConfig::parse(&text, self.source.port, interface_index);
        let ids = Jitter::seeded(self.jitter.next_u64());
        let mut lookup = Lookup::new(self.clock.mono(), conf, name, kind, ids)?;
        let waiter = Waiter {
            clock: &*self.clock,
            stopped,
        };
        loop {
            if stopped() {
                return Err(ResolveError::Stopped);
            }
            let ask = match lookup.next(self.clock.mono()) {
                Step::Done(outcome) => return Ok(outcome?),
                Step::Ask(ask) => ask,
            };
            let mut answered = false;
            let carried = transport::carry(&ask, waiter, |bytes| {
                let taken = lookup.on_reply(bytes);
                answered = taken == Taken::Yes;
                taken
            });
            match carried {
                Err(error) if !answered => lookup.on_failure(failure(ask.server, error)),
                _ => {}
            }
        }
    }
}

fn failure(server: std::net::SocketAddr, source: io::Error) -> AskError {
    if source.kind() == io::ErrorKind::TimedOut {
        AskError::Timeout { server }
    } else {
        AskError::Io { server, source }
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let file = File::open(path)?;
    file.take(limits::DNS_RESOLV_CONF_BYTES)
        .read_to_end(&mut text)?;
    Ok(text)
}

fn interface_index(name: &str) -> Option<u32> {
    let index = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()?;
    index.trim().parse().ok()
}

#[cfg(test)]
mod tests;
