//! A disk that hangs: writes and syncs do not return for seconds, as those of a bad SD card.

use std::time::Duration;

use super::super::support::effort::{is_unprivileged, run, shown};
use super::super::support::volume::Volume;
use super::super::support::wait;
use super::{GAP, Scene};

/// How long the disk hangs. The scrapes of that time fit the inbox of the log's thread.
const HANG: Duration = Duration::from_secs(5);

#[test]
fn a_disk_that_hangs_delays_no_scrape_and_costs_nothing() {
    if is_unprivileged("a disk that hangs") {
        return;
    }
    let mut scene = Scene::new(2, 25);
    let volume = Volume::made("ext4", &scene.agent.data(), 16);
    scene.begin();
    let data = scene.agent.data();
    let freeze =
        |how| run("fsfreeze", &[how, shown(&data)]).unwrap_or_else(|error| panic!("{error}"));
    freeze("--freeze");
    let begun = wait::now();
    let ended = wait::try_until(HANG, || scene.agent.ended());
    let ready = scene.agent.get("/-/ready").status;
    freeze("--unfreeze");
    let hung = wait::now() - begun;
    assert!(
        ended.is_none() && ready == 200,
        "{ready}: {}",
        scene.agent.log()
    );
    scene.ledger.wait_for(10);
    let audit = scene.settle("a disk that hung");
    let gap = scene.longest_gap();
    println!(
        "{:?}: hung for {hung:?}; longest gap between scrapes {gap:?}",
        scene.agent.kind
    );
    audit.assert_exact();
    if scene.agent.kind.is_excused("it does not scrape meanwhile") {
        return;
    }
    assert!(gap < GAP, "{gap:?}");
    drop(scene);
    drop(volume);
}
