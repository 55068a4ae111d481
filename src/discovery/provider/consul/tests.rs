use super::testing::{Consul, Manners, config};
use super::*;
use crate::config::yaml;
use crate::discovery::plan::plan;
use crate::discovery::testing::{SOON, addresses, config as jobs, env, wait_for};
use crate::discovery::{DiscoveryHandle, start};
use crate::telemetry::registry::Registry;

fn read_entry(text: &str) -> Result<Arc<dyn ProviderConfig>, String> {
    let document = yaml::parse(text).expect("yaml");
    parse(&Cursor::new(&document.root, "c")).map_err(|error| error.to_string())
}

#[test]
fn defaults_are_those_of_prometheus() {
    let config = config("{}");
    assert_eq!(config.server, "localhost:8500");
    assert_eq!(
        (config.scheme.as_str(), config.tag_separator.as_str()),
        ("http", ",")
    );
    assert!(config.allow_stale && config.services.is_empty());
    assert_eq!(config.refresh_interval, Duration::from_secs(30));
}

#[test]
fn mistakes_are_told_in_prometheus_words() {
    let credentials = "at most one of consul SD token, authorization, or oauth2 can be configured";
    for (text, expected) in [
        (
            "{server: ' '}",
            "consul SD configuration requires a server address",
        ),
        ("{server: 'ftp://c'}", "use http, https or unix"),
        ("{scheme: gopher}", "use http, https or unix"),
        ("{server: 'c:x'}", "invalid port"),
        ("{servr: x}", "field servr not found in type consul.plain"),
        ("{token: t, authorization: {credentials: c}}", credentials),
        ("{token: t, bearer_token: c}", credentials),
        (
            "{username: u, basic_auth: {username: v}}",
            "at most one of consul SD configuration username and password and basic auth",
        ),
        (
            "{username: u, authorization: {credentials: c}}",
            "at most one of basic_auth, oauth2 & authorization must be configured",
        ),
    ] {
        let error = read_entry(text).expect_err(text);
        assert!(error.contains(expected), "{error}");
    }
    let debug = format!(
        "{:?}",
        config("{token: hunter2, username: u, password: hunter2}")
    );
    assert!(!debug.contains("hunter2"), "{debug}");
}

/// Discovery of that server as job `c`.
struct Watched {
    handle: DiscoveryHandle,
    registry: Registry,
}

impl Watched {
    fn start(consul: &Consul, more: &str) -> Watched {
        let address = consul.server.address();
        let job =
            format!("- job_name: c\n  consul_sd_configs: [{{server: '{address}', {more}}}]\n");
        let env = env();
        let registry = env.registry.clone();
        Watched {
            handle: start(plan(&jobs(&job)).expect("valid"), env).expect("started"),
            registry,
        }
    }

    fn wait_for(&self, expected: &[&str]) {
        let sets = self.handle.output().0;
        wait_for(&format!("{expected:?}"), || {
            addresses(&sets.load(), "c") == expected
        });
    }

    fn wait_for_error(&self, expected: &str) {
        wait_for(expected, || {
            let status = self.handle.status();
            let error = status.first().and_then(|one| one.last_error.clone());
            error.is_some_and(|(_, text)| text.contains(expected))
        });
    }

    fn failures(&self) -> f64 {
        let name = "prometheus_sd_consul_rpc_failures_total";
        self.registry.counter(name, "", &[]).get()
    }
}

#[test]
fn changes_arrive_at_once_though_the_interval_is_long() {
    let consul = Consul::start();
    consul.change(|model| model.register("a", 1, &[]));
    let watched = Watched::start(&consul, "refresh_interval: 1h");
    watched.wait_for(&["a:1"]);
    consul.change(|model| model.register("a", 2, &[]));
    watched.wait_for(&["a:1", "a:2"]);
    consul.change(|model| model.deregister("a"));
    watched.wait_for(&[]);
    assert_eq!(watched.failures(), 0.0);
    let sets = watched.handle.output().0.load();
    assert!(sets.contains_key("c"));
    watched.handle.stop().expect("stopped");
}

#[test]
fn questions_carry_what_is_configured() {
    let consul = Consul::start();
    consul.change(|model| model.register("a b/c", 1, &["x"]));
    let more = "token: t, path_prefix: '', datacenter: dc2, namespace: n, partition: p, \
                tags: [x], node_meta: {rack: r 1}, filter: 'A == b', health_filter: 'C == d'";
    let watched = Watched::start(&consul, more);
    watched.wait_for(&["a b/c:1"]);
    let received = consul.server.received();
    let common = "?dc=dc2&ns=n&partition=p&node-meta=rack%3Ar%201&stale=";
    let list = &received[0];
    let expected = format!("/v1/catalog/services{common}&filter=A%20%3D%3D%20b");
    assert_eq!(list.path(), expected);
    assert_eq!(list.header("x-consul-token"), Some("t"));
    let health = received.iter().find(|one| one.path().contains("health"));
    let expected = format!("/v1/health/service/a%20b%2Fc{common}&filter=C%20%3D%3D%20d&tag=x");
    assert_eq!(health.expect("asked").path(), expected);
    let blocking = |one: &&crate::net::testing::Received| one.path().contains("index=");
    wait_for("blocking queries", || {
        consul.server.received().iter().filter(blocking).count() >= 2
    });
    let received = consul.server.received();
    let list = received
        .iter()
        .filter(blocking)
        .find(|one| one.path().contains("catalog"));
    assert!(
        list.expect("asked")
            .path()
            .ends_with("&index=11&wait=120000ms")
    );
    watched.handle.stop().expect("stopped");
}

