use proptest::prelude::*;
use simple_dns::OPCODE;
use simple_dns::rdata::{A, NSEC, TXT};

use super::super::testing::{Device, TYPE_NAME, name};
use super::*;

fn records(packet: &[u8]) -> Vec<Record> {
    match decode(packet) {
        Message::Response(records) => records,
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_sections_of_a_response_are_read_and_other_kinds_skipped() {
    let mut packet = Packet::new_reply(0);
    // A responder may set the truncation bit of a response; it means nothing there.
    packet.set_flags(PacketFlag::TRUNCATION);
    let mut own = Device::new(1).records();
    packet.answers.push(own.remove(0));
    packet.name_servers.push(own.remove(0));
    packet.additional_records = own;
    let host = name("device1.local");
    let nsec = NSEC {
        next_name: host.to_packet(),
        type_bit_maps: Vec::new(),
    };
    let more = [RData::NSEC(nsec), RData::A(A { address: 7 })];
    for (data, class) in more.into_iter().zip([CLASS::IN, CLASS::CH]) {
        let name = host.to_packet();
        packet
            .additional_records
            .push(ResourceRecord::new(name, class, 9, data));
    }
    let records = records(&packet.build_bytes_vec_compressed().expect("a packet"));
    let kinds: Vec<Kind> = records.iter().map(|record| record.data.kind()).collect();
    assert_eq!(kinds, [Kind::Ptr, Kind::Srv, Kind::Txt, Kind::A]);
    let flags: Vec<_> = records
        .iter()
        .map(|record| (record.ttl, record.flush))
        .collect();
    assert_eq!(
        flags,
        [(4500, false), (120, true), (4500, true), (120, true)]
    );
}

/// What avahi-daemon 0.8 sent for one service, with a name that needs escapes.
const AVAHI: &str = include_str!("avahi.hex");

#[test]
fn a_packet_of_a_real_responder_is_read() {
    let digits: Vec<u8> = AVAHI.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| {
        u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex")
    };
    let packet: Vec<u8> = digits.chunks(2).map(byte).collect();
    let records = records(&packet);
    let instance = records.iter().find_map(|record| match &record.data {
        Data::Ptr(instance) if record.name == name("_prometheus-http._tcp.local") => Some(instance),
        _ => None,
    });
    let instance = instance.expect("the service");
    let expected = "B\u{e4}ckerei \\. Ofen \\\\ 1._prometheus-http._tcp.local";
    assert_eq!(instance.to_string(), expected);
    let own = records.iter().filter(|record| record.name == *instance);
    let kinds: Vec<Kind> = own.map(|record| record.data.kind()).collect();
    assert!(
        kinds.contains(&Kind::Srv) && kinds.contains(&Kind::Txt),
        "{kinds:?}"
    );
}

#[test]
fn of_each_attribute_the_first_counts_and_not_too_much_of_all() {
    let mut txt = TXT::new();
    for (key, value) in [("Path", "/a"), ("path", "/b"), ("tls", "")] {
        txt.add_attribute(key, Some(value.as_bytes()))
            .expect("short");
    }
    txt.add_attribute("flag", None).expect("short");
    let read = attributes(txt.iter_raw());
    let shown: Vec<(&[u8], Option<&[u8]>)> = read
        .iter()
        .map(|(key, value)| (&**key, value.as_deref()))
        .collect();
    let expected: [(&[u8], Option<&[u8]>); 3] =
        [(b"Path", Some(b"/a")), (b"tls", Some(b"")), (b"flag", None)];
    assert_eq!(shown, expected);
    let long = vec![b'v'; 250];
    let keys: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let many = keys.iter().map(|key| (key.as_bytes(), Some(&long[..])));
    let kept = attributes(many);
    assert_eq!(kept.len(), limits::MDNS_TXT_BYTES / 254);
}

#[test]
fn what_is_no_response_is_told_apart() {
    let question = (name(TYPE_NAME), Kind::Ptr);
    assert_eq!(decode(&encode(&[question], &[])[0]), Message::Query);
    let mut packet = Packet::new_reply(0);
    *packet.opcode_mut() = OPCODE::Notify;
    let odd = packet.build_bytes_vec().expect("a packet");
    assert_eq!(decode(&odd), Message::Malformed);
    let mut failed = Device::new(1).announcement().remove(0);
    failed[3] |= 3;
    assert_eq!(decode(&failed), Message::Malformed);
    assert_eq!(decode(&[0; 11]), Message::Malformed);
    let whole = Device::new(1).announcement().remove(0);
    assert_eq!(decode(&whole[..whole.len() - 1]), Message::Malformed);
    // A head that promises more than there is.
    let mut liar = vec![0, 0, 0x84, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
    liar.resize(50, 0);
    assert_eq!(decode(&liar), Message::Malformed);
}

#[test]
fn questions_and_known_answers_are_spread_over_packets() {
    let service = name(TYPE_NAME);
    let known = |number: usize| KnownAnswer {
        name: service.clone(),
        ttl: 4000,
        instance: name(&format!("instance-number-{number}._x._tcp.local")),
    };
    let known: Vec<KnownAnswer> = (0..60).map(known).collect();
    let other = |number: usize| (name(&format!("h{number}.local")), Kind::A);
    let mut questions: Vec<Question> = (0..100).map(other).collect();
    questions.insert(0, (service.clone(), Kind::Ptr));
    let packets = encode(&questions, &known);
    let mut seen = (0, 0);
    for (index, bytes) in packets.iter().enumerate() {
        assert!(bytes.len() <= limits::MDNS_QUERY_BYTES);
        let packet = Packet::parse(bytes).expect("a packet");
        assert_eq!(
            (packet.id(), packet.has_flags(PacketFlag::RESPONSE)),
            (0, false)
        );
        seen.0 += packet.questions.len();
        seen.1 += packet.answers.len();
        // More answers follow, and only answers.
        let continues = packet.has_flags(PacketFlag::TRUNCATION);
        let next = packets
            .get(index + 1)
            .map(|next| Packet::parse(next).expect("a packet"));
        let follows = next.is_some_and(|next| next.questions.is_empty());
        assert_eq!(continues, follows, "packet {index}");
        assert!(
            packet
                .questions
                .iter()
                .all(|question| !question.unicast_response)
        );
    }
    assert_eq!(seen, (101, 60));
    assert_eq!(encode(&[], &[]), Vec::<Vec<u8>>::new());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _message = decode(&bytes);
    }

    #[test]
    fn a_damaged_packet_is_read_without_panic(
        at in 0..200usize, byte in any::<u8>(), cut in 0..200usize
    ) {
        let mut packet = Device::new(1).announcement().remove(0);
        let length = packet.len();
        packet[at % length] = byte;
        packet.truncate(length - cut % length);
        if let Message::Response(records) = decode(&packet) {
            prop_assert!(records.len() <= limits::MDNS_RECORDS_PER_PACKET);
        }
    }
}
