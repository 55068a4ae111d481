//! How a static program copies and compares memory on x86-64.
//!
//! musl copies with an instruction that takes twenty cycles to begin, and compares byte by byte.
//! Texts of a few dozen bytes are what an agent copies and compares most, so a static program took
//! a quarter more processor time a sample than one with glibc (`docs/performance.md`). The linker
//! takes these instead of musl's (`memcpy`, `memmove`, `memcmp`, `bcmp`): a weak definition
//! that is there already is enough for it, and nothing is defined twice where it is not.

#![expect(
    unsafe_code,
    reason = "the linker's copy and comparison, and their tests"
)]

use std::arch::global_asm;

global_asm!(include_str!("x86_64.s"));

#[cfg(target_env = "musl")]
global_asm!(
    ".weak memcpy",
    ".weak memmove",
    ".weak memcmp",
    ".weak bcmp",
    ".set memcpy, narthex_copy",
    ".set memmove, narthex_copy",
    ".set memcmp, narthex_compare",
    ".set bcmp, narthex_same",
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    unsafe extern "C" {
        fn narthex_copy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8;
        fn narthex_compare(one: *const u8, two: *const u8, bytes: usize) -> i32;
        fn narthex_same(one: *const u8, two: *const u8, bytes: usize) -> i32;
    }

    /// Bytes that all differ from their neighbours.
    fn pattern(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| (at * 7 + at / 251) as u8).collect()
    }

    /// Copies within one buffer and compares with what a slice makes of it.
    fn copies(length: usize, from: usize, to: usize) {
        let mut own = pattern(from.max(to) + length + 1);
        let mut expected = own.clone();
        expected.copy_within(from..from + length, to);
        let start = own.as_mut_ptr();
        // SAFETY: both places lie within the buffer.
        let given = unsafe { narthex_copy(start.add(to), start.add(from), length) };
        assert_eq!(given as usize - start as usize, to);
        assert!(own == expected, "{length} bytes from {from} to {to}");
    }

    fn compares(one: &[u8], two: &[u8]) {
        let bytes = one.len().min(two.len());
        // SAFETY: both have so many bytes.
        let given = unsafe { narthex_compare(one.as_ptr(), two.as_ptr(), bytes) };
        let expected = one[..bytes].cmp(&two[..bytes]);
        assert_eq!(given.cmp(&0), expected, "{one:?} {two:?}");
        // SAFETY: both have so many bytes.
        let given = unsafe { narthex_same(one.as_ptr(), two.as_ptr(), bytes) };
        assert_eq!(given == 0, expected.is_eq(), "{one:?} {two:?}");
    }

    #[test]
    fn every_length_is_copied_whatever_overlaps() {
        for length in (0..300).chain([4095, 4096, 4097, 9000]) {
            for distance in (0..70).chain([127, 128, 129, 4096]) {
                copies(length, 3, 3 + distance);
                copies(length, 3 + distance, 3);
            }
        }
    }

    #[test]
    fn the_first_byte_that_differs_decides() {
        for length in 0..220 {
            let one = pattern(length);
            compares(&one, &one.clone());
            for at in 0..length {
                let mut two = one.clone();
                two[at] ^= 0x80;
                if let Some(behind) = two.get_mut(at + 1) {
                    *behind = !*behind;
                }
                compares(&one, &two);
                compares(&two, &one);
            }
        }
    }

    proptest! {
        #[test]
        fn any_place_is_right(length in 0..10_000_usize, from in 0..5000_usize, to in 0..5000_usize) {
            copies(length, from, to);
        }

        #[test]
        fn any_two_are_compared_as_slices_are(
            one in prop::collection::vec(0..3u8, 0..50),
            two in prop::collection::vec(0..3u8, 0..50)) {
            compares(&one, &two);
        }
    }

    /// Two pages, the second of which must not be touched: nothing is read or written behind an end.
    #[test]
    fn nothing_behind_the_end_is_touched() {
        use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
        const PAGE: usize = 4096;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a mapping of its own, given back below; the second page is not used.
        unsafe {
            let start = mmap_anonymous(std::ptr::null_mut(), 2 * PAGE, access, MapFlags::PRIVATE)
                .expect("pages");
            mprotect(start.byte_add(PAGE), PAGE, MprotectFlags::empty()).expect("a guard");
            let end = start.cast::<u8>().add(PAGE);
            for length in 0..200 {
                let mut own = pattern(length);
                let at = end.sub(length);
                narthex_copy(at, own.as_ptr(), length);
                assert_eq!(narthex_compare(at, own.as_ptr(), length), 0, "{length}");
                assert_eq!(narthex_same(own.as_ptr(), at, length), 0, "{length}");
                narthex_copy(own.as_mut_ptr(), at, length);
                assert!(own == pattern(length));
            }
            munmap(start, 2 * PAGE).expect("to give it back");
        }
    }
}
