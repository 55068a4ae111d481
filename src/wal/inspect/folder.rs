//! The files of a log, found from the path that a user gives.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::queues::{self, QueueFile};
use crate::model::block::Sequence;
use crate::model::timeline::Timeline;
use crate::sys::fs::{Entry, Storage};
use crate::wal::error::OpenError;
use crate::wal::format::header::{HEADER_BYTES, HeaderError, SegmentHeader};
use crate::wal::frames::Frames;
use crate::wal::recover;
use crate::wal::segment;

/// Why a log cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is none.
    #[error(
        "no log in {}: give the folder that --storage.agent.path names, its narthex folder, or a \
         folder of segments (*.seg)",
        dir.display()
    )]
    NoLog {
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// A newer program wrote it, or the disk refuses.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// A segment file as it was found.
#[derive(Clone, Debug)]
pub struct SegmentFile {
    /// Its number, from the name.
    pub number: u64,
    /// Its name without the folder.
    pub name: String,
    /// Its length, in bytes.
    pub len: u64,
    /// What its header says; damaged also if the header names another number than the file.
    pub header: Result<SegmentHeader, HeaderError>,
    /// No block in it has a lower number: from the header, else from the first valid frame. None
    /// if it has neither: it holds nothing.
    pub first: Option<Sequence>,
    /// Whether the place of the header holds nothing but zeros, or ends early: made just before a
    /// crash.
    pub blank: bool,
}

/// The files of a log.
#[derive(Debug)]
pub struct Folder {
    storage: Arc<dyn Storage>,
    /// Where the segments are.
    pub segments_dir: PathBuf,
    /// The segments by number, as they were found.
    pub segments: Vec<SegmentFile>,
    /// The positions, read before the segments were listed.
    pub queues: Vec<QueueFile>,
}

impl Folder {
    /// Finds the log in `dir`: the storage folder of an agent, the `narthex` folder in it, or a
    /// folder of segments.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open(storage: Arc<dyn Storage>, dir: &Path) -> Result<Folder, FolderError> {
        let (segments_dir, positions_dir) = locate(&*storage, dir)?;
        let io = |path: &Path, source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        // Positions first: what they name is in the segments by then.
        let queues = match storage.list(&positions_dir) {
            Ok(entries) => queues::read(&*storage, &positions_dir, entries),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let queues = queues.map_err(|source| io(&positions_dir, source))?;
        let entries = storage.list(&segments_dir);
        let mut segments = Vec::new();
        for entry in entries.map_err(|source| io(&segments_dir, source))? {
            segments.extend(look(&*storage, &segments_dir, entry)?);
        }
        Ok(Folder {
            storage,
            segments_dir,
            segments,
            queues,
        })
    }

    /// Opens a segment's frames. None if it was deleted meanwhile.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn frames(&self, segment: &SegmentFile) -> io::Result<Option<Frames>> {
        let path = segment::path(&self.segments_dir, segment.number);
        match self.storage.open_to_read(&path) {
            Ok(file) => Ok(Some(Frames::new(file, segment.number))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The blocks of a segment end before this number: the first of the next segment.
    #[must_use]
    pub fn stop(&self, index: usize) -> Option<Sequence> {
        let later = self.segments.get(index + 1..).unwrap_or_default();
        later.iter().find_map(|segment| segment.first)
    }

    /// All epochs that blocks refer to. A segment begins with all of them, so the newest one has
    /// them unless it is damaged.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        let mut timeline = Timeline::default();
        for segment in self.segments.iter().rev() {
            // What cannot be read leaves times unknown; the scan reports the damage.
            let Ok(Some(frames)) = self.frames(segment) else {
                continue;
            };
            let end = frames.file_len().unwrap_or(segment.len);
            let walk = recover::walk(frames, end);
            for epoch in walk.timeline.iter() {
                if timeline.get(epoch.id).is_none() {
                    timeline.insert(*epoch);
                }
            }
            if walk.epochs_whole {
                break;
            }
        }
        timeline
    }
}

/// The folders of segments and of positions.
fn locate(storage: &dyn Storage, dir: &Path) -> Result<(PathBuf, PathBuf), FolderError> {
    for inner in [dir.join("narthex"), dir.to_owned()] {
        let (segments, positions) = (inner.join("segments"), inner.join("positions"));
        if storage.list(&segments).is_ok() {
            return Ok((segments, positions));
        }
    }
    let entries = storage.list(dir).map_err(|source| OpenError::Io {
        path: dir.to_owned(),
        source,
    })?;
    let is_segment = |entry: &Entry| segment::parse_name(&entry.name).is_some();
    if entries.iter().any(is_segment) {
        return Ok((dir.to_owned(), dir.join("..").join("positions")));
    }
    Err(FolderError::NoLog {
        dir: dir.to_owned(),
    })
}

/// What the header of a segment says. None if the file is none, or was deleted meanwhile.
fn look(storage: &dyn Storage, dir: &Path, entry: Entry) -> Result<Option<SegmentFile>, OpenError> {
    let Some(number) = segment::parse_name(&entry.name) else {
        return Ok(None);
    };
    let path = segment::path(dir, number);
    let io = |source| OpenError::Io {
        path: path.clone(),
        source,
    };
    let file = match storage.open_to_read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io)?,
    };
    let mut bytes = [0; HEADER_BYTES];
    let mut blank = entry.len < HEADER_BYTES as u64;
    match file.read_exact_at(0, &mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => blank = true,
        other => other.map_err(io)?,
    }
    blank |= bytes.iter().all(|byte| *byte == 0);
    let mut header = SegmentHeader::decode(&bytes);
    if let Err(HeaderError::Version(version)) = header {
        return Err(OpenError::Version { path, version });
    }
    if header.is_ok_and(|header| header.number != number) {
        header = Err(HeaderError::Damaged);
    }
    let first = match header {
        Ok(header) => Some(header.first),
        Err(_) => recover::walk(Frames::new(file, number), entry.len).first,
    };
    Ok(Some(SegmentFile {
        number,
        name: entry.name,
        len: entry.len,
        header,
        first,
        blank,
    }))
}
