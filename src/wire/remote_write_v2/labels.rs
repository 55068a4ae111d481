//! The labels of a series as numbers of symbols: its own laid over those of its target.
//!
//! The same rule as in remote write 1.0: own labels win over the target's, these over external
//! ones; an own label with an empty value removes the target's, and an external one of that name
//! then shows. Own labels are looked up once for all targets that share a chunk of series.

use super::symbols::Symbols;
use super::{TAG_1_BYTES, close, open};
use crate::bytes::varint;
use crate::model::labels::Labels;
use crate::model::series::Encoded;

/// A name that is compared often: mostly the first eight bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a> {
    /// The beginning as a number, filled up with zeros. Texts have the order of these numbers, and
    /// where they are equal, their own.
    start: u64,
    text: &'a [u8],
}

impl<'a> Name<'a> {
    fn new(text: &'a [u8]) -> Name<'a> {
        let mut start = [0; 8];
        let length = text.len().min(8);
        start[..length].copy_from_slice(&text[..length]);
        Name {
            start: u64::from_be_bytes(start),
            text,
        }
    }
}

/// An own label of a series.
#[derive(Clone, Copy, Debug)]
pub struct OwnLabel<'a> {
    name: Name<'a>,
    value: &'a [u8],
    name_ref: u32,
    value_ref: u32,
}

/// A label that all series of a target share.
#[derive(Clone, Copy, Debug)]
pub struct SharedLabel<'a> {
    name: Name<'a>,
    name_ref: u32,
    value_ref: u32,
    /// Value for a series that has an empty label of this name; zero for none.
    uncovered_ref: u32,
}

/// Appends the labels of a target, laid over external ones.
pub fn share<'a>(
    out: &mut Vec<SharedLabel<'a>>,
    symbols: &mut Symbols,
    target: &'a Labels,
    external: &'a Labels,
) {
    let (mut own, mut outer) = (target.iter().peekable(), external.iter().peekable());
    loop {
        let name = match (own.peek(), outer.peek()) {
            (None, None) => return,
            (Some((name, _)), None) | (None, Some((name, _))) => *name,
            (Some((name, _)), Some((other, _))) => *name.min(other),
        };
        let value = own.next_if(|(own, _)| *own == name);
        let hidden = outer.next_if(|(outer, _)| *outer == name);
        let text = |label: Option<(&'a str, &'a str)>| label.map_or("", |(_, value)| value);
        out.push(SharedLabel {
            name: Name::new(name.as_bytes()),
            name_ref: symbols.refer(name.as_bytes()),
            value_ref: symbols.refer(text(value.or(hidden)).as_bytes()),
            uncovered_ref: symbols.refer(text(hidden).as_bytes()),
        });
    }
}

/// Takes a name or a value off stored labels.
#[inline]
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, used) = match rest.first() {
        Some(byte) if *byte < 0x80 => (u64::from(*byte), 1),
        _ => varint::read(rest)?,
    };
    let end = used.checked_add(usize::try_from(length).ok()?)?;
    let text = rest.get(used..end)?;
    *rest = &rest[end..];
    Some(text)
}

/// Takes the next label off stored ones.
#[inline]
fn label<'a>(stored: &mut Encoded<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let piece = stored.piece();
    Some((text(piece)?, text(piece)?))
}

/// Replaces `own` by the labels of `stored`, as [`crate::model::series::SeriesChunk::encoded`] gives
/// them. What stands in `own` saves look-ups: neighbours have the same names and often values.
/// It must be of the same table. Ends early on bytes that no chunk holds.
pub fn look_up<'a>(own: &mut Vec<OwnLabel<'a>>, symbols: &mut Symbols, mut stored: Encoded<'a>) {
    let mut count = 0;
    while let Some((name, value)) = label(&mut stored) {
        let before = own.get(count).copied();
        let before = before.filter(|before| before.name.text == name);
        let same = before.filter(|before| before.value == value);
        let label = same.unwrap_or_else(|| OwnLabel {
            name: Name::new(name),
            value,
            name_ref: before.map_or_else(|| symbols.refer(name), |before| before.name_ref),
            value_ref: symbols.refer(value),
        });
        match own.get_mut(count) {
            Some(place) => *place = label,
            None => own.push(label),
        }
        count += 1;
    }
    own.truncate(count);
}

/// Appends the `labels_refs` of a series.
pub fn append_labels(out: &mut Vec<u8>, own: &[OwnLabel<'_>], shared: &[SharedLabel<'_>]) {
    let refs = open(out, TAG_1_BYTES);
    let mut shared = shared.iter();
    let mut next = shared.next();
    for label in own {
        while let Some(other) = next.filter(|other| other.name < label.name) {
            append(out, other.name_ref, other.value_ref);
            next = shared.next();
        }
        let mut value_ref = label.value_ref;
        if let Some(other) = next.filter(|other| other.name_ref == label.name_ref) {
            if value_ref == 0 {
                value_ref = other.uncovered_ref;
            }
            next = shared.next();
        }
        if value_ref != 0 {
            append(out, label.name_ref, value_ref);
        }
    }
    while let Some(other) = next {
        append(out, other.name_ref, other.value_ref);
        next = shared.next();
    }
    close(out, &refs);
}

#[inline]
fn append(out: &mut Vec<u8>, name: u32, value: u32) {
    if name < 0x80 && value < 0x80 {
        out.extend_from_slice(&[name as u8, value as u8]);
        return;
    }
    varint::write(out, name.into());
    varint::write(out, value.into());
}
