//! Packets of multicast DNS: the records of a response, the questions of a query.
//!
//! Any bytes are read without panic. Only records of the kinds that browsing needs are taken, in
//! whatever section they stand; everything else of a packet is skipped. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::{PTR, RData};
use simple_dns::{
    CLASS, Packet, PacketFlag, QCLASS, QTYPE, Question as PacketQuestion, ResourceRecord, TYPE,
};

use super::name::DomainName;
use crate::limits;
use crate::net::dns::message::{HEADER_BYTES, counts_fit};

/// Bytes of a question beside its name.
const QUESTION_BYTES: usize = 4;
/// Bytes of a record beside its name and data.
const RECORD_BYTES: usize = 10;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Instances of a service type.
    Ptr,
    /// Host and port of an instance.
    Srv,
    /// Attributes of an instance.
    Txt,
    /// IPv4 addresses of a host.
    A,
    /// IPv6 addresses of a host.
    Aaaa,
}

impl Kind {
    fn code(self) -> TYPE {
        match self {
            Kind::Ptr => TYPE::PTR,
            Kind::Srv => TYPE::SRV,
            Kind::Txt => TYPE::TXT,
            Kind::A => TYPE::A,
            Kind::Aaaa => TYPE::AAAA,
        }
    }
}

/// A key of a TXT record as bytes, and its value; none when there is no equals sign.
pub type Attribute = (Box<[u8]>, Option<Box<[u8]>>);

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Data {
    /// An instance.
    Ptr(DomainName),
    /// Where an instance is; the order is the order of preference.
    Srv {
        /// The lowest is preferred.
        priority: u16,
        /// The highest is preferred.
        weight: std::cmp::Reverse<u16>,
        /// The host.
        target: DomainName,
        /// Its port.
        port: u16,
    },
    /// Attributes in their order, the first of each key, at most [`limits::MDNS_TXT_BYTES`].
    Txt(Box<[Attribute]>),
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
}

impl Data {
    /// The kind of the record.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Data::Ptr(_) => Kind::Ptr,
            Data::Srv { .. } => Kind::Srv,
            Data::Txt(_) => Kind::Txt,
            Data::A(_) => Kind::A,
            Data::Aaaa(_) => Kind::Aaaa,
        }
    }
}

/// A record of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is about.
    pub name: DomainName,
    /// How long it is good, in seconds; zero takes it back.
    pub ttl: u32,
    /// Whether it replaces what was said before of that name and kind.
    pub flush: bool,
    /// What it says.
    pub data: Data,
}

/// What a packet is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The records of a response; at most [`limits::MDNS_RECORDS_PER_PACKET`].
    Response(Vec<Record>),
    /// Somebody asks.
    Query,
    /// It is no message of multicast DNS.
    Malformed,
}

/// Reads a packet.
#[must_use]
pub fn decode(bytes: &[u8]) -> Message {
    let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Message::Malformed;
    };
    // Operation and response code must be zero; what is not is to be ignored (RFC 6762, 18.3, 18.11).
    let (is_response, operation, code) = (head[2] & 0x80 != 0, head[2] & 0x78, head[3] & 0x0f);
    if operation != 0 || code != 0 || !counts_fit(head, bytes.len()) {
        return Message::Malformed;
    }
    if !is_response {
        return Message::Query;
    }
    let Ok(packet) = Packet::parse(bytes) else {
        return Message::Malformed;
    };
    let sections = [
        &packet.answers,
        &packet.name_servers,
        &packet.additional_records,
    ];
    let records = sections.into_iter().flatten().filter_map(record);
    Message::Response(records.take(limits::MDNS_RECORDS_PER_PACKET).collect())
}

fn record(record: &ResourceRecord<'_>) -> Option<Record> {
    if record.class != CLASS::IN {
        return None;
    }
    let data = match &record.rdata {
        RData::PTR(PTR(name)) => Data::Ptr(DomainName::from_packet(name)?),
        RData::SRV(srv) => Data::Srv {
            priority: srv.priority,
            weight: std::cmp::Reverse(srv.weight),
            target: DomainName::from_packet(&srv.target)?,
            port: srv.port,
        },
        RData::TXT(txt) => Data::Txt(attributes(txt.iter_raw())),
        RData::A(a) => Data::A(Ipv4Addr::from(a.address)),
        RData::AAAA(aaaa) => Data::Aaaa(Ipv6Addr::from(aaaa.address)),
        _ => return None,
    };
    Some(Record {
        name: DomainName::from_packet(&record.name)?,
        ttl: record.ttl,
        flush: record.cache_flush,
        data,
    })
}

