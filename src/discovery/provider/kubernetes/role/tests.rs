//! The groups of every role for two clusters, compared with golden files.
//!
//! The files were made by this program and compared, label by label, with what the discovery of
//! Prometheus 3.14.0 makes of the same lists, and nothing was different. `UPDATE_GOLDEN=1` writes them anew.

use std::path::Path;

use super::super::config::{Attach, Role};
use super::super::objects::Object;
use super::super::resource::Kind;
use super::super::testing::{by_hand, groups, recorded};
use crate::model::target_group::{LabelMap, TargetGroup};

const NOTHING: Attach = Attach {
    node: false,
    namespace: false,
    deployment: false,
    job: false,
    cronjob: false,
};

const EVERYTHING: Attach = Attach {
    node: true,
    namespace: true,
    deployment: true,
    job: true,
    cronjob: true,
};

fn lines(labels: &LabelMap, indent: &str) -> String {
    let lines = labels.iter().map(|(name, value)| {
        let name = name.replace("__meta_kubernetes_", "~");
        format!("{indent}{name} = {}\n", serde_json::json!(value.as_str()))
    });
    lines.collect()
}

fn text(groups: &[TargetGroup]) -> String {
    let mut text = String::new();
    for group in groups {
        text.push_str(&format!(
            "{}\n{}",
            group.source,
            lines(&group.labels, "    ")
        ));
        for target in &group.targets {
            text.push_str(&format!("  - target\n{}", lines(target, "      ")));
        }
    }
    text
}

fn check(name: &str, (role, attach): (Role, Attach), list: &dyn Fn(Kind) -> Vec<Object>) {
    let found = text(&groups(role, attach, list));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/kubernetes");
    let path = folder.join(format!("{name}-{}.txt", role.name()));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).expect("written");
    }
    let expected = std::fs::read_to_string(&path).expect("golden file");
    assert!(
        found == expected,
        "{} is not what it was:\n{found}",
        path.display()
    );
}

#[test]
fn every_role_has_the_labels_of_its_objects() {
    for role in [
        Role::Node,
        Role::Service,
        Role::Pod,
        Role::Endpoints,
        Role::EndpointSlice,
        Role::Ingress,
    ] {
        check("recorded", (role, NOTHING), &recorded);
        check("recorded-attached", (role, EVERYTHING), &recorded);
        check("cases", (role, NOTHING), &by_hand);
        check("cases-attached", (role, EVERYTHING), &by_hand);
    }
}

#[test]
fn equal_texts_of_different_groups_are_in_memory_once() {
    let groups = groups(Role::Pod, NOTHING, &recorded);
    let names = |index: usize| groups[index].labels.iter().map(|(name, _)| name.clone());
    for name in names(0) {
        let mut same = names(1).filter(|other| *other == name);
        if let Some(other) = same.next() {
            assert!(std::ptr::eq(name.as_str(), other.as_str()), "{name}");
        }
    }
    assert!(names(1).any(|name| name == "__meta_kubernetes_pod_name"));
}
