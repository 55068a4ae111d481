//! Docker and Docker Swarm discovery on the engine that Debian packages, running real containers,
//! and compared there with Debian's Prometheus.
//!
//! The engine runs in its own network, mount and process namespaces: its bridges and mounts stay
//! there, and killing it takes every container with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::agent::{Agent, Kind};
use super::support::discovered::{self, Labels, job, known_of_docker, wait_until_equal};
use super::support::process::Process;
use super::support::receiver::Receiver;
use super::support::{config, effort, wait};

/// A change is seen long before this, and long before the refresh interval of an hour.
const SOON: Duration = Duration::from_secs(60);

const BUSYBOX: &str = "/bin/busybox";

/// Whether the engine is left out; fails where that was not asked for and it cannot run.
fn lacks_privileges() -> bool {
    let reason = "a Docker engine needs root: namespaces, bridges and cgroups";
    let left_out = effort::is_unprivileged(reason);
    let is_root = rustix::process::getuid().is_root();
    assert!(
        is_root || left_out,
        "{reason}; NARTHEX_E2E_UNPRIVILEGED=1 leaves such tests out"
    );
    left_out
}

/// A running engine.
struct Engine {
    process: Process,
    dir: tempfile::TempDir,
}

impl Engine {
    fn start() -> Engine {
        let dir = tempfile::Builder::new()
            .prefix("e2e-")
            .tempdir()
            .expect("a scratch folder");
        let at = |name: &str| dir.path().join(name).display().to_string();
        std::fs::write(at("empty.json"), "{}").expect("to write in a scratch folder");
        let mut arguments: Vec<String> = [
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            "ip link set lo up && exec dockerd \"$@\"",
            "dockerd",
            "--iptables=false",
            "--ip6tables=false",
            "--storage-driver=vfs",
        ]
        .map(str::to_owned)
        .to_vec();
        for (flag, name) in [
            ("data-root", "data"),
            ("exec-root", "exec"),
            ("pidfile", "pid"),
            ("config-file", "empty.json"),
        ] {
            arguments.push(format!("--{flag}={}", at(name)));
        }
        arguments.push(format!("--host=unix://{}", at("docker.sock")));
        let mut command = Command::new("unshare");
        command.args(&arguments).current_dir(dir.path());
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        let process = Process::spawn(command, &dir.path().join("log"));
        let mut engine = Engine { process, dir };
        engine.wait_until_ready();
        engine
    }

    fn wait_until_ready(&mut self) {
        let ready = wait::try_until(2 * wait::LONG, || {
            let ended = self.process.ended();
            assert!(ended.is_none(), "dockerd ended:\n{}", self.process.log());
            self.try_docker(&["version"]).ok()
        });
        assert!(
            ready.is_some(),
            "dockerd is not ready:\n{}",
            self.process.log()
        );
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .arg(format!("--host=unix://{}", self.socket().display()))
            .args(arguments);
        // Not the settings of whoever runs the tests.
        command.env("DOCKER_CONFIG", self.dir.path());
        command
    }

    fn try_docker(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command(arguments).stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| {
            panic!("docker: {error}; Debian's package docker.io brings it and dockerd")
        });
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn docker(&self, arguments: &[&str]) -> String {
        self.try_docker(arguments)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{}", self.process.log()))
    }

    /// An image that sleeps and exposes a port: a static program is all there is in it.
    fn import_image(&self) {
        let root = self.dir.path().join("root");
        std::fs::create_dir_all(root.join("bin")).expect("a scratch folder");
        assert!(
            Path::new(BUSYBOX).exists(),
            "no {BUSYBOX}: Debian's package busybox-static brings it"
        );
        std::fs::copy(BUSYBOX, root.join("bin/busybox")).expect("a copy");
        let archive = self.dir.path().join("image.tar");
        let tar = Command::new("tar")
            .arg("-C")
            .arg(&root)
            .arg("-cf")
            .arg(&archive)
            .arg(".")
            .status();
        assert!(tar.expect("tar").success());
        let archive = archive.display().to_string();
        let run = r#"CMD ["/bin/busybox","sleep","100000"]"#;
        let exposes = "EXPOSE 9100/tcp 8125/udp";
        self.docker(&["import", "-c", exposes, "-c", run, &archive, "sleeper:1"]);
    }

