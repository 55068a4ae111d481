//! Whole files of a log: as they come, and with their checksums put right, so that what is behind
//! the checksums is reached too.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::limits;
use crate::model::block::{ScrapeBlock, Sequence};
use crate::model::histogram::{Counts, NativeHistogram};
use crate::model::source::{BlockSource, Next};
use crate::model::time::{Mono, Wall};
use crate::sys::clock::{Clock, ManualClock};
use crate::sys::fs_sim::SimFs;
use crate::telemetry::registry::Registry;
use crate::wal::codec::body::Bodies;
use crate::wal::codec::decoder::Decoder;
use crate::wal::codec::encoder::Encoder;
use crate::wal::format::frame::{FRAME_HEADER_BYTES, FrameHeader};
use crate::wal::format::header::HEADER_BYTES;
use crate::wal::inspect::Folder;
use crate::wal::inspect::dump::{Selection, dump};
use crate::wal::inspect::survey::Survey;
use crate::wal::inspect::verify::verify;
use crate::wal::open::{Options, open};
use crate::wal::positions::{self, PositionFile, SLOT_BYTES, Slot};
use crate::wal::reader::LogReader;

const DIR: &str = "/data";
const SEGMENT: &str = "/data/narthex/segments/0000000000000001.seg";
const POSITION: &str = "/data/narthex/positions/q.pos";

/// Inputs beyond this say nothing new.
const INPUT_BYTES_MAX: usize = 1 << 16;

/// Blocks that are encoded again.
const AGAIN_MAX: usize = 64;

/// A segment through the log's reader and through everything that looks at logs.
pub(super) fn segment(data: &[u8]) {
    if data.len() > INPUT_BYTES_MAX {
        return;
    }
    // Hardly anything is behind checksums that are wrong; the readers must stand it all the same.
    let raw = disk(SEGMENT, data.to_vec());
    look(&raw);
    let _few = blocks_of(&raw);
    read(&disk(SEGMENT, repaired(data)));
}

/// The bytes with every checksum that a walk over the lengths passes put right.
fn repaired(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    if bytes.len() < HEADER_BYTES {
        return bytes;
    }
    // The file's name says 1.
    bytes[..24].copy_from_slice(b"NTXWAL\r\n\x01\0\x40\0\0\0\0\0\x01\0\0\0\0\0\0\0");
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    let mut at = HEADER_BYTES;
    while let Some(head) = bytes.get_mut(at..at + FRAME_HEADER_BYTES) {
        head[..2].copy_from_slice(&[0xf5, 0x4e]);
        let sum = crc32c::crc32c(&head[..28]);
        let sum = crc32c::crc32c_append(sum, &1u64.to_le_bytes());
        head[28..].copy_from_slice(&sum.to_le_bytes());
        let Some(header) = FrameHeader::decode(head, 1) else {
            break;
        };
        let body = at + FRAME_HEADER_BYTES;
        let end = body + header.stored as usize;
        if bytes.len() < end + 4 {
            break;
        }
        let sum = crc32c::crc32c_append(sum, &bytes[body..end]);
        bytes[end..end + 4].copy_from_slice(&sum.to_le_bytes());
        at = end + 4;
    }
    bytes
}

fn disk(path: &str, bytes: Vec<u8>) -> SimFs {
    SimFs::holding([(PathBuf::from(path), bytes)])
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(Mono(1), Wall(0)))
}

fn options() -> Options {
    Options {
        budget_bytes: 1 << 20,
        age_max: None,
        sync_interval: Duration::from_secs(10),
        ring_bytes: 1000,
        stage_dir: None,
    }
}

fn read(files: &SimFs) {
    let operations = files.operations();
    look(files);
    assert_eq!(files.operations(), operations, "looking changes nothing");
    again(&blocks_of(files).unwrap_or_default());
}

fn described(blocks: &[Arc<ScrapeBlock>]) -> Vec<String> {
    blocks.iter().map(|block| describe(block)).collect()
}

