//! Which slots of a block have a predecessor in the target's previous block
//! (`docs/log-format.md`, 5.1).

use hashbrown::HashMap;

use super::values::Span;

/// Spans of the chunks `now`, given the chunks `before`; both as (local id, series) in slot order.
pub fn between(
    before: impl Iterator<Item = (u32, usize)>,
    now: impl Iterator<Item = (u32, usize)>,
) -> Vec<Span> {
    let mut starts = HashMap::new();
    let mut slot = 0;
    for (name, len) in before {
        starts.entry(name).or_insert(slot);
        slot += len;
    }
    let mut spans = Vec::new();
    for (name, len) in now {
        let base = starts.get(&name).copied();
        push(&mut spans, Span { len, base });
    }
    spans
}

fn push(spans: &mut Vec<Span>, span: Span) {
    if let Some(last) = spans.last_mut()
        && last.base.map(|base| base + last.len) == span.base
    {
        last.len += span.len;
        return;
    }
    spans.push(span);
}

/// One span without predecessors: a key block.
#[must_use]
pub fn fresh(len: usize) -> Vec<Span> {
    vec![Span { len, base: None }]
}

/// One span of the same slots: the list did not change.
#[must_use]
pub fn same(len: usize) -> Vec<Span> {
    vec![Span { len, base: Some(0) }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_chunk_alone_loses_its_predecessors() {
        let before = [(1, 10), (2, 20), (3, 30)];
        let now = [(1, 10), (9, 5), (8, 5), (2, 20), (3, 30), (1, 10)];
        let span = |len, base| Span { len, base };
        assert_eq!(
            between(before.into_iter(), now.into_iter()),
            [
                span(10, Some(0)),
                span(10, None),
                span(50, Some(10)),
                span(10, Some(0))
            ]
        );
    }
}
