//! `narthex discover`: what discovery finds and relabelling makes of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::support::agent::{Kind, NARTHEX};
use super::support::discover::Discover;
use super::support::http::{HttpServer, Reply, Request};
use super::support::write_file;

/// Where Debian's package puts Prometheus's checker.
const PROMTOOL: &str = "/usr/bin/promtool";
const NO_COMMAND: &str = "it has no such command";

const RELABELLED: &str = "
scrape_configs:
- job_name: j
  params: {module: [a, b]}
  static_configs:
  - {targets: ['s:1', 's:1', 'drop:2'], labels: {kept: 'yes', __meta_x: y}}
  - {targets: ['f:3', 'f:4'], labels: {group: second}}
  relabel_configs:
  - {source_labels: [__address__], regex: 'drop.*', action: drop}
  - {source_labels: [__meta_x], target_label: x}
  - {source_labels: [__address__], regex: 'f:3', target_label: third, replacement: 'yes'}
- job_name: other
  static_configs: [{targets: ['o:1']}]
";

fn run(
    program: &str,
    arguments: &[&str],
    dir: &Path,
    config: &str,
) -> (Option<i32>, String, String) {
    let file = dir.join("config.yml");
    std::fs::write(&file, config).expect("to write");
    let file = file.to_string_lossy();
    let arguments: Vec<&str> = arguments
        .iter()
        .map(|one| if *one == "FILE" { &*file } else { *one })
        .collect();
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect("to run");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Labels that Prometheus gives since version 3, which Debian's promtool is not.
const SINCE_3: [&str; 3] = [
    "__scrape_native_histograms__",
    "__always_scrape_classic_histograms__",
    "__convert_classic_histograms_to_nhcb__",
];

/// Labels before relabelling, and those after it that series get.
fn pairs(targets: &Value) -> BTreeMap<String, Value> {
    let targets = targets.as_array().expect("a list").iter();
    let kept = targets.filter(|target| target["fate"] != "duplicate");
    kept.map(|target| {
        let mut labels = target["labels"].clone();
        if let Some(labels) = labels.as_object_mut() {
            labels.retain(|name, _| !name.starts_with("__"));
        }
        let mut discovered = target["discoveredLabels"].clone();
        if let Some(discovered) = discovered.as_object_mut() {
            discovered.retain(|name, _| !SINCE_3.contains(&name.as_str()));
        }
        (discovered.to_string(), labels)
    })
    .collect()
}

#[test]
fn targets_are_those_of_promtool() {
    if Kind::under_test().is_excused(NO_COMMAND) {
        return;
    }
    let dir = tempfile::tempdir().expect("a scratch folder");
    let arguments = ["discover", "--json", "--job=j", "FILE"];
    let (code, out, err) = run(NARTHEX, &arguments, dir.path(), RELABELLED);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let own: Value = serde_json::from_str(&out).expect("JSON");
    let arguments = ["check", "service-discovery", "--timeout=3s", "FILE", "j"];
    let (code, out, err) = run(PROMTOOL, &arguments, dir.path(), RELABELLED);
    assert_eq!(code, Some(0), "{err}");
    let theirs: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(own["jobs"].as_array().map(Vec::len), Some(1));
    let (own, theirs) = (pairs(&own["jobs"][0]["targets"]), pairs(&theirs));
    assert_eq!(theirs.len(), 4, "{theirs:#?}");
    assert_eq!(own, theirs);
}

#[test]
fn what_is_wrong_is_shown_with_its_reason_and_without_secrets() {
    if Kind::under_test().is_excused(NO_COMMAND) {
        return;
    }
    let dir = tempfile::tempdir().expect("a scratch folder");
    let source = HttpServer::start(|_: &Request| Reply::status(503, "busy"));
    let config = format!(
        "scrape_configs:\n- job_name: j\n  http_sd_configs:\n  \
         - {{url: 'http://u:secret@{}/x', refresh_interval: 1s}}\n  \
         static_configs: [{{targets: ['a:1']}}]\n",
        source.address()
    );
    let arguments = ["discover", "--timeout=2s", "FILE"];
    let (code, out, err) = run(NARTHEX, &arguments, dir.path(), &config);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("http://a:1/metrics"), "{out}");
    assert!(
        out.contains("http for \"j\": 0 groups, 0 targets, no answer yet"),
        "{out}"
    );
    assert!(out.contains("server returned HTTP status 503"), "{out}");
    assert!(!format!("{out}{err}").contains("secret"), "{out}{err}");
    assert!(source.requests()[0].header("Authorization").is_some());

    let (code, _, err) = run(NARTHEX, &["discover", "FILE"], dir.path(), "a: b\n");
    assert!(
        code == Some(1) && err.contains("line 1: a: field a not found"),
        "{err}"
    );
}

#[test]
fn changes_of_a_file_are_shown_as_they_come() {
    if Kind::under_test().is_excused(NO_COMMAND) {
        return;
    }
    let dir = tempfile::tempdir().expect("a scratch folder");
    let file = dir.path().join("t.json");
    write_file(&file, r#"[{"targets": ["a:1"]}]"#);
    let config = format!(
        "scrape_configs:\n- job_name: j\n  file_sd_configs: [{{files: ['{}']}}]\n",
        file.display()
    );
    let watch = Discover::watch(Command::new(NARTHEX), dir.path(), &config);
    let has = |address: &'static str, zone: &'static str| {
        move |targets: &BTreeMap<String, Value>| {
            let target = targets.values().next().filter(|_| targets.len() == 1)?;
            let fits = target["labels"]["instance"] == address && target["labels"]["zone"] == zone;
            fits.then_some(())
        }
    };
    watch.until("the target", |targets| (targets.len() == 1).then_some(()));
    write_file(&file, r#"[{"targets": ["a:1"], "labels": {"zone": "z"}}]"#);
    watch.until("the label", has("a:1", "z"));
    write_file(&file, r#"[{"targets": ["b:1"], "labels": {"zone": "z"}}]"#);
    watch.until("the other target", has("b:1", "z"));
    write_file(&file, "[]");
    watch.until("the end", |targets| targets.is_empty().then_some(()));
    let shown: Vec<String> = watch
        .events()
        .iter()
        .filter(|event| event["kind"] == "target")
        .map(|event| {
            let (before, after) = (&event["before"]["labels"], &event["after"]["labels"]);
            format!(
                "{} {} {}",
                event["event"], before["instance"], after["instance"]
            )
        })
        .collect();
    let expected = [
        "\"added\" null \"a:1\"",
        "\"changed\" \"a:1\" \"a:1\"",
        "\"removed\" \"a:1\" null",
        "\"added\" null \"b:1\"",
        "\"removed\" \"b:1\" null",
    ];
    assert_eq!(shown, expected);
    assert_eq!(watch.interrupt(), Some(0));
}
