//! The special values a sample can have.

/// Prometheus's staleness marker: the series ended here. A NaN with this exact pattern.
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The one NaN that ordinary samples use; parsers turn every other NaN into it.
pub const NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// Ours: this slot of a block carries no sample (it was rejected in this scrape). A NaN pattern
/// that parsers never produce; it must never leave the process.
pub const ABSENT_BITS: u64 = 0x7ff0_0000_0000_0003;

/// The staleness marker as a value.
pub const STALE: f64 = f64::from_bits(STALE_BITS);

/// The canonical NaN as a value.
pub const NAN: f64 = f64::from_bits(NAN_BITS);

/// The mark of a slot without a sample.
pub const ABSENT: f64 = f64::from_bits(ABSENT_BITS);

/// Whether `value` is the staleness marker, bit for bit.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// Whether `value` marks a slot without a sample.
#[must_use]
pub fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT_BITS
}

/// Returns `value`, with every NaN replaced by the canonical one: what a parser hands on.
#[must_use]
pub fn canonical(value: f64) -> f64 {
    if value.is_nan() { NAN } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_nans_and_distinct() {
        for value in [STALE, NAN, ABSENT] {
            assert!(value.is_nan());
        }
        assert!(is_stale(STALE) && !is_stale(NAN) && !is_stale(ABSENT));
        assert!(is_absent(ABSENT) && !is_absent(STALE));
        assert_eq!(canonical(STALE).to_bits(), NAN_BITS);
        assert_eq!(canonical(1.5), 1.5);
    }
}
