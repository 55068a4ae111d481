//! Scrapes that are due and wait for their turn, while memory runs short. Pure.

use crate::limits;
use crate::model::time::Mono;

/// One that waits.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// Bytes of the target's last page.
    size: usize,
    scheduled: Mono,
    id: u64,
}

/// Those that wait: small pages first, so that one large target holds nobody up; among equals the
/// one that was due first. Before all of them comes who has waited for
/// [`limits::MEMORY_PATIENCE`]: on a machine that is busy too, small pages would never end, and what
/// a large target held would never be given back though its page has become small. Each target waits
/// at most once, so there are never more than targets.
#[derive(Debug, Default)]
pub(super) struct Waiting(Vec<Due>);

impl Waiting {
    /// Whether a target waits.
    pub(super) fn contains(&self, id: u64) -> bool {
        self.0.iter().any(|due| due.id == id)
    }

    /// A target that was due at `scheduled` waits; its last page had `size` bytes.
    pub(super) fn push(&mut self, id: u64, scheduled: Mono, size: usize) {
        self.0.push(Due {
            size,
            scheduled,
            id,
        });
    }

    /// Whose turn it is at `now`, and when it was due.
    pub(super) fn pop(&mut self, now: Mono) -> Option<(u64, Mono)> {
        let first = (0..self.0.len()).min_by_key(|at| {
            let due = self.0[*at];
            let impatient = now.since(due.scheduled) >= limits::MEMORY_PATIENCE;
            let size = if impatient { 0 } else { due.size };
            (!impatient, size, due.scheduled, due.id)
        })?;
        let due = self.0.swap_remove(first);
        Some((due.id, due.scheduled))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn small_pages_go_first_and_equals_in_order() {
        let mut waiting = Waiting::default();
        for (id, scheduled, size) in [(1, 10, 900), (2, 20, 5), (3, 15, 5), (4, 1, 7)] {
            waiting.push(id, Mono(scheduled), size);
        }
        assert!(waiting.contains(3) && !waiting.contains(5));
        let order: Vec<_> = std::iter::from_fn(|| waiting.pop(Mono(20))).collect();
        let expected = [(3, 15), (2, 20), (4, 1), (1, 10)].map(|(id, at)| (id, Mono(at)));
        assert_eq!(order, expected);
    }

    #[test]
    fn who_has_waited_for_long_goes_before_small_pages() {
        let mut waiting = Waiting::default();
        let begin = Mono(1_000);
        let patience = limits::MEMORY_PATIENCE;
        waiting.push(1, begin + patience, 5);
        waiting.push(2, begin + Duration::from_nanos(1), 900);
        waiting.push(3, begin, 9000);
        assert_eq!(waiting.pop(begin + patience), Some((3, begin)));
        assert_eq!(waiting.pop(begin + patience).map(|(id, _)| id), Some(1));
    }

    #[test]
    fn small_pages_without_end_hold_nobody_up_for_ever() {
        let mut waiting = Waiting::default();
        let mut now = Mono(1_000);
        let began = now;
        waiting.push(1, now, 900_000);
        waiting.push(2, now, 5);
        // One turn every tenth of a second, and as many small pages as turns.
        let turn = Duration::from_millis(100);
        while waiting.pop(now).expect("some wait").0 != 1 {
            now = now + turn;
            waiting.push(2, now, 5);
            assert!(now.since(began) <= limits::MEMORY_PATIENCE, "it starves");
        }
    }
}
