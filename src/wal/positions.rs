//! A queue's position on disk: two slots, written in turn, in place (`docs/log-format.md`, 7).
//!
//! A new file for every update would cost flash twenty times the wear.

use std::io;
use std::path::Path;

use crate::limits;
use crate::model::block::Sequence;
use crate::model::position::AckRanges;
use crate::sys::fs::{self, Storage, StoredFile};

/// Bytes of a slot.
pub const SLOT_BYTES: usize = 4096;
const MAGIC: &[u8; 4] = b"NTXP";
const VERSION: u16 = 1;
/// Ranges that fit a slot; those above are left out, which costs duplicates after a restart.
const RANGES_MAX: usize = 250;
const RANGES_AT: usize = 40;

/// Samples that a queue is done with, ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Totals {
    /// Samples that the receiver has.
    pub acknowledged: u64,
    /// Samples that were given up.
    pub abandoned: u64,
}

/// What is stored of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Position {
    /// Which blocks are settled.
    pub settled: AckRanges,
    /// How many samples that were.
    pub totals: Totals,
}

impl Position {
    /// Takes in what another statement about the same queue says.
    pub fn join(&mut self, other: &Position) {
        self.settled.join(&other.settled);
        let (own, other) = (&mut self.totals, &other.totals);
        own.acknowledged = own.acknowledged.max(other.acknowledged);
        own.abandoned = own.abandoned.max(other.abandoned);
    }
}

/// The bytes of a slot. Ranges that find no room are left out, from above.
#[must_use]
pub fn encode(position: &Position, generation: u64) -> [u8; SLOT_BYTES] {
    let mut out = [0; SLOT_BYTES];
    let ranges = position.settled.ranges();
    let ranges = &ranges[..ranges.len().min(RANGES_MAX)];
    out[..4].copy_from_slice(MAGIC);
    out[4..6].copy_from_slice(&VERSION.to_le_bytes());
    out[6..8].copy_from_slice(&(ranges.len() as u16).to_le_bytes());
    let totals = position.totals;
    let floor = position.settled.floor().0;
    let fixed = [generation, floor, totals.acknowledged, totals.abandoned];
    let pairs = ranges.iter().flat_map(|(first, last)| [first.0, last.0]);
    for (index, word) in fixed.into_iter().chain(pairs).enumerate() {
        out[8 + 8 * index..16 + 8 * index].copy_from_slice(&word.to_le_bytes());
    }
    let crc = crc32c::crc32c(&out[..SLOT_BYTES - 4]);
    out[SLOT_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
    out
}

fn decode(slot: &[u8]) -> Option<(u64, Position)> {
    let slot: &[u8; SLOT_BYTES] = slot.try_into().ok()?;
    let (body, crc) = slot.split_at(SLOT_BYTES - 4);
    let sound = crc32c::crc32c(body).to_le_bytes() == *crc;
    let version = u16::from_le_bytes([slot[4], slot[5]]);
    let count = usize::from(u16::from_le_bytes([slot[6], slot[7]]));
    if !slot.starts_with(MAGIC) || !sound || version != VERSION || count > RANGES_MAX {
        return None;
    }
    let (words, _) = body[8..].as_chunks();
    let word = |index: usize| u64::from_le_bytes(words[index]);
    let numbers = RANGES_AT / 8 - 1..RANGES_AT / 8 - 1 + 2 * count;
    if [1]
        .into_iter()
        .chain(numbers)
        .any(|at| word(at) > limits::LOG_NUMBER_MAX)
    {
        return None;
    }
    let mut settled = AckRanges::up_to(Sequence(word(1)));
    for range in 0..count {
        let at = (RANGES_AT - 8) / 8 + 2 * range;
        settled.insert(Sequence(word(at)), Sequence(word(at + 1)));
    }
    let totals = Totals {
        acknowledged: word(2),
        abandoned: word(3),
    };
    Some((word(0), Position { settled, totals }))
}

/// One of the two slots of a position file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Nothing was ever written to it.
    Empty,
    /// A position and its generation.
    Valid(u64, Position),
    /// Bytes that are no slot that this program knows.
    Damaged,
}

impl Slot {
    /// Reads a slot; bytes that the file does not have count as zero.
    #[must_use]
    pub fn of(bytes: &[u8; SLOT_BYTES]) -> Slot {
        match decode(bytes) {
            Some((generation, position)) => Slot::Valid(generation, position),
            None if bytes.iter().all(|byte| *byte == 0) => Slot::Empty,
            None => Slot::Damaged,
        }
    }
}

/// Reads both slots of a position file. One that cannot be read is damaged.
#[must_use]
pub fn read_slots(file: &dyn StoredFile) -> [Slot; 2] {
    [0, 1].map(|slot: u64| {
        let mut bytes = [0; SLOT_BYTES];
        match fs::read_patiently(file, slot * SLOT_BYTES as u64, &mut bytes) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Slot::Damaged,
            _ => Slot::of(&bytes),
        }
    })
}

/// The slot that counts: the valid one of the higher generation.
#[must_use]
pub fn newest(slots: [Slot; 2]) -> Option<(u64, Position)> {
    let valid = slots.into_iter().filter_map(|slot| match slot {
        Slot::Valid(generation, position) => Some((generation, position)),
        Slot::Empty | Slot::Damaged => None,
    });
    valid.reduce(|best, own| if own.0 > best.0 { own } else { best })
}

