use proptest::prelude::*;

use super::*;
use crate::model::target_group::LabelMap;

const A: ProviderId = ProviderId(1);
const B: ProviderId = ProviderId(2);

fn group(source: &str, targets: &[&str]) -> TargetGroup {
    let target = |address: &&str| LabelMap::from([("__address__".into(), (*address).into())]);
    TargetGroup {
        source: source.into(),
        labels: LabelMap::new(),
        targets: targets.iter().map(target).collect(),
    }
}

fn subscription(job: &str, providers: &[ProviderId]) -> Subscription {
    Subscription {
        job: job.into(),
        providers: providers.to_vec(),
    }
}

fn at(millis: u64) -> Mono {
    Mono::from_millis(millis)
}

fn addresses(sets: &TargetSets, job: &str) -> Vec<String> {
    let groups = sets[job].iter();
    groups
        .flat_map(|group| group.targets.iter())
        .map(|target| target["__address__"].to_string())
        .collect()
}

/// A manager for job `j` of provider A, published once with the target `one` at 0 ms.
fn running() -> Manager {
    let mut manager = Manager::new(limits::SD_COALESCE);
    manager.apply(at(0), vec![subscription("j", &[A])], BTreeSet::new());
    manager
        .update(at(0), A, Update::Full(vec![group("s", &["one"])]))
        .expect("few");
    assert!(manager.publish(at(0)).is_some());
    manager
}

fn full(targets: &[&str]) -> Update {
    Update::Full(vec![group("s", targets)])
}

#[test]
fn what_a_provider_delivered_is_published_when_nothing_is_due() {
    let mut manager = Manager::new(limits::SD_COALESCE);
    manager.apply(at(0), vec![subscription("j", &[A, B])], BTreeSet::new());
    assert!(manager.publish(at(0)).is_some());
    assert!(!manager.is_published(A));
    manager
        .update(at(1), A, full(&["one", "two"]))
        .expect("few");
    assert!(!manager.is_published(A));
    assert!(manager.publish(at(5000)).is_some());
    assert!(manager.is_published(A) && !manager.is_published(B));
    assert_eq!((manager.found_by(A), manager.found_by(B)), ((1, 2), (0, 0)));
    // An answer without groups changes nothing that would have to be published.
    manager
        .update(at(5001), B, Update::Full(Vec::new()))
        .expect("few");
    assert!(manager.is_published(B));
}

#[test]
fn a_job_without_discovery_is_published_empty_and_at_once() {
    let mut manager = Manager::new(limits::SD_COALESCE);
    manager.apply(at(7), vec![subscription("empty", &[])], BTreeSet::new());
    let sets = manager.publish(at(7)).expect("due");
    assert_eq!(sets["empty"].len(), 0);
    assert_eq!(manager.deadline(), Mono::NEVER);
}

#[test]
fn a_start_waits_for_local_files_but_not_for_others() {
    let mut manager = Manager::new(limits::SD_COALESCE);
    let jobs = vec![subscription("j", &[A, B])];
    manager.apply(at(0), jobs, BTreeSet::from([A]));
    assert_eq!(manager.publish(at(0)), None);
    manager.update(at(3), A, full(&["one"])).expect("few");
    let sets = manager.publish(at(3)).expect("the file was read");
    assert_eq!(addresses(&sets, "j"), ["one"]);
}

#[test]
fn a_hanging_file_system_does_not_hold_up_the_others() {
    let mut manager = Manager::new(limits::SD_COALESCE);
    let jobs = vec![subscription("j", &[A]), subscription("k", &[B])];
    manager.apply(at(0), jobs, BTreeSet::from([A]));
    manager.fixed(B, vec![group("0", &["static"])]);
    assert_eq!(manager.deadline(), at(0) + limits::SD_START_GRACE);
    let sets = manager.publish(manager.deadline()).expect("due");
    assert_eq!(addresses(&sets, "k"), ["static"]);
}

#[test]
fn the_first_groups_of_a_slow_provider_come_soon_after_the_start() {
    let mut manager = Manager::new(limits::SD_COALESCE);
    let jobs = vec![subscription("j", &[A, B])];
    manager.apply(at(0), jobs, BTreeSet::new());
    assert!(manager.publish(at(0)).is_some());
    manager.update(at(10), B, full(&["slow"])).expect("few");
    assert_eq!(manager.deadline(), at(0) + limits::SD_COALESCE_FIRST);
}

#[test]
fn a_change_after_a_quiet_time_is_published_at_once() {
    let mut manager = running();
    manager.update(at(9000), A, full(&["two"])).expect("few");
    let sets = manager.publish(at(9000)).expect("due");
    assert_eq!(addresses(&sets, "j"), ["two"]);
}

