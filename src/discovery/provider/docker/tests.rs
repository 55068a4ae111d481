use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::bounded;
use parking_lot::Mutex;

use super::*;
use crate::config::yaml;
use crate::discovery::plan::plan;
use crate::discovery::provider::docker_engine::networks::Network;
use crate::discovery::testing::{SOON, addresses, config, env, wait_for};
use crate::discovery::{DiscoveryHandle, start};
use crate::limits;
use crate::model::target_group::LabelMap;
use crate::net::testing::certificates::Authority;
use crate::net::testing::{Server, answer, receive};
use crate::sys::clock::{Clock, SystemClock};

const CONTAINERS: &str =
    include_str!("../../../../tests/data/discovery/docker/containers-json.json");
const NETWORKS: &str = include_str!("../../../../tests/data/discovery/docker/networks.json");

fn read_entry(text: &str) -> Result<Arc<dyn ProviderConfig>, String> {
    let document = yaml::parse(text).expect("yaml");
    parse(&Cursor::new(&document.root, "d")).map_err(|error| error.to_string())
}

fn rules(match_first_network: bool) -> Rules {
    Rules {
        port: 80,
        host_networking_host: "localhost".to_owned(),
        match_first_network,
    }
}

fn targets(containers: &str, rules: &Rules) -> Vec<LabelMap> {
    let containers: Vec<Container> = serde_json::from_str(containers).expect("containers");
    let networks: Vec<Network> = serde_json::from_str(NETWORKS).expect("networks");
    let networks = NetworkLabels::new(&networks, PREFIX);
    let group = containers::group_from(&containers, &networks, rules).expect("bounded");
    assert_eq!(group.source, "Docker");
    group.targets
}

/// Name and address of each target, in order.
fn found(containers: &str, rules: &Rules) -> Vec<String> {
    let shown = |target: &LabelMap| {
        let name = &target["__meta_docker_container_name"];
        format!("{} {}", &name[1..4], target["__address__"])
    };
    let mut found: Vec<_> = targets(containers, rules).iter().map(shown).collect();
    found.sort();
    found
}

#[test]
fn defaults_are_those_of_prometheus() {
    let entry = read_entry("host: unix:///var/run/docker.sock").expect("valid");
    let config: &dyn ProviderConfig = &*entry;
    let config = config.as_any().downcast_ref::<DockerConfig>();
    let config = config.expect("docker");
    assert_eq!(config.rules, rules(true));
    assert_eq!(config.engine.refresh_interval, Duration::from_secs(60));
    assert!(config.engine.filters.is_empty());
}

#[test]
fn mistakes_are_told_in_prometheus_words() {
    for (text, expected) in [
        ("{}", "host missing"),
        (
            "{host: 'unix:///s', x: 1}",
            "field x not found in type moby.plain",
        ),
        (
            "{host: 'ssh://h'}",
            "use unix://, tcp://, http:// or https://",
        ),
        (
            "{host: 'unix:///s', filters: [{nam: x}]}",
            "field nam not found in type moby.Filter",
        ),
        (
            "{host: 'tcp://h:1', bearer_token: x, basic_auth: {username: y}}",
            "at most one of basic_auth, oauth2, bearer_token & bearer_token_file",
        ),
    ] {
        let error = read_entry(text).expect_err(text);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn containers_of_every_shape_become_targets() {
    let first = found(CONTAINERS, &rules(true));
    let expected = [
        "hos localhost",       // in the network of the host
        "nop :80",             // in no network
        "sha 172.17.0.2:80",   // in the network of another, which exposes its own ports
        "sno 172.17.0.3:9100", // a task of a swarm, with a published port
        "sov 172.30.0.5:9100", // its first network, by name, is the ingress
        "swe localhost",
        "swe localhost",
        "web 172.17.0.2:9100", // UDP does not count
        "web 172.29.0.2:9100",
        "web 172.29.0.3:9100", // two ports in the first of two networks
        "web 172.29.0.3:9200",
    ];
    assert_eq!(first, expected);
    let all = found(CONTAINERS, &rules(false));
    let more = [
        "sov 172.30.1.5:9100",
        "web 172.29.1.2:9100",
        "web 172.29.1.2:9200",
    ];
    let mut expected: Vec<_> = expected
        .iter()
        .chain(&more)
        .map(|one| (*one).to_owned())
        .collect();
    expected.sort();
    assert_eq!(all, expected);
}

#[test]
fn labels_tell_of_container_network_and_port() {
    let targets = targets(CONTAINERS, &rules(true));
    let published = targets
        .iter()
        .find(|one| one["__meta_docker_container_name"] == "/web2");
    let published = published.expect("web2");
    for (name, value) in [
        ("container_network_mode", "appnet"),
        ("container_image", "peers/web:1"),
        ("container_label_from_image", "yes"),
        ("network_name", "appnet"),
        ("network_scope", "local"),
        ("network_internal", "false"),
        ("network_ingress", "false"),
        ("network_ip", "172.29.0.2"),
        ("port_private", "9100"),
        ("port_public", "19100"),
        ("port_public_ip", "127.0.0.1"),
    ] {
        assert_eq!(published[&format!("{PREFIX}{name}")], value, "{name}");
    }
    assert!(published[&format!("{PREFIX}container_image_id")].starts_with("sha256:"));
    let task = targets
        .iter()
        .find(|one| one["__meta_docker_container_name"].starts_with("/sov"));
    let task = task.expect("sov");
    assert_eq!(
        task["__meta_docker_container_label_com_docker_swarm_service_name"],
        "sov"
    );
    assert!(!task.contains_key("__meta_docker_port_public"));
}

fn sharing(id: &str, with: &str) -> String {
    format!(
        r#"{{"Id":"{id}","Names":["/{id}{id}{id}"],"HostConfig":{{"NetworkMode":"container:{with}"}},
            "NetworkSettings":{{"Networks":{{}}}},"Ports":null,"Labels":null}}"#
    )
}