/// A position file.
#[derive(Debug)]
pub struct PositionFile {
    file: Box<dyn StoredFile>,
    generation: u64,
}

impl PositionFile {
    /// Makes the file with a position, durably; one that is there goes on.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn create(
        storage: &dyn Storage,
        path: &Path,
        position: &Position,
    ) -> io::Result<PositionFile> {
        let made = |file| PositionFile {
            file,
            generation: 0,
        };
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut positions = match storage.create(path).map_err(|error| (error.kind(), error)) {
            Ok(file) => made(file),
            Err((io::ErrorKind::AlreadyExists, _)) => PositionFile::open(storage, path)?.0,
            // Another disk stands at this path, and it is empty.
            Err((io::ErrorKind::NotFound, _)) => {
                storage.create_dir(dir)?;
                made(storage.create(path)?)
            }
            Err((_, error)) => return Err(error),
        };
        positions.store(position)?;
        storage.sync_dir(dir)?;
        Ok(positions)
    }

    /// Opens a file and reads its newest valid slot; no position if both are damaged.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(
        storage: &dyn Storage,
        path: &Path,
    ) -> io::Result<(PositionFile, Option<Position>)> {
        let file = storage.open(path)?;
        let (generation, position) = newest(read_slots(&*file)).unzip();
        let generation = generation.unwrap_or(0);
        Ok((PositionFile { file, generation }, position))
    }

    /// Whether the path leads to this file.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        self.file.is_at(path)
    }

    /// Writes the other slot and syncs it.
    ///
    /// # Errors
    /// When the disk refuses; the older slot is untouched then and the next try uses the same one.
    pub fn store(&mut self, position: &Position) -> io::Result<()> {
        let generation = self.generation + 1;
        let offset = (generation % 2) * SLOT_BYTES as u64;
        self.file.write_at(offset, &encode(position, generation))?;
        self.file.sync()?;
        self.generation = generation;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs_sim::{Fault, SimFs};

    fn position(floor: u64) -> Position {
        let mut settled = AckRanges::up_to(Sequence(floor));
        settled.insert(Sequence(floor + 5), Sequence(floor + 9));
        let totals = Totals {
            acknowledged: 7 * floor,
            abandoned: floor,
        };
        Position { settled, totals }
    }

    #[test]
    fn a_power_cut_leaves_the_last_or_the_one_before() {
        let path = Path::new("/p/q.pos");
        for at in 1..14 {
            for seed in 0..8 {
                let disk = SimFs::default();
                let mut file = PositionFile::create(&disk, path, &position(1)).expect("created");
                disk.inject(disk.operations() + at, Fault::Halt);
                let mut stored = 1;
                for floor in 2..6 {
                    if file.store(&position(floor)).is_err() {
                        break;
                    }
                    stored = floor;
                }
                let disk = disk.crash(seed);
                let (_, found) = PositionFile::open(&disk, path).expect("opens");
                let found = found.expect("one slot is whole");
                assert!([position(stored), position(stored + 1)].contains(&found));
            }
        }
    }

    #[test]
    fn a_file_that_is_made_again_goes_on_with_its_generation() {
        let disk = SimFs::default();
        let path = Path::new("/p/q.pos");
        let mut file = PositionFile::create(&disk, path, &position(1)).expect("created");
        for floor in 2..5 {
            file.store(&position(floor)).expect("stored");
        }
        drop(PositionFile::create(&disk, path, &position(5)).expect("there already"));
        let (_, found) = PositionFile::open(&disk, path).expect("opens");
        assert_eq!(found, Some(position(5)));
    }

    #[test]
    fn more_ranges_than_fit_are_cut_from_above() {
        let disk = SimFs::default();
        let mut many = Position::default();
        for number in 0..400 {
            many.settled
                .insert(Sequence(2 + 2 * number), Sequence(2 + 2 * number));
        }
        let path = Path::new("/p/q.pos");
        drop(PositionFile::create(&disk, path, &many).expect("created"));
        let (_, found) = PositionFile::open(&disk, path).expect("opens");
        let found = found.expect("valid").settled;
        assert_eq!(found.ranges(), &many.settled.ranges()[..RANGES_MAX]);
    }

    #[test]
    fn numbers_that_no_log_reaches_are_damage() {
        let far = Sequence(limits::LOG_NUMBER_MAX + 1);
        let mut above = position(1);
        above.settled.insert(far, far);
        let beyond = Position {
            settled: AckRanges::up_to(Sequence(u64::MAX)),
            ..Position::default()
        };
        for wrong in [above, beyond] {
            assert_eq!(Slot::of(&encode(&wrong, 1)), Slot::Damaged);
        }
        let last = Sequence(limits::LOG_NUMBER_MAX);
        let right = Position {
            settled: AckRanges::up_to(last),
            ..Position::default()
        };
        assert_eq!(Slot::of(&encode(&right, 1)), Slot::Valid(1, right));
    }

    #[test]
    fn two_damaged_slots_give_no_position() {
        let disk = SimFs::default();
        let path = Path::new("/p/q.pos");
        let mut file = PositionFile::create(&disk, path, &position(1)).expect("created");
        file.store(&position(2)).expect("stored");
        assert!(disk.flip_bit(path, 100, 3));
        let (_, found) = PositionFile::open(&disk, path).expect("opens");
        assert_eq!(found, Some(position(1)));
        assert!(disk.flip_bit(path, 5000, 3));
        let (_, found) = PositionFile::open(&disk, path).expect("opens");
        assert_eq!(found, None);
    }
}
