//! How a key chunk stores its rows: their number (4 bytes), their heads, their texts.
//!
//! ```text
//! head    2 bytes  length of what follows as its text, or LONG
//!         1 byte   bytes of the series text that the one before begins with too
//!         1 byte   what becomes of the row, and LED
//! text    if LONG  4 bytes: length of what follows
//!         if LED   4 bytes: length of the comment lines
//!                  the comment lines, the rest of the series text
//! ```
//!
//! A row with comment lines shares nothing, so that one comparison finds both. All numbers are
//! little-endian; none leaves the process.

use super::chunk::RowKind;

/// Bytes of a head.
const HEAD_BYTES: usize = 4;

/// A length that does not fit into a head.
const LONG: u16 = u16::MAX;

/// The row has comment lines before it.
const LED: u8 = 4;

/// Fewer bytes than these are not worth a comparison of their own.
const SHARED_MIN: u8 = 8;

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// What becomes of it.
    pub kind: RowKind,
    /// Bytes with which the series text before begins too; zero behind comment lines.
    pub shared: usize,
    /// Bytes of the comment lines before it, line ends included.
    pub lead: usize,
    /// The comment lines, and the series text behind what it shares.
    pub text: &'a [u8],
}

impl<'a> Row<'a> {
    /// Bytes of the series text.
    #[inline]
    #[must_use]
    pub fn key_len(&self) -> usize {
        self.shared + self.text.len() - self.lead
    }

    /// The comment lines before it.
    #[must_use]
    pub fn prelude(&self) -> &'a [u8] {
        self.text.get(..self.lead).unwrap_or_default()
    }

    /// Makes the series text of this row from that of the one before.
    pub fn put_key(&self, key: &mut Vec<u8>) {
        key.truncate(self.shared);
        key.extend_from_slice(self.text.get(self.lead..).unwrap_or_default());
    }
}

/// Reads the rows of a chunk in order.
#[derive(Clone, Debug, Default)]
pub struct RowReader<'a> {
    heads: std::slice::Iter<'a, [u8; HEAD_BYTES]>,
    text: &'a [u8],
}

impl<'a> RowReader<'a> {
    /// Over the bytes of a chunk.
    #[inline]
    pub(super) fn new(mut bytes: &'a [u8]) -> RowReader<'a> {
        let rows = RowReader::number(&mut bytes);
        let (heads, text) = bytes
            .split_at_checked(rows * HEAD_BYTES)
            .unwrap_or_default();
        RowReader {
            heads: heads.as_chunks().0.iter(),
            text,
        }
    }

    /// What becomes of each row that is left; their texts are not looked at.
    pub(super) fn kinds(self) -> impl Iterator<Item = RowKind> + 'a {
        self.heads.map(|[.., form]| kind_of(*form))
    }

    #[inline]
    fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, text) = self.text.split_at_checked(bytes).unwrap_or_default();
        self.text = text;
        taken
    }

    #[inline]
    fn number(text: &mut &'a [u8]) -> usize {
        let Some((bytes, rest)) = text.split_first_chunk() else {
            return 0;
        };
        *text = rest;
        u32::from_le_bytes(*bytes) as usize
    }

    #[cold]
    fn take_long(&mut self) -> &'a [u8] {
        let mut text = self.text;
        let length = RowReader::number(&mut text);
        self.text = text;
        self.take(length)
    }
}

#[inline]
fn kind_of(form: u8) -> RowKind {
    match form & !LED {
        0 => RowKind::Kept,
        1 => RowKind::Duplicate,
        2 => RowKind::Dropped,
        _ => RowKind::Start,
    }
}

impl<'a> Iterator for RowReader<'a> {
    type Item = Row<'a>;

    #[inline]
    fn next(&mut self) -> Option<Row<'a>> {
        let [low, high, shared, form] = *self.heads.next()?;
        let text = match u16::from_le_bytes([low, high]) {
            LONG => self.take_long(),
            length => self.take(usize::from(length)),
        };
        let mut row = Row {
            kind: kind_of(form),
            shared: usize::from(shared),
            lead: 0,
            text,
        };
        if form & LED != 0 {
            row.lead = RowReader::number(&mut row.text).min(row.text.len());
        }
        Some(row)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.heads.size_hint()
    }
}

impl ExactSizeIterator for RowReader<'_> {}

/// Appends a row of a prelude, a series text and a kind to heads and texts, behind a row with the
/// series text `last`.
pub(super) fn put(
    (heads, text): (&mut Vec<u8>, &mut Vec<u8>),
    (prelude, key, kind): (&[u8], &[u8], RowKind),
    last: &[u8],
) {
    let led = !prelude.is_empty();
    let shared = if led { 0 } else { common(last, key) };
    let rest = &key[usize::from(shared)..];
    let header = if led { size_of::<u32>() } else { 0 };
    let length = header + prelude.len() + rest.len();
    let short = u16::try_from(length).unwrap_or(LONG);
    heads.extend_from_slice(&short.to_le_bytes());
    heads.push(shared);
    heads.push(kind as u8 | if led { LED } else { 0 });
    if short == LONG {
        text.extend_from_slice(&number(length));
    }
    if led {
        text.extend_from_slice(&number(prelude.len()));
    }
    text.extend_from_slice(prelude);
    text.extend_from_slice(rest);
}

/// A page is bounded far below 4 GiB by the body limit; a row is part of one.
fn number(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

/// Number of bytes with which both begin, as far as a head can say and it is worth it.
fn common(one: &[u8], two: &[u8]) -> u8 {
    const STEP: usize = 8;
    let bound = one.len().min(two.len()).min(usize::from(u8::MAX));
    let mut same = 0;
    while let (Some(left), Some(right)) = (
        one[same..bound].first_chunk::<STEP>(),
        two[same..bound].first_chunk::<STEP>(),
    ) {
        let differing = u64::from_le_bytes(*left) ^ u64::from_le_bytes(*right);
        if differing != 0 {
            same += differing.trailing_zeros() as usize / STEP;
            return worthwhile(same);
        }
        same += STEP;
    }
    let rest = one[same..bound].iter().zip(&two[same..bound]);
    worthwhile(same + rest.take_while(|(one, two)| one == two).count())
}

fn worthwhile(same: usize) -> u8 {
    let same = u8::try_from(same).unwrap_or(u8::MAX);
    if same < SHARED_MIN { 0 } else { same }
}
