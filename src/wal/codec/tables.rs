//! Which definitions a segment has: the encoder's side.
//!
//! Entries are found by address. They hold a `Weak`, which keeps the address taken but not the
//! contents, so that the log never keeps labels alive that nobody scrapes any more.

use std::sync::{Arc, Weak};

use hashbrown::HashMap;

use crate::limits;

/// Where in a segment something is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Number of the frame.
    pub frame: u64,
    /// Bytes of the segment before the frame, roughly.
    pub offset: u64,
}

/// Where a definition was written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Copies {
    /// The first and the latest copy.
    places: Option<(Place, Place)>,
    /// Whether a copy stands far enough from the first.
    safe: bool,
}

impl Copies {
    /// Whether the definition must be written now; if so it counts as written. `again` asks for
    /// another copy unless there is one far from the first: one damaged place is harmless then.
    pub fn due(&mut self, place: Place, again: bool) -> bool {
        let Some((first, latest)) = self.places else {
            self.places = Some((place, place));
            return true;
        };
        let due = again && !self.safe && place.frame > latest.frame;
        if due {
            self.places = Some((first, place));
            self.safe = place.offset >= first.offset + limits::DEFINITION_COPY_DISTANCE;
        }
        due
    }
}

#[derive(Debug)]
struct Entry<T> {
    holder: Weak<T>,
    id: u32,
    copies: Copies,
}

/// Definitions of one kind in the segment being written.
#[derive(Debug)]
pub struct Table<T> {
    entries: HashMap<usize, Entry<T>>,
    next: u32,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table {
            entries: HashMap::new(),
            next: 0,
        }
    }
}

impl<T> Table<T> {
    /// Number of entries, dead ones included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// The id of `holder`, if it has one.
    #[must_use]
    pub fn get(&self, holder: &Arc<T>) -> Option<u32> {
        let entry = self.entries.get(&Arc::as_ptr(holder).addr())?;
        Some(entry.id)
    }

    /// The id of `holder`, given now if need be, and whether to write its definition.
    pub fn define(&mut self, holder: &Arc<T>, place: Place, again: bool) -> (u32, bool) {
        let next = &mut self.next;
        let entry = self.entries.entry(Arc::as_ptr(holder).addr());
        let entry = entry.or_insert_with(|| {
            let id = *next;
            *next += 1;
            Entry {
                holder: Arc::downgrade(holder),
                id,
                copies: Copies::default(),
            }
        });
        (entry.id, entry.copies.due(place, again))
    }

    /// Removes entries whose contents are gone; returns their ids in ascending order.
    pub fn sweep(&mut self) -> Vec<u32> {
        let dead = self
            .entries
            .extract_if(|_, entry| entry.holder.strong_count() == 0);
        let mut ids: Vec<u32> = dead.map(|(_, entry)| entry.id).collect();
        ids.sort_unstable();
        ids
    }
}
