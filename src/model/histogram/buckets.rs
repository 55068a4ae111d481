//! Buckets of one side with their indices: taken apart from spans, and put into spans again.

use super::Span;

/// A count of one bucket. Sums wrap, as everywhere in Prometheus: a target that counts past 64 bits
/// is wrong, and must not stop the agent.
pub(super) trait Count: Copy + Default + PartialEq {
    /// The sum of two counts.
    fn plus(self, other: Self) -> Self;
}

impl Count for i64 {
    fn plus(self, other: i64) -> i64 {
        self.wrapping_add(other)
    }
}

impl Count for f64 {
    fn plus(self, other: f64) -> f64 {
        self + other
    }
}

/// The index of every bucket of `spans`, in their order.
pub(super) fn indices(spans: &[Span]) -> impl Iterator<Item = i64> {
    let mut next = 0i64;
    spans.iter().flat_map(move |span| {
        let first = next.saturating_add(i64::from(span.offset));
        next = first.saturating_add(i64::from(span.length));
        first..next
    })
}

/// Absolute counts of buckets that hold differences.
pub(super) fn absolute(deltas: &[i64]) -> impl Iterator<Item = i64> + Clone {
    deltas.iter().scan(0i64, |count, delta| {
        *count = count.wrapping_add(*delta);
        Some(*count)
    })
}

/// Turns absolute counts into differences, in place.
pub(super) fn to_deltas(counts: &mut [i64]) {
    let mut before = 0i64;
    for count in counts {
        let own = *count;
        *count = own.wrapping_sub(before);
        before = own;
    }
}

/// Puts buckets into spans. Indices must grow.
#[derive(Debug)]
pub(super) struct Side<C> {
    spans: Vec<Span>,
    counts: Vec<C>,
    /// The index after the last bucket.
    next: i64,
}

impl<C: Count> Side<C> {
    /// A side with room for so many buckets.
    pub(super) fn with_capacity(buckets: usize) -> Side<C> {
        Side {
            spans: Vec::new(),
            counts: Vec::with_capacity(buckets),
            next: 0,
        }
    }

    /// Appends a bucket; up to `gap_max` empty ones are put before it rather than a new span begun.
    pub(super) fn push(&mut self, index: i64, count: C, gap_max: u32) {
        let gap = index.saturating_sub(self.next);
        match self.spans.last_mut() {
            Some(last) if gap <= i64::from(gap_max) => {
                let empty = gap.max(0);
                last.length = last.length.saturating_add(1 + empty as u32);
                self.counts
                    .extend(std::iter::repeat_n(C::default(), empty as usize));
            }
            _ => self.spans.push(Span {
                offset: gap.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32,
                length: 1,
            }),
        }
        self.counts.push(count);
        self.next = index.saturating_add(1);
    }

    /// Adds to the bucket that was appended last.
    pub(super) fn add_to_last(&mut self, count: C) {
        if let Some(last) = self.counts.last_mut() {
            *last = last.plus(count);
        }
    }

    /// The index of the bucket that was appended last.
    pub(super) fn last_index(&self) -> Option<i64> {
        (!self.counts.is_empty()).then(|| self.next - 1)
    }

    /// Spans and counts.
    pub(super) fn finish(self) -> (Box<[Span]>, Vec<C>) {
        (self.spans.into_boxed_slice(), self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn span(offset: i32, length: u32) -> Span {
        Span { offset, length }
    }

    #[test]
    fn indices_follow_the_spans() {
        let spans = [span(-2, 2), span(0, 1), span(3, 0), span(1, 2)];
        let found: Vec<i64> = indices(&spans).collect();
        assert_eq!(found, [-2, -1, 0, 5, 6]);
    }

    #[test]
    fn buckets_come_back_as_spans() {
        let mut side = Side::with_capacity(4);
        for (index, count) in [(-2, 1i64), (-1, 2), (2, 3), (9, 4)] {
            side.push(index, count, 2);
        }
        assert_eq!(side.last_index(), Some(9));
        let (spans, counts) = side.finish();
        assert_eq!(*spans, [span(-2, 5), span(6, 1)]);
        assert_eq!(counts, [1, 2, 0, 0, 3, 4]);
    }

    #[test]
    fn differences_and_counts_are_two_ways_to_say_it() {
        let mut counts: Vec<i64> = absolute(&[3, -1, 4]).collect();
        assert_eq!(counts, [3, 2, 6]);
        to_deltas(&mut counts);
        assert_eq!(counts, [3, -1, 4]);
    }
}
