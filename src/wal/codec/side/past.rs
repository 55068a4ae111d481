//! What side tables are written against: those of the target's previous block.

use crate::model::block::{ScrapeBlock, SideTables};
use crate::wal::codec::values::{Span, State};

/// The previous block, as far as slots have a predecessor there.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// Which slots have a predecessor.
    pub spans: &'a [Span],
    /// The previous block; none for a key block.
    pub block: Option<&'a ScrapeBlock>,
    /// States of the numbers of its histograms.
    pub states: &'a [State],
}

impl<'a> Past<'a> {
    /// A table of the previous block; empty where there is none.
    pub(super) fn table<T>(
        self,
        of: impl FnOnce(&'a SideTables) -> &'a Vec<(u32, T)>,
    ) -> &'a [(u32, T)] {
        let side = self.block.and_then(|block| block.side.as_deref());
        side.map_or(&[], |side| of(side))
    }

    /// Entries of a table of the previous block by the slot that they have now: the slot, and
    /// the place in the table.
    pub(super) fn carried<T>(self, table: &[(u32, T)]) -> Vec<(u32, usize)> {
        let mut carried = Vec::new();
        if table.is_empty() {
            return carried;
        }
        let mut first = 0;
        for span in self.spans {
            if let Some(base) = span.base {
                let from = table.partition_point(|(slot, _)| (*slot as usize) < base);
                let inside = table[from..].iter().enumerate();
                let inside = inside.take_while(|(_, (slot, _))| (*slot as usize) < base + span.len);
                carried.extend(inside.map(|(at, (slot, _))| {
                    let slot = first + (*slot as usize - base);
                    (slot as u32, from + at)
                }));
            }
            first += span.len;
        }
        carried
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_move_with_their_chunks() {
        let span = |len, base| Span { len, base };
        let spans = [span(2, Some(4)), span(3, None), span(4, Some(0))];
        let past = Past {
            spans: &spans,
            block: None,
            states: &[],
        };
        let table = [(0, 'a'), (3, 'b'), (5, 'c'), (6, 'd')];
        assert_eq!(past.carried(&table), [(1, 2), (5, 0), (8, 1)]);
        assert_eq!(past.carried::<char>(&[]), []);
    }
}
