//! Blocks as they stand in the log: encoded, and decoded again.

use std::hint::black_box;

use narthex::wal::codec::decoder::Decoder;

use crate::measure::Bench;
use crate::paths::{LogEncoder, Target, job, samples_in, turn_of_blocks};

/// Scrapes that are decoded before a new reader begins: half an hour at fifteen seconds.
const FRAMES: usize = 120;

/// Measures the group's pages.
pub(crate) fn measure(bench: &mut Bench, pages: &[String]) {
    let mut target = Target::new(1, &job(""));
    let turn = turn_of_blocks(&mut target, pages);
    let samples = turn.iter().map(|blocks| samples_in(blocks)).sum::<usize>() / turn.len();
    let mut encoder = LogEncoder::default();
    let mut scrapes = turn.iter().cycle();
    bench.run("block encode", samples, || {
        black_box(scrapes.next().map(|blocks| encoder.scrape(blocks)));
    });
    let mut encoder = LogEncoder::default();
    let scrapes = turn.iter().cycle().take(FRAMES);
    let frames: Vec<_> = scrapes.map(|blocks| encoder.scrape(blocks)).collect();
    let mut decoder = Decoder::default();
    let mut at = 0;
    bench.run("block decode", samples, || {
        if at == 0 {
            decoder = Decoder::default();
        }
        let (first, bytes) = &frames[at];
        let decoded = decoder.frame(*first, bytes);
        assert_eq!(decoded.blocks.len(), turn[at % turn.len()].len());
        black_box(decoded);
        at = (at + 1) % frames.len();
    });
}
