use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::discovery::provider::kubernetes::config::Role;
use crate::discovery::provider::kubernetes::resource::watched;
use crate::discovery::provider::kubernetes::testing::{config, groups, list_all, object};

mod floods;

const ALL: Attach = Attach {
    node: true,
    namespace: true,
    deployment: true,
    job: true,
    cronjob: true,
};
const NONE: Attach = Attach {
    node: false,
    namespace: false,
    deployment: false,
    job: false,
    cronjob: false,
};

/// What a manager would know.
#[derive(Default)]
struct Mirror(BTreeMap<String, TargetGroup>);

impl Mirror {
    fn take(&mut self, update: Option<Update>) {
        let groups = match update {
            None => return,
            Some(Update::Full(groups)) => {
                self.0.clear();
                groups
            }
            Some(Update::Changed(groups)) => groups,
        };
        for group in groups {
            if group.targets.is_empty() {
                self.0.remove(&group.source);
            } else {
                self.0.insert(group.source.clone(), group);
            }
        }
    }

    fn groups(&self) -> Vec<TargetGroup> {
        self.0.values().cloned().collect()
    }
}

/// An object of a kind, with one of three names and one of a few faces.
fn made_up(kind: Kind, (number, face): (u8, u8)) -> Object {
    let other = face % 3;
    let name = match kind {
        Kind::Namespace => format!("ns{}", number % 2),
        _ => format!("x{number}"),
    };
    let namespace = format!("ns{}", number % 2);
    let mut meta =
        json!({"name": name, "namespace": namespace, "labels": {"face": face.to_string()}});
    if matches!(kind, Kind::Node | Kind::Namespace) {
        meta["namespace"] = json!(null);
    }
    let owner =
        |kind: &str| json!([{"kind": kind, "name": format!("x{other}"), "controller": true}]);
    let reference = |pod: u8| json!({"kind": "Pod", "namespace": format!("ns{}", pod % 2), "name": format!("x{pod}")});
    let value: Value = match kind {
        Kind::Pod => {
            meta["ownerReferences"] = owner(if face > 2 { "Job" } else { "ReplicaSet" });
            json!({"metadata": meta, "spec": {"nodeName": format!("x{other}"), "containers": [
                {"name": "c", "ports": [{"containerPort": 80}, {"containerPort": 81 + face}]}]},
                "status": {"podIP": if face == 5 { "" } else { "10.0.0.1" }}})
        }
        Kind::Endpoints => json!({"metadata": meta, "subsets": [{"ports": [{"port": 80}],
            "addresses": [{"ip": "10.0.0.1", "targetRef": reference(number)},
                {"ip": "10.0.0.2", "nodeName": "x1", "targetRef": reference(other)}]}]}),
        Kind::EndpointSlice => {
            meta["labels"]["kubernetes.io/service-name"] = json!(format!("x{number}"));
            json!({"metadata": meta, "addressType": "IPv4", "ports": [{"port": 80}],
                "endpoints": [{"addresses": ["10.0.0.1"], "targetRef": reference(other)}]})
        }
        Kind::ReplicaSet => {
            meta["ownerReferences"] = owner("Deployment");
            json!({ "metadata": meta })
        }
        Kind::Job => {
            meta["ownerReferences"] = owner("CronJob");
            json!({ "metadata": meta })
        }
        Kind::Node => json!({"metadata": meta,
            "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.9"}]}}),
        Kind::Service => json!({"metadata": meta, "spec": {"ports": [{"port": 80}]}}),
        Kind::Ingress => json!({"metadata": meta, "spec": {"rules": [{"host": "a"}]}}),
        Kind::Namespace => json!({ "metadata": meta }),
    };
    object(kind, &value)
}

/// What happens in the cluster and to its watchers. Collections and objects by number.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8, u8),
    Delete(u8, u8),
    /// While the watch is broken: only a list tells of it.
    DeleteUnseen(u8, u8),
    PutUnseen(u8, u8, u8),
    List(u8),
    /// A list that breaks off after so many objects.
    BrokenList(u8, u8),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let (kind, name, face) = (0..7_u8, 0..3_u8, 0..6_u8);
    prop_oneof![
        6 => (kind.clone(), name.clone(), face.clone()).prop_map(|(a, b, c)| Step::Put(a, b, c)),
        3 => (kind.clone(), name.clone()).prop_map(|(a, b)| Step::Delete(a, b)),
        1 => (kind.clone(), name.clone()).prop_map(|(a, b)| Step::DeleteUnseen(a, b)),
        1 => (kind.clone(), name, face).prop_map(|(a, b, c)| Step::PutUnseen(a, b, c)),
        1 => kind.clone().prop_map(Step::List),
        1 => (kind, 0..3_u8).prop_map(|(a, b)| Step::BrokenList(a, b)),
        3 => Just(Step::Flush),
    ]
}

