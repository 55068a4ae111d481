//! ZooKeeper servers, as Debian packages them.

use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::support::process::Process;
use crate::support::{client, ports, wait, write_file};

const JAVA: &str = "java";
const JAR: &str = "/usr/share/java/zookeeper.jar";
/// Half a second; sessions last one second at least.
const TICK_MS: u32 = 500;

/// A server that one test has for itself.
pub(crate) struct Keeper {
    pub(crate) port: u16,
    dir: TempDir,
    process: Option<Process>,
}

fn scratch() -> TempDir {
    let dir = tempfile::Builder::new().prefix("e2e-").tempdir();
    dir.expect("a scratch folder")
}

fn arguments(port: u16, dir: &TempDir) -> Vec<String> {
    assert!(
        std::path::Path::new(JAR).exists(),
        "{JAR} is missing: install the Debian package libzookeeper-java"
    );
    let config = dir.path().join("zoo.cfg");
    let text = format!(
        "tickTime={TICK_MS}\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\n\
         admin.enableServer=false\n4lw.commands.whitelist=*\nmaxClientCnxns=0\n",
        dir.path().join("data").display()
    );
    write_file(&config, &text);
    let options = [
        "-Xmx64m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        JAR,
    ];
    let mut arguments = options.map(str::to_owned).to_vec();
    arguments.push("org.apache.zookeeper.server.quorum.QuorumPeerMain".to_owned());
    arguments.push(config.display().to_string());
    arguments
}

fn wait_until_ready(port: u16, mut log: impl FnMut() -> String) {
    let ready = wait::try_until(wait::LONG, || {
        let answer = client::raw(port, b"srvr").ok()?;
        String::from_utf8_lossy(&answer)
            .contains("Mode: standalone")
            .then_some(())
    });
    assert!(ready.is_some(), "ZooKeeper never came up:\n{}", log());
}

impl Keeper {
    /// Starts one.
    pub(crate) fn start() -> Keeper {
        let mut keeper = Keeper {
            port: ports::free(),
            dir: scratch(),
            process: None,
        };
        keeper.restart();
        keeper
    }

    /// Starts it again, with its data.
    pub(crate) fn restart(&mut self) {
        let log = self.dir.path().join("log");
        let arguments = arguments(self.port, &self.dir);
        let process = Process::start(JAVA, &arguments, self.dir.path(), &log);
        let process = self.process.insert(process);
        wait_until_ready(self.port, || process.log());
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.as_mut().expect("started").kill();
    }

    /// Takes its data away; it must not be running.
    pub(crate) fn wipe(&mut self) {
        std::fs::remove_dir_all(self.dir.path().join("data")).expect("its data");
    }
}

/// A server for all tests that do no more than look and write below paths of their own.
///
/// It ends with this process, however that ends: its parent is a shell that waits for the end of its
/// standard input.
pub(crate) fn shared_port() -> u16 {
    static SHARED: OnceLock<(u16, Child)> = OnceLock::new();
    let start = || {
        let (port, dir) = (ports::free(), scratch());
        let leash = "\"$@\" </dev/null >\"$0/log\" 2>&1 & server=$!; cat >/dev/null; \
                     kill -9 $server; wait; rm -r \"$0\"";
        let child = Command::new("sh")
            .args(["-c", leash])
            .arg(dir.path())
            .arg(JAVA)
            .args(arguments(port, &dir))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let dir = dir.keep();
        wait_until_ready(port, || {
            std::fs::read_to_string(dir.join("log")).unwrap_or_default()
        });
        (port, child)
    };
    SHARED.get_or_init(start).0
}
