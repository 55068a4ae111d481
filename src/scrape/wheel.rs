//! A hierarchical timer wheel: constant-time insertion and cancellation, no work between events.
//!
//! Six levels of 64 slots over ticks of one millisecond reach two years; what lies beyond waits in
//! the last slot and is put down again when the wheel gets there. An entry stands at the level of
//! the highest six-bit group in which its tick differs from the current one, so every entry of a
//! lower level is due before every entry of a higher one. Pure: the time is handed in.

use crate::model::time::Mono;

const LEVELS: usize = 6;
const SLOTS: usize = 64;
const BITS: usize = 6;

/// Names an entry; stays unique when the entry's place is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    index: u32,
    generation: u32,
}

#[derive(Debug)]
struct Entry<K> {
    /// None once it is due or cancelled; its place is free when its slot is emptied.
    key: Option<K>,
    tick: u64,
    generation: u32,
}

#[derive(Debug)]
struct Level {
    occupied: u64,
    slots: [Vec<u32>; SLOTS],
}

/// Keys with their deadlines.
#[derive(Debug)]
pub struct Wheel<K> {
    now: u64,
    levels: Box<[Level; LEVELS]>,
    /// Entries that were due when they were inserted.
    ready: Vec<u32>,
    entries: Vec<Entry<K>>,
    free: Vec<u32>,
}

impl<K> Wheel<K> {
    /// An empty wheel standing at `now`.
    #[must_use]
    pub fn new(now: Mono) -> Wheel<K> {
        let level = |_| Level {
            occupied: 0,
            slots: std::array::from_fn(|_| Vec::new()),
        };
        Wheel {
            now: now.as_millis(),
            levels: Box::new(std::array::from_fn(level)),
            ready: Vec::new(),
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Adds a key. It is due at the first whole millisecond not before `deadline`; at once if
    /// that has passed.
    pub fn insert(&mut self, key: K, deadline: Mono) -> Handle {
        let tick = deadline.0.div_ceil(1_000_000);
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.entries.push(Entry {
                    key: None,
                    tick: 0,
                    generation: 0,
                });
                // More than four billion timers do not fit into memory.
                u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let entry = &mut self.entries[index as usize];
        entry.key = Some(key);
        entry.tick = tick;
        let handle = Handle {
            index,
            generation: entry.generation,
        };
        self.put(index);
        handle
    }

    /// Takes a key out before it is due. None if it was due or cancelled already.
    pub fn cancel(&mut self, handle: Handle) -> Option<K> {
        let entry = self.entries.get_mut(handle.index as usize)?;
        if entry.generation == handle.generation {
            entry.key.take()
        } else {
            None
        }
    }

    /// The tick of the next entry, if there is one: when to call [`Wheel::advance`] again.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        if self.ready.iter().any(|index| self.is_live(*index)) {
            return Some(Mono::from_millis(self.now));
        }
        let (last, finer) = self.levels.split_last()?;
        for (number, level) in finer.iter().enumerate() {
            let mut slots = slots_after(slot_of(self.now, number));
            if let Some(tick) = slots.find_map(|slot| self.first_tick(level, slot)) {
                return Some(Mono::from_millis(tick));
            }
        }
        // A slot of the last level may hold entries beyond the ring beside its own.
        let ticks = (0..SLOTS).filter_map(|slot| self.first_tick(last, slot));
        ticks.min().map(Mono::from_millis)
    }

    fn first_tick(&self, level: &Level, slot: usize) -> Option<u64> {
        if level.occupied & (1 << slot) == 0 {
            return None;
        }
        let live = level.slots[slot]
            .iter()
            .filter(|index| self.is_live(**index));
        live.map(|index| self.entries[*index as usize].tick).min()
    }

    /// Moves to `now` and appends the keys that are due, earliest first.
    pub fn advance(&mut self, now: Mono, due: &mut Vec<K>) {
        let target = now.as_millis().max(self.now);
        for index in std::mem::take(&mut self.ready) {
            self.finish(index, due);
        }
        while let Some((level, slot, start)) = self.next_slot() {
            if start > target {
                break;
            }
            self.now = start;
            self.levels[level].occupied &= !(1 << slot);
            let mut indices = std::mem::take(&mut self.levels[level].slots[slot]);
            for index in indices.drain(..) {
                let passed = self.entries[index as usize].tick <= start;
                if passed || !self.is_live(index) {
                    self.finish(index, due);
                } else {
                    self.put(index);
                }
            }
            // The slot's memory is kept for its next turn, unless it was used again meanwhile.
            if self.levels[level].slots[slot].is_empty() {
                self.levels[level].slots[slot] = indices;
            }
        }
        self.now = target;
    }

