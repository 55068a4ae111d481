//! A simulated disk for tests: it fails where it is told to, and loses power.
//!
//! Every file has a live image, which is what the program sees, and a durable one, which is what
//! a sync made certain. [`SimFs::crash`] gives the disk as a power cut may have left it: of what
//! was written since the last sync, each 512-byte sector is there or not, on its own; of names
//! created or removed since the last sync of their folder, each change is there or not. That is
//! harsher than any real file system.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::io::Errno;

use super::fs::{Entry, HeldLock, Storage, StoredFile};
use super::jitter::Jitter;

/// What a disk can lose a part of, in bytes.
const SECTOR_BYTES: usize = 512;

/// What happens to operations from a chosen one on. Only operations that change the disk count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// That one operation fails with an I/O error; a failed write leaves half of its bytes, a
    /// failed sync forgets that there was something to sync.
    Once,
    /// From that operation on the disk is full: creating and growing fails.
    Full,
    /// From that operation on everything fails, as if the machine had stopped.
    Halt,
}

#[derive(Clone, Debug, Default)]
struct Image {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Ranges written since the last sync.
    pending: Vec<(usize, usize)>,
    /// What a read must not touch.
    unreadable: Vec<Range<usize>>,
}

type Shared = Arc<Mutex<Image>>;

#[derive(Debug, Default)]
struct Disk {
    live: BTreeMap<PathBuf, Shared>,
    durable: BTreeMap<PathBuf, Shared>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    operations: u64,
    syncs: u64,
    fault: Option<(u64, Fault)>,
    /// Files that cannot be opened, and why.
    refused: BTreeMap<PathBuf, io::ErrorKind>,
}

/// The simulated disk. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimFs(Arc<Mutex<Disk>>);

#[derive(Debug)]
struct SimFile {
    disk: Arc<Mutex<Disk>>,
    image: Shared,
}

/// A file opened for reading alone.
#[derive(Debug)]
struct SimReader(SimFile);

#[derive(Debug)]
struct SimLock {
    disk: Arc<Mutex<Disk>>,
    path: PathBuf,
}

impl HeldLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.lock().locks.remove(&self.path);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Grow,
    Change,
}

impl Disk {
    /// Counts an operation and says whether it fails.
    fn step(&mut self, kind: Kind) -> io::Result<()> {
        self.operations += 1;
        match self.fault {
            Some((at, Fault::Once)) if self.operations == at => {
                Err(io::Error::other("injected failure"))
            }
            Some((at, Fault::Full)) if self.operations >= at && kind == Kind::Grow => {
                Err(io::ErrorKind::StorageFull.into())
            }
            Some((at, Fault::Halt)) if self.operations >= at => {
                Err(io::Error::other("machine stopped"))
            }
            _ => Ok(()),
        }
    }
}

impl SimFs {
    /// Arms a fault at the `at`-th changing operation from the beginning, counted from 1.
    pub fn inject(&self, at: u64, fault: Fault) {
        self.0.lock().fault = Some((at, fault));
    }

    /// Makes bytes of a file unreadable: a read that touches one fails.
    pub fn unreadable(&self, path: &Path, bytes: Range<usize>) {
        if let Some(image) = self.0.lock().live.get(path) {
            image.lock().unreadable.push(bytes);
        }
    }

    /// Opening a file fails like this from now on.
    pub fn refuse(&self, path: &Path, kind: io::ErrorKind) {
        self.0.lock().refused.insert(path.to_owned(), kind);
    }

    /// Heals the disk.
    pub fn heal(&self) {
        let mut disk = self.0.lock();
        disk.fault = None;
        disk.refused.clear();
        for image in disk.live.values() {
            image.lock().unreadable.clear();
        }
    }

    /// Changing operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Syncs of files and folders that succeeded so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    /// Flips one bit of a file, in both images. False if the file has no such byte.
    #[must_use]
    pub fn flip_bit(&self, path: &Path, offset: usize, bit: u8) -> bool {
        let disk = self.0.lock();
        let Some(image) = disk.live.get(path) else {
            return false;
        };
        let mut image = image.lock();
        let Image { live, durable, .. } = &mut *image;
        for bytes in [live, durable] {
            match bytes.get_mut(offset) {
                Some(byte) => *byte ^= 1 << (bit & 7),
                None => return false,
            }
        }
        true
    }

    /// A disk of its own with these files, all of them durable.
    #[must_use]
    pub fn holding(files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> SimFs {
        let mut disk = Disk::default();
        for (path, bytes) in files {
            let image = Arc::new(Mutex::new(Image {
                live: bytes.clone(),
                durable: bytes,
                ..Image::default()
            }));
            disk.live.insert(path.clone(), Arc::clone(&image));
            disk.durable.insert(path, image);
        }
        SimFs(Arc::new(Mutex::new(disk)))
    }

    /// Every file as the program sees it.
    #[must_use]
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let disk = self.0.lock();
        let bytes = |image: &Shared| image.lock().live.clone();
        let files = disk.live.iter();
        files
            .map(|(path, image)| (path.clone(), bytes(image)))
            .collect()
    }

