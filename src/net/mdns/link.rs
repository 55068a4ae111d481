//! One network interface: what is known behind it, what is asked there, what services follow.
//!
//! Records are taken only if they lead on from what is asked: instances of the types, their hosts
//! and attributes, the addresses of those hosts. While the interface is away nothing expires,
//! because nobody could be heard; when it is back, everything must be confirmed soon. Pure.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cache::{Cache, Spread, Taken};
use super::message::{self, Attribute, Data, Kind, Question, Record};
use super::name::DomainName;
use super::questions::Questions;
use super::service::{Prefer, Service};
use crate::limits;
use crate::model::sorting;
use crate::model::time::Mono;
use crate::sys::jitter::Jitter;

/// After so many askings without an answer, something is done without.
const ASKED_ENOUGH: u32 = 3;

/// An address of the interface itself and the length of its prefix.
pub type Network = (IpAddr, u8);

/// What to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The service types, in the domain `local`.
    pub types: Vec<DomainName>,
    /// Which address is preferred.
    pub prefer: Prefer,
}

/// An interface.
#[derive(Debug)]
pub struct Link {
    networks: Vec<Network>,
    cache: Cache,
    questions: Questions,
    /// What records may be about: all that follows from the types and the records there are.
    reached: BTreeSet<Question>,
    /// Set while it is away.
    away_since: Option<Mono>,
    /// Nothing is sent before.
    quiet_until: Mono,
}

impl Link {
    /// An interface that has just come up.
    #[must_use]
    pub fn new(now: Mono, networks: Vec<Network>, wanted: &Wanted, jitter: &mut Jitter) -> Link {
        let mut link = Link {
            networks,
            cache: Cache::default(),
            questions: Questions::default(),
            reached: BTreeSet::new(),
            away_since: None,
            quiet_until: Mono::default(),
        };
        link.follow_up(now, wanted, jitter);
        link
    }

    /// The interface is there, with these addresses. False when that is nothing new.
    pub fn up(&mut self, now: Mono, networks: Vec<Network>, jitter: &mut Jitter) -> bool {
        if let Some(since) = self.away_since.take() {
            self.cache.doubt(since, now);
        } else if self.networks == networks {
            return false;
        }
        self.networks = networks;
        self.questions.restart(now, jitter);
        true
    }

    /// The interface cannot be used.
    pub fn down(&mut self, now: Mono) {
        self.away_since.get_or_insert(now);
    }

