//! Definitions of families, targets and lists, epochs, and what may be forgotten
//! (`docs/log-format.md`, section 4). Chunks have their own file.

use crate::bytes::cursor::{Cursor, put_string, put_zigzag};
use crate::bytes::varint;
use crate::limits;
use crate::model::block::EpochId;
use crate::model::labels::Labels;
use crate::model::metadata::{Family, MetricType};
use crate::model::series::TargetIdentity;
use crate::model::time::Wall;
use crate::model::timeline::Epoch;

/// Set in an epoch's flags if its mapping is final.
const FROZEN: u64 = 1;

/// Appends the payload of an epoch record.
pub fn put_epoch(out: &mut Vec<u8>, epoch: &Epoch) {
    varint::write(out, epoch.id.0.into());
    put_zigzag(out, epoch.base_wall.0);
    varint::write(out, if epoch.frozen { FROZEN } else { 0 });
}

/// Reads an epoch record.
#[must_use]
pub fn take_epoch(payload: &[u8]) -> Option<Epoch> {
    let mut cursor = Cursor::new(payload);
    Some(Epoch {
        id: EpochId(cursor.varint_u32()?),
        base_wall: Wall(cursor.zigzag()?),
        frozen: cursor.varint()? & FROZEN != 0,
    })
}

/// Appends the payload of a family definition.
pub fn put_family(out: &mut Vec<u8>, id: u32, family: &Family) {
    varint::write(out, id.into());
    varint::write(out, family.kind() as u64);
    for text in [family.name(), family.help(), family.unit()] {
        put_string(out, text);
    }
}

/// Reads a family definition.
#[must_use]
pub fn take_family(payload: &[u8]) -> Option<(u32, Family)> {
    let mut cursor = Cursor::new(payload);
    let id = cursor.varint_u32()?;
    let kind = MetricType::from_number(u8::try_from(cursor.varint()?).unwrap_or(u8::MAX));
    let (name, help, unit) = (cursor.string()?, cursor.string()?, cursor.string()?);
    Some((id, Family::new(name, kind, help, unit)))
}

/// Appends labels: their number and the pairs.
pub fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    varint::write(out, labels.len() as u64);
    for (name, value) in labels.iter() {
        put_string(out, name);
        put_string(out, value);
    }
}

/// Reads labels.
pub fn take_labels(cursor: &mut Cursor<'_>) -> Option<Labels> {
    let count = cursor.count(cursor.rest().len())?;
    let mut pairs = Vec::new();
    for _ in 0..count {
        pairs.push((cursor.string()?, cursor.string()?));
    }
    Some(Labels::from_pairs(pairs))
}

/// Appends the payload of a target definition.
pub fn put_target(out: &mut Vec<u8>, id: u32, target: &TargetIdentity) {
    varint::write(out, id.into());
    out.extend_from_slice(&target.id.to_le_bytes());
    put_string(out, &target.job);
    put_labels(out, &target.labels);
}

/// Reads a target definition.
#[must_use]
pub fn take_target(payload: &[u8]) -> Option<(u32, TargetIdentity)> {
    let mut cursor = Cursor::new(payload);
    let local = cursor.varint_u32()?;
    let target = TargetIdentity {
        id: cursor.u64()?,
        job: cursor.string()?.into(),
        labels: take_labels(&mut cursor)?,
    };
    Some((local, target))
}

/// A list by the local ids of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListParts {
    /// Local id of the list.
    pub id: u32,
    /// Local id of its target.
    pub target: u32,
    /// Local ids of its chunks, in slot order.
    pub chunks: Vec<u32>,
}

/// A list as it is written: runs of consecutive ids. A few bytes may name millions of chunks, so
/// that they are written out only once those chunks are known to be there.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ListRuns {
    /// Local id of the list.
    pub id: u32,
    /// Local id of its target.
    pub target: u32,
    /// First id and number of ids of each run.
    pub runs: Vec<(u32, u32)>,
}

impl ListRuns {
    /// Local ids of its chunks, in slot order.
    pub fn chunks(&self) -> impl Iterator<Item = u32> {
        let runs = self.runs.iter();
        runs.flat_map(|(first, len)| *first..first.saturating_add(*len))
    }
}

impl From<&ListParts> for ListRuns {
    fn from(list: &ListParts) -> ListRuns {
        let consecutive = |one: &u32, two: &u32| u64::from(*one) + 1 == u64::from(*two);
        let runs = list.chunks.chunk_by(consecutive);
        ListRuns {
            id: list.id,
            target: list.target,
            runs: runs.map(|run| (run[0], run.len() as u32)).collect(),
        }
    }
}

/// Appends the payload of a list definition.
pub fn put_list(out: &mut Vec<u8>, list: &ListParts) {
    put_runs(out, &ListRuns::from(list));
}

