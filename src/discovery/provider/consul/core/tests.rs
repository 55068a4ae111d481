use proptest::prelude::*;

use super::*;
use crate::discovery::provider::consul::testing::{Model, config, instance};
use crate::model::target_group::TargetGroup;

fn seconds(seconds: u64) -> Mono {
    Mono::from_millis(seconds * 1000)
}

/// A core, the questions it has under way, and the groups as the manager would have them.
struct Run {
    core: Core,
    now: Mono,
    asked: Vec<(Mono, Question)>,
    groups: BTreeMap<String, TargetGroup>,
    questions: usize,
    most_under_way: usize,
}

impl Run {
    fn new(text: &str) -> Run {
        Run {
            core: Core::new(config(text), Jitter::seeded(3)),
            now: seconds(1),
            asked: Vec::new(),
            groups: BTreeMap::new(),
            questions: 0,
            most_under_way: 0,
        }
    }

    fn ask(&mut self) {
        while let Some(question) = self.core.next(self.now) {
            self.asked.push((self.now, question));
            self.questions += 1;
        }
        self.most_under_way = self.most_under_way.max(self.asked.len());
    }

    fn give(&mut self, at: usize, result: Result<Reply, QueryError>) {
        let (_, question) = self.asked.remove(at);
        let outcome = self.core.answered(self.now, &question, result);
        for group in outcome.changed {
            if group.targets.is_empty() {
                self.groups.remove(&group.source);
            } else {
                self.groups.insert(group.source.clone(), group);
            }
        }
    }

    /// Gives every answer that is ready, as Consul would, until none is.
    fn settle(&mut self, model: &Model) {
        loop {
            self.ask();
            let ready = self.asked.iter().position(|(at, question)| {
                let waited = self.now.since(*at);
                model.is_ready(question, waited)
            });
            let Some(at) = ready else {
                let due = self.core.deadline();
                assert!(due > self.now, "nothing to ask, but due: a busy loop");
                return;
            };
            let result = model.answer(&self.asked[at].1);
            self.give(at, result);
        }
    }

    /// Lets time pass until nothing is due any more that was due before.
    fn pass(&mut self, time: Duration, model: &Model) {
        let end = self.now + time;
        while self.now < end {
            self.settle(model);
            let waits = self.asked.iter().map(|(at, question)| *at + question.wait);
            let next = waits.chain([self.core.deadline(), end]).min();
            let step = Duration::from_millis(1);
            self.now = next.unwrap_or(end).max(self.now + step).min(end);
        }
        self.settle(model);
    }

    fn addresses(&self) -> Vec<String> {
        let targets = self.groups.values().flat_map(|group| &group.targets);
        targets.map(|one| one["__address__"].to_string()).collect()
    }
}

#[test]
fn a_configured_data_centre_is_not_asked_for_and_the_lists_own_one_is() {
    let mut run = Run::new("datacenter: dc7");
    run.ask();
    assert_eq!(run.asked[0].1.subject, Subject::Services);
    let mut run = Run::new("{}");
    run.ask();
    assert_eq!(run.asked.len(), 1);
    assert_eq!(run.asked[0].1.subject, Subject::DataCenter);
    run.give(0, Ok(Reply::DataCenter(None)));
    run.ask();
    assert_eq!(run.asked[0].1.subject, Subject::Services);
}

#[test]
fn named_services_are_asked_about_without_a_list() {
    let mut run = Run::new("{datacenter: dc1, services: [a, b]}");
    run.ask();
    let subjects: Vec<_> = run
        .asked
        .iter()
        .map(|(_, one)| one.subject.clone())
        .collect();
    assert_eq!(
        subjects,
        [Subject::Health("a".into()), Subject::Health("b".into())]
    );
    let mut model = Model::default();
    model.register("a", 1, &[]);
    run.settle(&model);
    assert_eq!(run.addresses(), ["a:1"]);
    // Tags need the list.
    let mut run = Run::new("{datacenter: dc1, services: [a], tags: [x]}");
    run.ask();
    assert_eq!(run.asked[0].1.subject, Subject::Services);
}

#[test]
fn changes_are_seen_at_once_and_what_left_the_list_vanishes() {
    let mut model = Model::default();
    model.register("a", 1, &[]);
    let mut run = Run::new("{}");
    run.settle(&model);
    assert_eq!(run.addresses(), ["a:1"]);
    model.register("a", 2, &[]);
    run.settle(&model);
    assert_eq!(run.addresses(), ["a:1", "a:2"]);
    model.register("b", 3, &[]);
    run.settle(&model);
    assert_eq!(run.addresses(), ["a:1", "a:2", "b:3"]);
    model.deregister("a");
    // The list has had its free changes.
    run.pass(Duration::from_secs(30), &model);
    assert_eq!(run.addresses(), ["b:3"]);
}

