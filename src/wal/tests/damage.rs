//! Flipped bits anywhere in a segment: found, bounded, nothing invented.

use proptest::prelude::*;

use super::super::segment;
use super::*;
use crate::limits::KEY_BLOCK_INTERVAL;

/// A log of two segments and its files' lengths.
fn filled(seed: u64) -> Sim {
    let mut sim = Sim::new(seed, options());
    sim.begin_epoch(1, true);
    // Settles nothing: everything is kept.
    let _queue = sim.opened.queues.register("q");
    for half in 0..2 {
        for round in 0..150 {
            sim.append();
            if round % 4 == 3 {
                sim.pass(1_000);
            }
        }
        sim.pass(11_000);
        if half == 0 {
            let disk = sim.disk.clone();
            sim = sim.restart(disk);
        }
    }
    sim
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_flipped_bit_costs_a_bounded_number_of_blocks(
        seed in 0..20u64, number in 1..3u64, at: prop::sample::Index, bit in 0..8u8) {
        let sim = filled(seed);
        let segments = sim.opened.log.catalog.lock().segments.clone();
        let info = segments[number as usize - 1];
        let path = segment::path(&sim.opened.log.segments_dir, info.number);
        prop_assert!(sim.disk.flip_bit(&path, at.index(info.end as usize), bit));
        let total = sim.appended.len();
        let disk = sim.disk.clone();
        let sim = sim.restart(disk);
        let read = sim.read_all(&mut sim.reader(), Sequence::ZERO);
        // One frame of four blocks, and both targets up to their next key block.
        let lost = total - read.len();
        prop_assert!(lost <= 4 + 2 * KEY_BLOCK_INTERVAL as usize, "{lost} of {total}");
    }

    #[test]
    fn a_cut_segment_keeps_what_is_before_the_cut(seed in 0..20u64, at: prop::sample::Index) {
        let sim = filled(seed);
        let info = *sim.opened.log.catalog.lock().segments.last().expect("two");
        let path = segment::path(&sim.opened.log.segments_dir, info.number);
        let len = at.index(info.end as usize) as u64;
        use crate::sys::fs::Storage;
        sim.disk.open(&path).expect("there").set_len(len).expect("cut");
        let disk = sim.disk.clone();
        let mut sim = sim.restart(disk);
        let read = sim.read_all(&mut sim.reader(), Sequence::ZERO);
        prop_assert!(read.len() >= 150);
        prop_assert!(read.iter().zip(1..).all(|(number, expected)| *number == expected));
        let taken = sim.opened.core.status().progress.taken;
        sim.appended.retain(|number, _| *number <= taken.0);
        let next = sim.append();
        prop_assert_eq!(next, taken.next());
    }
}

#[test]
fn numbers_in_a_damaged_last_frame_do_not_come_again() {
    let mut sim = filled(2);
    let taken = sim.append();
    sim.pass(11_000);
    let info = *sim.opened.log.catalog.lock().segments.last().expect("some");
    let path = segment::path(&sim.opened.log.segments_dir, info.number);
    assert!(sim.disk.flip_bit(&path, info.end as usize - 6, 1));
    let disk = sim.disk.clone();
    let mut sim = sim.restart(disk);
    assert_eq!(sim.append(), taken.next());
    let read = sim.read_all(&mut sim.reader(), Sequence(taken.0 - 2));
    assert_eq!(read, [taken.0 - 1, taken.0 + 1]);
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let sim = filled(1);
    let path = segment::path(&sim.opened.log.segments_dir, 1);
    let mut header = [0; 64];
    use crate::sys::fs::Storage;
    let file = sim.disk.open(&path).expect("there");
    file.read_exact_at(0, &mut header).expect("read");
    header[8] = 9;
    let crc = crc32c::crc32c(&header[..60]);
    header[60..].copy_from_slice(&crc.to_le_bytes());
    file.write_at(0, &header).expect("written");
    let (disk, clock) = (sim.disk.clone(), Arc::clone(&sim.clock));
    drop(sim);
    let clock = clock as Arc<dyn Clock>;
    let outcome = open(
        Path::new(DIR),
        options(),
        Arc::new(disk),
        clock,
        &Registry::default(),
    );
    let text = outcome.map(|_| ()).map_err(|error| error.to_string());
    let text = text.expect_err("refused");
    assert!(text.contains("log format version 9"), "{text}");
}
