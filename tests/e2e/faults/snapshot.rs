//! The disk as it was at a moment, taken while the agent runs.
//!
//! The log lies on ext4, in an image file on XFS. A clone by reference of that file is one moment
//! of the device: XFS keeps writers out while it shares the extents, so no write of the device is
//! in it by half and none is missing that came before another that is there. A plain copy would be
//! torn as no disk is. What the disk below had accepted but not flushed is in the picture: a power
//! cut that was kind to the disk's cache (`power` has the other).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::support::ledger::Audit;
use super::super::support::volume::{Volume, make};
use super::super::support::{effort, wait};
use super::{DRAIN, POWER_WINDOW, Scene};

/// What a stop takes, and scrapes under way before it.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// Takes a picture of the device between two moments.
fn take(image: &Path, number: usize) -> (Instant, PathBuf, Instant) {
    let picture = image.with_file_name(format!("picture-{number}"));
    let before = wait::now();
    let arguments = [
        "--reflink=always",
        effort::shown(image),
        effort::shown(&picture),
    ];
    effort::run("cp", &arguments).unwrap_or_else(|error| panic!("{error}"));
    (before, picture, wait::now())
}

/// Starts an agent on a picture and audits what it delivers: all that was given out so long before
/// the picture that it must be there. A stop in good order cuts the scrapes that are under way.
fn check(
    scene: &Scene,
    (before, picture, after): &(Instant, PathBuf, Instant),
    stops: &[Instant],
) -> Duration {
    scene.receiver.forget();
    let mut drainer = scene.drainer();
    let volume = Volume::of(picture, &drainer.data());
    drainer.start();
    let owed = *before - POWER_WINDOW;
    let look = || {
        scene
            .receiver
            .books(|books| scene.ledger.audit(books, owed))
    };
    let explained = |audit: &Audit| audit.worst_loss(stops) < UNDER_WAY;
    let audit = wait::try_until(DRAIN, || Some(look()).filter(explained)).unwrap_or_else(look);
    audit.assert_sound();
    audit.assert_lost_only_near(stops, UNDER_WAY);
    assert_eq!(audit.duplicated, 0, "{audit}");
    drainer.terminate();
    let all = scene
        .receiver
        .books(|books| scene.ledger.audit(books, *after));
    drop(drainer);
    drop(volume);
    let ends = [stops, &[*after]].concat();
    all.worst_loss(&ends)
}

#[test]
fn every_moment_of_the_disk_can_be_started_from() {
    if effort::is_unprivileged("pictures of a disk") {
        return;
    }
    let mut dice = effort::dice("pictures of a disk");
    let mut scene = Scene::new(2, 10);
    if scene.agent.kind.is_excused("it forgets what was not sent") {
        return;
    }
    // Outside of the agent's folder, which goes before the mount point would be free.
    let below = tempfile::tempdir().expect("a folder");
    let xfs = Volume::made("xfs", &below.path().join("xfs"), 400);
    let image = below.path().join("xfs/disk");
    make("ext4", &image, 24 << 20);
    let volume = Volume::of(&image, &scene.agent.data());
    scene.receiver.go_away();
    let (mut pictures, mut stops) = (Vec::new(), Vec::new());
    for number in 0..effort::pick(6, 200) {
        // A few restarts, so that segments end and begin.
        if number % 3 == 0 {
            scene.agent.launch();
        }
        let pause = Duration::from_millis(effort::between(&mut dice, 50, 1500));
        let ended = wait::try_until(pause, || scene.agent.ended());
        assert!(
            ended.is_none(),
            "it ended by itself:\n{}",
            scene.agent.log()
        );
        pictures.push(take(&image, number));
        if number % 3 == 2 {
            let (status, took) = scene.agent.terminate();
            assert!(
                status.success() && took < UNDER_WAY,
                "{status} after {took:?}"
            );
            stops.push(wait::now());
        }
    }
    scene.agent.kill();
    scene.receiver.come_back();
    let worst = pictures
        .iter()
        .map(|picture| check(&scene, picture, &stops))
        .max();
    println!(
        "{} pictures: oldest loss {worst:?} before one",
        pictures.len()
    );
    drop(volume);
    drop(xfs);
}
