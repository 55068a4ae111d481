//! The stage: frames that the disk does not have yet, in a file system in memory.
//!
//! A write to a file on disk costs flash a dozen kilobytes of journal, however small it is. What is
//! on the stage costs nothing, and is still there when the process is killed; a loss of power takes
//! it. So frames stand here for as long as the queues deliver what is in them, and go to their
//! segment when something in them is not delivered in time. Byte by byte: `docs/log-format.md`, 11.
//!
//! Used by the log's thread alone. The folder belongs to one log.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::header::HEADER_BYTES as SEGMENT_HEADER_BYTES;
use super::frames::{Frames, Step};
use super::positions::{self, PositionFile};
use super::queues::POSITION_SUFFIX;
use super::segment;
use crate::limits;
use crate::sys::fs::{Storage, StoredFile};

/// Bytes before the first frame.
pub const HEADER_BYTES: usize = 32;
const MAGIC: &[u8; 4] = b"NTXT";
const VERSION: u16 = 1;
/// Bytes copied at once.
const COPY_BYTES: usize = 64 << 10;

/// Which part of which segment the frames are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the segment.
    pub segment: u64,
    /// [`identity`] of the segment.
    pub identity: u32,
    /// Where in it the first frame belongs.
    pub base: u64,
}

impl Place {
    fn encode(self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..4].copy_from_slice(MAGIC);
        out[4..6].copy_from_slice(&VERSION.to_le_bytes());
        out[8..16].copy_from_slice(&self.segment.to_le_bytes());
        out[16..24].copy_from_slice(&self.base.to_le_bytes());
        out[24..28].copy_from_slice(&self.identity.to_le_bytes());
        let crc = crc32c::crc32c(&out[..HEADER_BYTES - 4]);
        out[HEADER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Place> {
        let (body, crc) = bytes.split_at(HEADER_BYTES - 4);
        let sound = crc32c::crc32c(body).to_le_bytes() == *crc;
        let version = u16::from_le_bytes([bytes[4], bytes[5]]);
        let (words, rest) = bytes[8..28].as_chunks();
        let identity = rest.try_into().map(u32::from_le_bytes).ok()?;
        let known = sound && bytes.starts_with(MAGIC) && version == VERSION;
        known.then(|| Place {
            segment: u64::from_le_bytes(words[0]),
            base: u64::from_le_bytes(words[1]),
            identity,
        })
    }
}

/// What tells a segment from another log's of the same number: a checksum of its header, which has
/// the time when it was made.
#[must_use]
pub fn identity(header: &[u8; SEGMENT_HEADER_BYTES]) -> u32 {
    // Without its own checksum: with that, every header has the same one.
    crc32c::crc32c(&header[..SEGMENT_HEADER_BYTES - 4])
}

fn tail_path(dir: &Path) -> PathBuf {
    dir.join("tail")
}

/// The stage of a running log.
#[derive(Debug)]
pub struct Stage {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    file: Box<dyn StoredFile>,
    /// Bytes of frames on it.
    len: u64,
}

impl Stage {
    /// Makes an empty stage in a folder. What a process left there must have been put back before.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn create(storage: Arc<dyn Storage>, dir: &Path) -> io::Result<Stage> {
        storage.create_dir(dir)?;
        clear(&*storage, dir)?;
        let file = storage.create(&tail_path(dir))?;
        let dir = dir.to_owned();
        Ok(Stage {
            storage,
            dir,
            file,
            len: 0,
        })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bytes of frames on the stage.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.len
    }

    /// Whether its frames should go to their segment.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len >= limits::LOG_STAGE_BYTES
    }

    /// Adds a frame, behind those that are there; the first one belongs to `place`.
    ///
    /// # Errors
    /// When the file system refuses; a part of the frame may have been written.
    pub fn append(&mut self, place: Place, frame: &[u8]) -> io::Result<()> {
        if self.len == 0 {
            // Old frames go before the header that would make them others.
            self.file.set_len(0)?;
            self.file.write_at(0, &place.encode())?;
        }
        self.file.write_at(HEADER_BYTES as u64 + self.len, frame)?;
        self.len += frame.len() as u64;
        Ok(())
    }

    /// Copies what is on the stage to its segment, where `base` is its place. It stays on the stage until the next frame comes,
    /// so that a process that dies in between loses nothing.
    ///
    /// # Errors
    /// When one of both file systems refuses; a part may have been copied.
    pub fn copy_to(&self, segment: &dyn StoredFile, base: u64) -> io::Result<()> {
        copy(&*self.file, self.len, segment, base)
    }

    /// Counts what is on it as copied, or as given up.
    pub fn reset(&mut self) {
        self.len = 0;
    }

    /// Removes the files, at the end of a run that needs nothing of them any more.
    pub fn clear(&self) {
        // What stays is put back at the next start, which changes nothing then.
        let _kept = clear(&*self.storage, &self.dir);
    }
}

