//! What `narthex log` says of logs in every state: alive, overlapping, incomplete, not our own.

use std::path::PathBuf;

use super::super::codec::body::Bodies;
use super::super::codec::encoder::Encoder;
use super::super::format::compress;
use super::super::format::frame;
use super::super::format::header::SegmentHeader;
use super::super::inspect::damage::Kind;
use super::super::inspect::dump::{Selection, dump};
use super::super::inspect::survey::Survey;
use super::super::inspect::verify::{Report, verify};
use super::super::inspect::{Folder, FolderError};
use super::super::positions::{Position, PositionFile};
use super::super::segment;
use super::scene;
use super::*;
use crate::model::position::AckRanges;
use crate::sys::fs::Storage;
use crate::sys::fs_sim::Fault;

fn folder(disk: &SimFs) -> Folder {
    Folder::open(Arc::new(disk.clone()), Path::new(DIR)).expect("a log")
}

fn report(disk: &SimFs) -> Report {
    verify(&folder(disk))
}

fn dumped(disk: &SimFs, selection: &Selection) -> String {
    let mut out = Vec::new();
    dump(&folder(disk), selection, &mut out).expect("a vector takes all");
    String::from_utf8(out).expect("text")
}

fn path(number: u64) -> PathBuf {
    segment::path(&Path::new(DIR).join("narthex/segments"), number)
}

/// Numbers of the blocks in a dump, in its order.
fn numbers(dump: &str) -> Vec<u64> {
    let heads = dump
        .lines()
        .filter_map(|line| line.strip_prefix("# sequence "));
    let number = |head: &str| head.split(',').next().and_then(|own| own.parse().ok());
    heads.map(|head| number(head).expect("a number")).collect()
}

fn samples(dump: &str) -> usize {
    dump.lines().filter(|line| !line.starts_with('#')).count()
}

#[test]
fn a_survey_adds_up() {
    let disk = scene::disk(false);
    let survey = Survey::of(&folder(&disk));
    let files: u64 = disk
        .files()
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|end| end == "seg"))
        .map(|(_, bytes)| bytes.len() as u64)
        .sum();
    let total = &survey.total;
    assert_eq!(total.bytes, files);
    assert_eq!(total.stored_bytes + total.overhead_bytes, files);
    assert_eq!((total.waste_bytes, total.damaged_places), (0, 0));
    let text = dumped(&disk, &Selection::default());
    assert_eq!(total.samples as usize, samples(&text));
    assert_eq!(total.blocks as usize, numbers(&text).len());
    // Two targets: one key block each where a segment begins, one more each in the long one.
    let keys: Vec<u64> = survey
        .segments
        .iter()
        .map(|own| own.contents.key_blocks)
        .collect();
    assert_eq!(keys, [4, 2, 2]);
    let shares = total.records;
    for part in [
        shares.definitions,
        shares.key_blocks,
        shares.values,
        shares.side_tables,
        shares.heads,
    ] {
        assert!(part > 0, "{shares:?}");
    }
    let one = &survey.queues[0];
    assert_eq!(
        (&*one.name, one.floor, &*one.ranges),
        ("one", 20, &[(25, 28)][..])
    );
    assert_eq!((one.acknowledged_samples, one.abandoned_samples), (61, 2));
    assert_eq!(one.unsettled_blocks, total.blocks - 24);
    let two = &survey.queues[1];
    assert_eq!(
        (two.unsettled_blocks, two.unsettled_samples),
        (total.blocks, total.samples)
    );
    // Epoch 2 begins an hour later.
    let times = survey.segments[1].contents.times_ms.expect("known");
    assert!(times.0 > 1_700_003_600_000, "{times:?}");
    let text = survey.to_string();
    assert!(
        text.contains("25-28") && text.contains("2023-11-14T"),
        "{text}"
    );
}

#[test]
fn a_dump_gives_what_was_selected() {
    let disk = scene::disk(false);
    let select = |change: fn(&mut Selection)| {
        let mut selection = Selection::default();
        change(&mut selection);
        dumped(&disk, &selection)
    };
    let all = numbers(&select(|_| {}));
    let some = select(|own| (own.from, own.to) = (Some(Sequence(70)), Some(Sequence(75))));
    assert_eq!(numbers(&some), [70, 71, 72, 73, 74, 75]);
    assert!(!some.contains("# lost"), "{some}");
    let app = select(|own| own.job = Some("app".to_owned()));
    assert_eq!(numbers(&app).len(), all.len() / 2);
    assert!(!app.contains("job=\"node\""), "{app}");
    let few = select(|own| own.limit = Some(4));
    assert_eq!((samples(&few), numbers(&few)), (4, vec![1, 2]));
    assert_eq!(select(|own| own.limit = Some(0)), "");
    assert_eq!(select(|own| own.from = Some(Sequence(1 << 40))), "");
}

