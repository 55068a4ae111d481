use std::collections::BTreeMap;

use super::changes::between;
use super::snapshot::Fate;
use super::*;
use crate::config::load::{Files, Source, load};
use crate::discovery::plan::plan;
use crate::model::target_group::{LabelMap, TargetGroup, TargetSets};
use crate::sys::clock::SystemClock;

struct NoFiles;

impl Files for NoFiles {
    fn glob(&self, _pattern: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }
    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("no file {path}"))
    }
}

fn config(jobs: &str) -> Config {
    let source = Source {
        file: "test.yml",
        text: &format!("scrape_configs:\n{jobs}"),
        files: &NoFiles,
        environment: &|_| None,
        features: crate::config::Features::default(),
    };
    load(&source)
        .map_err(|error| error.to_string())
        .expect("valid")
        .config
}

const JOB: &str = "
- job_name: j
  relabel_configs:
  - {source_labels: [__address__], regex: 'drop.*', action: drop}
  - {source_labels: [__meta_rack], target_label: rack}
";

fn group(source: &str, targets: &[(&str, &str)]) -> Arc<TargetGroup> {
    let target = |(address, rack): &(&str, &str)| {
        let pairs = [("__address__", *address), ("__meta_rack", *rack)];
        LabelMap::from(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
    };
    Arc::new(TargetGroup {
        source: source.to_owned(),
        labels: LabelMap::new(),
        targets: targets.iter().map(target).collect(),
    })
}

fn sets(groups: &[Arc<TargetGroup>]) -> TargetSets {
    TargetSets::from([("j".to_owned(), groups.to_vec())])
}

fn seen(config: &Config, groups: &[Arc<TargetGroup>]) -> Seen {
    Seen {
        snapshot: Snapshot::new(config, None, &sets(groups)),
        providers: Vec::new(),
    }
}

#[test]
fn targets_are_those_of_the_scrape_engine() {
    let targets = [
        ("a:1", "x"),
        ("a:1", "x"),
        ("drop:1", "x"),
        ("a/b", "x"),
        ("c:1", "y"),
    ];
    let config = config(JOB);
    let seen = seen(&config, &[group("s", &targets)]);
    let job = &seen.snapshot.jobs["j"];
    let fates: Vec<&Fate> = job.targets().map(|target| &target.fate).collect();
    let Fate::Scraped { url, labels } = fates[0] else {
        panic!("{fates:?}");
    };
    assert_eq!(&**url, "http://a:1/metrics");
    assert_eq!(labels.to_string(), r#"{instance="a:1", job="j", rack="x"}"#);
    assert_eq!(fates[1..3], [&Fate::Duplicate, &Fate::Dropped]);
    assert!(matches!(fates[3], Fate::Failed(error) if error == "\"a/b\" is not a valid hostname"));
    assert!(seen.snapshot.is_flawed());
    // Defaults of the job are there before relabelling, also of those that cannot be scraped.
    let all_have_job = job
        .targets()
        .all(|target| target.discovered.get("job") == Some("j"));
    assert!(all_have_job);
}

#[test]
fn too_many_targets_are_told() {
    let config = config("\n- job_name: j\n  target_limit: 1\n");
    let seen = seen(&config, &[group("s", &[("a:1", ""), ("b:1", "")])]);
    let error = seen.snapshot.jobs["j"].over_limit.as_deref();
    assert_eq!(
        error,
        Some("target_limit exceeded (number of targets: 2, limit: 1)")
    );
    assert!(seen.snapshot.is_flawed());
    assert!(text::whole(&seen).contains("NONE is scraped: target_limit exceeded"));
}

#[test]
fn changes_are_told_by_group_and_target() {
    let config = config(JOB);
    let before = seen(
        &config,
        &[
            group("one", &[("a:1", "x"), ("b:1", "x")]),
            group("two", &[("c:1", "x")]),
        ],
    );
    let after = seen(
        &config,
        &[
            group("one", &[("a:1", "y"), ("d:1", "x")]),
            group("three", &[]),
        ],
    );
    assert_eq!(between(&before, &before), []);
    let changes = between(&before, &after);
    let shown: Vec<String> = changes
        .iter()
        .map(|change| text::change(change, Wall(0)))
        .collect();
    let heads: Vec<&str> = shown
        .iter()
        .map(|text| text.lines().next().expect("a line"))
        .map(|line| {
            line.strip_prefix("1970-01-01T00:00:00Z ")
                .expect("the time")
        })
        .collect();
    let expected = [
        r#"~ group job "j" source "one" targets 2 -> 2"#,
        r#"~ target job "j" http://a:1/metrics"#,
        r#"- target job "j" http://b:1/metrics"#,
        r#"+ target job "j" http://d:1/metrics"#,
        r#"+ group job "j" source "three" targets none -> 0"#,
        r#"- group job "j" source "two" targets 1 -> none"#,
        r#"- target job "j" http://c:1/metrics"#,
    ];
    assert_eq!(heads, expected);
    assert!(shown[1].contains(r#"    - after  {instance="a:1", job="j", rack="x"}"#));
    assert!(shown[1].contains(r#"    + after  {instance="a:1", job="j", rack="y"}"#));
    let line = json::change(&changes[1], Wall(0));
    let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(event["event"], "changed");
    assert_eq!(event["before"]["labels"]["rack"], "x");
    assert_eq!(event["after"]["labels"]["rack"], "y");
    assert_eq!(
        (line.matches('\n').count(), &event["kind"]),
        (1, &"target".into())
    );
}

#[test]
fn what_a_source_sends_cannot_move_the_cursor() {
    let config = config(JOB);
    let mut odd = TargetGroup::clone(&group("s", &[("a\u{1b}[2J:1", "x")]));
    odd.targets[0].insert("n\u{1b}".to_owned(), "v\n".to_owned());
    let mut seen = seen(&config, &[Arc::new(odd)]);
    seen.providers.push(ProviderStatus {
        mechanism: "http",
        jobs: vec!["j\r".into()],
        groups: 1,
        targets: 1,
        is_published: true,
        last_success: None,
        last_error: Some((Wall(0), "bad \u{1b}]0;x\u{7}".to_owned())),
        last_refresh: Some(Duration::from_millis(5)),
    });
    let nothing = Seen::default();
    let changes = between(&nothing, &seen);
    let mut all: String = changes
        .iter()
        .map(|change| text::change(change, Wall(0)))
        .collect();
    all += &text::whole(&seen);
    assert!(all.contains("FAILED 1970-01-01T00:00:00Z: bad") && all.contains("took 5.0 ms"));
    assert!(
        !all.contains(|c: char| c.is_control() && c != '\n'),
        "{all:?}"
    );
    assert_eq!(seen.verdict(), Verdict::Flawed);
}

fn run_with(jobs: &str, options: &Options) -> (Result<Verdict, PreviewError>, String) {
    let config = config(jobs);
    let plan = plan(&config).expect("a plan");
    let (_sender, signals) = crossbeam_channel::bounded(1);
    let mut out = Vec::new();
    let env = Env {
        clock: Arc::new(SystemClock),
        user_agent: "narthex-test".to_owned(),
        signals,
        out: &mut out,
    };
    let result = run(&config, &plan, options, env);
    (result, String::from_utf8(out).expect("UTF-8"))
}

const ONCE: Options = Options {
    job: None,
    timeout: None,
    watch: false,
    json: true,
};

#[test]
fn a_look_ends_when_every_provider_has_answered() {
    let jobs = "
- job_name: one
  static_configs: [{targets: ['a:1']}]
- job_name: two
  static_configs: [{targets: ['b:1', 'b:2']}]
- job_name: none
";
    let (verdict, text) = run_with(jobs, &ONCE);
    assert_eq!(verdict.expect("a verdict"), Verdict::Fine);
    let whole: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let counts: BTreeMap<&str, usize> = whole["jobs"]
        .as_array()
        .expect("jobs")
        .iter()
        .map(|job| {
            (
                job["job"].as_str().expect("a name"),
                job["targets"].as_array().map_or(0, Vec::len),
            )
        })
        .collect();
    assert_eq!(
        counts,
        BTreeMap::from([("one", 1), ("two", 2), ("none", 0)])
    );
    assert_eq!(whole["providers"][1]["targets"], 2);
    let two = Options {
        job: Some("two".to_owned()),
        ..ONCE
    };
    let (verdict, text) = run_with(jobs, &two);
    assert_eq!(verdict.expect("a verdict"), Verdict::Fine);
    assert!(text.contains("b:1") && !text.contains("a:1"));
    let none = Options {
        job: Some("none".to_owned()),
        ..ONCE
    };
    assert_eq!(run_with(jobs, &none).0.expect("a verdict"), Verdict::Fine);
}

#[test]
fn a_provider_without_an_answer_ends_a_look_by_its_timeout() {
    // Nobody listens there.
    let jobs = "\n- job_name: j\n  http_sd_configs: [{url: 'http://127.0.0.1:1/'}]\n";
    let options = Options {
        timeout: Some(Duration::from_millis(500)),
        ..ONCE
    };
    let (verdict, text) = run_with(jobs, &options);
    assert_eq!(verdict.expect("a verdict"), Verdict::Flawed);
    let whole: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let provider = &whole["providers"][0];
    assert_eq!(provider["lastSuccess"], serde_json::Value::Null);
    assert!(
        provider["lastError"]
            .as_str()
            .is_some_and(|error| error.contains("refused")),
        "{text}"
    );
}

#[test]
fn a_job_that_is_not_there_is_told_with_those_that_are() {
    let options = Options {
        job: Some("x".to_owned()),
        ..ONCE
    };
    let error = run_with("\n- job_name: a\n- job_name: b\n", &options)
        .0
        .expect_err("no job");
    assert_eq!(
        error.to_string(),
        "there is no job \"x\"; the configuration has: \"a\", \"b\""
    );
}
