//! Test doubles: a catalog with the rules of blocking queries, as a model and behind HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::answers::Instance;
use super::client::QueryError;
use super::core::{Indexed, Question, Reply, Subject};
use super::{ConsulConfig, parse};
use crate::config::decode::Cursor;
use crate::config::yaml;
use crate::discovery::provider::ProviderConfig;
use crate::net::testing::{Received, Server, answer};

/// An entry of `consul_sd_configs`.
pub(super) fn config(text: &str) -> ConsulConfig {
    let document = yaml::parse(text).expect("yaml");
    let entry = parse(&Cursor::new(&document.root, "c")).expect("valid");
    let entry: &dyn ProviderConfig = &*entry;
    let config = entry.as_any().downcast_ref::<ConsulConfig>();
    config.expect("consul").clone()
}

fn json(name: &str, port: u16, health: &str, tags: &[&str]) -> serde_json::Value {
    serde_json::json!({
        "Node": {"Node": "n", "Address": name, "Datacenter": "dc1", "Meta": null},
        "Service": {"ID": format!("{name}-{port}"), "Tags": tags, "Port": port},
        "Checks": [{"CheckID": "c", "Status": health}],
    })
}

/// An instance whose node has the name of the service as address.
pub(super) fn instance(name: &str, port: u16, health: &str, tags: &[&str]) -> Instance {
    serde_json::from_value(json(name, port, health, tags)).expect("an instance")
}

#[derive(Clone, Debug)]
struct Service {
    /// By port: its tags.
    instances: BTreeMap<u16, Vec<&'static str>>,
    health: String,
    index: u64,
}

/// A catalog. Consul itself is always in it, without instances worth a target.
#[derive(Clone, Debug)]
pub(super) struct Model {
    services: BTreeMap<String, Service>,
    index: u64,
    /// Of the list of services.
    list_index: u64,
    pub(super) reachable: bool,
}

impl Default for Model {
    fn default() -> Model {
        Model {
            services: BTreeMap::new(),
            index: 10,
            list_index: 10,
            reachable: true,
        }
    }
}

impl Model {
    pub(super) fn register(&mut self, name: &str, port: u16, tags: &[&str]) {
        self.index += 1;
        self.list_index = self.index;
        let index = self.index;
        let service = self.services.entry(name.to_owned());
        let service = service.or_insert_with(|| Service {
            instances: BTreeMap::new(),
            health: "passing".to_owned(),
            index,
        });
        let tags = if tags.is_empty() { vec![] } else { vec!["x"] };
        service.instances.insert(port, tags);
        service.index = index;
    }

    pub(super) fn deregister(&mut self, name: &str) {
        if self.services.remove(name).is_some() {
            self.index += 1;
            self.list_index = self.index;
        }
    }

    pub(super) fn set_health(&mut self, name: &str, health: &str) {
        if let Some(service) = self.services.get_mut(name) {
            self.index += 1;
            service.index = self.index;
            health.clone_into(&mut service.health);
        }
    }

    /// Begins to count anew, as after a snapshot is restored.
    pub(super) fn restore(&mut self) {
        self.index = 1;
        self.list_index = 1;
        for service in self.services.values_mut() {
            service.index = 1;
        }
    }

    fn index_of(&self, subject: &Subject) -> u64 {
        match subject {
            Subject::Health(name) => {
                let service = self.services.get(&**name);
                service.map_or(self.index, |service| service.index)
            }
            _ => self.list_index,
        }
    }

    /// Whether Consul would answer by now.
    pub(super) fn is_ready(&self, question: &Question, waited: Duration) -> bool {
        !self.reachable
            || question.index == 0
            || waited >= question.wait
            || self.index_of(&question.subject) > question.index
    }

