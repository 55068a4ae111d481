//! Compressed bodies of remote write: snappy in its block format, and zstd.
//!
//! [`CompressedBody`] compresses while the message is still being written. Snappy looks back at most
//! 64 KiB and starts afresh after each 64 KiB of input, so the raw message never has to exist as a
//! whole and the result is byte for byte that of one call over all of it. A body of 10,000 samples
//! needs its compressed size plus about 140 KiB instead of three megabytes. zstd takes the same
//! windows one after another into one frame ([`zstd`] says what it holds meanwhile).
//! [`decompress`] refuses a body by its announced size before any memory is taken.

pub mod zstd;

use std::fmt;

use self::zstd::{ZstdEncoder, ZstdError};
use crate::bytes::varint;

/// Input that snappy compresses independently of what stands before it, in bytes.
const WINDOW_BYTES: usize = 1 << 16;

/// Room kept at the front of a snappy body for the length that is known only at the end: a varint
/// of 32 bits.
const PREAMBLE_BYTES: usize = 5;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Compression {
    /// One snappy block.
    #[default]
    Snappy,
    /// One zstd frame.
    Zstd,
}

impl Compression {
    /// Content of the header `Content-Encoding`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Compression::Snappy => "snappy",
            Compression::Zstd => "zstd",
        }
    }
}

/// Why a body was not compressed.
#[derive(Debug, thiserror::Error)]
pub enum CompressError {
    /// It is too large for snappy.
    #[error("snappy: {0}")]
    Snappy(#[from] snap::Error),
    /// There is no memory for zstd.
    #[error("{0}")]
    Zstd(#[from] ZstdError),
}

/// A body that grows in compressed form. Buffers are kept from one body to the next.
pub struct CompressedBody {
    compression: Compression,
    encoder: snap::raw::Encoder,
    /// There while bodies of zstd are made.
    zstd: Option<Box<ZstdEncoder>>,
    window: Vec<u8>,
    scratch: Vec<u8>,
    body: Vec<u8>,
    raw_bytes: usize,
}

impl Default for CompressedBody {
    fn default() -> Self {
        CompressedBody {
            compression: Compression::Snappy,
            encoder: snap::raw::Encoder::new(),
            zstd: None,
            window: Vec::new(),
            scratch: Vec::new(),
            body: vec![0; PREAMBLE_BYTES],
            raw_bytes: 0,
        }
    }
}

impl fmt::Debug for CompressedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompressedBody")
            .field("compression", &self.compression)
            .field("raw_bytes", &self.raw_bytes)
            .finish_non_exhaustive()
    }
}

impl CompressedBody {
    /// Begins a body that is compressed so.
    pub fn begin(&mut self, compression: Compression) {
        self.clear();
        self.compression = compression;
        if compression != Compression::Zstd {
            self.zstd = None;
        }
    }

    /// Forgets everything written and keeps the memory.
    pub fn clear(&mut self) {
        self.window.clear();
        self.body.truncate(PREAMBLE_BYTES);
        self.raw_bytes = 0;
        if let Some(encoder) = &mut self.zstd {
            encoder.reset();
        }
    }

    /// Where raw bytes are appended. Call [`CompressedBody::advance`] now and then.
    pub fn raw(&mut self) -> &mut Vec<u8> {
        &mut self.window
    }

    /// Compresses what fills whole windows, so that the raw bytes stay few.
    ///
    /// # Errors
    /// When the compressor refuses: snappy above 4 GiB, zstd without memory.
    #[inline]
    pub fn advance(&mut self) -> Result<(), CompressError> {
        if self.window.len() < WINDOW_BYTES {
            return Ok(());
        }
        self.compress_windows()
    }

    fn compress_windows(&mut self) -> Result<(), CompressError> {
        let whole = self.window.len() / WINDOW_BYTES * WINDOW_BYTES;
        for start in (0..whole).step_by(WINDOW_BYTES) {
            self.compress_piece(start, start + WINDOW_BYTES)?;
        }
        self.window.drain(..whole);
        Ok(())
    }

    /// Compresses one piece and appends it, in snappy without the length that stands before it.
    fn compress_piece(&mut self, start: usize, end: usize) -> Result<(), CompressError> {
        let piece = &self.window[start..end];
        if self.compression == Compression::Zstd {
            encoder(&mut self.zstd)?.write(piece, &mut self.body)?;
            self.raw_bytes += piece.len();
            return Ok(());
        }
        self.scratch
            .resize(snap::raw::max_compress_len(WINDOW_BYTES), 0);
        let written = self.encoder.compress(piece, &mut self.scratch)?;
        let skip = varint::len(piece.len() as u64);
        self.body.extend_from_slice(&self.scratch[skip..written]);
        self.raw_bytes += piece.len();
        Ok(())
    }

