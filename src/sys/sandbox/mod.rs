//! What the process may still ask the kernel for once it knows what it needs: folders (Landlock) and
//! system calls (seccomp). Neither can be taken back, and both hold for every thread that starts later.
//!
//! To be entered while no other thread runs: older kernels cannot bind those.

mod calls;
mod filter;
mod folders;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The folders of this process, once they are all that it can open.
static OPEN: OnceLock<Folders> = OnceLock::new();

/// Folders with everything below them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folders {
    /// Files here can be read and folders listed.
    pub read: Vec<PathBuf>,
    /// Files here can also be made, changed and removed.
    pub write: Vec<PathBuf>,
}

impl Folders {
    /// Adds the folder of a file, which may be replaced by another one of its name: both that of the
    /// name and that of what it leads to. In the root itself, the file alone.
    pub fn add_read(&mut self, file: &Path) {
        push(&mut self.read, around(file));
        if let Ok(target) = file.canonicalize() {
            push(&mut self.read, around(&target));
        }
    }

    /// Adds the folder of a file that is written to.
    pub fn add_write(&mut self, file: &Path) {
        push(&mut self.write, around(file));
    }

    /// Adds a folder that is written to. Where it lies on a disk of its own, the folder that the disk is
    /// mounted in: one that is unplugged and comes back is another to the kernel.
    pub fn add_volume(&mut self, folder: &Path) {
        push(&mut self.write, folder.to_owned());
        if let Some(place) = place_of_mount(folder) {
            push(&mut self.write, place);
        }
    }

    /// Those that are there, under their true names: what comes later stays closed.
    fn found(&self) -> Folders {
        let found = |list: &[PathBuf]| {
            let paths = list.iter().filter_map(|path| path.canonicalize().ok());
            paths.collect()
        };
        Folders {
            read: found(&self.read),
            write: found(&self.write),
        }
    }

    /// Whether a file can be read, whether or not it is there.
    fn show(&self, file: &Path) -> bool {
        below(&self.read, file) || below(&self.write, file)
    }
}

fn below(roots: &[PathBuf], file: &Path) -> bool {
    let found = file.canonicalize().or_else(|_| around(file).canonicalize());
    let found = found.unwrap_or_else(|_| file.to_owned());
    roots.iter().any(|root| found.starts_with(root))
}

fn push(list: &mut Vec<PathBuf>, path: PathBuf) {
    if !list.contains(&path) {
        list.push(path);
    }
}

/// The folder of a file.
fn around(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if folder.as_os_str().is_empty() => ".".into(),
        Some(folder) if folder.parent().is_some() || folder.is_relative() => folder.to_owned(),
        _ => file.to_owned(),
    }
}

/// The folder that the file system of `folder` is mounted in; none for that of the root, and for one
/// that is mounted right there, as that would be everything.
fn place_of_mount(folder: &Path) -> Option<PathBuf> {
    let device = |path: &Path| Some(path.metadata().ok()?.dev());
    let folder = folder.canonicalize().ok()?;
    let own = device(&folder)?;
    let place = folder
        .ancestors()
        .find(|above| device(above).is_some_and(|other| other != own))?;
    (place != Path::new("/")).then(|| place.to_owned())
}

/// What came of entering the sandbox.
#[derive(Debug)]
pub struct Outcome {
    /// Whether the folders are all that can be opened.
    pub folders: Result<(), String>,
    /// Whether only the calls of the list are answered.
    pub calls: Result<(), String>,
}

/// Enters the sandbox. One half that the kernel does not have does not keep the other from holding.
#[must_use]
pub fn enter(folders: &Folders) -> Outcome {
    let folders = folders.found();
    let closed = folders::close(&folders);
    if closed.is_ok() {
        // Entered once.
        let _first = OPEN.set(folders);
    }
    Outcome {
        folders: closed,
        calls: filter::install(),
    }
}

/// Whether the sandbox keeps this process from reading a file.
#[must_use]
pub fn hides(file: &Path) -> bool {
    OPEN.get().is_some_and(|folders| !folders.show(file))
}

/// Whether the sandbox keeps this process from writing a file.
#[must_use]
pub fn locks(file: &Path) -> bool {
    OPEN.get()
        .is_some_and(|folders| !below(&folders.write, file))
}

/// An error of opening `file`, with the reason where that is the sandbox.
#[must_use]
pub fn explained(error: io::Error, file: &Path) -> io::Error {
    if error.kind() == io::ErrorKind::PermissionDenied && hides(file) {
        io::Error::new(error.kind(), format!("{error}: {}", advice(file)))
    } else {
        error
    }
}

/// What to do about a file that the sandbox hides.
#[must_use]
pub fn advice(file: &Path) -> String {
    format!(
        "the sandbox does not show {}: restart, which opens what the configuration names, or start with --sandbox.read={}",
        file.display(),
        around(file).display()
    )
}

#[cfg(test)]
mod tests;
