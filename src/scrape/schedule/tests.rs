//! When targets are scraped, and what happens to those that leave.

use super::*;
use crate::model::block::EpochId;
use crate::model::target_group::TargetGroup;
use crate::model::time::Wall;
use crate::scrape::testing::{group, job, labels};
use std::time::Duration;

const EPOCH: EpochClock = EpochClock {
    id: EpochId(1),
    base_mono: Mono(0),
    base_wall: Wall(1_000_000_000_000),
};

struct Harness {
    schedule: Schedule,
    now: Mono,
    /// How often the core was called.
    wakes: usize,
}

impl Harness {
    fn new(configs: &[ScrapeConfig]) -> Harness {
        let now = Mono::from_millis(1000);
        let mut harness = Harness {
            schedule: Schedule::new(now, 7, 2),
            now,
            wakes: 0,
        };
        harness.configure(configs);
        harness
    }

    fn configure(&mut self, configs: &[ScrapeConfig]) {
        let configs: Vec<_> = configs.iter().cloned().map(Arc::new).collect();
        self.schedule.retain(self.now, &configs);
        for config in &configs {
            self.schedule.configure(config);
        }
    }

    fn apply(&mut self, addresses: &[&str]) -> Vec<SyncReport> {
        self.apply_sets(&TargetSets::from([(
            "j".to_owned(),
            vec![group("s", addresses)],
        )]))
    }

    fn apply_sets(&mut self, sets: &TargetSets) -> Vec<SyncReport> {
        let jobs = self.schedule.jobs();
        let reports = jobs
            .iter()
            .filter_map(|job| self.schedule.apply(self.now, &EPOCH, job, sets));
        reports.collect()
    }

    fn orders(&mut self) -> Vec<String> {
        let text = |(_, order): (usize, Order)| match order {
            Order::Start(start) => format!("start {}", start.target.url),
            Order::Configure { .. } => "configure".to_owned(),
            Order::Scrape { refused, .. } => format!("scrape {}", refused.as_deref().unwrap_or("")),
            Order::Finish { markers, .. } => format!("finish {:?}", markers.map(Mono::as_millis)),
        };
        self.schedule.take_orders().into_iter().map(text).collect()
    }

    /// Lets time pass, calling the core at its deadlines; returns for when scrapes were ordered.
    fn run(&mut self, time: Duration) -> Vec<Mono> {
        let ordered = self.run_to(self.now + time).into_iter();
        ordered.map(|(_, scheduled)| scheduled).collect()
    }

    /// The same, with the targets.
    fn run_to(&mut self, end: Mono) -> Vec<(u64, Mono)> {
        let mut scrapes = Vec::new();
        while let Some(next) = self.schedule.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.schedule.advance(self.now);
            self.wakes += 1;
            for (_, order) in self.schedule.take_orders() {
                if let Order::Scrape { id, scheduled, .. } = order {
                    assert!(self.now <= scheduled, "it is late");
                    assert!(scheduled <= self.now + limits::SCRAPE_AHEAD);
                    scrapes.push((id, scheduled));
                }
            }
        }
        self.now = end;
        scrapes
    }
}

#[test]
fn a_target_is_scraped_once_per_interval_in_its_slot() {
    let mut harness = Harness::new(&[job("j")]);
    harness.apply(&["a"]);
    assert_eq!(harness.orders(), ["start http://a/metrics"]);
    let scrapes = harness.run(Duration::from_secs(150));
    assert_eq!(scrapes.len(), 10);
    assert!(
        scrapes
            .windows(2)
            .all(|pair| pair[1].since(pair[0]) == Duration::from_secs(15))
    );
    let mut again = Harness::new(&[job("j")]);
    again.apply(&["a"]);
    again.orders();
    assert_eq!(
        again.run(Duration::from_secs(150)),
        scrapes,
        "a restart keeps the slot"
    );
}

#[test]
fn missed_ticks_are_dropped_after_a_suspend() {
    let mut harness = Harness::new(&[job("j")]);
    harness.apply(&["a", "b"]);
    harness.orders();
    harness.now = harness.now + Duration::from_secs(12 * 3600);
    harness.schedule.advance(harness.now);
    assert_eq!(harness.orders().len(), 2, "one scrape per target");
    let next = harness.schedule.next_deadline().expect("goes on");
    assert!(next > harness.now && next.since(harness.now) <= Duration::from_secs(15));
}

