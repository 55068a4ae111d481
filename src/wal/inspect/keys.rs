//! Whether every target has its key blocks where the format promises them.

use hashbrown::HashMap;

use super::damage::{Damage, Kind, name};
use crate::limits;
use crate::wal::codec::decoder::Decoder;
use crate::wal::codec::measure::Measured;

/// Blocks of each target since its last key block, in one segment.
#[derive(Debug, Default)]
pub struct Keys(HashMap<u64, u32>);

impl Keys {
    /// A segment begins: every target's first block must be a key block.
    pub fn begin(&mut self) {
        self.0.clear();
    }

    /// Looks at the blocks of a frame; what it returns breaks the promise.
    #[must_use]
    pub fn frame(
        &mut self,
        measured: &Measured,
        decoder: &Decoder,
        place: (&str, u64),
    ) -> Vec<Damage> {
        let mut found = Vec::new();
        for head in &measured.heads {
            // A list without a target makes its block unreadable, which is said elsewhere.
            let Some(target) = decoder.target_of(head.list) else {
                continue;
            };
            let since = self
                .0
                .entry(target.id)
                .or_insert(limits::KEY_BLOCK_INTERVAL);
            *since = if head.before.is_none() { 1 } else { *since + 1 };
            if *since > limits::KEY_BLOCK_INTERVAL {
                // Once is enough.
                *since = 1;
                let (file, offset) = place;
                found.push(Damage::at(file, offset, Kind::NoKeyBlock(name(target))));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::block::Sequence;
    use crate::model::time::Mono;
    use crate::wal::codec::body::Bodies;
    use crate::wal::codec::encoder::Encoder;
    use crate::wal::codec::measure::measure;
    use crate::wal::testing::Workload;

    /// What one frame with `count` blocks of one target holds, and a decoder that knows it.
    fn frame(count: u64) -> (Measured, Decoder) {
        let mut workload = Workload::new(1, 1);
        let (mut encoder, mut bodies) = (Encoder::default(), Bodies::default());
        for number in 1..=count {
            let mut block = workload.next_block();
            block.sequence = Sequence(number);
            let block = Arc::new(block);
            encoder
                .encode(Mono(0), 0, &block, &mut bodies)
                .expect("fits");
        }
        bodies.close();
        let body = bodies.pop().expect("closed");
        let mut decoder = Decoder::default();
        let _blocks = decoder.frame(body.header.first, &body.bytes);
        (measure(body.header.first, &body.bytes), decoder)
    }

    #[test]
    fn a_target_without_its_key_block_is_named_once() {
        let (mut measured, decoder) = frame(70);
        let mut keys = Keys::default();
        assert_eq!(keys.frame(&measured, &decoder, ("a.seg", 64)), []);
        // The second key block is gone: the 33rd block leans on the 32nd.
        measured.heads[32].before = Some(Sequence(32));
        keys.begin();
        let found = keys.frame(&measured, &decoder, ("a.seg", 64));
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().contains("host0:9100"), "{}", found[0]);
        // The first block of a segment must be one.
        measured.heads[0].before = Some(Sequence(0));
        keys.begin();
        let first = keys.frame(&measured, &decoder, ("a.seg", 64));
        assert!(matches!(first[0].kind, Kind::NoKeyBlock(_)));
    }
}