    fn run(&self, name: &str, more: &[&str]) {
        let all = ["run", "--detach", "--name", name];
        self.docker(&[&all, more, &["sleeper:1"]].concat());
    }

    /// Containers of every shape, and a swarm of one node.
    fn fill(&self) {
        self.docker(&["network", "create", "--label", "kind=app", "apps"]);
        self.run("plain", &["--label", "com.example/team=edge"]);
        self.run("published", &["--publish", "127.0.0.1:19100:9100"]);
        self.run("two-nets", &["--network", "apps"]);
        self.docker(&["network", "connect", "bridge", "two-nets"]);
        self.run("host-net", &["--network", "host"]);
        self.run("no-net", &["--network", "none"]);
        self.run("sidecar", &["--network", "container:plain"]);
        let listen = [
            "--advertise-addr",
            "127.0.0.1",
            "--listen-addr",
            "127.0.0.1:2377",
        ];
        self.docker(&[&["swarm", "init"][..], &listen].concat());
        let node = self.docker(&["node", "ls", "--quiet"]);
        self.docker(&["node", "update", "--label-add", "zone=a", node.trim()]);
        self.service(
            "ingress",
            &["--publish", "mode=ingress,target=9100,published=19300"],
        );
        self.service(
            "on-host",
            &["--publish", "mode=host,target=9100,published=19200"],
        );
        self.service("replicas", &["--label", "x=y", "--replicas", "2"]);
    }

    fn service(&self, name: &str, more: &[&str]) {
        let all = [
            "service",
            "create",
            "--detach",
            "--no-resolve-image",
            "--name",
            name,
        ];
        self.docker(&[&all, more, &["sleeper:1"]].concat());
    }
}

const SWARM: [&str; 3] = ["services", "tasks", "nodes"];

fn jobs(engine: &Engine, interval: &str, newer: &str) -> Vec<String> {
    let socket = engine.socket().display().to_string();
    let entry =
        |more: &str| format!("[{{host: 'unix://{socket}', refresh_interval: {interval}{more}}}]");
    let docker = format!("docker_sd_configs: {}", entry(newer));
    let mut jobs = vec![job("containers", &docker)];
    for role in SWARM {
        let section = entry(&format!(", role: {role}, port: 9323"));
        jobs.push(job(role, &format!("dockerswarm_sd_configs: {section}")));
    }
    jobs
}

fn names(agent: &Agent, job: &str, label: &str) -> Vec<String> {
    let targets = discovered::targets(agent, job).into_iter();
    targets
        .filter_map(|mut labels| labels.remove(label))
        .collect()
}

/// Waits until a job shows an object of that name, or shows it no more; prints how long it took.
fn wait_for_name(agent: &Agent, (job, label): (&str, &str), name: &str, there: bool) {
    let begun = wait::now();
    let seen = wait::try_until(SOON, || {
        let all = names(agent, job, label);
        (all.iter().any(|own| own == name) == there).then_some(())
    });
    assert!(
        seen.is_some(),
        "{name} in {job}: not {there}; the log:\n{}",
        agent.log()
    );
    println!(
        "{name} in {job}, there: {there}, seen after {:?}",
        wait::now() - begun
    );
}

