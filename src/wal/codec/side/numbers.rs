//! The numbers of a histogram as values (`docs/log-format.md`, 5.5): its sum, its count, its zero
//! bucket, and what each bucket holds.
//!
//! Whole numbers are given as what a bucket holds, not as the difference to the bucket before, so
//! that one observation changes one number; and the count as what it exceeds all buckets by, which
//! is zero as long as nothing but numbers is observed.

use super::form::same_bits;
use crate::model::histogram::{Buckets, CUSTOM_BUCKETS, Counts, NativeHistogram, Span};
use crate::wal::codec::values;

/// Doubles hold every integer up to here.
const EXACT_MAX: i64 = 1 << 53;

/// Numbers beside the buckets: sum, count, zero bucket.
pub(super) const HEAD: usize = 3;

/// Buckets that the spans of each sign name; none if they are more than `most` in all.
pub(super) fn lengths(histogram: &NativeHistogram, most: usize) -> Option<[usize; 2]> {
    let count = |spans: &[Span]| {
        let lengths = spans.iter().map(|span| u64::from(span.length));
        usize::try_from(lengths.sum::<u64>()).ok()
    };
    let positive = count(&histogram.positive_spans)?;
    let negative = count(&histogram.negative_spans)?;
    (positive.checked_add(negative)? <= most).then_some([positive, negative])
}

/// Appends the numbers; none, and nothing is appended, if they cannot be told in this way.
pub(super) fn put(out: &mut Vec<f64>, histogram: &NativeHistogram, sum: f64) -> Option<()> {
    let [positive, negative] = lengths(histogram, histogram.bucket_count())?;
    let start = out.len();
    let told = match &histogram.counts {
        Counts::Integer(own) if fits(own, positive, negative) => put_integers(out, own, sum),
        Counts::Float(own) if fits(own, positive, negative) => {
            out.extend([sum, own.count, own.zero]);
            out.extend(own.positive.iter().chain(&own.negative));
            Some(())
        }
        _ => None,
    };
    if told.is_none() {
        out.truncate(start);
    }
    told
}

fn fits<C, B>(own: &Buckets<C, B>, positive: usize, negative: usize) -> bool {
    own.positive.len() == positive && own.negative.len() == negative
}

fn put_integers(out: &mut Vec<f64>, own: &Buckets<u64, i64>, sum: f64) -> Option<()> {
    let head = out.len() + 1;
    let zero = i64::try_from(own.zero).ok()?;
    out.extend([sum, 0.0, exact(zero)?]);
    let mut all = i128::from(zero);
    for deltas in [&own.positive, &own.negative] {
        let mut count: i64 = 0;
        for delta in deltas {
            count = count.checked_add(*delta)?;
            all += i128::from(count);
            out.push(exact(count)?);
        }
    }
    let beyond = i64::try_from(i128::from(own.count) - all).ok()?;
    out[head] = exact(beyond)?;
    Some(())
}

fn exact(number: i64) -> Option<f64> {
    (-EXACT_MAX..=EXACT_MAX)
        .contains(&number)
        .then_some(number as f64)
}

fn whole(number: f64) -> Option<i64> {
    let whole = number as i64;
    (exact(whole)?.to_bits() == number.to_bits()).then_some(whole)
}

/// Gives a histogram its counts, of the kind it has, from what [`put`] appended; `positive` is the
/// number of positive buckets. Returns the sum; none if the numbers cannot be.
pub(super) fn fill(
    histogram: &mut NativeHistogram,
    numbers: &[f64],
    positive: usize,
) -> Option<f64> {
    let ([sum, count, zero], buckets) = numbers.split_first_chunk::<HEAD>()?;
    let (above, below) = buckets.split_at_checked(positive)?;
    histogram.counts = match histogram.counts {
        Counts::Integer(_) => Counts::Integer(take_integers(*count, *zero, above, below)?),
        Counts::Float(_) => Counts::Float(Buckets {
            count: *count,
            zero: *zero,
            positive: above.into(),
            negative: below.into(),
        }),
    };
    Some(*sum)
}

fn take_integers(
    beyond: f64,
    zero: f64,
    above: &[f64],
    below: &[f64],
) -> Option<Buckets<u64, i64>> {
    let zero = u64::try_from(whole(zero)?).ok()?;
    let mut all = i128::from(whole(beyond)?) + i128::from(zero);
    let mut side = |numbers: &[f64]| {
        let mut before = 0;
        let delta = |number: &f64| {
            let count = whole(*number)?;
            all += i128::from(count);
            let delta = count - before;
            before = count;
            Some(delta)
        };
        numbers.iter().map(delta).collect::<Option<Box<[i64]>>>()
    };
    let (positive, negative) = (side(above)?, side(below)?);
    Some(Buckets {
        count: u64::try_from(all).ok()?,
        zero,
        positive,
        negative,
    })
}

