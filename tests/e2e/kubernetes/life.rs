//! Objects that come, change and go; who may ask; how little is sent.

use super::*;

#[test]
fn targets_follow_the_objects_of_their_namespace_and_selector() {
    let api = KubeApi::start();
    for (name, ip) in [("one", "10.0.0.1"), ("two", "10.0.0.2")] {
        api.put("pods", pod(name, ip));
    }
    let mut elsewhere = pod("three", "10.0.0.3");
    elsewhere["metadata"]["namespace"] = json!("other");
    api.put("pods", elsewhere);
    let selected = "role: pod, namespaces: {names: [demo]}, \
                    selectors: [{role: pod, label: app=two, field: status.phase=Running}]";
    let jobs = [
        job("k", &api, "role: pod, namespaces: {names: [demo]}"),
        job("selected", &api, selected),
    ];
    let agent = agent(&jobs);
    wait_for(&agent, &["10.0.0.1:80", "10.0.0.2:80"]);
    wait::until_true("the selected pod", UPDATE, || {
        addresses(&agent, "selected") == ["10.0.0.2:80"]
    });
    api.change("pods", ("demo", "one"), |pod| {
        pod["status"]["podIP"] = json!("10.0.0.9");
    });
    wait_for(&agent, &["10.0.0.2:80", "10.0.0.9:80"]);
    api.delete("pods", ("demo", "two"));
    wait_for(&agent, &["10.0.0.9:80"]);
    api.put("pods", pod("four", "10.0.0.4"));
    wait_for(&agent, &["10.0.0.4:80", "10.0.0.9:80"]);
    for (event, count) in [("add", 4.0), ("update", 1.0), ("delete", 2.0)] {
        let part = format!("event=\"{event}\",role=\"pod\"");
        // The other provider may not have seen the last ones yet.
        let found = || agent.metric("prometheus_sd_kubernetes_events_total", &part);
        wait::until_true(event, UPDATE, || found() >= Some(count));
        assert_eq!(found(), Some(count), "{event}");
    }
    // One list and one watch for each of both providers did all that.
    assert_eq!(api.seen("pods").len(), 4);
}

#[test]
fn endpoints_change_with_the_pods_services_and_nodes_behind_them() {
    let api = recorded();
    let label = |agent: &Agent, name: &str| {
        let all = found(agent, "k").into_iter();
        let mut web = all.filter(|labels| labels["__address__"] == "10.244.1.1:9100");
        web.next().and_then(|labels| labels.get(name).cloned())
    };
    let agent = agent(&[job(
        "k",
        &api,
        "role: endpoints, attach_metadata: {node: true, namespace: true}",
    )]);
    let changes: [(&str, (&str, &str), &str); 4] = [
        (
            "pods",
            ("demo", "web-1"),
            "__meta_kubernetes_pod_label_fresh",
        ),
        (
            "services",
            ("demo", "web"),
            "__meta_kubernetes_service_label_fresh",
        ),
        (
            "nodes",
            ("", "node-a"),
            "__meta_kubernetes_node_label_fresh",
        ),
        (
            "namespaces",
            ("", "demo"),
            "__meta_kubernetes_namespace_label_fresh",
        ),
    ];
    wait::until("the target", UPDATE, || label(&agent, "__address__"));
    for (collection, key, name) in changes {
        assert_eq!(label(&agent, name), None);
        api.change(collection, key, |object| {
            object["metadata"]["labels"]["fresh"] = json!("yes");
        });
        wait::until_true(name, UPDATE, || {
            label(&agent, name).as_deref() == Some("yes")
        });
    }
    api.delete("nodes", ("", "node-a"));
    wait::until_true("the node's labels to go", UPDATE, || {
        label(&agent, "__address__").is_some()
            && label(&agent, "__meta_kubernetes_node_name").is_none()
    });
}

#[test]
fn a_renewed_token_is_used_and_a_refusal_costs_no_target() {
    let api = KubeApi::start();
    api.put("pods", pod("one", "10.0.0.1"));
    api.want_token("first");
    let entry = "role: pod, authorization: {credentials_file: '{dir}/token'}";
    let mut agent = Agent::with_config(&config("http://127.0.0.1:1/", &[job("k", &api, entry)]));
    agent.write("token", "first\n");
    agent.start();
    wait_for(&agent, &["10.0.0.1:80"]);
    api.want_token("second");
    api.put("pods", pod("two", "10.0.0.2"));
    api.cut_watches();
    wait::until_true("a refusal", UPDATE, || {
        agent.metric("prometheus_sd_kubernetes_failures_total", "") >= Some(1.0)
    });
    assert!(addresses(&agent, "k").contains(&"10.0.0.1:80".to_owned()));
    wait::until_true("a word about it", UPDATE, || {
        agent.log().contains("Unauthorized")
    });
    assert!(!agent.log().contains("first"), "{}", agent.log());
    agent.write("token", "second\n");
    wait_for(&agent, &["10.0.0.1:80", "10.0.0.2:80"]);
}

#[test]
fn stopping_does_not_wait_for_watches_or_for_servers_that_hang() {
    let api = KubeApi::start();
    api.put("pods", pod("one", "10.0.0.1"));
    api.spoil_list("nodes", Fault::Hang);
    let mut agent = agent(&[job("k", &api, "role: pod"), job("hang", &api, "role: node")]);
    wait_for(&agent, &["10.0.0.1:80"]);
    wait::until_true("the request that hangs", UPDATE, || api.is_healed("nodes"));
    let (status, took) = agent.terminate();
    assert!(status.success(), "{status}");
    assert!(!agent.log().contains("does not stop"), "{}", agent.log());
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn a_reload_keeps_the_watch_of_an_entry_that_did_not_change() {
    let api = KubeApi::start();
    api.put("pods", pod("one", "10.0.0.1"));
    let jobs = [job("k", &api, "role: pod")];
    let agent = agent(&jobs);
    wait_for(&agent, &["10.0.0.1:80"]);
    let more = [
        jobs[0].clone(),
        job("more", &api, "role: pod, namespaces: {names: [demo]}"),
    ];
    agent.write_config(&config("http://127.0.0.1:1/", &more));
    assert_eq!(agent.reload().status, 200);
    wait::until_true("the new job", UPDATE, || {
        addresses(&agent, "more") == ["10.0.0.1:80"]
    });
    let everywhere = api
        .seen("pods")
        .into_iter()
        .filter(|one| one.path == "/api/v1/pods");
    assert_eq!(everywhere.count(), 2, "one list and one watch");
    wait_for(&agent, &["10.0.0.1:80"]);
}
