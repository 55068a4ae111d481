//! Contents of definitions as 128 bits, by which the encoder knows them again.
//!
//! Two different contents under one digest would put one target's labels on another's samples, so
//! the hash is keyed anew in every process: a target cannot look for such contents, and by chance
//! they come once in 2^64 definitions.

use std::hash::{BuildHasher, Hash, RandomState};

use crate::model::metadata::Family;
use crate::model::series::{SeriesChunk, SeriesList};

/// A digest.
pub type Digest = [u64; 2];

/// The keys of this process.
#[derive(Clone, Debug, Default)]
pub struct Seed([RandomState; 2]);

impl Seed {
    fn digest(&self, contents: impl Hash) -> Digest {
        [0, 1].map(|half| self.0[half].hash_one(&contents))
    }
}

/// Contents that have a digest.
pub trait Digestible {
    /// What belongs to the contents as the log writes them and stands elsewhere: local ids.
    type Key<'a>;

    /// The digest of everything that the definition says.
    fn digest(&self, seed: &Seed, key: Self::Key<'_>) -> Digest;
}

impl Digestible for Family {
    type Key<'a> = ();

    fn digest(&self, seed: &Seed, (): ()) -> Digest {
        seed.digest(self)
    }
}

impl Digestible for SeriesChunk {
    type Key<'a> = ();

    fn digest(&self, seed: &Seed, (): ()) -> Digest {
        seed.digest((self.family(), self.bytes()))
    }
}

impl Digestible for SeriesList {
    /// Local ids of the target and of the chunks.
    type Key<'a> = (u32, &'a [u32]);

    fn digest(&self, seed: &Seed, ids: (u32, &[u32])) -> Digest {
        seed.digest(ids)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::metadata::MetricType;
    use crate::model::series::ChunkBuilder;

    #[test]
    fn equal_contents_have_one_digest_and_others_another() {
        let chunk = |family: Option<&str>, series: &[&[(&str, &str)]]| {
            let mut builder = ChunkBuilder::default();
            for labels in series {
                builder.push(labels.iter().copied());
            }
            let family = family.map(|name| Family::new(name, MetricType::Unknown, "", ""));
            builder.finish(family.map(Arc::new))
        };
        let seed = Seed::default();
        let digests = [
            chunk(None, &[&[("a", "1")], &[("b", "2")]]).digest(&seed, ()),
            chunk(None, &[&[("a", "1"), ("b", "2")]]).digest(&seed, ()),
            chunk(Some("a"), &[&[("a", "1")], &[("b", "2")]]).digest(&seed, ()),
            chunk(None, &[&[("b", "2")], &[("a", "1")]]).digest(&seed, ()),
        ];
        for (index, digest) in digests.iter().enumerate() {
            assert!(!digests[..index].contains(digest), "{index}");
        }
        let series: &[&[(&str, &str)]] = &[&[("a", "1")], &[("b", "2")]];
        let again = chunk(None, series).digest(&seed, ());
        assert_eq!(again, digests[0]);
        assert_ne!(again, chunk(None, series).digest(&Seed::default(), ()));
    }
}
