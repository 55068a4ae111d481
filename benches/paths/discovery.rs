//! The difference of two discovered states of ten thousand targets, of which one changed: the
//! manager's part (groups that stay are recognised), and the pool's (targets are built by
//! relabelling, and compared with those that run).

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use narthex::discovery::manager::{Manager, ProviderId, Subscription, Update};
use narthex::model::target_group::{LabelMap, TargetGroup};
use narthex::model::time::Mono;
use narthex::scrape::pool::Pool;

use crate::measure::Bench;
use crate::paths::job;

const GROUPS: usize = 100;
const PER_GROUP: usize = 100;
const PROVIDER: ProviderId = ProviderId(1);

/// Relabelling as discovered targets have it.
const RULES: &str = ", relabel_configs: [\
    {source_labels: [__meta_rack], regex: 'r(.*)', target_label: rack, replacement: '$1'}, \
    {source_labels: [__meta_state], regex: retired, action: drop}]";

fn labels<const N: usize>(pairs: [(&str, String); N]) -> LabelMap {
    let owned = pairs.into_iter();
    owned
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// All groups; the first target of the first is another one in each version.
fn groups(version: usize) -> Vec<TargetGroup> {
    let target = |group: usize, index: usize| {
        let odd = if group == 0 && index == 0 { version } else { 0 };
        labels([("__address__", format!("host-{group}-{index}-{odd}:9100"))])
    };
    let group = |number: usize| TargetGroup {
        source: format!("targets.json:{number}"),
        labels: labels([
            ("__meta_rack", format!("r{number}")),
            ("__meta_state", "running".to_owned()),
        ]),
        targets: (0..PER_GROUP).map(|index| target(number, index)).collect(),
    };
    (0..GROUPS).map(group).collect()
}

/// Measures both parts.
pub(crate) fn measure(bench: &mut Bench) {
    let mut manager = Manager::new(Duration::from_secs(5));
    let subscription = Subscription {
        job: "node".into(),
        providers: vec![PROVIDER],
    };
    manager.apply(Mono(0), vec![subscription], BTreeSet::new());
    let versions = [groups(0), groups(1)];
    let mut version = 0;
    bench.run(
        "discovery: 10,000 targets, one new",
        GROUPS * PER_GROUP,
        || {
            version += 1;
            let update = Update::Full(versions[version % 2].clone());
            manager
                .update(Mono(0), PROVIDER, update)
                .expect("not too many");
            black_box(manager.sets());
        },
    );
    let sets = versions.map(|groups| groups.into_iter().map(Arc::new).collect::<Vec<_>>());
    let (config, name, mut pool) = (job(RULES), Arc::from("node"), Pool::default());
    pool.sync(&config, &name, &sets[0]);
    bench.run("pool: 10,000 targets, one new", GROUPS * PER_GROUP, || {
        version += 1;
        let sync = pool.sync(&config, &name, &sets[version % 2]);
        assert!(sync.added.len() <= 1 && sync.failed == 0);
    });
}
