use super::*;
use crate::model::value::{ABSENT, NAN, STALE};
use proptest::prelude::*;

fn value() -> impl Strategy<Value = f64> {
    let decimals = (any::<i32>(), 0..12i32).prop_map(|(m, e)| f64::from(m) / 10f64.powi(e));
    prop_oneof![
        4 => Just(0.0),
        4 => (0..50u32).prop_map(f64::from),
        4 => decimals,
        2 => any::<u64>().prop_map(f64::from_bits),
        1 => prop::sample::select(vec![
            STALE, ABSENT, NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MAX, f64::MIN,
            f64::MIN_POSITIVE, 5e-324, 9_007_199_254_740_993.0, 1e300, -1e-300, 0.1 + 0.2,
        ]),
    ]
}

/// Consecutive blocks of the same slots: each value stays or becomes another.
fn blocks() -> impl Strategy<Value = Vec<Vec<f64>>> {
    (0..40usize).prop_flat_map(|slots| {
        let first = prop::collection::vec(value(), slots);
        let changes = prop::collection::vec(
            prop::collection::vec(prop::option::weighted(0.4, value()), slots),
            0..6,
        );
        (first, changes).prop_map(|(first, changes)| {
            let mut blocks = vec![first];
            for change in changes {
                let last = blocks.last().expect("one").iter();
                let next = last.zip(change).map(|(old, new)| new.unwrap_or(*old));
                let next = next.collect();
                blocks.push(next);
            }
            blocks
        })
    })
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

proptest! {
    #[test]
    fn every_bit_pattern_survives(blocks in blocks()) {
        let mut columns = Columns::default();
        let (mut own, mut theirs) = (Vec::new(), Vec::new());
        let mut last: Option<(Vec<f64>, Vec<u8>)> = None;
        for values in blocks {
            let base = last.as_ref().map_or(Base::default(), |(values, states)| Base {
                values,
                states,
            });
            let spans = [Span { len: values.len(), base: last.as_ref().map(|_| 0) }];
            encode(&values, &spans, base, &mut own, &mut columns);
            let back = decode(&spans, base, &columns.runs, &columns.tokens, &mut theirs);
            let back = back.expect("decodes");
            prop_assert_eq!(bits(&back), bits(&values));
            prop_assert_eq!(&own, &theirs);
            last = Some((values, own.clone()));
        }
    }

    #[test]
    fn spans_mix_old_and_new_slots(old in prop::collection::vec(value(), 8),
                                   new in prop::collection::vec(value(), 12)) {
        let mut columns = Columns::default();
        let (mut states, mut own, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        encode(&old, &[Span { len: 8, base: None }], Base::default(), &mut states, &mut columns);
        let base = Base { values: &old, states: &states };
        let spans = [
            Span { len: 4, base: Some(4) },
            Span { len: 5, base: None },
            Span { len: 3, base: Some(0) },
        ];
        encode(&new, &spans, base, &mut own, &mut columns);
        let back = decode(&spans, base, &columns.runs, &columns.tokens, &mut theirs);
        prop_assert_eq!(bits(&back.expect("decodes")), bits(&new));
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(
        runs: Vec<u8>,
        tokens: Vec<u8>,
        states in prop::collection::vec(any::<u8>(), 0..9),
        len in 0..99usize,
        base: Option<usize>,
    ) {
        let values = vec![1.5; states.len()];
        let base_of = Base { values: &values, states: &states };
        let mut out = Vec::new();
        let decoded = decode(&[Span { len, base }], base_of, &runs, &tokens, &mut out);
        prop_assert!(decoded.is_none_or(|values| values.len() == len));
    }
}

#[test]
fn common_values_take_the_bytes_the_format_promises() {
    let cases: [(f64, f64, usize); 8] = [
        (100.0, 101.0, 1),
        (1000.0, 1070.0, 2),
        (12.34, 12.37, 1),
        (0.0, 0.25, 3),
        (5.0, STALE, 2),
        (1.0, f64::INFINITY, 2),
        (3.0, 3.0, 0),
        (0.5, 0.1 + 0.2, 3 + 7),
    ];
    let mut columns = Columns::default();
    for (old, new, bytes) in cases {
        let (mut states, mut own) = (Vec::new(), Vec::new());
        let fresh = [Span { len: 1, base: None }];
        encode(&[old], &fresh, Base::default(), &mut states, &mut columns);
        let base = Base {
            values: &[old],
            states: &states,
        };
        let spans = [Span {
            len: 1,
            base: Some(0),
        }];
        encode(&[new], &spans, base, &mut own, &mut columns);
        assert_eq!(columns.tokens.len(), bytes, "{old} to {new}");
    }
}
