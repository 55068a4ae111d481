use super::*;
use crate::config::yaml;
use crate::discovery::plan::plan;
use crate::discovery::provider::docker_engine::networks::Network;
use crate::discovery::testing::{addresses, config, env, wait_for};
use crate::discovery::{DiscoveryHandle, start};
use crate::model::text::Text;
use crate::net::testing::{Server, answer};

const SERVICES: &str = include_str!("../../../../tests/data/discovery/swarm/services.json");
const TASKS: &str = include_str!("../../../../tests/data/discovery/swarm/tasks.json");
const NODES: &str = include_str!("../../../../tests/data/discovery/swarm/nodes.json");
const NETWORKS: &str = include_str!("../../../../tests/data/discovery/swarm/networks.json");

fn read_entry(text: &str) -> Result<Arc<dyn ProviderConfig>, String> {
    let document = yaml::parse(text).expect("yaml");
    parse(&Cursor::new(&document.root, "d")).map_err(|error| error.to_string())
}

fn list<T: serde::de::DeserializeOwned>(text: &str) -> Vec<T> {
    serde_json::from_str(text).expect("a list")
}

fn networks() -> NetworkLabels {
    NetworkLabels::new(&list::<Network>(NETWORKS), PREFIX)
}

fn targets(found: Found) -> Vec<LabelMap> {
    assert_eq!(found.unusable, None);
    let group = found.targets.into_group(SOURCE, LabelMap::new());
    assert_eq!(group.source, "DockerSwarm");
    group.targets
}

fn of_services(text: &str) -> Found {
    let mut found = Found::default();
    services::find(&list(text), &networks(), 80, &mut found).expect("bounded");
    found
}

fn of_tasks(text: &str) -> Found {
    let swarm = tasks::Swarm::new(&list(SERVICES), &list(NODES), networks());
    let mut found = Found::default();
    tasks::find(&list(text), &swarm, 80, &mut found).expect("bounded");
    found
}

#[track_caller]
fn assert_labels(target: &LabelMap, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        let label = format!("{PREFIX}{name}");
        assert_eq!(target.get(&label).map(Text::as_str), Some(*value), "{name}");
    }
}

#[test]
fn mistakes_are_told_in_prometheus_words() {
    for (text, expected) in [
        ("{role: nodes}", "host missing"),
        (
            "{host: 'unix:///s'}",
            "role missing (one of: tasks, services, nodes)",
        ),
        (
            "{host: 'unix:///s', role: managers}",
            "invalid role managers, expected tasks, services, or nodes",
        ),
        (
            "{host: 'unix:///s', role: nodes, match_first_network: true}",
            "field match_first_network not found in type moby.plain",
        ),
    ] {
        let error = read_entry(text).expect_err(text);
        assert!(error.contains(expected), "{error}");
    }
    assert!(read_entry("{host: 'tcp://h:2375', role: tasks}").is_ok());
}

#[test]
fn services_have_a_target_for_each_virtual_address_and_published_port() {
    let targets = targets(of_services(SERVICES));
    let addresses: Vec<_> = targets
        .iter()
        .map(|one| one["__address__"].as_str())
        .collect();
    assert_eq!(addresses, ["172.30.0.3:19300", "172.30.1.2:19300"]);
    assert_labels(
        &targets[1],
        &[
            ("service_name", "sov"),
            ("service_mode", "replicated"),
            ("service_task_container_image", "peers/web:1"),
            ("service_endpoint_port_publish_mode", "ingress"),
            ("network_name", "ov1"),
            ("network_scope", "swarm"),
            ("network_ingress", "false"),
        ],
    );
    assert_labels(&targets[0], &[("network_ingress", "true")]);
    let updating = format!("{PREFIX}service_updating_status");
    assert!(!targets[0].contains_key(&updating));
}

#[test]
fn a_service_that_publishes_no_tcp_port_has_the_configured_one() {
    let service = r#"[{"ID":"s","Spec":{"Name":"n","Labels":{"a.b":"c"},"Mode":{"Global":{}},
        "TaskTemplate":{"ContainerSpec":null}},"UpdateStatus":{"State":"completed"},
        "Endpoint":{"Ports":[{"Protocol":"udp","PublishedPort":53}],
        "VirtualIPs":[{"NetworkID":"new","Addr":"fd00::2/64"}]}}]"#;
    let targets = targets(of_services(service));
    assert_eq!(targets[0]["__address__"], "[fd00::2]:80");
    assert_labels(
        &targets[0],
        &[
            ("service_mode", "global"),
            ("service_label_a_b", "c"),
            ("service_updating_status", "completed"),
        ],
    );
    assert!(!targets[0].keys().any(|name| name.contains("network")));
}

#[test]
fn an_address_that_is_none_is_left_out_and_told() {
    let service = r#"[{"ID":"s","Spec":{"Name":"n"},"Endpoint":{
        "VirtualIPs":[{"Addr":""},{"Addr":"10.0.0.1"},{"Addr":"10.0.0.1/33"},{"Addr":"10.0.0.9/24"}]}}]"#;
    let found = of_services(service);
    let unusable = found.unusable.clone().expect("told").to_string();
    assert!(
        unusable.starts_with("service n has the address \"\""),
        "{unusable}"
    );
    let group = found.targets.into_group(SOURCE, LabelMap::new());
    assert_eq!(group.targets.len(), 1);
    assert_eq!(group.targets[0]["__address__"], "10.0.0.9:80");
}

