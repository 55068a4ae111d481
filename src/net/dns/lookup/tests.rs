use std::collections::VecDeque;

use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, PacketFlag, RCODE, ResourceRecord};

use super::*;

/// What a scripted server does with a question.
#[derive(Clone, Copy, Debug)]
enum Says {
    Address(u8),
    Nothing,
    NoSuchName,
    ServFail,
    FormErr,
    Truncated,
    Silence,
}

fn answer(question: &[u8], says: Says) -> Option<Vec<u8>> {
    let asked = Packet::parse(question).expect("our own question");
    let mut reply = Packet::new_reply(asked.id());
    reply.questions = asked.questions.clone();
    let name = asked.questions[0].qname.clone();
    match says {
        Says::Silence => return None,
        Says::Nothing => {}
        Says::Address(last) => {
            let address = u32::from_be_bytes([192, 0, 2, last]);
            let rdata = RData::A(A { address });
            let record = ResourceRecord::new(name, CLASS::IN, 1, rdata);
            reply.answers.push(record);
        }
        Says::NoSuchName => *reply.rcode_mut() = RCODE::NameError,
        Says::ServFail => *reply.rcode_mut() = RCODE::ServerFailure,
        Says::FormErr => *reply.rcode_mut() = RCODE::FormatError,
        Says::Truncated => reply.set_flags(PacketFlag::TRUNCATION),
    }
    Some(reply.build_bytes_vec().expect("built"))
}

fn conf(text: &str) -> ResolverConfig {
    ResolverConfig::parse(text.as_bytes(), 53, |_| None)
}

const TWO_SERVERS: &str = "nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions attempts:1\n";

/// Plays the script and notes `server name protocol` of every question.
fn play(
    text: &str,
    name: &str,
    script: &[Says],
) -> (Vec<String>, Result<Vec<Record>, LookupError>) {
    let mut script: VecDeque<Says> = script.iter().copied().collect();
    let mut asked = Vec::new();
    let jitter = Jitter::seeded(1);
    let mut lookup = Lookup::new(Mono(0), conf(text), name, RecordKind::A, jitter).expect("name");
    loop {
        let ask = match lookup.next(Mono(0)) {
            Step::Ask(ask) => ask,
            Step::Done(outcome) => {
                assert!(script.is_empty(), "not asked: {script:?}");
                return (asked, outcome);
            }
        };
        let packet = Packet::parse(&ask.message).expect("question");
        let edns = if packet.opt().is_some() { " edns" } else { "" };
        let (server, name) = (ask.server.ip(), &packet.questions[0].qname);
        asked.push(format!("{server} {name} {:?}{edns}", ask.protocol));
        match answer(&ask.message, script.pop_front().expect("more questions")) {
            Some(bytes) => assert_eq!(lookup.on_reply(&bytes), Taken::Yes),
            None => lookup.on_failure(AskError::Timeout { server: ask.server }),
        }
    }
}

#[test]
fn the_first_answer_ends_the_lookup() {
    let (asked, outcome) = play(TWO_SERVERS, "a.test", &[Says::Address(9)]);
    assert_eq!(asked, ["192.0.2.1 a.test Udp edns"]);
    assert_eq!(outcome.expect("answer"), [Record::A([192, 0, 2, 9].into())]);
}

#[test]
fn a_failing_server_is_followed_by_the_next_and_by_more_rounds() {
    let text = TWO_SERVERS.replace("attempts:1", "attempts:2");
    let script = [Says::ServFail, Says::Silence, Says::ServFail, Says::Nothing];
    let (asked, outcome) = play(&text, "a.test", &script);
    let servers: Vec<_> = asked.iter().map(|line| &line[..9]).collect();
    assert_eq!(
        servers,
        ["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"]
    );
    assert!(outcome.expect("answer").is_empty());
}

