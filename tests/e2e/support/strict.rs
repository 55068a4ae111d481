//! `narthex receive --strict`, and what it wrote down.

use std::path::PathBuf;

use tempfile::TempDir;

use super::agent::NARTHEX;
use super::process::Process;
use super::{client, ports, wait};

/// A running receiver. Stops when dropped.
pub(crate) struct Strict {
    pub(crate) port: u16,
    file: PathBuf,
    process: Process,
    // Dropped last: the process writes into it.
    _dir: TempDir,
}

impl Strict {
    /// Starts one.
    pub(crate) fn start() -> Strict {
        let dir = tempfile::Builder::new()
            .prefix("e2e-")
            .tempdir()
            .expect("a scratch folder");
        let (file, port) = (dir.path().join("samples"), ports::free());
        let args = [
            "receive".to_owned(),
            "--strict".to_owned(),
            format!("--listen-address=127.0.0.1:{port}"),
            format!("--file={}", file.display()),
        ];
        let mut process = Process::start(NARTHEX, &args, dir.path(), &dir.path().join("log"));
        wait::until_true("the receiver", wait::LONG, || {
            assert!(process.ended().is_none(), "{}", process.log());
            client::get(port, "/").is_ok()
        });
        Strict {
            port,
            file,
            process,
            _dir: dir,
        }
    }

    /// Where to write to.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/write", self.port)
    }

    /// Every sample that it took, a line each.
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap_or_default()
    }

    /// What it says beside that, refusals included.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}
