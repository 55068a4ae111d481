//! The file of losses: two slots, written in turn, in place (`docs/log-format.md`, 9).

use std::io;
use std::path::{Path, PathBuf};

use crate::limits;
use crate::model::loss::Losses;
use crate::sys::fs::{self, Storage, StoredFile};

const MAGIC: &[u8; 4] = b"NTXL";
const VERSION: u16 = 1;
const HEAD_BYTES: usize = 16;
const CRC_BYTES: usize = 4;
const SLOT_BYTES: usize = limits::LOSS_SLOT_BYTES;
const BODY_BYTES_MAX: usize = SLOT_BYTES - HEAD_BYTES - CRC_BYTES;

/// The file in the folder of the log.
#[must_use]
pub fn path(log_dir: &Path) -> PathBuf {
    log_dir.join("losses")
}

fn encode(losses: &Losses, generation: u64) -> Vec<u8> {
    let body = losses.encode(BODY_BYTES_MAX);
    let mut out = Vec::with_capacity(SLOT_BYTES);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    // Bounded by the slot.
    out.extend_from_slice(&(body.len() as u16).to_le_bytes());
    out.extend_from_slice(&generation.to_le_bytes());
    out.extend_from_slice(&body);
    out.resize(SLOT_BYTES - CRC_BYTES, 0);
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn decode(slot: &[u8]) -> Option<(u64, Losses)> {
    let (sealed, crc) = slot.split_at_checked(SLOT_BYTES - CRC_BYTES)?;
    let sound = crc32c::crc32c(sealed).to_le_bytes() == *crc;
    let version = u16::from_le_bytes([slot[4], slot[5]]);
    let length = usize::from(u16::from_le_bytes([slot[6], slot[7]]));
    if !slot.starts_with(MAGIC) || !sound || version != VERSION {
        return None;
    }
    let generation = u64::from_le_bytes(slot[8..16].try_into().ok()?);
    let body = sealed.get(HEAD_BYTES..HEAD_BYTES + length)?;
    Some((generation, Losses::decode(body)?))
}

fn newest(file: &dyn StoredFile) -> Option<(u64, Losses)> {
    let mut best: Option<(u64, Losses)> = None;
    for slot in 0..2 {
        let mut bytes = vec![0; SLOT_BYTES];
        // A slot that cannot be read, or not whole, has no valid checksum.
        let _outcome = fs::read_patiently(file, slot * SLOT_BYTES as u64, &mut bytes);
        let newer =
            |(generation, _): &(u64, _)| best.as_ref().is_none_or(|(own, _)| own < generation);
        if let Some(found) = decode(&bytes).filter(newer) {
            best = Some(found);
        }
    }
    best
}

/// The books in a log's folder, for whoever looks at a log that may be in use. Empty if nothing
/// was ever lost; none if both copies are damaged.
///
/// # Errors
/// When the disk cannot be read.
pub fn read(storage: &dyn Storage, log_dir: &Path) -> io::Result<Option<Losses>> {
    match storage.open(&path(log_dir)) {
        Ok(file) => Ok(newest(&*file).map(|(_, losses)| losses)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(Losses::default())),
        Err(error) => Err(error),
    }
}

/// The file of a log that is in use by this process.
#[derive(Debug)]
pub struct LossFile {
    path: PathBuf,
    open: Option<(Box<dyn StoredFile>, u64)>,
    /// What it holds.
    stored: Losses,
}

impl LossFile {
    /// Reads the file if there is one. False if it was damaged or cannot be read: the books begin
    /// anew.
    ///
    /// # Errors
    /// When it cannot be opened for other reasons.
    pub fn open(storage: &dyn Storage, log_dir: &Path) -> io::Result<(LossFile, bool)> {
        let mut own = LossFile {
            path: path(log_dir),
            open: None,
            stored: Losses::default(),
        };
        let file = match storage.open(&own.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((own, true)),
            Err(error) if fs::is_unreadable(&error) => return Ok((own, false)),
            other => other?,
        };
        let found = newest(&*file);
        let sound = found.is_some();
        let (generation, stored) = found.unwrap_or_default();
        own.open = Some((file, generation));
        own.stored = stored;
        Ok((own, sound))
    }

    /// What it holds.
    #[must_use]
    pub fn stored(&self) -> &Losses {
        &self.stored
    }

    /// Writes the books into the other slot and syncs it, unless they are there already. Makes
    /// the file at the first loss.
    ///
    /// # Errors
    /// When the disk refuses; the older slot is untouched then.
    pub fn store(&mut self, storage: &dyn Storage, losses: &Losses) -> io::Result<()> {
        if *losses == self.stored {
            return Ok(());
        }
        let (file, generation) = match &mut self.open {
            Some(open) => open,
            None => {
                let file = match storage.create(&self.path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        storage.open(&self.path)?
                    }
                    other => other?,
                };
                if let Some(dir) = self.path.parent() {
                    storage.sync_dir(dir)?;
                }
                self.open.insert((file, 0))
            }
        };
        let next = *generation + 1;
        let offset = (next % 2) * SLOT_BYTES as u64;
        file.write_at(offset, &encode(losses, next))?;
        file.sync()?;
        *generation = next;
        self.stored = losses.clone();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::loss::{Loss, LossKey, LossReason};
    use crate::model::time::Wall;
    use crate::sys::fs_sim::{Fault, SimFs};

    const DIR: &str = "/data/narthex";

    fn losses(samples: u64) -> Losses {
        let mut losses = Losses::default();
        let key = LossKey {
            queue: "q".to_owned(),
            job: "j".to_owned(),
            reason: LossReason::Budget,
        };
        let loss = Loss {
            samples,
            first: Wall(5),
            last: Wall(9),
        };
        losses.add(key, loss);
        losses
    }

    #[test]
    fn a_power_cut_leaves_the_last_books_or_those_before() {
        for at in 1..14 {
            for seed in 0..8 {
                let disk = SimFs::default();
                disk.inject(at, Fault::Halt);
                let (mut file, sound) = LossFile::open(&disk, Path::new(DIR)).expect("opens");
                assert!(sound);
                let mut stored = 0;
                for samples in 1..6 {
                    if file.store(&disk, &losses(samples)).is_err() {
                        break;
                    }
                    stored = samples;
                }
                let disk = disk.crash(seed);
                let found = read(&disk, Path::new(DIR)).expect("readable");
                // A file of which nothing was ever synced may be there without a valid slot.
                let found = found.unwrap_or_default();
                assert!([losses(stored), losses(stored + 1)].contains(&found));
            }
        }
    }

    #[test]
    fn one_damaged_slot_gives_the_other_and_two_are_told() {
        let disk = SimFs::default();
        let (mut file, _) = LossFile::open(&disk, Path::new(DIR)).expect("opens");
        file.store(&disk, &losses(1)).expect("stored");
        let syncs = disk.syncs();
        file.store(&disk, &losses(1)).expect("nothing to do");
        assert_eq!(disk.syncs(), syncs);
        file.store(&disk, &losses(2)).expect("stored");
        let path = path(Path::new(DIR));
        assert!(disk.flip_bit(&path, 20, 1));
        let found = read(&disk, Path::new(DIR)).expect("readable");
        assert_eq!(found, Some(losses(1)));
        assert!(disk.flip_bit(&path, SLOT_BYTES + 20, 1));
        assert_eq!(read(&disk, Path::new(DIR)).expect("readable"), None);
        let (file, sound) = LossFile::open(&disk, Path::new(DIR)).expect("opens");
        assert!(!sound && file.stored().is_empty());
    }
}
