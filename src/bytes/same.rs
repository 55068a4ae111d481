//! Whether two short runs of bytes are the same.
//!
//! The texts of a page are compared row by row, a few dozen bytes each. The comparison of the C
//! library is called for that where it is a good one: glibc's, and our own on x86-64
//! (`sys::memory`). musl's elsewhere looks at one byte after the other, so ARM compares here,
//! sixteen bytes at once.

/// Bytes that are compared at once.
const BLOCK: usize = 16;

/// Whether both are the same.
#[inline]
#[must_use]
pub fn same(one: &[u8], two: &[u8]) -> bool {
    if one.len() != two.len() {
        return false;
    }
    if let (Some(one_end), Some(two_end)) = (one.last_chunk::<BLOCK>(), two.last_chunk::<BLOCK>()) {
        let (one, two) = (one.as_chunks::<BLOCK>().0, two.as_chunks::<BLOCK>().0);
        return one.iter().zip(two).all(|(one, two)| one == two) && one_end == two_end;
    }
    // Two looks that overlap cover what a block is too long for.
    if let (Some(first), Some(last)) = (one.first_chunk::<8>(), one.last_chunk::<8>()) {
        return two.first_chunk() == Some(first) && two.last_chunk() == Some(last);
    }
    if let (Some(first), Some(last)) = (one.first_chunk::<4>(), one.last_chunk::<4>()) {
        return two.first_chunk() == Some(first) && two.last_chunk() == Some(last);
    }
    one.iter().zip(two).all(|(one, two)| one == two)
}

/// Whether `text` begins with `start`.
#[inline]
#[must_use]
pub fn begins(text: &[u8], start: &[u8]) -> bool {
    if cfg!(all(target_env = "musl", not(target_arch = "x86_64"))) {
        return text.get(..start.len()).is_some_and(|own| same(own, start));
    }
    text.starts_with(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_byte_anywhere_makes_a_difference() {
        for length in 0..100 {
            let one: Vec<u8> = (0..length).collect();
            assert!(same(&one, &one.clone()));
            for at in 0..one.len() {
                let mut two = one.clone();
                two[at] ^= 128;
                assert!(!same(&one, &two), "{at} of {length}");
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_what_slices_say(
            one in prop::collection::vec(0..2u8, 0..40),
            two in prop::collection::vec(0..2u8, 0..40)) {
            prop_assert_eq!(same(&one, &two), one == two);
            prop_assert_eq!(begins(&one, &two), one.starts_with(&two));
        }
    }
}
