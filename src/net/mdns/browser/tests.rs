use proptest::prelude::*;
use simple_dns::TYPE;

use super::super::service::Prefer;
use super::super::testing::*;
use super::*;

const START: Mono = Mono::from_millis(1_000_000);

#[test]
fn a_service_is_found_and_resolved_at_once() {
    let mut world = World::new(START, vec![Device::new(1)]);
    world.pass(1000);
    let expected = Service {
        interface: LINK.to_owned(),
        name: "Device 1._x._tcp.local".to_owned(),
        instance: "Device 1".to_owned(),
        kind: "_x._tcp".to_owned(),
        host: "device1.local".to_owned(),
        port: 9001,
        address: Some("192.0.2.101".parse().expect("address")),
        attributes: vec![
            ("note".to_owned(), Some("x".to_owned())),
            ("path".to_owned(), Some("/m".to_owned())),
        ],
    };
    assert_eq!(world.services, [expected]);
    // The answer held everything: only the type was asked for.
    assert_eq!(world.asked(TYPE::SRV), [0u64; 0]);
}

#[test]
fn nothing_found_is_reported_when_there_was_time() {
    let mut world = World::new(START, Vec::new());
    world.pass(3900);
    assert_eq!(world.reports, 0);
    world.pass(200);
    assert_eq!((world.reports, world.services.len()), (1, 0));
    world.pass(3_600_000);
    assert_eq!(world.reports, 1);
}

#[test]
fn a_browser_that_takes_over_waits_until_it_knows_everything() {
    let mut world = World::new(START, vec![Device::new(1)]);
    world.browser = Browser::new(wanted(Prefer::Ipv4), true, Jitter::seeded(3));
    world.pass(5000);
    assert_eq!(world.reports, 0, "there was no link yet");
    world.browser.up(world.now, LINK, networks());
    world.pass(3900);
    assert_eq!(world.reports, 0);
    world.pass(200);
    assert_eq!((world.reports, world.instances()), (1, vec!["Device 1"]));
}

#[test]
fn what_is_split_or_missing_is_asked_for() {
    let mut device = Device::new(1);
    device.splits = true;
    let mut world = World::new(START, vec![device]);
    // Of a first announcement only the instance arrives.
    world.devices[0].splits = false;
    let only_instance = packets(vec![world.devices[0].records().remove(0)], false);
    world.send(only_instance);
    world.devices[0].splits = true;
    world.pass(2000);
    assert_eq!(world.instances(), ["Device 1"]);
    assert!(!world.asked(TYPE::SRV).is_empty() && !world.asked(TYPE::TXT).is_empty());
}

#[test]
fn a_change_is_one_report() {
    let mut world = World::new(START, vec![Device::new(1)]);
    world.pass(10_000);
    assert_eq!(world.reports, 1);
    world.devices[0].text = "path=/other".to_owned();
    world.devices[0].port = 1234;
    let announcement = world.devices[0].announcement();
    world.send(announcement.clone());
    world.pass(500);
    assert_eq!((world.reports, world.services[0].port), (2, 1234));
    let path = ("path".to_owned(), Some("/other".to_owned()));
    assert_eq!(world.services[0].attributes[1], path);
    // Said again, and the replaced records have expired: no news.
    world.send(announcement);
    world.pass(5000);
    assert_eq!(world.reports, 2);
}

#[test]
fn a_goodbye_ends_a_service_a_second_later_unless_it_is_taken_back() {
    let mut world = World::new(START, vec![Device::new(1)]);
    world.pass(2000);
    let device = world.devices[0].clone();
    world.send(device.goodbye());
    world.pass(500);
    world.send(device.announcement());
    world.pass(3000);
    assert_eq!(world.instances(), ["Device 1"]);
    let device = world.devices.remove(0);
    world.send(device.goodbye());
    world.pass(900);
    assert_eq!(world.instances(), ["Device 1"]);
    world.pass(300);
    assert_eq!(world.services, []);
}

