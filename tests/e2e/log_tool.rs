//! `narthex log` beside a running agent, after its death, and into a pipe that closes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::support::agent::{Agent, Kind, NARTHEX};
use super::support::ledger::Ledger;
use super::support::receiver::Receiver;
use super::support::{config, wait};

fn tool(command: &str, dir: &Path, flags: &[&str]) -> (Option<i32>, String) {
    let mut tool = Command::new(NARTHEX);
    tool.args(["log", command]).args(flags).arg(dir);
    let Output {
        status,
        stdout,
        stderr,
    } = tool.output().expect("to run narthex log");
    let text = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    (status.code(), text)
}

/// Every file below a folder with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("the data") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            let bytes = std::fs::read(&path).expect("readable");
            found.insert(path, bytes);
        }
    }
    found
}

fn samples(dump: &str) -> usize {
    dump.lines().filter(|line| !line.starts_with('#')).count()
}

fn unsettled(dir: &Path) -> (u64, u64) {
    let (code, text) = tool("inspect", dir, &["--json"]);
    assert_eq!(code, Some(0), "{text}");
    let survey: Value = serde_json::from_str(&text).expect("JSON");
    let queue = &survey["queues"][0];
    let total = survey["total"]["samples"].as_u64().expect("a number");
    (
        queue["unsettled_samples"].as_u64().expect("a number"),
        total,
    )
}

#[test]
fn a_living_log_is_looked_at_and_left_alone() {
    if Kind::under_test().is_excused("its log is another") {
        return;
    }
    let receiver = Receiver::start();
    let ledger = Ledger::start(2, 20);
    let mut agent = Agent::with_config(&config(&receiver.url(), &[ledger.job("ledger", "200ms")]));
    agent.start();
    ledger.wait_for(2);
    receiver.go_away();
    let data = agent.data();
    // While it writes, at many moments.
    for _ in 0..20 {
        ledger.wait_for(1);
        let (code, text) = tool("verify", &data, &[]);
        assert_eq!(code, Some(0), "{text}");
    }
    wait::until_true("blocks that nobody has taken", wait::LONG, || {
        let (unsettled, total) = unsettled(&data);
        0 < unsettled && unsettled <= total
    });
    let (code, text) = tool("dump", &data, &["--job=ledger", "--limit=50"]);
    assert_eq!((code, samples(&text)), (Some(0), 50), "{text}");
    assert!(text.starts_with("# sequence "), "{text}");
    let (code, text) = tool("inspect", &data, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("unsettled blocks"), "{text}");

    // The agent did not notice: everything arrives.
    receiver.come_back();
    let audit = ledger.settle(&receiver, wait::LONG);
    audit.assert_sound();
    receiver.go_away();
    ledger.wait_for(5);
    agent.kill();
    let before = files(&data);
    let (code, text) = tool("dump", &data, &[]);
    assert_eq!(code, Some(0));
    let (_, total) = unsettled(&data);
    assert_eq!(samples(&text) as u64, total);
    assert_eq!(tool("verify", &data, &[]).0, Some(0));
    assert_eq!(files(&data), before, "looking has changed something");

    let newest = before
        .keys()
        .filter(|path| path.extension().is_some_and(|end| end == "seg"));
    let newest = newest.max().expect("a segment");
    let mut bytes = before[newest].clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(newest, bytes).expect("to damage it");
    let (code, text) = tool("verify", &data, &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("damage: ") && text.contains(".seg: at "),
        "{text}"
    );
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_dump_quietly() {
    if Kind::under_test().is_excused("its log is another") {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut dump = Command::new(NARTHEX)
        .args(["log", "dump"])
        .arg(root.join("tests/data/log/v1/whole"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("to run narthex log");
    let mut first = String::new();
    let mut out = BufReader::new(dump.stdout.take().expect("its output"));
    out.read_line(&mut first).expect("a line");
    drop(out);
    let Output { status, stderr, .. } = dump.wait_with_output().expect("to end");
    assert!(first.starts_with("# sequence 1,"), "{first}");
    assert_eq!((status.code(), stderr.len()), (Some(0), 0));
}
