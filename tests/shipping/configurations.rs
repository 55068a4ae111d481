//! Configurations that are shipped are right, and those in manifests too.

use super::tools::{files, read, run};

const NARTHEX: &str = env!("CARGO_BIN_EXE_narthex");

fn assert_right(path: &str) {
    let (right, text) = run(NARTHEX, &["check", "config", "--syntax-only", path]);
    assert!(right && text.contains("SUCCESS"), "{text}");
}

#[test]
fn every_configuration_is_right() {
    let all = files("packaging/config");
    let configurations = all
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "yml"));
    let mut count = 0;
    for path in configurations {
        assert_right(&path.to_string_lossy());
        count += 1;
    }
    assert!(count >= 3);
}

#[test]
fn the_one_for_kubernetes_is_right() {
    let manifest = read("packaging/kubernetes/narthex.yaml");
    let text = manifest
        .split("  narthex.yml: |\n")
        .nth(1)
        .expect("a configuration");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("narthex.yml");
    let dedented: String = text
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .map(|line| format!("{}\n", line.get(4..).unwrap_or_default()))
        .collect();
    assert!(dedented.len() > 500, "{dedented}");
    std::fs::write(&path, dedented).expect("write");
    assert_right(&path.to_string_lossy());
}

#[test]
fn the_manifests_are_yaml_with_what_a_pod_needs() {
    let manifest = read("packaging/kubernetes/narthex.yaml");
    let kinds: Vec<String> = manifest
        .split("\n---\n")
        .map(|document| {
            let document: serde_yaml::Value = serde_yaml::from_str(document).expect("YAML");
            document["kind"].as_str().expect("a kind").to_owned()
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "Namespace",
            "ServiceAccount",
            "ClusterRole",
            "ClusterRoleBinding",
            "Secret",
            "ConfigMap",
            "DaemonSet"
        ]
    );
    assert!(
        manifest.contains("runAsNonRoot: true")
            && manifest.contains("readOnlyRootFilesystem: true")
    );
}
