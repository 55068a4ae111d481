//! Services of the local link: a real avahi-daemon, and a responder that does as it is told.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;
use simple_dns::rdata::{A, PTR, RData, SRV, TXT};
use simple_dns::{CLASS, Name, Packet, ResourceRecord};

use super::support::agent::{Agent, Kind, NARTHEX};
use super::support::discover::{Discover, SOON};
use super::support::netns::{Network, Side};
use super::support::process::Process;
use super::support::{ports, wait};

const NOT_THERE: &str = "it has no mdns_sd_configs";

fn write_service(dir: &Path, port: u16, path: &str) {
    let text = format!(
        "<?xml version=\"1.0\" standalone=\"no\"?>\n\
         <!DOCTYPE service-group SYSTEM \"avahi-service.dtd\">\n\
         <service-group><name>Bäckerei . Ofen \\ 1</name><service>\
         <type>_prometheus-http._tcp</type><port>{port}</port>\
         <txt-record>path={path}</txt-record><txt-record>Room=Küche</txt-record>\
         </service></service-group>\n"
    );
    std::fs::create_dir_all(dir.join("avahi/services")).expect("a folder");
    std::fs::write(dir.join("avahi/services/oven.service"), text).expect("to write");
}

fn discovered<'v>(target: &'v Value, label: &str) -> &'v str {
    target["discoveredLabels"][label]
        .as_str()
        .unwrap_or_default()
}

/// The only target, if it has that value of a label.
fn only(
    targets: &std::collections::BTreeMap<String, Value>,
    label: &str,
    value: &str,
) -> Option<Value> {
    let target = targets.values().next().filter(|_| targets.len() == 1)?;
    (discovered(target, label) == value).then(|| target.clone())
}

fn job(more: &str) -> String {
    format!(
        "scrape_configs:\n- job_name: m\n  scrape_interval: 1s\n  mdns_sd_configs: [{{{more}}}]\n"
    )
}

#[test]
fn a_service_of_avahi_is_found_scraped_changed_and_given_up() {
    if Kind::under_test().is_excused(NOT_THERE) {
        return;
    }
    let Some(network) = Network::new() else {
        return;
    };
    let dir = tempfile::tempdir().expect("a scratch folder");
    let dir = dir.path();
    let watch = Discover::watch(network.command(Side::Right, NARTHEX), dir, &job(""));
    let port = ports::free();
    write_service(dir, port, "/nothing");
    let avahi = network.avahi(dir, "");
    let target = watch.until("the service", |targets| {
        only(targets, "__meta_mdns_txt_path", "/nothing")
    });
    for (label, value) in [
        ("__address__", format!("10.88.0.1:{port}")),
        ("__metrics_path__", "/nothing".to_owned()),
        ("__meta_mdns_instance", "Bäckerei . Ofen \\ 1".to_owned()),
        ("__meta_mdns_service", "_prometheus-http._tcp".to_owned()),
        ("__meta_mdns_host", "oven.local".to_owned()),
        ("__meta_mdns_address", "10.88.0.1".to_owned()),
        ("__meta_mdns_interface", "right".to_owned()),
        ("__meta_mdns_txt_room", "Küche".to_owned()),
    ] {
        assert_eq!(discovered(&target, label), value, "{label}");
    }
    assert_eq!(target["labels"]["job"], "m");

    // Beside the responder, on its own host.
    let other = tempfile::tempdir().expect("a scratch folder");
    let beside = Discover::watch(network.command(Side::Left, NARTHEX), other.path(), &job(""));
    let found = beside.until("the service", |targets| {
        only(targets, "__meta_mdns_interface", "left")
    });
    assert_eq!(
        discovered(&found, "__address__"),
        discovered(&target, "__address__")
    );
    assert_eq!(beside.interrupt(), Some(0));
    changed_scraped_and_given_up(&network, dir, port, avahi, &watch);
    assert_eq!(watch.interrupt(), Some(0));
}

fn changed_scraped_and_given_up(
    network: &Network,
    dir: &Path,
    port: u16,
    mut avahi: Process,
    watch: &Discover,
) {
    // A real target, a real agent, and attributes that change under it.
    let _target = agent(
        network,
        Side::Left,
        dir,
        "target",
        &format!("0.0.0.0:{port}"),
        "",
    );
    let web = format!("127.0.0.1:{}", ports::free());
    let _agent = agent(
        network,
        Side::Right,
        dir,
        "agent",
        &web,
        &job("interfaces: [right]"),
    );
    write_service(dir, port, "/metrics");
    avahi.signal(Signal::HUP);
    watch.until("the change", |targets| {
        only(targets, "__metrics_path__", "/metrics")
    });
    let url = format!("http://{web}/api/v1/targets");
    wait::until_true("a scrape", SOON, || {
        let answer = network.output(Side::Right, "curl", &["-s", &url]);
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let target = &answer["data"]["activeTargets"][0];
        target["health"] == "up"
            && target["scrapeUrl"] == format!("http://10.88.0.1:{port}/metrics")
    });
    let url = format!("http://{web}/api/v1/status/discovery");
    let status = network.output(Side::Right, "curl", &["-s", &url]);
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let provider = &status["data"]["providers"][0];
    assert_eq!(provider["mechanism"], "mdns");
    assert_eq!(
        (&provider["targets"], &provider["lastError"]),
        (&1.into(), &"".into())
    );

    // It says goodbye; its records would live two minutes more.
    avahi.signal(Signal::TERM);
    watch.until("the goodbye", |targets| targets.is_empty().then_some(()));
    avahi.wait(SOON);

    // It is killed, and the link goes down and comes up: that must be confirmed, and is not.
    let mut avahi = network.avahi(dir, "");
    watch.until("its return", |targets| {
        only(targets, "__metrics_path__", "/metrics")
    });
    avahi.kill();
    network.plug(false);
    network.plug(true);
    watch.until("the end of doubt", |targets| {
        targets.is_empty().then_some(())
    });
}

