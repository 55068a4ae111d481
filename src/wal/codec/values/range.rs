//! A binary range coder (`docs/log-format.md`, 5.2): likely bits cost a fraction of a bit.
//!
//! Probabilities adapt to what they have seen; both directions make the same steps, so the model of
//! a block is written once, over [`Coder`].

/// Bits of a probability.
const PRECISION: u32 = 15;

/// How slowly a probability follows what is seen.
const RATE: u32 = 4;

/// Below this the range is widened by a byte.
const RANGE_MIN: u32 = 1 << 24;

/// The probability that a bit is zero, in units of 2^-15; never 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chance(pub(super) u16);

impl Chance {
    /// Both are as likely.
    pub(super) const EVEN: Chance = Chance(1 << (PRECISION - 1));

    #[inline]
    fn bound(self, range: u32) -> u32 {
        (range >> PRECISION) * u32::from(self.0)
    }

    #[inline]
    fn saw(&mut self, bit: bool) {
        if bit {
            self.0 -= self.0 >> RATE;
        } else {
            self.0 += ((1 << PRECISION) - self.0) >> RATE;
        }
    }
}

/// One direction of the coder.
pub(super) trait Coder {
    /// Whether it writes; what a reader is given does not count.
    const WRITES: bool;

    /// Codes a bit; returns it.
    fn bit(&mut self, chance: &mut Chance, bit: bool) -> bool;

    /// Codes the lowest `count` bits of a number, up to 64, all as likely; returns them.
    fn plain(&mut self, value: u64, count: u32) -> u64;
}

/// Bits to bytes.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    low: u64,
    range: u32,
}

impl<'a> Writer<'a> {
    /// Appends to `out`.
    pub(super) fn new(out: &'a mut Vec<u8>) -> Writer<'a> {
        Writer {
            start: out.len(),
            out,
            low: 0,
            range: u32::MAX,
        }
    }

    #[inline]
    fn normalise(&mut self) {
        while self.range < RANGE_MIN {
            self.range <<= 8;
            self.shift();
        }
    }

    /// Moves the highest byte of the 32 bits of `low` out, with its carry.
    #[inline]
    fn shift(&mut self) {
        if self.low >> 32 != 0 {
            self.carry();
        }
        self.out.push((self.low >> 24) as u8);
        self.low = (self.low & 0x00ff_ffff) << 8;
    }

    #[cold]
    fn carry(&mut self) {
        for byte in self.out[self.start..].iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                return;
            }
        }
    }

    /// Ends: as few bytes as tell the rest; zeros at the end go without saying.
    pub(super) fn finish(mut self) {
        let end = self.low + u64::from(self.range) - 1;
        // The number in the range with the most zeros at its end.
        let differs = 64 - (self.low ^ end).leading_zeros();
        let zeros = differs.saturating_sub(1);
        let rounded = (end >> zeros) << zeros;
        self.low = if self.low.trailing_zeros() > zeros {
            self.low
        } else {
            rounded
        };
        for _ in 0..4 {
            self.shift();
        }
        while self.out.len() > self.start && self.out.last() == Some(&0) {
            self.out.pop();
        }
    }
}

impl Coder for Writer<'_> {
    const WRITES: bool = true;

    #[inline]
    fn bit(&mut self, chance: &mut Chance, bit: bool) -> bool {
        let bound = chance.bound(self.range);
        if bit {
            self.low += u64::from(bound);
            self.range -= bound;
        } else {
            self.range = bound;
        }
        chance.saw(bit);
        self.normalise();
        bit
    }

    #[inline]
    fn plain(&mut self, value: u64, count: u32) -> u64 {
        let mut left = count;
        while left > 0 {
            // The range keeps at least 24 bits, so eight at a time leave precision enough.
            let part = left.min(8);
            left -= part;
            let digit = (value >> left) & ((1 << part) - 1);
            self.range >>= part;
            self.low += digit * u64::from(self.range);
            self.normalise();
        }
        value
    }
}

/// Bytes to bits. Behind the end it reads zeros.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: std::slice::Iter<'a, u8>,
    /// Where in the range the number is.
    offset: u32,
    range: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        let mut reader = Reader {
            rest: bytes.iter(),
            offset: 0,
            range: u32::MAX,
        };
        for _ in 0..4 {
            reader.shift();
        }
        reader
    }

    #[inline]
    fn shift(&mut self) {
        let byte = self.rest.next().copied().unwrap_or(0);
        self.offset = self.offset << 8 | u32::from(byte);
    }

    #[inline]
    fn normalise(&mut self) {
        while self.range < RANGE_MIN {
            self.range <<= 8;
            self.shift();
        }
    }

    /// Whether every byte was needed.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.as_slice().is_empty()
    }
}

impl Coder for Reader<'_> {
    const WRITES: bool = false;

    #[inline]
    fn bit(&mut self, chance: &mut Chance, _: bool) -> bool {
        let bound = chance.bound(self.range);
        let bit = self.offset >= bound;
        if bit {
            self.offset -= bound;
            self.range -= bound;
        } else {
            self.range = bound;
        }
        chance.saw(bit);
        self.normalise();
        bit
    }

    #[inline]
    fn plain(&mut self, _: u64, count: u32) -> u64 {
        let (mut value, mut left) = (0, count);
        while left > 0 {
            let part = left.min(8);
            left -= part;
            self.range >>= part;
            // Damage that a checksum did not see may point beyond the range.
            let digit = (self.offset / self.range).min((1 << part) - 1);
            self.offset -= digit * self.range;
            value = value << part | u64::from(digit);
            self.normalise();
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Item {
        Bit(usize, bool),
        Plain(u64, u32),
    }

    fn item() -> impl Strategy<Value = Item> {
        prop_oneof![
            8 => (0..4usize, prop::bool::weighted(0.02)).prop_map(|(n, b)| Item::Bit(n, b)),
            2 => (0..4usize, any::<bool>()).prop_map(|(n, b)| Item::Bit(n, b)),
            2 => (any::<u64>(), 0..=64u32).prop_map(|(value, count)| {
                Item::Plain(if count == 64 { value } else { value & ((1 << count) - 1) }, count)
            }),
        ]
    }

    fn code(coder: &mut impl Coder, items: &[Item]) -> Vec<u64> {
        let mut chances = [Chance::EVEN, Chance(1), Chance(32767), Chance(20_000)];
        let coded = items.iter().map(|item| match item {
            Item::Bit(which, bit) => u64::from(coder.bit(&mut chances[*which], *bit)),
            Item::Plain(value, count) => coder.plain(*value, *count),
        });
        coded.collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(items in prop::collection::vec(item(), 0..300)) {
            let mut bytes = vec![0xff, 0xff];
            let mut writer = Writer::new(&mut bytes);
            let written = code(&mut writer, &items);
            writer.finish();
            prop_assert_eq!(&bytes[..2], &[0xff, 0xff]);
            let mut reader = Reader::new(&bytes[2..]);
            prop_assert_eq!(code(&mut reader, &items), written);
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, items in prop::collection::vec(item(), 0..99)) {
            let read = code(&mut Reader::new(&bytes), &items);
            for (item, value) in items.iter().zip(read) {
                if let Item::Plain(_, count) = item {
                    prop_assert!(*count == 64 || value < 1 << count);
                }
            }
        }
    }

    #[test]
    fn likely_bits_are_cheap() {
        let items = vec![Item::Bit(0, false); 1000];
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        code(&mut writer, &items);
        writer.finish();
        assert!(bytes.len() <= 2, "{} bytes", bytes.len());
    }
}
