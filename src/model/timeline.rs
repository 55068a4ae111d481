//! Epochs: how block times become wall times.
//!
//! A block stores milliseconds since the base of its epoch, counted on the monotonic clock. The
//! wall time of the base is *frozen* before the first block of the epoch is sent, so that a retry
//! carries the same timestamps. Until then a corrected clock may still correct it.

use super::block::EpochId;
use super::time::{Mono, Wall};

/// One epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Its name.
    pub id: EpochId,
    /// Wall time of the epoch's base.
    pub base_wall: Wall,
    /// Whether `base_wall` can no longer change: blocks of the epoch may be sent.
    pub frozen: bool,
}

/// All epochs that blocks still refer to, in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    epochs: Vec<Epoch>,
}

impl Timeline {
    /// Adds an epoch, or replaces the one of the same id.
    pub fn insert(&mut self, epoch: Epoch) {
        match self.epochs.binary_search_by_key(&epoch.id, |own| own.id) {
            Ok(index) => self.epochs[index] = epoch,
            Err(index) => self.epochs.insert(index, epoch),
        }
    }

    /// The epoch of that id.
    #[must_use]
    pub fn get(&self, id: EpochId) -> Option<Epoch> {
        let index = self.epochs.binary_search_by_key(&id, |own| own.id).ok()?;
        Some(self.epochs[index])
    }

    /// The newest epoch.
    #[must_use]
    pub fn last(&self) -> Option<Epoch> {
        self.epochs.last().copied()
    }

    /// Wall time of a block, or none while its epoch is unknown or not frozen: it must not be
    /// sent yet.
    #[must_use]
    pub fn resolve(&self, id: EpochId, offset_ms: i64) -> Option<Wall> {
        let epoch = self.get(id)?;
        epoch
            .frozen
            .then(|| Wall(epoch.base_wall.0.saturating_add(offset_ms)))
    }

    /// Forgets epochs before `id`; no block refers to them any more.
    pub fn forget_before(&mut self, id: EpochId) {
        self.epochs.retain(|epoch| epoch.id >= id);
    }

    /// The epochs, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Epoch> {
        self.epochs.iter()
    }
}

/// The scrape side's view of the current epoch: where its base lies on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochClock {
    /// The current epoch.
    pub id: EpochId,
    /// Monotonic reading at the base.
    pub base_mono: Mono,
    /// Wall time at the base, as believed when the epoch began.
    pub base_wall: Wall,
}

impl EpochClock {
    /// Milliseconds from the base to `at`; negative before it.
    #[must_use]
    pub fn offset_ms(&self, at: Mono) -> i64 {
        at.as_millis() as i64 - self.base_mono.as_millis() as i64
    }

    /// The believed wall time at `at`.
    #[must_use]
    pub fn wall(&self, at: Mono) -> Wall {
        Wall(self.base_wall.0 + self.offset_ms(at))
    }

    /// The monotonic reading at a wall time of this epoch; saturates at zero.
    #[must_use]
    pub fn mono(&self, wall: Wall) -> Mono {
        let millis = self.base_mono.as_millis() as i64 + (wall.0 - self.base_wall.0);
        Mono::from_millis(millis.max(0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_an_open_epoch_have_no_wall_time_yet() {
        let mut timeline = Timeline::default();
        let open = Epoch {
            id: EpochId(3),
            base_wall: Wall(1000),
            frozen: false,
        };
        timeline.insert(open);
        assert_eq!(timeline.resolve(EpochId(3), 5), None);
        timeline.insert(Epoch {
            frozen: true,
            ..open
        });
        assert_eq!(timeline.resolve(EpochId(3), 5), Some(Wall(1005)));
        assert_eq!(timeline.resolve(EpochId(4), 5), None);
        timeline.forget_before(EpochId(4));
        assert_eq!(timeline.last(), None);
    }

    #[test]
    fn wall_and_mono_are_inverse() {
        let clock = EpochClock {
            id: EpochId(1),
            base_mono: Mono::from_millis(50),
            base_wall: Wall(10_000),
        };
        let at = Mono::from_millis(75);
        assert_eq!(clock.wall(at), Wall(10_025));
        assert_eq!(clock.mono(Wall(10_025)), at);
        assert_eq!(clock.offset_ms(Mono::from_millis(40)), -10);
    }
}
