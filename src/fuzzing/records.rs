//! Definitions of the log: whatever is accepted can be written again and is read as it was.

use crate::wal::codec::{chunk, definition};

use super::choices;

/// One definition; the first byte says of which kind.
pub(super) fn definitions(data: &[u8]) {
    let ([kind], payload) = choices(data);
    let mut out = Vec::new();
    match kind % 6 {
        0 => chunk(payload),
        1 => {
            let Some(list) = definition::take_list(payload) else {
                return;
            };
            assert!(list.runs.len() <= payload.len());
            definition::put_runs(&mut out, &list);
            assert_eq!(definition::take_list(&out), Some(list));
        }
        2 => {
            let Some((id, target)) = definition::take_target(payload) else {
                return;
            };
            definition::put_target(&mut out, id, &target);
            assert_eq!(definition::take_target(&out), Some((id, target)));
        }
        3 => {
            let Some((id, family)) = definition::take_family(payload) else {
                return;
            };
            definition::put_family(&mut out, id, &family);
            assert_eq!(definition::take_family(&out), Some((id, family)));
        }
        4 => {
            let Some(epoch) = definition::take_epoch(payload) else {
                return;
            };
            definition::put_epoch(&mut out, &epoch);
            assert_eq!(definition::take_epoch(&out), Some(epoch));
        }
        _ => {
            let Some(forgotten) = definition::take_forget(payload) else {
                return;
            };
            assert!(forgotten.ids.iter().map(Vec::len).sum::<usize>() <= payload.len());
            definition::put_forget(&mut out, &forgotten);
            assert_eq!(definition::take_forget(&out), Some(forgotten));
        }
    }
}

fn chunk(payload: &[u8]) {
    let Some(mut one) = chunk::take(payload) else {
        return;
    };
    let series = one.series.finish(None);
    let mut out = Vec::new();
    chunk::put(&mut out, one.id, one.family, &series);
    let mut two = chunk::take(&out).expect("what was put");
    assert_eq!((one.id, one.family), (two.id, two.family));
    assert_eq!(two.series.finish(None), series);
    for index in 0..series.len() {
        let bytes = series
            .own_labels(index)
            .map(|(name, value)| name.len() + value.len());
        assert!(bytes.sum::<usize>() <= series.encoded(index).len());
    }
}