#[test]
fn a_real_engine_and_its_swarm_are_discovered_and_followed() {
    if Kind::under_test().is_excused("it is what narthex is compared with") || lacks_privileges() {
        return;
    }
    let mut engine = Engine::start();
    engine.import_image();
    engine.fill();
    let receiver = Receiver::start();
    let polling = config(&receiver.url(), &jobs(&engine, "1s", ""));
    let mut theirs = Agent::of(Kind::Prometheus, &polling);
    theirs.start();
    // No event tells that a task went from starting to running.
    wait::until_true("running tasks", SOON, || {
        let states = names(&theirs, "tasks", "__meta_dockerswarm_task_state");
        let ended = ["shutdown", "failed", "rejected", "complete"];
        let settled = |state: &String| state == "running" || ended.contains(&state.as_str());
        states.len() >= 3 && states.iter().all(settled)
    });
    // An hour: whatever is seen after the start comes from events.
    let mut own_jobs = jobs(&engine, "1h", ", match_first_network: false");
    let polled = format!(
        "docker_sd_configs: [{{host: 'unix://{}', refresh_interval: 1s}}]",
        engine.socket().display()
    );
    own_jobs.push(job("polled", &polled));
    let mut ours = Agent::of(Kind::Narthex, &config(&receiver.url(), &own_jobs));
    // Shows when events come, not when targets are published next.
    ours = ours.flags(&["--scrape.discovery-reload-interval=100ms"]);
    ours.start();
    let agents = (&ours, &theirs);

    let (count, met) = wait_until_equal(agents, "containers", &known_of_docker);
    assert!(count >= 9, "{count} targets");
    assert_eq!(met.len(), 2, "{met:?}");
    compare_swarm(agents);
    follow(&engine, &ours);
    address_that_is_none(&engine, agents);

    engine.process.kill();
    let failures = || {
        let name = "prometheus_sd_refresh_failures_total";
        ours.metric(name, "config=\"polled\"").unwrap_or(0.0)
    };
    wait::until_true("failed refreshes", SOON, || failures() >= 2.0);
    let left = names(&ours, "polled", "__meta_docker_container_name");
    assert!(left.iter().any(|name| name == "/plain"), "{left:?}");
}

fn follow(engine: &Engine, ours: &Agent) {
    let containers = ("containers", "__meta_docker_container_name");
    engine.run("late", &[]);
    wait_for_name(ours, containers, "/late", true);
    engine.docker(&["rename", "late", "renamed"]);
    wait_for_name(ours, containers, "/renamed", true);
    engine.docker(&["rm", "--force", "renamed"]);
    wait_for_name(ours, containers, "/renamed", false);
    let services = ("services", "__meta_dockerswarm_service_name");
    engine.service(
        "late-one",
        &["--publish", "mode=ingress,target=9100,published=19400"],
    );
    wait_for_name(ours, services, "late-one", true);
    let tasks = ("tasks", services.1);
    wait_for_name(ours, tasks, "late-one", true);
    let node = engine.docker(&["node", "ls", "--quiet"]);
    engine.docker(&["node", "update", "--label-add", "rack=r9", node.trim()]);
    wait_for_name(
        ours,
        ("nodes", "__meta_dockerswarm_node_label_rack"),
        "r9",
        true,
    );
    engine.docker(&["service", "rm", "late-one"]);
    wait_for_name(ours, services, "late-one", false);
}

fn compare_swarm(agents: (&Agent, &Agent)) {
    let none = |_: &mut Vec<Labels>| Vec::new();
    for role in SWARM {
        let (count, _) = wait_until_equal(agents, role, &none);
        println!("{role}: {count} targets");
        assert!(count >= 1, "{role}");
    }
}

/// A service in the network of the host has a virtual address that is empty. Prometheus 2.42 then
/// fails to refresh; narthex leaves the address out, says so and finds the others.
fn address_that_is_none(engine: &Engine, (ours, theirs): (&Agent, &Agent)) {
    engine.service("in-host-net", &["--network", "host"]);
    wait::until_true("the complaint", SOON, || {
        ours.log().contains("service in-host-net has the address")
    });
    let services = names(ours, "services", "__meta_dockerswarm_service_name");
    assert_eq!(services, ["ingress"]);
    let failures = || {
        let name = "prometheus_sd_refresh_failures_total";
        let of = |agent: &Agent| {
            agent
                .metric(name, "mechanism=\"dockerswarm\"")
                .unwrap_or(0.0)
        };
        (of(ours), of(theirs))
    };
    wait::until_true("Prometheus to fail", SOON, || failures().1 > 0.0);
    assert_eq!(failures().0, 0.0);
}
