//! System calls of a running program that fail, or kill it: `strace` as a saboteur.
//!
//! Works on any binary and needs no special build. Counts (`when=`) are those of each thread.

use std::path::Path;

use rustix::process::Signal;

use super::process::Process;
use super::wait;

/// The words before a command that run it under `strace` with these injections (`call:what`), all
/// calls of the classes `calls` being written to `log`. The process started becomes the program
/// itself; the tracer hides.
pub(crate) fn command(log: &Path, calls: &str, injections: &[String]) -> Vec<String> {
    // A tracer that writes to a file would not be interrupted.
    let mut words = ["strace", "-D", "-I", "1"].map(str::to_owned).to_vec();
    words.extend(options(log, calls, injections));
    words
}

fn options(log: &Path, calls: &str, injections: &[String]) -> Vec<String> {
    // -y: descriptors with what they stand for.
    let mut words = ["-f", "-y", "-o"].map(str::to_owned).to_vec();
    words.push(log.display().to_string());
    words.extend(["-e".to_owned(), format!("trace={calls}")]);
    for injection in injections {
        words.extend(["-e".to_owned(), format!("inject={injection}")]);
    }
    words
}

/// A saboteur at work on a running process.
pub(crate) struct Sabotage {
    tracer: Process,
}

impl Sabotage {
    /// Begins. Returns when every thread of the process is under its eyes.
    pub(crate) fn begin(pid: i32, dir: &Path, calls: &str, injections: &[String]) -> Sabotage {
        let mut arguments = options(&dir.join("strace"), calls, injections);
        arguments.extend(["-p".to_owned(), pid.to_string()]);
        let mut tracer = Process::start("strace", &arguments, dir, &dir.join("strace.log"));
        wait::until_true("strace to attach", wait::LONG, || {
            assert!(tracer.ended().is_none(), "strace: {}", tracer.log());
            is_traced(pid)
        });
        Sabotage { tracer }
    }

    /// Leaves the process alone again.
    pub(crate) fn end(mut self) {
        self.tracer.signal(Signal::TERM);
        self.tracer.wait(wait::LONG);
    }
}

/// Whether all threads of a process have a tracer.
fn is_traced(pid: i32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    threads.flatten().all(|thread| {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let tracer = status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"));
        tracer.is_some_and(|tracer| tracer.trim() != "0")
    })
}