    fn is_live(&self, index: u32) -> bool {
        self.entries[index as usize].key.is_some()
    }

    fn finish(&mut self, index: u32, due: &mut Vec<K>) {
        let entry = &mut self.entries[index as usize];
        due.extend(entry.key.take());
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(index);
    }

    /// The earliest occupied slot: level, slot, and the tick it begins at.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let (level, found) = self
            .levels
            .iter()
            .enumerate()
            .find(|(_, level)| level.occupied != 0)?;
        let current = slot_of(self.now, level);
        let mut ahead = slots_after(current);
        let slot = ahead.find(|slot| found.occupied & (1 << slot) != 0)?;
        let distance = ((slot + SLOTS - current - 1) % SLOTS + 1) as u64;
        let width = BITS * level;
        Some((level, slot, ((self.now >> width) + distance) << width))
    }

    fn put(&mut self, index: u32) {
        let tick = self.entries[index as usize].tick;
        if tick <= self.now {
            self.ready.push(index);
            return;
        }
        let highest = 63 - (tick ^ self.now).leading_zeros() as usize;
        let level = (highest / BITS).min(LEVELS - 1);
        // The slots of the last level form a ring, so that crossing its end is nothing special.
        let width = BITS * level;
        let distance = ((tick >> width) - (self.now >> width)).min(SLOTS as u64 - 1);
        let slot = slot_of(self.now + (distance << width), level);
        self.levels[level].slots[slot].push(index);
        self.levels[level].occupied |= 1 << slot;
    }
}

/// The slots in the order in which the wheel reaches them.
fn slots_after(current: usize) -> impl Iterator<Item = usize> {
    (1..=SLOTS).map(move |distance| (current + distance) % SLOTS)
}

fn slot_of(tick: u64, level: usize) -> usize {
    (tick >> (BITS * level)) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Cancel(usize),
        Advance(u64),
    }

    fn spans() -> impl Strategy<Value = u64> {
        prop_oneof![
            0u64..200,
            0u64..100_000,
            0u64..10_000_000_000,
            0u64..1 << 40
        ]
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => spans().prop_map(Step::Insert),
            1 => any::<usize>().prop_map(Step::Cancel),
            3 => spans().prop_map(Step::Advance),
        ];
        prop::collection::vec(step, 0..80)
    }

    proptest! {
        #[test]
        fn the_wheel_agrees_with_a_sorted_list(start in 0u64..1 << 41, steps in steps()) {
            let mut now = start;
            let mut wheel = Wheel::new(Mono::from_millis(now));
            let mut model: Vec<(u64, usize)> = Vec::new();
            let mut handles = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(span) => {
                        let key = handles.len();
                        handles.push(wheel.insert(key, Mono::from_millis(now + span)));
                        model.push((now + span, key));
                    }
                    Step::Cancel(which) if !handles.is_empty() => {
                        let key = which % handles.len();
                        let known = model.iter().any(|(_, own)| *own == key);
                        model.retain(|(_, own)| *own != key);
                        prop_assert_eq!(wheel.cancel(handles[key]).is_some(), known);
                    }
                    Step::Cancel(_) => {}
                    Step::Advance(span) => {
                        now += span;
                        let mut due = Vec::new();
                        wheel.advance(Mono::from_millis(now), &mut due);
                        let mut expected: Vec<(u64, usize)> =
                            model.iter().copied().filter(|(at, _)| *at <= now).collect();
                        model.retain(|(at, _)| *at > now);
                        let times: Vec<u64> = due
                            .iter()
                            .map(|key| expected.iter().find(|(_, own)| own == key).map_or(0, |own| own.0))
                            .collect();
                        prop_assert!(times.is_sorted());
                        expected.sort_by_key(|own| own.1);
                        due.sort_unstable();
                        prop_assert_eq!(due, expected.iter().map(|own| own.1).collect::<Vec<_>>());
                    }
                }
                let next = model.iter().map(|(at, _)| (*at).max(now)).min();
                prop_assert_eq!(wheel.next_deadline().map(Mono::as_millis), next);
            }
        }
    }

    #[test]
    fn a_deadline_between_two_milliseconds_is_never_early() {
        let mut wheel = Wheel::new(Mono(0));
        wheel.insert((), Mono(1_500_000));
        let mut due = Vec::new();
        wheel.advance(Mono(1_900_000), &mut due);
        assert!(due.is_empty());
        wheel.advance(Mono(2_000_000), &mut due);
        assert_eq!(due.len(), 1);
    }
}
