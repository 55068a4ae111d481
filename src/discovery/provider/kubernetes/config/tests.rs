use super::*;
use crate::config::yaml;

fn read(text: &str) -> Result<KubernetesConfig, String> {
    let document = yaml::parse(text).expect("yaml");
    parse(&Cursor::new(&document.root, "k")).map_err(|error| error.to_string())
}

#[test]
fn everything_is_read() {
    let text = "
role: endpoints
api_server: https://10.0.0.1:6443/k8s
authorization: {credentials: x}
tls_config: {insecure_skip_verify: true}
namespaces: {names: [a, b]}
selectors:
- {role: pod, label: 'app=web,!old', field: status.phase=Running}
- {role: endpoints, field: metadata.name=web}
attach_metadata: {node: true, cronjob: true}
";
    let config = read(text).expect("valid");
    assert_eq!(config.role, Role::Endpoints);
    assert_eq!(config.namespaces.names, ["a", "b"]);
    let selector = config.selector(Role::Pod);
    assert_eq!(selector, ("app=web,!old", "status.phase=Running"));
    assert_eq!(config.selector(Role::Endpoints), ("", "metadata.name=web"));
    assert_eq!(config.selector(Role::Service), ("", ""));
    assert!(config.attach.node && config.attach.cronjob && !config.attach.job);
    let Server::Explicit(address, client) = &config.server else {
        panic!("an address");
    };
    assert_eq!(address.expose(), "https://10.0.0.1:6443/k8s");
    assert!(client.tls.insecure_skip_verify);
}

#[test]
fn little_is_enough() {
    let config = read("role: node").expect("valid");
    assert_eq!(config.server, Server::InCluster);
    assert_eq!(config.namespaces, Namespaces::default());
    let config = read("{role: pod, kubeconfig_file: /etc/k}").expect("valid");
    assert_eq!(config.server, Server::KubeConfig("/etc/k".into()));
    let config = read("{role: pod, namespaces: {own_namespace: true}}").expect("valid");
    assert!(config.namespaces.own);
    // What is written but says nothing else than the default is no custom client.
    assert!(read("{role: pod, follow_redirects: true, enable_http2: true}").is_ok());
}

/// Entries and what is said of them.
const MISTAKES: &[(&str, &str)] = &[
    (
        "{}",
        "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)",
    ),
    ("{role: ''}", "unknown Kubernetes SD role \"\""),
    ("{role: }", "role missing (one of:"),
    ("{role: pods}", "unknown Kubernetes SD role \"pods\""),
    (
        "{role: pod, x: 1}",
        "field x not found in type kubernetes.plain",
    ),
    (
        "{role: pod, api_server: 'http://a', kubeconfig_file: b}",
        "cannot use 'kubeconfig_file' and 'api_server' simultaneously",
    ),
    (
        "{role: pod, kubeconfig_file: b, basic_auth: {username: x}}",
        "cannot use a custom HTTP client configuration together with 'kubeconfig_file'",
    ),
    (
        "{role: pod, bearer_token: x}",
        "to use custom HTTP client configuration please provide the 'api_server' URL explicitly",
    ),
    (
        "{role: pod, api_server: 'http://a', namespaces: {own_namespace: true}}",
        "cannot use 'api_server' and 'namespaces.own_namespace' simultaneously",
    ),
    (
        "{role: pod, kubeconfig_file: b, namespaces: {own_namespace: true}}",
        "cannot use 'kubeconfig_file' and 'namespaces.own_namespace' simultaneously",
    ),
    ("{role: pod, api_server: 'a:b:c'}", "k.api_server"),
    (
        "{role: pod, api_server: 'ftp://a'}",
        "must be an http or https URL",
    ),
    (
        "{role: pod, api_server: 'http://a/?b'}",
        "neither a query nor a fragment",
    ),
    (
        "{role: node, selectors: [{role: pod, label: a}]}",
        "node role supports only node selectors",
    ),
    (
        "{role: pod, selectors: [{role: service}]}",
        "pod role supports only pod, node selectors",
    ),
    (
        "{role: endpoints, selectors: [{role: node}]}",
        "endpoints role supports only pod, service, endpoints selectors",
    ),
    (
        "{role: pod, selectors: [{role: pod, label: a}, {role: pod, field: a=b}]}",
        "duplicated selector role: pod",
    ),
    (
        "{role: pod, selectors: [{role: nix}]}",
        "unknown Kubernetes SD role \"nix\"",
    ),
    (
        "{role: pod, selectors: [{label: a}]}",
        "selector has no role",
    ),
    (
        "{role: pod, selectors: [{role: pod, field: metadata.status-Running}]}",
        "invalid selector: 'metadata.status-Running'",
    ),
    (
        "{role: pod, selectors: [{role: pod, label: 'a b'}]}",
        "unable to parse requirement",
    ),
    (
        "{role: pod, attach_metadata: {pod: true}}",
        "field pod not found in type kubernetes.AttachMetadataConfig",
    ),
    (
        "{role: pod, namespaces: [a]}",
        "cannot unmarshal !!seq into kubernetes.plain",
    ),
];

#[test]
fn mistakes_are_told_in_prometheus_words() {
    for (text, expected) in MISTAKES {
        let error = read(text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn no_configuration_starts_more_threads_than_there_may_be() {
    let names = |count: usize| {
        (0..count)
            .map(|n| format!("n{n}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let pods = |count| format!("{{role: pod, namespaces: {{names: [{}]}}}}", names(count));
    assert!(read(&pods(limits::K8S_REFLECTORS)).is_ok());
    let error = read(&pods(limits::K8S_REFLECTORS + 1)).expect_err("too many");
    assert!(error.contains("129 lists to watch"), "{error}");
    let endpoints = format!(
        "{{role: endpoints, namespaces: {{names: [{}]}}}}",
        names(43)
    );
    assert!(read(&endpoints).is_err());
}

#[test]
fn nothing_secret_is_shown() {
    let text = "{role: pod, api_server: 'http://me:hunter2@a', bearer_token: hunter2}";
    let shown = format!("{:?}", read(text).expect("valid"));
    assert!(
        !shown.contains("Secret(") && !shown.contains("\"hunter2\""),
        "{shown}"
    );
}
