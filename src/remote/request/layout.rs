//! In which order the chunks of several series lists are written: chunks that lists share side by
//! side, and every other chunk behind the one that it follows in its list, or at the end if it is
//! the first there.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::series::SeriesChunk;

/// No further one.
const NONE: u32 = u32::MAX;

/// A chunk of one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Number of the list.
    pub(super) list: u32,
    /// Number of the chunk in its list.
    pub(super) chunk: u32,
    /// Slot of its first series.
    pub(super) first_slot: u32,
    next: u32,
}

/// A chunk, with the lists that have it.
#[derive(Clone, Copy, Debug)]
struct Stack {
    /// The stack that is written after it.
    next: u32,
    first: u32,
    last: u32,
}

/// The order; made anew for each message, in the same memory.
#[derive(Debug, Default)]
pub(super) struct Layout {
    parts: Vec<Part>,
    /// The first one is empty and begins the order.
    stacks: Vec<Stack>,
    /// The stack that ends the order.
    end: u32,
    /// Stacks by the address of their chunk.
    known: HashMap<usize, u32>,
}

impl Layout {
    pub(super) fn clear(&mut self) {
        self.parts.clear();
        self.stacks.clear();
        self.known.clear();
        self.end = 0;
        self.stacks.push(Stack {
            next: NONE,
            first: NONE,
            last: NONE,
        });
    }

    /// Adds the chunks of a list that hold some of these slots.
    pub(super) fn add(&mut self, list: u32, chunks: &[Arc<SeriesChunk>], slots: &Range<u32>) {
        let (mut behind, mut first_slot) = (self.end, 0);
        for (number, chunk) in chunks.iter().enumerate() {
            let end = first_slot + chunk.len() as u32;
            if first_slot < slots.end && slots.start < end {
                let part = Part {
                    list,
                    chunk: number as u32,
                    first_slot,
                    next: NONE,
                };
                behind = self.place(behind, Arc::as_ptr(chunk) as usize, part);
            }
            first_slot = end;
        }
    }

    /// Puts a part on the stack of its chunk, or on a new one behind another. Returns the stack.
    fn place(&mut self, behind: u32, address: usize, part: Part) -> u32 {
        let number = self.parts.len() as u32;
        self.parts.push(part);
        let fresh = self.stacks.len() as u32;
        let stack = *self.known.entry(address).or_insert(fresh);
        if stack == fresh {
            let before = &mut self.stacks[behind as usize];
            let next = std::mem::replace(&mut before.next, fresh);
            if next == NONE {
                self.end = fresh;
            }
            self.stacks.push(Stack {
                next,
                first: number,
                last: number,
            });
        } else {
            let stack = &mut self.stacks[stack as usize];
            self.parts[stack.last as usize].next = number;
            stack.last = number;
        }
        stack
    }

    /// The first stack.
    pub(super) fn first(&self) -> Option<u32> {
        self.after(0)
    }

    /// The stack after this one.
    pub(super) fn after(&self, stack: u32) -> Option<u32> {
        let next = self.stacks.get(stack as usize)?.next;
        (next != NONE).then_some(next)
    }

    /// The parts of a stack, in the order of their lists.
    pub(super) fn parts(&self, stack: u32) -> impl Iterator<Item = &Part> {
        let first = self.stacks.get(stack as usize).map(|stack| stack.first);
        let part = |number: u32| self.parts.get(number as usize);
        std::iter::successors(first.and_then(part), move |last| part(last.next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::series::ChunkBuilder;

    fn chunks(sizes: &[usize]) -> Vec<Arc<SeriesChunk>> {
        let chunk = |size: &usize| {
            let mut builder = ChunkBuilder::default();
            (0..*size).for_each(|_| builder.push([("a", "b")]));
            Arc::new(builder.finish(None))
        };
        sizes.iter().map(chunk).collect()
    }

    fn order(layout: &Layout) -> Vec<Vec<(u32, u32, u32)>> {
        let stacks = std::iter::successors(layout.first(), |stack| layout.after(*stack));
        let part = |part: &Part| (part.list, part.chunk, part.first_slot);
        stacks
            .map(|stack| layout.parts(stack).map(part).collect())
            .collect()
    }

    #[test]
    fn what_lists_share_stands_together_and_the_rest_behind_its_predecessor() {
        let mut layout = Layout::default();
        let own = chunks(&[2, 3, 4]);
        let other = chunks(&[5]);
        let second = [&own[0], &other[0], &own[2]].map(Arc::clone);
        let third = chunks(&[1, 1]);
        for _again in 0..2 {
            layout.clear();
            layout.add(0, &own, &(0..9));
            layout.add(1, &second, &(0..11));
            layout.add(2, &third, &(0..2));
            let expected = [
                vec![(0, 0, 0), (1, 0, 0)],
                vec![(1, 1, 2)],
                vec![(0, 1, 2)],
                vec![(0, 2, 5), (1, 2, 7)],
                vec![(2, 0, 0)],
                vec![(2, 1, 1)],
            ];
            assert_eq!(order(&layout), expected);
        }
    }

    #[test]
    fn a_chunk_without_a_wanted_slot_is_left_out() {
        let mut layout = Layout::default();
        layout.clear();
        layout.add(7, &chunks(&[2, 3, 4]), &(2..5));
        assert_eq!(order(&layout), [[(7, 1, 2)]]);
        layout.clear();
        assert_eq!(order(&layout), Vec::<Vec<_>>::new());
    }
}
