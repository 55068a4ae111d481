//! Folders in file systems that are memory: what is in them outlives the process, not the machine.

use std::fs::DirBuilder;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// `f_type` of file systems in memory, from `linux/magic.h`: tmpfs and ramfs.
const MAGICS: [u32; 2] = [0x0102_1994, 0x8584_58f6];

/// A private folder below `root` for what belongs to `folder`, made if it is not there. The same one
/// for the same folder, whatever path leads to it.
///
/// # Errors
/// When `root` is no folder in memory, cannot be written to, or somebody else made the folder.
pub fn beside(root: &Path, folder: &Path) -> Result<PathBuf> {
    let magic = rustix::fs::statfs(root)?.f_type;
    if !MAGICS.contains(&(magic as u32)) {
        let text = "it is on a disk, which a tmpfs is not";
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    let owner = std::fs::metadata(folder)?;
    let path = root.join(format!("narthex-{:x}-{:x}", owner.dev(), owner.ino()));
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        other => other?,
    }
    // Anybody may make folders in shared memory.
    let found = std::fs::symlink_metadata(&path)?;
    let is_own = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw();
    if is_own && found.mode() & 0o077 == 0 {
        return Ok(path);
    }
    let text = format!("{} belongs to somebody else", path.display());
    Err(Error::new(ErrorKind::PermissionDenied, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const MEMORY: &str = "/dev/shm";

    #[test]
    fn a_folder_has_one_companion_and_nobody_else_sees_into_it() {
        let folder = tempfile::tempdir().expect("folder");
        let made = beside(Path::new(MEMORY), folder.path()).expect("made");
        let mode = std::fs::metadata(&made)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        let again = beside(Path::new(MEMORY), folder.path()).expect("there");
        assert_eq!(made, again);
        let other = tempfile::tempdir().expect("folder");
        let others = beside(Path::new(MEMORY), other.path()).expect("made");
        assert_ne!(made, others);
        std::fs::set_permissions(&made, PermissionsExt::from_mode(0o755)).expect("opened up");
        let refused = beside(Path::new(MEMORY), folder.path()).map_err(|error| error.kind());
        assert_eq!(refused, Err(ErrorKind::PermissionDenied));
        std::fs::remove_dir(made).expect("empty");
        std::fs::remove_dir(others).expect("empty");
    }

    #[test]
    fn a_link_that_waits_there_is_not_followed() {
        let folder = tempfile::tempdir().expect("folder");
        let made = beside(Path::new(MEMORY), folder.path()).expect("made");
        std::fs::remove_dir(&made).expect("empty");
        let target = tempfile::tempdir().expect("folder");
        std::os::unix::fs::symlink(target.path(), &made).expect("linked");
        let refused = beside(Path::new(MEMORY), folder.path());
        std::fs::remove_file(&made).expect("a link");
        assert!(refused.is_err(), "{refused:?}");
    }

    #[test]
    fn a_folder_on_disk_is_refused() {
        let refused = beside(Path::new("/proc"), Path::new("/"));
        assert!(refused.is_err_and(|error| error.to_string().contains("tmpfs")));
    }
}