#[test]
fn a_name_denied_with_every_suffix_is_empty() {
    let text = format!("{TWO_SERVERS}search x.test y.test\n");
    let (asked, outcome) = play(&text, "a", &[Says::NoSuchName; 3]);
    let names: Vec<_> = asked.iter().filter_map(|l| l.split(' ').nth(1)).collect();
    assert_eq!(names, ["a.x.test", "a.y.test", "a"]);
    assert!(outcome.expect("denied by all").is_empty());
}

#[test]
fn one_silent_server_makes_a_denial_an_error() {
    let text = format!("{TWO_SERVERS}search x.test\n");
    let script = [Says::ServFail, Says::Silence, Says::NoSuchName];
    let (_, outcome) = play(&text, "a", &script);
    let error = outcome.expect_err("in doubt").to_string();
    assert_eq!(
        error,
        "no server could say whether a has A records; last: 192.0.2.2:53 did not answer in time"
    );
}

#[test]
fn a_later_suffix_may_still_answer_after_a_failure() {
    let text = format!("{TWO_SERVERS}search x.test\n");
    let script = [Says::ServFail, Says::ServFail, Says::Address(1)];
    let (_, outcome) = play(&text, "a", &script);
    assert_eq!(outcome.expect("answer").len(), 1);
}

#[test]
fn a_truncated_reply_is_asked_again_over_tcp_without_edns() {
    let (asked, outcome) = play(TWO_SERVERS, "a.test", &[Says::Truncated, Says::Address(1)]);
    assert_eq!(asked[0], "192.0.2.1 a.test Udp edns");
    assert_eq!(asked[1], "192.0.2.1 a.test Tcp");
    assert_eq!(outcome.expect("answer").len(), 1);
}

#[test]
fn truncation_over_tcp_is_a_failure() {
    let script = [Says::Truncated, Says::Truncated, Says::Address(1)];
    let (asked, _) = play(TWO_SERVERS, "a.test", &script);
    assert_eq!(asked[2], "192.0.2.2 a.test Udp edns");
}

#[test]
fn a_server_that_refuses_edns_is_asked_without() {
    let (asked, outcome) = play(TWO_SERVERS, "a.test", &[Says::FormErr, Says::Address(1)]);
    assert_eq!(asked[1], "192.0.2.1 a.test Udp");
    assert!(outcome.is_ok());
}

#[test]
fn the_whole_lookup_has_a_deadline() {
    let jitter = Jitter::seeded(1);
    let mut lookup =
        Lookup::new(Mono(0), conf(TWO_SERVERS), "a", RecordKind::A, jitter).expect("name");
    assert!(matches!(lookup.next(Mono(0)), Step::Ask(_)));
    let late = Mono(0) + limits::DNS_LOOKUP_DEADLINE;
    assert!(matches!(
        lookup.next(late),
        Step::Done(Err(LookupError::NoAnswer {
            last: AskError::OutOfTime,
            ..
        }))
    ));
}

#[test]
fn rotation_spreads_the_first_question_over_the_servers() {
    let text = format!("{TWO_SERVERS}options rotate\n");
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let jitter = Jitter::seeded(seed);
        let mut lookup =
            Lookup::new(Mono(0), conf(&text), "a", RecordKind::A, jitter).expect("name");
        if let Step::Ask(ask) = lookup.next(Mono(0)) {
            seen.insert(ask.server);
        }
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_stray_reply_leaves_the_question_open() {
    let jitter = Jitter::seeded(1);
    let mut lookup =
        Lookup::new(Mono(0), conf(TWO_SERVERS), "a", RecordKind::A, jitter).expect("name");
    let Step::Ask(ask) = lookup.next(Mono(0)) else {
        panic!("a question");
    };
    let mut bytes = answer(&ask.message, Says::Address(1)).expect("reply");
    bytes[0] ^= 1;
    assert_eq!(lookup.on_reply(&bytes), Taken::KeepWaiting);
    bytes[0] ^= 1;
    assert_eq!(lookup.on_reply(&bytes), Taken::Yes);
    assert!(matches!(lookup.next(Mono(0)), Step::Done(Ok(_))));
}
