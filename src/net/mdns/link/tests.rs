use super::super::testing::{TYPE_NAME, name, wanted};
use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().expect("address")
}

fn record(about: &str, data: Data) -> Record {
    Record {
        name: name(about),
        ttl: 120,
        flush: false,
        data,
    }
}

fn link_with(hosts: Vec<Data>) -> (Link, Wanted, Jitter) {
    let (wanted, mut jitter) = (wanted(Prefer::Ipv4), Jitter::seeded(1));
    let networks = vec![(address("10.1.0.1"), 16), (address("2001:db8:1::1"), 64)];
    let mut link = Link::new(Mono(1), networks, &wanted, &mut jitter);
    let place = |priority, target: &str| Data::Srv {
        priority,
        weight: std::cmp::Reverse(0),
        target: name(target),
        port: 80,
    };
    let mut records = vec![
        record(TYPE_NAME, Data::Ptr(name("a._x._tcp.local"))),
        record("a._x._tcp.local", place(2, "worse.local")),
        record("a._x._tcp.local", place(1, "h.local")),
        record("a._x._tcp.local", Data::Txt([].into())),
    ];
    records.extend(hosts.into_iter().map(|data| record("h.local", data)));
    let refused = link.take(Mono(1), records, 10, &wanted, &mut jitter);
    assert_eq!(refused, 0);
    (link, wanted, jitter)
}

fn services(link: &Link, wanted: &Wanted) -> Vec<Service> {
    let mut found = BTreeSet::new();
    link.services("eth0", wanted, &mut found);
    found.into_iter().collect()
}

#[test]
fn the_nearest_address_of_the_best_host_is_taken() {
    let addresses = [
        "9.9.9.9",
        "10.1.2.3",
        "10.1.2.4",
        "0.0.0.0",
        "255.255.255.255",
    ];
    let data = addresses.map(|text| Data::A(text.parse().expect("address")));
    let (link, wanted, _) = link_with(data.to_vec());
    let services = services(&link, &wanted);
    assert_eq!(services.len(), 1);
    assert_eq!(services[0].address, Some(address("10.1.2.3")));
    assert_eq!(services[0].host, "h.local");
}

#[test]
fn an_unusable_preferred_address_gives_way_to_another() {
    let six: Ipv6Addr = "2001:db8:1::9".parse().expect("address");
    let data = vec![Data::A(Ipv4Addr::UNSPECIFIED), Data::Aaaa(six)];
    let (link, wanted, _) = link_with(data);
    assert_eq!(services(&link, &wanted)[0].address, Some(six.into()));
}

#[test]
fn nobody_sends_us_to_ourselves() {
    let data = vec![
        Data::A(Ipv4Addr::LOCALHOST),
        Data::Aaaa(Ipv6Addr::LOCALHOST),
    ];
    let (mut link, wanted, mut jitter) = link_with(data);
    assert_eq!(services(&link, &wanted), []);
    // Unless it is the loopback interface that is browsed.
    let loopback = vec![(IpAddr::V4(Ipv4Addr::LOCALHOST), 8)];
    assert!(link.up(Mono(2), loopback, &mut jitter));
    assert_eq!(services(&link, &wanted).len(), 1);
}

#[test]
fn a_service_that_is_not_offered_is_no_target() {
    let wanted = wanted(Prefer::Name);
    let find = |target: DomainName, port| {
        let mut jitter = Jitter::seeded(1);
        let mut link = Link::new(Mono(1), Vec::new(), &wanted, &mut jitter);
        let place = Data::Srv {
            priority: 0,
            weight: std::cmp::Reverse(0),
            target,
            port,
        };
        let records = vec![
            record(TYPE_NAME, Data::Ptr(name("a._x._tcp.local"))),
            record("a._x._tcp.local", place),
            record("a._x._tcp.local", Data::Txt([].into())),
        ];
        link.take(Mono(1), records, 1, &wanted, &mut jitter);
        services(&link, &wanted).len()
    };
    let root = || DomainName::from_labels([]).expect("the root");
    assert_eq!(
        (
            find(name("h.local"), 80),
            find(name("h.local"), 0),
            find(root(), 80)
        ),
        (1, 0, 0)
    );
}

#[test]
fn a_full_house_takes_a_new_instance_for_one_that_goes() {
    let (mut link, wanted, mut jitter) = link_with(Vec::new());
    let mut goodbye = record(TYPE_NAME, Data::Ptr(name("a._x._tcp.local")));
    goodbye.ttl = 0;
    let new = record(TYPE_NAME, Data::Ptr(name("b._x._tcp.local")));
    let another = record(TYPE_NAME, Data::Ptr(name("c._x._tcp.local")));
    let records = vec![goodbye, new, another];
    assert_eq!(link.take(Mono(2), records, 0, &wanted, &mut jitter), 1);
    assert_eq!(link.instances(&wanted), 1);
}

#[test]
fn a_name_has_room_for_so_many_addresses() {
    let data = |last: u8| Data::A(Ipv4Addr::new(10, 1, 0, last));
    let most = u8::try_from(limits::MDNS_RECORDS_PER_NAME).expect("small");
    let (mut link, wanted, mut jitter) = link_with((1..=most).map(data).collect());
    let more = vec![record("h.local", data(200)), record("h.local", data(1))];
    assert_eq!(link.take(Mono(2), more, 10, &wanted, &mut jitter), 1);
}

#[test]
fn prefixes_are_compared_bit_by_bit() {
    let shares = |one, two, prefix| shares_prefix(address(one), address(two), prefix);
    assert!(shares("10.1.128.0", "10.1.255.255", 17));
    assert!(!shares("10.1.128.0", "10.1.127.255", 17));
    assert!(shares("10.0.0.1", "11.0.0.1", 0));
    assert!(shares("10.0.0.1", "10.0.0.1", 99));
    assert!(shares("2001:db8::1", "2001:db8::ffff", 112));
    assert!(!shares("2001:db8::1", "10.0.0.1", 0));
}
