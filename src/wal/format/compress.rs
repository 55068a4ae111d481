//! Compression of a frame's body (`docs/log-format.md`, section 3).

use std::fmt;

use libdeflater::{CompressionLvl, Compressor, Decompressor};

/// The body is stored as it is.
pub const NONE: u8 = 0;

/// Raw deflate.
pub const DEFLATE: u8 = 1;

/// A little above zlib's default; frames are small and made once a second.
const LEVEL: i32 = 7;

/// Compresses bodies; reuses its tables.
pub struct Deflater(Compressor);

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deflater")
    }
}

impl Default for Deflater {
    fn default() -> Deflater {
        let level = CompressionLvl::new(LEVEL).unwrap_or_default();
        Deflater(Compressor::new(level))
    }
}

impl Deflater {
    /// Puts the smaller of `body` and its deflated form into `out`, and returns the tag.
    pub fn compress(&mut self, body: &[u8], out: &mut Vec<u8>) -> u8 {
        out.clear();
        out.resize(body.len(), 0);
        match self.0.deflate_compress(body, out) {
            Ok(used) if used < body.len() => {
                out.truncate(used);
                DEFLATE
            }
            // The output had no room for more than the body itself: it would not have shrunk.
            _ => {
                out.copy_from_slice(body);
                NONE
            }
        }
    }
}

/// Decompresses bodies.
pub struct Inflater(Decompressor);

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflater")
    }
}

impl Default for Inflater {
    fn default() -> Inflater {
        Inflater(Decompressor::new())
    }
}

impl Inflater {
    /// The body behind `stored`, of exactly `decoded` bytes; none if it is not.
    pub fn inflate(&mut self, tag: u8, stored: &[u8], decoded: usize) -> Option<Vec<u8>> {
        match tag {
            NONE => (stored.len() == decoded).then(|| stored.to_vec()),
            DEFLATE => {
                let mut out = vec![0; decoded];
                let used = self.0.deflate_decompress(stored, &mut out).ok()?;
                (used == decoded).then_some(out)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bodies_survive(body in prop::collection::vec(0..8u8, 0..600)) {
            let mut stored = Vec::new();
            let tag = Deflater::default().compress(&body, &mut stored);
            prop_assert!(stored.len() <= body.len());
            let back = Inflater::default().inflate(tag, &stored, body.len());
            prop_assert_eq!(back.as_ref(), Some(&body));
            prop_assert_eq!(Inflater::default().inflate(tag, &stored, body.len() + 1), None);
        }

        #[test]
        fn any_bytes_are_inflated_without_panic(tag in 0..3u8, stored: Vec<u8>, len in 0..999usize) {
            let body = Inflater::default().inflate(tag, &stored, len);
            prop_assert!(body.is_none_or(|body| body.len() == len));
        }
    }
}