#[test]
fn every_kind_of_credentials_is_sent_and_a_changed_token_file_counts() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("token");
    std::fs::write(&path, "wrong").expect("written");
    let consul = Consul::start();
    consul.change(|model| model.register("a", 1, &[]));
    let token = Some("right");
    consul.behave(Manners {
        token,
        refuses: None,
    });
    for more in ["token: right", "authorization: {credentials: right}"] {
        let watched = Watched::start(&consul, more);
        watched.wait_for(&["a:1"]);
        watched.handle.stop().expect("stopped");
    }
    let file = format!("authorization: {{credentials_file: '{}'}}", path.display());
    let watched = Watched::start(&consul, &file);
    watched.wait_for_error("403 Forbidden: ACL not found");
    std::fs::write(&path, "right").expect("written");
    watched.wait_for(&["a:1"]);
    assert!(watched.failures() >= 1.0);
    watched.handle.stop().expect("stopped");
    let watched = Watched::start(&consul, "username: u, password: p");
    watched.wait_for_error("403 Forbidden");
    let received = consul.server.received();
    let last = received.last().expect("asked");
    assert_eq!(last.header("authorization"), Some("Basic dTpw"));
    watched.handle.stop().expect("stopped");
}

#[test]
fn a_token_that_may_not_ask_the_agent_takes_the_data_centre_of_the_nodes() {
    let consul = Consul::start();
    consul.change(|model| model.register("a", 1, &[]));
    let refuses = Some(("/v1/agent/self", "403 Forbidden", "Permission denied"));
    consul.behave(Manners {
        token: None,
        refuses,
    });
    let watched = Watched::start(&consul, "refresh_interval: 1s");
    watched.wait_for(&["a:1"]);
    let sets = watched.handle.output().0.load();
    assert_eq!(sets["c"][0].targets[0]["__meta_consul_dc"], "dc1");
    watched.handle.stop().expect("stopped");
}

#[test]
fn trouble_is_shown_and_the_last_targets_stay() {
    let consul = Consul::start();
    consul.change(|model| model.register("a", 1, &[]));
    let watched = Watched::start(&consul, "refresh_interval: 100ms");
    watched.wait_for(&["a:1"]);
    for (refuses, expected) in [
        // What a token without rights gets, and no token where one is needed.
        (("/v1/catalog", "200 OK", "{}"), "lists no service at all"),
        (
            ("/v1/catalog", "200 OK", "[]"),
            "cannot be read: invalid type",
        ),
        (
            ("/v1/health", "500 Oops", "rpc error\nNo cluster leader"),
            "service a: Consul answered 500 Internal Server Error: rpc error No cluster leader",
        ),
        (
            ("/v1", "403 Forbidden", "ACL not found"),
            "403 Forbidden: ACL not found",
        ),
    ] {
        consul.behave(Manners {
            token: None,
            refuses: Some(refuses),
        });
        watched.wait_for_error(expected);
        watched.wait_for(&["a:1"]);
    }
    // The empty list is an answer all the same.
    assert!(watched.failures() >= 3.0);
    let labels = [("config", "c"), ("mechanism", "consul")];
    let name = "prometheus_sd_refresh_failures_total";
    assert!(watched.registry.counter(name, "", &labels).get() >= 4.0);
    consul.behave(Manners::default());
    consul.change(|model| model.register("a", 2, &[]));
    watched.wait_for(&["a:1", "a:2"]);
    wait_for("no more trouble", || {
        watched.handle.status()[0].last_error.is_none()
    });
    watched.handle.stop().expect("stopped");
}

#[test]
fn stopping_ends_questions_that_block_and_counts_none_as_failed() {
    let consul = Consul::start();
    consul.change(|model| model.register("a", 1, &[]));
    let watched = Watched::start(&consul, "refresh_interval: 1h");
    watched.wait_for(&["a:1"]);
    wait_for("blocking queries", || {
        let received = consul.server.received();
        received
            .iter()
            .filter(|one| one.path().contains("index="))
            .count()
            >= 2
    });
    let registry = watched.registry.clone();
    let (ended_tx, ended) = crossbeam_channel::bounded(1);
    crate::sys::thread::spawn("test-stop", move || {
        watched.handle.stop().expect("stopped");
        ended_tx.send(()).expect("heard");
    })
    .expect("thread");
    ended.recv_timeout(SOON).expect("an end");
    let name = "prometheus_sd_consul_rpc_failures_total";
    assert_eq!(registry.counter(name, "", &[]).get(), 0.0);
}
