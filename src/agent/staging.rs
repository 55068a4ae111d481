//! Where what is delivered in time waits before it goes to disk.

use std::io;
use std::path::{Path, PathBuf};

use super::options::{Staging, StorageOptions};
use crate::sys::fs::{RealFs, Storage as _};
use crate::sys::memory_dir;
use crate::wal;

/// Makes the folder of the log and that of its stage, if there is one.
///
/// # Errors
/// When the one that was named for the stage cannot serve.
pub(super) fn prepare(storage: &StorageOptions) -> Result<Option<PathBuf>, io::Error> {
    let folder = wal::folder(&storage.path);
    // If it cannot be made, opening the log says so.
    if RealFs.create_dir(&folder).is_err() {
        return Ok(None);
    }
    choose(&storage.staging, &folder)
}

/// The folder of the stage of the log in `folder`; none if there is none.
///
/// # Errors
/// When the one that was named cannot serve, with its path.
fn choose(staging: &Staging, folder: &Path) -> Result<Option<PathBuf>, io::Error> {
    match staging {
        Staging::Off => Ok(None),
        Staging::In(root) => match memory_dir::beside(root, folder) {
            Ok(dir) => Ok(Some(dir)),
            Err(error) => {
                let text = format!(
                    "{}: {error}; flag '--storage.agent.staging-path' wants a folder in a tmpfs, auto or none",
                    root.display()
                );
                Err(io::Error::new(error.kind(), text))
            }
        },
        Staging::Auto(roots) => {
            let mut dirs = roots.iter().map(|root| memory_dir::beside(root, folder));
            Ok(dirs.find_map(Result::ok))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_that_serves_is_taken_and_none_is_no_error_unless_it_was_named() {
        let folder = tempfile::tempdir().expect("folder");
        let roots = ["/nowhere", "/proc", "/dev/shm"].map(PathBuf::from);
        let chosen = choose(&Staging::Auto(roots.to_vec()), folder.path());
        let dir = chosen.expect("no error").expect("one serves");
        assert!(dir.starts_with("/dev/shm"));
        std::fs::remove_dir(dir).expect("empty");
        let none = choose(&Staging::Auto(roots[..2].to_vec()), folder.path());
        assert_eq!(none.expect("no error"), None);
        let off = choose(&Staging::Off, folder.path());
        assert_eq!(off.expect("no error"), None);
        let named = choose(&Staging::In("/proc".into()), folder.path());
        let text = named.expect_err("no tmpfs").to_string();
        assert!(
            text.starts_with("/proc: ") && text.contains("staging-path"),
            "{text}"
        );
    }
}
