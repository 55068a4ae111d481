//! A request's body in the protocol that the endpoint understands.

use super::piece::Piece;
use super::request::{Counts, RequestBuilder, Rules, v2};
use crate::sys::memory::Foreign;
use crate::wire::compress::CompressError;
use crate::wire::version::{Protocol, Version};

/// Makes bodies, one after another. Memory for a version is taken when it is first used.
#[derive(Debug, Default)]
pub struct BodyBuilder {
    v1: RequestBuilder,
    v2: Option<Box<v2::RequestBuilder>>,
    version: Version,
    /// What a compressor in C holds, for the memory budget.
    foreign: Foreign,
}

impl BodyBuilder {
    /// Writes the pieces, which are in the order of their blocks.
    ///
    /// # Errors
    /// When the compressor refuses, which it has no reason to but for a lack of memory.
    pub fn build(
        &mut self,
        protocol: Protocol,
        pieces: &[Piece],
        rules: Rules,
    ) -> Result<Counts, CompressError> {
        self.version = protocol.version();
        let counts = match self.version {
            Version::V1 => self.v1.build(protocol.compression(), pieces, rules),
            Version::V2 => self.v2.get_or_insert_default().build(pieces, rules),
        };
        self.foreign.set(self.v1.foreign_bytes());
        counts
    }

    /// Ends the body. To be called once after [`BodyBuilder::build`].
    ///
    /// # Errors
    /// As [`BodyBuilder::build`].
    pub fn finish(&mut self) -> Result<&[u8], CompressError> {
        match (self.version, &mut self.v2) {
            (Version::V2, Some(v2)) => v2.finish(),
            _ => {
                self.v1.finish()?;
                // A small body is all compressed only now.
                self.foreign.set(self.v1.foreign_bytes());
                Ok(self.v1.finished())
            }
        }
    }

    /// Samples that the last body leaves out because of their age, by index of their piece.
    #[must_use]
    pub fn too_old(&self) -> &[(usize, u64)] {
        match (self.version, &self.v2) {
            (Version::V2, Some(v2)) => v2.too_old(),
            _ => self.v1.too_old(),
        }
    }

    /// Native histograms that the last body leaves out because of their custom buckets, by index of
    /// their piece.
    #[must_use]
    pub fn custom_buckets(&self) -> &[(usize, u64)] {
        match self.version {
            Version::V1 => self.v1.custom_buckets(),
            Version::V2 => &[],
        }
    }

    /// Gives back the memory of an unusually large body.
    pub fn shrink(&mut self) {
        self.v1.shrink();
        self.foreign.set(self.v1.foreign_bytes());
        if let Some(v2) = &mut self.v2 {
            v2.shrink();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Mono;
    use crate::remote::testing::{block, decode_zstd, list, piece};

    #[test]
    fn what_zstd_holds_is_counted_for_a_small_body_too() {
        let mut builder = BodyBuilder::default();
        let rules = Rules {
            oldest_ms: i64::MIN,
            exemplars: true,
            histograms: true,
        };
        let pieces = [piece(Mono(0), block(1, &list(1, 3)))];
        let built = builder.build(Protocol::V1Zstd, &pieces, rules);
        assert_eq!(built.expect("built").samples, 3);
        let body = builder.finish().expect("finished").to_vec();
        assert_eq!(decode_zstd(&body).timeseries.len(), 3);
        assert_eq!(builder.foreign.bytes(), builder.v1.foreign_bytes());
        assert!(builder.foreign.bytes() > 0);
    }
}
