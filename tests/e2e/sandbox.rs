//! The agent in its sandbox: it does everything that it does outside, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::support::agent::{Agent, Kind};
use super::support::http::{HttpServer, Request};
use super::support::ledger::Ledger;
use super::support::receiver::Receiver;
use super::support::{config, strace, target, wait};

const SANDBOX: [&str; 3] = [
    "--web.enable-lifecycle",
    "--scrape.discovery-reload-interval=100ms",
    "--sandbox=required",
];

/// What `kill -9` may cost: a second until the system has a block, and what a tracer adds.
const KILL_WINDOW: Duration = Duration::from_secs(2);

/// Everything that was given out in this time before the end has to arrive.
const SETTLED: Duration = Duration::from_millis(500);

/// Every page of the web side.
const PAGES: [&str; 14] = [
    "/agent",
    "/metrics",
    "/-/healthy",
    "/-/ready",
    "/api/v1/metadata",
    "/api/v1/scrape_pools",
    "/api/v1/targets",
    "/api/v1/targets/metadata",
    "/api/v1/status/buildinfo",
    "/api/v1/status/config",
    "/api/v1/status/flags",
    "/api/v1/status/runtimeinfo",
    "/api/v1/status/discovery",
    "/api/v1/status/losses",
];

/// The system calls in a trace that were answered with an error that the filter gives.
fn refused(trace: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(trace).expect("a trace");
    assert!(text.contains("seccomp("), "the filter is in the trace");
    let lines = text
        .lines()
        .filter(|line| line.contains("= -1 ENOSYS") || line.contains("= -1 EAFNOSUPPORT"));
    let name = |line: &str| {
        let call = line.split_once(' ')?.1.trim_start();
        let call = call.strip_prefix("<... ").unwrap_or(call);
        Some(call.split([' ', '(']).next()?.to_owned())
    };
    // The C library tries the newer way to start a thread first.
    lines
        .filter_map(name)
        .filter(|call| call != "clone3")
        .collect()
}

/// How many threads there are, and how many of them are not filtered.
fn threads(pid: i32) -> (usize, usize) {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    let filtered = |status: &str| status.lines().any(|line| line == "Seccomp:\t2");
    let states: Vec<bool> = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok())
        .map(|status| filtered(&status))
        .collect();
    let free = states.iter().filter(|is_filtered| !**is_filtered);
    (states.len(), free.count())
}

#[test]
fn the_whole_job_is_done_inside() {
    let receiver = Receiver::start();
    let (ledger, found, later) = (
        Ledger::start(2, 10),
        Ledger::start(1, 5),
        Ledger::start(1, 5),
    );
    let listed = |own: &Ledger| format!("[{{\"targets\": [\"{}\"]}}]", own.addresses()[0]);
    let by_file = "- job_name: found\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n  \
                   scrape_failure_log_file: '{dir}/failures/log'\n  \
                   file_sd_configs: [{files: ['{dir}/targets/*.json']}]\n";
    let jobs = [ledger.job("ledger", "200ms"), by_file.to_owned()];
    let mut agent = Agent::of(Kind::Narthex, &config(&receiver.url(), &jobs)).flags(&SANDBOX);
    for folder in ["targets", "failures"] {
        std::fs::create_dir(agent.dir().join(folder)).expect("a folder");
    }
    agent.write("targets/a.json", &listed(&found));
    let trace = agent.dir().join("trace");
    agent.launch_under(&strace::command(&trace, "all", &[]));
    agent.wait_until_ready();
    ledger.wait_for(3);
    found.wait_for(3);
    let active = agent.metric("narthex_sandbox_active", "");
    assert_eq!(active, Some(2.0), "{}", agent.log());
    for page in PAGES {
        assert_eq!(agent.get(page).status, 200, "{page}");
    }
    let (all, free) = threads(agent.pid());
    assert!(all > 5 && free == 0, "{free} of {all}");

    // A file with targets comes; a job goes and comes back by reloads.
    agent.write("targets/b.json", &listed(&later));
    later.wait_for(3);
    agent.write_config(&config(&receiver.url(), &jobs[1..]));
    assert_eq!(agent.reload().status, 200, "{}", agent.log());
    agent.write_config(&config(&receiver.url(), &jobs));
    assert_eq!(agent.reload().status, 200, "{}", agent.log());

    // Killed while nobody receives; what was kept is sent after the restart.
    receiver.go_away();
    ledger.wait_for(10);
    agent.kill();
    let killed = wait::now();
    receiver.come_back();
    agent.start();
    later.wait_for(3);
    let audit = ledger.settle_since(&receiver, wait::now() - SETTLED, wait::LONG);
    println!("in the sandbox: {audit}");
    audit.assert_sound();
    audit.assert_lost_only_near(&[killed], KILL_WINDOW);
    let (status, _) = agent.terminate();
    assert!(status.success(), "{}", agent.log());
    assert_eq!(refused(&trace), BTreeSet::new());
}

