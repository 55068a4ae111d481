//! When main gives memory back. Pure: the time is handed in.

use std::time::Duration;

use crate::limits;
use crate::model::time::Mono;

/// What is due, and when the next is.
#[derive(Debug)]
pub(super) struct Housekeeping {
    heap: Mono,
    program: Mono,
    pause: Duration,
}

/// What is due now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Giving back what is free in the heap.
    pub(super) heap: bool,
    /// Letting pages of the program go.
    pub(super) program: bool,
}

impl Housekeeping {
    pub(super) fn new(now: Mono) -> Housekeeping {
        Housekeeping {
            heap: now + limits::HEAP_RELEASE_INTERVAL,
            program: now + limits::PROGRAM_FORGET_FIRST,
            pause: limits::PROGRAM_FORGET_FIRST,
        }
    }

    /// Says what is due, and takes it as done.
    pub(super) fn due(&mut self, now: Mono) -> Due {
        let due = Due {
            heap: now >= self.heap,
            program: now >= self.program,
        };
        if due.heap {
            self.heap = now + limits::HEAP_RELEASE_INTERVAL;
        }
        if due.program {
            self.pause = (self.pause * 2).min(limits::PROGRAM_FORGET_PAUSE_MAX);
            self.program = now + self.pause;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_let_go_ever_more_rarely_and_the_heap_steadily() {
        let begin = Mono(1_000_000_000);
        let mut keeping = Housekeeping::new(begin);
        assert_eq!(keeping.due(begin), Due::default());
        let (mut program, mut heap) = (Vec::new(), 0);
        for second in 1..=3000 {
            let due = keeping.due(begin + Duration::from_secs(second));
            heap += u64::from(due.heap);
            if due.program {
                program.push(second);
            }
        }
        assert_eq!(heap, 300);
        assert_eq!(program, [10, 30, 70, 150, 310, 630, 1230, 1830, 2430]);
    }
}