    /// Ends the body and returns it; valid until the next call.
    ///
    /// # Errors
    /// As [`CompressedBody::advance`].
    pub fn finish(&mut self) -> Result<&[u8], CompressError> {
        self.advance()?;
        if !self.window.is_empty() {
            self.compress_piece(0, self.window.len())?;
            self.window.clear();
        }
        if self.compression == Compression::Zstd {
            encoder(&mut self.zstd)?.finish(&mut self.body)?;
            return Ok(self.finished());
        }
        let mut preamble = Vec::with_capacity(varint::BYTES_MAX);
        varint::write(&mut preamble, self.raw_bytes as u64);
        let start = PREAMBLE_BYTES.saturating_sub(preamble.len());
        let room = &mut self.body[start..PREAMBLE_BYTES];
        room.copy_from_slice(&preamble[..room.len()]);
        Ok(self.finished())
    }

    /// The body that was ended last.
    #[must_use]
    pub fn finished(&self) -> &[u8] {
        let preamble = match self.compression {
            Compression::Zstd => 0,
            _ => varint::len(self.raw_bytes as u64),
        };
        &self.body[PREAMBLE_BYTES.saturating_sub(preamble)..]
    }

    /// Size of the message so far, before compression, in bytes.
    #[must_use]
    pub fn raw_bytes(&self) -> usize {
        self.raw_bytes + self.window.len()
    }

    /// What zstd holds where the allocator does not see it, in bytes.
    #[must_use]
    pub fn foreign_bytes(&self) -> usize {
        self.zstd.as_ref().map_or(0, |encoder| encoder.held_bytes())
    }

    /// Gives memory back that a body of at most `bytes` does not need, and all that zstd holds.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.zstd = None;
        self.body.shrink_to(bytes + PREAMBLE_BYTES);
        self.window.shrink_to(2 * WINDOW_BYTES);
    }
}

/// The encoder, made where there is none.
fn encoder(place: &mut Option<Box<ZstdEncoder>>) -> Result<&mut ZstdEncoder, ZstdError> {
    if place.is_none() {
        *place = Some(Box::new(ZstdEncoder::new()?));
    }
    place.as_deref_mut().ok_or(ZstdError::Memory)
}

/// Why a body was not decompressed.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// It announces more than is allowed.
    #[error("snappy body announces {announced} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Bytes it would decompress to.
        announced: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// It is not valid snappy.
    #[error("damaged snappy body: {0}")]
    Damaged(#[from] snap::Error),
}

/// Decompresses a whole body into `out`, replacing what was there.
///
/// # Errors
/// When it would exceed `limit` bytes (nothing is allocated then) or is damaged.
pub fn decompress(input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), DecompressError> {
    out.clear();
    let announced = snap::raw::decompress_len(input)?;
    if announced > limit {
        return Err(DecompressError::TooLarge { announced, limit });
    }
    out.resize(announced, 0);
    let written = snap::raw::Decoder::new().decompress(input, out)?;
    out.truncate(written);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compressed(body: &mut CompressedBody, pieces: &[Vec<u8>]) -> Vec<u8> {
        body.clear();
        for piece in pieces {
            body.raw().extend_from_slice(piece);
            body.advance().expect("advance");
        }
        body.finish().expect("finish").to_vec()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_body_written_in_pieces_is_that_of_one_call(
            sizes in prop::collection::vec(0usize..90_000, 0..6), period in 1usize..500,
        ) {
            let piece = |size: &usize| (0..*size).map(|at| (at % period) as u8).collect();
            let pieces: Vec<Vec<u8>> = sizes.iter().map(piece).collect();
            let whole = pieces.concat();
            let expected = snap::raw::Encoder::new().compress_vec(&whole).expect("compress");
            let mut body = CompressedBody::default();
            prop_assert_eq!(&compressed(&mut body, &pieces), &expected);
            prop_assert_eq!(&compressed(&mut body, &pieces), &expected, "when reused");
            prop_assert_eq!(body.raw_bytes(), whole.len());
            let mut out = Vec::new();
            decompress(&expected, &mut out, whole.len()).expect("decompress");
            prop_assert_eq!(out, whole);
        }

        #[test]
        fn any_bytes_are_decompressed_or_refused(input: Vec<u8>) {
            let mut out = Vec::new();
            if decompress(&input, &mut out, 1 << 20).is_ok() {
                prop_assert!(out.len() <= 1 << 20);
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_by_its_announcement() {
        let bomb = snap::raw::Encoder::new()
            .compress_vec(&vec![0; 1 << 20])
            .expect("compress");
        let mut out = Vec::new();
        let refused = decompress(&bomb, &mut out, (1 << 20) - 1);
        assert!(matches!(refused, Err(DecompressError::TooLarge { .. })));
        assert_eq!(out.capacity(), 0);
    }
}