#[test]
fn a_secret_elsewhere_is_refused_and_the_answer_says_what_to_do() {
    let target = HttpServer::start(|_: &Request| target::text("a 1\n"));
    let elsewhere = tempfile::tempdir().expect("a folder");
    let secret = elsewhere.path().join("token");
    std::fs::write(&secret, "t").expect("written");
    let job = |token: &str| {
        format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n\
             - job_name: j\n  authorization: {{credentials_file: '{token}'}}\n  \
             static_configs: [{{targets: ['{}']}}]\n",
            target.address()
        )
    };
    let outside = job(&secret.display().to_string());
    let mut agent = Agent::of(Kind::Narthex, &job("{dir}/token")).flags(&SANDBOX);
    agent.write("token", "t");
    agent.start();
    wait::until_true("scrapes", wait::LONG, || target.count() > 1);

    agent.write_config(&outside);
    let answer = agent.reload();
    let advice = format!("--sandbox.read={}", elsewhere.path().display());
    assert_eq!(answer.status, 500);
    assert!(
        answer.body.contains("job \"j\": ") && answer.body.contains(&advice),
        "{}",
        answer.body
    );
    // The kernel holds the line itself: a name inside that leads outside.
    std::fs::remove_file(agent.dir().join("token")).expect("removed");
    std::os::unix::fs::symlink(&secret, agent.dir().join("token")).expect("linked");
    wait::until_true("the token to be refused", wait::LONG, || {
        let targets = agent.get("/api/v1/targets").body;
        targets.contains("/token: Permission denied")
    });

    // A restart opens what the configuration names, and a flag what it may name later.
    assert!(agent.terminate().0.success());
    agent.start();
    let requests = target.count();
    wait::until_true("scrapes", wait::LONG, || target.count() > requests + 1);
    assert!(agent.terminate().0.success());
    agent.write_config(&job("{dir}/own"));
    agent.write("own", "t");
    let mut flags = SANDBOX.to_vec();
    let read = format!("--sandbox.read={}", elsewhere.path().display());
    flags.push(&read);
    agent = agent.flags(&flags);
    agent.start();
    agent.write_config(&outside);
    assert_eq!(agent.reload().status, 200, "{}", agent.log());
}

#[test]
fn a_kernel_without_it_is_named_and_is_no_obstacle_unless_it_is_required() {
    let receiver = Receiver::start();
    let ledger = Ledger::start(1, 5);
    let missing = ["landlock_create_ruleset", "seccomp"].map(|call| format!("{call}:error=ENOSYS"));
    let text = config(&receiver.url(), &[ledger.job("j", "200ms")]);
    let mut agent = Agent::of(Kind::Narthex, &text).flags(&["--sandbox=auto"]);
    let calls = "landlock_create_ruleset,seccomp";
    let command = strace::command(&agent.dir().join("trace"), calls, &missing);
    agent.launch_under(&command);
    agent.wait_until_ready();
    ledger.wait_for(2);
    assert_eq!(agent.metric("narthex_sandbox_active", ""), Some(0.0));
    let log = agent.log();
    for reason in ["no Landlock", "no seccomp"] {
        assert!(log.contains(reason), "{log}");
    }
    assert!(agent.terminate().0.success());

    for only in &missing {
        agent = agent.flags(&["--sandbox=required"]);
        let trace = agent.dir().join("trace");
        agent.launch_under(&strace::command(&trace, calls, std::slice::from_ref(only)));
        let status = agent.wait(wait::LONG);
        assert_eq!(status.code(), Some(1), "{only}");
        assert!(
            agent.log().contains("--sandbox=required: "),
            "{}",
            agent.log()
        );
    }
}

#[test]
fn without_the_flag_there_is_no_sandbox() {
    let mut agent = Agent::of(Kind::Narthex, "scrape_configs: []\n");
    agent.start();
    assert_eq!(agent.metric("narthex_sandbox_active", ""), Some(0.0));
    let (all, free) = threads(agent.pid());
    assert_eq!(all, free);
}
