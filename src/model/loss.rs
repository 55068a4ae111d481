//! The books of what was lost: how many samples of which job a queue will never deliver, and why.
//!
//! A sample of a queue ends in exactly one way: delivered, or lost for one [`LossReason`]. Pure;
//! whoever keeps the books stores them beside the positions. Bounded in memory and on disk: what
//! does not fit is added up under the job [`OTHER`], so that sums stay right.

mod encoding;

use std::collections::BTreeMap;

use super::block::Sequence;
use super::time::Wall;
use crate::limits;

/// The job, and if need be the queue, under which the books add up what they have no line for.
pub const OTHER: &str = "(other)";

/// Why samples were lost. The numbers are those on disk and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum LossReason {
    /// The log was larger than its byte budget and the oldest segment went.
    Budget = 1,
    /// The log was older than its age limit.
    Age = 2,
    /// Bytes on disk could not be read any more. The number is an estimate.
    Damage = 3,
    /// The disk failed for so long that they were never on it.
    Unlogged = 4,
    /// Older than `sample_age_limit` when they could have been sent.
    TooOld = 5,
    /// The receiver refused them for good.
    Invalid = 6,
    /// Refused together with others, after the requests for looking closer were spent.
    Unsearched = 7,
    /// Too large for the receiver one by one.
    TooLarge = 8,
    /// Answered with 429 while `retry_on_http_429: false` is written.
    Throttled = 9,
    /// Answered with 401 to 405 or 407 while `unauthorized: drop` is written.
    Unauthorized = 10,
    /// Set aside because the receiver failed at them alone, and never taken afterwards.
    SetAside = 11,
    /// Nobody knows their wall time any more.
    UnknownTime = 12,
    /// Native histograms with custom buckets for an endpoint that gets remote write 1.0, which has
    /// none.
    CustomBuckets = 13,
    /// The receiver said that it has them, or newer ones, though they were never sent before.
    OutOfOrder = 14,
}

impl LossReason {
    /// All of them.
    pub const ALL: [LossReason; 14] = [
        LossReason::Budget,
        LossReason::Age,
        LossReason::Damage,
        LossReason::Unlogged,
        LossReason::TooOld,
        LossReason::Invalid,
        LossReason::Unsearched,
        LossReason::TooLarge,
        LossReason::Throttled,
        LossReason::Unauthorized,
        LossReason::SetAside,
        LossReason::UnknownTime,
        LossReason::CustomBuckets,
        LossReason::OutOfOrder,
    ];

    /// Its name in metrics, files and on pages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            LossReason::Budget => "budget",
            LossReason::Age => "age",
            LossReason::Damage => "damage",
            LossReason::Unlogged => "unlogged",
            LossReason::TooOld => "too_old",
            LossReason::Invalid => "invalid",
            LossReason::Unsearched => "unsearched",
            LossReason::TooLarge => "too_large",
            LossReason::Throttled => "throttled",
            LossReason::Unauthorized => "unauthorized",
            LossReason::SetAside => "set_aside",
            LossReason::UnknownTime => "unknown_time",
            LossReason::CustomBuckets => "custom_buckets",
            LossReason::OutOfOrder => "out_of_order",
        }
    }

    fn from_number(number: u8) -> Option<LossReason> {
        LossReason::ALL
            .into_iter()
            .find(|reason| *reason as u8 == number)
    }
}

/// What a line of the books is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LossKey {
    /// Name of the queue.
    pub queue: String,
    /// Name of the job; empty where what was lost could not be read, [`OTHER`] where the books
    /// were full.
    pub job: String,
    /// Why.
    pub reason: LossReason,
}

/// A line of the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Loss {
    /// Samples lost.
    pub samples: u64,
    /// When the first ones were.
    pub first: Wall,
    /// When the last ones were.
    pub last: Wall,
}

impl Loss {
    fn merge(&mut self, other: Loss) {
        if self.samples == 0 {
            *self = other;
        } else if other.samples > 0 {
            self.samples = self.samples.saturating_add(other.samples);
            self.first = self.first.min(other.first);
            self.last = self.last.max(other.last);
        }
    }
}

/// The books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    lines: BTreeMap<LossKey, Loss>,
}

impl Losses {
    /// Adds a loss. Beyond [`limits::LOSS_LINES`] lines it goes to [`OTHER`].
    pub fn add(&mut self, key: LossKey, loss: Loss) {
        if loss.samples == 0 {
            return;
        }
        let key = self.placed(key);
        self.lines.entry(key).or_default().merge(loss);
    }

    /// The key under which there is room.
    fn placed(&self, key: LossKey) -> LossKey {
        let mut key = LossKey {
            queue: cut(key.queue),
            job: cut(key.job),
            ..key
        };
        let room =
            |key: &LossKey| self.lines.len() < limits::LOSS_LINES || self.lines.contains_key(key);
        if !room(&key) {
            key.job = OTHER.to_owned();
        }
        if !room(&key) {
            // At most one line for each reason: the bound is exceeded by no more than that.
            key.queue = OTHER.to_owned();
        }
        key
    }

    /// Adds all lines of other books.
    pub fn merge(&mut self, other: &Losses) {
        for (key, loss) in &other.lines {
            self.add(key.clone(), *loss);
        }
    }

    /// All lines, by queue, job and reason.
    pub fn iter(&self) -> impl Iterator<Item = (&LossKey, &Loss)> {
        self.lines.iter()
    }

    /// Whether nothing was ever lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Samples that a queue has lost.
    #[must_use]
    pub fn total(&self, queue: &str) -> u64 {
        let own = self.lines.iter().filter(|(key, _)| key.queue == queue);
        own.map(|(_, loss)| loss.samples).sum()
    }

    /// The books in at most `max` bytes, which is at least [`limits::LOSS_BYTES_MIN`]. Lines with
    /// few samples are added up if they do not fit one by one.
    #[must_use]
    pub fn encode(&self, max: usize) -> Vec<u8> {
        encoding::encode(self, max)
    }

    /// Reads what [`Losses::encode`] wrote. None if it is damaged; lines with a reason that this
    /// version does not know are left out.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Losses> {
        encoding::decode(bytes)
    }
}

/// Names are cut to [`limits::LOSS_NAME_BYTES`].
fn cut(mut name: String) -> String {
    let mut end = limits::LOSS_NAME_BYTES.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name
}

/// Samples of one block that a queue has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost<'a> {
    /// Name of the queue.
    pub queue: &'a str,
    /// Name of the job; empty where it is not known.
    pub job: &'a str,
    /// Why.
    pub reason: LossReason,
    /// The block, or the last one of several. While it is not settled on disk a restart would send
    /// it again, so the loss is not stored before.
    pub sequence: Sequence,
    /// How many.
    pub samples: u64,
}

/// Where losses are written down. Called from the threads of the log and of the queues.
pub trait LossRecorder: Send + Sync {
    /// Writes a loss down. Never waits for the disk.
    fn lost(&self, lost: Lost<'_>);
}

// Not a supertrait: that would put what every implementation could show into the program, and nothing
// shows it.
impl std::fmt::Debug for dyn LossRecorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LossRecorder")
    }
}

#[cfg(test)]
mod tests;
