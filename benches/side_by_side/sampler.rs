//! Reads what the kernel counts of a process.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::basics::now;
use crate::sink::Sink;
use crate::sink::books::Counts;

/// Counters at one moment.
pub(crate) struct Reading {
    /// When.
    pub(crate) at: Instant,
    /// Nanoseconds on a processor, of the threads that are there now.
    pub(crate) cpu_ns: u64,
    /// Bytes that were sent to a disk.
    pub(crate) written: u64,
    /// Bytes of the files in the data folder.
    pub(crate) folder: u64,
    /// Context switches that the threads asked for themselves.
    pub(crate) switches: u64,
    /// Number of threads.
    pub(crate) threads: usize,
    /// What the receiver has.
    pub(crate) sink: Counts,
}

/// Waits; a bench may.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures over stretches of time"
)]
pub(crate) fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// Waits until `found` finds something, at most as long as `limit`.
pub(crate) fn wait_for<T>(limit: Duration, mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let end = now() + limit;
    loop {
        if let Some(value) = found() {
            return Some(value);
        }
        if now() >= end {
            return None;
        }
        wait(Duration::from_millis(20));
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The number behind a name at the beginning of a line.
pub(crate) fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    let number = number.and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("the kernel does not tell {name} (has the agent ended?)"))
}

/// The folders of a process's threads.
fn threads(pid: u32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).expect("running");
    entries
        .flatten()
        .map(|entry| entry.path().display().to_string())
        .collect()
}

/// Nanoseconds on a processor; zero for a thread that has just ended.
fn cpu_ns(thread: &str) -> u64 {
    let text = read(&format!("{thread}/schedstat"));
    let first = text.split(' ').next();
    first.and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

fn switches(thread: &str) -> u64 {
    let text = read(&format!("{thread}/status"));
    let ended = text.is_empty();
    if ended {
        0
    } else {
        field(&text, "voluntary_ctxt_switches:")
    }
}

/// Bytes of all files below a folder.
pub(crate) fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.len(),
        // It was deleted meanwhile.
        Err(_) => 0,
    });
    bytes.sum()
}

impl Reading {
    /// Reads everything now.
    pub(crate) fn take(pid: u32, data: &Path, sink: &Sink) -> Reading {
        let threads = threads(pid);
        let cpu_ns = threads.iter().map(|thread| cpu_ns(thread)).sum();
        assert!(cpu_ns > 0, "the kernel keeps no schedstat");
        Reading {
            at: now(),
            cpu_ns,
            written: field(&read(&format!("/proc/{pid}/io")), "write_bytes:"),
            folder: bytes_in(data),
            switches: threads.iter().map(|thread| switches(thread)).sum(),
            threads: threads.len(),
            sink: sink.books().counts,
        }
    }
}

/// Memory over a window, in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// The median of what was resident.
    pub(crate) median: u64,
    /// The most that was resident since the start.
    pub(crate) peak: u64,
}

/// The most memory that a process had, in KiB.
pub(crate) fn peak(pid: u32) -> u64 {
    field(&read(&format!("/proc/{pid}/status")), "VmHWM:")
}

/// Samples memory every second for the length of the window.
pub(crate) fn watch_memory(pid: u32, window: Duration) -> Memory {
    let end = now() + window;
    let mut resident = Vec::new();
    while now() < end {
        resident.push(field(&read(&format!("/proc/{pid}/status")), "VmRSS:"));
        wait(Duration::from_secs(1).min(end.saturating_duration_since(now())));
    }
    resident.sort_unstable();
    Memory {
        median: resident
            .get(resident.len() / 2)
            .copied()
            .unwrap_or_default(),
        peak: peak(pid),
    }
}
