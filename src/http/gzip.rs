//! Decodes gzip bodies that are in memory as a whole, into one buffer that is used again.
//!
//! The decoded size is bounded by the caller's limit whatever the trailer claims, and the buffer is
//! never larger than what comes of it: a body that does not fit into
//! [`limits::DECODED_KEPT_BYTES`] and does not say its size truly is first decoded into nothing to
//! learn it. Several members in a row (RFC 1952, 2.2) are understood; anything behind them is an
//! error, as is a cut. Built on libdeflate, which is 2.3 times as fast as streaming decoders but
//! wants to know the size; a streaming decoder does what it cannot.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;
use libdeflater::{DecompressionError, Decompressor};

use crate::limits;

/// More decoded bytes than a deflate stream of one byte can yield.
const MOST_PER_BYTE: usize = 1032;

/// Smallest buffer to begin with.
const FIRST_BYTES: usize = 16 * 1024;

/// Bytes decoded at a time when only their number matters.
const COUNTED_BYTES: usize = 32 * 1024;

/// Why a body cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GzipError {
    /// Not gzip, damaged, cut off, or followed by something else.
    #[error("gzip: invalid or truncated body")]
    Broken,
    /// As many decoded bytes as the limit, or more.
    #[error("body size limit exceeded")]
    TooLarge,
}

/// The decoder and its buffer.
pub struct Inflater {
    decompressor: Decompressor,
    buffer: Vec<u8>,
}

/// What came of decoding in one go.
#[derive(Clone, Copy)]
enum Attempt {
    /// The body had one member, of so many bytes.
    Done(usize),
    /// The buffer was too small.
    Full,
    /// There is more behind the first member.
    More,
}

impl Default for Inflater {
    fn default() -> Self {
        Inflater {
            decompressor: Decompressor::new(),
            buffer: Vec::new(),
        }
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater")
            .field("buffer", &self.buffer.capacity())
            .finish_non_exhaustive()
    }
}

impl Inflater {
    /// Decodes a body whose decoded size must stay below `limit` bytes; 0 for no limit. The result
    /// is valid until the next call.
    ///
    /// # Errors
    /// See [`GzipError`].
    pub fn inflate(&mut self, body: &[u8], limit: u64) -> Result<&[u8], GzipError> {
        let most = match usize::try_from(limit) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(limit) => limit,
        };
        let claimed = claimed(body);
        let first = claimed.min(body.len() * MOST_PER_BYTE);
        let first = first.clamp(FIRST_BYTES, limits::DECODED_KEPT_BYTES);
        let mut attempt = self.attempt(body, first.min(most))?;
        if let Attempt::Full = attempt {
            // A claim that the body can keep is either true or makes the body a broken one.
            let plausible = claimed > first && claimed / MOST_PER_BYTE <= body.len();
            if first >= most || (plausible && claimed >= most) {
                return Err(GzipError::TooLarge);
            }
            if plausible {
                attempt = self.attempt(body, claimed)?;
            }
        }
        let size = match attempt {
            Attempt::Done(size) => size,
            Attempt::Full | Attempt::More => self.stream(body, most)?,
        };
        if size >= most {
            return Err(GzipError::TooLarge);
        }
        Ok(&self.buffer[..size])
    }

    /// Gives back what one large body took. Call it once the result has been used.
    pub fn release(&mut self) {
        if self.buffer.len() > limits::DECODED_KEPT_BYTES {
            self.buffer = Vec::new();
        }
    }

    /// Decodes the first member into a buffer of `room` bytes.
    fn attempt(&mut self, body: &[u8], room: usize) -> Result<Attempt, GzipError> {
        self.make_room(room);
        let result = self.decompressor.gzip_decompress(body, &mut self.buffer);
        match result {
            Ok(size) if ends_with_trailer(body, &self.buffer[..size]) => Ok(Attempt::Done(size)),
            Ok(_) => Ok(Attempt::More),
            Err(DecompressionError::InsufficientSpace) => Ok(Attempt::Full),
            Err(_) => Err(GzipError::Broken),
        }
    }

    /// Decodes all members, having counted what they yield.
    fn stream(&mut self, body: &[u8], most: usize) -> Result<usize, GzipError> {
        let size = decoded_size(body, most)?;
        self.make_room(size);
        let read = MultiGzDecoder::new(body).read_exact(&mut self.buffer[..size]);
        read.map_err(|_| GzipError::Broken)?;
        Ok(size)
    }

    /// A buffer of at least `room` bytes. The old one goes first: its content is of no use.
    fn make_room(&mut self, room: usize) {
        if self.buffer.len() < room {
            self.buffer = Vec::new();
            self.buffer = vec![0; room];
        }
    }
}

/// The decoded size that the last four bytes claim: a hint, and a lie if the peer wants to.
fn claimed(input: &[u8]) -> usize {
    match input.last_chunk::<4>() {
        Some(bytes) => u32::from_le_bytes(*bytes) as usize,
        None => 0,
    }
}

