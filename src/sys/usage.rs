//! What the process uses of its host.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// One reading. What the system does not tell is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on processors, of all threads.
    pub cpu: Duration,
    /// Bytes of memory that are present.
    pub resident_bytes: u64,
    /// Bytes of address space.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// Descriptors that may be open.
    pub open_files_max: u64,
}

/// Reads the usage of this process.
#[must_use]
pub fn read() -> Usage {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = |name| field(&status, name) * 1024;
    Usage {
        cpu: Duration::new(cpu.tv_sec.unsigned_abs(), cpu.tv_nsec as u32),
        resident_bytes: kibibytes("VmRSS:"),
        virtual_bytes: kibibytes("VmSize:"),
        threads: field(&status, "Threads:"),
        // The listing itself is one of them.
        open_files: std::fs::read_dir("/proc/self/fd")
            .map_or(0, |listed| listed.count().saturating_sub(1) as u64),
        open_files_max: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
    }
}

/// The number behind a name in `/proc/self/status`.
fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_uses_something_of_everything() {
        let usage = read();
        assert!(usage.threads > 0 && usage.open_files > 2);
        assert!(usage.open_files_max >= usage.open_files);
        assert!(usage.resident_bytes > 1 << 20 && usage.virtual_bytes > usage.resident_bytes);
        assert!(usage.cpu > Duration::ZERO);
    }
}