/// Everything of a block that must survive but its number.
fn describe(block: &ScrapeBlock) -> String {
    let bits = block.values.iter().map(|value| value.to_bits());
    let bits: Vec<u64> = bits.collect();
    let side = block.side.as_ref().map(|side| {
        let of = |(slot, own): &(u32, crate::model::exemplar::Exemplar)| {
            (
                *slot,
                own.labels.clone(),
                own.value.to_bits(),
                own.timestamp_ms,
            )
        };
        let exemplars: Vec<_> = side.exemplars.iter().map(of).collect();
        // Also where a NaN is not equal to itself.
        let histograms: Vec<_> = side.histograms.iter().map(described_histogram).collect();
        format!(
            "{:?} {:?} {exemplars:?} {histograms:?}",
            side.timestamps, side.starts
        )
    });
    let (epoch, offset) = (block.epoch, block.offset_ms);
    let (target, chunks) = (block.series.target(), block.series.chunks());
    format!("{epoch:?} {offset} {target:?} {chunks:?} {bits:?} {side:?}")
}

fn described_histogram((slot, own): &(u32, NativeHistogram)) -> String {
    let counts = match &own.counts {
        Counts::Integer(counts) => format!("{counts:?}"),
        Counts::Float(counts) => {
            let both = counts.positive.iter().chain(&counts.negative);
            let all = both.chain([&counts.count, &counts.zero]);
            format!("{:?}", all.map(|count| count.to_bits()).collect::<Vec<_>>())
        }
    };
    let bounds = own.custom_values.iter().chain([&own.zero_threshold]);
    let bounds: Vec<u64> = bounds.map(|bound| bound.to_bits()).collect();
    let spans = (&own.positive_spans, &own.negative_spans);
    format!(
        "{slot} {:?} {} {bounds:?} {spans:?} {counts}",
        own.reset_hint, own.schema
    )
}

/// What the log's reader gives: blocks and gaps without a hole between them. None if the log is
/// refused as a newer program's.
fn blocks_of(files: &SimFs) -> Option<Vec<Arc<ScrapeBlock>>> {
    let storage = Arc::new(files.clone());
    let opened = open(
        Path::new(DIR),
        options(),
        storage,
        clock(),
        &Registry::default(),
    )
    .ok()?;
    let mut reader = LogReader::onlooker(Arc::clone(&opened.log));
    let mut after = Sequence::ZERO;
    let mut blocks = Vec::new();
    // A number is given once, and a gap takes at least one step.
    while blocks.len() <= limits::FRAME_DECODED_BYTES_MAX {
        match reader.next(after).expect("the simulated disk can be read") {
            Next::Block(block) => {
                assert_eq!(block.sequence, after.next());
                check(&block);
                after = block.sequence;
                blocks.push(block);
            }
            Next::Gap { first, last, .. } => {
                assert!(first == after.next() && first <= last);
                after = last;
            }
            Next::CaughtUp => return Some(blocks),
        }
    }
    unreachable!("more blocks than bytes")
}

fn check(block: &ScrapeBlock) {
    assert_eq!(block.values.len(), block.series.len());
    let Some(side) = &block.side else {
        return;
    };
    let inside = |slot: u32| (slot as usize) < block.values.len();
    assert!(side.timestamps.iter().all(|(slot, _)| inside(*slot)));
    assert!(side.exemplars.iter().all(|(slot, _)| inside(*slot)));
    assert!(side.starts.iter().all(|(slot, _)| inside(*slot)));
    assert!(side.histograms.iter().all(|(slot, _)| inside(*slot)));
    assert!(side.timestamps.is_sorted_by_key(|(slot, _)| *slot));
    assert!(side.starts.is_sorted_by_key(|(slot, _)| *slot));
    assert!(side.histograms.is_sorted_by_key(|(slot, _)| *slot));
    assert!(side.exemplars.is_sorted_by_key(|(slot, _)| *slot));
}

