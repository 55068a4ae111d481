//! The agents under measurement.

use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};

use crate::fleet::Fleet;
use crate::sink::Sink;

/// A running agent with its own empty folder.
pub(crate) struct Agent {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Agent {
    /// Starts `prometheus` or `narthex` on the fleet.
    pub(crate) fn start(name: &str, narthex: &str, fleet: &Fleet, sink: &Sink) -> Agent {
        let folder = tempfile::tempdir().expect("folder");
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, configuration(name, fleet, sink)).expect("configuration");
        let mut command = if name == "prometheus" {
            let mut command = Command::new("prometheus");
            command.arg("--enable-feature=agent");
            command
        } else {
            Command::new(narthex)
        };
        let log = std::fs::File::create(folder.path().join("log")).expect("log");
        let child = command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.agent.path={}",
                folder.path().join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:19092")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Agent {
            child,
            _folder: folder,
        }
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the agent.
    pub(crate) fn stop(&mut self) {
        self.child.kill().expect("still running");
        self.child.wait().expect("reaped");
    }
}

/// The same job for every agent. narthex asks targets on loopback for compression only when the
/// configuration says so; Prometheus 2.42 always does, and does not know the key.
fn configuration(name: &str, fleet: &Fleet, sink: &Sink) -> String {
    let compression = if name == "prometheus" {
        ""
    } else {
        "    enable_compression: true\n"
    };
    let mut text = format!(
        "global:\n  scrape_interval: 15s\n  external_labels:\n    site: bench\n\
         remote_write:\n  - url: {}\n\
         scrape_configs:\n  - job_name: node\n{compression}    static_configs:\n      - targets:\n",
        sink.url
    );
    for address in &fleet.addresses {
        writeln!(text, "          - {address}").expect("text");
    }
    text
}
