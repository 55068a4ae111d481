//! Serversets and nerve services in a real ZooKeeper.

use super::keeper::{Keeper, shared_port};
use super::relay::Relay;
use super::zookeeper_writer::Writer;
use super::{addresses, agent, discovered, failures, wait_for, wait_for_failures, wait_for_status};
use crate::support::agent::{Agent, Kind};
use crate::support::{client, wait};

/// A job `z` of nerve services below `path`.
fn nerve(ports: &[u16], path: &str, more: &str) -> [(&'static str, String); 1] {
    let servers: Vec<String> = ports
        .iter()
        .map(|port| format!("'127.0.0.1:{port}'"))
        .collect();
    let servers = servers.join(", ");
    let entry = format!("nerve_sd_configs: [{{servers: [{servers}], paths: [{path}]{more}}}]");
    [("z", entry)]
}

fn member(port: u16) -> String {
    format!("{{\"host\": \"h\", \"port\": {port}, \"name\": \"n\"}}")
}

fn started(sections: &[(&str, String)]) -> Agent {
    let mut agent = agent(Kind::under_test(), sections);
    agent.start();
    agent
}

#[test]
fn zookeeper_nodes_that_come_change_and_go_are_followed() {
    let port = shared_port();
    let mut writer = Writer::open(port, 30_000);
    let agent = started(&nerve(&[port], "/come", ""));
    if agent.kind == Kind::Narthex {
        wait_for_status(&agent, "path /come does not exist");
    }
    writer.create("/come", "");
    writer.create("/come/a", &member(1));
    writer.create("/come/b", &member(2));
    wait_for(&agent, "z", &["h:1", "h:2"]);
    writer.set("/come/a", &member(3));
    wait_for(&agent, "z", &["h:2", "h:3"]);
    writer.set("/come/a", "torn");
    wait_for(&agent, "z", &["h:2"]);
    writer.set("/come/a", &member(4));
    writer.create("/come/a/deep", &member(5));
    wait_for(&agent, "z", &["h:2", "h:4", "h:5"]);
    writer.delete("/come/b");
    wait_for(&agent, "z", &["h:4", "h:5"]);
    writer.create("/come/b", &member(6));
    wait_for(&agent, "z", &["h:4", "h:5", "h:6"]);
    for path in ["/come/a/deep", "/come/a", "/come/b", "/come"] {
        writer.delete(path);
    }
    wait_for(&agent, "z", &[]);
    writer.create("/come", &member(7));
    wait_for(&agent, "z", &["h:7"]);
}

#[test]
fn zookeeper_nodes_of_a_session_that_is_over_take_their_targets_along() {
    let port = shared_port();
    let mut writer = Writer::open(port, 30_000);
    writer.create("/short", "");
    writer.create("/short/stays", &member(1));
    let agent = started(&nerve(&[port], "/short", ""));
    wait_for(&agent, "z", &["h:1"]);
    let mut other = Writer::open(port, 4000);
    other.create_ephemeral("/short/goes", &member(2));
    wait::until_true("both", wait::LONG, || {
        other.ping();
        addresses(&agent, "z") == ["h:1", "h:2"]
    });
    // Not closed: the server has to notice by itself.
    drop(other);
    wait_for(&agent, "z", &["h:1"]);
}

#[test]
fn zookeeper_nodes_that_must_not_be_read_cost_no_others() {
    if Kind::under_test().is_excused("to read around a node that is hidden") {
        return;
    }
    let port = shared_port();
    let mut writer = Writer::open(port, 30_000);
    writer.create("/acl", "");
    writer.create_hidden("/acl/a", &member(1));
    writer.create("/acl/b", &member(2));
    let agent = started(&nerve(&[port], "/acl", ""));
    wait_for(&agent, "z", &["h:2"]);
    wait_for_status(&agent, "not allowed to read /acl/a");
    writer.create("/acl/c", &member(3));
    wait_for(&agent, "z", &["h:2", "h:3"]);
    assert_eq!(failures(&agent, "nerve"), 0.0);
}

#[test]
fn zookeeper_trees_of_many_nodes_are_read() {
    let port = shared_port();
    let mut writer = Writer::open(port, 30_000);
    writer.create("/many", "");
    let mut expected: Vec<String> = Vec::new();
    for folder in 0..5 {
        writer.create(&format!("/many/{folder}"), "");
        for number in 0..60 {
            let port = 1000 + folder * 100 + number;
            writer.create(&format!("/many/{folder}/{number}"), &member(port));
            expected.push(format!("h:{port}"));
        }
    }
    let agent = started(&nerve(&[port], "/many", ""));
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    wait_for(&agent, "z", &expected);
}

#[test]
fn zookeeper_targets_stay_while_the_server_is_killed() {
    let mut keeper = Keeper::start();
    let mut writer = Writer::open(keeper.port, 30_000);
    writer.create("/s", "");
    writer.create("/s/a", &member(1));
    writer.create("/s/b", &member(2));
    let agent = started(&nerve(&[keeper.port], "/s", ", timeout: 2s"));
    wait_for(&agent, "z", &["h:1", "h:2"]);
    keeper.kill();
    if agent.kind == Kind::Narthex {
        wait_for_failures(&agent, "nerve", 2.0);
        wait_for_status(
            &agent,
            &format!("ZooKeeper server 127.0.0.1:{}", keeper.port),
        );
        wait::until_true("the other counter", wait::LONG, || {
            agent.metric("prometheus_treecache_zookeeper_failures_total", "") >= Some(2.0)
        });
    }
    assert_eq!(addresses(&agent, "z"), ["h:1", "h:2"]);
    keeper.restart();
    let mut writer = Writer::open(keeper.port, 30_000);
    writer.delete("/s/a");
    writer.create("/s/c", &member(3));
    wait_for(&agent, "z", &["h:2", "h:3"]);
}

#[test]
fn zookeeper_servers_whose_data_was_set_back_are_believed_when_the_session_is_over() {
    if Kind::under_test().is_excused("to read a server that is behind what was seen before") {
        return;
    }
    let mut keeper = Keeper::start();
    let mut writer = Writer::open(keeper.port, 30_000);
    writer.create("/s", "");
    for number in 1..=20 {
        writer.create(&format!("/s/{number}"), &member(number));
    }
    let agent = started(&nerve(&[keeper.port], "/s", ", timeout: 1s"));
    wait::until_true("20 targets", wait::LONG, || {
        addresses(&agent, "z").len() == 20
    });
    keeper.kill();
    keeper.wipe();
    keeper.restart();
    let mut writer = Writer::open(keeper.port, 30_000);
    writer.create("/s", "");
    writer.create("/s/new", &member(99));
    wait_for(&agent, "z", &["h:99"]);
}

/// The session of the connection that comes from a port, as the server lists it.
fn session(server: u16, from: &[u16]) -> Option<String> {
    let list = client::raw(server, b"cons").expect("a list");
    let list = String::from_utf8_lossy(&list).into_owned();
    let mine = |line: &&str| from.iter().any(|port| line.contains(&format!(":{port}[")));
    let line = list.lines().find(mine)?;
    let (_, rest) = line.split_once("sid=")?;
    Some(rest.split(',').next()?.to_owned())
}

#[test]
fn zookeeper_sessions_go_on_at_another_address() {
    let port = shared_port();
    let mut writer = Writer::open(port, 30_000);
    writer.create("/move", "");
    writer.create("/move/a", &member(1));
    let mut doors = [Relay::open(port), Relay::open(port)];
    let ports = [doors[0].port, doors[1].port];
    let agent = started(&nerve(&ports, "/move", ""));
    wait_for(&agent, "z", &["h:1"]);
    let used = |doors: &[Relay; 2]| doors.iter().position(|door| !door.ports().is_empty());
    let first = used(&doors).expect("one is used");
    let before = session(port, &doors[first].ports());
    doors[first].shut();
    writer.set("/move/a", &member(2));
    wait_for(&agent, "z", &["h:2"]);
    let other = &doors[1 - first];
    let after = session(port, &other.ports());
    assert!(before.is_some(), "the server lists the connection");
    assert_eq!(before, after, "the same session");
    assert_eq!(addresses(&agent, "z"), ["h:2"]);
}

/// Nodes of every kind that Prometheus may see otherwise than we do.
const NODES: [(&str, &str); 24] = [
    (
        "plain",
        r#"{"serviceEndpoint":{"host":"192.0.2.1","port":80},"additionalEndpoints":{},"status":"ALIVE"}"#,
    ),
    (
        "shard",
        r#"{"serviceEndpoint":{"host":"h","port":1},"status":"DEAD","shard":7}"#,
    ),
    (
        "more",
        r#"{"serviceEndpoint":{"host":"h","port":2},"additionalEndpoints":{"http-admin":{"host":"x","port":3},"a.b c":{"host":"","port":0}}}"#,
    ),
    (
        "umlaut",
        "{\"serviceEndpoint\":{\"host\":\"h\",\"port\":4},\"additionalEndpoints\":{\"\u{e4}\u{20ac}\":{\"host\":\"y\",\"port\":5}}}",
    ),
    (
        "v6",
        r#"{"serviceEndpoint":{"host":"2001:db8::1","port":6},"host":"::1","port":7,"name":"v6"}"#,
    ),
    ("zone", r#"{"host":"fe80%eth0","port":7,"name":"zone"}"#),
    (
        "nerve",
        r#"{"host":"192.0.2.9","port":8,"name":"i-9","weight":3,"haproxy_server_options":"x"}"#,
    ),
    (
        "upper",
        r#"{"HOST":"h","Port":9,"NAME":"n","SERVICEENDPOINT":{"Host":"h","PORT":9},"STATUS":"s"}"#,
    ),
    (
        "twice",
        r#"{"host":"a","host":"b","port":10,"serviceEndpoint":{"host":"a"},"serviceEndpoint":{"port":10}}"#,
    ),
    ("null", "null"),
    (
        "nulls",
        r#"{"host":null,"port":null,"serviceEndpoint":null,"additionalEndpoints":{"x":null},"status":null}"#,
    ),
    ("object", "{}"),
    ("list", "[]"),
    ("number", "5"),
    (
        "string-port",
        r#"{"host":"h","port":"11","serviceEndpoint":{"host":"h","port":"11"}}"#,
    ),
    (
        "float-port",
        r#"{"host":"h","port":12.0,"serviceEndpoint":{"host":"h","port":12.0}}"#,
    ),
    (
        "exponent-port",
        r#"{"host":"h","port":1e2,"serviceEndpoint":{"host":"h","port":1e2}}"#,
    ),
    (
        "negative-port",
        r#"{"host":"h","port":-13,"serviceEndpoint":{"host":"h","port":-13}}"#,
    ),
    ("huge-port", r#"{"host":"h","port":99999999999999999999}"#),
    (
        "number-host",
        r#"{"host":1,"port":14,"serviceEndpoint":{"host":1,"port":14}}"#,
    ),
    ("trailing", r#"{"host":"h","port":15} x"#),
    ("torn", r#"{"host":"h","port":16"#),
    ("blank", "  "),
    ("empty", ""),
];

#[test]
fn zookeeper_members_are_those_of_prometheus() {
    let port = shared_port();
    let mut writer = Writer::open(port, 30_000);
    writer.create("/same", "");
    writer.create("/same/folder", "notes");
    for (name, data) in NODES {
        writer.create(&format!("/same/{name}"), data);
        writer.create(&format!("/same/folder/{name}"), data);
    }
    let entry = |mechanism: &str| {
        let servers = format!("servers: ['127.0.0.1:{port}']");
        format!("{mechanism}_sd_configs: [{{{servers}, paths: [/same/folder, /same]}}]")
    };
    let sections = ["nerve", "serverset"].map(|it| (it, entry(it)));
    let [mut ours, mut theirs] =
        [Kind::Narthex, Kind::Prometheus].map(|kind| agent(kind, &sections));
    ours.start();
    theirs.start();
    for (mechanism, _) in &sections {
        wait::until_true("as many targets", wait::LONG, || {
            let counts = [&ours, &theirs].map(|one| discovered(one, mechanism).len());
            counts[0] == counts[1] && counts[0] >= 20
        });
        let (found, expected) = (discovered(&ours, mechanism), discovered(&theirs, mechanism));
        let only_here: Vec<_> = found.difference(&expected).collect();
        let only_there: Vec<_> = expected.difference(&found).collect();
        assert!(
            only_here.is_empty() && only_there.is_empty(),
            "{only_here:#?}\n{only_there:#?}"
        );
        println!("{mechanism}: {} targets are the same", found.len());
    }
}
