//! The values of a block: what is accepted has the promised shape, and every bit pattern survives.

use crate::wal::codec::values::{Base, Span, decode, encode};

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

/// Bytes that are arbitrary, and bytes of values that are.
pub(super) fn values(data: &[u8]) {
    let ([slots, base, cut, from], rest) = choices(data);
    let (slots, base_len) = (usize::from(slots).min(SLOTS), usize::from(base));
    let (base_bytes, rest) = rest.split_at(rest.len().min(8 * base_len));
    let base_values = floats(base_bytes);
    let mut base_states = Vec::new();
    let fresh = [Span {
        len: base_values.len(),
        base: None,
    }];
    let nothing = Base::default();
    encode(
        &base_values,
        &fresh,
        nothing,
        &mut base_states,
        &mut Vec::new(),
    );
    let base = Base {
        values: &base_values,
        states: &base_states,
    };
    let spans = spans(slots, base_values.len(), cut, from);
    let mut states = Vec::new();
    if let Some(values) = decode(&spans, base, rest, &mut states) {
        assert_eq!((values.len(), states.len()), (slots, slots));
        survive(&values, &spans, base);
    }
    let mut raw = floats(rest);
    raw.resize(slots, 0.5);
    survive(&raw, &spans, base);
}

fn floats(bytes: &[u8]) -> Vec<f64> {
    let (words, _) = bytes.as_chunks::<8>();
    let floats = words
        .iter()
        .map(|word| f64::from_bits(u64::from_le_bytes(*word)));
    floats.collect()
}

fn survive(values: &[f64], spans: &[Span], base: Base<'_>) {
    let (mut own, mut theirs) = (Vec::new(), Vec::new());
    let mut bytes = Vec::new();
    encode(values, spans, base, &mut own, &mut bytes);
    let back = decode(spans, base, &bytes, &mut theirs);
    let back = back.expect("what was encoded");
    assert_eq!(bits(&back), bits(values));
    assert_eq!(own, theirs);
}
