//! The agent under test is a value: narthex, or the Prometheus that Debian packages.
//!
//! Both read the same configuration text, take the same flags and stop by the same signals; that
//! is the promise under test, so the harness has no other way to drive them.
//! `NARTHEX_E2E_AGENT=prometheus` runs every test against Prometheus: what it fails there is
//! what narthex promises beyond it.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::client::{self, Answer};
use super::process::Process;
use super::{ports, wait};

/// Where Debian's package puts it.
pub(crate) const PROMETHEUS: &str = "/usr/bin/prometheus";

/// The program built from this repository.
pub(crate) const NARTHEX: &str = env!("CARGO_BIN_EXE_narthex");

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Narthex,
    Prometheus,
}

impl Kind {
    /// The one that this run of the tests is about.
    pub(crate) fn under_test() -> Kind {
        match std::env::var("NARTHEX_E2E_AGENT").as_deref() {
            Err(_) | Ok("narthex") => Kind::Narthex,
            Ok("prometheus") => Kind::Prometheus,
            Ok(other) => panic!("NARTHEX_E2E_AGENT is narthex or prometheus, not {other}"),
        }
    }

    /// Whether this run is about Prometheus, where `reason` does not hold; says so if it is.
    pub(crate) fn is_excused(self, reason: &str) -> bool {
        if self == Kind::Prometheus {
            println!("not asked of prometheus: {reason}");
        }
        self == Kind::Prometheus
    }
}

/// An agent with its own folder and port; not running until `start`.
pub(crate) struct Agent {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    dir: TempDir,
    /// What it may keep in memory beyond its own end; none: it writes everything to disk.
    memory: Option<TempDir>,
    extra: Vec<String>,
    process: Option<Process>,
}

impl Agent {
    /// A new one of the kind under test, with a configuration.
    pub(crate) fn with_config(config: &str) -> Agent {
        Agent::of(Kind::under_test(), config)
    }

    /// A new one of that kind, with a configuration.
    pub(crate) fn of(kind: Kind, config: &str) -> Agent {
        let agent = Agent {
            kind,
            port: ports::free(),
            dir: tempfile::Builder::new()
                .prefix("e2e-")
                .tempdir()
                .expect("a scratch folder"),
            memory: Some(
                tempfile::Builder::new()
                    .prefix("e2e-")
                    .tempdir_in("/dev/shm")
                    .expect("a scratch folder in shared memory"),
            ),
            extra: vec!["--web.enable-lifecycle".to_owned()],
            process: None,
        };
        agent.write_config(config);
        agent
    }

    /// Replaces the flags beyond those that name configuration, data and port.
    pub(crate) fn flags(mut self, flags: &[&str]) -> Agent {
        self.extra = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self
    }

    /// Adds one to them.
    pub(crate) fn add_flag(&mut self, flag: &str) {
        self.extra.push(flag.to_owned());
    }

    /// Its folder: configuration, target files, log.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    /// Replaces the configuration file; the agent does not look at it before a reload.
    pub(crate) fn write_config(&self, config: &str) {
        let text = config.replace("{dir}", &self.dir().display().to_string());
        self.write("agent.yml", &text);
    }

    /// From its next start on it writes everything to disk at once.
    pub(crate) fn write_straight_to_disk(&mut self) {
        self.memory = None;
    }

    /// Memory goes, as it does with the power; it must not run.
    pub(crate) fn lose_memory(&self) {
        let memory = self.memory.as_ref().expect("it has some");
        for entry in std::fs::read_dir(memory.path()).expect("listed") {
            std::fs::remove_dir_all(entry.expect("an entry").path()).expect("removed");
        }
    }

    /// Replaces a file in its folder, atomically.
    pub(crate) fn write(&self, name: &str, text: &str) {
        super::write_file(&self.dir().join(name), text);
    }

    /// Starts it and waits until it says that it is ready.
    pub(crate) fn start(&mut self) {
        self.launch();
        self.wait_until_ready();
    }

    /// Waits until it says that it is ready.
    pub(crate) fn wait_until_ready(&mut self) {
        let ready = wait::try_until(wait::LONG, || {
            assert!(
                self.ended().is_none(),
                "ended at once; its log:\n{}",
                self.log()
            );
            let answer = client::get(self.port, "/-/ready").ok()?;
            (answer.status == 200).then_some(())
        });
        assert!(ready.is_some(), "never ready; its log:\n{}", self.log());
    }