type Truth = BTreeMap<(Kind, Text, Text), Object>;

struct World {
    watched: Vec<Watched>,
    truth: Truth,
    store: Store,
    mirror: Mirror,
    /// Whether something happened that the store was not told of.
    blind: bool,
}

impl World {
    fn new(role: Role) -> World {
        let watched = watched(&config(role, ALL), &[]);
        let store = Store::new(role.kind(), ALL, &watched);
        World {
            watched,
            truth: Truth::new(),
            store,
            mirror: Mirror::default(),
            blind: true,
        }
    }

    fn collection(&self, number: u8) -> (usize, Kind) {
        let from = usize::from(number) % self.watched.len();
        (from, self.watched[from].kind)
    }

    fn of(&self, kind: Kind) -> Vec<Object> {
        let all = self.truth.iter().filter(|((own, ..), _)| *own == kind);
        all.map(|(_, object)| object.clone()).collect()
    }

    fn key(object: &Object) -> (Kind, Text, Text) {
        let meta = object.meta();
        (object.kind(), meta.namespace.clone(), meta.name.clone())
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Put(number, name, face) | Step::PutUnseen(number, name, face) => {
                let (from, kind) = self.collection(number);
                let object = made_up(kind, (name, face));
                self.truth.insert(World::key(&object), object.clone());
                match step {
                    Step::Put(..) => drop(self.store.take(from, Change::Present, object)),
                    _ => self.blind = true,
                }
            }
            Step::Delete(number, name) | Step::DeleteUnseen(number, name) => {
                let (from, kind) = self.collection(number);
                let object = made_up(kind, (name, 0));
                self.truth.remove(&World::key(&object));
                match step {
                    Step::Delete(..) => drop(self.store.take(from, Change::Deleted, object)),
                    _ => self.blind = true,
                }
            }
            Step::List(number) => self.list(self.collection(number).0, usize::MAX),
            Step::BrokenList(number, count) => {
                self.list(self.collection(number).0, usize::from(count));
            }
            Step::Flush => {
                let update = self.store.update();
                self.mirror.take(update);
            }
        }
    }

    fn list(&mut self, from: usize, count: usize) {
        self.store.list_begins(from);
        let kind = self.watched[from].kind;
        for object in self.of(kind).into_iter().take(count) {
            self.store.take(from, Change::Present, object);
        }
        if count == usize::MAX {
            self.store.list_ends(from);
        }
    }

    fn list_everything(&mut self) {
        for from in 0..self.watched.len() {
            self.list(from, usize::MAX);
        }
        self.step(&Step::Flush);
        self.blind = false;
    }

    fn expected(&self, role: Role) -> Vec<TargetGroup> {
        let mut groups = groups(role, ALL, &|kind| self.of(kind));
        groups.sort_by(|one, two| one.source.cmp(&two.source));
        groups
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever happened, in whatever order: a list of everything ends in what a fresh start finds.
    /// And while nothing is missed, every update does.
    #[test]
    fn any_history_ends_in_what_a_fresh_list_finds(
        steps in proptest::collection::vec(step(), 0..50),
        role in prop_oneof![Just(Role::Pod), Just(Role::Endpoints), Just(Role::EndpointSlice)],
    ) {
        let mut world = World::new(role);
        let middle = steps.len() / 3;
        for step in &steps[..middle] {
            world.step(step);
        }
        world.list_everything();
        prop_assert_eq!(world.mirror.groups(), world.expected(role));
        for step in &steps[middle..] {
            world.step(step);
            if matches!(step, Step::Flush) && !world.blind {
                prop_assert_eq!(world.mirror.groups(), world.expected(role));
            }
        }
        world.list_everything();
        prop_assert_eq!(world.mirror.groups(), world.expected(role));
    }
}

fn pod(name: &str, ip: &str) -> Object {
    object(
        Kind::Pod,
        &json!({"metadata": {"name": name, "namespace": "a"},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "ports": [{"containerPort": 1}]}]},
        "status": {"podIP": ip}}),
    )
}

fn pods() -> (Store, Vec<Watched>) {
    let watched = watched(&config(Role::Pod, NONE), &[]);
    (Store::new(Kind::Pod, NONE, &watched), watched)
}