#[test]
fn a_device_that_vanishes_is_asked_about_and_expires() {
    let mut device = Device::new(1);
    device.ttl = (4500, 100);
    let mut world = World::new(START, vec![device]);
    world.pass(1000);
    let heard = world.asked(TYPE::PTR)[0];
    world.devices.clear();
    world.pass(98_000);
    assert_eq!(world.instances(), ["Device 1"]);
    world.pass(2000);
    assert_eq!(world.services, []);
    let asked: Vec<u64> = world.asked(TYPE::SRV);
    let after: Vec<u64> = asked.iter().map(|at| (at - heard) / 1000).collect();
    let expected = [80..=82, 85..=87, 90..=92, 95..=97];
    let fits = expected
        .iter()
        .zip(&after)
        .all(|(range, at)| range.contains(at));
    assert!(fits && after.len() >= 4, "{after:?}");
}

#[test]
fn a_device_that_answers_stays_forever() {
    let mut world = World::new(START, vec![Device::new(1)]);
    world.pass(24 * 3_600_000);
    assert_eq!((world.reports, world.instances()), (1, vec!["Device 1"]));
    // One query per refreshed record and not many more: about 900 of the short-lived ones.
    let queries = world.queries.len();
    assert!((850..1100).contains(&queries), "{queries} queries in a day");
}

#[test]
fn known_answers_keep_devices_silent() {
    let mut world = World::new(START, (1..=50).map(Device::new).collect());
    world.pass(1500);
    let second = &world.queries[1].1;
    let packet = simple_dns::Packet::parse(second).expect("a packet");
    assert_eq!(
        (packet.questions.len(), packet.answers.len() > 20),
        (1, true)
    );
    // All that are known are named, if need be in several packets.
    let at = world.queries[1].0;
    let same_time = world.queries.iter().filter(|(time, _)| *time == at);
    let named: usize = same_time
        .map(|(_, query)| {
            simple_dns::Packet::parse(query)
                .expect("a packet")
                .answers
                .len()
        })
        .sum();
    assert_eq!(named, 50);
    assert_eq!(world.services.len(), 50);
}

#[test]
fn only_the_preferred_address_counts_unless_there_is_none() {
    let mut both = Device::new(1);
    both.v6 = Some("2001:db8::1".parse().expect("address"));
    let mut v6_only = both.clone();
    v6_only.v4 = None;
    let address = |prefer, device: &Device| {
        let mut world = World::new(START, vec![device.clone()]);
        world.browser = Browser::new(wanted(prefer), false, Jitter::seeded(3));
        world.browser.up(START, LINK, networks());
        world.pass(8000);
        world.services[0].address.map(|address| address.to_string())
    };
    let (v4, v6) = (
        Some("192.0.2.101".to_owned()),
        Some("2001:db8::1".to_owned()),
    );
    assert_eq!(address(Prefer::Ipv4, &both), v4);
    assert_eq!(address(Prefer::Ipv6, &both), v6);
    assert_eq!(address(Prefer::Ipv4, &v6_only), v6);
    assert_eq!(address(Prefer::Ipv6, &Device::new(1)), v4);
    let mut nameless = Device::new(1);
    nameless.v4 = None;
    assert_eq!(address(Prefer::Name, &nameless), None);
}

#[test]
fn link_local_ipv6_addresses_are_no_targets() {
    let mut device = Device::new(1);
    device.v4 = None;
    device.v6 = Some("fe80::1".parse().expect("address"));
    let mut world = World::new(START, vec![device]);
    world.pass(60_000);
    assert_eq!(world.services, []);
}

#[test]
fn an_interface_that_is_away_keeps_its_services_and_confirms_them_later() {
    let mut world = World::new(START, vec![Device::new(1), Device::new(2)]);
    world.pass(5000);
    world.browser.down(world.now, LINK);
    let queries = world.queries.len();
    world.pass(1_800_000);
    assert_eq!(world.queries.len(), queries, "nobody is asked meanwhile");
    assert_eq!(world.instances(), ["Device 1", "Device 2"]);
    // One is gone when the interface is back.
    world.devices.remove(0);
    world.browser.up(world.now, LINK, networks());
    world.pass(5000);
    assert_eq!(world.instances(), ["Device 1", "Device 2"]);
    world.pass(6000);
    assert_eq!(world.instances(), ["Device 2"]);
    // Away for good.
    world.browser.down(world.now, LINK);
    world.pass(limits::MDNS_AWAY.as_millis() as u64 + 1000);
    assert_eq!(world.services, []);
}

