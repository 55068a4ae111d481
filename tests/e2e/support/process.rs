//! A program under test: started with its output in a file, stopped when dropped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::wait;

/// A running program.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `program`; both outputs are appended to `log`.
    pub(crate) fn start(program: &str, args: &[String], dir: &Path, log: &Path) -> Process {
        let mut command = Command::new(program);
        command.args(args).current_dir(dir);
        Process::spawn(command, log)
    }

    /// Starts a prepared command; both outputs are appended to `log`.
    pub(crate) fn spawn(mut command: Command, log: &Path) -> Process {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        let copy = output.try_clone().expect("a second handle");
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(copy)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Process {
            child,
            log: log.to_owned(),
            ended: None,
        }
    }

    /// What it has written so far.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its status, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("its own child");
        }
        self.ended
    }

    /// Waits for its end; fails the test after `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let log = self.log.clone();
        wait::try_until(limit, || self.ended()).unwrap_or_else(|| {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            panic!("the program did not end within {limit:?}; its log:\n{text}")
        })
    }

    /// Sends a signal, unless it has ended.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            kill_process(self.pid(), signal).expect("to signal our own child");
        }
    }

    /// `kill -9`, and waits.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait(wait::LONG);
    }

    /// Its number.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Resident memory in bytes, from `/proc`.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.status_kib("VmRSS:") * 1024
    }

    /// The most memory that was ever resident in bytes, from `/proc`.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.status_kib("VmHWM:") * 1024
    }

    /// Number of threads, from `/proc`.
    pub(crate) fn threads(&self) -> u64 {
        self.status_kib("Threads:")
    }

    fn status_kib(&self, key: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        number.unwrap_or(0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
