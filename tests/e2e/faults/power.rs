//! Power cuts: everything that is not on disk yet is gone at once.
//!
//! The file system is shut down under the running agent, without a last write of its journal: what
//! was not synced, or written back by chance, never gets to the device. Then it is mounted anew.

use std::time::Duration;

use super::super::support::volume::Volume;
use super::super::support::{effort, wait};
use super::{POWER_WINDOW, REPEAT_WINDOW, Scene};

#[test]
fn power_cuts_cost_at_most_the_sync_interval_and_the_log_opens_unattended() {
    if effort::is_unprivileged("power cuts") {
        return;
    }
    let mut dice = effort::dice("power cuts");
    let mut scene = Scene::new(4, 25);
    let volume = Volume::made("ext4", &scene.agent.data(), 32);
    let mut ends = Vec::new();
    let mut starts = Vec::new();
    for round in 0..effort::pick(6, 200) {
        let begun = wait::now();
        scene.agent.start();
        starts.push(wait::now() - begun);
        if round % 3 == 2 {
            scene.receiver.come_back();
        } else {
            scene.receiver.go_away();
            ends.push(wait::now());
        }
        let life = Duration::from_millis(effort::between(&mut dice, 200, 4000));
        let ended = wait::try_until(life, || scene.agent.ended());
        assert!(
            ended.is_none(),
            "it ended by itself:\n{}",
            scene.agent.log()
        );
        ends.push(wait::now());
        volume.cut_power();
        scene.agent.kill();
        scene.agent.lose_memory();
        ends.push(wait::now());
        volume.restore_power();
    }
    scene.receiver.come_back();
    scene.agent.start();
    let audit = scene.settle_after_loss("power cuts");
    let (loss, repeat) = (audit.worst_loss(&ends), audit.worst_repeat(&ends));
    println!(
        "{} cuts: oldest loss {loss:?}, oldest repeat {repeat:?} before a cut, slowest start {:?}",
        starts.len(),
        starts.iter().max()
    );
    if scene.agent.kind.is_excused("it does not sync") {
        return;
    }
    audit.assert_lost_only_near(&ends, POWER_WINDOW);
    audit.assert_repeated_only_near(&ends, REPEAT_WINDOW);
    drop(scene);
}
