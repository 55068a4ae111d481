//! Ten thousand damaged logs: all damage is found, it costs what the format says, and nothing is
//! invented. Read by the log's own reader and by `inspect::verify`, which must agree.
//!
//! A case is the log of two neighbouring segments, one of them damaged at a random place: a
//! flipped bit, a few bytes of zeros, or a cut.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

use super::super::codec::measure::measure;
use super::super::inspect::Folder;
use super::super::inspect::damage::Kind;
use super::super::inspect::scan::{Event, Scan};
use super::super::inspect::verify::{Report, verify};
use super::super::segment;
use super::*;
use crate::model::block::ScrapeBlock;
use crate::sys::jitter::Jitter;

/// Damaged logs of each kind; four kinds.
const CASES: u64 = 2500;

/// Segments: one with key blocks inside, and short ones, because the next is read each time.
const BLOCKS: [u64; 3] = [72, 12, 12];

/// One bit.
const BIT: u8 = 0;
/// Up to 64 bytes.
const ZEROS: u8 = 1;
/// Up to a sector.
const HOLE: u8 = 2;
const CUT: u8 = 3;

/// A frame of the sound log.
struct Frame {
    bytes: Range<usize>,
    blocks: Vec<u64>,
    definitions: bool,
}

/// A block of the sound log.
struct Known {
    block: Arc<ScrapeBlock>,
    is_key: bool,
}

/// The sound log and everything about it.
struct Original {
    segments: Vec<(PathBuf, Vec<u8>)>,
    frames: Vec<Vec<Frame>>,
    blocks: BTreeMap<u64, Known>,
    clock: Arc<ManualClock>,
}

impl Original {
    fn new() -> Original {
        let mut options = options();
        options.ring_bytes = 1 << 20;
        let mut sim = Sim::new(17, options);
        sim.begin_epoch(1, true);
        // Settles nothing: everything is kept.
        let _waits = sim.opened.queues.register("q");
        for (index, count) in BLOCKS.into_iter().enumerate() {
            for round in 1..=count {
                sim.append();
                if round % 4 == 0 {
                    sim.pass(1_000);
                }
            }
            sim.pass(11_000);
            if index + 1 < BLOCKS.len() {
                let disk = sim.disk.clone();
                sim = sim.restart(disk);
            }
        }
        let files = sim.disk.files().into_iter();
        let segments = files.filter(|(path, _)| path.extension().is_some_and(|end| end == "seg"));
        let mut original = Original {
            segments: segments.collect(),
            frames: Vec::new(),
            blocks: BTreeMap::new(),
            clock: Arc::clone(&sim.clock),
        };
        original.learn(&sim);
        original
    }

    fn learn(&mut self, sim: &Sim) {
        let folder = Folder::open(Arc::new(sim.disk.clone()), Path::new(DIR)).expect("a log");
        for event in Scan::new(&folder, 0) {
            match event {
                Event::Begin(_) => self.frames.push(Vec::new()),
                Event::Frame(frame) => {
                    let start = frame.offset as usize;
                    let measured = measure(frame.header.first, &frame.body);
                    self.frames.last_mut().expect("begun").push(Frame {
                        bytes: start..start + frame.header.frame_bytes() as usize,
                        blocks: frame.blocks.iter().map(|own| own.sequence.0).collect(),
                        definitions: frame.header.definitions,
                    });
                    for (block, head) in frame.blocks.iter().zip(&measured.heads) {
                        assert_eq!(render(block), sim.appended[&block.sequence.0]);
                        let known = Known {
                            block: Arc::clone(block),
                            is_key: head.before.is_none(),
                        };
                        self.blocks.insert(block.sequence.0, known);
                    }
                }
                Event::End(None) => {}
                other => panic!("the original is damaged: {other:?}"),
            }
        }
        assert_eq!(self.blocks.len() as u64, BLOCKS.iter().sum::<u64>());
    }

