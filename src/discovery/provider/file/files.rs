//! What the files say, and when a change of theirs is believed.
//!
//! A new file is read at once. A change of a known one is believed when the file has looked the
//! same for `limits::SD_FILE_SETTLE` and no writer has it open, as far as inotify tells; because
//! half a YAML list is a valid shorter list, and must not cost targets. A file that is missing or
//! empty is given `limits::SD_FILE_GONE` to come back. What cannot be read or understood keeps its last
//! groups. A file is read again only if its stamp changed; the change time in the stamp cannot be
//! set, and waiting to settle outlives its granularity. The disk is handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::glob;
use crate::discovery::group::{self, GroupError};
use crate::limits;
use crate::model::target_group::TargetGroup;
use crate::model::time::Mono;

const META_FILEPATH: &str = "__meta_filepath";

/// Identifies a state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Stamp {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) size: u64,
    /// Seconds and nanoseconds.
    pub(super) modified: (i64, i64),
    /// Seconds and nanoseconds.
    pub(super) changed: (i64, i64),
}

/// The disk as far as it is needed.
pub(super) trait Disk {
    /// Names in a folder.
    fn names(&self, folder: &str) -> io::Result<Vec<String>>;
    /// The state of a regular file, links followed.
    fn stamp(&self, path: &str) -> io::Result<Stamp>;
    /// Its content.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
}

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("{path}: {source}")]
    Groups { path: String, source: GroupError },
    #[error("more than {} files match", limits::SD_FILES_PER_PROVIDER)]
    TooManyFiles,
}

/// What a look at the files brought.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Whether [`Files::groups`] may be different now.
    pub(super) changed: bool,
    /// What could not be used; the last groups stay.
    pub(super) errors: Vec<FileError>,
    /// Files that were taken in, with their modification time in seconds.
    pub(super) read: Vec<(String, f64)>,
    /// Files that are gone.
    pub(super) gone: Vec<String>,
    /// When to look again without any event.
    pub(super) look_again: Mono,
}

#[derive(Debug, Default)]
struct Known {
    groups: Vec<TargetGroup>,
    /// The state that was read, well or badly.
    read: Option<Stamp>,
    /// Whether `groups` come from the file; a file that was never understood has none.
    understood: bool,
    /// Whether the last reading failed.
    broken: bool,
    /// A new state, and when it was first seen.
    candidate: Option<(Stamp, Mono)>,
    missing_since: Option<Mono>,
}

/// The files of one provider.
#[derive(Debug)]
pub(super) struct Files<D> {
    patterns: Vec<String>,
    disk: D,
    known: BTreeMap<String, Known>,
    /// Files that somebody is writing, and when something was last written.
    writers: BTreeMap<PathBuf, Mono>,
}

impl<D: Disk> Files<D> {
    pub(super) fn new(patterns: Vec<String>, disk: D) -> Files<D> {
        Files {
            patterns,
            disk,
            known: BTreeMap::new(),
            writers: BTreeMap::new(),
        }
    }

    /// The folders that the patterns look into.
    pub(super) fn folders(&self) -> impl Iterator<Item = &str> {
        let folders = self.patterns.iter().map(|pattern| glob::split(pattern).0);
        folders.map(|folder| if folder.is_empty() { "." } else { folder })
    }

    /// Somebody wrote to a file.
    pub(super) fn written(&mut self, now: Mono, path: &Path) {
        if self.writers.len() < limits::SD_FILES_PER_PROVIDER {
            self.writers.insert(plain(path).to_owned(), now);
        }
    }

    /// Somebody who wrote to a file closed it, or moved a file there.
    pub(super) fn closed(&mut self, path: &Path) {
        self.writers.remove(plain(path));
    }

    /// Events were lost: nothing is known of writers.
    pub(super) fn forget_writers(&mut self) {
        self.writers.clear();
    }

    /// All groups.
    pub(super) fn groups(&self) -> Vec<TargetGroup> {
        let groups = self.known.values().flat_map(|known| &known.groups);
        groups.cloned().collect()
    }

    /// Looks at the files. `everything` reads those again too that look unchanged.
    pub(super) fn turn(&mut self, now: Mono, everything: bool) -> Turn {
        let mut turn = Turn {
            look_again: Mono::NEVER,
            ..Turn::default()
        };
        self.writers
            .retain(|_, last| now.since(*last) < limits::SD_FILE_WRITER);
        let found = self.list(&mut turn);
        for path in &found {
            let mut known = self.known.remove(path).unwrap_or_default();
            self.look(now, path, everything, &mut known, &mut turn);
            self.known.insert(path.clone(), known);
        }
        self.forget_missing(now, &found, &mut turn);
        turn
    }

