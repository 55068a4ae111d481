//! Which definitions a segment has: the encoder's side.
//!
//! Found by address first, which costs nothing per label, then by contents: a family whose series
//! come and go gets its old definition back, which on exporters with expiring series is most of
//! what a log would write otherwise. The latest holder is kept as a `Weak`, which keeps the address taken but
//! not the contents, so that the log never keeps labels alive that nobody scrapes any more;
//! contents are kept as a [`Digest`]. A definition costs about forty bytes here.

use std::hash::BuildHasher;
use std::sync::{Arc, Weak};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

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

/// Offsets are remembered in units of so many bytes.
const UNIT: u64 = 1024;

/// Definitions for which a table makes room at least.
const ROOM_MIN: usize = 16;

/// Not written yet.
const NOWHERE: u16 = u16::MAX;

/// The frame of copies of which one stands far enough from the first.
const SAFE: u16 = u16::MAX;

/// Where a definition was written. Two bytes each: with more a definition would take eight more.
#[derive(Clone, Copy, Debug)]
pub struct Copies {
    /// Where the first copy's frame begins, in [`UNIT`]s, rounded up.
    first: u16,
    /// Frame of the latest copy, or [`SAFE`].
    latest: u16,
}

impl Default for Copies {
    fn default() -> Copies {
        Copies {
            first: NOWHERE,
            latest: 0,
        }
    }
}

fn narrow(number: u64) -> u16 {
    // A segment has at most 64 MiB, 65,536 units. One with more frames gets no further copies behind
    // them; it is cheap, and closed, long before if its frames are small.
    u16::try_from(number).unwrap_or(u16::MAX - 1)
}

impl Copies {
    /// Whether the definition must be written now; if so it counts as written. `again` asks for
    /// another copy unless there is one far from the first: one damaged place is harmless then.
    pub fn due(&mut self, place: Place, again: bool) -> bool {
        let frame = narrow(place.frame);
        if self.first == NOWHERE {
            self.first = narrow(place.offset.div_ceil(UNIT));
            self.latest = frame;
            return true;
        }
        let due = again && self.latest != SAFE && frame > self.latest;
        if due {
            let far = u64::from(self.first) * UNIT + limits::DEFINITION_COPY_DISTANCE;
            self.latest = if place.offset >= far { SAFE } else { frame };
        }
        due
    }
}

/// A definition in the segment.
#[derive(Debug)]
struct Definition<T> {
    /// Who has the contents, or had them last.
    holder: Weak<T>,
    digest: Digest,
    id: u32,
    copies: Copies,
}

/// Definitions of one kind in the segment being written.
#[derive(Debug)]
pub struct Table<T> {
    definitions: Vec<Definition<T>>,
    /// Places in `definitions` that are free.
    free: Vec<u32>,
    by_address: HashTable<u32>,
    by_contents: HashTable<u32>,
    next: u32,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table {
            definitions: Vec::new(),
            free: Vec::new(),
            by_address: HashTable::new(),
            by_contents: HashTable::new(),
            next: 0,
        }
    }
}

fn address_hash<T>(address: *const T) -> u64 {
    FixedState::default().hash_one(address.addr())
}