#[test]
fn tasks_are_joined_with_services_nodes_and_networks() {
    let targets = targets(of_tasks(TASKS));
    let running = |one: &&LabelMap| one["__meta_dockerswarm_task_state"] == "running";
    let live: Vec<_> = targets.iter().filter(running).collect();
    let mut addresses: Vec<_> = live.iter().map(|one| one["__address__"].as_str()).collect();
    addresses.sort_unstable();
    // On the node in host mode; in the ingress network; in the overlay network.
    let expected = ["127.0.0.1:19200", "172.30.0.5:19300", "172.30.1.5:19300"];
    assert_eq!(addresses, expected);
    let by_address = |address: &str| {
        let found = live.iter().find(|one| one["__address__"] == address);
        (*found.expect("a target")).clone()
    };
    assert_labels(
        &by_address("127.0.0.1:19200"),
        &[
            ("task_port_publish_mode", "host"),
            ("task_desired_state", "running"),
            ("task_slot", "0"),
            ("service_name", "snone"),
            ("service_mode", "global"),
            ("node_hostname", "vm"),
            ("node_role", "manager"),
            ("node_label_zone", "a"),
            ("node_status", "ready"),
        ],
    );
    let overlay = by_address("172.30.1.5:19300");
    assert_labels(
        &overlay,
        &[
            ("task_slot", "1"),
            ("task_port_publish_mode", "ingress"),
            ("network_name", "ov1"),
        ],
    );
    assert_eq!(overlay["__meta_dockerswarm_task_container_id"].len(), 64);
    // Only nodes themselves tell of their engine and of managers.
    assert!(
        !overlay
            .keys()
            .any(|name| name.contains("engine") || name.contains("manager_"))
    );
    // Those that ended keep their addresses and are told apart by their state.
    let ended = targets.iter().filter(|one| !running(one)).count();
    assert_eq!(ended, 8);
}

#[test]
fn a_task_of_an_unknown_service_and_node_has_the_configured_port() {
    let task = r#"[{"ID":"t","ServiceID":"new","NodeID":"new","Slot":3,
        "Spec":{"ContainerSpec":{"Labels":{"team":"x"}}},
        "Status":{"State":"running","ContainerStatus":null},
        "NetworksAttachments":[{"Network":{"ID":"new"},"Addresses":["10.1.0.4/24"]}]}]"#;
    let targets = targets(of_tasks(task));
    assert_eq!(targets[0]["__address__"], "10.1.0.4:80");
    assert_labels(
        &targets[0],
        &[("task_slot", "3"), ("container_label_team", "x")],
    );
    assert!(!targets[0].contains_key("__meta_dockerswarm_task_container_id"));
}

#[test]
fn nodes_tell_of_their_engine_and_managers_of_themselves() {
    let mut found = Found::default();
    nodes::find(&list(NODES), 9100, &mut found).expect("bounded");
    let targets = targets(found);
    assert_eq!(targets[0]["__address__"], "127.0.0.1:9100");
    assert_labels(
        &targets[0],
        &[
            ("node_availability", "active"),
            ("node_engine_version", "20.10.24+dfsg1"),
            ("node_platform_architecture", "x86_64"),
            ("node_platform_os", "linux"),
            ("node_manager_leader", "true"),
            ("node_manager_reachability", "reachable"),
            ("node_manager_address", "127.0.0.1:2377"),
            ("node_address", "127.0.0.1"),
        ],
    );
    let worker = r#"[{"ID":"w","Status":{"State":"down","Addr":"10.0.0.2"},"ManagerStatus":null}]"#;
    let mut found = Found::default();
    nodes::find(&list(worker), 80, &mut found).expect("bounded");
    let group = found.targets.into_group(SOURCE, LabelMap::new());
    assert!(!group.targets[0].keys().any(|name| name.contains("manager")));
}

fn engine() -> Server {
    Server::http(|request| {
        let path = request.path().split('?').next().unwrap_or_default();
        let body = match path {
            "/services" => SERVICES,
            "/tasks" => TASKS,
            "/nodes" => NODES,
            "/networks" => NETWORKS,
            _ => return answer("403 Forbidden", &[], b"no events here"),
        };
        answer("200 OK", &[], body.as_bytes())
    })
}

fn discovered(server: &Server, role: &str) -> DiscoveryHandle {
    let address = server.address();
    let jobs = format!(
        "- job_name: s\n  dockerswarm_sd_configs: [{{host: 'tcp://{address}', role: {role}, \
         filters: [{{name: name, values: [x]}}]}}]\n"
    );
    start(plan(&config(&jobs)).expect("valid"), env()).expect("started")
}

#[test]
fn each_role_asks_for_what_it_needs_and_filters_only_its_own_list() {
    for (role, targets, lists) in [
        ("services", 2, &["/services?", "/networks"][..]),
        ("nodes", 1, &["/nodes?"][..]),
        (
            "tasks",
            11,
            &["/tasks?", "/services", "/nodes", "/networks"][..],
        ),
    ] {
        let server = engine();
        let handle = discovered(&server, role);
        let sets = handle.output().0;
        wait_for(role, || addresses(&sets.load(), "s").len() == targets);
        let asked = server.received();
        let asked = asked.iter().map(crate::net::testing::Received::path);
        let asked: Vec<_> = asked.filter(|path| !path.starts_with("/events")).collect();
        assert_eq!(asked.len(), lists.len(), "{asked:?}");
        for (path, list) in asked.iter().zip(lists) {
            let filtered = list.ends_with('?');
            assert!(path.starts_with(list.trim_end_matches('?')), "{path}");
            assert_eq!(path.contains("?filters="), filtered, "{path}");
        }
        handle.stop().expect("stopped");
    }
}
