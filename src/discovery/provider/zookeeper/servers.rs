//! The servers of an ensemble: their addresses, and whose turn it is.

use std::fmt;

use crate::config::url::redacted;
use crate::sys::jitter::Jitter;

/// The port of a server that is written without one.
const PORT: u16 = 2181;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Name or address, without brackets.
    pub(super) host: String,
    /// Port.
    pub(super) port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Server { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

impl Server {
    /// Reads `host`, `host:port`, `[address]` or `[address]:port`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Server, String> {
        let shown = redacted(text);
        let wrong = |what: &str| format!("{shown:?} is not a ZooKeeper server: {what}");
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(|| wrong("no ]"))?;
                let port = rest.strip_prefix(':');
                if port.is_none() && !rest.is_empty() {
                    return Err(wrong("something follows ]"));
                }
                (host, port)
            }
            // A bare IPv6 address has more than one colon.
            None if text.matches(':').count() > 1 => (text, None),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/') {
            return Err(wrong("host and port are wanted, as in zk1.example:2181"));
        }
        let port = match port.map(str::parse) {
            None => PORT,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => return Err(wrong("the port is not between 1 and 65535")),
        };
        let host = host.to_owned();
        Ok(Server { host, port })
    }
}

/// The servers in the order in which they are tried, each agent in its own.
#[derive(Debug)]
pub(super) struct Turns {
    servers: Vec<Server>,
    next: usize,
}

impl Turns {
    /// A random order, so that a fleet does not knock at one door.
    #[must_use]
    pub(super) fn new(servers: &[Server], jitter: &mut Jitter) -> Turns {
        let mut servers = servers.to_vec();
        jitter.shuffle(&mut servers);
        Turns { servers, next: 0 }
    }

    /// How many there are.
    #[must_use]
    pub(super) fn count(&self) -> usize {
        self.servers.len()
    }

    /// The server whose turn it is; afterwards it is the next one's.
    pub(super) fn take(&mut self) -> Option<Server> {
        let server = self.servers.get(self.next)?.clone();
        self.next = (self.next + 1) % self.servers.len();
        Some(server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_in_every_form() {
        for (text, shown) in [
            ("zk1", "zk1:2181"),
            ("zk1:2182", "zk1:2182"),
            ("192.0.2.1:1", "192.0.2.1:1"),
            ("[::1]:2182", "[::1]:2182"),
            ("[::1]", "[::1]:2181"),
            ("2001:db8::1", "[2001:db8::1]:2181"),
        ] {
            assert_eq!(Server::parse(text).expect(text).to_string(), shown);
        }
        for text in [
            "", ":2181", "a:0", "a:65536", "a:b", "a:", "[::1", "[::1]x", "a b", "a/b:1",
        ] {
            let error = Server::parse(text).expect_err(text);
            assert!(error.contains("is not a ZooKeeper server"), "{error}");
        }
    }

    #[test]
    fn every_server_has_its_turn_and_orders_differ() {
        let servers: Vec<Server> = (1..=4)
            .map(|port| Server {
                host: "z".to_owned(),
                port,
            })
            .collect();
        let order = |seed| {
            let mut turns = Turns::new(&servers, &mut Jitter::seeded(seed));
            let mut two_rounds = Vec::new();
            for _ in 0..2 * turns.count() {
                two_rounds.push(turns.take().expect("a server").port);
            }
            let (first, second) = two_rounds.split_at(4);
            assert_eq!(first, second);
            let mut sorted = first.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, [1, 2, 3, 4]);
            first.to_vec()
        };
        let orders: std::collections::BTreeSet<Vec<u16>> = (0..20).map(order).collect();
        assert!(orders.len() > 5);
        assert_eq!(Turns::new(&[], &mut Jitter::seeded(1)).take(), None);
    }
}
