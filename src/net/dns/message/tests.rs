use proptest::prelude::*;
use simple_dns::rdata::{CNAME, MX, SRV};
use simple_dns::{Label, ResourceRecord};

use super::*;

fn query(kind: RecordKind) -> Query {
    Query {
        id: 0x1234,
        name: "_prom._tcp.example.test.".into(),
        kind,
        edns: true,
    }
}

fn reply(query: &Query, answers: Vec<RData<'static>>) -> Vec<u8> {
    let mut packet = Packet::new_reply(query.id);
    let name = Name::new(&query.name).expect("name");
    packet.questions.push(question(name.clone(), query.kind));
    for rdata in answers {
        let record = ResourceRecord::new(name.clone(), CLASS::IN, 60, rdata);
        packet.answers.push(record);
    }
    packet.build_bytes_vec_compressed().expect("built")
}

fn srv(target: &'static str, port: u16) -> RData<'static> {
    RData::SRV(SRV {
        priority: 0,
        weight: 0,
        port,
        target: Name::new(target).expect("target"),
    })
}

#[test]
fn a_question_carries_its_name_kind_and_the_size_we_accept() {
    let bytes = encode(&query(RecordKind::Srv)).expect("encoded");
    let packet = Packet::parse(&bytes).expect("parsed");
    assert_eq!(packet.id(), 0x1234);
    assert!(packet.has_flags(PacketFlag::RECURSION_DESIRED));
    assert_eq!(
        packet.questions[0].qname.to_string(),
        "_prom._tcp.example.test"
    );
    assert_eq!(packet.questions[0].qtype, QTYPE::TYPE(TYPE::SRV));
    assert_eq!(
        packet.opt().map(|opt| opt.udp_packet_size),
        Some(limits::DNS_UDP_REPLY_BYTES)
    );
}

#[test]
fn a_name_beyond_the_limits_of_dns_is_refused() {
    let mut long = query(RecordKind::A);
    long.name = "a".repeat(64);
    assert!(encode(&long).is_err());
    long.name = "a.".repeat(128);
    assert!(encode(&long).is_err());
}

#[test]
fn records_of_the_kind_asked_for_are_kept_and_cnames_skipped() {
    let asked = query(RecordKind::Srv);
    let alias = RData::CNAME(CNAME(Name::new("real.test").expect("name")));
    let bytes = reply(
        &asked,
        vec![alias, srv("h1.test", 9100), srv("h2.test", 80)],
    );
    let record = |target: &str, port| Record::Srv {
        target: target.into(),
        port,
    };
    let expected = vec![record("h1.test.", 9100), record("h2.test.", 80)];
    assert_eq!(decode(&bytes, &asked), Reply::Records(expected));
}

#[test]
fn replies_to_another_question_are_not_ours() {
    let asked = query(RecordKind::Srv);
    let bytes = reply(&asked, vec![srv("h1.test", 1)]);
    for other in [
        Query {
            id: 1,
            ..asked.clone()
        },
        Query {
            name: "other.test".into(),
            ..asked.clone()
        },
        Query {
            kind: RecordKind::A,
            ..asked.clone()
        },
    ] {
        assert_eq!(decode(&bytes, &other), Reply::NotOurs, "{other:?}");
    }
    let echoed = encode(&asked).expect("encoded");
    assert_eq!(
        decode(&echoed, &asked),
        Reply::NotOurs,
        "our own question sent back"
    );
}

#[test]
fn response_codes_are_told_apart() {
    let asked = query(RecordKind::A);
    let with_code = |code: u8| {
        let mut bytes = reply(&asked, Vec::new());
        bytes[3] = (bytes[3] & 0xf0) | code;
        decode(&bytes, &asked)
    };
    assert_eq!(with_code(0), Reply::Records(Vec::new()));
    assert_eq!(with_code(1), Reply::NotUnderstood);
    assert_eq!(with_code(2), Reply::Failed(2));
    assert_eq!(with_code(3), Reply::NoSuchName);
    assert_eq!(with_code(4), Reply::NotUnderstood);
    assert_eq!(with_code(5), Reply::Failed(5));
}

#[test]
fn a_cut_reply_is_truncated_wherever_it_ends() {
    let asked = query(RecordKind::Srv);
    let mut bytes = reply(&asked, vec![srv("h1.test", 1)]);
    bytes[2] |= 0x02;
    bytes.truncate(20);
    assert_eq!(decode(&bytes, &asked), Reply::Truncated);
}

#[test]
fn counts_that_the_message_cannot_hold_are_refused_before_anything_is_reserved() {
    let asked = query(RecordKind::A);
    let mut bytes = reply(&asked, Vec::new());
    bytes[6..12].fill(0xff);
    assert_eq!(decode(&bytes, &asked), Reply::Malformed);
}

#[test]
fn names_from_the_net_are_printable_whatever_they_hold() {
    let asked = query(RecordKind::Mx);
    let labels = [Label::new(&b"a.b \n"[..]), Label::new(&b"\xff\""[..])];
    let labels: Vec<_> = labels.into_iter().map(|l| l.expect("label")).collect();
    let mx = MX {
        preference: 1,
        exchange: Name::new_with_labels(&labels),
    };
    let bytes = reply(&asked, vec![RData::MX(mx)]);
    let expected = Record::Mx(r#"a\.b\ \010.\255\"."#.into());
    assert_eq!(decode(&bytes, &asked), Reply::Records(vec![expected]));
}

fn kinds() -> impl Strategy<Value = RecordKind> {
    prop::sample::select(vec![
        RecordKind::Srv,
        RecordKind::A,
        RecordKind::Aaaa,
        RecordKind::Mx,
        RecordKind::Ns,
    ])
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..600),
        kind in kinds(),
    ) {
        let asked = query(kind);
        let _any = decode(&bytes, &asked);
        // And once more past the checks of number and direction.
        if bytes.len() >= HEADER_BYTES {
            bytes[0..2].copy_from_slice(&asked.id.to_be_bytes());
            bytes[2] = 0x80;
            let _any = decode(&bytes, &asked);
        }
    }

    #[test]
    fn a_damaged_reply_is_read_without_panic(
        flips in prop::collection::vec((0usize..400, any::<u8>()), 1..12),
        cut in 0usize..400,
    ) {
        let asked = query(RecordKind::Srv);
        let mut bytes = reply(&asked, vec![srv("h1.example.test", 1), srv("h2.example.test", 2)]);
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(bytes.len().saturating_sub(cut % 40));
        if let Reply::Records(records) = decode(&bytes, &asked) {
            for record in records {
                if let Record::Srv { target, .. } = record {
                    prop_assert!(target.bytes().all(|b| b.is_ascii_graphic() || b == b' '));
                }
            }
        }
    }
}
