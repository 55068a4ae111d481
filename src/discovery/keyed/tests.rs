use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::discovery::manager::{Manager, ProviderId, Subscription};
use crate::model::time::Mono;

const ID: ProviderId = ProviderId(1);

fn entry(targets: usize, tag: u8) -> Entry {
    let target = |n: usize| LabelMap::from([("__address__".to_owned(), format!("{tag}-{n}"))]);
    Entry::Targets(LabelMap::new(), (0..targets).map(target).collect())
}

fn manager() -> Manager {
    let mut manager = Manager::new(limits::SD_COALESCE);
    let subscription = Subscription {
        job: "j".into(),
        providers: vec![ID],
    };
    manager.apply(Mono(0), vec![subscription], BTreeSet::new());
    manager
}

/// The groups that the manager would publish.
fn published(manager: &Manager) -> Vec<Arc<TargetGroup>> {
    manager.sets().remove("j").unwrap_or_default()
}

fn expected(keyed: &Keyed) -> Vec<TargetGroup> {
    let entries = keyed.now.entries.iter();
    let groups = entries.filter_map(|(key, entry)| group(key, entry));
    groups.filter(|group| !group.targets.is_empty()).collect()
}

/// What can happen between two updates.
#[derive(Clone, Debug)]
enum Act {
    Set(u8, usize, u8),
    Break(u8),
    Remove(u8),
    Replace(Vec<(u8, usize)>),
    PassOn,
}

/// Numbers of targets: three of the largest are one too many for a provider.
fn size() -> impl Strategy<Value = usize> {
    let third = limits::SD_TARGETS_PER_PROVIDER / 3 + 1;
    prop_oneof![4 => 0..3usize, 1 => Just(third)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => (0..6u8, size(), 0..3u8).prop_map(|(key, size, tag)| Act::Set(key, size, tag)),
        1 => (0..6u8).prop_map(Act::Break),
        3 => (0..6u8).prop_map(Act::Remove),
        1 => prop::collection::vec((0..6u8, size()), 0..5).prop_map(Act::Replace),
        4 => Just(Act::PassOn),
    ]
}

fn carry_out(keyed: &mut Keyed, act: &Act) {
    let key = |number: &u8| format!("/k/{number}");
    let done = match act {
        Act::Set(number, size, tag) => keyed.set(&key(number), Some(entry(*size, *tag))),
        Act::Break(number) => keyed.set(&key(number), Some(Entry::Broken("torn".to_owned()))),
        Act::Remove(number) => keyed.set(&key(number), None),
        Act::Replace(list) => {
            let mut state = Gathered::default();
            for (number, size) in list {
                state
                    .set(&key(number), Some(entry(*size, 9)))
                    .expect("small");
            }
            keyed.replace(state);
            Ok(())
        }
        Act::PassOn => Ok(()),
    };
    done.expect("small");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// Whenever the state is one that the manager takes, the manager has it after the update.
    #[test]
    fn updates_lead_the_manager_to_the_state(acts in prop::collection::vec(act(), 1..40)) {
        let (mut keyed, mut manager) = (Keyed::default(), manager());
        for act in acts.iter().chain([&Act::PassOn]) {
            carry_out(&mut keyed, act);
            if !matches!(act, Act::PassOn) {
                continue;
            }
            let fits = keyed.targets <= limits::SD_TARGETS_PER_PROVIDER;
            let taken = keyed.update().map(|update| manager.update(Mono(1), ID, update));
            prop_assert_eq!(taken.is_none_or(|taken| taken.is_ok()), fits);
            if fits {
                let found = published(&manager);
                let found: Vec<TargetGroup> = found.iter().map(|one| (**one).clone()).collect();
                prop_assert_eq!(found, expected(&keyed));
                prop_assert!(!keyed.has_news());
            }
        }
    }
}

#[test]
fn small_changes_make_small_updates() {
    let mut keyed = Keyed::default();
    assert_eq!(keyed.update(), Some(Update::Full(Vec::new())));
    keyed.set("/a", Some(entry(1, 0))).expect("small");
    keyed.set("/b", Some(entry(1, 0))).expect("small");
    keyed.update();
    keyed.set("/a", Some(entry(1, 0))).expect("small");
    assert_eq!(keyed.update(), None, "nothing is different");
    keyed.set("/b", None).expect("small");
    match keyed.update() {
        Some(Update::Changed(groups)) => {
            assert_eq!(groups.len(), 1);
            assert_eq!(
                (groups[0].source.as_str(), groups[0].targets.len()),
                ("/b", 0)
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn too_much_is_refused() {
    let mut keyed = Keyed::default();
    let long = "x".repeat(limits::STORE_BYTES / 2);
    for key in ["/a", "/b"] {
        let all = LabelMap::from([("l".to_owned(), long.clone())]);
        let entry = Entry::Targets(all, vec![LabelMap::new()]);
        let done = keyed.set(key, Some(entry));
        assert_eq!(done.is_err(), key == "/b", "{done:?}");
    }
    let many = LabelMap::from([("l".to_owned(), "x".repeat(limits::STORE_BYTES / 100))]);
    let entry_of = |targets| Entry::Targets(many.clone(), vec![LabelMap::new(); targets]);
    keyed.set("/a", Some(entry_of(99))).expect("fits");
    let refused = keyed.set("/a", Some(entry_of(101)));
    assert_eq!(refused, Err(TooMuch::Bytes), "for each target");
    keyed.set("/a", None).expect("less");
    assert_eq!((keyed.now.bytes, keyed.targets), (0, 0));
    for number in 0..limits::STORE_KEYS {
        keyed
            .set(&number.to_string(), Some(entry(0, 0)))
            .expect("fits");
    }
    assert_eq!(keyed.set("/more", Some(entry(0, 0))), Err(TooMuch::Keys));
    keyed
        .set("7", Some(entry(1, 1)))
        .expect("the same number of keys");
}

#[test]
fn broken_keys_are_counted_and_the_first_one_is_named() {
    let mut keyed = Keyed::default();
    assert_eq!(keyed.broken(), None);
    for (key, reason) in [("/b", "torn"), ("/a", "empty")] {
        keyed
            .set(key, Some(Entry::Broken(reason.to_owned())))
            .expect("small");
    }
    let text = keyed.broken().expect("two").to_string();
    assert_eq!(text, "2 without usable targets, the first is \"/a\": empty");
}
