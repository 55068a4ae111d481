//! Targets with the same public labels: which staleness markers are written when one of them goes.
//! The scheduler's core and a worker without a thread, joined.

use super::*;
use crate::model::target_group::{TargetGroup, TargetSets};
use crate::scrape::schedule::Schedule;
use crate::scrape::testing::lines;

struct Joined {
    schedule: Schedule,
    idle: Idle,
    sink: Arc<Kept>,
    now: Mono,
}

impl Joined {
    fn new(jobs: &[&str]) -> Joined {
        let now = Mono::from_millis(1000);
        let mut schedule = Schedule::new(now, 7, 1);
        for name in jobs {
            schedule.configure(&Arc::new(job(name)));
        }
        let mut idle = Idle::new(MemoryBudget::unlimited());
        let sink = Arc::new(Kept::default());
        idle.worker.env.sink = Arc::<Kept>::clone(&sink);
        Joined {
            schedule,
            idle,
            sink,
            now,
        }
    }

    /// Applies a job's targets, given by path; all have the same public labels.
    fn apply(&mut self, name: &str, paths: &[&str]) {
        let own = |path: &&str| labels(&[("__address__", "a:1"), ("__metrics_path__", path)]);
        let group = TargetGroup {
            source: "s".to_owned(),
            labels: labels(&[("instance", "one"), ("job", "same")]),
            targets: paths.iter().map(own).collect(),
        };
        let sets = TargetSets::from([(name.to_owned(), vec![Arc::new(group)])]);
        let name = Arc::from(name);
        self.schedule.apply(self.now, &EPOCH, &name, &sets);
        self.deliver(&[]);
    }

    /// Carries the orders out; a target that is due shows the page of its path, or is down.
    fn deliver(&mut self, pages: &[(&str, &str)]) {
        for (_, order) in self.schedule.take_orders() {
            let Order::Scrape { id, scheduled, .. } = order else {
                self.idle.worker.obey(order);
                continue;
            };
            let Worker { targets, env, .. } = &mut self.idle.worker;
            let assigned = targets.get_mut(&id).expect("a target");
            let (spec, _) = assigned.begin(scheduled, self.now, &EPOCH, Duration::ZERO);
            let url = spec.expect("a way to it").url().to_string();
            let page = pages.iter().find(|(path, _)| url.ends_with(path));
            let blocks = match page {
                None => assigned.refuse("down", self.now),
                Some((_, page)) => {
                    let at = ScrapeTime {
                        epoch: EPOCH.id,
                        offset_ms: EPOCH.offset_ms(self.now),
                        wall: EPOCH.wall(self.now),
                    };
                    let page = PageView::as_sent(Format::Text, page.as_bytes());
                    assigned.take_page(at, &page, Duration::ZERO, &env.metrics)
                }
            };
            blocks.into_iter().for_each(|block| {
                env.sink.accept(block);
            });
        }
    }

    /// Lets time pass. Returns the staleness markers that were delivered.
    fn run(&mut self, seconds: u64, pages: &[(&str, &str)]) -> Vec<String> {
        self.sink.0.lock().clear();
        let end = self.now + Duration::from_secs(seconds);
        while let Some(next) = self.schedule.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.schedule.advance(self.now);
            self.deliver(pages);
        }
        self.now = end;
        let mut markers = lines(&self.sink.0.lock());
        markers.retain(|line| line.ends_with(" stale"));
        markers
    }
}

fn stale(names: &[&str]) -> Vec<String> {
    let names = names.iter();
    names
        .map(|name| format!(r#"{{__name__="{name}"}} stale"#))
        .collect()
}

#[test]
fn who_comes_in_a_later_sync_goes_on_for_the_one_that_left() {
    let shows = |page| [("/a", "m1 1\nm2 1\n"), ("/b", page)];
    for (pages, expected) in [
        (&shows("m1 1\n")[..], stale(&["m2"])),
        (&shows("m1 1\n")[..1], stale(&["m1", "m2"])),
    ] {
        let mut joined = Joined::new(&["j"]);
        joined.apply("j", &["/a"]);
        assert!(joined.run(20, pages).is_empty());
        joined.apply("j", &[]);
        assert!(joined.run(5, pages).is_empty());
        joined.apply("j", &["/b"]);
        assert_eq!(joined.run(60, pages), expected);
        assert_eq!(joined.schedule.target_count(), 1);
    }
}

#[test]
fn what_only_the_target_that_goes_has_shown_ends() {
    for jobs in [["j", "j"], ["j", "k"]] {
        let pages = [("/a", "m1 1\nm2 1\n"), ("/b", "m1 1\nm3 1\n")];
        let mut joined = Joined::new(&jobs);
        if jobs[0] == jobs[1] {
            joined.apply("j", &["/a", "/b"]);
        } else {
            joined.apply("j", &["/a"]);
            joined.apply("k", &["/b"]);
        }
        assert!(joined.run(20, &pages).is_empty());
        let stays: &[&str] = if jobs[0] == jobs[1] { &["/b"] } else { &[] };
        joined.apply("j", stays);
        assert_eq!(joined.run(60, &pages), stale(&["m2"]), "{jobs:?}");
        joined.apply(jobs[1], &[]);
        assert_eq!(joined.run(60, &pages), stale(&["m1", "m3", "up"]));
    }
}

#[test]
fn a_target_that_comes_back_ends_what_another_showed_meanwhile() {
    let pages = [("/a", "m1 1\nm2 1\n"), ("/b", "m1 1\nm3 1\n")];
    let mut joined = Joined::new(&["j"]);
    joined.apply("j", &["/a", "/b"]);
    joined.run(20, &pages);
    joined.apply("j", &["/b"]);
    joined.apply("j", &["/a"]);
    assert_eq!(joined.run(60, &pages), stale(&["m3"]));
}

#[test]
fn a_crowd_of_equal_targets_goes_without_markers() {
    let paths: Vec<String> = (0..limits::SCRAPE_TWINS_MAX + 2)
        .map(|number| format!("/{number:03}"))
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let pages: Vec<(&str, &str)> = paths.iter().map(|path| (*path, "m 1\n")).collect();
    let mut joined = Joined::new(&["j"]);
    joined.apply("j", &paths);
    joined.run(20, &pages);
    joined.apply("j", &paths[1..]);
    assert!(joined.run(60, &pages).is_empty());
    joined.apply("j", &[]);
    assert_eq!(joined.run(60, &pages[..0]).len(), 2 * (paths.len() - 1));
}
