//! The table of texts of a request: each one once, the empty one first.
//!
//! The table is kept as the finished `Request.symbols` fields, in the order in which texts were
//! first referred to. Memory is kept from one request to the next.

use std::fmt;
use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::bytes::varint;

/// `Request.symbols`.
const TAG_4_BYTES: u8 = 0x22;

/// A table that grows. Numbers are good until [`Symbols::clear`].
pub struct Symbols {
    fields: Vec<u8>,
    /// Where the text of each number stands in the fields.
    places: Vec<Range<u32>>,
    numbers: HashTable<u32>,
    /// Seeded by chance: targets choose the texts.
    hasher: RandomState,
}

impl Default for Symbols {
    fn default() -> Self {
        let mut symbols = Symbols {
            fields: Vec::new(),
            places: Vec::new(),
            numbers: HashTable::new(),
            hasher: RandomState::default(),
        };
        symbols.clear();
        symbols
    }
}

impl fmt::Debug for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbols")
            .field("texts", &self.places.len())
            .field("bytes", &self.fields.len())
            .finish_non_exhaustive()
    }
}

impl Symbols {
    /// Forgets all texts but the empty one, and keeps the memory.
    pub fn clear(&mut self) {
        self.fields.clear();
        self.places.clear();
        self.numbers.clear();
        self.refer(b"");
    }

    /// The number of a text, which is UTF-8.
    pub fn refer(&mut self, text: &[u8]) -> u32 {
        let Symbols {
            fields,
            places,
            numbers,
            hasher,
        } = self;
        let hash = hasher.hash_one(text);
        let at = |places: &[Range<u32>], number: u32| {
            let place = &places[number as usize];
            place.start as usize..place.end as usize
        };
        let same = |number: &u32| &fields[at(places, *number)] == text;
        if let Some(number) = numbers.find(hash, same) {
            return *number;
        }
        let number = places.len() as u32;
        fields.push(TAG_4_BYTES);
        varint::write(fields, text.len() as u64);
        // A request is bounded far below 4 GiB.
        let start = fields.len() as u32;
        fields.extend_from_slice(text);
        places.push(start..fields.len() as u32);
        numbers.insert_unique(hash, number, |number| {
            hasher.hash_one(&fields[at(places, *number)])
        });
        number
    }

    /// The `Request.symbols` fields of all texts, in the order of their numbers.
    #[must_use]
    pub fn fields(&self) -> &[u8] {
        &self.fields
    }

    /// Gives memory back that a table of at most `bytes` does not need.
    pub fn shrink_to(&mut self, bytes: usize) {
        if self.fields.capacity() > bytes {
            *self = Symbols::default();
        }
    }
}
