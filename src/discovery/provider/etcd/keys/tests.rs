use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use proptest::prelude::*;

use super::super::wire::{self, KeyValue};
use super::*;
use crate::discovery::manager::{Manager, ProviderId, Subscription, Update};
use crate::model::target_group::{TargetGroup, TargetSets};
use crate::model::time::Mono;

const ID: ProviderId = ProviderId(1);
const CLUSTER: u64 = 7;
const PREFIXES: [&str; 3] = ["/a/", "/b/", "/a/inner/"];
const KEYS: [&str; 7] = ["/a/1", "/a/2", "/a/inner/1", "/b/1", "/b/2", "/c/1", "/a"];

fn keys() -> Keys {
    Keys::new(&PREFIXES.map(str::to_owned), Format::Auto)
}

/// One change of a store.
#[derive(Clone, Debug)]
struct Written {
    revision: i64,
    key: String,
    value: Option<String>,
}

/// An etcd with one client: its whole history, what is compacted, and a stream with one watch for
/// each range, which tell what happened independently of one another.
#[derive(Debug)]
struct Store {
    revision: i64,
    compacted: i64,
    history: Vec<Written>,
    /// Ranges and the next revision that each watch tells of.
    watches: Vec<(Range, i64)>,
    stream: VecDeque<Said>,
}

impl Store {
    fn new() -> Store {
        Store {
            revision: 1,
            compacted: 0,
            history: Vec::new(),
            watches: Vec::new(),
            stream: VecDeque::new(),
        }
    }

    fn header(&self) -> Header {
        Header {
            cluster_id: CLUSTER,
            revision: self.revision,
        }
    }

    /// A transaction: all of it has one revision.
    fn write(&mut self, changes: &[(usize, Option<u8>)]) {
        self.revision += 1;
        let mut done = BTreeSet::new();
        for (key, value) in changes {
            let value = value.map(text);
            let there = self.state(self.revision).contains_key(KEYS[*key]);
            if (value.is_some() || there) && done.insert(*key) {
                self.history.push(Written {
                    revision: self.revision,
                    key: KEYS[*key].to_owned(),
                    value,
                });
            }
        }
    }

    fn state(&self, revision: i64) -> BTreeMap<String, String> {
        let mut state = BTreeMap::new();
        for written in self.history.iter().filter(|one| one.revision <= revision) {
            match &written.value {
                Some(value) => state.insert(written.key.clone(), value.clone()),
                None => state.remove(&written.key),
            };
        }
        state
    }

    fn page(&self, range: &Range, limit: usize, revision: i64) -> Option<Page> {
        if revision != 0 && revision < self.compacted {
            return None;
        }
        let at = if revision == 0 {
            self.revision
        } else {
            revision
        };
        let inside =
            |key: &str| key.as_bytes() >= &range.from[..] && key.as_bytes() < &range.end[..];
        let state = self.state(at);
        let mut found = state.iter().filter(|(key, _)| inside(key));
        let kvs = found.by_ref().take(limit).map(|(key, value)| KeyValue {
            key: key.clone().into_bytes(),
            value: value.clone().into_bytes(),
            mod_revision: at,
        });
        let kvs = kvs.collect();
        Some(Page {
            header: self.header(),
            kvs,
            more: found.next().is_some(),
        })
    }

    /// The client opens a stream instead of the one there is.
    fn watch(&mut self, keys: &Keys) {
        self.stream.clear();
        self.watches = keys
            .watches()
            .map(|(range, seen)| (range.clone(), seen + 1))
            .collect();
        for index in 0..self.watches.len() {
            self.stream.push_back(Said {
                header: self.header(),
                watch_id: index as i64 + 1,
                created: true,
                ..Said::default()
            });
        }
    }

    /// One watch tells of the next `count` changes, the last of them perhaps torn into fragments.
    fn tell(&mut self, index: usize, count: usize, torn: bool) {
        let header = self.header();
        let compacted = self.compacted;
        let Some((range, next)) = self.watches.get_mut(index) else {
            return;
        };
        let said = |events| Said {
            header,
            watch_id: index as i64 + 1,
            events,
            ..Said::default()
        };
        if *next < compacted {
            let over = Said {
                canceled: true,
                compact_revision: compacted,
                ..said(Vec::new())
            };
            self.stream.push_back(over);
            return;
        }
        let inside =
            |key: &str| key.as_bytes() >= &range.from[..] && key.as_bytes() < &range.end[..];
        let news = self
            .history
            .iter()
            .filter(|one| one.revision >= *next && inside(&one.key));
        let revisions: BTreeSet<i64> = news.clone().map(|one| one.revision).collect();
        let Some(last) = revisions.iter().take(count).next_back().copied() else {
            // Progress: all is told.
            *next = self.revision + 1;
            self.stream.push_back(said(Vec::new()));
            return;
        };
        let events: Vec<wire::Event> = news.filter(|one| one.revision <= last).map(event).collect();
        *next = last + 1;
        if torn && events.len() > 1 {
            let (first, second) = events.split_at(events.len() / 2);
            self.stream.push_back(Said {
                fragment: true,
                ..said(first.to_vec())
            });
            self.stream.push_back(said(second.to_vec()));
        } else {
            self.stream.push_back(said(events));
        }
    }
}

