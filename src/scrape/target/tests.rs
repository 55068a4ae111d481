//! The steps from discovered labels to a target.

use super::*;
use crate::relabel::rule::{Action, NameScheme, Rule};
use crate::scrape::testing::{job, labels};

fn run(
    config: &ScrapeConfig,
    group: &[(&str, &str)],
    own: &[(&str, &str)],
) -> Result<Built, String> {
    let name: Arc<str> = config.job_name.as_str().into();
    build(config, &name, &labels(group), &labels(own)).map_err(|error| error.to_string())
}

fn active(config: &ScrapeConfig, own: &[(&str, &str)]) -> Target {
    match run(config, &[], own) {
        Ok(Built::Active(target)) => target,
        other => panic!("not active: {other:?}"),
    }
}

fn rule(action: Action, source: &str, regex: &str, target: &str, replacement: &str) -> Rule {
    Rule {
        action,
        source_labels: vec![source.to_owned()],
        separator: ";".to_owned(),
        regex: crate::relabel::regex::compile(regex).expect("regex"),
        modulus: 0,
        target_label: target.to_owned(),
        replacement: replacement.to_owned(),
        scheme: NameScheme::Utf8,
    }
}

#[test]
fn defaults_fill_what_discovery_left_out() {
    let target = active(&job("node"), &[("__address__", "a:9100")]);
    assert_eq!(&*target.url, "http://a:9100/metrics");
    assert_eq!(
        target.identity.labels.to_string(),
        r#"{instance="a:9100", job="node"}"#
    );
    assert_eq!(
        (target.interval.as_secs(), target.timeout.as_secs()),
        (15, 10)
    );
    assert_eq!(target.discovered.get("__scrape_interval__"), Some("15s"));
}

#[test]
fn target_labels_win_over_group_labels_and_defaults() {
    let built = run(
        &job("j"),
        &[("env", "group"), ("job", "g")],
        &[("__address__", "a"), ("env", "own"), ("instance", "me")],
    );
    let Ok(Built::Active(target)) = built else {
        panic!("{built:?}")
    };
    assert_eq!(
        target.identity.labels.to_string(),
        r#"{env="own", instance="me", job="g"}"#
    );
}

#[test]
fn no_port_is_added_or_taken_away() {
    for address in ["host", "host:80", "[::1]:443", "[fe80::1]"] {
        let target = active(
            &job("j"),
            &[("__address__", address), ("__scheme__", "https")],
        );
        assert_eq!(&*target.url, format!("https://{address}/metrics"));
        assert_eq!(target.identity.labels.get("instance"), Some(address));
    }
}

#[test]
fn parameters_are_the_jobs_with_the_first_value_replaced_by_labels() {
    let mut config = job("j");
    config.params = vec![
        (
            "module".to_owned(),
            vec!["a b".to_owned(), "second".to_owned()],
        ),
        ("z".to_owned(), vec!["1".to_owned()]),
    ];
    let own = [
        ("__address__", "a"),
        ("__param_module", "x&y"),
        ("__param_extra", "\u{e4}"),
    ];
    let target = active(&config, &own);
    let query = "extra=%C3%A4&module=x%26y&module=second&z=1";
    assert_eq!(&*target.url, format!("http://a/metrics?{query}"));
    assert_eq!(target.discovered.get("__param_z"), Some("1"));
}

#[test]
fn relabelling_drops_and_redirects() {
    let mut config = job("j");
    config.relabel_configs = vec![
        rule(Action::Drop, "drop", "yes", "", "$1"),
        rule(Action::Replace, "proxy", "(.+)", "__address__", "$1:1"),
        rule(Action::Replace, "__meta_zone", "(.+)", "zone", "$1"),
    ];
    let dropped = run(&config, &[], &[("__address__", "a"), ("drop", "yes")]);
    let Ok(Built::Dropped(discovered)) = dropped else {
        panic!("{dropped:?}")
    };
    assert_eq!(discovered.get("drop"), Some("yes"));
    let own = [("__address__", "a"), ("proxy", "p"), ("__meta_zone", "z1")];
    let target = active(&config, &own);
    assert_eq!(&*target.url, "http://p:1/metrics");
    assert_eq!(target.identity.labels.get("zone"), Some("z1"));
    assert_eq!(target.identity.labels.get("__meta_zone"), None);
}