#[test]
fn a_target_that_stays_away_ends_at_the_first_tick_it_missed() {
    let mut harness = Harness::new(&[job("j")]);
    harness.apply(&["a"]);
    let scrapes = harness.run(Duration::from_secs(20));
    let missed = *scrapes.last().expect("scraped") + Duration::from_secs(15);
    harness.apply(&[]);
    let due = harness.schedule.next_deadline().expect("the end");
    assert_eq!(due.since(missed), Duration::from_millis(16_500));
    harness.orders();
    harness.now = due;
    harness.schedule.advance(due);
    assert_eq!(
        harness.orders(),
        [format!("finish {:?}", Some(missed.as_millis()))]
    );
    assert_eq!(harness.schedule.target_count(), 0);
}

#[test]
fn a_target_that_comes_back_in_time_goes_on_as_if_nothing_happened() {
    let mut harness = Harness::new(&[job("j")]);
    harness.apply(&["a"]);
    harness.run(Duration::from_secs(20));
    harness.apply(&[]);
    assert!(harness.run(Duration::from_secs(10)).is_empty());
    harness.apply(&["a"]);
    assert!(harness.orders().is_empty());
    assert_eq!(harness.run(Duration::from_secs(60)).len(), 4);
}

#[test]
fn a_changed_interval_hands_the_target_over_without_markers() {
    let mut harness = Harness::new(&[job("j")]);
    harness.apply(&["a"]);
    harness.orders();
    let mut slower = job("j");
    slower.scrape_interval = Duration::from_secs(30);
    harness.configure(&[slower]);
    harness.apply(&["a"]);
    let orders = harness.schedule.take_orders();
    let inherits = orders
        .iter()
        .any(|(_, order)| matches!(order, Order::Start(start) if start.inherit.is_some()));
    assert!(inherits, "{orders:?}");
    assert_eq!(harness.schedule.target_count(), 1);
    assert_eq!(harness.run(Duration::from_secs(300)).len(), 10);
}

