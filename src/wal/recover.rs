//! Opens a log after whatever happened: what is there, and which numbers come next.
//!
//! Reads the headers of all segments and the newest segment whole; older ones only if the newest
//! lost its epochs, or if an epoch in them was never frozen. Changes nothing but the removal of segment
//! files that hold no frame. Running it again gives the same answer. A place that the disk cannot read
//! is damage, not a reason not to start.

use std::io;
use std::path::Path;

use super::codec::decoder::{self, Decoder};
use super::error::OpenError;
use super::format::header::{HEADER_BYTES, HeaderError, SegmentHeader};
use super::frames::{Frames, Step};
use super::segment::{self, Catalog, SegmentInfo};
use crate::model::block::{EpochId, Sequence};
use crate::model::time::Wall;
use crate::model::timeline::Timeline;
use crate::sys::fs::{self, Entry, Storage};

/// What a log was found to hold.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The segments.
    pub catalog: Catalog,
    /// The last sequence number that anything in the log names.
    pub last: Sequence,
    /// Number of the next segment.
    pub next_segment: u64,
    /// The epochs.
    pub timeline: Timeline,
    /// Epoch and offset of the latest scrape in the newest segment.
    pub latest: Option<(EpochId, i64)>,
    /// Epochs that were never frozen, because their process ended before its clock was right, and
    /// the offset of their latest scrape; oldest first.
    pub open_epochs: Vec<(EpochId, i64)>,
    /// Damaged places in the newest segment, and segments of which nothing can be read.
    pub damaged: u64,
    /// Bytes at the end of the newest segment that hold no frame: a torn write.
    pub torn_bytes: u64,
}

/// What a walk through a segment found.
#[derive(Debug, Default)]
pub struct Walk {
    /// First sequence number of the first valid frame.
    pub first: Option<Sequence>,
    /// The last sequence number that a valid frame header names.
    pub last: Sequence,
    /// Whether the frame that repeats all epochs was readable.
    pub epochs_whole: bool,
    /// The epochs in it.
    pub timeline: Timeline,
    /// Epoch and offset of the latest scrape in its last frame.
    pub latest: Option<(EpochId, i64)>,
    /// End of the last valid frame.
    pub end: u64,
    /// Damaged places before that.
    pub damaged: u64,
    /// Whether the disk could not read some of it.
    pub unread: bool,
}

/// Looks through the folder of segments.
///
/// # Errors
/// When the disk cannot be read, or a newer program wrote here.
pub fn recover(storage: &dyn Storage, dir: &Path) -> Result<Recovered, OpenError> {
    let io = |source| OpenError::Io {
        path: dir.to_owned(),
        source,
    };
    let mut found = Recovered::default();
    for entry in storage.list(dir).map_err(io)? {
        let Some(number) = segment::parse_name(&entry.name) else {
            continue;
        };
        found.next_segment = found.next_segment.max(number);
        match look(storage, dir, number, &entry)? {
            Look::Segment(info) => {
                found.last = found.last.max(Sequence(info.first.0.saturating_sub(1)));
                found.catalog.put(info);
            }
            Look::Nothing => {}
            Look::Unread => found.damaged += 1,
        }
    }
    found.next_segment += 1;
    read_newest(storage, dir, &mut found).map_err(io)?;
    find_open_epochs(storage, dir, &mut found).map_err(io)?;
    let oldest = found.catalog.segments.first().map(|own| own.first);
    let trimmed = oldest.map_or(found.last.0, |first| first.0.saturating_sub(1));
    found.catalog.trimmed = Sequence(trimmed);
    Ok(found)
}

/// What a file turns out to be.
enum Look {
    Segment(SegmentInfo),
    /// It held nothing, and is removed.
    Nothing,
    /// The disk cannot read it: it is left alone, because by the next start it may.
    Unread,
}

/// What one segment's header says.
fn look(storage: &dyn Storage, dir: &Path, number: u64, entry: &Entry) -> Result<Look, OpenError> {
    let path = segment::path(dir, number);
    let io = |source| OpenError::Io {
        path: path.clone(),
        source,
    };
    let file = match storage.open(&path) {
        Err(error) if fs::is_unreadable(&error) => return Ok(Look::Unread),
        other => other.map_err(io)?,
    };
    let mut bytes = [0; HEADER_BYTES];
    let read = fs::read_patiently(&*file, 0, &mut bytes);
    let unread = read.is_err_and(|error| error.kind() != io::ErrorKind::UnexpectedEof);
    let (first, epoch, created) = match SegmentHeader::decode(&bytes) {
        Ok(header) if header.number == number => (header.first, header.epoch, header.created),
        Err(HeaderError::Version(version)) => return Err(OpenError::Version { path, version }),
        _ => {
            let walk = walk(Frames::new(file, number), entry.len);
            match walk.first {
                Some(first) => (first, EpochId(0), Wall(0)),
                None if unread || walk.unread => return Ok(Look::Unread),
                None => {
                    // Made just before a crash, or of no use to anyone.
                    storage.remove(&path).map_err(io)?;
                    return Ok(Look::Nothing);
                }
            }
        }
    };
    Ok(Look::Segment(SegmentInfo {
        number,
        first,
        end: entry.len,
        bytes: entry.len,
        epoch,
        created,
    }))
}

