//! Consul discovery against a server that answers with what a real one answered.
//!
//! Debian's Prometheus is built without Consul, so there is nothing to compare with. What has to
//! be found is worked out from the recorded answers here, by the rules of Prometheus's
//! documentation and on another way than the program's: JSON values instead of types.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde_json::Value;

use super::support::agent::{Agent, Kind};
use super::support::discovered::{self, Labels, job};
use super::support::http::{HttpServer, Reply, Request};
use super::support::receiver::Receiver;
use super::support::{config, wait};

/// A change is published at most every 5 s.
const SOON: Duration = Duration::from_secs(60);

/// A catalog: services and their instances, as Consul shows them.
#[derive(Clone, Default)]
struct Catalog {
    index: u64,
    services: BTreeMap<String, Value>,
    instances: BTreeMap<String, Value>,
    /// What a token without rights sees.
    hidden: bool,
}

fn data(name: &str) -> Value {
    let path = format!(
        "{}/tests/data/discovery/consul/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

impl Catalog {
    fn recorded() -> Catalog {
        let services = data("catalog-services");
        let services = services.as_object().expect("services").clone();
        let instances = services.keys().map(|name| {
            let all = data(&format!("health-service-{name}"));
            (name.clone(), all)
        });
        Catalog {
            index: 26,
            instances: instances.collect(),
            services: services.into_iter().collect(),
            hidden: false,
        }
    }
}

/// The server and its catalog.
struct Consul {
    server: HttpServer,
    catalog: Arc<(Mutex<Catalog>, Condvar)>,
}

impl Consul {
    fn start() -> Consul {
        let catalog = Arc::new((Mutex::new(Catalog::recorded()), Condvar::new()));
        let own = Arc::clone(&catalog);
        let server = HttpServer::start(move |request: &Request| answer(&own, request));
        Consul { server, catalog }
    }

    /// Changes the catalog and wakes the queries that block.
    fn change(&self, change: impl FnOnce(&mut Catalog)) {
        let mut catalog = self.catalog.0.lock();
        catalog.index += 1;
        change(&mut catalog);
        self.catalog.1.notify_all();
    }
}

fn answer((catalog, changed): &(Mutex<Catalog>, Condvar), request: &Request) -> Reply {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value.to_owned())
    };
    let mut catalog = catalog.lock();
    if let Some(index) = parameter("index").and_then(|text| text.parse::<u64>().ok()) {
        let wait = parameter("wait").unwrap_or_default();
        let wait = wait
            .strip_suffix("ms")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let wait = Duration::from_millis(wait);
        changed.wait_while_for(&mut catalog, |catalog| catalog.index <= index, wait);
    }
    let body = match path {
        "/v1/agent/self" => data("agent-self"),
        "/v1/catalog/services" if catalog.hidden => serde_json::json!({}),
        "/v1/catalog/services" => catalog.services.clone().into_iter().collect(),
        _ => {
            let name = path.strip_prefix("/v1/health/service/").unwrap_or_default();
            let all = catalog.instances.get(name).cloned();
            let tag = parameter("tag");
            let has = |one: &Value| {
                let tags = one["Service"]["Tags"].as_array().expect("tags");
                tag.as_ref()
                    .is_none_or(|tag| tags.iter().any(|own| own == tag.as_str()))
            };
            let all = all.unwrap_or_else(|| serde_json::json!([]));
            all.as_array()
                .expect("instances")
                .iter()
                .filter(|one| has(one))
                .cloned()
                .collect()
        }
    };
    Reply::ok("application/json", body.to_string())
        .header("X-Consul-Index", &catalog.index.to_string())
}