    /// Whether it can be used.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.away_since.is_none()
    }

    /// Whether it has been away for so long that it should be forgotten.
    #[must_use]
    pub fn is_gone(&self, now: Mono) -> bool {
        self.away_since
            .is_some_and(|since| now.since(since) >= limits::MDNS_AWAY)
    }

    /// Number of instances.
    #[must_use]
    pub fn instances(&self, wanted: &Wanted) -> usize {
        self.instances_of(wanted).count()
    }

    /// Takes the records of a response in. `room` is how many instances may be added. Returns how
    /// many records were refused for want of room.
    pub fn take(
        &mut self,
        now: Mono,
        mut records: Vec<Record>,
        mut room: usize,
        wanted: &Wanted,
        jitter: &mut Jitter,
    ) -> usize {
        if self.away_since.is_some() {
            return 0;
        }
        // In the order in which they lead to one another: whom a service needs stands behind it.
        sorting::sort_by_key(&mut records, |record| record.data.kind());
        let spread = Spread::draw(jitter);
        let (mut refused, mut news) = (0, false);
        for record in records {
            if !self.leads_on(&record, wanted) {
                continue;
            }
            let data = record.data.clone();
            match self.cache.take(now, record, room, spread) {
                Taken::New => {
                    news = true;
                    // It may have taken the place of one that was to go.
                    room = room.saturating_sub(usize::from(matches!(data, Data::Ptr(_))));
                    self.reach(&data);
                }
                Taken::Known => {}
                Taken::Refused => refused += 1,
            }
        }
        if news {
            self.follow_up(now, wanted, jitter);
        }
        refused
    }

    /// Whether a record answers something that matters.
    fn leads_on(&self, record: &Record, wanted: &Wanted) -> bool {
        match &record.data {
            Data::Ptr(instance) => {
                wanted.types.contains(&record.name) && instance.child_of(&record.name).is_some()
            }
            data => {
                let question = (record.name.clone(), data.kind());
                self.reached.contains(&question)
            }
        }
    }

    /// What a new record leads to is of interest from now on.
    fn reach(&mut self, data: &Data) {
        match data {
            Data::Ptr(instance) => {
                self.reached.insert((instance.clone(), Kind::Srv));
                self.reached.insert((instance.clone(), Kind::Txt));
            }
            Data::Srv { target, .. } => {
                self.reached.insert((target.clone(), Kind::A));
                self.reached.insert((target.clone(), Kind::Aaaa));
            }
            Data::Txt(_) | Data::A(_) | Data::Aaaa(_) => {}
        }
    }

    /// Every instance with its type.
    fn instances_of<'a>(
        &'a self,
        wanted: &'a Wanted,
    ) -> impl Iterator<Item = (&'a DomainName, &'a DomainName)> {
        wanted.types.iter().flat_map(|kind| {
            let instances = self.cache.get(kind, Kind::Ptr);
            instances.filter_map(move |data| match data {
                Data::Ptr(instance) => Some((kind, instance)),
                _ => None,
            })
        })
    }

    /// Forgets what leads nowhere any more and asks for what is missing.
    fn follow_up(&mut self, now: Mono, wanted: &Wanted, jitter: &mut Jitter) {
        let mut reached = BTreeSet::new();
        let mut missing = BTreeSet::new();
        for kind in &wanted.types {
            reached.insert((kind.clone(), Kind::Ptr));
            // Browsing never ends.
            missing.insert((kind.clone(), Kind::Ptr));
        }
        for (_, instance) in self.instances_of(wanted) {
            let mut needed = vec![(instance, Kind::Srv), (instance, Kind::Txt)];
            for place in self.cache.get(instance, Kind::Srv) {
                if let Data::Srv { target, .. } = place {
                    let kinds = self.needed_of(target, wanted.prefer).into_iter();
                    needed.extend(kinds.map(|kind| (target, kind)));
                    // Taken if they come, though perhaps not asked for.
                    reached.insert((target.clone(), Kind::A));
                    reached.insert((target.clone(), Kind::Aaaa));
                }
            }
            for (name, kind) in needed {
                let question = (name.clone(), kind);
                if self.cache.get(name, kind).next().is_none() {
                    missing.insert(question.clone());
                }
                reached.insert(question);
            }
        }
        self.cache.retain(|question| reached.contains(question));
        self.reached = reached;
        self.questions.want(now, missing, jitter);
    }

    /// Which addresses of a host are needed: the others only when the preferred ones are missing.
    fn needed_of(&self, host: &DomainName, prefer: Prefer) -> Vec<Kind> {
        let (first, second) = match prefer {
            Prefer::Ipv4 => (Kind::A, Kind::Aaaa),
            Prefer::Ipv6 => (Kind::Aaaa, Kind::A),
            Prefer::Name => return Vec::new(),
        };
        if !host.is_local() {
            return Vec::new();
        }
        if self.addresses(host, first).next().is_some() {
            vec![first]
        } else {
            vec![first, second]
        }
    }

    /// Moves on: drops what has expired, and returns the packets to send.
    pub fn turn(&mut self, now: Mono, wanted: &Wanted, jitter: &mut Jitter) -> Vec<Vec<u8>> {
        if self.away_since.is_some() {
            return Vec::new();
        }
        if self.cache.expire(now) {
            self.follow_up(now, wanted, jitter);
        }
        if now < self.quiet_until {
            return Vec::new();
        }
        let questions = &mut self.questions;
        self.cache
            .refresh(now, |question| questions.ask_once(question));
        let due = self.questions.due(now);
        if due.is_empty() {
            return Vec::new();
        }
        self.quiet_until = now + limits::MDNS_SEND_PAUSE;
        let asked_for = due.iter().filter(|(_, kind)| *kind == Kind::Ptr);
        let known = asked_for.flat_map(|(kind, _)| self.cache.known_answers(now, kind));
        message::encode(&due, &known.collect::<Vec<_>>())
    }

    /// When something is to be done next.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        match self.away_since {
            Some(since) => since + limits::MDNS_AWAY,
            None => {
                let asking = self.questions.deadline().max(self.quiet_until);
                self.cache.deadline().max(self.quiet_until).min(asking)
            }
        }
    }

    /// The services that are resolved.
    pub fn services(&self, interface: &str, wanted: &Wanted, found: &mut BTreeSet<Service>) {
        for (kind, name) in self.instances_of(wanted) {
            found.extend(self.service(interface, kind, name, wanted.prefer));
        }
    }

    fn service(
        &self,
        interface: &str,
        kind: &DomainName,
        name: &DomainName,
        prefer: Prefer,
    ) -> Option<Service> {
        let place = self.cache.current(name, Kind::Srv).min()?;
        let Data::Srv { target, port, .. } = place else {
            return None;
        };
        // A host without a name, or no port, says that the service is not to be had (RFC 2782).
        let is_offered = *port != 0 && target.labels().next().is_some();
        let address = self.address_of(target, prefer);
        if !is_offered || address.is_none() && prefer != Prefer::Name {
            return None;
        }
        let attributes = match self.cache.current(name, Kind::Txt).min() {
            Some(Data::Txt(attributes)) => attributes.iter().map(attribute).collect(),
            _ if self.is_asked_enough(name, Kind::Txt) => Vec::new(),
            _ => return None,
        };
        let type_labels: Vec<_> = kind.labels().map(String::from_utf8_lossy).collect();
        Some(Service {
            interface: interface.to_owned(),
            name: name.to_string(),
            instance: String::from_utf8_lossy(name.child_of(kind)?).into_owned(),
            kind: type_labels[..type_labels.len() - 1].join("."),
            host: target.to_string(),
            port: *port,
            address,
            attributes,
        })
    }

    fn is_asked_enough(&self, name: &DomainName, kind: Kind) -> bool {
        self.questions.asked(&(name.clone(), kind)) >= ASKED_ENOUGH
    }

    fn address_of(&self, host: &DomainName, prefer: Prefer) -> Option<IpAddr> {
        let best = |kind| {
            let addresses = self.addresses(host, kind);
            addresses.min_by_key(|address| (!self.is_near(*address), *address))
        };
        let (first, second) = match prefer {
            Prefer::Ipv4 | Prefer::Name => (Kind::A, Kind::Aaaa),
            Prefer::Ipv6 => (Kind::Aaaa, Kind::A),
        };
        let is_hopeless = || {
            let has_useless = self.cache.get(host, first).next().is_some();
            prefer == Prefer::Name || has_useless || self.is_asked_enough(host, first)
        };
        best(first).or_else(|| best(second).filter(|_| is_hopeless()))
    }

    /// The addresses of a host that can be scraped.
    fn addresses(&self, host: &DomainName, kind: Kind) -> impl Iterator<Item = IpAddr> {
        let data = self.cache.current(host, kind);
        let addresses = data.filter_map(|data| match data {
            Data::A(address) => Some(IpAddr::V4(*address)),
            Data::Aaaa(address) => Some(IpAddr::V6(*address)),
            _ => None,
        });
        addresses.filter(|address| self.is_usable(*address))
    }

    /// Whether an address can be scraped. A link-local IPv6 address cannot be written into a URL;
    /// addresses of this host and those of no single host are not for others to send us to.
    fn is_usable(&self, address: IpAddr) -> bool {
        let odd = address.is_unspecified() || address.is_multicast();
        let local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let elsewhere = !address.is_loopback() || self.is_near(address);
        !odd && !local && elsewhere && address != IpAddr::V4(Ipv4Addr::BROADCAST)
    }

    /// Whether an address is in a network of the interface.
    fn is_near(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|(own, prefix)| shares_prefix(*own, address, *prefix))
    }
}

fn shares_prefix(one: IpAddr, two: IpAddr, prefix: u8) -> bool {
    let prefix = u32::from(prefix);
    match (one, two) {
        (IpAddr::V4(one), IpAddr::V4(two)) => {
            let differing = Ipv4Addr::to_bits(one) ^ Ipv4Addr::to_bits(two);
            differing.leading_zeros() >= prefix.min(u32::BITS)
        }
        (IpAddr::V6(one), IpAddr::V6(two)) => {
            let differing = Ipv6Addr::to_bits(one) ^ Ipv6Addr::to_bits(two);
            differing.leading_zeros() >= prefix.min(u128::BITS)
        }
        _ => false,
    }
}

fn attribute((key, value): &Attribute) -> (String, Option<String>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&key.to_ascii_lowercase()), value.as_deref().map(text))
}

#[cfg(test)]
mod tests;