fn event(written: &Written) -> wire::Event {
    let kind = if written.value.is_none() {
        "DELETE"
    } else {
        "PUT"
    };
    let encode = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    let json = serde_json::json!({"type": kind, "kv": {
        "key": encode(&written.key),
        "value": encode(written.value.as_deref().unwrap_or_default()),
        "mod_revision": written.revision.to_string(),
    }});
    serde_json::from_value(json).expect("an event")
}

fn text(tag: u8) -> String {
    match tag % 4 {
        0 | 1 => format!("host:{tag}"),
        2 => format!("[{{\"targets\":[\"x:{tag}\",\"y:{tag}\"]}}]"),
        _ => "no address".to_owned(),
    }
}

/// The client: keys, a reading under way, and whether it knows that it has to read.
#[derive(Debug)]
struct Reader {
    keys: Keys,
    reading: Option<Reading>,
    manager: Manager,
}

impl Reader {
    fn new() -> Reader {
        let mut manager = Manager::new(std::time::Duration::ZERO);
        let subscription = Subscription {
            job: "j".into(),
            providers: vec![ID],
        };
        manager.apply(Mono(0), vec![subscription], BTreeSet::new());
        Reader {
            keys: keys(),
            reading: Some(Reading::default()),
            manager,
        }
    }

    /// One step: a page, or a message.
    fn step(&mut self, store: &mut Store, limit: usize) {
        let Some(mut reading) = self.reading.take() else {
            if let Some(said) = store.stream.pop_front()
                && self.keys.hear(&said).expect("small") == Verdict::ReadAgain
            {
                self.read_again(store);
            }
            return;
        };
        let Some((range, revision)) = self.keys.wanted(&reading) else {
            self.keys.replace(reading);
            store.watch(&self.keys);
            return;
        };
        // A reading whose revision was compacted begins anew.
        self.reading = Some(match store.page(&range, limit, revision) {
            None => Reading::default(),
            Some(page) => {
                self.keys.gather(&mut reading, &page).expect("small");
                reading
            }
        });
    }

    fn read_again(&mut self, store: &mut Store) {
        store.stream.clear();
        store.watches.clear();
        self.reading = Some(Reading::default());
    }

    fn pass_on(&mut self) {
        if let Some(update) = self.keys.targets().update() {
            self.manager.update(Mono(1), ID, update).expect("few");
        }
    }

    fn settle(&mut self, store: &mut Store) {
        for _ in 0..10_000 {
            self.step(store, 2);
            if self.reading.is_some() || !store.stream.is_empty() {
                continue;
            }
            let behind = store
                .watches
                .iter()
                .position(|(_, next)| *next <= store.revision);
            match behind {
                Some(index) => store.tell(index, 1, false),
                None => return self.pass_on(),
            }
        }
        panic!("it never ends");
    }

    fn published(&self) -> Vec<TargetGroup> {
        let mut sets: TargetSets = self.manager.sets();
        let groups: Vec<Arc<TargetGroup>> = sets.remove("j").unwrap_or_default();
        groups.iter().map(|one| (**one).clone()).collect()
    }
}

#[derive(Clone, Debug)]
enum Act {
    Write(Vec<(usize, Option<u8>)>),
    Step(usize),
    Tell(usize, usize, bool),
    /// The stream breaks; another one goes on.
    Replace,
    ReadAgain,
    Compact,
    PassOn,
}

fn act() -> impl Strategy<Value = Act> {
    let change = (0..KEYS.len(), prop::option::weighted(0.6, any::<u8>()));
    prop_oneof![
        6 => prop::collection::vec(change, 1..4).prop_map(Act::Write),
        9 => (1..4usize).prop_map(Act::Step),
        6 => (0..2usize, 1..4usize, any::<bool>()).prop_map(|(index, count, torn)| Act::Tell(index, count, torn)),
        1 => Just(Act::Replace),
        1 => Just(Act::ReadAgain),
        1 => Just(Act::Compact),
        2 => Just(Act::PassOn),
    ]
}

