//! Keys in a real etcd. No peer has this mechanism.

use super::etcd_server::Etcd;
use super::relay::Relay;
use super::{addresses, agent, discovered, failures, wait_for, wait_for_failures, wait_for_status};
use crate::support::agent::{Agent, Kind};
use crate::support::wait;

/// A job `e` that looks below `/t/`.
fn section(endpoints: &[String], more: &str) -> [(&'static str, String); 1] {
    let endpoints: Vec<String> = endpoints.iter().map(|one| format!("'{one}'")).collect();
    let endpoints = endpoints.join(", ");
    let entry = format!("etcd_sd_configs: [{{endpoints: [{endpoints}], prefixes: [/t/]{more}}}]");
    [("e", entry)]
}

fn http(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn prepared(endpoints: &[String], more: &str) -> Option<Agent> {
    if Kind::under_test().is_excused("discovery from etcd") {
        return None;
    }
    Some(agent(Kind::Narthex, &section(endpoints, more)))
}

fn started(endpoints: &[String], more: &str) -> Option<Agent> {
    let mut agent = prepared(endpoints, more)?;
    agent.start();
    Some(agent)
}

#[test]
fn etcd_keys_of_every_format_are_followed() {
    let etcd = Etcd::start(&[]);
    etcd.put("/t/plain", "a:1");
    etcd.put("/other", "never:1");
    let Some(agent) = started(&[http(etcd.port)], "") else {
        return;
    };
    wait_for(&agent, "e", &["a:1"]);
    etcd.put(
        "/t/single",
        r#"{"address": "b:2", "labels": {"team": "x"}}"#,
    );
    etcd.put(
        "/t/group",
        r#"[{"targets": ["c:3", "d:4"], "labels": {"team": "y"}}]"#,
    );
    etcd.put("/t/local/web/x1", r#"{"host": "e.test", "port": 5}"#);
    wait_for(&agent, "e", &["a:1", "b:2", "c:3", "d:4", "e.test:5"]);
    let found = discovered(&agent, "e");
    let of = |address: &str| {
        let mut targets = found.iter();
        targets
            .find(|one| one["__address__"] == address)
            .expect("found")
    };
    assert_eq!(of("b:2")["team"], "x");
    assert_eq!(of("d:4")["team"], "y");
    assert_eq!(of("d:4")["__meta_etcd_key"], "/t/group");
    assert_eq!(of("a:1")["__meta_etcd_name"], "plain");
    assert_eq!(of("a:1")["__meta_etcd_prefix"], "/t/");
    assert_eq!(of("e.test:5")["__meta_etcd_skydns_name"], "x1.web.local");

    etcd.put("/t/plain", "a:9");
    etcd.delete("/t/group");
    wait_for(&agent, "e", &["a:9", "b:2", "e.test:5"]);
    etcd.put("/t/single", "{torn");
    wait_for(&agent, "e", &["a:9", "e.test:5"]);
    wait_for_status(&agent, "/t/single");
    let lease = etcd.put_leased("/t/short", "f:6", 3);
    wait::until_true("the key with a lease", wait::LONG, || {
        etcd.keep_alive(&lease);
        addresses(&agent, "e") == ["a:9", "e.test:5", "f:6"]
    });
    wait_for(&agent, "e", &["a:9", "e.test:5"]);
    assert_eq!(failures(&agent, "etcd"), 0.0);
}

#[test]
fn etcd_prefixes_are_watched_together() {
    let etcd = Etcd::start(&[]);
    etcd.put("/t/a", "a:1");
    let Some(mut agent) = prepared(&[http(etcd.port)], "") else {
        return;
    };
    let text = std::fs::read_to_string(agent.dir().join("agent.yml")).expect("written");
    agent.write_config(&text.replace("[/t/]", "[/t/, /u/, /t/inner/, /never/]"));
    etcd.put("/u/b", "b:1");
    agent.start();
    wait_for(&agent, "e", &["a:1", "b:1"]);
    etcd.put("/u/c", "c:1");
    etcd.put("/t/inner/d", "d:1");
    etcd.delete("/t/a");
    wait_for(&agent, "e", &["b:1", "c:1", "d:1"]);
    let inner = |one: &super::Labels| one["__meta_etcd_prefix"] == "/t/inner/";
    let found = discovered(&agent, "e");
    assert_eq!(found.iter().filter(|one| inner(one)).count(), 1);
}

#[test]
fn etcd_keys_beyond_a_page_are_read() {
    let etcd = Etcd::start(&["--unsafe-no-fsync"]);
    let mut expected: Vec<String> = (0..601)
        .map(|number| format!("h:{}", 1000 + number))
        .collect();
    for (number, address) in expected.iter().enumerate() {
        etcd.put(&format!("/t/{number}"), address);
    }
    let Some(agent) = started(&[http(etcd.port)], "") else {
        return;
    };
    expected.sort_unstable();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    wait_for(&agent, "e", &expected);
}

#[test]
fn etcd_targets_stay_while_it_is_killed_and_nothing_is_missed() {
    let mut etcd = Etcd::start(&[]);
    etcd.put("/t/a", "a:1");
    etcd.put("/t/b", "b:1");
    let Some(agent) = started(&[http(etcd.port)], "") else {
        return;
    };
    wait_for(&agent, "e", &["a:1", "b:1"]);
    etcd.kill();
    wait_for_failures(&agent, "etcd", 2.0);
    wait_for_status(&agent, &format!("etcd http://127.0.0.1:{}", etcd.port));
    assert_eq!(addresses(&agent, "e"), ["a:1", "b:1"]);
    etcd.restart();
    // Perhaps before the agent is back.
    etcd.delete("/t/a");
    etcd.put("/t/c", "c:1");
    wait_for(&agent, "e", &["b:1", "c:1"]);
}

#[test]
fn etcd_stores_that_begin_anew_are_read_anew() {
    let mut etcd = Etcd::start(&[]);
    for number in 0..5 {
        etcd.put("/t/a", &format!("a:{number}"));
    }
    let Some(agent) = started(&[http(etcd.port)], "") else {
        return;
    };
    wait_for(&agent, "e", &["a:4"]);
    etcd.kill();
    etcd.wipe();
    etcd.restart();
    etcd.put("/t/b", "b:1");
    wait_for(&agent, "e", &["b:1"]);
}

#[test]
fn etcd_history_that_was_compacted_away_is_made_up_for() {
    let etcd = Etcd::start(&[]);
    etcd.put("/t/a", "a:1");
    etcd.put("/t/b", "b:1");
    let mut door = Relay::open(etcd.port);
    let Some(agent) = started(&[http(door.port)], "") else {
        return;
    };
    wait_for(&agent, "e", &["a:1", "b:1"]);
    door.shut();
    etcd.delete("/t/a");
    etcd.put("/t/b", "b:2");
    let last = etcd.put("/t/c", "c:1");
    etcd.compact(last);
    wait_for_failures(&agent, "etcd", 1.0);
    assert_eq!(addresses(&agent, "e"), ["a:1", "b:1"]);
    door.reopen();
    wait_for(&agent, "e", &["b:2", "c:1"]);
}

#[test]
fn etcd_users_log_in_and_their_tokens_are_renewed() {
    let mut etcd = Etcd::start(&["--auth-token-ttl=1"]);
    etcd.put("/t/a", "a:1");
    etcd.authenticate("hunter2");
    let login = ", username: reader, password_file: pw, refresh_interval: 2s";
    let Some(mut agent) = prepared(&[http(etcd.port)], login) else {
        return;
    };
    agent.write("pw", "wrong\n");
    agent.start();
    wait_for_status(&agent, "authentication failed, invalid user ID or password");
    agent.write("pw", "hunter2\n");
    wait_for(&agent, "e", &["a:1"]);
    let before = failures(&agent, "etcd");
    let readings = || agent.metric("prometheus_sd_refresh_duration_seconds_count", "etcd");
    let begun = readings().expect("counted");
    wait::until_true("readings with tokens that are over", wait::LONG, || {
        readings() >= Some(begun + 2.0)
    });
    assert_eq!(failures(&agent, "etcd"), before, "renewing is no failure");

    // Tokens do not survive this.
    etcd.kill();
    etcd.restart();
    etcd.log_in();
    etcd.put("/t/b", "b:1");
    wait_for(&agent, "e", &["a:1", "b:1"]);
    let shown = agent.get("/agent").body + &agent.get("/api/v1/status/config").body + &agent.log();
    assert!(!shown.contains("hunter2"));
}

#[test]
fn etcd_prefixes_that_may_not_be_read_are_told() {
    let mut etcd = Etcd::start(&[]);
    etcd.authenticate("pw");
    let login = ", username: reader, password: pw";
    let Some(mut agent) = prepared(&[http(etcd.port)], login) else {
        return;
    };
    let text = std::fs::read_to_string(agent.dir().join("agent.yml")).expect("written");
    agent.write_config(&text.replace("[/t/]", "[/secret/]"));
    agent.start();
    wait_for_status(&agent, "403 Forbidden: etcdserver: permission denied");
    let Some(agent) = started(&[http(etcd.port)], "") else {
        return;
    };
    wait_for_status(
        &agent,
        "user name is empty; etcd wants a username and a password",
    );
}

#[test]
fn etcd_endpoints_take_over_from_one_another() {
    let etcd = Etcd::start(&[]);
    etcd.put("/t/a", "a:1");
    let mut doors = [Relay::open(etcd.port), Relay::open(etcd.port)];
    let ports = [http(doors[0].port), http(doors[1].port)];
    let Some(agent) = started(&ports, "") else {
        return;
    };
    wait_for(&agent, "e", &["a:1"]);
    // One of them is in use, whichever it is.
    for (index, value) in ["a:2", "a:3"].iter().enumerate() {
        doors[index].shut();
        etcd.put("/t/a", value);
        wait_for(&agent, "e", &[value]);
        doors[index].reopen();
    }
}

#[test]
fn etcd_over_tls_is_trusted_by_its_authority() {
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("made");
    let certificate = pair.cert.pem();
    let etcd = Etcd::start_with_tls(&certificate, &pair.signing_key.serialize_pem());
    etcd.put("/t/a", "a:1");
    let endpoint = [format!("https://127.0.0.1:{}", etcd.tls_port)];
    let Some(mut agent) = prepared(&endpoint, ", tls_config: {ca_file: ca.pem}") else {
        return;
    };
    agent.write("ca.pem", &certificate);
    agent.start();
    wait_for(&agent, "e", &["a:1"]);
    etcd.put("/t/a", "a:2");
    wait_for(&agent, "e", &["a:2"]);
    let Some(agent) = started(&endpoint, "") else {
        return;
    };
    wait_for_status(&agent, "tls: ");
}
