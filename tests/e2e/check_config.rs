//! Checking a configuration without starting anything.

use std::path::Path;
use std::process::{Command, Output};

use super::support::agent::{Kind, NARTHEX};

/// Where Debian's package puts Prometheus's checker.
const PROMTOOL: &str = "/usr/bin/promtool";

fn check(dir: &Path, text: &str) -> (Option<i32>, String) {
    let file = dir.join("checked.yml");
    std::fs::write(&file, text).expect("to write");
    let mut command = match Kind::under_test() {
        Kind::Narthex => Command::new(NARTHEX),
        Kind::Prometheus => Command::new(PROMTOOL),
    };
    command.args(["check", "config", "--agent"]).arg(&file);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("to run the checker");
    let text = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    (status.code(), text)
}

#[test]
fn a_good_configuration_passes() {
    let dir = tempfile::tempdir().expect("a scratch folder");
    let text = super::support::config("http://localhost:1/", &["- job_name: x\n".to_owned()]);
    for text in ["", &text] {
        let (code, output) = check(dir.path(), text);
        assert_eq!(code, Some(0), "{output}");
    }
}

#[test]
fn a_bad_one_fails_and_the_place_is_named() {
    let dir = tempfile::tempdir().expect("a scratch folder");
    for (text, part) in [
        (
            "scrape_configs:\n- job_name: a\n  no_such_key: 1\n",
            "no_such_key",
        ),
        ("scrape_configs:\n- job_name: a\n- job_name: a\n", "\"a\""),
        (
            "remote_write:\n- url: 'http://x/'\nrule_files: [x]\n",
            "rule_files",
        ),
        (
            "scrape_configs:\n- job_name: a\n  relabel_configs: [{regex: '('}]\n",
            "(",
        ),
    ] {
        let (code, output) = check(dir.path(), text);
        assert_eq!(code, Some(1), "{text}: {output}");
        assert!(output.contains("checked.yml"), "names no file: {output}");
        assert!(output.contains(part), "does not say {part}: {output}");
    }
}

#[test]
fn a_file_that_is_referred_to_must_exist() {
    let dir = tempfile::tempdir().expect("a scratch folder");
    let text = "scrape_configs:\n- job_name: a\n  authorization: {credentials_file: absent}\n";
    let (code, output) = check(dir.path(), text);
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("absent"), "{output}");
}
