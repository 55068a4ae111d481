//! The agents under measurement.
//!
//! Any program can be one: a command in which `{config}` stands for the configuration, `{data}`
//! for its empty folder, `{port}` for a free port of 127.0.0.1, and `{url}` for the receiver. It is
//! split at spaces, without a shell, and runs in a folder of its own: the program stands in `PATH` or
//! has an absolute path. A command with `{url}` gets a configuration without
//! `remote_write`, for programs that take the receiver on the command line.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::fleet::Fleet;
use crate::fleet::tls::NAME;
use crate::ports;
use crate::scenario::Scenario;

/// A program and how it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// What the tables call it.
    pub(crate) name: String,
    command: Vec<String>,
}

/// The flags that narthex shares with Prometheus.
const FLAGS: &str = "--config.file={config} --storage.agent.path={data} \
     --web.listen-address=127.0.0.1:{port}";

impl Program {
    /// `prometheus` or `narthex`; the latter is the binary at `narthex`.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn known(name: &str, narthex: &str) -> Result<Program, String> {
        let first: &[&str] = match name {
            "prometheus" => &["prometheus", "--enable-feature=agent"],
            "narthex" => &[narthex],
            _ => return Err(format!("{name} is not known: use --agent {name}='COMMAND'")),
        };
        let words = first.iter().copied().chain(FLAGS.split_whitespace());
        Ok(Program {
            name: name.to_owned(),
            command: words.map(str::to_owned).collect(),
        })
    }

    /// `NAME=COMMAND`.
    ///
    /// # Errors
    /// When it is not of that form, or lacks the configuration.
    pub(crate) fn template(text: &str) -> Result<Program, String> {
        let (name, command) = text
            .split_once('=')
            .ok_or_else(|| format!("--agent {text}: write NAME='COMMAND {{config}}'"))?;
        if !command.contains("{config}") {
            return Err(format!(
                "--agent {name}: the command does not use {{config}}"
            ));
        }
        Ok(Program {
            name: name.to_owned(),
            command: command.split_whitespace().map(str::to_owned).collect(),
        })
    }

    /// Whether it is narthex, whose promises are held.
    pub(crate) fn is_narthex(&self) -> bool {
        self.name == "narthex"
    }

    /// Whether the receiver stands on the command line.
    fn is_given_url(&self) -> bool {
        self.command.iter().any(|word| word.contains("{url}"))
    }

    /// The words of the command.
    pub(crate) fn words(&self, config: &Path, data: &Path, port: u16, url: &str) -> Vec<String> {
        let fill = |word: &String| {
            word.replace("{config}", &config.display().to_string())
                .replace("{data}", &data.display().to_string())
                .replace("{port}", &port.to_string())
                .replace("{url}", url)
        };
        self.command.iter().map(fill).collect()
    }
}

/// A running agent with its own empty folder.
pub(crate) struct Agent {
    child: Child,
    folder: tempfile::TempDir,
    name: String,
}

impl Agent {
    /// Starts a program on the fleet.
    pub(crate) fn start(program: &Program, scenario: &Scenario, fleet: &Fleet, url: &str) -> Agent {
        // On the disk of the build: what is written to a file system in memory is not counted.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("folder");
        let config = folder.path().join("prometheus.yml");
        let authority = folder.path().join("authority.pem");
        std::fs::write(&authority, fleet.authority.as_deref().unwrap_or_default()).expect("file");
        let text = configuration(program, scenario, &fleet.addresses, &authority, url);
        std::fs::write(&config, text).expect("configuration");
        let words = program.words(&config, &folder.path().join("data"), ports::free(), url);
        let log = std::fs::File::create(folder.path().join("log")).expect("log");
        let child = Command::new(&words[0])
            .args(&words[1..])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", words[0]));
        Agent {
            child,
            folder,
            name: program.name.clone(),
        }
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it keeps its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Ends the measurement with the end of the agent's log if it is not running any more.
    pub(crate) fn assert_running(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(5).collect();
            panic!("{} ended with {status}: {lines:#?}", self.name);
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// The same job for every agent. narthex asks targets on loopback for compression only when the
/// configuration says so; the others always do, and do not know the key.
pub(crate) fn configuration(
    program: &Program,
    scenario: &Scenario,
    addresses: &[String],
    authority: &Path,
    url: &str,
) -> String {
    let interval = scenario.interval;
    let timeout = interval.min(10);
    let mut text = format!(
        "global:\n  scrape_interval: {interval}s\n  scrape_timeout: {timeout}s\n  \
         external_labels:\n    site: bench\n"
    );
    if !program.is_given_url() {
        text += &format!("remote_write:\n  - url: {url}\n");
        if program.is_narthex() && scenario.rw2 {
            text += "    protobuf_message: io.prometheus.write.v2.Request\n";
        }
        if program.is_narthex() && scenario.zstd {
            text += "    narthex:\n      compression: zstd\n";
        }
    }
    text += "scrape_configs:\n  - job_name: node\n";
    if program.is_narthex() && scenario.gzip {
        text += "    enable_compression: true\n";
    }
    if scenario.tls {
        let authority = authority.display();
        text += "    scheme: https\n    tls_config:\n";
        text += &format!("      ca_file: {authority}\n      server_name: {NAME}\n");
    }
    text += "    static_configs:\n      - targets:\n";
    for address in addresses {
        writeln!(text, "          - {address}").expect("text");
    }
    text
}
