//! A simulated link: devices that announce, answer, change and vanish, and packets that get lost.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use simple_dns::rdata::{A, AAAA, PTR, RData, SRV, TXT};
use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, ResourceRecord, TYPE};

use super::browser::{Browser, Received};
use super::link::Wanted;
use super::name::DomainName;
use super::service::{Prefer, Service};
use crate::model::time::Mono;
use crate::sys::jitter::Jitter;

/// The interface of a simulated link.
pub(super) const LINK: &str = "eth0";
/// The type that is browsed.
pub(super) const TYPE_NAME: &str = "_x._tcp.local";

/// A name without dots in its labels.
pub(super) fn name(text: &str) -> DomainName {
    DomainName::from_dotted(text).expect("a name")
}

/// Who answers.
pub(super) fn sender() -> SocketAddr {
    "192.0.2.9:5353".parse().expect("address")
}

/// What the tests browse for.
pub(super) fn wanted(prefer: Prefer) -> Wanted {
    let types = vec![name(TYPE_NAME)];
    Wanted { types, prefer }
}

/// A browser with one link.
pub(super) fn browser(now: Mono) -> Browser {
    let mut browser = Browser::new(wanted(Prefer::Ipv4), false, Jitter::seeded(now.0 ^ 5));
    browser.up(now, LINK, networks());
    browser
}

/// The addresses of the interface.
pub(super) fn networks() -> Vec<(std::net::IpAddr, u8)> {
    vec![("192.0.2.1".parse().expect("address"), 24)]
}

/// A device with one service.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) instance: Vec<u8>,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) text: String,
    pub(super) v4: Option<Ipv4Addr>,
    pub(super) v6: Option<Ipv6Addr>,
    /// Life of its PTR and TXT records, and of the others.
    pub(super) ttl: (u32, u32),
    /// Whether each record is a packet of its own.
    pub(super) splits: bool,
}

impl Device {
    pub(super) fn new(number: u8) -> Device {
        Device {
            instance: format!("Device {number}").into_bytes(),
            host: format!("device{number}.local"),
            port: 9000 + u16::from(number),
            text: "path=/m".to_owned(),
            v4: Some(Ipv4Addr::new(192, 0, 2, 100 + number)),
            v6: None,
            ttl: (4500, 120),
            splits: false,
        }
    }

    pub(super) fn full_name(&self) -> DomainName {
        let parent = name(TYPE_NAME);
        let labels = std::iter::once(&self.instance[..]).chain(parent.labels());
        DomainName::from_labels(labels).expect("a name")
    }

    /// All its records, PTR first.
    pub(super) fn records(&self) -> Vec<ResourceRecord<'static>> {
        let (long, short) = self.ttl;
        let (service, full, host) = (name(TYPE_NAME), self.full_name(), name(&self.host));
        let mut text = TXT::new();
        text.add_attribute("note", Some(b"x")).expect("short");
        if let Some((key, value)) = self.text.split_once('=') {
            let value = Some(value.as_bytes());
            text.add_attribute(key, value).expect("short");
        }
        let target = host.to_packet().into_owned();
        let place = SRV {
            priority: 0,
            weight: 0,
            port: self.port,
            target,
        };
        let mut records = vec![
            record(
                &service,
                long,
                false,
                RData::PTR(PTR(full.to_packet().into_owned())),
            ),
            record(&full, short, true, RData::SRV(place)),
            record(&full, long, true, RData::TXT(text)),
        ];
        if let Some(v4) = self.v4 {
            records.push(record(
                &host,
                short,
                true,
                RData::A(A { address: v4.into() }),
            ));
        }
        if let Some(v6) = self.v6 {
            records.push(record(
                &host,
                short,
                true,
                RData::AAAA(AAAA { address: v6.into() }),
            ));
        }
        records
    }

    /// Announces everything, in one packet or several.
    pub(super) fn announcement(&self) -> Vec<Vec<u8>> {
        packets(self.records(), self.splits)
    }

    /// Takes everything back.
    pub(super) fn goodbye(&self) -> Vec<Vec<u8>> {
        let mut records = self.records();
        for record in &mut records {
            record.ttl = 0;
        }
        packets(records, self.splits)
    }

    /// Answers a query, unless the answer is known to the one who asks.
    pub(super) fn answer(&self, query: &[u8]) -> Vec<Vec<u8>> {
        let query = Packet::parse(query).expect("a packet");
        let own = self.records();
        let asked = |record: &&ResourceRecord<'static>| {
            query.questions.iter().any(|question| {
                let kind = QTYPE::TYPE(record.rdata.type_code());
                question.qname == record.name && question.qtype == kind
            })
        };
        let known = |record: &ResourceRecord<'static>| {
            query.answers.iter().any(|answer| {
                let same = answer.name == record.name && answer.rdata == record.rdata;
                same && answer.ttl >= record.ttl / 2
            })
        };
        let mut answers: Vec<_> = own.iter().filter(asked).cloned().collect();
        answers.retain(|record| !known(record));
        let is_ptr = |record: &ResourceRecord<'_>| record.rdata.type_code() == TYPE::PTR;
        if answers.iter().any(is_ptr) {
            answers = own;
        }
        packets(answers, self.splits)
    }
}

