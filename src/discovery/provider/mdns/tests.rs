use super::*;
use crate::config::yaml;

fn read(text: &str) -> Result<Arc<dyn ProviderConfig>, String> {
    let document = yaml::parse(text).expect("yaml");
    parse(&Cursor::new(&document.root, "m")).map_err(|error| error.to_string())
}

fn config(text: &str) -> MdnsConfig {
    let config = read(text).expect("valid");
    let config: &dyn ProviderConfig = &*config;
    let config = config.as_any().downcast_ref::<MdnsConfig>();
    config.expect("mdns").clone()
}

#[test]
fn defaults_browse_for_prometheus_targets_by_ipv4_everywhere() {
    let defaults = config("{}");
    assert_eq!(defaults.services, ["_prometheus-http._tcp"]);
    assert_eq!(defaults.prefer, Prefer::Ipv4);
    assert_eq!(defaults.wanted().types.len(), 1);
    let other =
        config("{services: [_http._tcp, _coap._UDP], interfaces: [eth0], address: hostname}");
    assert_eq!((other.services.len(), other.prefer), (2, Prefer::Name));
    let types: Vec<String> = other
        .wanted()
        .types
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(types, ["_http._tcp.local", "_coap._UDP.local"]);
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    for (text, expected) in [
        (
            "{services: []}",
            "between 1 and 16 service types can be browsed, not 0",
        ),
        (
            "{services: [http]}",
            "\"http\" is not a service type: write _name._tcp",
        ),
        ("{services: [_http._tcp.local]}", "is not a service type"),
        (
            "{services: [_a-name-too-long-x._tcp]}",
            "is not a service type",
        ),
        ("{services: [_._tcp]}", "is not a service type"),
        ("{services: [_a b._tcp]}", "is not a service type"),
        (
            "{interfaces: ['']}",
            "the name of an interface cannot be empty",
        ),
        ("{address: v4}", "\"v4\" is none of ipv4, ipv6 and hostname"),
        (
            "{service: [x]}",
            "field service not found in type mdns.plain",
        ),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn interfaces_are_named_or_all_that_can_multicast() {
    let interface = |name: &str, is_multicast, is_loopback| Interface {
        name: name.to_owned(),
        is_multicast,
        is_loopback,
        ..Interface::default()
    };
    let all = [
        interface("eth0", true, false),
        interface("wg0", false, false),
        interface("lo", true, true),
    ];
    let taken = |text: &str| {
        let config = config(text);
        let taken = all.iter().filter(|one| config.takes(one));
        taken.map(|one| one.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(taken("{}"), ["eth0"]);
    assert_eq!(taken("{interfaces: [lo, wg0]}"), ["wg0", "lo"]);
}
