//! Targets of a Kubernetes cluster, from a scripted API server.
//!
//! Debian builds its Prometheus without this mechanism, so there is none to compare with here; the
//! golden files were compared with Prometheus's own discovery by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::agent::Agent;
use super::support::kube::{Fault, KubeApi};
use super::support::{config, wait};

mod labels;
mod life;
mod traps;

const UPDATE: Duration = Duration::from_secs(60);

/// Labels of targets before relabelling, sorted.
type Found = Vec<BTreeMap<String, String>>;

/// The cluster that was recorded from a real server.
fn recorded() -> KubeApi {
    let api = KubeApi::start();
    for (collection, list) in [
        ("pods", include_str!("../data/kubernetes/pods.json")),
        ("services", include_str!("../data/kubernetes/services.json")),
        (
            "endpoints",
            include_str!("../data/kubernetes/endpoints.json"),
        ),
        (
            "endpointslices",
            include_str!("../data/kubernetes/endpointslices.json"),
        ),
        (
            "ingresses",
            include_str!("../data/kubernetes/ingresses.json"),
        ),
        ("nodes", include_str!("../data/kubernetes/nodes.json")),
        (
            "namespaces",
            include_str!("../data/kubernetes/namespaces.json"),
        ),
    ] {
        api.load(collection, list);
    }
    api
}

/// A job that finds targets and scrapes none of them; `more` goes into the discovery entry.
fn job(name: &str, api: &KubeApi, more: &str) -> String {
    format!(
        "- job_name: {name}\n  relabel_configs: [{{action: drop}}]\n  kubernetes_sd_configs:\n  \
         - {{api_server: '{}', {more}}}\n",
        api.url()
    )
}

/// An agent with these jobs and nowhere to send.
fn agent(jobs: &[String]) -> Agent {
    let mut agent = Agent::with_config(&config("http://127.0.0.1:1/", jobs));
    agent.start();
    agent
}

/// What an agent found for a job.
fn found(agent: &Agent, job: &str) -> Found {
    let answer = agent.get("/api/v1/targets?state=dropped").json();
    let targets = answer["data"]["droppedTargets"].as_array().expect("a list");
    let labels = targets.iter().map(|target| &target["discoveredLabels"]);
    let mut found: Found = labels
        .filter(|labels| labels["job"] == job)
        .map(|labels| serde_json::from_value(labels.clone()).expect("labels"))
        .collect();
    found.sort();
    found
}

/// The addresses that an agent found for a job.
fn addresses(agent: &Agent, job: &str) -> Vec<String> {
    let found = found(agent, job).into_iter();
    let mut addresses: Vec<String> = found.map(|labels| labels["__address__"].clone()).collect();
    addresses.sort();
    addresses
}

/// Waits until an agent has found just these for the job `k`.
fn wait_for(agent: &Agent, expected: &[&str]) {
    let done = wait::try_until(UPDATE, || (addresses(agent, "k") == expected).then_some(()));
    let found = addresses(agent, "k");
    assert!(
        done.is_some(),
        "{found:?} instead of {expected:?}; its log:\n{}",
        agent.log()
    );
}

/// A pod with one port at an address.
fn pod(name: &str, ip: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "demo", "labels": {"app": name}},
        "spec": {"nodeName": "n", "containers": [
            {"name": "c", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]},
        "status": {"podIP": ip, "phase": "Running"},
    })
}