    /// Blocks of a segment that must be lost if the frames `hit` are, and those that may be.
    fn losses(&self, segment: usize, hit: &[bool]) -> (BTreeSet<u64>, BTreeSet<u64>) {
        let (mut must, mut may) = (BTreeSet::new(), BTreeSet::new());
        // By target: whether its last block was lost, and whether it may have been.
        let mut broken: BTreeMap<u64, (bool, bool)> = BTreeMap::new();
        let mut definitions = false;
        for (frame, hit) in self.frames[segment].iter().zip(hit) {
            definitions |= *hit && frame.definitions;
            for number in &frame.blocks {
                let known = &self.blocks[number];
                let target = known.block.series.target().id;
                let last = broken.get(&target).copied().unwrap_or_default();
                // A key block needs no other block, and the definitions it needs stand twice.
                let own = match (*hit, known.is_key) {
                    (true, _) => (true, true),
                    (false, true) => (false, false),
                    (false, false) => (last.0, last.1 || definitions),
                };
                broken.insert(target, own);
                must.extend(Some(*number).filter(|_| own.0));
                may.extend(Some(*number).filter(|_| own.1));
            }
            // Lists that were lost with a frame may be used until the next key block only.
            let all_well = broken.values().all(|(_, may)| !may);
            definitions &= !(all_well && broken.len() == 2 && !hit);
        }
        (must, may)
    }
}

/// What happened to a segment.
struct Harm {
    bytes: Vec<u8>,
    /// The first and behind the last byte that is another or gone.
    changed: Option<Range<usize>>,
}

fn harm(dice: &mut Jitter, kind: u8, whole: &[u8]) -> Harm {
    let mut below = |limit: usize| (dice.next_u64() % limit as u64) as usize;
    let mut bytes = whole.to_vec();
    let at = below(whole.len());
    match kind {
        BIT => bytes[at] ^= 1 << below(8),
        CUT => bytes.truncate(at),
        _ => {
            let len = 1 + below(if kind == ZEROS { 64 } else { 512 });
            let end = (at + len).min(whole.len());
            bytes[at..end].fill(0);
        }
    }
    let differs = |index: &usize| bytes.get(*index) != Some(&whole[*index]);
    let first = (0..whole.len()).find(differs);
    let last = (0..whole.len()).rfind(differs);
    let changed = first.zip(last).map(|(first, last)| first..last + 1);
    Harm { bytes, changed }
}

/// What the log's own reader gives: blocks, all of them right, and the numbers it calls damaged.
fn read(original: &Original, disk: &SimFs) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let opened = reopen(disk, &original.clock, options());
    let mut reader = LogReader::onlooker(Arc::clone(&opened.log));
    let (mut blocks, mut damaged) = (BTreeSet::new(), BTreeSet::new());
    let mut after = opened.log.catalog.lock().trimmed;
    loop {
        match reader.next(after).expect("the disk can be read") {
            Next::Block(block) => {
                assert_eq!(block.sequence, after.next());
                assert_same(&block, &original.blocks[&block.sequence.0].block);
                blocks.insert(block.sequence.0);
                after = block.sequence;
            }
            Next::Gap { first, last, .. } => {
                assert!(first == after.next() && first <= last);
                damaged.extend(first.0..=last.0);
                after = last;
            }
            Next::CaughtUp => return (blocks, damaged),
        }
    }
}

fn assert_same(one: &ScrapeBlock, two: &ScrapeBlock) {
    let bits = |block: &ScrapeBlock| -> Vec<u64> {
        block.values.iter().map(|value| value.to_bits()).collect()
    };
    assert_eq!(bits(one), bits(two), "invented");
    assert_eq!((one.epoch, one.offset_ms), (two.epoch, two.offset_ms));
    assert_eq!(one.series.target(), two.series.target(), "invented");
    assert_eq!(one.series.chunks(), two.series.chunks(), "invented");
    // The values of exemplars are numbers, so that this compares them.
    assert_eq!(one.side, two.side, "invented");
}

fn lost_by(report: &Report) -> BTreeSet<u64> {
    let ranges = report.damages.iter().flat_map(|own| &own.lost.sequences);
    ranges.flat_map(|(first, last)| *first..=*last).collect()
}

/// Damages segment `index` and reads it and the one behind it.
fn check(original: &Original, index: usize, harm: &Harm) {
    let mut files = original.segments[index..].to_vec();
    files.truncate(2);
    files[0].1.clone_from(&harm.bytes);
    let disk = SimFs::holding(files);
    let operations = disk.operations();
    let folder = Folder::open(Arc::new(disk.clone()), Path::new(DIR)).expect("a log");
    let report = verify(&folder);
    assert_eq!(disk.operations(), operations, "looking changes nothing");
    let (blocks, damaged) = read(original, &disk);

    let frames = &original.frames[index];
    let hit: Vec<bool> = frames.iter().map(|own| is_hit(harm, &own.bytes)).collect();
    let (must, may) = original.losses(index, &hit);
    let mut expected: BTreeSet<u64> = frames.iter().flat_map(|own| own.blocks.clone()).collect();
    if let Some(next) = original.frames.get(index + 1) {
        expected.extend(next.iter().flat_map(|own| own.blocks.clone()));
    }
    let lost: BTreeSet<u64> = expected.difference(&blocks).copied().collect();
    assert!(
        blocks.is_subset(&expected) && lost.is_superset(&must),
        "invented"
    );
    assert!(
        lost.is_subset(&may),
        "{lost:?} but at most {may:?}; {report}"
    );

    // The report and the reader agree. What a header that is gone itself would have named is not
    // known at either end of a log.
    assert_eq!(lost_by(&report), damaged, "{report}");
    assert!(damaged.is_subset(&lost));
    for number in lost.difference(&damaged) {
        let at_an_end =
            blocks.iter().all(|own| own > number) || blocks.iter().all(|own| own < number);
        assert!(at_an_end, "{number} went without a word: {report}");
    }
    assert_eq!(report.blocks, blocks.len() as u64);
    check_reported(original, index, harm, &report);
}