#[test]
fn a_target_that_comes_back_goes_on_for_the_one_that_stood_in_for_it() {
    let mut harness = Harness::new(&[job("j")]);
    let apply = |harness: &mut Harness, address: &str| {
        let mut group = TargetGroup::clone(&group("s", &[address]));
        group.labels = labels(&[("instance", "one")]);
        let sets = TargetSets::from([("j".to_owned(), vec![Arc::new(group)])]);
        harness.apply_sets(&sets);
    };
    apply(&mut harness, "a");
    harness.run(Duration::from_secs(20));
    harness.apply(&[]);
    harness.orders();
    for address in ["b", "a"] {
        apply(&mut harness, address);
        let orders = harness.schedule.take_orders();
        assert!(
            matches!(&orders[..], [(_, Order::Start(start))] if start.inherit.is_some()),
            "the series live on: {orders:?}"
        );
    }
    let mut scrapes = 0;
    for _ in 0..60 {
        harness.now = harness.now + Duration::from_secs(1);
        harness.schedule.advance(harness.now);
        for (_, order) in harness.schedule.take_orders() {
            match order {
                Order::Scrape { .. } => scrapes += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((scrapes, harness.schedule.target_count()), (4, 1));
}

#[test]
fn what_was_discovered_is_shown_as_it_is_now() {
    let mut harness = Harness::new(&[job("j")]);
    for version in ["1", "2"] {
        let mut group = TargetGroup::clone(&group("s", &["a"]));
        group.labels = labels(&[("__meta_version", version)]);
        let sets = TargetSets::from([("j".to_owned(), vec![Arc::new(group)])]);
        harness.apply_sets(&sets);
        let shown = Arc::clone(&harness.schedule.table()["j"].active[0].discovered);
        assert_eq!(shown.get("__meta_version"), Some(version));
    }
    assert_eq!(harness.orders().len(), 1, "it is the same target");
}

#[test]
fn a_removed_job_gets_its_markers_at_once() {
    let mut harness = Harness::new(&[job("j")]);
    harness.apply(&["a"]);
    harness.orders();
    harness.configure(&[]);
    assert_eq!(
        harness.orders(),
        [format!("finish {:?}", Some(harness.now.as_millis()))]
    );
    assert_eq!(harness.schedule.next_deadline(), None);
}

#[test]
fn beyond_the_target_limit_every_target_is_refused() {
    let mut config = job("j");
    config.limits.targets = 1;
    let mut harness = Harness::new(&[config]);
    assert!(harness.apply(&["a", "b"])[0].over_limit);
    harness.orders();
    let due = harness.schedule.next_deadline().expect("due");
    harness.schedule.advance(due);
    let expected = "scrape target_limit exceeded (number of targets: 2, limit: 1)";
    assert_eq!(harness.orders(), [expected]);
}

#[test]
fn bad_targets_fail_alone_and_equal_ones_are_one() {
    let mut harness = Harness::new(&[job("j")]);
    let report = &harness.apply(&["a", "a", "http://b", "c"])[0];
    assert_eq!((report.active, report.failed), (2, 1));
}

#[test]
fn ten_thousand_relabelled_targets_go_on_one_by_one() {
    let mut harness = Harness::new(&[job("j")]);
    let addresses: Vec<String> = (0..10_000).map(|number| format!("a{number}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    for tmp in ["1", "2"] {
        let mut group = TargetGroup::clone(&group("s", &addresses));
        group.labels = labels(&[("__tmp", tmp)]);
        let sets = TargetSets::from([("j".to_owned(), vec![Arc::new(group)])]);
        harness.apply_sets(&sets);
        let orders = harness.schedule.take_orders();
        let mut heirs = orders.iter().map(|(_, order)| match order {
            Order::Start(start) => start.inherit.is_some(),
            other => panic!("{other:?}"),
        });
        assert!(heirs.all(|heir| heir == (tmp == "2")));
        assert_eq!(harness.schedule.target_count(), 10_000);
    }
}

fn every(interval: Duration) -> ScrapeConfig {
    let mut config = job("j");
    (config.scrape_interval, config.scrape_timeout) = (interval, interval);
    config
}

/// A hundred names of targets.
fn hundred() -> Vec<String> {
    (0..100).map(|number| format!("a{number}")).collect()
}

#[test]
fn scrapes_that_are_due_soon_are_ordered_together_each_for_its_own_time() {
    let mut harness = Harness::new(&[every(Duration::from_secs(1))]);
    let names = hundred();
    harness.apply(&names.iter().map(String::as_str).collect::<Vec<_>>());
    harness.orders();
    let begin = harness.now;
    let seconds = 60;
    let mut ordered = harness.run_to(begin + Duration::from_secs(seconds));
    assert!(harness.wakes as u64 <= seconds * 10, "{}", harness.wakes);
    ordered.sort_unstable();
    for own in ordered.chunk_by(|one, two| one.0 == two.0) {
        let whole = own.len() as u64;
        assert!((seconds..=seconds + 1).contains(&whole), "{whole}");
        for pair in own.windows(2) {
            assert_eq!(pair[1].1.since(pair[0].1), Duration::from_secs(1));
        }
    }
    let mut ids: Vec<u64> = ordered.iter().map(|(id, _)| *id).collect();
    ids.dedup();
    assert_eq!(ids.len(), names.len());
}

#[test]
fn an_interval_of_milliseconds_loses_no_scrape_and_doubles_none() {
    let mut harness = Harness::new(&[every(Duration::from_millis(7))]);
    harness.apply(&["a"]);
    harness.orders();
    let scrapes = harness.run(Duration::from_secs(7));
    assert!((1000..=1000 + 100 / 7 + 1).contains(&scrapes.len()));
    let step = Duration::from_millis(7);
    assert!(
        scrapes
            .windows(2)
            .all(|pair| pair[1].since(pair[0]) == step)
    );
}

#[test]
fn whoever_leaves_and_is_back_after_being_ordered_is_not_ordered_for_the_same_time_again() {
    let mut harness = Harness::new(&[job("j")]);
    let names = hundred();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    harness.apply(&names);
    harness.orders();
    let mut ordered = Vec::new();
    for _ in 0..1000 {
        let next = harness.schedule.next_deadline().expect("targets");
        ordered.extend(harness.run_to(next));
        harness.now = next + Duration::from_millis(1);
        harness.apply(&[]);
        harness.apply(&names);
        assert!(harness.orders().is_empty(), "nothing starts or ends");
    }
    let count = ordered.len();
    assert!(count > 1000, "several at once");
    ordered.sort_unstable();
    ordered.dedup();
    assert_eq!(ordered.len(), count);
}

#[test]
fn nobody_is_given_up_ahead_of_time() {
    let mut harness = Harness::new(&[job("j")]);
    let names = hundred();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    harness.apply(&names);
    harness.orders();
    harness.run(Duration::from_secs(15));
    harness.apply(&names[50..]);
    harness.orders();
    let (mut ended, begin) = (0, harness.now);
    while harness.now < begin + Duration::from_secs(40) {
        harness.now = harness.schedule.next_deadline().expect("targets");
        harness.schedule.advance(harness.now);
        for (_, order) in harness.schedule.take_orders() {
            if let Order::Finish { markers, .. } = order {
                let missed = markers.expect("few twins");
                let late = harness.now.since(missed + Duration::from_millis(16_500));
                assert!(missed + Duration::from_millis(16_500) <= harness.now);
                assert!(late <= limits::SCRAPE_AHEAD, "{late:?}");
                ended += 1;
            }
        }
    }
    assert_eq!(ended, 50);
}
