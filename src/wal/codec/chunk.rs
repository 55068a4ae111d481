//! Chunk definitions: the own labels of consecutive series, each as the difference from the one
//! before (`docs/log-format.md`, section 4).

use crate::bytes::cursor::Cursor;
use crate::bytes::varint;
use crate::limits;
use crate::model::series::{ChunkBuilder, Encoded, SeriesChunk};

/// Appends the payload of a chunk definition. `family` is the local id of its family.
pub fn put(out: &mut Vec<u8>, id: u32, family: Option<u32>, chunk: &SeriesChunk) {
    varint::write(out, id.into());
    varint::write(out, family.map_or(0, |family| u64::from(family) + 1));
    varint::write(out, chunk.len() as u64);
    let total: usize = chunk.all_encoded().map(Encoded::len).sum();
    varint::write(out, total as u64);
    // The labels in one piece stand in the buffer while they are compared: it has the room, and a
    // key block repeats many definitions.
    let start = out.len();
    chunk.all_encoded().for_each(|labels| labels.put(out));
    let (mut last, mut own) = (start..start, start..start);
    for labels in chunk.all_encoded() {
        own = own.end..own.end + labels.len();
        let (before, now) = (&out[last], &out[own.clone()]);
        let prefix = common(before.iter(), now.iter());
        let suffix = common(before[prefix..].iter().rev(), now[prefix..].iter().rev());
        let middle = own.start + prefix..own.end - suffix;
        varint::write(out, prefix as u64);
        varint::write(out, suffix as u64);
        varint::write(out, middle.len() as u64);
        out.extend_from_within(middle);
        last = own.clone();
    }
    out.drain(start..start + total);
}

fn common<'a>(one: impl Iterator<Item = &'a u8>, two: impl Iterator<Item = &'a u8>) -> usize {
    one.zip(two).take_while(|(a, b)| a == b).count()
}

/// A chunk definition as it is read; the family is joined by the caller.
#[derive(Debug)]
pub struct Definition {
    /// Local id.
    pub id: u32,
    /// Local id of its family.
    pub family: Option<u32>,
    /// The series, ready to be finished.
    pub series: ChunkBuilder,
}

/// Reads the payload of a chunk definition; none if it is not one, or larger than a frame may be.
#[must_use]
pub fn take(payload: &[u8]) -> Option<Definition> {
    let mut cursor = Cursor::new(payload);
    let id = cursor.varint_u32()?;
    let family = match cursor.varint()? {
        0 => None,
        id => Some(u32::try_from(id - 1).ok()?),
    };
    let count = cursor.count(payload.len())?;
    let total = cursor.count(limits::FRAME_DECODED_BYTES_MAX)?;
    let mut series = ChunkBuilder::default();
    let (mut last, mut labels) = (Vec::new(), Vec::new());
    let mut used = 0;
    for _ in 0..count {
        let prefix = cursor.count(last.len())?;
        let suffix = cursor.count(last.len() - prefix)?;
        let middle = cursor.block()?;
        used += prefix + middle.len() + suffix;
        if used > total {
            return None;
        }
        labels.clear();
        labels.extend_from_slice(&last[..prefix]);
        labels.extend_from_slice(middle);
        labels.extend_from_slice(&last[last.len() - suffix..]);
        series.push_encoded(Encoded::new(&labels));
        std::mem::swap(&mut last, &mut labels);
    }
    (used == total).then_some(Definition { id, family, series })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn chunks_survive(series in prop::collection::vec(
            prop::collection::btree_map("[a-c]{1,3}", "[x-z]{0,4}", 0..4), 0..12)) {
            let mut builder = ChunkBuilder::default();
            for labels in &series {
                builder.push(labels.iter().map(|(name, value)| (&**name, &**value)));
            }
            let chunk = builder.finish(None);
            let mut payload = Vec::new();
            put(&mut payload, 7, Some(0), &chunk);
            let mut back = take(&payload).expect("decodes");
            prop_assert_eq!((back.id, back.family), (7, Some(0)));
            prop_assert_eq!(back.series.finish(None), chunk);
        }

        #[test]
        fn any_bytes_are_read_without_panic(payload: Vec<u8>) {
            let definition = take(&payload);
            prop_assert!(definition.is_none_or(|d| d.series.len() <= payload.len()));
        }
    }
}
