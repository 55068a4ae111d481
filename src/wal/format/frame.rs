//! Frames: what is written, compressed, checked and lost as one (`docs/log-format.md`, section 3).

use memchr::memmem;

use super::header::{u32_at, u64_at};
use crate::limits;
use crate::model::block::Sequence;

/// Length of a frame's header in bytes.
pub const FRAME_HEADER_BYTES: usize = 32;

/// Bytes of a frame that are not its body: header and the body's checksum.
pub const FRAME_EXTRA_BYTES: usize = FRAME_HEADER_BYTES + 4;

/// A body's stored length at most: deflate's worst case is far below a sixteenth more.
const STORED_BYTES_MAX: usize =
    limits::FRAME_DECODED_BYTES_MAX + limits::FRAME_DECODED_BYTES_MAX / 16;

const MAGIC: [u8; 2] = [0xf5, 0x4e];
const KIND_MASK: u8 = 0x0f;
const KIND_RECORDS: u8 = 1;
const HAS_DEFINITIONS: u8 = 0x10;
const HAS_EPOCHS: u8 = 0x20;

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FrameHeader {
    /// Whether the body is a sequence of records; another kind is skipped.
    pub records: bool,
    /// Whether definitions are in it.
    pub definitions: bool,
    /// Whether epochs are in it.
    pub epochs: bool,
    /// Compression tag of the body.
    pub compression: u8,
    /// Length of the body in the file, in bytes.
    pub stored: u32,
    /// Length of the body after decompression, in bytes.
    pub decoded: u32,
    /// Sequence number of the first block in it; of the next block if there is none in it.
    pub first: Sequence,
    /// Sequence numbers it covers; zero if it has no block.
    pub span: u32,
    /// Samples in its blocks.
    pub samples: u32,
}

impl FrameHeader {
    /// Sequence number of its last block; the one before `first` if it has none.
    #[must_use]
    pub fn last(&self) -> Sequence {
        Sequence((self.first.0 + u64::from(self.span)).saturating_sub(1))
    }

    /// Bytes of the whole frame in the file.
    #[must_use]
    pub fn frame_bytes(&self) -> u64 {
        u64::from(self.stored) + FRAME_EXTRA_BYTES as u64
    }

    fn checksum(bytes: &[u8], segment: u64) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&bytes[..28]), &segment.to_le_bytes())
    }

    /// The header's bytes for a frame in segment `segment`.
    #[must_use]
    pub fn encode(&self, segment: u64) -> [u8; FRAME_HEADER_BYTES] {
        let mut out = [0; FRAME_HEADER_BYTES];
        out[..2].copy_from_slice(&MAGIC);
        out[2] = KIND_RECORDS;
        out[2] |= if self.definitions { HAS_DEFINITIONS } else { 0 };
        out[2] |= if self.epochs { HAS_EPOCHS } else { 0 };
        out[3] = self.compression;
        out[4..8].copy_from_slice(&self.stored.to_le_bytes());
        out[8..12].copy_from_slice(&self.decoded.to_le_bytes());
        out[12..20].copy_from_slice(&self.first.0.to_le_bytes());
        out[20..24].copy_from_slice(&self.span.to_le_bytes());
        out[24..28].copy_from_slice(&self.samples.to_le_bytes());
        let crc = FrameHeader::checksum(&out, segment);
        out[28..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the header at the start of `bytes`; none if no valid one of this segment is there.
    #[must_use]
    pub fn decode(bytes: &[u8], segment: u64) -> Option<FrameHeader> {
        let bytes: &[u8; FRAME_HEADER_BYTES] = bytes.first_chunk()?;
        if bytes[..2] != MAGIC || FrameHeader::checksum(bytes, segment) != u32_at(bytes, 28) {
            return None;
        }
        let header = FrameHeader {
            records: bytes[2] & KIND_MASK == KIND_RECORDS,
            definitions: bytes[2] & HAS_DEFINITIONS != 0,
            epochs: bytes[2] & HAS_EPOCHS != 0,
            compression: bytes[3],
            stored: u32_at(bytes, 4),
            decoded: u32_at(bytes, 8),
            first: Sequence(u64_at(bytes, 12)),
            span: u32_at(bytes, 20),
            samples: u32_at(bytes, 24),
        };
        let sane = header.stored as usize <= STORED_BYTES_MAX
            && header.decoded as usize <= limits::FRAME_DECODED_BYTES_MAX
            && header.first.0 <= limits::LOG_NUMBER_MAX - u64::from(header.span);
        sane.then_some(header)
    }
}

/// Appends a whole frame: header, body, checksum. `header.stored` is set here.
pub fn put(out: &mut Vec<u8>, mut header: FrameHeader, segment: u64, stored: &[u8]) {
    header.stored = u32::try_from(stored.len()).unwrap_or(u32::MAX);
    let head = header.encode(segment);
    out.extend_from_slice(&head);
    out.extend_from_slice(stored);
    let crc = crc32c::crc32c_append(u32_at(&head, 28), stored);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// The body of the frame that `frame` holds whole (header, body, checksum); none if the checksum
/// is wrong or bytes are missing.
#[must_use]
pub fn checked_body<'a>(header: &FrameHeader, frame: &'a [u8]) -> Option<&'a [u8]> {
    let end = FRAME_HEADER_BYTES + header.stored as usize;
    let body = frame.get(FRAME_HEADER_BYTES..end)?;
    let crc = frame.get(end..end + 4)?;
    let expected = crc32c::crc32c_append(u32_at(frame, 28), body);
    (u32_at(crc, 0) == expected).then_some(body)
}