#[test]
fn with_few_services_each_is_asked_about_all_the_time() {
    let mut model = Model::default();
    // Consul itself is one of them.
    for number in 1..limits::SD_CONSUL_WATCHERS {
        model.register(&format!("s{number}"), 1, &[]);
    }
    let mut run = Run::new("{}");
    run.pass(Duration::from_secs(100), &model);
    assert_eq!(run.asked.len(), limits::SD_CONSUL_WATCHERS + 1);
    let before = run.questions;
    run.pass(Duration::from_secs(600), &model);
    let each = 600 / limits::SD_CONSUL_HEALTH_WAIT.as_secs() as usize;
    let expected = limits::SD_CONSUL_WATCHERS * each + 5;
    assert_eq!(run.questions - before, expected);
}

#[test]
fn many_services_take_turns_on_a_few_threads_and_changes_are_seen_within_seconds() {
    let mut model = Model::default();
    for number in 0..1000 {
        model.register(&format!("s{number:04}"), 1, &[]);
    }
    let mut run = Run::new("{}");
    run.settle(&model);
    assert_eq!(run.addresses().len(), 1000, "all at once, none blocks");
    run.pass(Duration::from_secs(60), &model);
    assert!(run.most_under_way <= limits::SD_CONSUL_WATCHERS + 2);
    let before = run.questions;
    run.pass(Duration::from_secs(60), &model);
    let rate = (run.questions - before) as f64 / 60.0;
    assert!((40.0..=51.0).contains(&rate), "{rate} questions a second");
    model.set_health("s0999", "critical");
    model.set_health("s0000", "critical");
    // A round of 1000 services and the wait of one question.
    let round = limits::SD_CONSUL_TURN * 1000 + Duration::from_secs(1);
    run.pass(round, &model);
    for name in ["s0000", "s0999"] {
        let target = &run.groups[name].targets[0];
        assert_eq!(target["__meta_consul_health"], "critical");
    }
}

#[test]
fn new_services_do_not_wait_for_those_that_are_watched() {
    let mut model = Model::default();
    // Consul itself is one of them.
    for number in 1..limits::SD_CONSUL_WATCHERS {
        model.register(&format!("s{number}"), 1, &[]);
    }
    let mut run = Run::new("{}");
    run.pass(Duration::from_secs(100), &model);
    for number in 0..50 {
        model.register(&format!("t{number}"), 1, &[]);
    }
    run.settle(&model);
    assert_eq!(run.addresses().len(), limits::SD_CONSUL_WATCHERS - 1 + 50);
}

#[test]
fn an_empty_list_is_believed_only_where_it_can_be_true() {
    let empty = |filtered| {
        Ok(Reply::Services(Indexed {
            index: 9,
            filtered,
            value: Services::default(),
        }))
    };
    for (text, filtered, refused) in [
        ("datacenter: d", false, true),
        ("{datacenter: d, namespace: default}", false, true),
        ("{datacenter: d, filter: x}", false, false),
        ("{datacenter: d, filter: x}", true, true),
        ("{datacenter: d, node_meta: {a: b}}", false, false),
        ("{datacenter: d, namespace: mine}", false, false),
    ] {
        let mut model = Model::default();
        model.register("a", 1, &[]);
        let mut run = Run::new(text);
        run.settle(&model);
        let list = run
            .asked
            .iter()
            .position(|(_, one)| one.subject == Subject::Services);
        run.give(list.expect("asked for"), empty(filtered));
        assert_eq!(run.addresses().len(), usize::from(refused), "{text}");
        let told = run.core.trouble().map(|trouble| trouble.to_string());
        assert_eq!(told.is_some(), refused, "{text}");
        if let Some(told) = told {
            assert!(told.contains("service:read"), "{told}");
        }
    }
}

#[test]
fn instances_that_the_token_hides_keep_their_last_state() {
    let mut model = Model::default();
    model.register("a", 1, &[]);
    let mut run = Run::new("datacenter: d");
    run.settle(&model);
    let health = run
        .asked
        .iter()
        .position(|(_, one)| one.subject != Subject::Services);
    let hidden = Indexed {
        index: 9,
        filtered: true,
        value: Vec::new(),
    };
    run.give(health.expect("asked for"), Ok(Reply::Health(hidden)));
    assert_eq!(run.addresses(), ["a:1"]);
    let trouble = run.core.trouble().expect("told").to_string();
    assert!(trouble.contains("node:read"), "{trouble}");
    run.pass(Duration::from_secs(10), &model);
    assert!(run.core.trouble().is_none());
}

#[test]
fn more_services_than_the_limit_are_told() {
    let mut model = Model::default();
    for number in 0..limits::SD_CONSUL_SERVICES + 3 {
        model.register(&format!("s{number:05}"), 1, &[]);
    }
    let mut run = Run::new("datacenter: d");
    run.settle(&model);
    // Consul itself has no targets here.
    assert_eq!(run.groups.len(), limits::SD_CONSUL_SERVICES - 1);
    assert!(run.groups.contains_key("s00000"));
    let trouble = run.core.trouble().expect("told").to_string();
    assert!(trouble.starts_with("4 more services"), "{trouble}");
}

