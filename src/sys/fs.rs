//! The door to the file system: what the log needs of a disk, and the real one.
//!
//! The log does all its input and output through [`Storage`], so that tests can run it on a disk
//! that fails and loses power (`fs_sim`). Positional access only; nothing here buffers.
//! Files are made with mode 0600, folders with 0700, and symbolic links are not followed.

use crate::model::sorting;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::limits;

/// A file of a [`Storage`]. May be read by one thread while another appends.
pub trait StoredFile: Send + Sync {
    /// Writes all of `bytes` at `offset`; the file grows as needed. After an error any part of
    /// it may have been written.
    ///
    /// # Errors
    /// Whatever the system reports, a full disk included.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Reads up to `buffer.len()` bytes at `offset`; zero at the end of the file.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Cuts or extends the file.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Makes the contents durable. After an error nothing written since the last success may be
    /// believed to be on disk, whatever a later call says.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn sync(&self) -> io::Result<()>;

    /// Whether the path leads to this file. It does not when another file system was mounted over
    /// its folder, or taken from above it.
    fn is_at(&self, path: &Path) -> bool;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends first.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            match self.read_at(offset + done as u64, &mut buffer[done..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => done += count,
            }
        }
        Ok(())
    }
}

// Not a supertrait: that would put what every implementation could show into the program, and nothing
// shows it.
impl std::fmt::Debug for dyn StoredFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredFile")
    }
}

/// [`StoredFile::read_exact_at`], tried a few times: a disk may fail once and not again.
///
/// # Errors
/// `UnexpectedEof` if the file ends first, else the last try's.
pub fn read_patiently(file: &dyn StoredFile, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    let mut tries = 1;
    loop {
        match file.read_exact_at(offset, buffer) {
            Err(error)
                if tries < limits::LOG_READ_ATTEMPTS
                    && error.kind() != io::ErrorKind::UnexpectedEof =>
            {
                tries += 1;
            }
            other => return other,
        }
    }
}

/// Whether an error is the disk's own, which cannot read a place.
#[must_use]
pub fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

/// A held lock; dropping it, or the end of the process, releases it.
pub trait HeldLock: Send + Sync {}

// Not a supertrait: that would put what every implementation could show into the program, and nothing
// shows it.
impl std::fmt::Debug for dyn HeldLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeldLock")
    }
}

/// A name and a length, as [`Storage::list`] gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// File name without its folder.
    pub name: String,
    /// Length in bytes.
    pub len: u64,
}

/// What the log needs of a file system.
pub trait Storage: Send + Sync {
    /// Makes a folder and those above it, durably where those above can be synced; no error if it
    /// is there.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes a new, empty file.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken, else whatever the system reports.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StoredFile>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// `NotFound`, or whatever the system reports.
    fn open(&self, path: &Path) -> io::Result<Box<dyn StoredFile>>;

    /// Opens an existing file for reading alone: works without the right to write, and every
    /// write to it fails.
    ///
    /// # Errors
    /// `NotFound`, or whatever the system reports.
    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn StoredFile>>;

    /// Gives a file another name in the same folder, replacing what has it.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound`, or whatever the system reports.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The plain files of a folder, sorted by name. Names that are no UTF-8 are left out.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Makes names that were created, renamed or removed in a folder durable.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the lock on a file, making the file if needed.
    ///
    /// # Errors
    /// `WouldBlock` if another process has it, else whatever the system reports.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn HeldLock>>;
}

// Not a supertrait: that would put what every implementation could show into the program, and nothing
// shows it.
impl std::fmt::Debug for dyn Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Storage")
    }
}

/// The file system of the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFs;

#[derive(Debug)]
struct RealFile(File);

impl HeldLock for File {}

fn options() -> OpenOptions {
    let mut options = options_to_read();
    options.write(true).mode(0o600);
    options
}

fn options_to_read() -> OpenOptions {
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    options.read(true).custom_flags(flags.bits().cast_signed());
    options
}

/// Makes the name of a folder durable. A folder above that cannot be read or synced belongs to
/// someone else, who made ours or mounted it there: that is no reason to do without it.
fn sync_entry(dir: &Path) {
    let parent = match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return,
    };
    let _ = RealFs.sync_dir(parent);
}

impl StoredFile for RealFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn is_at(&self, path: &Path) -> bool {
        let there = std::fs::symlink_metadata(path);
        let (Ok(own), Ok(there)) = (self.0.metadata(), there) else {
            return false;
        };
        (own.dev(), own.ino()) == (there.dev(), there.ino())
    }
}

impl Storage for RealFs {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let missing = dir.ancestors().take_while(|own| !own.exists()).count();
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        // Those found here may be as new, made by a process that was killed.
        for made in dir.ancestors().take(missing.max(1)) {
            sync_entry(made);
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        let file = options().create_new(true).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        Ok(Box::new(RealFile(options().open(path)?)))
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        Ok(Box::new(RealFile(options_to_read().open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if let Ok(name) = entry.file_name().into_string()
                && metadata.is_file()
            {
                let len = metadata.len();
                entries.push(Entry { name, len });
            }
        }
        sorting::sort_by(&mut entries, |a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn HeldLock>> {
        let file = options().create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_private_and_links_are_refused() {
        let dir = tempfile::tempdir().expect("folder");
        let inner = dir.path().join("a/b");
        RealFs.create_dir(&inner).expect("made");
        let file = RealFs.create(&inner.join("f")).expect("created");
        file.write_at(3, b"abc").expect("written");
        let mut buffer = [9; 8];
        assert_eq!(file.read_at(0, &mut buffer).expect("read"), 6);
        assert_eq!(&buffer[..6], b"\0\0\0abc");
        let reader = RealFs.open_to_read(&inner.join("f")).expect("opened");
        assert_eq!(reader.read_at(0, &mut buffer).expect("read"), 6);
        assert!(reader.write_at(0, b"x").is_err() && reader.set_len(0).is_err());
        let mode = |path: &Path| {
            let metadata = std::fs::metadata(path).expect("there");
            metadata.permissions().mode() & 0o777
        };
        assert_eq!(mode(&inner.join("f")), 0o600);
        assert_eq!(mode(&inner), 0o700);
        std::os::unix::fs::symlink(inner.join("f"), inner.join("link")).expect("linked");
        assert!(RealFs.open(&inner.join("link")).is_err());
        assert!(RealFs.open_to_read(&inner.join("link")).is_err());
        let names: Vec<_> = RealFs.list(&inner).expect("listed");
        assert_eq!(names.len(), 1);
        assert_eq!(names[0].len, 6);
    }

    #[test]
    fn a_lock_is_held_once() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("lock");
        let held = RealFs.lock(&path).expect("locked");
        let second = RealFs.lock(&path).map(drop).map_err(|error| error.kind());
        assert_eq!(second, Err(io::ErrorKind::WouldBlock));
        drop(held);
        RealFs.lock(&path).expect("free again");
    }
}