/// The attributes that count: of each key the first (RFC 6763, section 6.4), as long as they fit.
fn attributes<'a>(pairs: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> Box<[Attribute]> {
    let mut kept: Vec<Attribute> = Vec::new();
    let mut bytes = 0;
    for (key, value) in pairs {
        bytes += key.len() + value.map_or(0, <[u8]>::len) + 2;
        if bytes > limits::MDNS_TXT_BYTES {
            break;
        }
        if kept.iter().all(|(own, _)| !own.eq_ignore_ascii_case(key)) {
            kept.push((key.into(), value.map(Into::into)));
        }
    }
    kept.into()
}

/// A question.
pub type Question = (DomainName, Kind);

/// An answer that is known, so that nobody needs to give it: service type, instance and the
/// seconds it is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAnswer {
    /// The service type.
    pub name: DomainName,
    /// Seconds left.
    pub ttl: u32,
    /// The instance.
    pub instance: DomainName,
}

impl KnownAnswer {
    fn bytes(&self) -> usize {
        self.name.wire_bytes() + RECORD_BYTES + self.instance.wire_bytes()
    }
}

/// The packets that ask all `questions`; `known` belong to any of them. Known answers that do not
/// fit follow in further packets, announced by the truncation bit (RFC 6762, section 7.2).
#[must_use]
pub fn encode(questions: &[Question], known: &[KnownAnswer]) -> Vec<Vec<u8>> {
    let mut drafts = vec![Draft::default()];
    // Those that `known` belongs to go last, next to it.
    let (with, without): (Vec<&Question>, Vec<&Question>) =
        questions.iter().partition(|(_, kind)| *kind == Kind::Ptr);
    for question in without.into_iter().chain(with) {
        let bytes = question.0.wire_bytes() + QUESTION_BYTES;
        Draft::room_for(&mut drafts, bytes, false)
            .questions
            .push(question);
    }
    for answer in known {
        Draft::room_for(&mut drafts, answer.bytes(), true)
            .answers
            .push(answer);
    }
    drafts.iter().filter_map(Draft::build).collect()
}

/// A packet in the making.
#[derive(Default)]
struct Draft<'a> {
    questions: Vec<&'a Question>,
    answers: Vec<&'a KnownAnswer>,
    bytes: usize,
    /// More of the same message follows.
    truncated: bool,
}

impl<'a> Draft<'a> {
    /// The last draft, or a new one after it, with `bytes` more taken.
    fn room_for<'d>(
        drafts: &'d mut Vec<Draft<'a>>,
        bytes: usize,
        continues: bool,
    ) -> &'d mut Draft<'a> {
        let last = drafts.len() - 1;
        let used = HEADER_BYTES + drafts[last].bytes;
        if used + bytes > limits::MDNS_QUERY_BYTES {
            drafts[last].truncated = continues;
            drafts.push(Draft::default());
        }
        let last = drafts.len() - 1;
        drafts[last].bytes += bytes;
        &mut drafts[last]
    }

    fn build(&self) -> Option<Vec<u8>> {
        if self.questions.is_empty() && self.answers.is_empty() {
            return None;
        }
        let mut packet = Packet::new_query(0);
        if self.truncated {
            packet.set_flags(PacketFlag::TRUNCATION);
        }
        for (name, kind) in &self.questions {
            let kind = QTYPE::TYPE(kind.code());
            packet.questions.push(PacketQuestion::new(
                name.to_packet(),
                kind,
                QCLASS::CLASS(CLASS::IN),
                false,
            ));
        }
        for answer in &self.answers {
            let data = RData::PTR(PTR(answer.instance.to_packet()));
            packet.answers.push(ResourceRecord::new(
                answer.name.to_packet(),
                CLASS::IN,
                answer.ttl,
                data,
            ));
        }
        packet.build_bytes_vec_compressed().ok()
    }
}

#[cfg(test)]
mod tests;