#[test]
fn containers_that_share_networks_in_a_circle_have_none() {
    let circle = format!("[{},{}]", sharing("a", "b"), sharing("b", "a"));
    assert_eq!(found(&circle, &rules(true)), Vec::<String>::new());
    let lost = format!("[{}]", sharing("a", "gone"));
    assert_eq!(found(&lost, &rules(true)), Vec::<String>::new());
    let owner = r#"{"Id":"c","Names":["/ccc"],"HostConfig":{"NetworkMode":"bridge"},
        "NetworkSettings":{"Networks":{"bridge":{"IPAddress":"10.0.0.1"},"none":null}}}"#;
    let chain = format!("[{},{},{owner}]", sharing("a", "b"), sharing("b", "c"));
    let expected = ["aaa 10.0.0.1:80", "bbb 10.0.0.1:80", "ccc 10.0.0.1:80"];
    assert_eq!(found(&chain, &rules(true)), expected);
}

#[test]
fn null_and_missing_fields_count_as_empty_and_a_container_without_name_as_gone() {
    let text = r#"[{"Id":"a","Names":null},{"Id":"b","Names":["/bbb"],"HostConfig":null,
        "NetworkSettings":{"Networks":{"x":{"IPAddress":null}}}}]"#;
    assert_eq!(found(text, &rules(true)), ["bbb :80"]);
}

/// An engine whose lists and events are told from outside.
struct Engine {
    server: Server,
    containers: Arc<Mutex<Vec<u8>>>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    lists: Arc<AtomicUsize>,
}

fn one_container(ip: &str) -> Vec<u8> {
    let text = format!(
        r#"[{{"Id":"a","Names":["/a"],"HostConfig":{{"NetworkMode":"bridge"}},
            "NetworkSettings":{{"Networks":{{"bridge":{{"IPAddress":"{ip}"}}}}}}}}]"#
    );
    answer(
        "200 OK",
        &["Content-Type: application/json"],
        text.as_bytes(),
    )
}

impl Engine {
    fn start() -> Engine {
        let containers = Arc::new(Mutex::new(one_container("10.0.0.1")));
        let streams = Arc::new(Mutex::new(Vec::new()));
        let lists = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lists);
        let (shown, kept) = (Arc::clone(&containers), Arc::clone(&streams));
        let server = Server::start(move |mut stream, _| {
            while let Some(request) = receive(&mut stream) {
                let bytes = match request.path() {
                    path if path.starts_with("/containers/json") => {
                        counted.fetch_add(1, Ordering::SeqCst);
                        shown.lock().clone()
                    }
                    "/networks" => answer("200 OK", &[], b"[]"),
                    _ => {
                        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                        stream.write_all(head).expect("sent");
                        kept.lock().push(stream.try_clone().expect("cloned"));
                        continue;
                    }
                };
                if stream.write_all(&bytes).is_err() {
                    return;
                }
            }
        });
        Engine {
            server,
            containers,
            streams,
            lists,
        }
    }

    fn discovered(&self, interval: &str) -> DiscoveryHandle {
        let address = self.server.address();
        let jobs = format!(
            "- job_name: d\n  docker_sd_configs: [{{host: 'tcp://{address}', refresh_interval: {interval}, \
             filters: [{{name: label, values: [a, b]}}]}}]\n"
        );
        start(plan(&config(&jobs)).expect("valid"), env()).expect("started")
    }

    fn wait_for_stream(&self, count: usize) {
        wait_for("the stream of events", || {
            self.streams.lock().len() >= count
        });
    }

    fn event(&self) {
        let mut streams = self.streams.lock();
        let stream = streams.last_mut().expect("a stream");
        stream.write_all(b"3\r\n{}\n\r\n").expect("sent");
    }
}