/// Whatever was read can be written, and is read as it was.
fn again(blocks: &[Arc<ScrapeBlock>]) {
    let (mut encoder, mut bodies) = (Encoder::default(), Bodies::default());
    let mut written = Vec::new();
    for (number, block) in (1..).zip(blocks.iter().take(AGAIN_MAX)) {
        let block = Arc::new(ScrapeBlock {
            sequence: Sequence(number),
            ..(**block).clone()
        });
        if encoder.encode(Mono(0), 0, &block, &mut bodies).is_ok() {
            written.push(block);
        }
    }
    bodies.close();
    let mut decoder = Decoder::default();
    let mut read = Vec::new();
    while let Some(body) = bodies.pop() {
        read.extend(decoder.frame(body.header.first, &body.bytes).blocks);
    }
    assert_eq!(described(&read), described(&written));
}

/// Looks at it in every way. What is given out as a line is a line.
fn look(files: &SimFs) {
    let Ok(folder) = Folder::open(Arc::new(files.clone()), Path::new(DIR)) else {
        return;
    };
    let report = verify(&folder);
    let survey = Survey::of(&folder);
    assert_eq!(report.blocks, survey.total.blocks);
    assert_eq!(report.samples, survey.total.samples);
    assert_eq!(report.frames, survey.total.frames);
    assert!(!report.to_string().is_empty() && !survey.to_string().is_empty());
    assert!(serde_json::to_string(&report).is_ok() && serde_json::to_string(&survey).is_ok());
    let mut out = Vec::new();
    let selection = Selection {
        limit: Some(10_000),
        ..Selection::default()
    };
    dump(&folder, &selection, &mut out).expect("a vector takes all");
    let text = String::from_utf8(out).expect("text");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(samples.count() as u64, report.samples.min(10_000));
}

/// A position file: as it comes, and with the checksums of its slots put right.
pub(super) fn position(data: &[u8]) {
    let bytes = &data[..data.len().min(2 * SLOT_BYTES)];
    read_position(bytes);
    let mut repaired = bytes.to_vec();
    repaired.resize(2 * SLOT_BYTES, 0);
    for slot in repaired.chunks_exact_mut(SLOT_BYTES) {
        slot[..6].copy_from_slice(b"NTXP\x01\0");
        let crc = crc32c::crc32c(&slot[..SLOT_BYTES - 4]);
        slot[SLOT_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
    }
    read_position(&repaired);
}

fn read_position(bytes: &[u8]) {
    let files = disk(POSITION, bytes.to_vec());
    let (_, found) = PositionFile::open(&files, Path::new(POSITION)).expect("readable");
    if let Some(position) = &found {
        let ranges = position.settled.ranges();
        let ascends = ranges.windows(2).all(|pair| pair[0].1.next() < pair[1].0);
        assert!(ascends && ranges.iter().all(|(first, last)| first <= last));
        let floor = position.settled.floor();
        assert!(
            ranges
                .first()
                .is_none_or(|(first, _)| *first > floor.next())
        );
        let slot = positions::encode(position, 7);
        assert_eq!(Slot::of(&slot), Slot::Valid(7, position.clone()));
    }
    // The log opens whatever a position says, and gives no number again that one names.
    let storage = Arc::new(files.clone());
    let opened = open(
        Path::new(DIR),
        options(),
        storage,
        clock(),
        &Registry::default(),
    );
    let opened = opened.expect("positions are no reason to refuse");
    assert!(opened.log.ring.lock().last() >= opened.queues.highest());
    drop(opened);
    let folder = Folder::open(Arc::new(files), Path::new(DIR)).expect("a log");
    let survey = Survey::of(&folder);
    assert_eq!(survey.queues[0].valid, found.is_some());
    assert!(!verify(&folder).to_string().is_empty());
}
