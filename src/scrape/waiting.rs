//! Scrapes that are due and wait for their turn, while memory runs short. Pure.

use crate::model::time::Mono;

/// One that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    /// Bytes of the target's last page.
    size: usize,
    scheduled: Mono,
    id: u64,
}

/// Those that wait: small pages first, so that one large target holds nobody up; among equals the
/// one that was due first. Each target waits at most once, so there are never more than targets.
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

    /// Whose turn it is, and when it was due.
    pub(super) fn pop(&mut self) -> Option<(u64, Mono)> {
        let first = (0..self.0.len()).min_by_key(|at| self.0[*at])?;
        let due = self.0.swap_remove(first);
        Some((due.id, due.scheduled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pages_go_first_and_equals_in_order() {
        let mut waiting = Waiting::default();
        for (id, scheduled, size) in [(1, 10, 900), (2, 20, 5), (3, 15, 5), (4, 1, 7)] {
            waiting.push(id, Mono(scheduled), size);
        }
        assert!(waiting.contains(3) && !waiting.contains(5));
        let order: Vec<_> = std::iter::from_fn(|| waiting.pop()).collect();
        let expected = [(3, 15), (2, 20), (4, 1), (1, 10)].map(|(id, at)| (id, Mono(at)));
        assert_eq!(order, expected);
    }
}