#[test]
fn targets_that_had_no_room_are_taken_when_there_is_some() {
    let mut model = Model::default();
    let most = u16::try_from(limits::SD_TARGETS_PER_PROVIDER).expect("ports");
    for port in 1..most {
        model.register("large", port, &[]);
    }
    let mut run = Run::new("datacenter: d");
    run.settle(&model);
    model.register("small", 1, &[]);
    model.register("small", 2, &[]);
    run.settle(&model);
    assert_eq!(run.addresses().len(), limits::SD_TARGETS_PER_PROVIDER - 1);
    assert!(run.core.trouble().is_some());
    model.deregister("large");
    run.pass(Duration::from_secs(120), &model);
    assert_eq!(run.addresses(), ["small:1", "small:2"]);
    assert!(run.core.trouble().is_none());
}

#[test]
fn a_restart_asks_anew_and_for_no_list_where_none_is_needed() {
    let mut model = Model::default();
    model.register("a", 1, &[]);
    let mut run = Run::new("{datacenter: d, services: [a]}");
    run.settle(&model);
    run.core.restart(run.now);
    run.asked.clear();
    run.ask();
    let asked: Vec<_> = run
        .asked
        .iter()
        .map(|(_, one)| (one.subject.clone(), one.index))
        .collect();
    assert_eq!(asked, [(Subject::Health("a".into()), 0)]);
    assert!(run.asked[0].1.wait.is_zero());
}

#[test]
fn an_answer_to_a_question_of_a_service_that_came_back_is_not_taken_for_the_new_one() {
    let mut model = Model::default();
    model.register("a", 1, &[]);
    model.register("b", 1, &[]);
    let mut run = Run::new("datacenter: d");
    run.settle(&model);
    let old = run
        .asked
        .iter()
        .position(|(_, one)| one.subject == Subject::Health("a".into()));
    let (at, old) = run.asked.remove(old.expect("asked"));
    model.deregister("a");
    run.settle(&model);
    model.register("a", 2, &[]);
    run.pass(Duration::from_secs(30), &model);
    assert_eq!(run.addresses(), ["a:2", "b:1"]);
    run.asked.push((at, old));
    let stale = Indexed {
        index: 1,
        filtered: false,
        value: vec![instance("a", 1, "passing", &[])],
    };
    let last = run.asked.len() - 1;
    run.give(last, Ok(Reply::Health(stale)));
    assert_eq!(run.addresses(), ["a:2", "b:1"]);
    assert_eq!(run.core.under_way, run.asked.len() - 1);
}

/// Something that happens to Consul or to the way there.
#[derive(Clone, Debug)]
enum Event {
    Register(u8, u8, bool),
    Deregister(u8),
    Health(u8, bool),
    /// The way is cut, or there again; questions under way fail.
    Reach(bool),
    /// Restored from a snapshot: indices go backwards.
    Restore,
    /// The provider panicked and starts again.
    Restart,
    Pass(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..12_u8, 0..3_u8, any::<bool>()).prop_map(|(s, i, t)| Event::Register(s, i, t)),
        2 => (0..12_u8).prop_map(Event::Deregister),
        2 => (0..12_u8, any::<bool>()).prop_map(|(s, h)| Event::Health(s, h)),
        2 => any::<bool>().prop_map(Event::Reach),
        1 => Just(Event::Restore),
        1 => Just(Event::Restart),
        3 => any::<u8>().prop_map(Event::Pass),
    ]
}

fn happen(event: &Event, model: &mut Model, run: &mut Run) {
    let name = |number: &u8| format!("s{number}");
    match event {
        Event::Register(service, number, tagged) => {
            let tags: &[&str] = if *tagged { &["x"] } else { &[] };
            model.register(&name(service), u16::from(*number), tags);
        }
        Event::Deregister(service) => model.deregister(&name(service)),
        Event::Health(service, good) => {
            let status = if *good { "passing" } else { "critical" };
            model.set_health(&name(service), status);
        }
        Event::Reach(reachable) => {
            model.reachable = *reachable;
            while !reachable && !run.asked.is_empty() {
                run.give(0, Err(QueryError::Other));
            }
        }
        Event::Restore => model.restore(),
        Event::Restart => {
            run.core.restart(run.now);
            run.asked.clear();
        }
        Event::Pass(tenths) => run.pass(Duration::from_millis(u64::from(*tenths) * 100), model),
    }
    run.settle(model);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_happened_the_targets_are_those_of_a_fresh_list(
        events in prop::collection::vec(event(), 1..40),
        text in prop::sample::select(vec!["{}", "tags: [x]", "services: [s1, s2, s3]"]),
    ) {
        let mut model = Model::default();
        let mut run = Run::new(text);
        for event in &events {
            let before = run.addresses();
            happen(event, &mut model, &mut run);
            if !model.reachable {
                prop_assert_eq!(run.addresses(), before, "a failure changed targets");
            }
        }
        model.reachable = true;
        // The longest pause after failures, the refresh interval and a whole round of turns.
        run.pass(Duration::from_secs(240), &model);
        let mut fresh = Run::new(text);
        fresh.settle(&model);
        prop_assert_eq!(&run.groups, &fresh.groups);
        prop_assert!(run.most_under_way <= limits::SD_CONSUL_WATCHERS + 2);
        prop_assert!(run.core.trouble().is_none());
    }
}
