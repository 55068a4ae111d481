//! The books as bytes: lines of `string queue, string job, byte reason, varint samples, zigzag
//! first, zigzag last`, as many as there are bytes.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Loss, LossKey, LossReason, Losses, OTHER};
use crate::bytes::cursor::{Cursor, put_string, put_zigzag};
use crate::bytes::varint;
use crate::model::sorting;
use crate::model::time::Wall;

/// Bytes that a line takes at most beside its names: two lengths, reason, three numbers.
const LINE_BYTES: usize = 2 * 2 + 1 + 3 * 10;

/// Room for one line of every reason under [`OTHER`] as queue and job.
const RESERVE: usize = LossReason::ALL.len() * (LINE_BYTES + 2 * OTHER.len());

pub(super) fn encode(losses: &Losses, max: usize) -> Vec<u8> {
    let max = max.saturating_sub(RESERVE);
    let mut out = Vec::new();
    let lines = losses.iter().map(|(key, loss)| (key.clone(), *loss));
    // What does not fit loses its job's name first, then its queue's.
    let lines: Vec<_> = lines.collect();
    let needed: usize = lines.iter().map(|(key, _)| line_bytes(key)).sum();
    // Where they do not fit all, a quarter is for the sums.
    let named = if needed <= max { max } else { max / 4 * 3 };
    let rest = put_lines(&mut out, lines, named);
    let jobless = rest.into_iter().map(|(mut key, loss)| {
        key.job = OTHER.to_owned();
        (key, loss)
    });
    let rest = put_lines(&mut out, added_up(jobless), max);
    let nameless = rest.into_iter().map(|(mut key, loss)| {
        key.queue = OTHER.to_owned();
        (key, loss)
    });
    put_lines(&mut out, added_up(nameless), max + RESERVE);
    out
}

fn added_up(lines: impl Iterator<Item = (LossKey, Loss)>) -> Vec<(LossKey, Loss)> {
    let mut sums: BTreeMap<LossKey, Loss> = BTreeMap::new();
    for (key, loss) in lines {
        sums.entry(key).or_default().merge(loss);
    }
    sums.into_iter().collect()
}

/// Bytes of a line, at most.
fn line_bytes(key: &LossKey) -> usize {
    LINE_BYTES + key.queue.len() + key.job.len()
}

/// Writes the lines with most samples first, while there is room. Returns those without.
fn put_lines(
    out: &mut Vec<u8>,
    mut lines: Vec<(LossKey, Loss)>,
    max: usize,
) -> Vec<(LossKey, Loss)> {
    sorting::sort_by_key(&mut lines, |(_, loss)| Reverse(loss.samples));
    lines.retain(|(key, loss)| {
        let fits = out.len() + line_bytes(key) <= max;
        if fits {
            put_line(out, key, loss);
        }
        !fits
    });
    lines
}

fn put_line(out: &mut Vec<u8>, key: &LossKey, loss: &Loss) {
    put_string(out, &key.queue);
    put_string(out, &key.job);
    out.push(key.reason as u8);
    varint::write(out, loss.samples);
    put_zigzag(out, loss.first.0);
    put_zigzag(out, loss.last.0);
}

pub(super) fn decode(bytes: &[u8]) -> Option<Losses> {
    let mut cursor = Cursor::new(bytes);
    let mut losses = Losses::default();
    while !cursor.is_empty() {
        let queue = cursor.string()?.to_owned();
        let job = cursor.string()?.to_owned();
        let reason = LossReason::from_number(cursor.u8()?);
        let loss = Loss {
            samples: cursor.varint()?,
            first: Wall(cursor.zigzag()?),
            last: Wall(cursor.zigzag()?),
        };
        if let Some(reason) = reason {
            losses.add(LossKey { queue, job, reason }, loss);
        }
    }
    Some(losses)
}
