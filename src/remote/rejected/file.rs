//! The file of one endpoint: lines are appended, and when it is full it becomes the one before.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::entry::Entry;
use crate::limits;
use crate::model::file_name;
use crate::model::sorting;
use crate::sys::fs::{Storage, StoredFile};

const SUFFIX: &str = ".jsonl";
/// What is added to the name of the file before.
const OLDER: &str = ".1";
const OLDER_EXTENSION: &str = "jsonl.1";

/// Takes lines of refused samples. Shared by the shards of an endpoint; the lock is held while a
/// few kilobytes go to the page cache, and only when something is refused.
#[derive(Debug)]
pub struct RejectedFile {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    path: PathBuf,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    file: Box<dyn StoredFile>,
    len: u64,
}

impl RejectedFile {
    /// The file of an endpoint. It is made when there is a line to write.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, dir: &Path, endpoint: &str) -> RejectedFile {
        let name = format!("{}{SUFFIX}", file_name::harmless(endpoint));
        RejectedFile {
            storage,
            path: dir.join(name),
            dir: dir.to_owned(),
            open: Mutex::new(None),
        }
    }

    /// Appends whole lines, at most as many as one file holds. Not durable when it returns.
    ///
    /// # Errors
    /// When the disk refuses; the lines are not kept then, and the next ones are tried anew.
    pub fn append(&self, lines: &[u8]) -> io::Result<()> {
        let mut slot = self.open.lock();
        let outcome = self.try_append(&mut slot, lines);
        if outcome.is_err() {
            // A part of a line may be there: found when the file is opened again.
            *slot = None;
        }
        outcome
    }

    fn try_append(&self, slot: &mut Option<Open>, lines: &[u8]) -> io::Result<()> {
        let mut open = match slot.take() {
            Some(open) => open,
            None => self.open()?,
        };
        if open.len > 0 && open.len + lines.len() as u64 > limits::REJECTED_FILE_BYTES {
            let older = self.path.with_extension(OLDER_EXTENSION);
            self.storage.rename(&self.path, &older)?;
            open = self.open()?;
        }
        open.file.write_at(open.len, lines)?;
        open.len += lines.len() as u64;
        *slot = Some(open);
        Ok(())
    }

    fn open(&self) -> io::Result<Open> {
        self.storage.create_dir(&self.dir)?;
        let file = match self.storage.create(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.storage.open(&self.path)?
            }
            other => other?,
        };
        let mut open = Open {
            len: file.len()?,
            file,
        };
        let mut last = [b'\n'];
        if open.len > 0 {
            open.file.read_exact_at(open.len - 1, &mut last)?;
        }
        if last != *b"\n" {
            // A torn line must not take the next one with it.
            open.file.write_at(open.len, b"\n")?;
            open.len += 1;
        }
        Ok(open)
    }
}

/// All entries in the files of a folder: by file, the oldest first. Lines that are torn or of
/// another version are left out.
///
/// # Errors
/// When the disk cannot be read. A folder that does not exist has no entries.
pub fn read(storage: &dyn Storage, dir: &Path) -> io::Result<Vec<Entry>> {
    let files = match storage.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other?,
    };
    let mut names: Vec<String> = files.into_iter().map(|file| file.name).collect();
    names.retain(|name| name.trim_end_matches(OLDER).ends_with(SUFFIX));
    // The older file of a pair first.
    sorting::sort_by_key(&mut names, |name| {
        let own = name.trim_end_matches(OLDER).to_owned();
        (own, !name.ends_with(OLDER))
    });
    let mut entries = Vec::new();
    for name in names {
        let file = storage.open(&dir.join(name))?;
        let len = file.len()?.min(2 * limits::REJECTED_FILE_BYTES);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        file.read_exact_at(0, &mut bytes)?;
        entries.extend(bytes.split(|byte| *byte == b'\n').filter_map(Entry::parse));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs_sim::{Fault, SimFs};
    use std::collections::BTreeMap;

    const DIR: &str = "/data/narthex/rejected";

    fn line(number: u64) -> Vec<u8> {
        let entry = Entry {
            time: "2023-11-14T22:13:20Z".to_owned(),
            remote_name: "a".to_owned(),
            job: "j".to_owned(),
            reason: "invalid".to_owned(),
            status: 400,
            answer: "x".repeat(200),
            labels: BTreeMap::new(),
            value: number.to_string(),
            timestamp_ms: 0,
        };
        let mut line = serde_json::to_vec(&entry).expect("JSON");
        line.push(b'\n');
        line
    }

    fn file(disk: &SimFs) -> RejectedFile {
        RejectedFile::new(Arc::new(disk.clone()), Path::new(DIR), "a")
    }

    fn numbers(disk: &SimFs) -> Vec<u64> {
        let entries = read(disk, Path::new(DIR)).expect("read");
        let numbers = entries.iter().map(|own| own.value.parse());
        numbers.collect::<Result<_, _>>().expect("numbers")
    }

    #[test]
    fn the_newest_lines_are_kept_within_the_bound() {
        let disk = SimFs::default();
        let rejected = file(&disk);
        for number in 0..3000 {
            rejected.append(&line(number)).expect("appended");
        }
        let files = disk.list(Path::new(DIR)).expect("listed");
        assert_eq!(files.len(), 2, "{files:?}");
        assert!(
            files
                .iter()
                .all(|own| own.len <= limits::REJECTED_FILE_BYTES)
        );
        let kept = numbers(&disk);
        assert!(kept.len() as u64 >= limits::REJECTED_FILE_BYTES / line(0).len() as u64);
        assert!(
            kept.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "{kept:?}"
        );
        assert_eq!(kept.last(), Some(&2999));
    }

    #[test]
    fn a_torn_line_costs_itself_alone() {
        let disk = SimFs::default();
        file(&disk).append(&line(1)).expect("appended");
        let whole = line(2);
        file(&disk)
            .append(&whole[..whole.len() / 2])
            .expect("appended");
        file(&disk).append(&line(3)).expect("appended");
        assert_eq!(numbers(&disk), [1, 3]);
    }

    #[test]
    fn a_full_disk_refuses_lines_and_takes_them_again_later() {
        let disk = SimFs::default();
        let rejected = file(&disk);
        rejected.append(&line(1)).expect("appended");
        disk.inject(disk.operations() + 1, Fault::Full);
        assert!(rejected.append(&line(2)).is_err());
        assert!(rejected.append(&line(3)).is_err());
        disk.heal();
        rejected.append(&line(4)).expect("appended");
        assert_eq!(numbers(&disk), [1, 4]);
    }

    #[test]
    fn any_failure_and_power_cut_leaves_whole_lines_in_order() {
        for at in 1..30 {
            for fault in [Fault::Once, Fault::Full, Fault::Halt] {
                let disk = SimFs::default();
                disk.inject(at, fault);
                let rejected = file(&disk);
                for number in 0..9 {
                    let _refused = rejected.append(&line(number));
                }
                disk.heal();
                let _any = numbers(&disk.crash(at));
                let kept = numbers(&disk);
                assert!(kept.windows(2).all(|pair| pair[0] < pair[1]), "{kept:?}");
                file(&disk).append(&line(9)).expect("appended");
                assert_eq!(numbers(&disk).last(), Some(&9));
            }
        }
    }
}