#[test]
fn changes_in_a_row_are_published_once_per_interval_with_the_latest_state() {
    let mut manager = running();
    for (millis, target) in [(100, "two"), (2000, "three"), (4900, "four")] {
        manager.update(at(millis), A, full(&[target])).expect("few");
        assert_eq!(manager.publish(at(millis)), None);
        assert_eq!(manager.deadline(), at(0) + limits::SD_COALESCE);
    }
    let sets = manager.publish(manager.deadline()).expect("due");
    assert_eq!(addresses(&sets, "j"), ["four"]);
}

#[test]
fn an_update_without_news_is_not_published() {
    let mut manager = running();
    manager.update(at(9000), A, full(&["one"])).expect("few");
    assert_eq!(manager.deadline(), Mono::NEVER);
}

#[test]
fn a_group_that_did_not_change_stays_the_same_arc() {
    let mut manager = running();
    let before = Arc::clone(&manager.sets()["j"][0]);
    let update = Update::Full(vec![group("s", &["one"]), group("t", &["two"])]);
    manager.update(at(9000), A, update).expect("few");
    assert!(Arc::ptr_eq(&before, &manager.sets()["j"][0]));
}

#[test]
fn a_group_without_targets_vanishes_and_the_others_stay() {
    let mut manager = running();
    let update = Update::Changed(vec![group("t", &["two"])]);
    manager.update(at(1), A, update).expect("few");
    assert_eq!(addresses(&manager.sets(), "j"), ["one", "two"]);
    let update = Update::Changed(vec![group("s", &[])]);
    manager.update(at(2), A, update).expect("few");
    assert_eq!(addresses(&manager.sets(), "j"), ["two"]);
}

#[test]
fn a_shared_provider_feeds_every_job_and_keeps_its_targets_over_a_reload() {
    let mut manager = running();
    let jobs = vec![subscription("j", &[A]), subscription("k", &[A])];
    manager.apply(at(1), jobs, BTreeSet::new());
    let sets = manager.publish(at(1)).expect("a plan is applied at once");
    assert_eq!(addresses(&sets, "j"), ["one"]);
    assert_eq!(addresses(&sets, "k"), ["one"]);
}

#[test]
fn an_obsolete_provider_is_forgotten_and_heard_no_more() {
    let mut manager = running();
    manager.apply(at(1), vec![subscription("j", &[B])], BTreeSet::new());
    manager.update(at(2), A, full(&["late"])).expect("ignored");
    assert!(manager.publish(at(2)).expect("due")["j"].is_empty());
}

#[test]
fn a_flood_of_targets_is_refused_and_the_last_good_set_stays() {
    let mut manager = running();
    let flood = vec!["x"; limits::SD_TARGETS_PER_PROVIDER];
    let update = Update::Changed(vec![group("t", &flood)]);
    let refused = manager.update(at(1), A, update).expect_err("too many");
    assert_eq!(refused.targets, limits::SD_TARGETS_PER_PROVIDER + 1);
    assert_eq!(addresses(&manager.sets(), "j"), ["one"]);
    manager.update(at(2), A, full(&flood)).expect("just enough");
}

#[test]
fn labels_without_end_are_refused_and_the_last_good_set_stays() {
    let mut manager = running();
    let heavy = |source: &str, targets: usize| TargetGroup {
        labels: LabelMap::from([("l".to_owned(), "x".repeat(1 << 20))]),
        ..group(source, &vec!["x"; targets])
    };
    let changed = |group| Update::Changed(vec![group]);
    for source in ["t", "u", "t"] {
        let update = changed(heavy(source, 31));
        manager.update(at(1), A, update).expect("62 MiB");
    }
    let update = Update::Changed(vec![heavy("t", 20), heavy("v", 13)]);
    let refused = manager
        .update(at(1), A, update)
        .expect_err("64 MiB and more");
    assert!(refused.bytes > limits::SD_LABEL_BYTES_PER_PROVIDER);
    assert_eq!(manager.found_by(A), (3, 63));
    manager
        .update(at(1), A, changed(group("t", &[])))
        .expect("less");
    manager
        .update(at(1), A, changed(heavy("v", 31)))
        .expect("room");
    let update = Update::Full(vec![heavy("s", 64)]);
    assert!(manager.update(at(1), A, update).is_err());
    let update = Update::Full(vec![heavy("s", 1), heavy("v", 60)]);
    manager.update(at(1), A, update).expect("61 MiB");
    assert_eq!(manager.found_by(A), (2, 61));
    let update = changed(heavy("w", 3));
    assert!(manager.update(at(1), A, update).is_err());
}

