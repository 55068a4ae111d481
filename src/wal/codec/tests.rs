use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::body::Bodies;
use super::decoder::Decoder;
use super::encoder::Encoder;
use crate::limits;
use crate::model::block::{EpochId, ScrapeBlock, Sequence};
use crate::model::labels::Labels;
use crate::model::metadata::{Family, MetricType};
use crate::model::series::{ChunkBuilder, SeriesList, TargetIdentity};
use crate::model::time::Mono;
use crate::wal::format::frame::FrameHeader;
use crate::wal::format::record::{Records, tag};
use crate::wal::testing::{Workload, render};

type Blocks = Vec<Arc<ScrapeBlock>>;
type Frame = (FrameHeader, Vec<u8>);

/// Encodes `count` scrapes of one segment; closes a frame after every `per_frame` of them.
fn segment(seed: u64, targets: usize, count: u64, per_frame: u64) -> (Blocks, Vec<Frame>) {
    let mut workload = Workload::new(seed, targets);
    let (mut encoder, mut bodies) = (Encoder::default(), Bodies::default());
    let (mut blocks, mut frames) = (Vec::new(), Vec::new());
    let mut offset = 0;
    for number in 1..=count {
        let mut block = workload.next_block();
        block.sequence = Sequence(number);
        let block = Arc::new(block);
        encoder
            .encode(Mono(0), offset, &block, &mut bodies)
            .expect("fits");
        blocks.push(block);
        if number % per_frame == 0 || number == count {
            bodies.close();
        }
        while let Some(body) = bodies.pop() {
            offset += body.bytes.len() as u64;
            frames.push((body.header, body.bytes));
        }
    }
    (blocks, frames)
}

fn decode<'a>(frames: impl Iterator<Item = &'a Frame>) -> Blocks {
    let mut decoder = Decoder::default();
    let mut blocks = Vec::new();
    for (header, body) in frames {
        let decoded = decoder.frame(header.first, body);
        assert_eq!(decoded.unknown, 0);
        for block in decoded.blocks {
            assert!(header.first <= block.sequence && block.sequence <= header.last());
            blocks.push(block);
        }
    }
    blocks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn blocks_survive(seed: u64, targets in 1..4usize, count in 1..150u64, per_frame in 1..20u64) {
        let (blocks, frames) = segment(seed, targets, count, per_frame);
        let back = decode(frames.iter());
        prop_assert_eq!(back.len(), blocks.len());
        for (one, two) in blocks.iter().zip(&back) {
            prop_assert_eq!(render(one), render(two));
        }
        let samples: usize = blocks.iter().map(|block| block.sample_count()).sum();
        let said: u64 = frames.iter().map(|(header, _)| u64::from(header.samples)).sum();
        prop_assert_eq!(samples as u64, said);
    }

    /// Whatever frame is lost: what comes back is right, and a target's blocks are back at its
    /// next key block.
    #[test]
    fn a_lost_frame_costs_a_bounded_number_of_blocks(
        seed: u64, targets in 1..4usize, per_frame in 1..20u64, lost: prop::sample::Index) {
        let (blocks, frames) = segment(seed, targets, 400, per_frame);
        let lost = lost.index(frames.len());
        let kept = frames.iter().enumerate().filter(|(index, _)| *index != lost);
        let back = decode(kept.map(|(_, frame)| frame));
        let there: BTreeMap<_, _> = back.iter().map(|block| (block.sequence, block)).collect();
        let header = &frames[lost].0;
        let reach = u64::from(limits::KEY_BLOCK_INTERVAL) * targets as u64;
        for block in &blocks {
            match there.get(&block.sequence) {
                Some(got) => prop_assert_eq!(render(got), render(block)),
                None => {
                    prop_assert!(block.sequence >= header.first);
                    prop_assert!(block.sequence.0 <= header.last().0 + reach);
                }
            }
        }
    }

    #[test]
    fn any_body_is_decoded_without_panic(body: Vec<u8>, first: u64) {
        let decoded = Decoder::default().frame(Sequence(first), &body);
        prop_assert!(decoded.blocks.len() <= body.len());
    }

    /// Checksums stop this in a file; the decoder must stand it all the same.
    #[test]
    fn a_mutated_body_is_decoded_without_panic(
        seed in 0..50u64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9)) {
        let (blocks, frames) = segment(seed, 2, 70, 9);
        let mut decoder = Decoder::default();
        let mut count = 0;
        for (header, body) in &frames {
            let mut body = body.clone();
            for (at, byte) in &changes {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            count += decoder.frame(header.first, &body).blocks.len();
        }
        prop_assert!(count <= 2 * blocks.len() + 100);
    }
}

#[test]
fn series_keep_their_identity_across_segments() {
    let (_, frames) = segment(3, 2, 40, 8);
    let mut decoder = Decoder::default();
    let mut last = Vec::new();
    for _ in 0..2 {
        decoder.begin_segment();
        let lists = frames.iter().flat_map(|(header, body)| {
            let decoded = decoder.frame(header.first, body);
            decoded
                .blocks
                .into_iter()
                .map(|block| Arc::clone(&block.series))
        });
        let lists: Vec<_> = lists.collect();
        let same = lists
            .iter()
            .zip(&last)
            .all(|(one, two)| Arc::ptr_eq(one, two));
        assert!(same, "lists were made anew");
        last = lists;
    }
}

/// A series that expires and returns makes its family's chunk and the target's list anew each time;
/// the segment has both already.
#[test]
fn definitions_that_come_back_are_not_written_again() {
    let identity = Arc::new(TargetIdentity {
        id: 7,
        job: "j".into(),
        labels: Labels::default(),
    });
    let family = || Family::new("requests", MetricType::Unknown, "Requests.", "");
    let block = |number: u64| {
        let mut series = ChunkBuilder::default();
        for code in ["200", "404", "500"].iter().take(2 + number as usize % 2) {
            series.push([("__name__", "requests"), ("code", code)]);
        }
        let chunk = Arc::new(series.finish(Some(Arc::new(family()))));
        let values = vec![number as f64; chunk.len()];
        Arc::new(ScrapeBlock {
            sequence: Sequence(number),
            epoch: EpochId(1),
            offset_ms: number as i64,
            series: Arc::new(SeriesList::new(Arc::clone(&identity), vec![chunk])),
            values: values.into(),
            side: None,
        })
    };
    let (mut encoder, mut bodies) = (Encoder::default(), Bodies::default());
    for number in 1..=9 {
        let block = block(number);
        encoder
            .encode(Mono(0), 0, &block, &mut bodies)
            .expect("fits");
    }
    bodies.close();
    let body = bodies.pop().expect("a body");
    let records = Records::new(&body.bytes);
    let tags: Vec<u64> = records.map(|(tag, _)| tag).collect();
    let count = |wanted| tags.iter().filter(|tag| **tag == wanted).count();
    let counts = [tag::FAMILY, tag::CHUNK, tag::LIST, tag::BLOCK].map(count);
    assert_eq!(counts, [1, 2, 2, 9]);
    let back = decode([(body.header, body.bytes)].iter());
    for (number, own) in (1..).zip(&back) {
        assert_eq!(render(own), render(&block(number)));
    }
}
