//! Decides when an epoch begins and when its wall time is frozen. Pure.
//!
//! Scheduling follows the monotonic clock; an epoch maps it to wall time. A wall clock that steps
//! by more than a second begins a new epoch. A clock that cannot be right yet (before this program
//! was written, or before what the log already holds) leaves the epoch open: samples are taken and
//! kept, but not sent until the clock is corrected, and then carry the corrected times.

use std::time::Duration;

use crate::limits;
use crate::model::block::EpochId;
use crate::model::time::{Mono, Wall};
use crate::model::timeline::{Epoch, EpochClock};

/// Why an epoch is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The clock shows a time before this program existed.
    BeforeBuild,
    /// The clock shows a time before the newest in the log.
    BeforeLog,
}

/// What the owner must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Begin this epoch.
    Began(Epoch),
    /// Store and publish the corrected, frozen mapping.
    Froze(Epoch),
}

/// The current epoch and what is known of its clock.
#[derive(Debug)]
pub struct Timekeeper {
    clock: EpochClock,
    doubt: Option<Doubt>,
    newest_in_log: Wall,
}

impl Timekeeper {
    /// Begins the first epoch of this process, after `last` and what the log holds.
    #[must_use]
    pub fn start(now: Mono, wall: Wall, last: EpochId, newest_in_log: Wall) -> (Timekeeper, Epoch) {
        let clock = EpochClock {
            id: EpochId(last.0 + 1),
            base_mono: now,
            base_wall: wall,
        };
        let doubt = doubt(wall, newest_in_log);
        let keeper = Timekeeper {
            clock,
            doubt,
            newest_in_log,
        };
        let epoch = keeper.epoch();
        (keeper, epoch)
    }

    /// The current epoch as the scrape engine sees it.
    #[must_use]
    pub fn clock(&self) -> EpochClock {
        self.clock
    }

    /// Why the epoch is open, if it is.
    #[must_use]
    pub fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    fn epoch(&self) -> Epoch {
        let EpochClock { id, base_wall, .. } = self.clock;
        Epoch {
            id,
            base_wall,
            frozen: self.doubt.is_none(),
        }
    }

    /// Compares both clocks. Call every few seconds.
    pub fn tick(&mut self, now: Mono, wall: Wall) -> Option<Change> {
        if let Some(before) = self.doubt {
            let waited = now.since(self.clock.base_mono);
            let gave_up = before == Doubt::BeforeLog && waited >= limits::CLOCK_DOUBT_MAX;
            self.doubt = doubt(wall, self.newest_in_log).filter(|_| !gave_up);
            if self.doubt.is_none() {
                let elapsed = self.clock.offset_ms(now);
                self.clock.base_wall = Wall(wall.0 - elapsed);
                return Some(Change::Froze(self.epoch()));
            }
            return None;
        }
        let drift = Duration::from_millis(wall.0.abs_diff(self.clock.wall(now).0));
        if drift <= limits::CLOCK_STEP_MIN {
            return None;
        }
        let id = EpochId(self.clock.id.0 + 1);
        self.clock = EpochClock {
            id,
            base_mono: now,
            base_wall: wall,
        };
        // A step back to a time before the build is doubted; one behind the log is believed,
        // because somebody has just corrected the clock.
        self.doubt = doubt(wall, Wall(i64::MIN));
        Some(Change::Began(self.epoch()))
    }
}

/// Mappings for epochs of earlier processes that ended before their clocks were right, oldest
/// first with the offset of their latest scrape. When they really ran nobody knows any more; they
/// are taken to have ended, one after the other, right before `current`, which is frozen. So the
/// order stays, and a sample is late by the time that the machine was off.
#[must_use]
pub fn settle(open: &[(EpochId, i64)], current: Epoch) -> Vec<Epoch> {
    let mut end = current.base_wall.0;
    let newest_first = open.iter().rev().map(|(id, lasted)| {
        end -= lasted + 1;
        Epoch {
            id: *id,
            base_wall: Wall(end),
            frozen: true,
        }
    });
    newest_first.collect()
}

