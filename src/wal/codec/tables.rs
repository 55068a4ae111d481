//! Which definitions a segment has: the encoder's side.
//!
//! Found by address first, which costs nothing per label, then by contents: a family whose series
//! come and go gets its old definition back, which on exporters with expiring series is most of
//! what a log would write otherwise. A holder is kept as a `Weak`, which keeps the address taken but
//! not the contents, so that the log never keeps labels alive that nobody scrapes any more;
//! contents are kept as a [`Digest`].

use std::sync::{Arc, Weak};

use hashbrown::HashMap;

use super::digest::{Digest, Digestible, Seed};
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

/// Who holds a definition's contents now.
#[derive(Debug)]
struct Holder<T> {
    weak: Weak<T>,
    id: u32,
}

/// A definition in the segment.
#[derive(Debug)]
struct Definition {
    digest: Digest,
    copies: Copies,
    holders: u32,
}

/// Definitions of one kind in the segment being written.
#[derive(Debug)]
pub struct Table<T> {
    holders: HashMap<usize, Holder<T>>,
    definitions: HashMap<u32, Definition>,
    by_contents: HashMap<Digest, u32>,
    next: u32,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table {
            holders: HashMap::new(),
            definitions: HashMap::new(),
            by_contents: HashMap::new(),
            next: 0,
        }
    }
}

impl<T: Digestible> Table<T> {
    /// Number of definitions that readers keep, those without a holder included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.definitions.len()
    }

    /// The id of `holder`, if it has one.
    #[must_use]
    pub fn get(&self, holder: &Arc<T>) -> Option<u32> {
        let known = self.holders.get(&Arc::as_ptr(holder).addr())?;
        Some(known.id)
    }

    /// The id of `holder`, given now if need be, and whether to write its definition. `key` is
    /// what of its contents it does not hold itself.
    pub fn define(
        &mut self,
        seed: &Seed,
        holder: &Arc<T>,
        key: T::Key<'_>,
        place: Place,
        again: bool,
    ) -> (u32, bool) {
        let id = match self.get(holder) {
            Some(id) => id,
            None => self.hold(holder, holder.digest(seed, key)),
        };
        let known = self.definitions.get_mut(&id);
        (id, known.is_some_and(|own| own.copies.due(place, again)))
    }

    /// Notes a new holder of contents, known or not; returns their id.
    fn hold(&mut self, holder: &Arc<T>, digest: Digest) -> u32 {
        let next = &mut self.next;
        let id = *self.by_contents.entry(digest).or_insert_with(|| {
            *next += 1;
            *next - 1
        });
        let definition = self.definitions.entry(id).or_insert(Definition {
            digest,
            copies: Copies::default(),
            holders: 0,
        });
        definition.holders += 1;
        let weak = Arc::downgrade(holder);
        self.holders
            .insert(Arc::as_ptr(holder).addr(), Holder { weak, id });
        id
    }

    /// Lets go of holders that are gone, and of definitions that nobody holds any more; returns
    /// the ids of those in ascending order.
    pub fn sweep(&mut self) -> Vec<u32> {
        let dead = self
            .holders
            .extract_if(|_, holder| holder.weak.strong_count() == 0);
        for (_, holder) in dead {
            if let Some(definition) = self.definitions.get_mut(&holder.id) {
                definition.holders -= 1;
            }
        }
        let unheld = self
            .definitions
            .extract_if(|_, definition| definition.holders == 0);
        let mut ids = Vec::new();
        for (id, definition) in unheld {
            self.by_contents.remove(&definition.digest);
            ids.push(id);
        }
        ids.sort_unstable();
        ids
    }
}