#[test]
fn impossible_targets_are_refused_in_prometheus_words() {
    for (own, expected) in [
        (&[("x", "y")][..], "no address"),
        (
            &[("__address__", "http://a")],
            r#""http://a" is not a valid hostname"#,
        ),
        (
            &[("__address__", "user@a")],
            r#""user@a" is not a valid hostname"#,
        ),
        (
            &[("__address__", "user:HUNTER2@a")],
            r#""user:xxxxx@a" is not a valid hostname"#,
        ),
        (
            &[("__address__", "a\r\nX: y")],
            r#""a\r\nX: y" is not a valid hostname"#,
        ),
        (
            &[("__address__", "a"), ("__scheme__", "file")],
            r#"unsupported protocol scheme "file""#,
        ),
        (
            &[("__address__", "a"), ("__scrape_interval__", "0")],
            "scrape interval cannot be 0",
        ),
        (
            &[("__address__", "a"), ("__scrape_timeout__", "0s")],
            "scrape timeout cannot be 0",
        ),
        (
            &[("__address__", "a"), ("__scrape_interval__", "1")],
            r#"error parsing scrape interval: not a valid duration string: "1""#,
        ),
        (
            &[("__address__", "a"), ("__scrape_timeout__", "16s")],
            r#"scrape timeout cannot be greater than scrape interval ("16s" > "15s")"#,
        ),
    ] {
        assert_eq!(
            run(&job("j"), &[], own).map(|_| ()),
            Err(expected.to_owned())
        );
    }
}

#[test]
fn a_scheme_may_be_in_upper_case() {
    let target = active(&job("j"), &[("__address__", "a"), ("__scheme__", "HTTPS")]);
    assert_eq!(&*target.url, "https://a/metrics");
}

#[test]
fn a_label_without_a_name_fails_its_target() {
    let mut config = job("j");
    config.relabel_configs = vec![rule(Action::LabelMap, "", "label_(.*)", "", "$1")];
    let own = [("__address__", "a"), ("label_", "x")];
    assert_eq!(
        run(&config, &[], &own).map(|_| ()),
        Err("relabelling gave the target a label without a name".to_owned())
    );
}

#[test]
fn any_label_makes_another_target_but_the_offset_stays_in_the_interval() {
    let plain = active(&job("j"), &[("__address__", "a")]);
    let hidden = active(&job("j"), &[("__address__", "a"), ("__tmp", "1")]);
    let other_job = active(&job("k"), &[("__address__", "a"), ("job", "j")]);
    assert_ne!(plain.identity.id, hidden.identity.id);
    assert_ne!(plain.identity.id, other_job.identity.id);
    assert_eq!(plain.identity.labels, hidden.identity.labels);
    for seed in 0..1000 {
        assert!(offset(plain.identity.id, plain.interval, seed) < plain.interval);
    }
}

#[test]
fn a_unix_socket_is_the_way_and_the_address_its_name() {
    let path = ("__unix_socket__", "/run/app.sock");
    let named = active(&job("j"), &[("__address__", "app:80"), path]);
    assert_eq!(&*named.url, "http://app:80/metrics");
    assert_eq!(named.unix_socket.as_deref(), Some("/run/app.sock"));
    assert_eq!(
        named.identity.labels.to_string(),
        r#"{instance="app:80", job="j"}"#
    );
    let nameless = active(&job("j"), &[path]);
    assert_eq!(&*nameless.url, "http://localhost/metrics");
    let direct = active(&job("j"), &[("__address__", "app:80")]);
    assert_eq!(direct.unix_socket, None);
    assert_ne!(direct.identity.id, named.identity.id);
    for wrong in ["run/app.sock", "/a\0b", &"/".repeat(108)] {
        let error = run(
            &job("j"),
            &[],
            &[("__address__", "a"), ("__unix_socket__", wrong)],
        );
        assert!(
            error
                .expect_err("wrong")
                .contains("is not the path of a Unix socket")
        );
    }
}
