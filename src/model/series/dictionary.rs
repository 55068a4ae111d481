//! The labels of a chunk, each once, by number.

/// Labels and where they end. All numbers are little-endian; none leaves the process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dictionary<'a> {
    /// Bytes of a label's number: 1, 2 or 4.
    pub(super) number_width: usize,
    /// Bytes of an end: 1, 2 or 4.
    pub(super) end_width: usize,
    /// Where each label ends.
    pub(super) ends: &'a [u8],
    /// The labels.
    pub(super) labels: &'a [u8],
}

impl<'a> Dictionary<'a> {
    /// The labels in the order of their numbers.
    pub(super) fn all(self) -> impl Iterator<Item = &'a [u8]> {
        let numbers = 0..self.ends.len() / self.end_width.max(1);
        numbers.map(move |number| {
            let range = range(self.ends, number, self.end_width);
            range
                .and_then(|range| self.labels.get(range))
                .unwrap_or_default()
        })
    }

    /// Takes the next number off `numbers`; the label of that number, nothing if there is none.
    #[inline]
    pub(super) fn take(&self, numbers: &mut &'a [u8]) -> &'a [u8] {
        let Some((first, mut rest)) = numbers.split_first() else {
            return &[];
        };
        let mut number = usize::from(*first);
        // Nearly all chunks are so small that a number is a byte.
        if self.number_width > 1 {
            let (bytes, behind) = numbers
                .split_at_checked(self.number_width)
                .unwrap_or_default();
            (number, rest) = (read(bytes), behind);
        }
        *numbers = rest;
        range(self.ends, number, self.end_width)
            .and_then(|range| self.labels.get(range))
            .unwrap_or_default()
    }
}

/// From the end before to the end at `index`, of ends of so many bytes.
#[inline]
pub(super) fn range(ends: &[u8], index: usize, width: usize) -> Option<std::ops::Range<usize>> {
    if width == 1 {
        let end = *ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| ends[before]);
        return Some(start.into()..end.into());
    }
    let at = index * width;
    let end = read(ends.get(at..at + width)?);
    let start = at
        .checked_sub(width)
        .map_or(0, |before| read(&ends[before..at]));
    Some(start..end)
}

/// A number of one, two or four bytes.
fn read(bytes: &[u8]) -> usize {
    match *bytes {
        [a] => usize::from(a),
        [a, b] => usize::from(u16::from_le_bytes([a, b])),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]) as usize,
        _ => 0,
    }
}

/// The fewest bytes that a number of up to `largest` needs.
pub(super) fn width(largest: usize) -> usize {
    match largest {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    }
}

/// Appends numbers in so many bytes each, which they need no more than.
pub(super) fn put(out: &mut Vec<u8>, numbers: &[u32], width: usize) {
    if width == 1 {
        out.extend(numbers.iter().map(|number| *number as u8));
        return;
    }
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes()[..width]);
    }
}