    fn tags_of(&self, name: &str) -> Vec<&'static str> {
        let instances = self.services.get(name).map(|one| &one.instances);
        instances
            .into_iter()
            .flat_map(BTreeMap::values)
            .flatten()
            .copied()
            .collect()
    }

    fn list(&self) -> serde_json::Value {
        let names = self
            .services
            .keys()
            .map(|name| (name.clone(), self.tags_of(name)));
        serde_json::to_value(
            names
                .chain([("consul".to_owned(), vec![])])
                .collect::<BTreeMap<_, _>>(),
        )
        .expect("a list")
    }

    fn instances(&self, name: &str) -> serde_json::Value {
        let service = self.services.get(name);
        let all = service.into_iter().flat_map(|service| {
            let instances = service.instances.iter();
            instances.map(|(port, tags)| json(name, *port, &service.health, tags))
        });
        all.collect()
    }

    /// What Consul says. The questions of the tests that want a tag want `x`, which the model
    /// leaves to the list.
    pub(super) fn answer(&self, question: &Question) -> Result<Reply, QueryError> {
        if !self.reachable {
            return Err(QueryError::Other);
        }
        let index = self.index_of(&question.subject);
        let filtered = false;
        Ok(match &question.subject {
            Subject::DataCenter => Reply::DataCenter(Some("dc1".to_owned())),
            Subject::Services => Reply::Services(Indexed {
                index,
                filtered,
                value: serde_json::from_value(self.list()).expect("a list"),
            }),
            Subject::Health(name) => Reply::Health(Indexed {
                index,
                filtered,
                value: serde_json::from_value(self.instances(name)).expect("instances"),
            }),
        })
    }
}

/// What the server does beside answering.
#[derive(Clone, Debug, Default)]
pub(super) struct Manners {
    /// The token it wants, in either form.
    pub(super) token: Option<&'static str>,
    /// Status and body instead of an answer to what begins so.
    pub(super) refuses: Option<(&'static str, &'static str, &'static str)>,
}

/// A Consul on loopback.
pub(super) struct Consul {
    pub(super) server: Server,
    shared: Arc<(Mutex<(Model, Manners)>, Condvar)>,
}

impl Consul {
    pub(super) fn start() -> Consul {
        let shared = Arc::new((
            Mutex::new((Model::default(), Manners::default())),
            Condvar::new(),
        ));
        let own = Arc::clone(&shared);
        let server = Server::http(move |request| serve(&own, request));
        Consul { server, shared }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Model)) {
        change(&mut self.shared.0.lock().0);
        self.shared.1.notify_all();
    }

    pub(super) fn behave(&self, manners: Manners) {
        self.shared.0.lock().1 = manners;
        self.shared.1.notify_all();
    }
}

fn parameter<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = path.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(own, _)| *own == name).map(|(_, value)| value)
}

fn serve(shared: &(Mutex<(Model, Manners)>, Condvar), request: &Received) -> Vec<u8> {
    let path = request.path();
    let subject = match path.split('?').next().unwrap_or_default() {
        "/v1/agent/self" => Subject::DataCenter,
        "/v1/catalog/services" => Subject::Services,
        other => match other.strip_prefix("/v1/health/service/") {
            Some(name) => {
                let name = percent_encoding::percent_decode_str(name).decode_utf8();
                Subject::Health(name.expect("a name").into())
            }
            None => return answer("404 Not Found", &[], b""),
        },
    };
    let wait = parameter(path, "wait").and_then(|text| text.strip_suffix("ms"));
    let wait = wait.map_or(0, |text| text.parse().expect("a number"));
    let index = parameter(path, "index").map_or(0, |text| text.parse().expect("an index"));
    let question = Question {
        id: 0,
        subject,
        index,
        wait: Duration::from_millis(wait),
    };
    let mut state = shared.0.lock();
    let ready = |state: &(Model, Manners)| {
        state.0.is_ready(&question, Duration::ZERO) || state.1.refuses.is_some()
    };
    if question.index > 0 && !ready(&state) {
        shared
            .1
            .wait_while_for(&mut state, |state| !ready(state), question.wait);
    }
    let (model, manners) = &*state;
    if let Some((_, status, body)) = manners.refuses.filter(|one| path.starts_with(one.0)) {
        return answer(status, &[], body.as_bytes());
    }
    if let Some(token) = manners.token {
        let bearer = format!("Bearer {token}");
        let header = request.header("x-consul-token");
        if header != Some(token) && request.header("authorization") != Some(&bearer) {
            return answer("403 Forbidden", &[], b"ACL not found");
        }
    }
    let index = format!("X-Consul-Index: {}", model.index_of(&question.subject));
    let body = match &question.subject {
        Subject::DataCenter => {
            let text = include_str!("../../../../tests/data/discovery/consul/agent-self.json");
            return answer("200 OK", &[], text.as_bytes());
        }
        Subject::Services => model.list(),
        Subject::Health(name) => model.instances(name),
    };
    answer("200 OK", &[&index], body.to_string().as_bytes())
}