fn is_hit(harm: &Harm, frame: &Range<usize>) -> bool {
    harm.changed
        .as_ref()
        .is_some_and(|changed| changed.start < frame.end && frame.start < changed.end)
}

/// Whatever was changed is reported, at the right place.
fn check_reported(original: &Original, index: usize, harm: &Harm, report: &Report) {
    let Some(changed) = &harm.changed else {
        assert!(report.is_sound() && report.notes.is_empty(), "{report}");
        return;
    };
    let (path, whole) = &original.segments[index];
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a name");
    let is_newest = index + 1 == original.segments.len();
    let frames = &original.frames[index];
    let starts = |at: usize| at == HEADER || frames.iter().any(|own| own.bytes.end == at);
    if is_newest && harm.bytes.len() < whole.len() && starts(harm.bytes.len()) {
        // A newest segment that ends behind a frame is a sound log, only an older one.
        assert!(report.is_sound() && report.notes.is_empty(), "{report}");
        return;
    }
    if report.is_sound() {
        // Looks like a write that did not finish: allowed at the very end alone.
        assert!(is_newest && report.notes.len() == 1, "{report}");
        assert!(report.notes[0].starts_with(name), "{report}");
        let last = frames.last().expect("frames").bytes.start;
        assert!(changed.end > last || harm.bytes.len() < HEADER, "{report}");
        return;
    }
    let near = report.damages.iter().any(|own| {
        let frame = frames.iter().find(|own| own.bytes.end > changed.start);
        let from = frame.map_or(0, |own| own.bytes.start.min(changed.start));
        let in_place = (own.offset as usize) <= changed.start
            && (own.offset as usize >= from || own.kind == Kind::SegmentHeader)
            || own.kind == Kind::Missing;
        own.file == name && in_place || own.kind == Kind::SegmentLost
    });
    assert!(near, "{changed:?}: {report}");
}

/// Length of a segment's header.
const HEADER: usize = 64;

fn run(kind: u8) {
    let original = Original::new();
    let mut dice = Jitter::seeded(kind.into());
    let total: usize = original.segments.iter().map(|(_, bytes)| bytes.len()).sum();
    for _ in 0..CASES {
        // Every byte of the log is as likely as another.
        let mut at = (dice.next_u64() % total as u64) as usize;
        let mut index = 0;
        while at >= original.segments[index].1.len() {
            at -= original.segments[index].1.len();
            index += 1;
        }
        let harm = harm(&mut dice, kind, &original.segments[index].1);
        check(&original, index, &harm);
    }
}

#[test]
fn flipped_bits_are_found_and_cost_what_the_format_says() {
    run(BIT);
}

#[test]
fn zeroed_bytes_are_found_and_cost_what_the_format_says() {
    run(ZEROS);
}

#[test]
fn zeroed_sectors_are_found_and_cost_what_the_format_says() {
    run(HOLE);
}

#[test]
fn cuts_are_found_and_cost_what_the_format_says() {
    run(CUT);
}

#[test]
fn every_place_of_a_header_and_every_edge_of_a_frame_is_guarded() {
    let original = Original::new();
    for (index, (path, whole)) in original.segments.iter().enumerate() {
        let edges = original.frames[index].iter().map(|own| own.bytes.start);
        let near = edges.flat_map(|at| at.saturating_sub(5)..(at + 33).min(whole.len()));
        let places: BTreeSet<usize> = (0..HEADER).chain(near.step_by(7)).collect();
        for at in places {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            let changed = Some(at..at + 1);
            check(&original, index, &Harm { bytes, changed });
        }
        assert_eq!(
            path,
            &segment::path(path.parent().expect("a folder"), index as u64 + 1)
        );
    }
}
