//! The position files of a log, read without changing them.

use std::io;
use std::path::Path;

use crate::limits;
use crate::model::block::Sequence;
use crate::sys::fs::{Entry, Storage};
use crate::wal::positions::{self, Position, SLOT_BYTES, Slot};
use crate::wal::queues::POSITION_SUFFIX;

/// A queue's position as it was found.
#[derive(Clone, Debug)]
pub struct QueueFile {
    /// The queue's name, or the readable part of it and a hash: the file's name without its end.
    pub name: String,
    /// The file's name.
    pub file: String,
    /// The position that counts and its generation; none if no slot is valid.
    pub position: Option<(u64, Position)>,
    /// Where the damaged slots begin in the file, in bytes.
    pub damaged_slots: Vec<u64>,
}

impl QueueFile {
    /// The highest sequence number that the position names.
    #[must_use]
    pub fn highest(&self) -> Option<Sequence> {
        let (_, position) = self.position.as_ref()?;
        let settled = &position.settled;
        let last = settled.ranges().last().map(|(_, last)| *last);
        Some(last.unwrap_or(settled.floor()))
    }

    /// Whether the queue is done with that block.
    #[must_use]
    pub fn has_settled(&self, sequence: Sequence) -> bool {
        let position = self.position.as_ref();
        position.is_some_and(|(_, position)| position.settled.contains(sequence))
    }
}

/// Reads the position files among `entries`.
///
/// # Errors
/// When the disk cannot be read.
pub fn read(storage: &dyn Storage, dir: &Path, entries: Vec<Entry>) -> io::Result<Vec<QueueFile>> {
    let mut queues = Vec::new();
    for entry in entries {
        let Some(name) = entry.name.strip_suffix(POSITION_SUFFIX) else {
            continue;
        };
        let file = match storage.open_to_read(&dir.join(&entry.name)) {
            // Removed meanwhile: its queue is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        let mut slots = positions::read_slots(&*file);
        // A live agent may have been in the middle of writing it.
        for _ in 1..limits::LOG_READ_ATTEMPTS {
            if !slots.contains(&Slot::Damaged) {
                break;
            }
            slots = positions::read_slots(&*file);
        }
        let damaged = slots.iter().enumerate();
        let damaged = damaged.filter(|(_, slot)| **slot == Slot::Damaged);
        queues.push(QueueFile {
            name: name.to_owned(),
            damaged_slots: damaged
                .map(|(index, _)| (index * SLOT_BYTES) as u64)
                .collect(),
            position: positions::newest(slots),
            file: entry.name,
        });
    }
    Ok(queues)
}
