//! Blocks as a remote write 1.0 request: whole, and its two halves apart: the message, and snappy;
//! and as one of 2.0.

use std::hint::black_box;

use narthex::remote::body::BodyBuilder;
use narthex::remote::outgoing::OutgoingCache;
use narthex::remote::piece::Piece;
use narthex::wire::compress::CompressedBody;
use narthex::wire::remote_write_v1 as v1;
use narthex::wire::version::Version;

use crate::measure::Bench;
use crate::paths::{Target, job, pieces, request, samples_in, turn_of_blocks};

/// Measures the group's pages.
pub(crate) fn measure(bench: &mut Bench, pages: &[String]) {
    let mut target = Target::new(1, &job(""));
    let turn = turn_of_blocks(&mut target, pages);
    let samples = turn.iter().map(|blocks| samples_in(blocks)).sum::<usize>() / turn.len();
    let mut cache = OutgoingCache::default();
    let turn: Vec<Vec<Piece>> = turn
        .into_iter()
        .map(|blocks| pieces(&mut cache, blocks))
        .collect();
    let mut builder = BodyBuilder::default();
    let mut scrapes = turn.iter().cycle();
    for (name, version) in [("request", Version::V1), ("request, 2.0", Version::V2)] {
        bench.run(name, samples, || {
            let pieces = scrapes.next();
            black_box(pieces.map(|pieces| request(&mut builder, version, pieces)));
        });
    }
    let mut message = Vec::new();
    bench.run("request, message alone", samples, || {
        message.clear();
        scrapes
            .next()
            .into_iter()
            .flatten()
            .for_each(|piece| write(&mut message, piece));
        black_box(&message);
    });
    let messages: Vec<Vec<u8>> = turn.iter().map(|pieces| whole(pieces)).collect();
    let mut messages = messages.iter().cycle();
    let mut body = CompressedBody::default();
    bench.run("request, snappy alone", samples, || {
        body.clear();
        body.raw()
            .extend_from_slice(messages.next().map_or(&[], Vec::as_slice));
        black_box(body.finish().expect("compressed").len());
    });
}

fn whole(pieces: &[Piece]) -> Vec<u8> {
    let mut message = Vec::new();
    pieces.iter().for_each(|piece| write(&mut message, piece));
    message
}

/// The samples of a piece, without what a request needs beside them (ages, exemplars).
fn write(out: &mut Vec<u8>, piece: &Piece) {
    let item = &piece.item;
    let time = v1::SampleTime::new(item.wall_ms);
    for (slot, (chunk, index)) in item.block.series.iter().enumerate() {
        if !item.sends(slot) {
            continue;
        }
        let series = v1::begin_series(out);
        item.outgoing.append_labels(out, slot, chunk, index);
        v1::append_sample(out, item.block.values[slot], &time);
        v1::end_series(out, &series);
    }
}
