//! The header of a segment: 64 bytes at its start (`docs/log-format.md`, section 2).

use crate::limits;
use crate::model::block::{EpochId, Sequence};
use crate::model::time::Wall;

/// Length of the header in bytes; the first frame follows.
pub const HEADER_BYTES: usize = 64;

/// The version this code writes, and the only one it reads.
pub const VERSION: u16 = 1;

const MAGIC: &[u8; 8] = b"NTXWAL\r\n";

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Its number, as in its file name.
    pub number: u64,
    /// No block in it has a lower sequence number.
    pub first: Sequence,
    /// When it was made; for people.
    pub created: Wall,
    /// The epoch that was current then.
    pub epoch: EpochId,
}

/// Why bytes are no segment header of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Wrong magic, wrong checksum or too short.
    #[error("segment header is damaged")]
    Damaged,
    /// Written by a newer program.
    #[error("segment has format version {0}, this program reads version {VERSION}")]
    Version(u16),
}

impl SegmentHeader {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..8].copy_from_slice(MAGIC);
        out[8..10].copy_from_slice(&VERSION.to_le_bytes());
        out[10..12].copy_from_slice(&(HEADER_BYTES as u16).to_le_bytes());
        out[16..24].copy_from_slice(&self.number.to_le_bytes());
        out[24..32].copy_from_slice(&self.first.0.to_le_bytes());
        out[32..40].copy_from_slice(&self.created.0.to_le_bytes());
        out[40..44].copy_from_slice(&self.epoch.0.to_le_bytes());
        let crc = crc32c::crc32c(&out[..60]);
        out[60..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`HeaderError`]; the version is looked at before the checksum, because only the magic and
    /// the version have a fixed place for ever.
    pub fn decode(bytes: &[u8]) -> Result<SegmentHeader, HeaderError> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(HeaderError::Damaged)?;
        if !bytes.starts_with(MAGIC) {
            return Err(HeaderError::Damaged);
        }
        let sound = crc32c::crc32c(&bytes[..60]) == u32_at(bytes, 60)
            && u64_at(bytes, 24) <= limits::LOG_NUMBER_MAX;
        match u16::from_le_bytes([bytes[8], bytes[9]]) {
            VERSION if sound => Ok(SegmentHeader {
                number: u64_at(bytes, 16),
                first: Sequence(u64_at(bytes, 24)),
                created: Wall(u64_at(bytes, 32).cast_signed()),
                epoch: EpochId(u32_at(bytes, 40)),
            }),
            VERSION => Err(HeaderError::Damaged),
            // A flipped bit in the version field is damage; a newer version has its own checksum.
            version if sound => Err(HeaderError::Version(version)),
            _ => Err(HeaderError::Damaged),
        }
    }
}

/// Four bytes at a place that the caller has checked.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Eight bytes at a place that the caller has checked.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            number: 7,
            first: Sequence(1 << 40),
            created: Wall(-5),
            epoch: EpochId(3),
        }
    }

    #[test]
    fn a_header_survives_and_a_newer_version_is_named() {
        let mut bytes = header().encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header()));
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderError::Version(2)));
    }

    #[test]
    fn a_number_that_no_log_reaches_is_damage() {
        let mut far = header();
        far.first = Sequence(u64::MAX);
        let decoded = SegmentHeader::decode(&far.encode());
        assert_eq!(decoded, Err(HeaderError::Damaged));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_noticed(at in 0..HEADER_BYTES, bit in 0..8u8) {
            let mut bytes = header().encode();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderError::Damaged));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            prop_assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderError::Damaged));
        }
    }
}
