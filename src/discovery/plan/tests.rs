use super::*;
use crate::config::yaml;
use crate::discovery::testing::config;

fn planned(jobs: &str) -> Plan {
    plan(&config(jobs)).expect("valid")
}

fn refused(jobs: &str) -> String {
    plan(&config(jobs)).expect_err("a mistake").to_string()
}

#[test]
fn equal_entries_share_a_provider_across_jobs_and_within_one() {
    let plan = planned(
        "
- job_name: j
  dns_sd_configs: [{names: [a]}, {names: ['a'], refresh_interval: 30s}]
- job_name: k
  dns_sd_configs: [{names: [b]}, {names: [a]}]
",
    );
    assert_eq!(plan.providers.len(), 2);
    assert_eq!(plan.jobs[0].providers, [0]);
    assert_eq!(plan.jobs[1].providers, [1, 0]);
    assert_eq!(&*plan.providers[0].label, "j");
}

#[test]
fn all_static_groups_of_a_job_are_one_provider() {
    let plan = planned(
        "
- job_name: j
  static_configs: [{targets: [a]}, {targets: [b]}]
- job_name: empty
",
    );
    assert_eq!(plan.providers.len(), 1);
    assert_eq!(plan.providers[0].mechanism, "static");
    assert!(plan.jobs[1].providers.is_empty());
}

#[test]
fn mistakes_have_a_file_a_line_and_a_path() {
    assert_eq!(
        refused("- job_name: j\n  dns_sd_configs:\n  - names: [a]\n  - names: []\n"),
        "parsing YAML file test.yml: line 5: scrape_configs[0].dns_sd_configs[1].names: \
         DNS-SD config must contain at least one SRV record name"
    );
}

#[test]
fn mistakes_of_all_jobs_are_told_at_once() {
    let text = refused(
        "
- job_name: j
  http_sd_configs: [{}]
  static_configs: [{targets: [a], label: {}}]
- job_name: k
  file_sd_configs: [{files: [x.txt]}]
",
    );
    for expected in [
        "scrape_configs[0].http_sd_configs[0]: URL is missing",
        "scrape_configs[0].static_configs[0].label: field label not found",
        "scrape_configs[1].file_sd_configs[0].files: path name \"x.txt\" is not valid",
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_mechanism_that_is_not_there_is_a_mistake() {
    let entry = DiscoveryConfig {
        mechanism: "carrier_pigeon".into(),
        node: yaml::parse("{}").expect("yaml").root,
        file: "test.yml".into(),
        path: "here".into(),
    };
    let error = parse(&entry).expect_err("unknown").to_string();
    assert!(
        error.contains("here: carrier_pigeon discovery is not supported"),
        "{error}"
    );
}

#[test]
fn every_mechanism_of_the_registry_can_be_configured() {
    for (mechanism, entry) in [
        ("consul", "{}"),
        ("dns", "{names: [a]}"),
        ("docker", "{host: 'unix:///s'}"),
        ("dockerswarm", "{host: 'unix:///s', role: nodes}"),
        ("etcd", "{endpoints: ['http://a'], prefixes: [b]}"),
        ("file", "{files: [a.yml]}"),
        ("http", "{url: 'http://a'}"),
        ("kubernetes", "{role: pod}"),
        ("mdns", "{}"),
        ("nerve", "{servers: [a], paths: [/b]}"),
        ("serverset", "{servers: [a], paths: [/b]}"),
    ] {
        let jobs = format!("- job_name: j\n  {mechanism}_sd_configs: [{entry}]\n");
        assert_eq!(planned(&jobs).providers[0].mechanism, mechanism);
    }
    let names: Vec<_> = registry::MECHANISMS.iter().map(|it| it.mechanism).collect();
    let expected = [
        "consul",
        "dns",
        "docker",
        "dockerswarm",
        "etcd",
        "file",
        "http",
        "kubernetes",
        "mdns",
        "nerve",
        "serverset",
    ];
    assert_eq!(names, expected, "each has its line above");
}

#[test]
fn a_plan_for_one_job_has_its_providers_only() {
    let jobs = "
- job_name: one
  file_sd_configs: [{files: [a.yml]}]
- job_name: two
  file_sd_configs: [{files: [b.yml]}, {files: [a.yml]}]
  static_configs: [{targets: [x]}]
";
    let whole = plan(&config(jobs)).expect("valid");
    assert_eq!(whole.providers.len(), 3);
    let two = whole.only("two").expect("there");
    assert_eq!((two.jobs.len(), two.providers.len()), (1, 3));
    assert_eq!(two.jobs[0].providers, [0, 1, 2]);
    let same = |at: usize, of: usize| two.providers[at].config.same(&*whole.providers[of].config);
    assert!(same(0, 1) && same(1, 0) && same(2, 2));
    assert!(
        two.providers
            .iter()
            .all(|provider| &*provider.label == "two")
    );
    assert!(whole.only("three").is_none());
}
