//! The figures of a run, and verdicts on them: what may be missing, and what may come twice,
//! after an abrupt end.
//!
//! An end is a moment at which something is certainly over: a process is dead, a receiver has left.

use std::fmt;
use std::time::{Duration, Instant};

/// The figures of a run, in samples unless said otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audit {
    /// Given out in whole pages before the end of the audit.
    pub(crate) issued: u64,
    /// Different ones that arrived.
    pub(crate) delivered: usize,
    /// Given out, in whole pages, and not arrived: when, how many. One entry for each scrape.
    pub(crate) lost: Vec<(Instant, u64)>,
    /// Arrived again.
    pub(crate) duplicated: usize,
    /// Of each that arrived again: when it had arrived before, and when it did so again.
    pub(crate) repeats: Vec<(Instant, Instant)>,
    /// Arrived for the first time, but after a newer one of the same series.
    pub(crate) reordered: usize,
    /// Arrived, but never given out, or under other labels.
    pub(crate) invented: usize,
    /// Scrapes of which only a part arrived.
    pub(crate) torn: usize,
    /// Staleness markers.
    pub(crate) stale: usize,
}

impl Audit {
    /// Samples lost.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.iter().map(|(_, samples)| samples).sum()
    }

    /// Nothing may ever be reordered, invented or torn.
    pub(crate) fn assert_sound(&self) {
        let wrong = self.reordered + self.invented + self.torn;
        assert!(wrong == 0, "unsound books: {self}");
    }

    /// Every sample arrived exactly once.
    pub(crate) fn assert_exact(&self) {
        self.assert_sound();
        let exact = self.lost.is_empty() && self.duplicated == 0 && self.stale == 0;
        assert!(exact && self.issued > 0, "not exact: {self}");
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "issued {}, delivered {}, lost {} (in {} scrapes), duplicated {}, reordered {}, \
             invented {}, torn {}, stale {}",
            self.issued,
            self.delivered,
            self.lost(),
            self.lost.len(),
            self.duplicated,
            self.reordered,
            self.invented,
            self.torn,
            self.stale
        )
    }
}

/// On a busy machine the harness may look at a request only when its sender is dead already: what
/// it dates so long after an end may have been before it.
const LATE: Duration = Duration::from_millis(500);

/// From `at` to the first end that it may have been before; none if there is none.
fn to_an_end(at: Instant, ends: &[Instant]) -> Option<Duration> {
    let later = ends.iter().filter(|end| at < **end + LATE);
    later.min().map(|end| end.saturating_duration_since(at))
}

impl Audit {
    /// Whatever is missing was given out at most `window` before one of `ends`.
    pub(crate) fn assert_lost_only_near(&self, ends: &[Instant], window: Duration) {
        let near = |at| to_an_end(at, ends).is_some_and(|before| before < window);
        let far = self.lost.iter().filter(|(at, _)| !near(*at)).count();
        let worst = self.worst_loss(ends);
        assert_eq!(
            far, 0,
            "lost from {worst:?} before an end, not {window:?}: {self}"
        );
    }

    /// The widest window of loss: how long before the end that took it the oldest lost sample was
    /// given out. Zero if nothing is lost, endless if something is that no end explains.
    pub(crate) fn worst_loss(&self, ends: &[Instant]) -> Duration {
        let lost = self.lost.iter();
        let windows = lost.map(|(at, _)| to_an_end(*at, ends).unwrap_or(Duration::MAX));
        windows.max().unwrap_or_default()
    }

    /// Whatever came again had come before at most `window` before one of `ends`, and came again
    /// after that.
    pub(crate) fn assert_repeated_only_near(&self, ends: &[Instant], window: Duration) {
        let worst = self.worst_repeat(ends);
        assert!(
            worst < window,
            "repeated from {worst:?} before an end, not {window:?}: {self}"
        );
    }

    /// How long before an end that which came again after it had come before, at most. Zero if
    /// nothing came again, endless if something did for no end.
    pub(crate) fn worst_repeat(&self, ends: &[Instant]) -> Duration {
        let distance = |(before, again): &(Instant, Instant)| {
            let between = ends.iter().filter(|end| before < *end && *end < again);
            let late = to_an_end(*before, ends).filter(Duration::is_zero);
            let first = between.min().map(|end| *end - *before);
            first.or(late).unwrap_or(Duration::MAX)
        };
        self.repeats.iter().map(distance).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::wait;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn loss_is_measured_to_the_next_end() {
        let now = wait::now();
        let ends = [now + 10 * SECOND, now + 20 * SECOND];
        let lost = |at| Audit {
            lost: vec![(at, 1)],
            ..Audit::default()
        };
        assert_eq!(lost(now + 8 * SECOND).worst_loss(&ends), 2 * SECOND);
        assert_eq!(lost(now + 11 * SECOND).worst_loss(&ends), 9 * SECOND);
        assert_eq!(lost(ends[0] + LATE / 2).worst_loss(&ends), Duration::ZERO);
        assert_eq!(lost(now + 21 * SECOND).worst_loss(&ends), Duration::MAX);
        assert_eq!(Audit::default().worst_loss(&ends), Duration::ZERO);
    }

    #[test]
    fn what_came_twice_without_an_end_between_is_not_explained() {
        let now = wait::now();
        let ends = [now + 10 * SECOND];
        let twice = |before, again| Audit {
            repeats: vec![(before, again)],
            ..Audit::default()
        };
        let explained = twice(now + 7 * SECOND, now + 11 * SECOND);
        assert_eq!(explained.worst_repeat(&ends), 3 * SECOND);
        let early = twice(now + 7 * SECOND, now + 8 * SECOND);
        assert_eq!(early.worst_repeat(&ends), Duration::MAX);
        let late = twice(ends[0] + LATE / 2, now + 11 * SECOND);
        assert_eq!(late.worst_repeat(&ends), Duration::ZERO);
    }
}