fn sources(update: Option<Update>) -> Vec<String> {
    let (Update::Full(groups) | Update::Changed(groups)) = update.expect("an update");
    groups.into_iter().map(|group| group.source).collect()
}

#[test]
fn an_update_holds_the_groups_that_changed_and_no_others() {
    let (mut store, watched) = pods();
    let list = |_| {
        (0..50)
            .map(|n| pod(&format!("p{n:02}"), "10.0.0.1"))
            .collect()
    };
    list_all(&mut store, &watched, &list);
    assert_eq!(sources(store.update()).len(), 50);
    assert_eq!(store.update(), None);
    let changed = store.take(0, Change::Present, pod("p07", "10.0.0.2"));
    assert_eq!(changed, Some(Event::Update));
    let same = store.take(0, Change::Present, pod("p08", "10.0.0.1"));
    assert_eq!(same, None);
    let gone = store.take(0, Change::Deleted, pod("p09", ""));
    assert_eq!(gone, Some(Event::Delete));
    assert_eq!(sources(store.update()), ["pod/a/p07", "pod/a/p09"]);
    assert!(!store.has_news());
}

#[test]
fn a_list_that_breaks_off_removes_nothing() {
    let (mut store, watched) = pods();
    list_all(&mut store, &watched, &|_| {
        vec![pod("one", "1"), pod("two", "2")]
    });
    assert_eq!(sources(store.update()).len(), 2);
    store.list_begins(0);
    store.take(0, Change::Present, pod("one", "1"));
    assert_eq!(store.update(), None);
    store.list_begins(0);
    store.take(0, Change::Present, pod("two", "2"));
    assert_eq!(store.list_ends(0), 1);
    assert_eq!(sources(store.update()), ["pod/a/one"]);
}

#[test]
fn groups_wait_for_what_they_are_joined_with_in_their_namespace_only() {
    let attach = Attach { node: true, ..NONE };
    let names = ["a".to_owned(), "b".to_owned()];
    let watched = watched(&config(Role::Pod, attach), &names);
    let mut store = Store::new(Kind::Pod, attach, &watched);
    let node = watched
        .iter()
        .position(|one| one.kind == Kind::Node)
        .expect("nodes");
    store.list_begins(0);
    store.take(0, Change::Present, pod("one", "1"));
    store.list_ends(0);
    assert!(!store.has_news(), "the node is not known yet");
    assert_eq!(store.update(), None);
    store.list_begins(node);
    let named = |name: &str| object(Kind::Node, &json!({"metadata": {"name": name}}));
    store.take(node, Change::Present, named("n"));
    store.list_ends(node);
    assert!(store.has_news(), "the other namespace is not waited for");
    let Some(Update::Changed(groups)) = store.update() else {
        panic!("a change");
    };
    assert_eq!(groups[0].labels["__meta_kubernetes_node_name"], "n");
    store.take(node, Change::Present, named("other"));
    assert_eq!(store.update(), None, "it concerns no pod");
    store.take(node, Change::Deleted, named("n"));
    assert_eq!(sources(store.update()), ["pod/a/one"]);
}

#[test]
fn too_many_targets_are_told_once_and_everything_when_there_is_room_again() {
    let (mut store, watched) = pods();
    let most = limits::SD_TARGETS_PER_PROVIDER;
    let all: Vec<Object> = (0..=most).map(|n| pod(&format!("p{n}"), "1")).collect();
    list_all(&mut store, &watched, &|_| all[..most].to_vec());
    assert_eq!(sources(store.update()).len(), most);
    store.take(0, Change::Present, all[most].clone());
    assert_eq!(
        sources(store.update()).len(),
        1,
        "the manager refuses it and says so"
    );
    store.take(0, Change::Present, pod("p0", "2"));
    assert_eq!(store.update(), None);
    store.take(0, Change::Deleted, all[1].clone());
    assert!(matches!(store.update(), Some(Update::Full(groups)) if groups.len() == most));
    store.take(0, Change::Present, pod("p0", "3"));
    assert_eq!(sources(store.update()), ["pod/a/p0"]);
}

#[test]
fn no_more_objects_are_kept_than_there_may_be() {
    let (mut store, _) = pods();
    store.list_begins(0);
    let mut pod = pod("p", "");
    for number in 0..limits::K8S_OBJECTS + 10 {
        if let Object::Pod(pod) = &mut pod {
            pod.meta.name = Text::from(number.to_string());
        }
        store.take(0, Change::Present, pod.clone());
    }
    assert_eq!(store.objects.count(Kind::Pod), limits::K8S_OBJECTS);
}