#[test]
fn an_interface_behind_which_there_was_nothing_is_forgotten() {
    let mut world = World::new(START, Vec::new());
    for number in 0..5000 {
        let name = format!("veth{number}");
        world.browser.up(world.now, &name, networks());
        world.browser.down(world.now, &name);
    }
    assert_eq!(world.browser.links.len(), 1);
}

#[test]
fn what_does_not_come_from_the_link_is_not_believed() {
    let mut world = World::new(START, Vec::new());
    let packet = Device::new(1).announcement().remove(0);
    for from in [
        "192.0.2.9:5354",
        "0.0.0.0:5353",
        "224.0.0.251:5353",
        "[ff02::fb]:5353",
    ] {
        let from = from.parse().expect("address");
        let received = world.browser.receive(START, LINK, from, &packet);
        assert_eq!(received, Received::Foreign, "{from}");
    }
    let other = world.browser.receive(START, "eth1", sender(), &packet);
    assert_eq!(other, Received::NoLink);
    world.pass(5000);
    assert_eq!(world.services, []);
}

#[test]
fn records_that_nobody_asked_for_are_not_kept() {
    let mut world = World::new(START, Vec::new());
    let mut records = Device::new(1).records();
    // Everything but the instance itself, and an instance of another type.
    records.remove(0);
    let odd = Device::new(2).records().remove(0);
    let mut elsewhere = odd.clone();
    elsewhere.name = name("_y._tcp.local").to_packet().into_owned();
    records.push(elsewhere);
    let mut not_below = odd;
    not_below.rdata = simple_dns::rdata::RData::PTR(simple_dns::rdata::PTR(
        name("a._y._tcp.local").to_packet().into_owned(),
    ));
    records.push(not_below);
    world.send(packets(records, false));
    world.pass(5000);
    assert_eq!(world.asked(TYPE::SRV), [0u64; 0]);
    assert_eq!(world.services, []);
}

#[test]
fn there_is_room_for_so_many_instances_and_no_more() {
    let mut world = World::new(START, Vec::new());
    let mut refused = 0;
    for number in 0..limits::MDNS_INSTANCES + 10 {
        world.now = world.now + Duration::from_millis(20);
        let mut device = Device::new(1);
        device.instance = number.to_string().into_bytes();
        let packet = device.announcement().remove(0);
        match world.browser.receive(world.now, LINK, sender(), &packet) {
            Received::Taken(more) => refused += more,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 10);
    world.pass(1000);
    assert_eq!(world.services.len(), limits::MDNS_INSTANCES);
}

#[test]
fn a_flood_is_cut_and_what_comes_later_is_heard() {
    let mut world = World::new(START, Vec::new());
    let packet = Device::new(1).announcement().remove(0);
    let burst = usize::from(limits::MDNS_PACKETS_BURST);
    let receive = |world: &mut World| world.browser.receive(world.now, LINK, sender(), &packet);
    let taken = (0..burst + 100).filter(|_| receive(&mut world) == Received::Taken(0));
    assert_eq!(taken.count(), burst);
    assert_eq!(receive(&mut world), Received::TooMany);
    world.now = world.now + Duration::from_secs(1);
    let rate = usize::from(limits::MDNS_PACKETS_RATE);
    let taken = (0..burst).filter(|_| receive(&mut world) == Received::Taken(0));
    assert_eq!(taken.count(), rate);
}

/// Something that happens on the link.
#[derive(Clone, Debug)]
enum Act {
    Arrive(u8),
    Change(u8, u8),
    Leave(u8),
    Vanish(u8),
    Lose(bool),
    Away,
    Back,
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..4u8).prop_map(Act::Arrive),
        3 => (0..4u8, 0..6u8).prop_map(|(device, what)| Act::Change(device, what)),
        1 => (0..4u8).prop_map(Act::Leave),
        1 => (0..4u8).prop_map(Act::Vanish),
        1 => any::<bool>().prop_map(Act::Lose),
        1 => Just(Act::Away),
        1 => Just(Act::Back),
        4 => prop_oneof![0..300u64, 0..5000u64, 0..5_000_000u64].prop_map(Act::Pass),
    ]
}

