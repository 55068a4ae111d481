//! Objects that stand for more than a provider may have.

use super::*;
use crate::discovery::manager::{Manager, ProviderId, Subscription};
use crate::model::time::Mono;

/// Addresses and ports of an object that stands for a flood of targets.
const FLOOD: usize = 20_000;

/// Objects that stand for far too many targets, by role: addresses times ports, and the further
/// ports of pods.
fn floods() -> [(Role, Vec<Object>); 3] {
    let meta = |name: &str| json!({"name": name, "namespace": "a"});
    let many = FLOOD;
    let addresses: Vec<Value> = (0..many).map(|n| json!({"ip": n.to_string()})).collect();
    let ports: Vec<Value> = (0..many).map(|n| json!({"port": n % 65_536})).collect();
    let endpoints = json!({"metadata": meta("e"),
        "subsets": [{"addresses": addresses, "ports": ports}]});
    let addresses: Vec<String> = (0..many).map(|n| n.to_string()).collect();
    let slice = json!({"metadata": meta("e"), "addressType": "IPv4", "ports": ports,
        "endpoints": [{"addresses": addresses}]});
    let declared: Vec<Value> = (0..many)
        .map(|n| json!({"containerPort": 1 + n % 65_000}))
        .collect();
    let pods = (0..20).map(|n| {
        let pod = json!({"metadata": meta(&format!("p{n}")),
            "spec": {"containers": [{"name": "c", "ports": declared}]},
            "status": {"podIP": "1"}});
        object(Kind::Pod, &pod)
    });
    let endpoint = |n: usize| {
        json!({"ip": "1",
        "targetRef": {"kind": "Pod", "namespace": "a", "name": format!("p{n}")}})
    };
    let behind = json!({"metadata": meta("e"), "subsets": [{"ports": [{"port": 1}],
        "addresses": (0..20).map(endpoint).collect::<Vec<_>>()}]});
    let backed = pods.chain([object(Kind::Endpoints, &behind)]).collect();
    [
        (Role::Endpoints, vec![object(Kind::Endpoints, &endpoints)]),
        (
            Role::EndpointSlice,
            vec![object(Kind::EndpointSlice, &slice)],
        ),
        (Role::Endpoints, backed),
    ]
}

fn small(kind: Kind, name: &str, ports: usize) -> Object {
    let meta = json!({"name": name, "namespace": "a"});
    let ports: Vec<Value> = (1..=ports).map(|n| json!({ "port": n })).collect();
    let value = match kind {
        Kind::Endpoints => json!({"metadata": meta,
            "subsets": [{"addresses": [{"ip": "1"}], "ports": ports}]}),
        _ => json!({"metadata": meta, "addressType": "IPv4", "ports": ports,
            "endpoints": [{"addresses": ["1"]}]}),
    };
    object(kind, &value)
}

#[test]
fn an_object_that_stands_for_a_flood_is_cut_short_and_refused() {
    for (role, flood) in floods() {
        let watched = watched(&config(role, NONE), &[]);
        let mut store = Store::new(role.kind(), NONE, &watched);
        let mut manager = manager();
        let (id, now) = (ProviderId(1), Mono::from_millis(1));
        let found = |manager: &Manager| manager.found_by(id);
        let good = small(role.kind(), "good", 2);
        list_all(&mut store, &watched, &|kind| match kind {
            kind if kind == role.kind() => vec![good.clone()],
            _ => Vec::new(),
        });
        let update = store.update().expect("everything");
        manager.update(now, id, update).expect("few");
        for object in &flood {
            let from = watched.iter().position(|one| one.kind == object.kind());
            store.take(from.expect("watched"), Change::Present, object.clone());
        }
        let update = store.update().expect("told");
        let (Update::Full(groups) | Update::Changed(groups)) = &update;
        let made: usize = groups.iter().map(|group| group.targets.len()).sum();
        assert!(made <= limits::SD_TARGETS_PER_PROVIDER + 1, "{made}");
        assert!(manager.update(now, id, update).is_err());
        assert_eq!(found(&manager), (1, 2), "the last groups stay");
        let last = flood.last().expect("one").clone();
        let from = watched.iter().position(|one| one.kind == role.kind());
        store.take(from.expect("watched"), Change::Deleted, last);
        let update = store.update().expect("everything");
        manager.update(now, id, update).expect("few");
        assert_eq!(found(&manager), (1, 2));
    }
}

#[test]
fn what_was_cut_short_for_others_that_shrank_is_made_again() {
    let most = limits::SD_TARGETS_PER_PROVIDER;
    let watched = watched(&config(Role::EndpointSlice, NONE), &[]);
    let mut store = Store::new(Kind::EndpointSlice, NONE, &watched);
    let slice = |name, ports| small(Kind::EndpointSlice, name, ports);
    list_all(&mut store, &watched, &|kind| match kind {
        Kind::EndpointSlice => vec![slice("a", 1), slice("b", most - 1)],
        _ => Vec::new(),
    });
    store.update().expect("everything");
    let from = watched
        .iter()
        .position(|one| one.kind == Kind::EndpointSlice);
    let from = from.expect("watched");
    store.take(from, Change::Present, slice("a", most - 5));
    store.take(from, Change::Present, slice("b", 5));
    let update = store.update();
    let Some(Update::Full(groups)) = update else {
        panic!("{:?}", update.is_some())
    };
    let sizes: Vec<usize> = groups.iter().map(|group| group.targets.len()).collect();
    assert_eq!(sizes, [most - 5, 5]);
}

#[test]
fn labels_of_a_group_count_for_each_of_its_targets() {
    let watched = watched(&config(Role::EndpointSlice, NONE), &[]);
    let mut store = Store::new(Kind::EndpointSlice, NONE, &watched);
    let ports: Vec<Value> = (1..1000).map(|n| json!({ "port": n })).collect();
    let heavy = json!({"metadata": {"name": "e", "namespace": "a",
        "annotations": {"long": "x".repeat(100_000)}}, "addressType": "IPv4",
        "ports": ports, "endpoints": [{"addresses": ["1"]}]});
    let heavy = object(Kind::EndpointSlice, &heavy);
    list_all(&mut store, &watched, &|kind| match kind {
        Kind::EndpointSlice => vec![heavy.clone()],
        _ => Vec::new(),
    });
    let update = store.update().expect("told");
    let refused = manager().update(Mono::from_millis(1), ProviderId(1), update);
    assert!(refused.expect_err("too much").bytes > limits::SD_LABEL_BYTES_PER_PROVIDER);
    assert_eq!(store.update(), None);
}

/// A manager that knows the provider 1.
fn manager() -> Manager {
    let mut manager = Manager::new(limits::SD_COALESCE);
    let subscription = Subscription {
        job: "j".into(),
        providers: vec![ProviderId(1)],
    };
    manager.apply(Mono::from_millis(0), vec![subscription], BTreeSet::new());
    manager
}
