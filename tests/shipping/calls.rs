//! The system calls that the agent makes are among those that the unit permits.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use super::tools::{read, run};

const NARTHEX: &str = env!("CARGO_BIN_EXE_narthex");

/// A call, or those of a set such as `@system-service` with those of the sets in it.
fn expand(set: &str, calls: &mut BTreeSet<String>) {
    if !set.starts_with('@') {
        calls.insert(set.to_owned());
        return;
    }
    let (known, text) = run("systemd-analyze", &["syscall-filter", "--no-pager", set]);
    assert!(known, "{set}: {text}");
    for word in text.lines().skip(1).map(str::trim) {
        match word.strip_prefix('@') {
            Some(_) => expand(word, calls),
            None if word.starts_with('#') || word.is_empty() => {}
            None => {
                calls.insert(word.to_owned());
            }
        }
    }
}

/// What the unit permits. Its later lines take away.
fn permitted() -> BTreeSet<String> {
    let unit = read("packaging/systemd/narthex.service");
    let mut all = BTreeSet::new();
    for line in unit
        .lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="))
    {
        let mut calls = BTreeSet::new();
        let sets = line.strip_prefix('~').unwrap_or(line);
        sets.split(' ').for_each(|set| expand(set, &mut calls));
        if line.starts_with('~') {
            all.retain(|call| !calls.contains(call));
        } else {
            all.append(&mut calls);
        }
    }
    all
}

/// The calls in what strace wrote.
fn made(trace: &str) -> BTreeSet<String> {
    let call = |line: &str| {
        let call = line.split_once(' ')?.1.trim_start();
        let name = call.strip_prefix("<... ").unwrap_or(call);
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        (end > 0).then(|| name[..end].to_owned())
    };
    trace.lines().filter_map(call).collect()
}

#[test]
fn the_unit_permits_every_call() {
    let folder = tempfile::tempdir().expect("folder");
    let memory = tempfile::tempdir_in("/dev/shm").expect("folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let targets = path("targets.json");
    std::fs::write(&targets, "[{\"targets\": [\"localhost:9\"]}]").expect("write");
    let configuration = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: a\n  \
         file_sd_configs: [{{files: ['{targets}']}}]\n  \
         static_configs: [{{targets: ['127.0.0.1:9']}}]\n\
         remote_write: [{{url: 'http://localhost:9/'}}]\n"
    );
    std::fs::write(path("agent.yml"), configuration).expect("write");
    let mut agent = Command::new("strace")
        .args(["-f", "-qq", "-o", &path("trace"), NARTHEX])
        .arg(format!("--config.file={}", path("agent.yml")))
        .arg(format!("--storage.agent.path={}", path("data")))
        .arg(format!(
            "--storage.agent.staging-path={}",
            memory.path().display()
        ))
        .args(["--web.listen-address=127.0.0.1:0", "--log.level=debug"])
        .args(["--storage.remote.flush-deadline=1s", "--sandbox=required"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace");
    let mut log = BufReader::new(agent.stderr.take().expect("piped"));
    let mut seen = String::new();
    // The last thing in a while: a sample went out, or would have.
    while !seen.contains("Failed to send batch") && !seen.contains("connection refused") {
        let read = log.read_line(&mut seen).expect("a log");
        assert!(read > 0, "ended early: {seen}");
    }
    let (done, text) = run("pkill", &["-TERM", "-P", &agent.id().to_string()]);
    assert!(done, "{text}");
    let mut rest = String::new();
    log.read_to_string(&mut rest).expect("the rest");
    assert!(agent.wait().expect("its end").success(), "{seen}{rest}");

    let trace = std::fs::read_to_string(path("trace")).expect("a trace");
    let (made, permitted) = (made(&trace), permitted());
    assert!(
        made.contains("seccomp") && made.contains("epoll_wait") && permitted.len() > 200,
        "{made:?}"
    );
    // Taken away by the second line of the unit.
    assert!(!permitted.contains("chown") && !permitted.contains("mount"));
    // What starts a process is called before the filter holds, by systemd itself.
    let refused: Vec<&String> = made
        .difference(&permitted)
        .filter(|call| *call != "execve")
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}
