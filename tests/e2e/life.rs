//! Start, readiness, stop, and what must not be done twice.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::Signal;

use super::support::agent::Agent;
use super::support::http::{HttpServer, Manner, Request};
use super::support::ledger::Ledger;
use super::support::receiver::Receiver;
use super::support::{client, config, target, wait};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn readiness_and_health_are_told() {
    let mut agent = Agent::with_config("");
    agent.start();
    for (path, text) in [("/-/ready", "Ready."), ("/-/healthy", "Healthy.")] {
        let answer = agent.get(path);
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains(text), "{}", answer.body);
    }
    let (status, took) = agent.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < SOON, "took {took:?}");
}

#[test]
fn life_cycle_requests_need_the_flag_and_the_method() {
    let mut closed = Agent::with_config("").flags(&[]);
    closed.start();
    for path in ["/-/reload", "/-/quit"] {
        let answer = client::request(closed.port, "POST", path).expect("an answer");
        assert_eq!(answer.status, 403);
        assert!(
            answer.body.contains("Lifecycle API is not enabled"),
            "{}",
            answer.body
        );
    }
    let mut open = Agent::with_config("");
    open.start();
    for path in ["/-/reload", "/-/quit"] {
        assert_eq!(open.get(path).status, 405, "GET {path}");
    }
    assert!(open.ended().is_none());
    assert_eq!(open.reload().status, 200);
    let answer = client::request(open.port, "PUT", "/-/quit").expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(open.wait(SOON).code(), Some(0));
}

#[test]
fn what_the_agent_never_needs_it_gives_up() {
    let ledger = Ledger::start(1, 5);
    let mut agent = Agent::with_config(&format!("scrape_configs:\n{}", ledger.job("j", "200ms")));
    if agent.kind.is_excused("it keeps it") {
        return;
    }
    agent.start();
    ledger.wait_for(3);
    let proc = |file: &str, agent: &mut Agent| {
        let path = format!("/proc/{}/{file}", agent.pid());
        std::fs::read_to_string(path).expect("a running process")
    };
    let limits = proc("limits", &mut agent);
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.expect("a line").split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{limits}");
    let status = proc("status", &mut agent);
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert!(status.contains("CapAmb:\t0000000000000000"), "{status}");
    assert!(status.contains("Umask:\t0077"), "{status}");
    // None of its files can be read by others, whoever started it.
    let mut files = Vec::new();
    collect(&agent.data(), &mut files);
    assert!(!files.is_empty());
    for (_, path) in files {
        let mode = std::fs::metadata(&path)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{path:?}: {mode:o}");
    }
}

#[test]
fn a_bad_configuration_ends_the_start_with_2() {
    let mut agent = Agent::with_config("scrape_configs: [{job_name: x, no_such: 1}]\n");
    agent.launch();
    assert_eq!(agent.wait(SOON).code(), Some(2));
    let log = agent.log();
    assert!(
        log.contains("agent.yml") && log.contains("no_such"),
        "{log}"
    );
}

#[test]
fn a_flag_of_the_other_mode_ends_the_start_with_3() {
    let mut agent = Agent::with_config("").flags(&["--storage.tsdb.path=x"]);
    agent.launch();
    assert_eq!(agent.wait(SOON).code(), Some(3));
    assert!(
        agent.log().contains("--storage.tsdb.path"),
        "{}",
        agent.log()
    );
}

#[test]
fn a_second_agent_on_the_same_data_is_refused() {
    let mut agent = Agent::with_config("");
    agent.start();
    if agent.kind.is_excused("2.42 replaces the other's lock file") {
        return;
    }
    let mut twin = agent.twin();
    let status = twin.wait(Duration::from_secs(5));
    assert_eq!(status.code(), Some(1));
    let log = twin.log();
    assert!(
        log.contains("another process uses this storage folder"),
        "{log}"
    );
    assert_eq!(agent.get("/-/ready").status, 200);
    agent.kill();
    // The lock of a dead process blocks nobody.
    agent.start();
}

