//! The newest segment is cut off somewhere: everything before the cut frame is delivered.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::support::{effort, segment, wait};
use super::{DRAIN, Scene, copy};

const SERIES: u64 = 25;

/// The lengths to cut the segment to: all around the ends of frames, and some between.
fn cuts(path: &Path) -> Vec<u64> {
    let frames = segment::frames(path);
    let len = std::fs::metadata(path).expect("the segment").len();
    let mut dice = effort::dice("cuts");
    let mut cuts = BTreeSet::from([0, 1, 63, 64, 65]);
    for frame in &frames {
        cuts.extend([frame.end - 1, frame.end, frame.end + 1, frame.end + 40]);
    }
    cuts.extend((0..effort::pick(4, 400)).map(|_| effort::between(&mut dice, 0, len)));
    let mut cuts: Vec<u64> = cuts.into_iter().filter(|cut| *cut <= len).collect();
    dice.shuffle(&mut cuts);
    cuts.truncate(effort::pick(14, usize::MAX));
    cuts
}

#[test]
fn a_torn_tail_costs_the_torn_frame() {
    let mut scene = Scene::new(4, SERIES);
    if scene.agent.kind.is_excused("it forgets what was not sent") {
        return;
    }
    scene.receiver.go_away();
    // Two segments: one for each life.
    for _ in 0..2 {
        scene.agent.start();
        scene.ledger.wait_for(25);
        scene.agent.terminate();
    }
    scene.receiver.come_back();
    let data = scene.agent.data();
    let segments = segment::list(&data);
    let (newest, older) = segments.split_last().expect("segments");
    let before: u64 = older.iter().map(|path| segment::blocks(path)).sum();
    let frames = segment::frames(newest);
    assert!(
        before >= 100 && frames.len() >= 4,
        "{before} blocks, {frames:?}"
    );
    let cuts = cuts(newest);
    for cut in &cuts {
        let kept = frames.iter().filter(|frame| frame.end <= *cut);
        let expected = before + kept.map(|frame| frame.blocks).sum::<u64>();
        let delivered = drain_cut(&scene, newest, *cut, expected);
        assert_eq!(delivered, expected, "cut to {cut} bytes");
    }
    println!(
        "{} cuts of {} frames: nothing before a cut is lost",
        cuts.len(),
        frames.len()
    );
}

/// Starts an agent on a copy of the log, cut, and returns how many scrapes it delivers.
fn drain_cut(scene: &Scene, newest: &Path, cut: u64, expected: u64) -> u64 {
    scene.receiver.forget();
    let mut drainer = scene.drainer();
    copy(&scene.agent.data(), &drainer.data());
    let name = newest.file_name().expect("a name");
    let path = segment::folder(&drainer.data()).join(name);
    let file = std::fs::File::options()
        .write(true)
        .open(path)
        .expect("the copy");
    file.set_len(cut).expect("to cut");
    drainer.start();
    let all = || (scene.delivered_scrapes(SERIES) >= expected).then_some(());
    if wait::try_until(DRAIN, all).is_none() {
        println!("{}", drainer.log());
    }
    // Sends what is left, if there is more than there should be.
    let (status, _) = drainer.terminate();
    assert!(status.success(), "{status}: {}", drainer.log());
    scene.delivered_scrapes(SERIES)
}
