//! zstd, which VictoriaMetrics takes for the message of remote write 1.0: one frame, level 1.
//!
//! Level 1 alone: a static build leaves the match finders of other levels out. The window holds a
//! whole request, so that an entry is found again in the target before; the encoder keeps the window,
//! and takes its memory from the C library, where the allocator of the program does not see it
//! ([`ZstdEncoder::held_bytes`] says how much it is); it goes back with the encoder.

use std::fmt;

use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, SafeResult};

use crate::limits;

/// The level that is compiled in.
const LEVEL: i32 = 1;

/// Bytes that a match has to have: shorter ones cost more than the literals that they save.
const MATCH_BYTES_MIN: u32 = 7;

/// Room for output that is made at once, in bytes.
const OUT_BYTES: usize = 32 * 1024;

/// First guess at how much larger a message is than its frame, which need not say.
const RATIO: usize = 32;

/// What zstd answers when the room for the output is too small, `ZSTD_error_dstSize_tooSmall`.
const TOO_SMALL: usize = 0_usize.wrapping_sub(70);

/// Why zstd did not do its work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZstdError {
    /// There is not enough memory.
    #[error("zstd: not enough memory")]
    Memory,
    /// The message is larger than allowed.
    #[error("zstd: message of more than {0} bytes")]
    TooLarge(usize),
    /// The body is not a whole zstd frame.
    #[error("zstd: damaged frame")]
    Damaged,
}

/// Makes frames, one after another, in the same memory.
pub struct ZstdEncoder {
    context: CCtx<'static>,
}

impl fmt::Debug for ZstdEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZstdEncoder")
            .field("held_bytes", &self.held_bytes())
            .finish_non_exhaustive()
    }
}

impl ZstdEncoder {
    /// An encoder; most of its memory is taken with the first bytes.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new() -> Result<ZstdEncoder, ZstdError> {
        let mut context = CCtx::try_create().ok_or(ZstdError::Memory)?;
        for parameter in [
            CParameter::CompressionLevel(LEVEL),
            CParameter::WindowLog(limits::ZSTD_WINDOW_LOG),
            CParameter::HashLog(limits::ZSTD_HASH_LOG),
            CParameter::MinMatch(MATCH_BYTES_MIN),
        ] {
            told(context.set_parameter(parameter))?;
        }
        Ok(ZstdEncoder { context })
    }

    /// Forgets a frame that was not ended.
    pub fn reset(&mut self) {
        // It fails in no state of the context.
        let _reset = self.context.reset(ResetDirective::SessionOnly);
    }

    /// Appends what comes of these bytes to `out`.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ZstdError> {
        let mut input = InBuffer::around(bytes);
        while input.pos() < bytes.len() {
            self.step(&mut input, out, ZSTD_EndDirective::ZSTD_e_continue)?;
        }
        Ok(())
    }

    /// What it holds in the C library's heap, in bytes, whether it is touched or not.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.context.sizeof()
    }

    /// Appends the end of the frame.
    ///
    /// # Errors
    /// As [`ZstdEncoder::write`].
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), ZstdError> {
        let mut nothing = InBuffer::around(&[]);
        while self.step(&mut nothing, out, ZSTD_EndDirective::ZSTD_e_end)? > 0 {}
        Ok(())
    }

    fn step(
        &mut self,
        input: &mut InBuffer<'_>,
        out: &mut Vec<u8>,
        directive: ZSTD_EndDirective,
    ) -> Result<usize, ZstdError> {
        out.reserve(OUT_BYTES);
        let end = out.len();
        let mut room = OutBuffer::around_pos(out, end);
        told(self.context.compress_stream2(&mut room, input, directive))
    }
}

/// Our parameters are valid and calls come in order, so memory is all that can be missing.
fn told(result: SafeResult) -> Result<usize, ZstdError> {
    result.map_err(|_| ZstdError::Memory)
}