/// Walks the newest segment, and older ones until one has its epochs.
fn read_newest(storage: &dyn Storage, dir: &Path, found: &mut Recovered) -> io::Result<()> {
    let count = found.catalog.segments.len();
    for index in (0..count).rev() {
        let info = &mut found.catalog.segments[index];
        let file = storage.open(&segment::path(dir, info.number))?;
        let walk = walk(Frames::new(file, info.number), info.end);
        if index + 1 == count {
            found.last = found.last.max(walk.last);
            found.damaged += walk.damaged;
            found.latest = walk.latest;
            found.torn_bytes = info.end.saturating_sub(walk.end);
            if walk.unread {
                let unseen = unseen(&walk, found.torn_bytes);
                found.last = found.last.max(Sequence(walk.last.0 + unseen));
            }
            info.end = walk.end;
        }
        for epoch in walk.timeline.iter() {
            if found.timeline.get(epoch.id).is_none() {
                found.timeline.insert(*epoch);
            }
        }
        if walk.epochs_whole {
            break;
        }
    }
    Ok(())
}

/// How many numbers may stand in so many bytes at the end that the disk cannot read, by those before:
/// they must not come again, or what was lost there is in no book.
fn unseen(walk: &Walk, bytes: u64) -> u64 {
    let first = walk.first.unwrap_or(walk.last);
    let numbers = walk.last.0.saturating_sub(first.0) as f64;
    let each = numbers / walk.end as f64;
    // Even bytes that mean nothing name no more numbers than there are bytes.
    ((each * bytes as f64) as u64).min(bytes)
}

/// Looks how long the epochs lasted that were never frozen: in the segments that were begun in them.
fn find_open_epochs(storage: &dyn Storage, dir: &Path, found: &mut Recovered) -> io::Result<()> {
    let open: Vec<EpochId> = found
        .timeline
        .iter()
        .filter(|epoch| !epoch.frozen)
        .map(|epoch| epoch.id)
        .collect();
    for id in open {
        let mut lasted = found.latest.filter(|(own, _)| *own == id);
        let segments = &found.catalog.segments;
        for info in segments.iter().rev().filter(|info| info.epoch == id) {
            if lasted.is_some() {
                break;
            }
            let file = storage.open(&segment::path(dir, info.number))?;
            lasted = walk(Frames::new(file, info.number), info.end).latest;
        }
        let offset = lasted.filter(|(own, _)| *own == id);
        found
            .open_epochs
            .push((id, offset.map_or(0, |(_, offset)| offset)));
    }
    Ok(())
}

/// Walks through a segment up to `end`.
#[must_use]
pub fn walk(mut frames: Frames, end: u64) -> Walk {
    let mut walk = Walk {
        end: HEADER_BYTES as u64,
        ..Walk::default()
    };
    let mut pending_damage = 0;
    let mut last_blocks = None;
    loop {
        let at = frames.offset();
        match frames.step_over(end) {
            Step::Frame(header) => {
                walk.first = walk.first.or(Some(header.first));
                walk.last = walk.last.max(header.last());
                walk.damaged += std::mem::take(&mut pending_damage);
                walk.end = frames.offset();
                if header.span > 0 {
                    last_blocks = Some(at);
                }
                if header.epochs
                    && let Some(body) = frames.body(&header)
                {
                    walk.epochs_whole |= at == HEADER_BYTES as u64;
                    for epoch in Decoder::default().frame(header.first, &body).epochs {
                        walk.timeline.insert(epoch);
                    }
                }
            }
            Step::Damage(header) => {
                // What a whole header names was given out, even if its body is lost.
                let last = header.map_or(Sequence::ZERO, |header| header.last());
                walk.last = walk.last.max(last);
                pending_damage += 1;
            }
            Step::End => break,
        }
    }
    if let Some(at) = last_blocks {
        frames.go_to(at);
        if let Step::Frame(header) = frames.step_over(end)
            && let Some(body) = frames.body(&header)
        {
            walk.latest = decoder::latest(header.first, &body);
        }
    }
    walk.unread = frames.given_up() > 0;
    walk
}
