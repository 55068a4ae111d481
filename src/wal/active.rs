//! The segment being written: its file and how far it is.

use std::io;

use super::format::header::{HEADER_BYTES, SegmentHeader};
use super::log::Log;
use super::segment::{self, SegmentInfo};
use super::stage::{self, Place, Stage};
use crate::model::block::{EpochId, Sequence};
use crate::sys::fs::StoredFile;

/// A segment that frames are appended to. After an error it must not be used again.
#[derive(Debug)]
pub struct ActiveSegment {
    info: SegmentInfo,
    /// Up to here the file has it; what follows is on the stage.
    written: u64,
    identity: u32,
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
        let bytes = header.encode();
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
            written: HEADER_BYTES as u64,
            identity: stage::identity(&bytes),
            file,
            named: false,
        };
        match made.file.write_at(0, &bytes) {
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
        if self.written == HEADER_BYTES as u64 {
            let path = segment::path(&log.segments_dir, self.info.number);
            // What cannot be removed is found at the next start.
            let _kept = log.storage.remove(&path);
        } else {
            // Readers find the torn frame and pass over it if it cannot be cut off.
            let _kept = self.file.set_len(self.written);
        }
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.info.number
    }

    /// Where the next frame belongs.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.info.end
    }

    /// What the catalog is told of it: readers find nothing behind what the file has.
    #[must_use]
    pub fn info(&self) -> SegmentInfo {
        SegmentInfo {
            end: self.written,
            ..self.info
        }
    }

    /// Appends a whole frame to the file, behind everything before.
    ///
    /// # Errors
    /// When the disk refuses; a part of the frame may have been written.
    pub fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        self.file.write_at(self.info.end, frame)?;
        self.grow(frame);
        self.written = self.info.end;
        Ok(())
    }

    /// Puts a whole frame on the stage.
    ///
    /// # Errors
    /// When the stage refuses; a part of the frame may have been written to it.
    pub fn put_on(&mut self, stage: &mut Stage, frame: &[u8]) -> io::Result<()> {
        let place = Place {
            segment: self.info.number,
            identity: self.identity,
            base: self.written,
        };
        stage.append(place, frame)?;
        self.grow(frame);
        Ok(())
    }

    fn grow(&mut self, frame: &[u8]) {
        self.info.end += frame.len() as u64;
        self.info.bytes = self.info.end;
    }

    /// Takes what is on the stage into the file.
    ///
    /// # Errors
    /// When the disk refuses; a part may have been written.
    pub fn take_from(&mut self, stage: &mut Stage) -> io::Result<()> {
        stage.copy_to(&*self.file, self.written)?;
        self.written = self.info.end;
        stage.reset();
        Ok(())
    }

    /// Makes everything in the file durable, its name included.
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
