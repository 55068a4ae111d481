//! The recorded cluster, through the whole program: the labels of the golden files.

use std::path::Path;

use super::*;

const ROLES: [&str; 6] = [
    "node",
    "service",
    "pod",
    "endpoints",
    "endpointslice",
    "ingress",
];

/// The label sets of a golden file: labels of the group and of the target together.
fn golden(role: &str) -> Found {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/kubernetes");
    let text = std::fs::read_to_string(folder.join(format!("recorded-{role}.txt")));
    let (mut sets, mut group) = (Found::new(), BTreeMap::new());
    let mut in_target = false;
    for line in text.expect("a golden file").lines() {
        if line == "  - target" {
            in_target = true;
            sets.push(group.clone());
        } else if !line.starts_with(' ') {
            in_target = false;
            group = BTreeMap::new();
        } else if let Some((name, value)) = line.trim_start().split_once(" = ") {
            let name = name.replace('~', "__meta_kubernetes_");
            let set = if in_target {
                sets.last_mut().expect("a target")
            } else {
                &mut group
            };
            set.insert(name, serde_json::from_str(value).expect("a JSON string"));
        }
    }
    sets.sort();
    sets
}

#[test]
fn every_role_finds_the_recorded_cluster() {
    let api = recorded();
    let jobs: Vec<String> = ROLES
        .iter()
        .map(|role| job(role, &api, &format!("role: {role}")))
        .collect();
    let agent = agent(&jobs);
    for role in ROLES {
        let expected = golden(role);
        assert!(!expected.is_empty());
        let mut last = Vec::new();
        let done = wait::try_until(UPDATE, || {
            last = found(&agent, role);
            for labels in &mut last {
                let ours = |name: &str| {
                    let own = name.starts_with("__meta_") || name == "__address__";
                    own || name == "instance"
                };
                labels.retain(|name, _| ours(name));
            }
            last.sort();
            (last == expected).then_some(())
        });
        assert!(
            done.is_some(),
            "{role}: {last:#?}\ninstead of {expected:#?}"
        );
    }
    // Every list was asked for in pages, and every watch with bookmarks and an end.
    for seen in api.seen("pods") {
        let paged =
            seen.parameter("limit") == "500" && seen.parameter("resourceVersion").is_empty();
        let watched = seen.parameter("allowWatchBookmarks") == "true"
            && seen.parameter("timeoutSeconds").parse::<u64>().is_ok();
        assert!(if seen.is_watch() { watched } else { paged }, "{seen:?}");
        assert!(
            seen.head.contains("User-Agent: narthex/")
                || seen.head.contains("user-agent: narthex/"),
            "{}",
            seen.head
        );
    }
    let added = || {
        let part = "event=\"add\",role=\"node\"";
        agent.metric("prometheus_sd_kubernetes_events_total", part)
    };
    wait::until_true("both nodes", UPDATE, || added() >= Some(2.0));
    assert_eq!(added(), Some(2.0));
    assert_eq!(
        agent.metric("prometheus_sd_kubernetes_failures_total", ""),
        Some(0.0)
    );
    wait::until_true("every request to be counted", UPDATE, || {
        let part = "status_code=\"200\"";
        agent.metric("prometheus_sd_kubernetes_http_request_total", part) >= Some(20.0)
    });
}
