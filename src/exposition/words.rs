//! Eight bytes of a page at once: how far runs of one kind of byte go.

/// The high bit of every byte.
pub(super) const HIGH: u64 = ONES * 0x80;
const ONES: u64 = u64::MAX / 255;

/// That byte, eight times.
#[inline(always)]
pub(super) const fn each(byte: u8) -> u64 {
    ONES * byte as u64
}

/// The eight bytes at `at`, the first one lowest.
#[inline(always)]
pub(super) fn at(input: &[u8], at: usize) -> Option<u64> {
    let rest = input.get(at..)?;
    rest.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// How many bytes stand below the lowest one whose high bit is set; eight if none is.
#[inline(always)]
pub(super) const fn before_mark(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// Marks, in the high bit of each byte, at least the lowest byte of `word` that is zero.
#[inline(always)]
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// Marks bytes that are at least `least`, which is 1 to 127. None of `word` is above 127.
#[inline(always)]
const fn from(word: u64, least: u8) -> u64 {
    word + each(0x80 - least)
}

/// Marks, at least the lowest one, quotes, backslashes and control characters.
#[inline(always)]
pub(super) const fn not_plain_text(word: u64) -> u64 {
    let quotes = zeros(word ^ each(b'"'));
    let backslashes = zeros(word ^ each(b'\\'));
    let controls = word.wrapping_sub(each(0x20)) & !word & HIGH;
    quotes | backslashes | controls
}

/// Marks what is no letter, digit, underscore or colon.
#[inline(always)]
const fn not_name(word: u64) -> u64 {
    let ascii = word & !HIGH;
    let lower = ascii | each(0x20);
    let letters = from(lower, b'a') & !from(lower, b'z' + 1);
    // The colon comes behind the digits.
    let digits = from(ascii, b'0') & !from(ascii, b':' + 1);
    let underscores = !from(ascii ^ each(b'_'), 1);
    (!(letters | digits | underscores) | word) & HIGH
}

/// Marks what is no digit.
#[inline(always)]
const fn not_digit(word: u64) -> u64 {
    let digits = word ^ each(b'0');
    (from(digits & !HIGH, 10) | digits) & HIGH
}

/// The number that eight digits are, each a byte of its value, the first one lowest: pairs, fours and
/// all eight become one number each.
#[inline(always)]
pub(super) const fn joined(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul((10 << 8) + 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul((100 << 16) + 1) >> 16;
    (fours & 0x0000_ffff_0000_ffff).wrapping_mul((10_000 << 32) + 1) >> 32
}

/// Where the run of bytes at `at` ends of which `marks` marks none.
#[inline(always)]
fn run(input: &[u8], mut at: usize, marks: impl Fn(u64) -> u64) -> usize {
    while let Some(word) = self::at(input, at) {
        let length = before_mark(marks(word));
        at += length;
        if length < 8 {
            return at;
        }
    }
    // The last bytes of the input, one at a time: marked as a word of which the others are known.
    while let Some(byte) = input.get(at) {
        if marks(each(*byte)) != 0 {
            break;
        }
        at += 1;
    }
    at
}

/// The end of the run of letters, digits, underscores and colons at `at`.
pub(super) fn name(input: &[u8], at: usize) -> usize {
    run(input, at, not_name)
}

/// The end of the run of digits at `at`.
pub(super) fn digits(input: &[u8], at: usize) -> usize {
    run(input, at, not_digit)
}

/// The end of the run of ASCII at `at` without quotes, backslashes and control characters.
pub(super) fn plain_ascii(input: &[u8], at: usize) -> usize {
    run(input, at, |word| not_plain_text(word) | word & HIGH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The end of a run, byte by byte.
    fn slow(input: &[u8], at: usize, belongs: impl Fn(u8) -> bool) -> usize {
        let rest = input.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|byte| belongs(**byte)).count()
    }

    fn check(input: &[u8], at: usize) {
        let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
        assert_eq!(name(input, at), slow(input, at, in_name), "{input:?}");
        let is_digit = |byte: u8| byte.is_ascii_digit();
        assert_eq!(digits(input, at), slow(input, at, is_digit), "{input:?}");
        let is_plain = |byte: u8| matches!(byte, 0x20..0x80) && byte != b'"' && byte != b'\\';
        assert_eq!(
            plain_ascii(input, at),
            slow(input, at, is_plain),
            "{input:?}"
        );
    }

    #[test]
    fn every_byte_is_told_apart_at_every_place() {
        for around in [b'a', b'7', b'Z'] {
            for byte in 0..=255 {
                for place in 0..17 {
                    let mut input = [around; 17];
                    input[place] = byte;
                    check(&input, 0);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn runs_end_where_a_look_at_each_byte_says(
            input in prop::collection::vec(any::<u8>(), 0..40), at in 0usize..42) {
            check(&input, at);
        }

        #[test]
        fn runs_of_text_end_so_too(input in "[a-zA-Z0-9_:\"\\\\ .é\n-]{0,40}", at in 0usize..42) {
            check(input.as_bytes(), at);
        }
    }
}