fn carry_out(act: &Act, store: &mut Store, reader: &mut Reader) {
    match act {
        Act::Write(changes) => store.write(changes),
        Act::Step(limit) => reader.step(store, *limit),
        Act::Tell(index, count, torn) => store.tell(*index, *count, *torn),
        Act::Replace if reader.reading.is_none() => store.watch(&reader.keys),
        Act::Replace => {}
        Act::ReadAgain => reader.read_again(store),
        Act::Compact => store.compacted = store.revision,
        Act::PassOn => reader.pass_on(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    /// However changes, pages, messages, breaks and compactions are interleaved, in the end whoever
    /// took the updates has what a fresh reading finds.
    #[test]
    fn any_history_ends_as_a_fresh_reading(acts in prop::collection::vec(act(), 0..80)) {
        let (mut store, mut reader) = (Store::new(), Reader::new());
        for act in &acts {
            carry_out(act, &mut store, &mut reader);
        }
        reader.settle(&mut store);
        let mut fresh = Reader::new();
        fresh.settle(&mut store);
        prop_assert_eq!(reader.published(), fresh.published());
        let below = |key: &&String| key.starts_with("/a/") || key.starts_with("/b/");
        let state = store.state(store.revision);
        let expected = state.iter().filter(|(key, value)| below(key) && *value != "no address");
        prop_assert_eq!(fresh.published().len(), expected.count());
    }
}

#[test]
fn prefixes_inside_others_are_read_once_and_still_named() {
    let (mut store, mut reader) = (Store::new(), Reader::new());
    store.write(&[(0, Some(0)), (2, Some(0)), (5, Some(0))]);
    reader.settle(&mut store);
    let found = reader.published();
    let of = |group: &TargetGroup| {
        let label = |name: &str| group.labels[name].to_string();
        [label("__meta_etcd_prefix"), label("__meta_etcd_name")]
    };
    let found: Vec<[String; 2]> = found.iter().map(of).collect();
    assert_eq!(found, [["/a/", "1"], ["/a/inner/", "1"]]);
    assert_eq!(reader.keys.watches().count(), 2);
}

#[test]
fn another_store_or_one_that_was_set_back_is_read_again() {
    let (mut store, mut reader) = (Store::new(), Reader::new());
    store.write(&[(0, Some(0))]);
    reader.settle(&mut store);
    let created = |cluster_id, revision| Said {
        header: Header {
            cluster_id,
            revision,
        },
        watch_id: 1,
        created: true,
        ..Said::default()
    };
    let mut hear = |said: Said| reader.keys.hear(&said).expect("small");
    assert_eq!(hear(created(CLUSTER, 2)), Verdict::Fine);
    assert_eq!(hear(created(CLUSTER, 1)), Verdict::ReadAgain, "set back");
    assert_eq!(hear(created(CLUSTER + 1, 2)), Verdict::ReadAgain, "another");
    let unknown = Said {
        watch_id: 99,
        ..created(CLUSTER, 2)
    };
    assert_eq!(hear(unknown), Verdict::Fine);
}

#[test]
fn progress_saves_from_compaction() {
    let (mut store, mut reader) = (Store::new(), Reader::new());
    reader.settle(&mut store);
    store.write(&[(5, Some(0))]);
    store.compacted = store.revision;
    let before: Vec<i64> = reader.keys.watches().map(|(_, seen)| seen).collect();
    let progress = Said {
        header: store.header(),
        watch_id: 1,
        ..Said::default()
    };
    reader.keys.hear(&progress).expect("small");
    let after: Vec<i64> = reader.keys.watches().map(|(_, seen)| seen).collect();
    assert_eq!((before, after), (vec![1, 1], vec![2, 1]));
}

#[test]
fn a_page_that_promises_more_and_holds_nothing_is_the_last() {
    let keys = keys();
    let mut reading = Reading::default();
    let page = Page {
        more: true,
        ..Page::default()
    };
    for _ in 0..2 {
        assert!(keys.wanted(&reading).is_some());
        keys.gather(&mut reading, &page).expect("small");
    }
    assert_eq!(keys.wanted(&reading), None);
}

#[test]
fn keys_that_are_no_text_are_named_all_the_same() {
    let keys = keys();
    let mut reading = Reading::default();
    let one = KeyValue {
        key: b"/a/\xff".to_vec(),
        value: b"h:1".to_vec(),
        mod_revision: 1,
    };
    let page = Page {
        kvs: vec![one],
        ..Page::default()
    };
    keys.gather(&mut reading, &page).expect("small");
    let mut keys = keys;
    keys.replace(reading);
    match keys.targets().update() {
        Some(Update::Full(groups)) => assert_eq!(groups[0].source, "/a/\\xff"),
        other => panic!("{other:?}"),
    }
}