/// An agent on one side.
fn agent(
    network: &Network,
    side: Side,
    dir: &Path,
    name: &str,
    address: &str,
    config: &str,
) -> Process {
    let file = dir.join(format!("{name}.yml"));
    std::fs::write(&file, config).expect("to write");
    let mut command = network.command(side, NARTHEX);
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.agent.path={}", dir.join(name).display()))
        .arg(format!("--web.listen-address={address}"));
    Process::spawn(command, &dir.join(format!("{name}.log")))
}

#[test]
fn a_service_is_found_over_ipv6_alone() {
    if Kind::under_test().is_excused(NOT_THERE) {
        return;
    }
    let Some(network) = Network::new() else {
        return;
    };
    let dir = tempfile::tempdir().expect("a scratch folder");
    let dir = dir.path();
    write_service(dir, 9100, "/metrics");
    let _avahi = network.avahi(dir, "use-ipv4=no\n");
    let watch = Discover::watch(
        network.command(Side::Right, NARTHEX),
        dir,
        &job("address: ipv6"),
    );
    watch.until("the service", |targets| {
        only(targets, "__address__", "[fd00:88::1]:9100")
    });
    assert_eq!(watch.interrupt(), Some(0));
}

/// A socket on the left that sends to the group.
fn sender(network: &Network, port: u16, hops: u32) -> UdpSocket {
    network.inside(Side::Left, move || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).expect("to bind");
        let options = socket2::SockRef::from(&socket);
        let own = Ipv4Addr::new(10, 88, 0, 1);
        options.set_multicast_if_v4(&own).expect("an interface");
        socket.set_multicast_ttl_v4(hops).expect("hops");
        socket
    })
}

/// The announcement of a service that lives two seconds.
fn announcement(instance: &str) -> Vec<u8> {
    let full = format!("{instance}._prometheus-http._tcp.local");
    let name = |text: &str| Name::new(text).expect("a name").into_owned();
    let record = |about: &str, data| ResourceRecord::new(name(about), CLASS::IN, 2, data);
    let place = SRV {
        priority: 0,
        weight: 0,
        port: 9100,
        target: name("oven.local"),
    };
    let address = A {
        address: Ipv4Addr::new(10, 88, 0, 1).into(),
    };
    let mut packet = Packet::new_reply(0);
    packet.answers = vec![
        record("_prometheus-http._tcp.local", RData::PTR(PTR(name(&full)))),
        record(&full, RData::SRV(place)),
        record(
            &full,
            RData::TXT(TXT::new().with_string("path=/m").expect("short")),
        ),
        record("oven.local", RData::A(address)),
    ];
    packet.build_bytes_vec_compressed().expect("a packet")
}

#[test]
fn only_the_link_is_believed_and_silence_ends_a_service() {
    if Kind::under_test().is_excused(NOT_THERE) {
        return;
    }
    let Some(network) = Network::new() else {
        return;
    };
    let dir = tempfile::tempdir().expect("a scratch folder");
    let watch = Discover::watch(network.command(Side::Right, NARTHEX), dir.path(), &job(""));
    let group = SocketAddr::from(([224, 0, 0, 251], 5353));
    let right = SocketAddr::from(([10, 88, 0, 2], 5353));
    let near = sender(&network, 5353, 255);
    near.set_ttl(255).expect("hops of what is sent to one host");
    let other_port = sender(&network, 5354, 255);
    // The first is from behind a router, the second not from a responder, the third sent to the
    // host alone. Only the last one counts, and by then the others have arrived.
    let announce = || {
        near.set_multicast_ttl_v4(64).expect("hops");
        near.send_to(&announcement("far"), group).expect("to send");
        near.set_multicast_ttl_v4(255).expect("hops");
        other_port
            .send_to(&announcement("port"), group)
            .expect("to send");
        near.send_to(&announcement("unicast"), right)
            .expect("to send");
        near.send_to(&announcement("near"), group).expect("to send");
    };
    wait::until_true("the service", SOON, || {
        // Until the browser is there to hear it.
        announce();
        !watch.targets().is_empty()
    });
    // Nobody answers any more.
    watch.until("its end", |targets| targets.is_empty().then_some(()));
    let events = watch.events();
    let seen = |instance: &str| {
        events
            .iter()
            .any(|event| event.to_string().contains(instance))
    };
    assert!(seen("near._prometheus") && !seen("far._") && !seen("port._") && !seen("unicast._"));
    assert_eq!(watch.interrupt(), Some(0));
}

#[test]
fn an_interface_that_is_not_there_is_told_and_waited_for() {
    if Kind::under_test().is_excused(NOT_THERE) {
        return;
    }
    let job = job("interfaces: [no-such0]");
    let mut agent = Agent::with_config(&job);
    agent.start();
    wait::until_true("the complaint", SOON, || {
        let answer = agent.get("/api/v1/status/discovery").json();
        let error = answer["data"]["providers"][0]["lastError"].as_str();
        error.is_some_and(|error| error.contains("\"no-such0\" is not there"))
    });
    let failures = || agent.metric("prometheus_sd_refresh_failures_total", "mdns");
    wait::until_true("its counter", SOON, || failures() >= Some(1.0));
    assert_eq!(failures(), Some(1.0));
}