fn has(handle: &DiscoveryHandle, address: &str) {
    let sets = handle.output().0;
    wait_for(address, || {
        addresses(&sets.load(), "d") == [address.to_owned()]
    });
}

#[test]
fn an_event_brings_a_change_long_before_the_interval() {
    let engine = Engine::start();
    let handle = engine.discovered("1h");
    has(&handle, "10.0.0.1:80");
    engine.wait_for_stream(1);
    *engine.containers.lock() = one_container("10.0.0.2");
    engine.event();
    has(&handle, "10.0.0.2:80");
    // A stream that was lost is opened again, and tells of what was missed.
    *engine.containers.lock() = one_container("10.0.0.3");
    let last = engine.streams.lock().pop().expect("a stream");
    last.shutdown(std::net::Shutdown::Both).expect("closed");
    has(&handle, "10.0.0.3:80");
    engine.wait_for_stream(1);
    handle.stop().expect("stopped");
}

#[test]
fn an_engine_that_refuses_is_quoted_and_the_last_targets_stay() {
    let engine = Engine::start();
    let handle = engine.discovered("100ms");
    has(&handle, "10.0.0.1:80");
    for (bytes, expected) in [
        (
            answer("500 Oops", &[], br#"{"message":"the disk\nis full"}"#),
            "cannot list containers: the engine answered 500 Internal Server Error: the disk is full",
        ),
        (
            answer("200 OK", &[], b"[{}]"),
            "cannot list containers: missing field `Id`",
        ),
        (answer("200 OK", &[], b"[{"), "cannot list containers: EOF"),
    ] {
        *engine.containers.lock() = bytes;
        wait_for(expected, || {
            let status = handle.status();
            let error = status.first().and_then(|one| one.last_error.clone());
            error.is_some_and(|(_, text)| text.contains(expected))
        });
        has(&handle, "10.0.0.1:80");
    }
    // Back again, and with nothing: that is an answer, too.
    *engine.containers.lock() = answer("200 OK", &[], b"null");
    let sets = handle.output().0;
    wait_for("no target", || addresses(&sets.load(), "d").is_empty());
    assert_eq!(handle.status()[0].last_error, None);
    handle.stop().expect("stopped");
}

#[test]
fn stopping_ends_the_stream_of_events() {
    let engine = Engine::start();
    let handle = engine.discovered("1h");
    engine.wait_for_stream(1);
    let mut stream = engine.streams.lock().pop().expect("a stream");
    handle.stop().expect("stopped");
    let (ended_tx, ended) = bounded(1);
    crate::sys::thread::spawn("test-end", move || {
        let end = std::io::Read::read(&mut stream, &mut [0; 8]);
        ended_tx.send(matches!(end, Ok(0) | Err(_))).expect("heard");
    })
    .expect("thread");
    assert!(ended.recv_timeout(SOON).expect("an end"));
}

#[test]
fn a_flood_of_events_is_no_flood_of_refreshes() {
    let engine = Engine::start();
    let handle = engine.discovered("1h");
    engine.wait_for_stream(1);
    let lists = || engine.lists.load(Ordering::SeqCst);
    wait_for("the first list", || lists() >= 1);
    let began = SystemClock.mono();
    let more = lists() + 3;
    wait_for("three more lists", || {
        engine.event();
        lists() >= more
    });
    let took = SystemClock.mono().since(began);
    // The first of them may have been due already.
    assert!(took >= 2 * limits::SD_NEWS_GAP, "{took:?}");
    handle.stop().expect("stopped");
}

#[test]
fn an_engine_behind_tls_wants_a_certificate_and_gets_one() {
    let folder = tempfile::tempdir().expect("folder");
    let authority = Authority::new();
    let server = Server::https(
        authority.issue("localhost").mutual_server(&authority),
        |request| match request.path() {
            "/containers/json" => one_container("10.0.0.1"),
            "/networks" => answer("200 OK", &[], b"[]"),
            _ => answer("404 Not Found", &[], b""),
        },
    );
    let own = authority.issue("narthex");
    for (name, text) in [
        ("ca", &authority.pem),
        ("cert", &own.cert),
        ("key", &own.key),
    ] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let file = |name: &str| folder.path().join(name).display().to_string();
    let jobs = format!(
        "- job_name: d\n  docker_sd_configs: [{{host: 'https://localhost:{}', tls_config: \
         {{ca_file: '{}', cert_file: '{}', key_file: '{}'}}}}]\n",
        server.address().port(),
        file("ca"),
        file("cert"),
        file("key")
    );
    let handle = start(plan(&config(&jobs)).expect("valid"), env()).expect("started");
    has(&handle, "10.0.0.1:80");
    handle.stop().expect("stopped");
}
