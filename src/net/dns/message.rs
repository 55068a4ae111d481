//! One DNS question as bytes, and the bytes that come back as an answer.
//!
//! Any bytes are read without panic. A reply counts only if it repeats the question and its
//! number; anything else is [`Reply::NotOurs`] and the caller goes on waiting. Record counts are
//! checked against the length before anything is reserved for them. Pure.

use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::{OPT, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

use crate::limits;

/// Bytes before the first question.
pub const HEADER_BYTES: usize = 12;
/// A question of the root name.
const SHORTEST_QUESTION: usize = 5;
/// A record of the root name without data.
const SHORTEST_RECORD: usize = 11;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// Host and port of a service.
    Srv,
    /// IPv4 address.
    A,
    /// IPv6 address.
    Aaaa,
    /// Mail exchanger.
    Mx,
    /// Name server.
    Ns,
}

impl RecordKind {
    fn code(self) -> TYPE {
        match self {
            RecordKind::Srv => TYPE::SRV,
            RecordKind::A => TYPE::A,
            RecordKind::Aaaa => TYPE::AAAA,
            RecordKind::Mx => TYPE::MX,
            RecordKind::Ns => TYPE::NS,
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordKind::Srv => "SRV",
            RecordKind::A => "A",
            RecordKind::Aaaa => "AAAA",
            RecordKind::Mx => "MX",
            RecordKind::Ns => "NS",
        })
    }
}

/// A record of the kind that was asked for. Names are absolute, with their final dot, and escaped
/// as in zone files (RFC 4343, section 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A service at a host and port.
    Srv {
        /// The host.
        target: String,
        /// Its port.
        port: u16,
    },
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name of a mail exchanger.
    Mx(String),
    /// The name of a name server.
    Ns(String),
}

/// One question to one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Number that the reply repeats; unpredictable.
    pub id: u16,
    /// Absolute name, with or without its final dot.
    pub name: String,
    /// Records asked for.
    pub kind: RecordKind,
    /// Whether larger UDP replies are offered; servers older than 1999 refuse such questions.
    pub edns: bool,
}

/// A name that cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a domain name: a label has at most 63 bytes, a name 255")]
pub struct BadName {
    /// The name.
    pub name: String,
}

/// What a reply says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It answers something else, perhaps an older or a forged question.
    NotOurs,
    /// The records do not fit: ask again over TCP.
    Truncated,
    /// The records of the kind asked for; none when the name has no such records.
    Records(Vec<Record>),
    /// The name does not exist.
    NoSuchName,
    /// The server does not understand the question (`FORMERR`, `NOTIMP`).
    NotUnderstood,
    /// The server cannot answer: the response code.
    Failed(u8),
    /// It is no DNS message.
    Malformed,
}

/// Whether `name` can be asked for.
#[must_use]
pub fn is_name(name: &str) -> bool {
    Name::new(name).is_ok()
}

/// The question as bytes.
///
/// # Errors
/// When the name breaks the limits of DNS.
pub fn encode(query: &Query) -> Result<Vec<u8>, BadName> {
    let bad = || BadName {
        name: query.name.clone(),
    };
    let name = Name::new(&query.name).map_err(|_| bad())?;
    let mut packet = Packet::new_query(query.id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(question(name, query.kind));
    if query.edns {
        *packet.opt_mut() = Some(OPT {
            opt_codes: Vec::new(),
            udp_packet_size: limits::DNS_UDP_REPLY_BYTES,
            version: 0,
        });
    }
    packet.build_bytes_vec().map_err(|_| bad())
}

fn question(name: Name<'_>, kind: RecordKind) -> Question<'_> {
    let kind = QTYPE::TYPE(kind.code());
    Question::new(name, kind, QCLASS::CLASS(CLASS::IN), false)
}

/// Reads a reply to `query`.
#[must_use]
pub fn decode(bytes: &[u8], query: &Query) -> Reply {
    let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Reply::NotOurs;
    };
    let is_response = head[2] & 0x80 != 0;
    let truncated = head[2] & 0x02 != 0;
    let code = head[3] & 0x0f;
    if u16::from_be_bytes([head[0], head[1]]) != query.id || !is_response {
        return Reply::NotOurs;
    }
    if truncated {
        // A cut message may end anywhere, so nothing more is read of it.
        return Reply::Truncated;
    }
    if !counts_fit(head, bytes.len()) {
        return Reply::Malformed;
    }
    let Ok(packet) = Packet::parse(bytes) else {
        return Reply::Malformed;
    };
    if !repeats_question(&packet, query, code) {
        return Reply::NotOurs;
    }
    match packet.rcode() {
        RCODE::NoError => Reply::Records(records_of(&packet, query.kind)),
        RCODE::NameError => Reply::NoSuchName,
        RCODE::FormatError | RCODE::NotImplemented => Reply::NotUnderstood,
        _ => Reply::Failed(code),
    }
}

/// Whether a message of `length` bytes can hold as many records as its head claims; readers reserve
/// memory for what it claims.
#[must_use]
pub fn counts_fit(head: &[u8; HEADER_BYTES], length: usize) -> bool {
    let count = |at: usize| usize::from(u16::from_be_bytes([head[at], head[at + 1]]));
    let records = count(6) + count(8) + count(10);
    HEADER_BYTES + count(4) * SHORTEST_QUESTION + records * SHORTEST_RECORD <= length
}

/// Servers that refuse a question sometimes leave it out of the refusal.
fn repeats_question(packet: &Packet<'_>, query: &Query, code: u8) -> bool {
    let Ok(name) = Name::new(&query.name) else {
        return false;
    };
    match packet.questions.as_slice() {
        [] => code != 0,
        [only] => only.qname == name && only.qtype == QTYPE::TYPE(query.kind.code()),
        _ => false,
    }
}

fn records_of(packet: &Packet<'_>, kind: RecordKind) -> Vec<Record> {
    let records = packet.answers.iter().filter_map(|answer| {
        // CNAMEs on the way to the records are skipped, like anything else not asked for.
        match (kind, &answer.rdata) {
            (RecordKind::Srv, RData::SRV(srv)) => Some(Record::Srv {
                target: absolute(&srv.target),
                port: srv.port,
            }),
            (RecordKind::A, RData::A(a)) => Some(Record::A(Ipv4Addr::from(a.address))),
            (RecordKind::Aaaa, RData::AAAA(aaaa)) => {
                Some(Record::Aaaa(Ipv6Addr::from(aaaa.address)))
            }
            (RecordKind::Mx, RData::MX(mx)) => Some(Record::Mx(absolute(&mx.exchange))),
            (RecordKind::Ns, RData::NS(ns)) => Some(Record::Ns(absolute(&ns.0))),
            _ => None,
        }
    });
    records.collect()
}

/// The name with its final dot. Bytes that a zone file would have to escape are escaped, so that
/// the result is printable ASCII whatever the server sent.
fn absolute(name: &Name<'_>) -> String {
    let mut text = String::new();
    for label in name.as_bytes() {
        for &byte in label {
            match byte {
                b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\' => {
                    text.push('\\');
                    text.push(char::from(byte));
                }
                b'!'..=b'~' => text.push(char::from(byte)),
                _ => {
                    // Writing to a String cannot fail.
                    let _written = write!(text, "\\{byte:03}");
                }
            }
        }
        text.push('.');
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests;