/// Appends the payload of a list definition.
pub fn put_runs(out: &mut Vec<u8>, list: &ListRuns) {
    varint::write(out, list.id.into());
    varint::write(out, list.target.into());
    varint::write(out, list.runs.len() as u64);
    let mut expected = 0;
    for (first, len) in &list.runs {
        put_zigzag(out, i64::from(*first) - expected);
        varint::write(out, (*len).into());
        expected = i64::from(*first) + i64::from(*len);
    }
}

/// Reads a list definition.
#[must_use]
pub fn take_list(payload: &[u8]) -> Option<ListRuns> {
    let mut cursor = Cursor::new(payload);
    let mut list = ListRuns {
        id: cursor.varint_u32()?,
        target: cursor.varint_u32()?,
        runs: Vec::new(),
    };
    let mut expected: i64 = 0;
    let mut chunks = 0;
    for _ in 0..cursor.varint()? {
        let first = u32::try_from(expected.checked_add(cursor.zigzag()?)?).ok()?;
        let len = cursor.count(limits::LIST_SERIES_MAX - chunks)?;
        chunks += len;
        let len = u32::try_from(len).ok()?;
        expected = first.checked_add(len)?.into();
        list.runs.push((first, len));
    }
    Some(list)
}

/// Local ids that nothing refers to any more, each kind in ascending order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Families, targets, chunks, lists.
    pub ids: [Vec<u32>; 4],
}

/// Appends the payload of a forget record.
pub fn put_forget(out: &mut Vec<u8>, forgotten: &Forgotten) {
    for ids in &forgotten.ids {
        varint::write(out, ids.len() as u64);
        let mut last = 0;
        for id in ids {
            varint::write(out, u64::from(id - last));
            last = *id;
        }
    }
}

/// Reads a forget record.
#[must_use]
pub fn take_forget(payload: &[u8]) -> Option<Forgotten> {
    let mut cursor = Cursor::new(payload);
    let mut forgotten = Forgotten::default();
    for ids in &mut forgotten.ids {
        let mut last: u32 = 0;
        for _ in 0..cursor.count(payload.len())? {
            last = last.checked_add(cursor.varint_u32()?)?;
            ids.push(last);
        }
    }
    Some(forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn payload(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out);
        out
    }

    proptest! {
        #[test]
        fn epochs_survive(id: u32, wall: i64, frozen: bool) {
            let epoch = Epoch { id: EpochId(id), base_wall: Wall(wall), frozen };
            prop_assert_eq!(take_epoch(&payload(|out| put_epoch(out, &epoch))), Some(epoch));
        }

        #[test]
        fn lists_survive(id: u32, target: u32, chunks in prop::collection::vec(0..9u32, 0..20)) {
            let list = ListParts { id, target, chunks };
            let back = take_list(&payload(|out| put_list(out, &list))).expect("decodes");
            prop_assert_eq!((back.id, back.target), (list.id, list.target));
            prop_assert_eq!(back.chunks().collect::<Vec<_>>(), list.chunks);
        }

        #[test]
        fn any_bytes_are_read_without_panic(payload: Vec<u8>) {
            let read = [
                take_epoch(&payload).is_some(),
                take_family(&payload).is_some(),
                take_target(&payload).is_some(),
                take_forget(&payload).is_some(),
            ];
            prop_assert!(!payload.is_empty() || read == [false; 4]);
            prop_assert!(take_list(&payload).is_none_or(
                |list| list.chunks().count() <= limits::LIST_SERIES_MAX));
        }
    }

    #[test]
    fn a_list_that_names_millions_of_chunks_takes_few_bytes() {
        let list = ListRuns {
            runs: vec![(0, limits::LIST_SERIES_MAX as u32)],
            ..ListRuns::default()
        };
        let bytes = payload(|out| put_runs(out, &list));
        assert!(bytes.len() < 10);
        assert_eq!(take_list(&bytes), Some(list.clone()));
        let beyond = ListRuns {
            runs: vec![(0, limits::LIST_SERIES_MAX as u32), (0, 1)],
            ..list
        };
        assert_eq!(take_list(&payload(|out| put_runs(out, &beyond))), None);
    }

    #[test]
    fn names_survive() {
        let family = Family::new("a", MetricType::Summary, "help", "s");
        let target = TargetIdentity {
            id: u64::MAX,
            job: "job".into(),
            labels: Labels::from_pairs([("instance", "b:1"), ("job", "job")]),
        };
        let forgotten = Forgotten {
            ids: [vec![], vec![3], vec![0, 5, 6], vec![u32::MAX]],
        };
        let bytes = payload(|out| put_family(out, 3, &family));
        assert_eq!(take_family(&bytes), Some((3, family)));
        let bytes = payload(|out| put_target(out, 4, &target));
        assert_eq!(take_target(&bytes), Some((4, target)));
        let bytes = payload(|out| put_forget(out, &forgotten));
        assert_eq!(take_forget(&bytes), Some(forgotten));
    }
}
