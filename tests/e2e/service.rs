//! What a service manager hears of the agent, and the sockets that it hands over.

use std::time::Duration;

use super::support::agent::Agent;
use super::support::http::{HttpServer, Manner, Reply};
use super::support::ledger::Ledger;
use super::support::manager::Manager;
use super::support::receiver::Receiver;
use super::support::strace::Sabotage;
use super::support::{config, effort, remote_write, wait};

/// Short, so that signs of life come often.
const WATCHDOG: Duration = Duration::from_secs(2);

fn managed(config: &str) -> (Agent, Manager) {
    let mut agent = Agent::with_config(config);
    let manager = Manager::start(agent.dir());
    agent.launch_under(&manager.command(WATCHDOG));
    (agent, manager)
}

#[test]
fn the_manager_hears_of_the_whole_life() {
    let receiver = Receiver::start();
    let ledger = Ledger::start(2, 5);
    let (mut agent, mut manager) = managed(&config(&receiver.url(), &[ledger.job("j", "1s")]));
    manager.wait_for("READY=1", 1);
    assert_eq!(agent.get("/-/ready").status, 200);
    if agent.kind.is_excused("it tells no status") {
        return;
    }
    manager.wait_for("WATCHDOG=1", 3);
    manager.wait_for("STATUS=2 of 2 targets up, ", 1);
    assert_eq!(manager.count("RELOADING=1"), 0);

    assert_eq!(agent.reload().status, 200);
    manager.wait_for("READY=1", 2);
    let lines = manager.heard().to_vec();
    let at = lines.iter().position(|line| line == "RELOADING=1");
    let at = at.expect("told that it reloads");
    let micros = lines[at + 1].strip_prefix("MONOTONIC_USEC=");
    assert!(
        micros.is_some_and(|text| text.parse::<u64>().is_ok()),
        "{lines:?}"
    );

    // A configuration that is refused: still ready, with the old one.
    agent.write_config("scrape_configs: 1\n");
    assert_ne!(agent.reload().status, 200);
    manager.wait_for("READY=1", 3);

    let (status, _) = agent.terminate();
    assert_eq!(status.code(), Some(0));
    manager.wait_for("STOPPING=1", 1);
}

#[test]
fn a_start_that_fails_is_never_ready() {
    let (mut agent, mut manager) = managed("scrape_configs: 1\n");
    agent.wait(wait::LONG);
    assert_eq!(manager.count("READY=1"), 0);
}

#[test]
fn without_an_endpoint_the_status_says_what_to_do() {
    let ledger = Ledger::start(1, 5);
    let (agent, mut manager) = managed(&format!("scrape_configs:\n{}", ledger.job("j", "1s")));
    if agent.kind.is_excused("it tells no status") {
        return;
    }
    manager.wait_for("STATUS=1 of 1 targets up, ", 1);
    let hint = "nothing is sent: the configuration has no remote_write";
    assert!(manager.heard().iter().any(|line| line.contains(hint)));
}

#[test]
fn a_stuck_log_thread_silences_the_watchdog_until_it_goes_on() {
    if effort::is_unprivileged("a system call that hangs") {
        return;
    }
    let ledger = Ledger::start(1, 5);
    let mut agent = Agent::with_config(&format!("scrape_configs:\n{}", ledger.job("j", "200ms")));
    if agent.kind.is_excused("it has no watchdog") {
        return;
    }
    agent = agent.flags(&["--storage.agent.sync-interval=1s"]);
    let mut manager = Manager::start(agent.dir());
    agent.launch_under(&manager.command(WATCHDOG));
    manager.wait_for("WATCHDOG=1", 3);
    let (pid, calls) = (agent.pid(), "fdatasync,fsync");
    let hang = [format!("{calls}:delay_enter=15s")];
    let sabotage = Sabotage::begin(pid, agent.dir(), calls, &hang);
    manager.wait_for("STATUS=Thread wal is stuck", 1);
    let heard = manager.heard().to_vec();
    let stuck = heard
        .iter()
        .position(|line| line.starts_with("STATUS=Thread"));
    let after = &heard[stuck.expect("seen")..];
    assert!(!after.contains(&"WATCHDOG=1".to_owned()), "{after:?}");
    wait::until_true("a word in the log", wait::LONG, || {
        agent.log().contains("a thread is stuck")
    });
    sabotage.end();
    let before = manager.count("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1", before + 2);
}

#[test]
fn nothing_that_peers_and_disks_do_silences_the_watchdog() {
    if effort::is_unprivileged("a disk that is full") {
        return;
    }
    let silent = HttpServer::start(|_: &_| Reply::ok("text/plain", "").manner(Manner::Hang));
    let hangs = format!(
        "- job_name: hangs\n  static_configs: [{{targets: ['{}']}}]\n",
        silent.address()
    );
    let ledger = Ledger::start(1, 5);
    let jobs = hangs + &ledger.job("j", "200ms");
    let endpoint = remote_write(&format!("http://{}/write", silent.address()));
    let (mut agent, mut manager) = managed(&format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n{jobs}{endpoint}"
    ));
    if agent.kind.is_excused("it has no watchdog") {
        return;
    }
    manager.wait_for("WATCHDOG=1", 1);
    let full = ["pwrite64:error=ENOSPC".to_owned()];
    let sabotage = Sabotage::begin(agent.pid(), agent.dir(), "pwrite64", &full);
    wait::until_true("a full disk", wait::LONG, || {
        agent.metric("narthex_log_failing", "") == Some(1.0)
    });
    let before = manager.count("WATCHDOG=1");
    // Longer than the patience with a thread that does not get on.
    manager.wait_for("WATCHDOG=1", before + 8);
    assert_eq!(manager.count("STATUS=Thread"), 0, "{:?}", manager.heard());
    sabotage.end();
}

#[test]
fn a_socket_that_was_handed_over_is_served() {
    let mut agent = Agent::with_config("");
    if agent.kind.is_excused("it opens its own") {
        return;
    }
    let address = format!("127.0.0.1:{}", agent.port);
    agent = agent.flags(&["--web.listen-address=127.0.0.1:1"]);
    agent.launch_under(&[
        "systemd-socket-activate".to_owned(),
        "-l".to_owned(),
        address,
    ]);
    agent.wait_until_ready();
    assert!(
        agent.log().contains("--web.listen-address has no effect"),
        "{}",
        agent.log()
    );
}

#[test]
fn something_else_that_was_handed_over_is_refused() {
    let mut agent = Agent::with_config("");
    if agent.kind.is_excused("it opens its own") {
        return;
    }
    let script = "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\" 3</dev/null";
    let words = ["sh", "-c", script, "sh"].map(str::to_owned);
    agent.launch_under(&words);
    assert_eq!(agent.wait(wait::LONG).code(), Some(1));
    let log = agent.log();
    assert!(
        log.contains("descriptor 3 is not a listening TCP socket"),
        "{log}"
    );
}