/// Offset of the first valid frame header in `bytes`, looking at every place where the magic
/// stands with a whole header behind it.
#[must_use]
pub fn find(bytes: &[u8], segment: u64) -> Option<usize> {
    memmem::find_iter(bytes, &MAGIC)
        .find(|at| FrameHeader::decode(&bytes[*at..], segment).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(segment: u64, body: &[u8]) -> Vec<u8> {
        let header = FrameHeader {
            records: true,
            definitions: true,
            decoded: body.len() as u32,
            first: Sequence(9),
            span: 3,
            samples: 12,
            ..FrameHeader::default()
        };
        let mut out = Vec::new();
        put(&mut out, header, segment, body);
        out
    }

    #[test]
    fn a_frame_of_another_segment_is_none_of_ours() {
        let bytes = frame(4, b"body");
        let header = FrameHeader::decode(&bytes, 4).expect("valid");
        assert_eq!(
            (header.last(), header.frame_bytes()),
            (Sequence(11), bytes.len() as u64)
        );
        assert_eq!(checked_body(&header, &bytes), Some(&b"body"[..]));
        assert_eq!(FrameHeader::decode(&bytes, 5), None);
    }

    #[test]
    fn a_number_that_no_log_reaches_is_no_frame() {
        for (first, valid) in [(limits::LOG_NUMBER_MAX - 3, true), (u64::MAX - 3, false)] {
            let header = FrameHeader {
                first: Sequence(first),
                span: 3,
                ..FrameHeader::default()
            };
            let bytes = header.encode(1);
            assert_eq!(FrameHeader::decode(&bytes, 1).is_some(), valid);
        }
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(body: Vec<u8>, at: prop::sample::Index, bit in 0..8u8) {
            let mut bytes = frame(1, &body);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let header = FrameHeader::decode(&bytes, 1);
            prop_assert!(header.and_then(|header| checked_body(&header, &bytes)).is_none());
        }

        #[test]
        fn a_frame_is_found_behind_garbage(garbage: Vec<u8>, body: Vec<u8>) {
            let mut bytes = garbage.clone();
            bytes.extend_from_slice(&MAGIC);
            let at = bytes.len();
            bytes.extend(frame(1, &body));
            prop_assert_eq!(find(&bytes, 1), Some(at));
            prop_assert_eq!(find(&bytes[..at + FRAME_HEADER_BYTES - 1], 1), None);
        }
    }
}