/// Appends the spans of a histogram's numbers: those of `old`, if there is one, begin at `base`.
pub(super) fn put_spans(
    out: &mut Vec<values::Span>,
    [positive, negative]: [usize; 2],
    own: &NativeHistogram,
    old: Option<(&NativeHistogram, usize)>,
) {
    let (old, base) = match old {
        Some((old, base)) if same_kind(own, old) => (old, base),
        _ => return push(out, HEAD + positive + negative, None),
    };
    push(out, HEAD, Some(base));
    if !same_bounds(own, old) {
        return push(out, positive + negative, None);
    }
    let mut base = base + HEAD;
    let both = [
        (&own.positive_spans, &old.positive_spans),
        (&own.negative_spans, &old.negative_spans),
    ];
    for (now, before) in both {
        runs(before, now, |len, place| {
            push(out, len, place.map(|place| base + place));
        });
        base += before
            .iter()
            .map(|span| span.length as usize)
            .sum::<usize>();
    }
}

fn same_kind(one: &NativeHistogram, two: &NativeHistogram) -> bool {
    matches!(one.counts, Counts::Integer(_)) == matches!(two.counts, Counts::Integer(_))
}

/// Whether a bucket's index means the same in both.
fn same_bounds(one: &NativeHistogram, two: &NativeHistogram) -> bool {
    let is_custom = one.schema == CUSTOM_BUCKETS;
    one.schema == two.schema && (!is_custom || same_bits(&one.custom_values, &two.custom_values))
}

fn push(spans: &mut Vec<values::Span>, len: usize, base: Option<usize>) {
    if len == 0 {
        return;
    }
    if let Some(last) = spans.last_mut()
        && last.base.map(|base| base + last.len) == base
        && last.base.is_some() == base.is_some()
    {
        last.len += len;
        return;
    }
    spans.push(values::Span { len, base });
}

/// Buckets of consecutive indexes: first, behind the last, and how many buckets stand before.
fn stretches(spans: &[Span]) -> impl Iterator<Item = (i64, i64, usize)> {
    let (mut index, mut place) = (0i64, 0usize);
    spans.iter().map(move |span| {
        let start = index.saturating_add(span.offset.into());
        index = start.saturating_add(span.length.into());
        let before = place;
        place = place.saturating_add(span.length as usize);
        (start, index, before)
    })
}

/// Which buckets were there before: runs of them, with the place of the first among the old ones.
fn runs(before: &[Span], now: &[Span], mut found: impl FnMut(usize, Option<usize>)) {
    if before == now {
        let all = now.iter().map(|span| span.length as usize).sum();
        return found(all, Some(0));
    }
    let mut olds = stretches(before).peekable();
    for (start, end, _) in stretches(now) {
        let mut at = start;
        while at < end {
            let _passed = std::iter::from_fn(|| olds.next_if(|(_, end, _)| *end <= at)).last();
            let (upto, place) = match olds.peek() {
                Some((first, last, place)) if *first <= at => {
                    ((*last).min(end), Some(place + (at - first) as usize))
                }
                Some((first, ..)) => ((*first).min(end), None),
                None => (end, None),
            };
            found((upto - at) as usize, place);
            at = upto;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(offset: i32, length: u32) -> Span {
        Span { offset, length }
    }

    #[test]
    fn buckets_are_found_by_their_index() {
        let found = |before: &[Span], now: &[Span]| {
            let mut all = Vec::new();
            runs(before, now, |len, place| all.push((len, place)));
            all
        };
        // Indexes -2..1 and 4..6; then -3..0, 3..7.
        let before = [span(-2, 3), span(3, 2)];
        assert_eq!(found(&before, &before), [(5, Some(0))]);
        assert_eq!(
            found(&before, &[span(-3, 3), span(3, 4)]),
            [(1, None), (2, Some(0)), (1, None), (2, Some(3)), (1, None)]
        );
        assert_eq!(found(&[], &[span(5, 2)]), [(2, None)]);
        assert_eq!(found(&before, &[]), []);
    }

    #[test]
    fn spans_of_numbers_are_put_together() {
        let mut spans = Vec::new();
        push(&mut spans, 3, Some(5));
        push(&mut spans, 2, Some(8));
        push(&mut spans, 0, None);
        push(&mut spans, 1, None);
        push(&mut spans, 4, None);
        push(&mut spans, 1, Some(0));
        let lens: Vec<_> = spans.iter().map(|span| (span.len, span.base)).collect();
        assert_eq!(lens, [(5, Some(5)), (5, None), (1, Some(0))]);
    }
}