#[test]
fn a_second_signal_ends_the_wait_for_the_receiver() {
    let receiver = Receiver::start();
    let ledger = Ledger::start(1, 5);
    let mut agent = Agent::with_config(&config(&receiver.url(), &[ledger.job("ledger", "200ms")]));
    agent.start();
    ledger.wait_for(2);
    receiver.go_away();
    ledger.wait_for(5);
    agent.signal(Signal::INT);
    agent.signal(Signal::TERM);
    if agent.kind.is_excused("it waits for its flush deadline") {
        return;
    }
    agent.wait(Duration::from_secs(2));
}

#[test]
fn a_torn_log_costs_its_tail_only() {
    let receiver = Receiver::start();
    let ledger = Ledger::start(2, 10);
    let mut agent = Agent::with_config(&config(&receiver.url(), &[ledger.job("ledger", "200ms")]));
    agent.start();
    ledger.wait_for(3);
    ledger.settle(&receiver, wait::LONG);
    receiver.go_away();
    ledger.wait_for(10);
    agent.kill();
    tear(&agent);
    agent.start();
    receiver.come_back();
    ledger.wait_for(3);
    let audit = ledger.settle(&receiver, SOON);
    println!("{:?}, 40 bytes cut off: {audit}", agent.kind);
    audit.assert_sound();
    if agent.kind.is_excused("it forgets the backlog anyway") {
        return;
    }
    // The cut frame holds at most a second, and the kill takes another: of either of the two targets
    // six scrapes, those at both ends among them.
    assert!(audit.lost.len() <= 2 * 12, "{audit}");
    let whole = audit.issued - audit.lost();
    assert!(whole > 0 && agent.ended().is_none());
}

/// Cuts 40 bytes off the log's newest file.
fn tear(agent: &Agent) {
    let mut files = Vec::new();
    collect(&agent.data(), &mut files);
    let newest = files.into_iter().max().expect("a log").1;
    let file = std::fs::File::options()
        .write(true)
        .open(&newest)
        .expect("the log");
    let length = file.metadata().expect("its length").len();
    file.set_len(length.saturating_sub(40)).expect("to cut");
}

fn collect(dir: &std::path::Path, files: &mut Vec<(std::time::SystemTime, std::path::PathBuf)>) {
    for entry in std::fs::read_dir(dir).expect("the data") {
        let path = entry.expect("an entry").path();
        let facts = path.metadata().expect("its facts");
        let digits = path.file_name().is_some_and(|name| {
            name.to_string_lossy()
                .starts_with(|first: char| first.is_ascii_digit())
        });
        if facts.is_dir() {
            collect(&path, files);
        } else if digits {
            files.push((facts.modified().expect("a time"), path));
        }
    }
}

#[test]
fn a_stop_takes_a_second_whatever_hangs() {
    let silent = HttpServer::start(|_: &Request| target::text("").manner(Manner::Hang));
    let ledger = Ledger::start(1, 5);
    let hanging = silent.address();
    let job = format!(
        "- job_name: hangs\n  static_configs: [{{targets: ['{hanging}']}}]\n  \
         http_sd_configs: [{{url: 'http://{hanging}/sd'}}]\n"
    );
    let url = format!("http://{hanging}/write");
    let mut agent = Agent::with_config(&config(&url, &[ledger.job("ledger", "200ms"), job]));
    agent.start();
    wait::until_true("a request of each kind to hang", wait::LONG, || {
        let requests = silent.requests();
        let asked = |path: &str| requests.iter().any(|request| request.path == path);
        asked("/metrics") && asked("/sd") && asked("/write")
    });
    let (status, took) = agent.terminate();
    println!("{:?}: took {took:?}, {status}", agent.kind);
    if agent.kind.is_excused("it waits for its flush deadline") {
        return;
    }
    assert!(status.success(), "{status}; {}", agent.log());
    assert!(took < Duration::from_millis(1500), "took {took:?}");
}
