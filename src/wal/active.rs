//! The segment being written: its file and how far it is.

use std::io;

use super::format::header::{HEADER_BYTES, SegmentHeader};
use super::log::Log;
use super::segment::{self, SegmentInfo};
use crate::model::block::{EpochId, Sequence};
use crate::sys::fs::StoredFile;

/// A segment that frames are appended to. After an error it must not be used again.
#[derive(Debug)]
pub struct ActiveSegment {
    info: SegmentInfo,
    file: Box<dyn StoredFile>,
    /// Whether its name is durable.
    named: bool,
}

impl ActiveSegment {
    /// Makes the file and writes its header.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn create(
        log: &Log,
        number: u64,
        first: Sequence,
        epoch: EpochId,
    ) -> io::Result<ActiveSegment> {
        let header = SegmentHeader {
            number,
            first,
            created: log.clock.wall(),
            epoch,
        };
        let path = segment::path(&log.segments_dir, number);
        let file = match log.storage.create(&path) {
            // Another disk stands at this path, and it is empty.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                log.storage.create_dir(&log.segments_dir)?;
                log.storage.create(&path)?
            }
            other => other?,
        };
        let made = ActiveSegment {
            info: SegmentInfo {
                number,
                first,
                end: HEADER_BYTES as u64,
                bytes: HEADER_BYTES as u64,
                epoch,
                created: header.created,
            },
            file,
            named: false,
        };
        match made.file.write_at(0, &header.encode()) {
            Ok(()) => Ok(made),
            Err(error) => {
                made.abandon(log);
                Err(error)
            }
        }
    }

    /// Cleans up after an error: removes the file if it holds no frame, else what was written of
    /// one. Otherwise every try on a full disk would leave something behind.
    pub fn abandon(self, log: &Log) {
        if self.info.end == HEADER_BYTES as u64 {
            let path = segment::path(&log.segments_dir, self.info.number);
            // What cannot be removed is found at the next start.
            let _kept = log.storage.remove(&path);
        } else {
            // Readers find the torn frame and pass over it if it cannot be cut off.
            let _kept = self.file.set_len(self.info.end);
        }
    }

    /// What the catalog is told of it.
    #[must_use]
    pub fn info(&self) -> SegmentInfo {
        self.info
    }

    /// Appends a whole frame.
    ///
    /// # Errors
    /// When the disk refuses; a part of the frame may have been written.
    pub fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        self.file.write_at(self.info.end, frame)?;
        self.info.end += frame.len() as u64;
        self.info.bytes = self.info.end;
        Ok(())
    }

    /// Makes everything in it durable, its name included.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&mut self, log: &Log) -> io::Result<()> {
        self.file.sync()?;
        if !self.named {
            log.storage.sync_dir(&log.segments_dir)?;
            self.named = true;
        }
        Ok(())
    }
}
