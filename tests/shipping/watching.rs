//! Alert rules and the dashboard use metrics that exist, in expressions that Prometheus takes.

use std::collections::BTreeSet;

use super::tools::{path, read, run};

/// How names of our own metrics begin.
const FAMILIES: [&str; 3] = ["prometheus_", "narthex_", "process_"];

/// Names of metrics in a text, without what a histogram adds.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let own = words.filter(|word| FAMILIES.iter().any(|family| word.starts_with(family)));
    let stripped = own.map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned());
    stripped.collect()
}

fn assert_documented(file: &str) {
    let documented = names(&read("docs/metrics.md"));
    let used = names(&read(file));
    assert!(used.len() > 8, "{file}: {used:?}");
    let unknown: Vec<&String> = used.difference(&documented).collect();
    assert!(unknown.is_empty(), "{file}: {unknown:?}");
}

#[test]
fn rules_and_dashboard_use_metrics_that_exist() {
    assert_documented("packaging/alerts/narthex.rules.yml");
    assert_documented("packaging/dashboards/narthex.json");
}

#[test]
fn promtool_takes_the_rules() {
    let rules = path("packaging/alerts/narthex.rules.yml");
    let (sound, text) = run("promtool", &["check", "rules", &rules.to_string_lossy()]);
    assert!(sound && text.contains("12 rules found"), "{text}");
}

#[test]
fn promtool_takes_the_expressions_of_the_dashboard() {
    let text = read("packaging/dashboards/narthex.json");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    let mut count = 0;
    for target in panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("targets"))
    {
        let expression = target["expr"].as_str().expect("an expression");
        let quoted = serde_json::to_string(expression).expect("a string");
        rules.push_str(&format!(
            "  - {{record: 'panel:{count}', expr: {quoted}}}\n"
        ));
        count += 1;
    }
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("rules.yml");
    std::fs::write(&file, rules).expect("write");
    let (sound, text) = run("promtool", &["check", "rules", &file.to_string_lossy()]);
    assert!(
        sound && text.contains(&format!("{count} rules found")),
        "{text}"
    );
}
