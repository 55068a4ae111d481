//! The values of a block: what is accepted has the promised shape, and every bit pattern survives.

use crate::wal::codec::values::{Base, Columns, Span, decode, encode};

use super::choices;

/// Slots at most.
const SLOTS: usize = 255;

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Spans that cover `slots` slots, as the choices say; with predecessors where there are any.
fn spans(slots: usize, base: usize, cut: u8, from: u8) -> Vec<Span> {
    let cut = slots.min(cut.into());
    let span = |len: usize, first: usize| Span {
        len,
        base: Some(first).filter(|first| first + len <= base),
    };
    vec![span(cut, 0), span(slots - cut, from.into())]
}

/// Columns that are arbitrary bytes, and columns of values that are.
pub(super) fn values(data: &[u8]) {
    let ([slots, base, cut, from, runs], rest) = choices(data);
    let (slots, base_len) = (usize::from(slots).min(SLOTS), usize::from(base));
    let (base_bytes, rest) = rest.split_at(rest.len().min(9 * base_len));
    let (words, _) = base_bytes.as_chunks::<9>();
    let base_values: Vec<f64> = words
        .iter()
        .map(|word| f64::from_bits(u64::from_le_bytes(*word.first_chunk().unwrap_or(&[0; 8]))))
        .collect();
    let base_states: Vec<u8> = words.iter().map(|word| word[8]).collect();
    let base = Base {
        values: &base_values,
        states: &base_states,
    };
    let spans = spans(slots, base_values.len(), cut, from);
    let (runs, tokens) = rest.split_at(rest.len().min(runs.into()));
    let mut states = Vec::new();
    if let Some(values) = decode(&spans, base, runs, tokens, &mut states) {
        assert_eq!((values.len(), states.len()), (slots, slots));
        survive(&values, &spans, base);
    }
    let (words, _) = rest.as_chunks::<8>();
    let raw = words
        .iter()
        .map(|word| f64::from_bits(u64::from_le_bytes(*word)));
    let mut raw: Vec<f64> = raw.take(slots).collect();
    raw.resize(slots, 0.5);
    survive(&raw, &spans, base);
}

fn survive(values: &[f64], spans: &[Span], base: Base<'_>) {
    let (mut own, mut theirs) = (Vec::new(), Vec::new());
    let mut columns = Columns::default();
    encode(values, spans, base, &mut own, &mut columns);
    let back = decode(spans, base, &columns.runs, &columns.tokens, &mut theirs);
    let back = back.expect("what was encoded");
    assert_eq!(bits(&back), bits(values));
    assert_eq!(own, theirs);
}
