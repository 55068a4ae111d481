//! What Docker and Docker Swarm discovery find, compared with Debian's Prometheus 2.42 on the same
//! servers: fakes that answer with what real ones answered. Debian builds Prometheus without
//! Consul; what that finds is in `consul.rs`.
//!
//! Every difference that is known is named and has to be met; any other fails the test. The
//! newer `match_first_network` is unknown to 2.42 and turned off here.

use super::support::agent::{Agent, Kind};
use super::support::config;
use super::support::discovered::{self, job, known_of_docker, wait_until_equal};
use super::support::http::{HttpServer, Reply, Request};
use super::support::receiver::Receiver;

fn data(path: &str) -> String {
    let path = format!("{}/tests/data/discovery/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn json(body: String) -> Reply {
    Reply::ok("application/json", body)
}

/// A Docker engine of API 1.41 as it was recorded: `folder` is `docker` or `swarm`.
fn engine(folder: &'static str) -> HttpServer {
    HttpServer::start(move |request: &Request| {
        let path = request.path.split('?').next().unwrap_or_default();
        let path = path.strip_prefix("/v1.41").unwrap_or(path);
        match path {
            "/_ping" => Reply::ok("text/plain", "").header("API-Version", "1.41"),
            "/containers/json" => json(data(&format!("{folder}/containers-json.json"))),
            "/networks" | "/services" | "/tasks" | "/nodes" => {
                json(data(&format!("{folder}{path}.json")))
            }
            _ => Reply::status(404, "page not found"),
        }
    })
}

/// Both agents with the same jobs, of which narthex alone understands `newer`.
fn both(receiver: &Receiver, jobs: &dyn Fn(&str) -> Vec<String>, newer: &str) -> (Agent, Agent) {
    let start = |kind, newer| {
        let mut agent = Agent::of(kind, &config(&receiver.url(), &jobs(newer)));
        agent.start();
        agent
    };
    (start(Kind::Narthex, newer), start(Kind::Prometheus, ""))
}

#[test]
fn docker_finds_what_prometheus_finds() {
    if Kind::under_test().is_excused("it is what narthex is compared with") {
        return;
    }
    let server = engine("docker");
    let address = server.address();
    let receiver = Receiver::start();
    let jobs = |newer: &str| {
        let entry = format!(
            "host: 'http://{address}', refresh_interval: 500ms, port: 9999, \
             host_networking_host: edge.test, filters: [{{name: status, values: [running]}}]{newer}"
        );
        vec![job("docker", &format!("docker_sd_configs: [{{{entry}}}]"))]
    };
    let agents = both(&receiver, &jobs, ", match_first_network: false");
    let (count, met) = wait_until_equal((&agents.0, &agents.1), "docker", &known_of_docker);
    assert_eq!(count, 13);
    let expected = [
        "2.42 does not look for the networks of another container",
        "2.42 has no labels of images",
    ];
    assert_eq!(met, expected);
    let filtered = |request: &Request| {
        let (_, query) = request
            .path
            .split_once("/containers/json?")
            .unwrap_or_default();
        let query = percent_encoding::percent_decode_str(query).decode_utf8();
        query.is_ok_and(|query| query.contains("running"))
    };
    let asked = server.requests();
    let lists = asked
        .iter()
        .filter(|one| one.path.contains("/containers/json"));
    assert!(lists.into_iter().all(filtered));
}

#[test]
fn docker_swarm_finds_what_prometheus_finds_in_every_role() {
    if Kind::under_test().is_excused("it is what narthex is compared with") {
        return;
    }
    let server = engine("swarm");
    let address = server.address();
    let receiver = Receiver::start();
    let roles = [("services", 2), ("tasks", 11), ("nodes", 1)];
    let jobs = |_: &str| {
        let one = |(role, _): (&str, usize)| {
            let entry = format!("host: 'http://{address}', role: {role}, refresh_interval: 500ms");
            job(role, &format!("dockerswarm_sd_configs: [{{{entry}}}]"))
        };
        roles.into_iter().map(one).collect()
    };
    let agents = both(&receiver, &jobs, "");
    for (role, expected) in roles {
        let none = |_: &mut Vec<discovered::Labels>| Vec::new();
        let (count, _) = wait_until_equal((&agents.0, &agents.1), role, &none);
        assert_eq!(count, expected, "{role}");
    }
}
