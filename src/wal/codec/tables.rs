//! Which definitions a segment has: the encoder's side.
//!
//! Found by address first, which costs nothing per label, then by contents: a family whose series
//! come and go gets its old definition back, which on exporters with expiring series is most of
//! what a log would write otherwise. A holder is kept as a `Weak`, which keeps the address taken but
//! not the contents, so that the log never keeps labels alive that nobody scrapes any more;
//! contents are kept as a [`Digest`]. A definition costs about sixty bytes here.

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

/// Not written yet.
const NOWHERE: u32 = u32::MAX;

/// The frame of copies of which one stands far enough from the first.
const SAFE: u32 = u32::MAX;

/// Where a definition was written.
#[derive(Clone, Copy, Debug)]
pub struct Copies {
    /// Where the first copy's frame begins, in [`UNIT`]s, rounded up.
    first: u32,
    /// Frame of the latest copy, or [`SAFE`].
    latest: u32,
}

impl Default for Copies {
    fn default() -> Copies {
        Copies {
            first: NOWHERE,
            latest: 0,
        }
    }
}

fn narrow(number: u64) -> u32 {
    // A segment has at most 64 MiB, and a frame in it at least 36 bytes.
    u32::try_from(number).unwrap_or(u32::MAX - 1)
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

/// Who holds a definition's contents now.
#[derive(Debug)]
struct Holder<T> {
    weak: Weak<T>,
    slot: u32,
}

/// A definition in the segment.
#[derive(Debug)]
struct Definition {
    digest: Digest,
    id: u32,
    /// Living holders at the last sweep, and those that came since. Zero: the place is free.
    holders: u32,
    copies: Copies,
}

/// Definitions of one kind in the segment being written.
#[derive(Debug)]
pub struct Table<T> {
    holders: HashTable<Holder<T>>,
    definitions: Vec<Definition>,
    free: Vec<u32>,
    by_contents: HashTable<u32>,
    next: u32,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table {
            holders: HashTable::new(),
            definitions: Vec::new(),
            free: Vec::new(),
            by_contents: HashTable::new(),
            next: 0,
        }
    }
}

fn address_hash<T>(address: *const T) -> u64 {
    FixedState::default().hash_one(address.addr())
}

impl<T: Digestible> Table<T> {
    /// Entries that a sweep could free: holders, and definitions that readers keep.
    #[must_use]
    pub fn count(&self) -> usize {
        self.holders.len().max(self.by_contents.len())
    }

    fn slot_of(&self, holder: &Arc<T>) -> Option<u32> {
        let address = Arc::as_ptr(holder);
        let found = self.holders.find(address_hash(address), |own| {
            std::ptr::eq(own.weak.as_ptr(), address)
        });
        found.map(|own| own.slot)
    }

    /// The id of `holder`, if it has one.
    #[must_use]
    pub fn get(&self, holder: &Arc<T>) -> Option<u32> {
        let slot = self.slot_of(holder)?;
        Some(self.definitions[slot as usize].id)
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
        let slot = match self.slot_of(holder) {
            Some(slot) => slot,
            None => self.hold(holder, holder.digest(seed, key)),
        };
        let definition = &mut self.definitions[slot as usize];
        (definition.id, definition.copies.due(place, again))
    }

    /// Notes a new holder of contents, known or not; returns the place of their definition.
    fn hold(&mut self, holder: &Arc<T>, digest: Digest) -> u32 {
        let definitions = &self.definitions;
        let same = |slot: &u32| definitions[*slot as usize].digest == digest;
        let known = self.by_contents.find(digest[0], same).copied();
        let slot = known.unwrap_or_else(|| self.add(digest));
        self.definitions[slot as usize].holders += 1;
        let weak = Arc::downgrade(holder);
        let hash = |own: &Holder<T>| address_hash(own.weak.as_ptr());
        self.holders
            .insert_unique(address_hash(weak.as_ptr()), Holder { weak, slot }, hash);
        slot
    }

    fn add(&mut self, digest: Digest) -> u32 {
        let definition = Definition {
            digest,
            id: self.next,
            holders: 0,
            copies: Copies::default(),
        };
        self.next += 1;
        let slot = if let Some(slot) = self.free.pop() {
            self.definitions[slot as usize] = definition;
            slot
        } else {
            self.definitions.push(definition);
            narrow(self.definitions.len() as u64 - 1)
        };
        let definitions = &self.definitions;
        self.by_contents.insert_unique(digest[0], slot, |slot| {
            definitions[*slot as usize].digest[0]
        });
        slot
    }

    /// Lets go of holders that are gone, and of definitions that nobody holds any more; returns
    /// the ids of those in ascending order.
    pub fn sweep(&mut self) -> Vec<u32> {
        let definitions = &mut self.definitions;
        self.holders.retain(|holder| {
            let alive = holder.weak.strong_count() > 0;
            definitions[holder.slot as usize].holders -= u32::from(!alive);
            alive
        });
        let mut ids = Vec::new();
        let free = &mut self.free;
        self.by_contents.retain(|slot| {
            let definition = &definitions[*slot as usize];
            if definition.holders == 0 {
                ids.push(definition.id);
                free.push(*slot);
            }
            definition.holders > 0
        });
        ids.sort_unstable();
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metadata::Family;

    fn family(name: &str) -> Arc<Family> {
        Arc::new(Family {
            name: name.into(),
            ..Family::default()
        })
    }

    fn define(table: &mut Table<Family>, seed: &Seed, holder: &Arc<Family>) -> (u32, bool) {
        table.define(seed, holder, (), Place::default(), false)
    }

    #[test]
    fn an_id_lasts_until_a_sweep_finds_no_holder() {
        let (mut table, seed) = (Table::default(), Seed::default());
        let (one, two) = (family("a"), family("b"));
        assert_eq!(define(&mut table, &seed, &one), (0, true));
        assert_eq!(define(&mut table, &seed, &two), (1, true));
        assert_eq!(define(&mut table, &seed, &family("a")), (0, false));
        assert_eq!(table.sweep(), [0u32; 0], "the first one is alive");
        drop(one);
        assert_eq!(define(&mut table, &seed, &family("a")), (0, false));
        assert_eq!(table.sweep(), [0]);
        assert_eq!(define(&mut table, &seed, &family("a")), (2, true));
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