    /// The files that match. Of a folder that cannot be listed, those known before.
    fn list(&self, turn: &mut Turn) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for pattern in &self.patterns {
            if !glob::has_meta(pattern) {
                let missing = self
                    .disk
                    .stamp(pattern)
                    .is_err_and(|error| is_missing(&error));
                if !missing {
                    found.insert(pattern.clone());
                }
                continue;
            }
            let (folder, pattern) = glob::split(pattern);
            match self
                .disk
                .names(if folder.is_empty() { "." } else { folder })
            {
                Ok(names) => found.extend(
                    names
                        .iter()
                        .filter(|name| glob::matches(pattern, name))
                        .map(|name| join(folder, name)),
                ),
                Err(error) if is_missing(&error) => {}
                Err(source) => {
                    let known = self.known.keys();
                    let here = known.filter(|path| glob::split(path).0 == folder);
                    found.extend(here.cloned());
                    let path = folder.to_owned();
                    turn.errors.push(FileError::Io { path, source });
                }
            }
        }
        if found.len() > limits::SD_FILES_PER_PROVIDER {
            turn.errors.push(FileError::TooManyFiles);
            return self.known.keys().cloned().collect();
        }
        found
    }

    fn look(&self, now: Mono, path: &str, everything: bool, known: &mut Known, turn: &mut Turn) {
        known.missing_since = None;
        let stamp = match self.disk.stamp(path) {
            Ok(stamp) => stamp,
            Err(source) => {
                if known.read.take().is_some() || everything || !known.understood {
                    let path = path.to_owned();
                    turn.errors.push(FileError::Io { path, source });
                }
                return;
            }
        };
        if known.read == Some(stamp) && !everything {
            known.candidate = None;
            return;
        }
        if known.understood && known.read != Some(stamp) {
            let since = match known.candidate {
                Some((candidate, since)) if candidate == stamp => since,
                _ => now,
            };
            known.candidate = Some((stamp, since));
            // A file is emptied before it is written anew, and its writer may be held up there.
            let settles = match stamp.size {
                0 => limits::SD_FILE_GONE,
                _ => limits::SD_FILE_SETTLE,
            };
            let mut believed = since + settles;
            if let Some(last) = self.writers.get(plain(Path::new(path))) {
                believed = believed.max(*last + limits::SD_FILE_WRITER);
            }
            if now < believed {
                turn.look_again = turn.look_again.min(believed);
                return;
            }
        }
        let outcome = self.read(path);
        let after = self.disk.stamp(path).ok();
        if after != Some(stamp) {
            // It changed while it was read.
            turn.look_again = turn.look_again.min(now + limits::SD_FILE_SETTLE);
            if known.understood {
                known.candidate = after.map(|after| (after, now));
                return;
            }
        }
        known.take_in(path, stamp, outcome, turn);
    }

    fn read(&self, path: &str) -> Result<Vec<TargetGroup>, FileError> {
        let text = self.disk.read(path).map_err(|source| FileError::Io {
            path: path.to_owned(),
            source,
        })?;
        let json = path.to_ascii_lowercase().ends_with(".json");
        let groups = if json {
            group::list_from_json(&text)
        } else {
            group::list_from_yaml(&text)
        };
        let mut groups = groups.map_err(|source| FileError::Groups {
            path: path.to_owned(),
            source,
        })?;
        for (index, group) in groups.iter_mut().enumerate() {
            group.source = format!("{path}:{index}");
            let label = META_FILEPATH.to_owned();
            group.labels.insert(label, path.to_owned());
        }
        Ok(groups)
    }

    fn forget_missing(&mut self, now: Mono, found: &BTreeSet<String>, turn: &mut Turn) {
        self.known.retain(|path, known| {
            if found.contains(path) {
                return true;
            }
            let since = *known.missing_since.get_or_insert(now);
            let gone = since + limits::SD_FILE_GONE;
            if now < gone {
                turn.look_again = turn.look_again.min(gone);
                return true;
            }
            turn.changed = true;
            turn.gone.push(path.clone());
            false
        });
    }
}

impl Known {
    fn take_in(
        &mut self,
        path: &str,
        stamp: Stamp,
        outcome: Result<Vec<TargetGroup>, FileError>,
        turn: &mut Turn,
    ) {
        self.read = Some(stamp);
        self.candidate = None;
        let mended = std::mem::replace(&mut self.broken, outcome.is_err());
        match outcome {
            Ok(groups) => {
                turn.changed |= mended || !self.understood || self.groups != groups;
                turn.read.push((path.to_owned(), seconds(stamp.modified)));
                self.groups = groups;
                self.understood = true;
            }
            Err(error) => turn.errors.push(error),
        }
    }
}

/// The path without a leading `./`, which events have and patterns may have.
fn plain(path: &Path) -> &Path {
    path.strip_prefix("./").unwrap_or(path)
}

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        "/" => format!("/{name}"),
        folder => format!("{folder}/{name}"),
    }
}

fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

fn seconds((seconds, nanos): (i64, i64)) -> f64 {
    seconds as f64 + nanos as f64 / 1e9
}

/// The real disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            // A name that is no UTF-8 can match no pattern and be no label.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn stamp(&self, path: &str) -> io::Result<Stamp> {
        let metadata = fs::metadata(path)?;
        // Opening a pipe would hang, reading a device might never end.
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(Stamp::of(&metadata))
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let file = File::open(path)?;
        file.take(limits::SD_FILE_BYTES + 1)
            .read_to_end(&mut text)?;
        if text.len() as u64 > limits::SD_FILE_BYTES {
            let most = limits::SD_FILE_BYTES;
            return Err(io::Error::other(format!("larger than {most} bytes")));
        }
        Ok(text)
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests;
