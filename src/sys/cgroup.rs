//! The memory limit that the process's cgroups set, of version 1 or 2.

use std::fs;
use std::path::{Path, PathBuf};

/// Where cgroups are mounted, by convention.
const ROOT: &str = "/sys/fs/cgroup";

/// Limits from here on are version 1's way to say that there is none.
const NO_LIMIT: u64 = 1 << 62;

/// The lowest limit in bytes that this process's cgroup or one above it has; none if there is none,
/// or the system does not tell.
#[must_use]
pub fn memory_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    lowest(&groups, &|path| fs::read_to_string(path).ok())
}

/// The lowest limit in the files of all groups that count for the process.
fn lowest(groups: &str, read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let files = groups.lines().flat_map(files_of);
    let limits = files.filter_map(|file| read(&file)?.trim().parse().ok());
    limits.filter(|limit| *limit < NO_LIMIT).min()
}

/// The files that may hold a limit, for one line of `/proc/self/cgroup`: `0::/path` of version 2,
/// `4:memory:/path` of version 1. Inside a container the mount may begin at the group itself, so
/// that its path, or the beginning of it, does not exist there.
fn files_of(line: &str) -> Vec<PathBuf> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
        return Vec::new();
    };
    let (mounts, names): (&[&str], &[&str]) = if controllers.is_empty() {
        (&["", "unified"], &["memory.max", "memory.high"])
    } else if controllers.split(',').any(|own| own == "memory") {
        (&["memory"], &["memory.limit_in_bytes"])
    } else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for mount in mounts {
        let mount = Path::new(ROOT).join(mount);
        let group = mount.join(path.trim_start_matches('/'));
        let groups = group.ancestors().take_while(|own| own.starts_with(&mount));
        for group in groups {
            files.extend(names.iter().map(|name| group.join(name)));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(groups: &str, files: &[(&str, &str)]) -> Option<u64> {
        lowest(groups, &|path| {
            let found = files.iter().find(|(own, _)| Path::new(own) == path);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn the_lowest_limit_on_the_way_up_counts() {
        let groups = "0::/system.slice/narthex.service\n";
        let own = "/sys/fs/cgroup/system.slice/narthex.service/memory.max";
        let above = "/sys/fs/cgroup/system.slice/memory.high";
        assert_eq!(limit(groups, &[(own, "max\n")]), None);
        assert_eq!(limit(groups, &[(own, "67108864\n")]), Some(64 << 20));
        let both = [(own, "67108864\n"), (above, "1000000\n")];
        assert_eq!(limit(groups, &both), Some(1_000_000));
    }

    #[test]
    fn version_1_has_a_number_for_no_limit() {
        let groups = "9:pids:/x\n4:memory:/edge\n0::/x\n";
        let own = "/sys/fs/cgroup/memory/edge/memory.limit_in_bytes";
        assert_eq!(limit(groups, &[(own, "9223372036854771712\n")]), None);
        assert_eq!(limit(groups, &[(own, "16777216\n")]), Some(16 << 20));
    }

    #[test]
    fn in_a_container_the_mount_may_begin_at_the_group() {
        let own = "/sys/fs/cgroup/memory.max";
        assert_eq!(
            limit("0::/docker/abc\n", &[(own, "5000000")]),
            Some(5_000_000)
        );
        assert_eq!(limit("nonsense\n", &[(own, "5000000")]), None);
    }
}