/// One of two values, the other one.
fn toggle<T: PartialEq>(value: &mut T, one: T, two: T) {
    *value = if *value == one { two } else { one };
}

fn change(device: &mut Device, what: u8) {
    let number = device.instance[device.instance.len() - 1] - b'0';
    let address = |last: u8| Some(std::net::Ipv4Addr::new(192, 0, 2, last));
    match what {
        0 => device.port ^= 512,
        1 => toggle(&mut device.text, "path=/m".into(), "path=/n".into()),
        2 => toggle(&mut device.v4, address(100 + number), address(200 + number)),
        3 => {
            let (one, two) = (
                format!("device{number}.local"),
                format!("other{number}.local"),
            );
            toggle(&mut device.host, one, two);
        }
        4 => device.splits ^= true,
        _ => toggle(&mut device.ttl, (4500, 120), (60, 20)),
    }
}

fn perform(world: &mut World, act: &Act, seed: u64) {
    let find = |world: &World, number: u8| {
        let instance = Device::new(number).instance;
        world
            .devices
            .iter()
            .position(|device| device.instance == instance)
    };
    match act {
        Act::Arrive(number) => {
            if find(world, *number).is_none() {
                world.devices.push(Device::new(*number));
            }
            let index = find(world, *number).expect("just arrived");
            let announcement = world.devices[index].announcement();
            world.send(announcement);
        }
        Act::Change(number, what) => {
            if let Some(index) = find(world, *number) {
                change(&mut world.devices[index], *what);
                let announcement = world.devices[index].announcement();
                world.send(announcement);
            }
        }
        Act::Leave(number) | Act::Vanish(number) => {
            if let Some(index) = find(world, *number) {
                let device = world.devices.remove(index);
                if matches!(act, Act::Leave(_)) {
                    world.send(device.goodbye());
                }
            }
        }
        Act::Lose(much) => {
            let (mut jitter, much) = (Jitter::seeded(seed), *much);
            world.loses = Box::new(move || much && jitter.fraction() < 0.5);
        }
        Act::Away => world.browser.down(world.now, LINK),
        Act::Back => world.browser.up(world.now, LINK, networks()),
        Act::Pass(millis) => world.pass(*millis),
    }
}

/// What a link shows that loses nothing.
fn act_without_loss() -> impl Strategy<Value = Act> {
    act().prop_filter("heard by all", |act| {
        let unheard = matches!(act, Act::Vanish(_) | Act::Lose(_) | Act::Away | Act::Back);
        !unheard
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_heard_counts_within_two_seconds(
        acts in prop::collection::vec(act_without_loss(), 1..30)
    ) {
        let mut world = World::new(START, Vec::new());
        for act in &acts {
            perform(&mut world, act, 0);
            // What changes twice within a second may need a second announcement.
            world.pass(1100);
        }
        world.pass(900);
        let mut fresh = World::new(world.now, world.devices.clone());
        fresh.pass(5000);
        prop_assert_eq!(&world.services, &fresh.services);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_end_is_that_of_a_fresh_browse(
        acts in prop::collection::vec(act(), 1..40), seed in any::<u64>()
    ) {
        let mut world = World::new(START, Vec::new());
        for act in &acts {
            perform(&mut world, act, seed);
        }
        perform(&mut world, &Act::Lose(false), 0);
        perform(&mut world, &Act::Back, 0);
        // As long as a record lives and the longest pause lasts.
        world.pass(4_500_000 + 3_600_000 + 10_000);
        let mut fresh = World::new(world.now, world.devices.clone());
        fresh.pass(10_000);
        prop_assert_eq!(&world.services, &fresh.services);
        prop_assert_eq!(fresh.services.len(), world.devices.len());
    }
}
