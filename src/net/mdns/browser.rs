//! All interfaces together: packets go in with the time, packets to send and services come out.
//!
//! ```text
//! up, down, receive ---> links ---> turn: packets to send
//!                                   report: services, when they changed
//! ```
//!
//! Believed is only what comes from the link itself: the caller hands in what was sent to the
//! multicast group on that interface (RFC 6762, section 11), and it must come from port 5353
//! (section 6). Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::link::{Link, Network, Wanted};
use super::message::{self, Message};
use super::service::Service;
use crate::limits;
use crate::model::time::Mono;
use crate::sys::jitter::Jitter;

/// The port of multicast DNS.
pub const PORT: u16 = 5353;
/// After this time of asking, what was not found is not there: the third asking was answered.
const SETTLED_AFTER: Duration = Duration::from_secs(4);

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Its records were taken in, except so many for which there was no room.
    Taken(usize),
    /// A question of somebody.
    Query,
    /// No packet of multicast DNS.
    Malformed,
    /// Sent by somebody who need not be believed: not from port 5353, or from an address that
    /// nobody has.
    Foreign,
    /// There were too many packets lately.
    TooMany,
    /// The interface is not known or away.
    NoLink,
}

/// A browser for service types on any number of links.
#[derive(Debug)]
pub struct Browser {
    wanted: Wanted,
    links: BTreeMap<String, Link>,
    allowance: BTreeMap<String, Allowance>,
    jitter: Jitter,
    /// Something may be different from the last report.
    changed: bool,
    reported: Option<Vec<Service>>,
    report_at: Mono,
    /// When what was found can be taken for all there is; unset until there was a link.
    settles: Option<Mono>,
    /// Whether the first report has to wait for that.
    patient: bool,
}

impl Browser {
    /// A browser without links. A `patient` one reports nothing before it knows everything:
    /// it takes the place of one whose report should stand until then.
    #[must_use]
    pub fn new(wanted: Wanted, patient: bool, jitter: Jitter) -> Browser {
        Browser {
            wanted,
            links: BTreeMap::new(),
            allowance: BTreeMap::new(),
            jitter,
            changed: false,
            reported: None,
            report_at: Mono::default(),
            settles: None,
            patient,
        }
    }

    /// An interface can be used and has these addresses; may be told again at any time.
    pub fn up(&mut self, now: Mono, interface: &str, networks: Vec<Network>) {
        self.settles.get_or_insert(now + SETTLED_AFTER);
        match self.links.get_mut(interface) {
            Some(link) => self.changed |= link.up(now, networks, &mut self.jitter),
            None => {
                let link = Link::new(now, networks, &self.wanted, &mut self.jitter);
                self.links.insert(interface.to_owned(), link);
                self.changed = true;
            }
        }
    }

    /// An interface cannot be used any more. What was found there stays for
    /// [`limits::MDNS_AWAY`], in case it comes back; if nothing was, it is forgotten: some hosts
    /// make interfaces by the thousand.
    pub fn down(&mut self, now: Mono, interface: &str) {
        let Some(link) = self.links.get_mut(interface) else {
            return;
        };
        if link.instances(&self.wanted) == 0 {
            self.links.remove(interface);
        } else {
            link.down(now);
        }
    }

    /// The interfaces that are up.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        let up = self.links.iter().filter(|(_, link)| link.is_up());
        up.map(|(name, _)| name.as_str())
    }

    /// Takes a packet that came to the multicast group on an interface.
    pub fn receive(
        &mut self,
        now: Mono,
        interface: &str,
        from: SocketAddr,
        packet: &[u8],
    ) -> Received {
        if !self.links.get(interface).is_some_and(Link::is_up) {
            return Received::NoLink;
        }
        let allowance = self.allowance.entry(interface.to_owned()).or_default();
        if !allowance.take(now) {
            return Received::TooMany;
        }
        if !is_credible(from) {
            return Received::Foreign;
        }
        let records = match message::decode(packet) {
            Message::Response(records) => records,
            Message::Query => return Received::Query,
            Message::Malformed => return Received::Malformed,
        };
        let instances = self.links.values().map(|link| link.instances(&self.wanted));
        let room = limits::MDNS_INSTANCES.saturating_sub(instances.sum());
        let Some(link) = self.links.get_mut(interface) else {
            return Received::NoLink;
        };
        let refused = link.take(now, records, room, &self.wanted, &mut self.jitter);
        self.changed = true;
        Received::Taken(refused)
    }

    /// Moves on to `now` and returns the packets to send, each with its interface.
    pub fn turn(&mut self, now: Mono) -> Vec<(String, Vec<u8>)> {
        let before = self.links.len();
        self.links.retain(|_, link| !link.is_gone(now));
        let links = &self.links;
        self.allowance.retain(|name, _| links.contains_key(name));
        self.changed |= self.links.len() != before;
        let mut packets = Vec::new();
        for (name, link) in &mut self.links {
            if link.is_up() && link.deadline() <= now {
                // Time alone can change something: a record expires, patience ends.
                self.changed = true;
                let sent = link.turn(now, &self.wanted, &mut self.jitter).into_iter();
                packets.extend(sent.map(|packet| (name.clone(), packet)));
            }
        }
        packets
    }

    /// All services, if they are others than last time. The first report comes with the first
    /// service, or when there has been time to find some.
    pub fn report(&mut self, now: Mono) -> Option<Vec<Service>> {
        let settled = self.settles.is_some_and(|at| at <= now);
        let first = self.reported.is_none();
        let must_wait = first && self.patient && !settled;
        let is_due = self.changed && now >= self.report_at;
        let is_last_chance = first && settled;
        if must_wait || !(is_due || is_last_chance) {
            return None;
        }
        self.changed = false;
        self.report_at = now + limits::MDNS_REPORT_PAUSE;
        let mut services = BTreeSet::new();
        for (name, link) in &self.links {
            link.services(name, &self.wanted, &mut services);
        }
        let services: Vec<Service> = services.into_iter().collect();
        let nothing_yet = first && !settled && services.is_empty();
        if nothing_yet || self.reported.as_ref() == Some(&services) {
            return None;
        }
        self.reported = Some(services.clone());
        Some(services)
    }

    /// When [`Browser::turn`] and [`Browser::report`] should be called next.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        let links = self.links.values().map(Link::deadline).min();
        let report = match (self.changed, self.reported.is_none()) {
            (true, true) if self.patient => self.settles,
            (true, _) => Some(self.report_at),
            (false, true) => self.settles,
            (false, false) => None,
        };
        let never = Mono::NEVER;
        links.unwrap_or(never).min(report.unwrap_or(never))
    }
}

fn is_credible(from: SocketAddr) -> bool {
    let address = from.ip();
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    from.port() == PORT && !address.is_unspecified() && !address.is_multicast() && !broadcast
}

/// How many packets may still come: a burst, refilled at a steady rate.
#[derive(Debug)]
struct Allowance {
    packets: f64,
    filled: Mono,
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance {
            packets: f64::from(limits::MDNS_PACKETS_BURST),
            filled: Mono::default(),
        }
    }
}

impl Allowance {
    fn take(&mut self, now: Mono) -> bool {
        let gained = now.since(self.filled).as_secs_f64() * f64::from(limits::MDNS_PACKETS_RATE);
        self.packets = (self.packets + gained).min(f64::from(limits::MDNS_PACKETS_BURST));
        self.filled = now.max(self.filled);
        let has = self.packets >= 1.0;
        if has {
            self.packets -= 1.0;
        }
        has
    }
}

#[cfg(test)]
mod tests;