#[test]
fn a_living_log_is_sound_at_any_time() {
    let mut sim = Sim::new(3, options());
    sim.begin_epoch(1, true);
    let seat = sim.opened.queues.register("q");
    for round in 0..80 {
        let last = sim.append();
        sim.pass(700);
        if round % 5 == 4 {
            seat.settled.with(|own| own.insert(Sequence(1), last));
        }
        let operations = sim.disk.operations();
        let report = report(&sim.disk);
        assert!(report.is_sound() && report.notes.is_empty(), "{report}");
        assert_eq!(sim.disk.operations(), operations);
    }
    // The lock of the living agent is not in the way, and still held.
    assert!(sim.disk.lock(Path::new("/data/narthex/lock")).is_err());
}

#[test]
fn a_frame_that_is_being_written_is_no_damage() {
    let disk = scene::disk(false);
    let file = disk.open(&path(3)).expect("there");
    let whole = disk.files()[&path(3)].clone();
    for len in 0..whole.len() {
        file.set_len(len as u64).expect("cut");
        let report = report(&disk);
        assert!(
            report.is_sound() && report.notes.len() <= 1,
            "{len}: {report}"
        );
    }
}

#[test]
fn segments_that_go_while_they_are_read_are_no_damage() {
    let disk = scene::disk(false);
    let folder = folder(&disk);
    disk.remove(&path(1)).expect("there");
    let report = verify(&folder);
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.segments, report.notes.len()), (2, 1), "{report}");
    assert_eq!(Survey::of(&folder).segments.len(), 2);
    let file = disk.open(&path(3)).expect("there");
    // The writer cuts off what it could not write whole.
    file.set_len(file.len().expect("length") - 7).expect("cut");
    assert!(verify(&folder).is_sound());
}

#[test]
fn a_segment_that_vanished_or_holds_nothing_is_damage() {
    let whole = scene::disk(false).files();
    let without = whole.clone().into_iter().filter(|(own, _)| *own != path(2));
    let gone = report(&SimFs::holding(without));
    assert_eq!(gone.damages.len(), 1, "{gone}");
    assert_eq!(gone.damages[0].kind, Kind::Missing);
    let lost = gone.damages[0].lost.clone();
    assert_eq!((lost.blocks, &*lost.sequences), (10, &[(73, 82)][..]));
    for bytes in [vec![0x55; 700], vec![0; 700], vec![1; 10], Vec::new()] {
        let mut files = whole.clone();
        files.insert(path(2), bytes);
        let report = report(&SimFs::holding(files));
        assert_eq!(report.damages.len(), 1, "{report}");
        let damage = &report.damages[0];
        assert_eq!((&damage.kind, &damage.lost), (&Kind::SegmentLost, &lost));
        assert_eq!(damage.file, "0000000000000002.seg");
    }
    let mut files = whole.clone();
    files.insert(path(1), vec![7; 200]);
    let oldest = report(&SimFs::holding(files));
    assert_eq!(oldest.damages[0].kind, Kind::SegmentLost);
    assert!(
        oldest.to_string().contains("nothing tells which blocks"),
        "{oldest}"
    );
}

#[test]
fn blocks_that_a_later_segment_has_again_count_once() {
    let mut overlapping = 0;
    for later in 1..12 {
        let mut sim = Sim::new(5, options());
        // Settles nothing: everything is kept.
        let _waits = sim.opened.queues.register("q");
        sim.begin_epoch(1, true);
        sim.append();
        sim.pass(11_000);
        let at = sim.disk.operations() + later;
        sim.disk.inject(at, Fault::Once);
        for _ in 0..6 {
            sim.append();
            sim.pass(4_000);
        }
        sim.pass(11_000);
        let report = report(&sim.disk);
        assert!(report.is_sound(), "operation {at}: {report}");
        let text = dumped(&sim.disk, &Selection::default());
        assert_eq!(numbers(&text), [1, 2, 3, 4, 5, 6, 7], "operation {at}");
        let survey = Survey::of(&folder(&sim.disk));
        overlapping += survey.total.superseded_blocks;
    }
    assert!(overlapping > 0, "no sync failed at the right time");
}