/// Whether the member that `decoded` came from ends where `body` does. The decoder does not tell,
/// but a member ends with the checksum and the size of what it decodes to; where these stand before
/// the end of the body too, it is not known which of them ends it.
fn ends_with_trailer(body: &[u8], decoded: &[u8]) -> bool {
    let mut trailer = [0; 8];
    trailer[..4].copy_from_slice(&libdeflater::crc32(decoded).to_le_bytes());
    trailer[4..].copy_from_slice(&(decoded.len() as u32).to_le_bytes());
    memchr::memmem::find(body, &trailer).is_some_and(|at| at + trailer.len() == body.len())
}

/// Decodes all members into nothing and says how much came out; fails as soon as it is `most`.
fn decoded_size(body: &[u8], most: usize) -> Result<usize, GzipError> {
    let mut decoder = MultiGzDecoder::new(body);
    let mut scratch = vec![0; COUNTED_BYTES];
    let mut size = 0;
    loop {
        match decoder.read(&mut scratch) {
            Ok(0) => return Ok(size),
            Ok(amount) => size += amount,
            Err(_) => return Err(GzipError::Broken),
        }
        if size >= most {
            return Err(GzipError::TooLarge);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(content).expect("compressed");
        encoder.finish().expect("compressed")
    }

    fn inflate(body: &[u8], limit: u64) -> Result<Vec<u8>, GzipError> {
        Inflater::default().inflate(body, limit).map(<[u8]>::to_vec)
    }

    #[test]
    fn the_limit_counts_decoded_bytes_and_is_itself_too_many() {
        let body = gzip(&[b'x'; 1000]);
        assert_eq!(inflate(&body, 1001), Ok(vec![b'x'; 1000]));
        assert_eq!(inflate(&body, 1000), Err(GzipError::TooLarge));
        assert_eq!(inflate(&body, 0), Ok(vec![b'x'; 1000]));
    }

    #[test]
    fn a_bomb_ends_at_the_limit_and_its_buffer_is_given_back() {
        let mut inflater = Inflater::default();
        let honest = gzip(&vec![0; 200 << 20]);
        let mut liar = honest.clone();
        let length = liar.len();
        liar[length - 4..].copy_from_slice(&100u32.to_le_bytes());
        let split = gzip(&vec![0; 3 << 20]).repeat(2);
        for bomb in [honest, liar, split] {
            assert_eq!(inflater.inflate(&bomb, 4 << 20), Err(GzipError::TooLarge));
            assert!(inflater.buffer.len() < 4 << 20, "{}", inflater.buffer.len());
        }
        inflater.release();
        let small = gzip(b"small");
        assert_eq!(inflater.inflate(&small, 0), Ok(&b"small"[..]));
        assert!(inflater.buffer.capacity() <= limits::DECODED_KEPT_BYTES);
    }

    #[test]
    fn a_large_body_takes_its_own_size_and_no_more() {
        let mut inflater = Inflater::default();
        let large = vec![b'x'; (3 << 20) + 1];
        let decoded = inflater.inflate(&gzip(&large), 64 << 20).expect("decoded");
        assert!(decoded == large);
        assert_eq!(inflater.buffer.capacity(), large.len());
        let parts = [gzip(&large), gzip(b"end")].concat();
        let size = inflater.inflate(&parts, 0).map(<[u8]>::len);
        assert_eq!(size, Ok(large.len() + 3));
        assert_eq!(inflater.buffer.capacity(), large.len() + 3);
        inflater.release();
        assert_eq!(inflater.buffer.capacity(), 0);
    }

    #[test]
    fn a_lying_trailer_allocates_nothing() {
        let mut body = gzip(b"hello");
        let length = body.len();
        body[length - 4..].fill(0xff);
        let mut inflater = Inflater::default();
        assert_eq!(inflater.inflate(&body, 0), Err(GzipError::Broken));
        assert!(inflater.buffer.len() <= 64 * 1024);
    }

    #[test]
    fn several_members_are_one_body_and_garbage_behind_is_an_error() {
        let parts = [
            gzip(b"one "),
            gzip(b""),
            gzip(&[b'2'; 70_000]),
            gzip(b" three"),
        ]
        .concat();
        let expected = [b"one ".as_slice(), &[b'2'; 70_000], b" three"].concat();
        assert!(inflate(&parts, 0) == Ok(expected));
        assert_eq!(inflate(&parts, 70_010), Err(GzipError::TooLarge));
        assert_eq!(
            inflate(&[&parts, &b"garbage"[..]].concat(), 0),
            Err(GzipError::Broken)
        );
        assert_eq!(
            inflate(&[&parts, &[0u8; 9][..]].concat(), 0),
            Err(GzipError::Broken)
        );
    }

    #[test]
    fn equal_members_are_all_decoded() {
        let parts = [gzip(b"twice"), gzip(b"twice"), gzip(b"")].concat();
        assert_eq!(inflate(&parts, 0), Ok(b"twicetwice".to_vec()));
    }

    #[test]
    fn every_cut_is_an_error() {
        let body = gzip(b"some body that is compressed");
        for end in 0..body.len() {
            assert_eq!(inflate(&body[..end], 0), Err(GzipError::Broken), "{end}");
        }
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(content in prop::collection::vec(any::<u8>(), 0..100_000)) {
            prop_assert_eq!(inflate(&gzip(&content), 0), Ok(content));
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let framed = [&[0x1f, 0x8b, 8, 0][..], &bytes].concat();
            let _outcome = inflate(&framed, 1000);
            let _outcome = inflate(&bytes, 0);
        }
    }
}