/// Copies `len` bytes of frames.
fn copy(stage: &dyn StoredFile, len: u64, segment: &dyn StoredFile, base: u64) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES.min(usize::try_from(len).unwrap_or(COPY_BYTES))];
    let mut done = 0;
    while done < len {
        let part = (len - done).min(buffer.len() as u64) as usize;
        stage.read_exact_at(HEADER_BYTES as u64 + done, &mut buffer[..part])?;
        segment.write_at(base + done, &buffer[..part])?;
        done += part as u64;
    }
    Ok(())
}

fn clear(storage: &dyn Storage, dir: &Path) -> io::Result<()> {
    for entry in storage.list(dir)? {
        let path = dir.join(&entry.name);
        if path == tail_path(dir) || entry.name.ends_with(POSITION_SUFFIX) {
            storage.remove(&path)?;
        }
    }
    Ok(())
}

/// Puts back what a process left on the stage when it was killed: its frames to their segment, then
/// the positions, which name nothing that is not there. Returns the bytes of frames. To be called
/// before the log is looked at; calling it again changes nothing.
///
/// What is no continuation of the newest segment is left alone: the log went on without it, or
/// another log stands there.
///
/// # Errors
/// When one of both file systems refuses. The stage is unchanged then.
pub fn put_back(
    storage: &dyn Storage,
    dir: &Path,
    segments_dir: &Path,
    positions_dir: &Path,
) -> io::Result<u64> {
    let file = match storage.open(&tail_path(dir)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut header = [0; HEADER_BYTES];
    let read = file.read_exact_at(0, &mut header);
    let place = read.ok().and_then(|()| Place::decode(&header));
    let files = storage.list(segments_dir)?;
    let newest = files
        .iter()
        .filter_map(|file| Some((segment::parse_name(&file.name)?, file.len)))
        .max();
    let (Some(place), Some((number, len))) = (place, newest) else {
        return Ok(0);
    };
    if number != place.segment || len < place.base {
        return Ok(0);
    }
    let target = storage.open(&segment::path(segments_dir, number))?;
    let mut header = [0; SEGMENT_HEADER_BYTES];
    target.read_exact_at(0, &mut header)?;
    if identity(&header) != place.identity {
        return Ok(0);
    }
    let whole = whole_frames(storage.open(&tail_path(dir))?, number)?;
    if whole > 0 {
        copy(&*file, whole, &*target, place.base)?;
        target.sync()?;
        storage.sync_dir(segments_dir)?;
    }
    put_positions_back(storage, dir, positions_dir)?;
    Ok(whole)
}

/// Bytes of the frames before the first that is torn.
fn whole_frames(file: Box<dyn StoredFile>, number: u64) -> io::Result<u64> {
    let end = file.len()?;
    let mut frames = Frames::new(file, number);
    frames.go_to(HEADER_BYTES as u64);
    let mut whole = 0;
    while let Step::Frame(_) = frames.step(end)? {
        whole = frames.offset() - HEADER_BYTES as u64;
    }
    Ok(whole)
}

fn put_positions_back(storage: &dyn Storage, dir: &Path, positions_dir: &Path) -> io::Result<()> {
    for entry in storage.list(dir)? {
        if !entry.name.ends_with(POSITION_SUFFIX) {
            continue;
        }
        let staged = storage.open(&dir.join(&entry.name))?;
        let Some((_, position)) = positions::newest(positions::read_slots(&*staged)) else {
            continue;
        };
        let path = positions_dir.join(&entry.name);
        let (mut file, known) = match PositionFile::open(storage, &path) {
            // A queue whose position was removed meanwhile is not brought back.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        // Both are true, and neither is always the newer one.
        let mut joined = known.clone().unwrap_or_default();
        joined.join(&position);
        if known.as_ref() != Some(&joined) {
            file.store(&joined)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_no_other_bytes_are_one() {
        let place = Place {
            segment: 7,
            base: 4711,
            identity: 0xdead_beef,
        };
        let bytes = place.encode();
        assert_eq!(Place::decode(&bytes), Some(place));
        for bit in 0..8 * HEADER_BYTES {
            let mut wrong = bytes;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Place::decode(&wrong), None, "bit {bit}");
        }
    }
}
