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
        let mut bytes = Vec::new();
        let (mut own, mut theirs) = (Vec::new(), Vec::new());
        let mut last: Option<(Vec<f64>, Vec<State>)> = None;
        for values in blocks {
            let base = last.as_ref().map_or(Base::default(), |(values, states)| Base {
                values,
                states,
            });
            let spans = [Span { len: values.len(), base: last.as_ref().map(|_| 0) }];
            bytes.clear();
            encode(&values, &spans, base, &mut own, &mut bytes);
            let back = decode(&spans, base, &bytes, &mut theirs);
            let back = back.expect("decodes");
            prop_assert_eq!(bits(&back), bits(&values));
            prop_assert_eq!(&own, &theirs);
            last = Some((values, own.clone()));
        }
    }

    #[test]
    fn spans_mix_old_and_new_slots(old in prop::collection::vec(value(), 8),
                                   new in prop::collection::vec(value(), 12)) {
        let (mut states, mut own, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        let mut bytes = Vec::new();
        encode(&old, &[Span { len: 8, base: None }], Base::default(), &mut states, &mut bytes);
        bytes.clear();
        let base = Base { values: &old, states: &states };
        let spans = [
            Span { len: 4, base: Some(4) },
            Span { len: 5, base: None },
            Span { len: 3, base: Some(0) },
        ];
        encode(&new, &spans, base, &mut own, &mut bytes);
        let back = decode(&spans, base, &bytes, &mut theirs);
        prop_assert_eq!(bits(&back.expect("decodes")), bits(&new));
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(
        bytes: Vec<u8>,
        before in prop::collection::vec(value(), 0..9),
        len in 0..99usize,
        base: Option<usize>,
    ) {
        let (mut states, mut out) = (Vec::new(), Vec::new());
        let fresh = [Span { len: before.len(), base: None }];
        encode(&before, &fresh, Base::default(), &mut states, &mut Vec::new());
        let base_of = Base { values: &before, states: &states };
        let decoded = decode(&[Span { len, base }], base_of, &bytes, &mut out);
        prop_assert!(decoded.is_none_or(|values| values.len() == len));
    }
}

/// Bytes of the second of two blocks.
fn cost(old: &[f64], new: &[f64]) -> usize {
    let (mut states, mut own) = (Vec::new(), Vec::new());
    let len = old.len();
    let fresh = [Span { len, base: None }];
    encode(old, &fresh, Base::default(), &mut states, &mut Vec::new());
    let base = Base {
        values: old,
        states: &states,
    };
    let mut bytes = Vec::new();
    let same = [Span { len, base: Some(0) }];
    encode(new, &same, base, &mut own, &mut bytes);
    bytes.len()
}

#[test]
fn common_values_cost_what_the_format_promises() {
    for (old, new, most) in [
        (100.0, 101.0, 2),
        (1000.0, 1070.0, 3),
        (12.34, 12.37, 2),
        (0.0, 0.25, 4),
        (5.0, STALE, 3),
        (1.0, f64::INFINITY, 3),
        (3.0, 3.0, 1),
        (0.5, 0.1 + 0.2, 10),
    ] {
        let bytes = cost(&[old], &[new]);
        assert!(bytes <= most, "{old} to {new}: {bytes} bytes");
    }
    let quiet: Vec<f64> = (0..1000).map(f64::from).collect();
    assert!(cost(&quiet, &quiet) <= 8, "{}", cost(&quiet, &quiet));
}