fn record(
    name: &DomainName,
    ttl: u32,
    flush: bool,
    data: RData<'static>,
) -> ResourceRecord<'static> {
    let name = name.to_packet().into_owned();
    ResourceRecord::new(name, CLASS::IN, ttl, data).with_cache_flush(flush)
}

/// Records as packets; none for none.
pub(super) fn packets(records: Vec<ResourceRecord<'static>>, splits: bool) -> Vec<Vec<u8>> {
    let lots = match (splits, records.is_empty()) {
        (_, true) => Vec::new(),
        // The last first, so that nothing comes in the order in which it is needed.
        (true, _) => records.into_iter().rev().map(|one| vec![one]).collect(),
        (false, _) => vec![records],
    };
    let packet = |records: Vec<ResourceRecord<'static>>| {
        let mut packet = Packet::new_reply(0);
        packet.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
        packet.answers = records;
        packet.build_bytes_vec_compressed().expect("a packet")
    };
    lots.into_iter().map(packet).collect()
}

/// A link with devices and one browser on it.
pub(super) struct World {
    pub(super) now: Mono,
    pub(super) devices: Vec<Device>,
    pub(super) browser: Browser,
    /// The last report.
    pub(super) services: Vec<Service>,
    pub(super) reports: usize,
    /// Whether the n-th packet, counted on, is lost.
    pub(super) loses: Box<dyn FnMut() -> bool>,
    /// Every query so far.
    pub(super) queries: Vec<(Mono, Vec<u8>)>,
}

impl World {
    pub(super) fn new(now: Mono, devices: Vec<Device>) -> World {
        World {
            now,
            devices,
            browser: browser(now),
            services: Vec::new(),
            reports: 0,
            loses: Box::new(|| false),
            queries: Vec::new(),
        }
    }

    /// Puts packets on the link.
    pub(super) fn send(&mut self, packets: Vec<Vec<u8>>) {
        for packet in packets {
            if !(self.loses)() {
                let received = self.browser.receive(self.now, LINK, sender(), &packet);
                let fine = [Received::Taken(0), Received::NoLink];
                assert!(fine.contains(&received), "{received:?}");
            }
        }
    }

    fn turn(&mut self) {
        for (_, query) in self.browser.turn(self.now) {
            self.queries.push((self.now, query.clone()));
            let answers: Vec<_> = self
                .devices
                .iter()
                .map(|device| device.answer(&query))
                .collect();
            for answer in answers {
                self.send(answer);
            }
        }
        if let Some(services) = self.browser.report(self.now) {
            self.services = services;
            self.reports += 1;
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, millis: u64) {
        let end = self.now + std::time::Duration::from_millis(millis);
        let mut turns = 0u64;
        while self.browser.deadline() <= end {
            assert!(
                self.browser.deadline() > self.now || turns < 1_000_000,
                "busy"
            );
            self.now = self.browser.deadline().max(self.now);
            self.turn();
            turns += 1;
        }
        self.now = end;
        assert!(
            turns <= 1000 + millis / 20,
            "{turns} turns in {millis} ms: a busy loop"
        );
    }

    /// The questions asked so far of that kind, with their times in milliseconds.
    pub(super) fn asked(&self, kind: TYPE) -> Vec<u64> {
        let of_kind = self.queries.iter().filter(|(_, query)| {
            let packet = Packet::parse(query).expect("a packet");
            let mut questions = packet.questions.iter();
            questions.any(|question| question.qtype == QTYPE::TYPE(kind))
        });
        of_kind.map(|(at, _)| at.as_millis()).collect()
    }

    pub(super) fn instances(&self) -> Vec<&str> {
        self.services
            .iter()
            .map(|one| one.instance.as_str())
            .collect()
    }
}