#[test]
fn a_position_ahead_of_the_log_and_one_that_is_gone_are_damage() {
    let disk = scene::disk(false);
    let place = Path::new("/data/narthex/positions/three.pos");
    let position = Position {
        settled: AckRanges::up_to(Sequence(93)),
        ..Position::default()
    };
    drop(PositionFile::create(&disk, place, &position).expect("created"));
    let report = report(&disk);
    assert_eq!(report.damages.len(), 1, "{report}");
    assert_eq!(report.damages[0].kind, Kind::PositionBeyond(93));
    // A file has one slot at first; the other is still empty.
    assert!(disk.flip_bit(place, 4096 + 17, 0));
    let report = self::report(&disk);
    assert_eq!(report.damages.len(), 1, "{report}");
    let damage = &report.damages[0];
    assert_eq!(
        (&damage.kind, damage.offset),
        (&Kind::PositionSlot(false), 4096)
    );
    assert!(Survey::of(&folder(&disk)).to_string().contains("damaged"));
}

/// A log of one segment whose frames hold one block each, those for which `keep` holds.
fn made(count: u64, keep: impl Fn(u64) -> bool) -> SimFs {
    let mut workload = Workload::new(1, 1);
    let (mut encoder, mut bodies) = (Encoder::default(), Bodies::default());
    let header = SegmentHeader {
        number: 1,
        first: Sequence(1),
        created: Wall(0),
        epoch: EpochId(1),
    };
    let mut bytes = header.encode().to_vec();
    for number in 1..=count {
        let mut block = workload.next_block();
        block.sequence = Sequence(number);
        let block = Arc::new(block);
        encoder
            .encode(Mono(0), 0, &block, &mut bodies)
            .expect("fits");
        bodies.close();
        while let Some(body) = bodies.pop() {
            let mut header = body.header;
            header.decoded = body.bytes.len() as u32;
            header.compression = compress::NONE;
            if keep(number) {
                frame::put(&mut bytes, header, 1, &body.bytes);
            }
        }
    }
    SimFs::holding([(path(1), bytes)])
}

#[test]
fn numbers_that_were_never_written_are_noted_and_broken_chains_are_damage() {
    assert!(report(&made(70, |_| true)).is_sound());
    // Without 33, which is a key block: those behind it name what is not there.
    let report = report(&made(70, |number| number != 33));
    assert_eq!(report.notes.len(), 1, "{report}");
    assert!(
        report.notes[0].contains("numbers 33-33 were never written"),
        "{report}"
    );
    assert_eq!(report.damages.len(), 1, "{report}");
    let damage = &report.damages[0];
    assert_eq!(damage.kind, Kind::Undecodable);
    assert_eq!(damage.lost.sequences, [(34, 64)]);
    assert_eq!(damage.lost.targets.len(), 1, "{report}");
    // The end alone: a sound log in which the last block was not written.
    let end = self::report(&made(70, |number| number != 70));
    assert!(end.is_sound() && end.notes.is_empty(), "{end}");
}

#[test]
fn a_newer_log_is_refused_by_name() {
    let mut files = scene::disk(false).files();
    let header = files.get_mut(&path(1)).expect("there");
    header[8] = 9;
    let crc = crc32c::crc32c(&header[..60]);
    header[60..64].copy_from_slice(&crc.to_le_bytes());
    let error = Folder::open(Arc::new(SimFs::holding(files)), Path::new(DIR)).map(drop);
    let error = error.expect_err("refused");
    assert!(matches!(error, FolderError::Open(_)));
    assert!(
        error.to_string().contains("log format version 9"),
        "{error}"
    );
}

#[test]
fn times_of_an_epoch_that_may_still_be_corrected_say_so() {
    let mut sim = Sim::new(2, options());
    sim.begin_epoch(1, false);
    sim.append();
    sim.pass(11_000);
    let text = dumped(&sim.disk, &Selection::default());
    assert!(text.contains("Z, may still be corrected, "), "{text}");
    sim.workload.epoch = EpochId(7);
    sim.append();
    sim.pass(11_000);
    let text = dumped(&sim.disk, &Selection::default());
    assert!(text.contains(" ms in epoch 7), "), "{text}");
}
