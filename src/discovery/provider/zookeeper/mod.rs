//! Discovery from ZooKeeper: `serverset_sd_configs` and `nerve_sd_configs`.
//!
//! Every node at and below the paths whose data is a member's is one target; the tree is watched.
//! Nodes that come, change or go (ephemeral ones with the session of whoever made them) are seen as
//! soon as the server tells. While no server can be reached everything found stays.
//!
//! ```text
//! line (sockets) <-> shell <-> session (whose turn, pings, order) <-> wire, jute (bytes)
//!                      |
//!                    tree (questions, watches) -> member (labels) -> updates
//! ```
//!
//! Everything but `line` and `shell` is without I/O. Why the protocol is our own:
//! `docs/adr/0003-crates.md`.
//!
//! Implements <https://zookeeper.apache.org/doc/r3.8.0/zookeeperProgrammers.html>. Meta labels:
//! [`member`].

mod jute;
mod line;
mod member;
mod servers;
mod session;
mod shell;
mod tree;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use self::line::Waiting;
use self::servers::Server;
use self::shell::{Orders, Provider};
use super::{Opened, ProviderConfig, ProviderContext, ProviderError, ProviderSpec, Runner};
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::limits;

/// Serversets of Finagle and Aurora.
pub const SERVERSET: ProviderSpec = ProviderSpec {
    mechanism: "serverset",
    parse: |at| parse(at, Kind::Serverset),
};

/// Services of nerve.
pub const NERVE: ProviderSpec = ProviderSpec {
    mechanism: "nerve",
    parse: |at| parse(at, Kind::Nerve),
};

const TIMEOUT: Duration = Duration::from_secs(10);

/// What the nodes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Serverset,
    Nerve,
}

/// An entry of either section.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TreeConfig {
    kind: Kind,
    servers: Vec<Server>,
    paths: Vec<String>,
    timeout: Duration,
}

fn parse(at: &Cursor<'_>, kind: Kind) -> Decoded<Arc<dyn ProviderConfig>> {
    let name = match kind {
        Kind::Serverset => "serverset",
        Kind::Nerve => "nerve",
    };
    let mut fields = Fields::new(at, "zookeeper.plain")?;
    let written = fields.strings("servers").unwrap_or_default();
    let paths = fields.strings("paths").unwrap_or_default();
    let timeout = fields.duration("timeout").unwrap_or(TIMEOUT);
    if written.is_empty() {
        let message = format!("{name} SD config must contain at least one Zookeeper server");
        fields.rule("servers", message);
    }
    let mut servers = Vec::new();
    for text in &written {
        match Server::parse(text) {
            Ok(server) => servers.push(server),
            Err(message) => fields.rule("servers", message),
        }
    }
    if paths.is_empty() {
        let message = format!("{name} SD config must contain at least one path");
        fields.rule("paths", message);
    }
    for path in &paths {
        if let Err(message) = check_path(name, path) {
            fields.rule("paths", message);
        }
    }
    fields.finish()?;
    Ok(Arc::new(TreeConfig {
        kind,
        servers,
        paths,
        timeout: timeout.clamp(limits::ZK_TIMEOUT_MIN, limits::ZK_TIMEOUT_MAX),
    }))
}

/// What ZooKeeper would refuse is refused here, where it can be mended.
fn check_path(name: &str, path: &str) -> Result<(), String> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err(format!(
            "{name} SD config paths must begin with '/': {path}"
        ));
    };
    if path.len() > limits::ZK_PATH_BYTES {
        return Err(format!(
            "path is longer than {} bytes",
            limits::ZK_PATH_BYTES
        ));
    }
    let is_bad = |part: &str| part.is_empty() || part == "." || part == "..";
    if !rest.is_empty() && rest.split('/').any(is_bad) || path.contains(char::is_control) {
        return Err(format!(
            "{path:?} is not a path of ZooKeeper: it ends with '/', or has an empty part, \
             '.', '..' or a control character"
        ));
    }
    Ok(())
}

impl ProviderConfig for TreeConfig {
    fn open(&self, context: &ProviderContext) -> Result<Opened, ProviderError> {
        let waiting = Waiting::new()?;
        let waker = waiting.waker();
        let failures = context.registry.counter(
            "prometheus_treecache_zookeeper_failures_total",
            "The total number of ZooKeeper failures.",
            &[],
        );
        let orders = Orders {
            servers: self.servers.clone(),
            paths: self.paths.clone(),
            timeout: self.timeout,
            parse: match self.kind {
                Kind::Serverset => member::serverset,
                Kind::Nerve => member::nerve,
            },
        };
        let provider = Provider::new(orders, waiting, failures, context.jitter.clone());
        Ok(Opened {
            runner: Runner::Watch(Box::new(provider)),
            // A wake-up that fails finds a thread that is gone already.
            interrupt: Some(Box::new(move || drop(waker.wake()))),
        })
    }
}

#[cfg(test)]
mod tests;