/// The labels of an instance, with `separator` around its tags.
fn expected_of(service: &str, instance: &Value, separator: &str) -> Labels {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (node, own) = (&instance["Node"], &instance["Service"]);
    let host = match text(&own["Address"]).as_str() {
        "" => text(&node["Address"]),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    let port = own["Port"].as_i64().unwrap_or(0);
    let tags = own["Tags"].as_array().expect("tags").iter();
    let tags: String = tags
        .map(|tag| format!("{}{separator}", text(tag)))
        .collect();
    let tags = match tags.as_str() {
        "" => format!("{separator}{separator}"),
        tags => format!("{separator}{tags}"),
    };
    let states = instance["Checks"].as_array().expect("checks").iter();
    let states: Vec<String> = states.map(|check| text(&check["Status"])).collect();
    let worst = ["critical", "warning"]
        .into_iter()
        .find(|bad| states.iter().any(|own| own == bad));
    let mut labels = Labels::from([("__address__".to_owned(), format!("{host}:{port}"))]);
    let mut set = |name: &str, value: String| {
        if !value.is_empty() {
            labels.insert(format!("__meta_consul_{name}"), value);
        }
    };
    set("address", text(&node["Address"]));
    set("dc", "dc1".to_owned());
    set("health", worst.unwrap_or("passing").to_owned());
    set("node", text(&node["Node"]));
    set("service", service.to_owned());
    set("service_address", text(&own["Address"]));
    set("service_id", text(&own["ID"]));
    set("service_port", port.to_string());
    set("tags", tags);
    for (prefix, map) in [
        ("metadata", &node["Meta"]),
        ("service_metadata", &own["Meta"]),
        ("tagged_address", &node["TaggedAddresses"]),
    ] {
        for (name, value) in map.as_object().into_iter().flatten() {
            set(
                &format!("{prefix}_{}", name.replace(['-', '.'], "_")),
                text(value),
            );
        }
    }
    labels
}

fn expected(catalog: &Catalog, services: &[&str], separator: &str) -> Vec<Labels> {
    let all = services.iter().flat_map(|name| {
        let instances = catalog.instances[*name].as_array().expect("instances");
        instances
            .iter()
            .map(|one| expected_of(name, one, separator))
    });
    let mut all: Vec<Labels> = all.collect();
    all.sort();
    all
}

fn wait_for(agent: &Agent, job: &str, expected: &[Labels]) {
    let mut last = Vec::new();
    let found = wait::try_until(SOON, || {
        last = discovered::targets(agent, job);
        (last == expected).then_some(())
    });
    assert!(
        found.is_some(),
        "{job}: {last:#?}\ninstead of {expected:#?}\n{}",
        agent.log()
    );
}

#[test]
fn a_catalog_is_discovered_followed_and_kept_when_it_is_hidden() {
    if Kind::under_test().is_excused("Debian builds it without Consul") {
        return;
    }
    let consul = Consul::start();
    let address = consul.server.address();
    let receiver = Receiver::start();
    let entry = |more: &str| format!("consul_sd_configs: [{{server: '{address}'{more}}}]");
    let jobs = [
        job("all", &entry("")),
        job(
            "named",
            &entry(", services: [web, consul], tag_separator: ';'"),
        ),
        job("tagged", &entry(", tags: [v2], refresh_interval: 1s")),
    ];
    let mut agent = Agent::with_config(&config(&receiver.url(), &jobs));
    agent.start();
    let recorded = Catalog::recorded();
    let everything = ["consul", "noport", "tagged-addr", "v6", "web"];
    wait_for(&agent, "all", &expected(&recorded, &everything, ","));
    wait_for(
        &agent,
        "named",
        &expected(&recorded, &["consul", "web"], ";"),
    );
    let tagged = expected_of("web", &recorded.instances["web"][1], ",");
    wait_for(&agent, "tagged", std::slice::from_ref(&tagged));

    // Gone are a service and an instance; long before the interval of 30 s.
    let begun = wait::now();
    consul.change(|catalog| {
        catalog.services.remove("v6");
        catalog.instances.remove("v6");
        let web = catalog
            .instances
            .get_mut("web")
            .and_then(Value::as_array_mut);
        web.expect("instances").remove(0);
    });
    let now = consul.catalog.0.lock().clone();
    let left = ["consul", "noport", "tagged-addr", "web"];
    wait_for(&agent, "all", &expected(&now, &left, ","));
    println!("seen after {:?}", wait::now() - begun);

    // No rights any more: an empty answer, and no target is lost.
    consul.change(|catalog| catalog.hidden = true);
    wait::until_true("the warning", SOON, || {
        agent
            .log()
            .contains("Consul lists no service at all, not even itself")
    });
    wait::until_true("the questions to be counted", SOON, || {
        let name = "prometheus_sd_consul_rpc_duration_seconds_count";
        agent.metric(name, "services") >= Some(3.0)
    });
    wait_for(&agent, "all", &expected(&now, &left, ","));

    // Rights again, and Consul restored from a snapshot: indices begin anew.
    consul.change(|catalog| {
        catalog.hidden = false;
        catalog.index = 1;
        catalog.services.remove("noport");
        catalog.instances.remove("noport");
    });
    let now = consul.catalog.0.lock().clone();
    wait_for(
        &agent,
        "all",
        &expected(&now, &["consul", "tagged-addr", "web"], ","),
    );
    assert!(agent.threads() < 60, "{} threads", agent.threads());
}