    /// The disk after a power cut; which unsynced parts survive depends on `seed`.
    #[must_use]
    pub fn crash(&self, seed: u64) -> SimFs {
        let disk = self.0.lock();
        let mut dice = Jitter::seeded(seed);
        // Now and then everything or nothing survives: both ends are worth testing.
        let odds = [0.0, 0.5, 0.9, 1.0][(dice.next_u64() % 4) as usize];
        let mut survives = move || dice.fraction() < odds;
        let mut after = Disk {
            dirs: disk.dirs.clone(),
            ..Disk::default()
        };
        let names: BTreeSet<_> = disk.live.keys().chain(disk.durable.keys()).collect();
        for name in names {
            let (live, durable) = (disk.live.get(name), disk.durable.get(name));
            let kept = if survives() { live } else { durable };
            if let Some(image) = kept {
                let bytes = image.lock().after_crash(&mut survives);
                let image = Arc::new(Mutex::new(Image {
                    live: bytes.clone(),
                    durable: bytes,
                    ..Image::default()
                }));
                after.live.insert(name.clone(), Arc::clone(&image));
                after.durable.insert(name.clone(), image);
            }
        }
        SimFs(Arc::new(Mutex::new(after)))
    }

    fn opened(&self, path: &Path) -> io::Result<SimFile> {
        let disk = self.0.lock();
        if let Some(kind) = disk.refused.get(path) {
            return Err((*kind).into());
        }
        let image = disk.live.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(SimFile {
            disk: Arc::clone(&self.0),
            image: Arc::clone(image),
        })
    }
}

impl Image {
    fn after_crash(&self, survives: &mut impl FnMut() -> bool) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for (start, end) in &self.pending {
            let mut from = *start;
            while from < *end {
                let to = (*end).min((from / SECTOR_BYTES + 1) * SECTOR_BYTES);
                if survives() && to <= self.live.len() {
                    if bytes.len() < to {
                        bytes.resize(to, 0);
                    }
                    bytes[from..to].copy_from_slice(&self.live[from..to]);
                }
                from = to;
            }
        }
        bytes
    }

    fn sync(&mut self) {
        let Image {
            live,
            durable,
            pending,
            ..
        } = self;
        durable.resize(live.len(), 0);
        for (start, end) in pending.drain(..) {
            let end = end.min(live.len());
            let start = start.min(end);
            durable[start..end].copy_from_slice(&live[start..end]);
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.live.len() < end {
            self.live.resize(end, 0);
        }
        self.live[offset..end].copy_from_slice(bytes);
        self.pending.push((offset, end));
    }
}

impl StoredFile for SimFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let mut image = self.image.lock();
        let offset = offset as usize;
        let grows = offset + bytes.len() > image.live.len();
        let kind = if grows { Kind::Grow } else { Kind::Change };
        if let Err(error) = disk.step(kind) {
            if !matches!(disk.fault, Some((_, Fault::Halt))) {
                image.write(offset, &bytes[..bytes.len() / 2]);
            }
            return Err(error);
        }
        image.write(offset, bytes);
        Ok(())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let image = self.image.lock();
        let offset = offset as usize;
        let rest = image.live.get(offset..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        let mut bad = image.unreadable.iter();
        if bad.any(|bad| bad.start < offset + count && offset < bad.end) {
            return Err(io::Error::from_raw_os_error(Errno::IO.raw_os_error()));
        }
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let mut image = self.image.lock();
        let old = image.live.len();
        let kind = if len as usize > old {
            Kind::Grow
        } else {
            Kind::Change
        };
        disk.step(kind)?;
        image.live.resize(len as usize, 0);
        if len as usize > old {
            image.pending.push((old, len as usize));
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.image.lock().live.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let mut image = self.image.lock();
        let outcome = disk.step(Kind::Change);
        if outcome.is_ok() {
            disk.syncs += 1;
            image.sync();
        } else if matches!(disk.fault, Some((_, Fault::Once))) {
            // The kernel counts the pages as clean now: no later sync writes them.
            image.pending.clear();
        }
        outcome
    }

    fn is_at(&self, _: &Path) -> bool {
        true
    }
}

impl StoredFile for SimReader {
    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn is_at(&self, path: &Path) -> bool {
        self.0.is_at(path)
    }
}

impl Storage for SimFs {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.lock().dirs.insert(dir.to_owned());
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        let mut disk = self.0.lock();
        disk.step(Kind::Grow)?;
        if disk.live.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.live.insert(path.to_owned(), Shared::default());
        drop(disk);
        Ok(Box::new(self.opened(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        Ok(Box::new(self.opened(path)?))
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        Ok(Box::new(SimReader(self.opened(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.step(Kind::Change)?;
        let image = disk.live.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.live.insert(to.to_owned(), image);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.step(Kind::Change)?;
        let removed = disk.live.remove(path);
        removed.map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let disk = self.0.lock();
        let inside = disk
            .live
            .iter()
            .filter(|(path, _)| path.parent() == Some(dir));
        let entries = inside.map(|(path, image)| Entry {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            len: image.lock().live.len() as u64,
        });
        Ok(entries.collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.step(Kind::Change)?;
        disk.syncs += 1;
        let inside = |path: &Path| path.parent() == Some(dir);
        let live: Vec<_> = disk.live.iter().filter(|(path, _)| inside(path)).collect();
        let live: Vec<_> = live
            .into_iter()
            .map(|(p, i)| (p.clone(), Arc::clone(i)))
            .collect();
        disk.durable.retain(|path, _| !inside(path));
        disk.durable.extend(live);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn HeldLock>> {
        if !self.0.lock().locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock {
            disk: Arc::clone(&self.0),
            path: path.to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests;
