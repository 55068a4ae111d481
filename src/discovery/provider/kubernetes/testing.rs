//! Objects for tests: recorded, written by hand, or made up.

use super::config::{Attach, KubernetesConfig, Namespaces, Role, Server};
use super::objects::{Object, strip};
use super::resource::{Kind, Watched, watched};
use super::store::{Change, Store};
use super::stream;
use super::texts::Texts;
use crate::discovery::manager::Update;
use crate::model::target_group::TargetGroup;

/// A text of `tests/data/kubernetes`.
pub(super) fn data(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/kubernetes/");
    std::fs::read_to_string(format!("{folder}{name}")).expect("test data")
}

/// The objects of a list.
pub(super) fn objects(kind: Kind, list: &str) -> Vec<Object> {
    let mut texts = Texts::default();
    let mut found = Vec::new();
    let read = stream::read_list(&mut list.as_bytes(), &mut |object| {
        found.push(strip(kind, &object, &mut texts).expect("a name"));
        true
    });
    read.expect("a list");
    found
}

/// One object.
pub(super) fn object(kind: Kind, value: &serde_json::Value) -> Object {
    let list = serde_json::json!({"metadata": {}, "items": [value]});
    objects(kind, &list.to_string()).remove(0)
}

/// The objects of the recorded cluster.
pub(super) fn recorded(kind: Kind) -> Vec<Object> {
    match kind {
        Kind::ReplicaSet | Kind::Job => Vec::new(),
        kind => objects(kind, &data(&format!("{}.json", kind.plural()))),
    }
}

/// The objects written by hand.
pub(super) fn by_hand(kind: Kind) -> Vec<Object> {
    let all: serde_json::Value = serde_json::from_str(&data("cases.json")).expect("valid");
    let list = serde_json::json!({"metadata": {}, "items": all[kind.plural()]});
    objects(kind, &list.to_string())
}

/// A configuration that asks for nothing special.
pub(super) fn config(role: Role, attach: Attach) -> KubernetesConfig {
    KubernetesConfig {
        role,
        server: Server::InCluster,
        namespaces: Namespaces::default(),
        selectors: Vec::new(),
        attach,
    }
}

/// Lists everything once.
pub(super) fn list_all(store: &mut Store, watched: &[Watched], list: &dyn Fn(Kind) -> Vec<Object>) {
    for (from, watched) in watched.iter().enumerate() {
        store.list_begins(from);
        for object in list(watched.kind) {
            let here = |one: &String| object.meta().namespace == *one;
            if watched.namespace.as_ref().is_none_or(here) {
                store.take(from, Change::Present, object);
            }
        }
        store.list_ends(from);
    }
}

/// The groups that a list of everything gives, those without targets left out.
pub(super) fn groups(
    role: Role,
    attach: Attach,
    list: &dyn Fn(Kind) -> Vec<Object>,
) -> Vec<TargetGroup> {
    let watched = watched(&config(role, attach), &[]);
    let mut store = Store::new(role.kind(), attach, &watched);
    list_all(&mut store, &watched, list);
    match store.update() {
        Some(Update::Full(mut groups)) => {
            groups.retain(|group| !group.targets.is_empty());
            groups
        }
        other => panic!("not everything: {other:?}"),
    }
}
