//! The own labels of one series as they are stored: `(varint name length, name, varint value
//! length, value)*`, sorted by name, either in one piece or label by label.

use super::dictionary::Dictionary;
use crate::bytes::varint;

/// Encoded labels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Encoded<'a> {
    /// The label that is being read, with those behind it if all stand in one piece.
    piece: &'a [u8],
    /// The others by their numbers.
    numbers: &'a [u8],
    dictionary: Dictionary<'a>,
}

impl<'a> Encoded<'a> {
    /// Labels that stand in one piece.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Encoded<'a> {
        Encoded {
            piece: bytes,
            ..Encoded::default()
        }
    }

    #[inline]
    pub(super) fn of(numbers: &'a [u8], dictionary: Dictionary<'a>) -> Encoded<'a> {
        Encoded {
            piece: &[],
            numbers,
            dictionary,
        }
    }

    /// The piece in which the next label stands, if there is one: name and value are to be taken
    /// off its front.
    #[inline]
    pub fn piece(&mut self) -> &mut &'a [u8] {
        if self.piece.is_empty() {
            self.piece = self.dictionary.take(&mut self.numbers);
        }
        &mut self.piece
    }

    /// Its labels, one by one. Bytes that hold none are the last.
    pub fn labels(mut self) -> impl Iterator<Item = &'a [u8]> {
        std::iter::from_fn(move || {
            let label = if self.piece.is_empty() {
                // What has a number of its own is one label.
                self.dictionary.take(&mut self.numbers)
            } else {
                let piece = self.piece;
                let end = text_end(piece, 0).and_then(|name| text_end(piece, name));
                let (label, rest) = piece.split_at(end.unwrap_or(piece.len()));
                self.piece = rest;
                label
            };
            (!label.is_empty()).then_some(label)
        })
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(self) -> usize {
        self.labels().map(<[u8]>::len).sum()
    }

    /// Whether there are no labels.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Appends the bytes in one piece.
    pub fn put(self, out: &mut Vec<u8>) {
        self.labels().for_each(|label| out.extend_from_slice(label));
    }

    /// The bytes in one piece.
    #[must_use]
    pub fn to_box(self) -> Box<[u8]> {
        let mut bytes = Vec::with_capacity(self.len());
        self.put(&mut bytes);
        bytes.into()
    }
}

impl PartialEq for Encoded<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.labels().eq(other.labels())
    }
}

impl Eq for Encoded<'_> {}

/// Where the name or value that begins at `at` ends.
#[inline]
fn text_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let (length, used) = match rest.first() {
        // Nearly all names and values are that short.
        Some(byte) if *byte < 0x80 => (u64::from(*byte), 1),
        _ => varint::read(rest)?,
    };
    let end = at
        .checked_add(used)?
        .checked_add(usize::try_from(length).ok()?)?;
    (end <= bytes.len()).then_some(end)
}

/// Iterator over encoded labels. Ends early on bytes that hold none.
#[derive(Clone, Debug)]
pub struct OwnLabels<'a>(Encoded<'a>);

impl<'a> OwnLabels<'a> {
    pub(super) fn new(encoded: Encoded<'a>) -> OwnLabels<'a> {
        OwnLabels(encoded)
    }
}

fn text<'a>(piece: &mut &'a [u8]) -> Option<&'a str> {
    let (length, used) = varint::read(piece)?;
    let end = used.checked_add(usize::try_from(length).ok()?)?;
    let text = std::str::from_utf8(piece.get(used..end)?).ok()?;
    *piece = &piece[end..];
    Some(text)
}

impl<'a> Iterator for OwnLabels<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let piece = self.0.piece();
        if piece.is_empty() {
            return None;
        }
        Some((text(piece)?, text(piece)?))
    }
}