/// One step of a random history.
#[derive(Clone, Debug)]
enum Op {
    Update(u64, Update),
    Apply(Vec<(u8, Vec<u64>)>),
    Wait(u64),
}

fn ops() -> impl Strategy<Value = Op> {
    let targets = prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..3);
    let groups = prop::collection::vec((0u8..4, targets), 0..4).prop_map(|groups| {
        let groups = groups.into_iter();
        groups
            .map(|(source, targets)| group(&source.to_string(), &targets))
            .collect::<Vec<_>>()
    });
    let update = (any::<bool>(), groups).prop_map(|(full, groups)| {
        if full {
            Update::Full(groups)
        } else {
            Update::Changed(groups)
        }
    });
    let jobs =
        prop::collection::btree_map(0u8..3, prop::collection::btree_set(0u64..4, 0..4), 0..4)
            .prop_map(|jobs| {
                let jobs = jobs.into_iter();
                jobs.map(|(job, ids)| (job, ids.into_iter().collect()))
                    .collect()
            });
    prop_oneof![
        6 => (0u64..4, update).prop_map(|(id, update)| Op::Update(id, update)),
        2 => jobs.prop_map(Op::Apply),
        2 => (0u64..9000).prop_map(Op::Wait),
    ]
}

/// The plainest possible manager: groups by (job, provider, source).
#[derive(Default)]
struct Model {
    jobs: BTreeMap<String, Vec<u64>>,
    groups: BTreeMap<(u64, String), TargetGroup>,
}

impl Model {
    fn update(&mut self, id: u64, update: Update) {
        if !self.jobs.values().any(|ids| ids.contains(&id)) {
            return;
        }
        let groups = match update {
            Update::Full(groups) => {
                self.groups.retain(|(provider, _), _| *provider != id);
                groups
            }
            Update::Changed(groups) => groups,
        };
        for group in groups {
            let key = (id, group.source.clone());
            if group.targets.is_empty() {
                self.groups.remove(&key);
            } else {
                self.groups.insert(key, group);
            }
        }
    }

    fn apply(&mut self, jobs: BTreeMap<String, Vec<u64>>) {
        self.groups
            .retain(|(id, _), _| jobs.values().any(|ids| ids.contains(id)));
        self.jobs = jobs;
    }

    fn sets(&self) -> TargetSets {
        let set = |ids: &Vec<u64>| -> Vec<Arc<TargetGroup>> {
            let of = |id: &u64| {
                let id = *id;
                let all = self.groups.iter();
                all.filter(move |((provider, _), _)| *provider == id)
            };
            let groups = ids.iter().flat_map(of);
            groups.map(|(_, group)| Arc::new(group.clone())).collect()
        };
        let jobs = self.jobs.iter();
        jobs.map(|(job, ids)| (job.clone(), set(ids))).collect()
    }
}

proptest! {
    #[test]
    fn any_history_ends_in_the_sets_of_the_plainest_manager(
        ops in prop::collection::vec(ops(), 1..40),
    ) {
        let (mut manager, mut model) = (Manager::new(limits::SD_COALESCE), Model::default());
        let (mut now, mut published) = (at(0), TargetSets::new());
        for op in ops {
            match op {
                Op::Wait(millis) => now = now + Duration::from_millis(millis),
                Op::Update(id, update) => {
                    model.update(id, update.clone());
                    manager.update(now, ProviderId(id), update).expect("few targets");
                }
                Op::Apply(jobs) => {
                    let named = |(job, ids): (u8, Vec<u64>)| (job.to_string(), ids);
                    let jobs: BTreeMap<_, _> = jobs.into_iter().map(named).collect();
                    let ids = |ids: &Vec<u64>| ids.iter().map(|id| ProviderId(*id)).collect();
                    let subscriptions = jobs.iter().map(|(job, providers)| Subscription {
                        job: job.as_str().into(),
                        providers: ids(providers),
                    });
                    let prompt = BTreeSet::from([ProviderId(0)]);
                    manager.apply(now, subscriptions.collect(), prompt);
                    model.apply(jobs);
                }
            }
            if let Some(sets) = manager.publish(now) {
                published = sets;
            }
        }
        if let Some(sets) = manager.publish(now + limits::SD_COALESCE) {
            published = sets;
        }
        prop_assert_eq!(&published, &model.sets());
        let counts: BTreeMap<_, _> = manager.targets_by_job().collect();
        for (job, groups) in &published {
            let count: usize = groups.iter().map(|group| group.targets.len()).sum();
            prop_assert_eq!(counts[job.as_str()], count);
        }
    }
}
