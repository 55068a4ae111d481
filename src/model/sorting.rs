//! Sorting and collecting where speed does not matter, with little code.
//!
//! The standard library's sorts are fast and take five kilobytes of program for every type that is
//! sorted; so does collecting into a `BTreeMap` or a `BTreeSet`, which sorts first. Here the order
//! is worked out on positions, by one function for all types. Hot paths use the standard library.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Sorts, keeping the order of equal items. Takes four bytes of memory an item.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let mut order = order(items.len(), &mut |one, two| {
        compare(&items[one], &items[two])
    });
    for start in 0..items.len() {
        let mut at = start;
        loop {
            let from = order[at] as usize;
            order[at] = at as u32;
            if from == start || from == at {
                break;
            }
            items.swap(at, from);
            at = from;
        }
    }
}

/// Sorts by a key, keeping the order of equal items.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |one, two| key(one).cmp(&key(two)));
}

/// Sorts.
pub fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// The positions of items in their sorted order.
#[inline(never)]
fn order(length: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<u32> {
    let mut order: Vec<u32> = (0..length as u32).collect();
    order.sort_by(|one, two| compare(*one as usize, *two as usize));
    order
}

/// Collects into a map; of equal keys the last one counts.
#[must_use]
pub fn map<K: Ord, V>(items: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    for (key, value) in items {
        map.insert(key, value);
    }
    map
}

/// Collects into a set.
#[must_use]
pub fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    for item in items {
        set.insert(item);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts_as_the_standard_library_does(items in proptest::collection::vec((0..8_u8, 0..99_u32), 0..40)) {
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            let mut own = items.clone();
            sort_by_key(&mut own, |item| item.0);
            prop_assert_eq!(&own, &expected);
            expected.sort_unstable();
            sort(&mut own);
            prop_assert_eq!(&own, &expected);
            prop_assert_eq!(map(items.clone()), items.iter().copied().collect::<BTreeMap<_, _>>());
            prop_assert_eq!(set(items.clone()), items.into_iter().collect::<BTreeSet<_>>());
        }
    }
}