impl<T: Digestible> Table<T> {
    /// Number of definitions that readers keep.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_address.len()
    }

    fn slot_of(&self, holder: &Arc<T>) -> Option<u32> {
        let address = Arc::as_ptr(holder);
        let same = |slot: &u32| {
            let own = &self.definitions[*slot as usize];
            std::ptr::eq(own.holder.as_ptr(), address)
        };
        self.by_address.find(address_hash(address), same).copied()
    }

    fn slot_with(&self, digest: Digest) -> Option<u32> {
        let same = |slot: &u32| self.definitions[*slot as usize].digest == digest;
        self.by_contents.find(digest[0], same).copied()
    }

    /// The id of `holder`, if it has one.
    #[must_use]
    pub fn get(&self, holder: &Arc<T>) -> Option<u32> {
        let slot = self.slot_of(holder)?;
        Some(self.definitions[slot as usize].id)
    }

    /// Who holds those contents, if somebody does.
    #[must_use]
    pub fn holder(&self, digest: Digest) -> Option<Arc<T>> {
        let slot = self.slot_with(digest)?;
        self.definitions[slot as usize].holder.upgrade()
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
        let known = self.slot_of(holder);
        let slot = known.unwrap_or_else(|| self.hold(holder, holder.digest(seed, key)));
        let definition = &mut self.definitions[slot as usize];
        // Key blocks since its first copy had no reason for a second one while nobody held it.
        let again = again || known.is_none();
        (definition.id, definition.copies.due(place, again))
    }

    /// Notes a new holder of contents, known or not; returns the place of their definition. One that
    /// is alive still (a block in memory, or a target that exposes the same) is found by contents
    /// when it is asked for again, which is at key blocks.
    fn hold(&mut self, holder: &Arc<T>, digest: Digest) -> u32 {
        let slot = if let Some(slot) = self.slot_with(digest) {
            self.forget_address(slot);
            self.definitions[slot as usize].holder = Arc::downgrade(holder);
            slot
        } else {
            self.add(holder, digest)
        };
        let definitions = &self.definitions;
        let hash = |slot: &u32| address_hash(definitions[*slot as usize].holder.as_ptr());
        self.by_address.insert_unique(hash(&slot), slot, hash);
        slot
    }

    fn forget_address(&mut self, slot: u32) {
        let hash = address_hash(self.definitions[slot as usize].holder.as_ptr());
        if let Ok(entry) = self.by_address.find_entry(hash, |own| *own == slot) {
            entry.remove();
        }
    }

    fn add(&mut self, holder: &Arc<T>, digest: Digest) -> u32 {
        let definition = Definition {
            holder: Arc::downgrade(holder),
            digest,
            id: self.next,
            copies: Copies::default(),
        };
        self.next += 1;
        let slot = if let Some(slot) = self.free.pop() {
            self.definitions[slot as usize] = definition;
            slot
        } else {
            self.make_room();
            self.definitions.push(definition);
            // Memory ends before the numbers do.
            (self.definitions.len() - 1) as u32
        };
        let definitions = &self.definitions;
        let hash = |slot: &u32| definitions[*slot as usize].digest[0];
        self.by_contents.insert_unique(digest[0], slot, hash);
        slot
    }

    /// Grows by an eighth where a vector would double: with many definitions half of that would be
    /// memory for nothing, and a large block grows without being copied.
    fn make_room(&mut self) {
        if self.definitions.len() == self.definitions.capacity() {
            let more = (self.definitions.len() / 8).max(ROOM_MIN);
            self.definitions.reserve_exact(more);
        }
    }

    /// Lets go of definitions that nobody holds any more; returns their ids in ascending order.
    pub fn sweep(&mut self) -> Vec<u32> {
        let definitions = &mut self.definitions;
        let alive = |own: &Definition<T>| own.holder.strong_count() > 0;
        self.by_contents
            .retain(|slot| alive(&definitions[*slot as usize]));
        let mut ids = Vec::new();
        let free = &mut self.free;
        self.by_address.retain(|slot| {
            let own = &mut definitions[*slot as usize];
            let alive = alive(own);
            if !alive {
                // The address may be used again.
                own.holder = Weak::new();
                ids.push(own.id);
                free.push(*slot);
            }
            alive
        });
        ids.sort_unstable();
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::series::{ChunkBuilder, SeriesChunk};

    fn chunk(name: &str) -> Arc<SeriesChunk> {
        let mut series = ChunkBuilder::default();
        series.push([("__name__", name)]);
        Arc::new(series.finish(None))
    }

    /// Defines in the given frame.
    fn define(
        table: &mut Table<SeriesChunk>,
        seed: &Seed,
        holder: &Arc<SeriesChunk>,
        frame: u64,
    ) -> (u32, bool) {
        let place = Place { frame, offset: 0 };
        table.define(seed, holder, (), place, false)
    }

    #[test]
    fn an_id_lasts_until_a_sweep_finds_no_holder() {
        let (mut table, seed) = (Table::default(), Seed::default());
        let (one, two) = (chunk("a"), chunk("b"));
        assert_eq!(define(&mut table, &seed, &one, 0), (0, true));
        assert_eq!(define(&mut table, &seed, &two, 0), (1, true));
        let twin = chunk("a");
        assert_eq!(define(&mut table, &seed, &twin, 0), (0, false));
        assert_eq!(table.sweep(), [0u32; 0], "the twin is alive");
        assert_eq!((table.get(&one), table.get(&twin)), (None, Some(0)));
        drop(twin);
        // Back after its frame may have been damaged: a second copy.
        assert_eq!(define(&mut table, &seed, &chunk("a"), 1), (0, true));
        assert_eq!(table.sweep(), [0]);
        assert_eq!(define(&mut table, &seed, &one, 1), (2, true));
        assert_eq!(table.get(&two), Some(1));
    }

    #[test]
    fn copies_are_due_until_one_is_far_from_the_first() {
        let mut copies = Copies::default();
        let far = limits::DEFINITION_COPY_DISTANCE;
        let mut due = |frame, offset, again| copies.due(Place { frame, offset }, again);
        assert!(due(3, 5_000, false));
        assert!(!due(3, 5_000, true), "the same frame");
        assert!(!due(4, 6_000, false), "nobody asks");
        assert!(due(4, 6_000, true));
        assert!(due(5, 4_999 + far, true), "not far enough");
        assert!(due(6, 5_000 + far + UNIT, true));
        assert!(!due(7, 90_000, true), "one is far enough");
    }
}