    /// Starts it with a file of its folder in the place of `/etc/resolv.conf`. Needs root.
    pub(crate) fn start_with_resolver(&mut self, name: &str) {
        let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        let mut command = vec![
            "-m".to_owned(),
            "sh".to_owned(),
            "-c".to_owned(),
            script.to_owned(),
        ];
        command.push(self.dir().join(name).display().to_string());
        command.push(self.program().to_owned());
        command.extend(self.arguments());
        let log = self.dir().join("log");
        self.process = Some(Process::start("unshare", &command, self.dir(), &log));
        self.wait_until_ready();
    }

    /// Starts it and does not wait.
    pub(crate) fn launch(&mut self) {
        let process = self.process_with(&self.arguments());
        self.process = Some(process);
    }

    /// Starts it as the last words of another command, which must become it, and does not wait.
    pub(crate) fn launch_under(&mut self, command: &[String]) {
        let (program, first) = command.split_first().expect("a command");
        let mut arguments = first.to_vec();
        arguments.push(self.program().to_owned());
        arguments.extend(self.arguments());
        let log = self.dir().join("log");
        self.process = Some(Process::start(program, &arguments, self.dir(), &log));
    }

    /// The number of its process.
    pub(crate) fn pid(&mut self) -> i32 {
        self.process().pid().as_raw_nonzero().get()
    }

    /// A second process with the same arguments but its own port, in the same folder.
    pub(crate) fn twin(&self) -> Process {
        let mut arguments = self.arguments();
        arguments.retain(|flag| !flag.starts_with("--web.listen-address"));
        arguments.push(format!("--web.listen-address=127.0.0.1:{}", ports::free()));
        self.process_with(&arguments)
    }

    fn process_with(&self, arguments: &[String]) -> Process {
        Process::start(
            self.program(),
            arguments,
            self.dir(),
            &self.dir().join("log"),
        )
    }

    /// What is started.
    pub(crate) fn program(&self) -> &'static str {
        match self.kind {
            Kind::Narthex => NARTHEX,
            Kind::Prometheus => PROMETHEUS,
        }
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--config.file={}", self.dir().join("agent.yml").display()),
            format!("--storage.agent.path={}", self.data().display()),
        ];
        if !self
            .extra
            .iter()
            .any(|flag| flag.starts_with("--web.listen-address"))
        {
            arguments.push(format!("--web.listen-address=127.0.0.1:{}", self.port));
        }
        arguments.push("--enable-feature=agent".to_owned());
        if self.kind == Kind::Narthex {
            let memory = self
                .memory
                .as_ref()
                .map(|dir| dir.path().display().to_string());
            let path = memory.as_deref().unwrap_or("none");
            arguments.push(format!("--storage.agent.staging-path={path}"));
        }
        if self.kind == Kind::Prometheus {
            // Hidden: shortens its wait before it takes up targets.
            arguments.push("--scrape.discovery-reload-interval=100ms".to_owned());
            arguments.push("--enable-feature=exemplar-storage".to_owned());
        }
        arguments.extend(self.extra.iter().cloned());
        arguments
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("started before")
    }

    /// Its status, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process().ended()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        self.process().wait(limit)
    }

    /// Sends a signal.
    pub(crate) fn signal(&mut self, signal: Signal) {
        self.process().signal(signal);
    }

    /// SIGTERM, and waits: the status and how long it took.
    pub(crate) fn terminate(&mut self) -> (ExitStatus, Duration) {
        let begun: Instant = wait::now();
        self.signal(Signal::TERM);
        let status = self.wait(Duration::from_secs(180));
        (status, wait::now() - begun)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process().kill();
    }

    /// SIGHUP.
    pub(crate) fn hang_up(&mut self) {
        self.signal(Signal::HUP);
    }

    /// Reloads through the web and returns the answer.
    pub(crate) fn reload(&self) -> Answer {
        client::request(self.port, "POST", "/-/reload").expect("an answer")
    }

    /// Fetches a page of its web server.
    pub(crate) fn get(&self, path: &str) -> Answer {
        client::get(self.port, path)
            .unwrap_or_else(|error| panic!("GET {path}: {error}; its log:\n{}", self.log()))
    }

    /// The sum of its own metrics with that name whose line contains `part`.
    pub(crate) fn metric(&self, name: &str, part: &str) -> Option<f64> {
        let page = self.get("/metrics").body;
        let lines = page.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(part)
        });
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&mut self) -> u64 {
        self.process().resident_bytes()
    }

    /// The most memory that was ever resident, in bytes.
    pub(crate) fn peak_bytes(&mut self) -> u64 {
        self.process().peak_bytes()
    }

    /// Number of threads.
    pub(crate) fn threads(&mut self) -> u64 {
        self.process().threads()
    }

    /// What it has written to its log.
    pub(crate) fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }
}