fn doubt(wall: Wall, newest_in_log: Wall) -> Option<Doubt> {
    // A clock that is being slewed may lie a little behind what it showed before.
    let tolerance = i64::try_from(limits::CLOCK_STEP_MIN.as_millis()).unwrap_or(0);
    if wall.0 < limits::CLOCK_PLAUSIBLE_AFTER_MS {
        Some(Doubt::BeforeBuild)
    } else if wall.0.saturating_add(tolerance) < newest_in_log.0 {
        Some(Doubt::BeforeLog)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Wall = Wall(limits::CLOCK_PLAUSIBLE_AFTER_MS + 86_400_000);

    fn at(millis: u64) -> Mono {
        Mono::from_millis(5000 + millis)
    }

    fn start(wall: Wall, newest: Wall) -> (Timekeeper, Epoch) {
        Timekeeper::start(at(0), wall, EpochId(6), newest)
    }

    #[test]
    fn a_steady_clock_keeps_its_epoch() {
        let (mut keeper, epoch) = start(TODAY, Wall(0));
        assert_eq!(
            epoch,
            Epoch {
                id: EpochId(7),
                base_wall: TODAY,
                frozen: true
            }
        );
        assert_eq!(keeper.tick(at(60_000), Wall(TODAY.0 + 60_900)), None);
    }

    #[test]
    fn a_step_begins_a_new_epoch() {
        let (mut keeper, _) = start(TODAY, Wall(0));
        let stepped = Wall(TODAY.0 - 3_600_000);
        let epoch = Epoch {
            id: EpochId(8),
            base_wall: stepped,
            frozen: true,
        };
        assert_eq!(keeper.tick(at(10), stepped), Some(Change::Began(epoch)));
        assert_eq!(keeper.tick(at(1010), Wall(stepped.0 + 1000)), None);
    }

    #[test]
    fn samples_of_1970_are_restamped_once_the_clock_is_set() {
        let (mut keeper, epoch) = start(Wall(12_000), Wall(0));
        assert!(!epoch.frozen);
        assert_eq!(keeper.tick(at(5000), Wall(17_000)), None);
        let corrected = Epoch {
            id: EpochId(7),
            base_wall: Wall(TODAY.0 - 9000),
            frozen: true,
        };
        assert_eq!(keeper.tick(at(9000), TODAY), Some(Change::Froze(corrected)));
        assert_eq!(keeper.doubt(), None);
    }

    #[test]
    fn a_clock_slightly_behind_the_log_is_believed() {
        assert!(start(TODAY, Wall(TODAY.0 + 1000)).1.frozen);
        assert!(!start(TODAY, Wall(TODAY.0 + 1001)).1.frozen);
    }

    #[test]
    fn epochs_of_lost_clocks_end_right_before_the_present_one() {
        let (_, current) = start(TODAY, Wall(0));
        let settled = settle(&[(EpochId(4), 60_000), (EpochId(6), 5_000)], current);
        let epoch = |id, base| Epoch {
            id: EpochId(id),
            base_wall: Wall(base),
            frozen: true,
        };
        let six = TODAY.0 - 5_001;
        assert_eq!(settled, [epoch(6, six), epoch(4, six - 60_001)]);
    }

    #[test]
    fn a_clock_behind_the_log_is_believed_after_a_while() {
        let (mut keeper, epoch) = start(TODAY, Wall(TODAY.0 + 86_400_000));
        assert!(!epoch.frozen);
        let limit = limits::CLOCK_DOUBT_MAX.as_millis() as u64;
        assert_eq!(
            keeper.tick(at(limit - 1), Wall(TODAY.0 + limit as i64 - 1)),
            None
        );
        let frozen = Epoch {
            id: EpochId(7),
            base_wall: TODAY,
            frozen: true,
        };
        let change = keeper.tick(at(limit), Wall(TODAY.0 + limit as i64));
        assert_eq!(change, Some(Change::Froze(frozen)));
    }
}