/// Decompresses a whole body into `out`, replacing what was there.
///
/// # Errors
/// When it would exceed `limit` bytes (nothing is allocated then, if the frame says its size), when
/// it is damaged, or when there is no memory.
pub fn decompress(input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), ZstdError> {
    out.clear();
    let announced = zstd_safe::get_frame_content_size(input).map_err(|_| ZstdError::Damaged)?;
    if announced.is_some_and(|bytes| bytes > limit as u64) {
        return Err(ZstdError::TooLarge(limit));
    }
    // Without a size, and where more frames follow, a second try has all the room there may be.
    let guess = input.len().saturating_mul(RATIO);
    let guess = announced.map_or(guess, |bytes| bytes as usize);
    for room in [guess.min(limit), limit] {
        out.clear();
        out.try_reserve_exact(room).map_err(|_| ZstdError::Memory)?;
        match zstd_safe::decompress(out, input) {
            Ok(_) if out.len() <= limit => return Ok(()),
            Err(code) if code != TOO_SMALL => return Err(ZstdError::Damaged),
            _ => {}
        }
    }
    Err(ZstdError::TooLarge(limit))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn frame(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut encoder, mut out) = (ZstdEncoder::new().expect("encoder"), Vec::new());
        for piece in pieces {
            encoder.write(piece, &mut out).expect("written");
        }
        encoder.finish(&mut out).expect("finished");
        out
    }

    /// By another implementation.
    fn second_opinion(frame: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        let mut decoder = ruzstd::decoding::StreamingDecoder::new(frame).expect("a frame");
        decoder.read_to_end(&mut plain).expect("decoded");
        plain
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_is_written_in_pieces_is_read_whole(
            sizes in prop::collection::vec(0usize..300_000, 0..5), period in 1usize..70_000,
        ) {
            let piece = |size: &usize| (0..*size).map(|at| (at % period * 7 / 3) as u8).collect();
            let pieces: Vec<Vec<u8>> = sizes.iter().map(piece).collect();
            let whole = pieces.concat();
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let frame = frame(&pieces);
            prop_assert_eq!(&second_opinion(&frame), &whole);
            let mut out = Vec::new();
            decompress(&frame, &mut out, whole.len()).expect("decompressed");
            prop_assert_eq!(out, whole);
        }

        #[test]
        fn any_bytes_are_decompressed_or_refused(input: Vec<u8>, magic: bool) {
            let magic: &[u8] = if magic { &[0x28, 0xb5, 0x2f, 0xfd] } else { &[] };
            let (input, mut out) = ([magic, &input].concat(), Vec::new());
            if decompress(&input, &mut out, 1 << 20).is_ok() {
                prop_assert!(out.len() <= 1 << 20);
            }
        }

        #[test]
        fn a_frame_that_is_cut_or_changed_is_refused_or_stays_within_its_limit(
            cut in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>(),
        ) {
            let plain: Vec<u8> = (0..20_000u32).flat_map(|n| (n % 997).to_le_bytes()).collect();
            let frame = frame(&[&plain]);
            let mut out = Vec::new();
            let cut = &frame[..cut.index(frame.len())];
            prop_assert!(cut.is_empty() || decompress(cut, &mut out, 1 << 20).is_err());
            let (mut changed, at) = (frame.clone(), bit.index(8 * frame.len()));
            changed[at / 8] ^= 1 << (at % 8);
            if decompress(&changed, &mut out, 1 << 20).is_ok() {
                prop_assert!(out.len() <= 1 << 20);
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_whether_it_says_its_size_or_not() {
        let zeros = vec![0; 8 << 20];
        let silent = frame(&[&zeros]);
        let mut announcing = vec![0; 1 << 16];
        let bytes = zstd_safe::compress(&mut announcing[..], &zeros, 1).expect("compressed");
        announcing.truncate(bytes);
        let twins = [announcing.as_slice(), &announcing].concat();
        for (bomb, limit) in [
            (&silent, (8 << 20) - 1),
            (&announcing, (8 << 20) - 1),
            (&twins, (16 << 20) - 1),
        ] {
            assert!(bomb.len() < 1 << 13, "{}", bomb.len());
            let mut out = Vec::new();
            let refused = decompress(bomb, &mut out, limit);
            assert_eq!(refused, Err(ZstdError::TooLarge(limit)));
            decompress(bomb, &mut out, limit + 1).expect("as large as allowed");
            assert_eq!(out.len(), limit + 1);
        }
    }

    #[test]
    fn a_frame_that_was_not_ended_is_forgotten() {
        let (mut encoder, mut out) = (ZstdEncoder::new().expect("encoder"), Vec::new());
        encoder.write(&[1; 400_000], &mut out).expect("written");
        encoder.reset();
        out.clear();
        encoder.write(b"second", &mut out).expect("written");
        encoder.finish(&mut out).expect("finished");
        assert_eq!(second_opinion(&out), b"second");
    }

    #[test]
    fn what_the_encoder_holds_is_bounded() {
        let (mut encoder, mut out) = (ZstdEncoder::new().expect("encoder"), Vec::new());
        encoder.write(&[1; 3_000_000], &mut out).expect("written");
        let bytes = encoder.held_bytes();
        assert!((1 << 20..2 << 20).contains(&bytes), "{bytes}");
    }
}
