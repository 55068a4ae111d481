//! What a panic costs, and when a target that is due is not fetched.

use parking_lot::Mutex;

use super::*;
use crate::config::http_client::TextSource;
use crate::exposition::protocol::Format;
use crate::exposition::transcode::PageView;
use crate::model::block::EpochId;
use crate::model::target_group::LabelMap;
use crate::model::time::Wall;
use crate::model::value::is_stale;
use crate::net::testing::certificates::Authority;
use crate::scrape::cache::interner::Interner;
use crate::scrape::report::ReportSeries;
use crate::scrape::status::{Health, LastScrape};
use crate::scrape::target::{self, Built};
use crate::scrape::target_loop::ScrapeTime;
use crate::scrape::testing::{job, labels};
use crate::sys::clock::{ManualClock, SystemClock};
use crate::sys::published;
use crate::telemetry::budget::MemoryBudget;
use crate::telemetry::registry::Registry;

const EPOCH: EpochClock = EpochClock {
    id: EpochId(1),
    base_mono: Mono(0),
    base_wall: Wall(1_000_000_000_000),
};

/// Keeps what is delivered.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<ScrapeBlock>>);

impl BlockSink for Kept {
    fn accept(&self, block: ScrapeBlock) -> bool {
        self.0.lock().push(block);
        true
    }
}

fn env() -> WorkerEnv {
    env_at(Arc::new(SystemClock))
}

fn env_at(clock: Arc<dyn Clock>) -> WorkerEnv {
    let registry = Registry::default();
    WorkerEnv {
        timestamp_tolerance: Duration::from_millis(2),
        resolver: Resolver::start(Arc::clone(&clock), &registry)
            .expect("resolver")
            .0,
        clock,
        sink: Arc::new(Kept::default()),
        epoch: Published::new(EPOCH),
        shared: Shared {
            interner: Interner::default(),
            report: ReportSeries::default(),
            out_of_order_window_ms: 0,
            memory: MemoryBudget::unlimited(),
            offender: Default::default(),
        },
        metrics: ScrapeMetrics::new(&registry),
        user_agent: "t/1".to_owned(),
    }
}

fn start_of(
    config: &Arc<ScrapeConfig>,
    address: &str,
    last: &published::Shared<LastScrape>,
) -> Start {
    let own = labels(&[("__address__", address)]);
    let Ok(Built::Active(target)) = target::build(config, &"j".into(), &LabelMap::new(), &own)
    else {
        panic!("not built");
    };
    Start {
        target: Arc::new(target),
        config: Arc::clone(config),
        inherit: None,
        last: last.clone(),
    }
}

fn assigned(env: &WorkerEnv, last: &published::Shared<LastScrape>) -> Assigned {
    let config = Arc::new(job("j"));
    let start = start_of(&config, "a:1", last);
    let context = Ok(Arc::new(
        HttpContext::new(&config.http_client).expect("context"),
    ));
    Assigned::new(start, None, &env.shared, &context, &env.metrics, "t/1")
}

/// The value of `up` in the first of the blocks.
fn up(blocks: &[ScrapeBlock]) -> Option<f64> {
    let values = &blocks.first()?.values;
    values.first().copied()
}

#[test]
fn a_panic_over_a_page_costs_that_scrape_and_no_more() {
    let env = env();
    let last = published::Shared::new(LastScrape::default());
    let mut assigned = assigned(&env, &last);
    let mut buffers = Buffers::default();
    for round in 1..=2u32 {
        let now = Mono::from_millis(u64::from(round) * 15_000);
        let (spec, _) = assigned.begin(now, now, &EPOCH, Duration::ZERO);
        assert!(spec.is_ok() && assigned.is_running());
        let blocks = contained(&mut assigned, &mut buffers, now, &env, |_, _| {
            panic!("provoked by a page")
        });
        assert_eq!((blocks.len(), up(&blocks)), (1, Some(0.0)));
        assert!(!assigned.is_running(), "it can be scraped again");
        assert_eq!(env.metrics.panics.get(), f64::from(round));
        let (health, error) = last.with(|last| (last.health, last.error.clone()));
        assert_eq!(
            (health, error.as_deref()),
            (Health::Down, Some("internal error"))
        );
    }
    let now = Mono::from_millis(45_000);
    let (spec, _) = assigned.begin(now, now, &EPOCH, Duration::ZERO);
    assert!(spec.is_ok());
    let blocks = contained(&mut assigned, &mut buffers, now, &env, |own, _| {
        own.refuse("not asked", now)
    });
    assert_eq!((blocks.len(), env.metrics.panics.get()), (1, 2.0));
}

#[test]
fn a_target_that_is_given_up_is_down_and_its_series_are_forgotten() {
    let env = env();
    let last = published::Shared::new(LastScrape::default());
    let mut assigned = assigned(&env, &last);
    let at = ScrapeTime {
        epoch: EPOCH.id,
        offset_ms: 0,
        wall: Wall(1_000_000_000_000),
    };
    assigned.take_page(
        at,
        &PageView::as_sent(Format::Text, b"a 1\nb 2\n"),
        Duration::ZERO,
        &env.metrics,
    );
    assert_eq!(assigned.page_bytes(), 8);
    assert!(assigned.series() >= 2);
    let now = Mono::from_millis(15_000);
    let (spec, _) = assigned.begin(now, now, &EPOCH, Duration::ZERO);
    assert!(spec.is_ok());
    let blocks = assigned.give_up(now, &env.shared);
    assert_eq!((blocks.len(), up(&blocks)), (2, Some(0.0)));
    assert!(blocks[1].values.iter().all(|value| is_stale(*value)));
    assert_eq!(assigned.series(), 0);
    assert!(!assigned.is_running());
}

/// A worker without a thread, and what its targets leave behind.
struct Idle {
    worker: Worker,
    clock: Arc<ManualClock>,
    last: published::Shared<LastScrape>,
    _poll: Poll,
}

impl Idle {
    fn new(memory: MemoryBudget) -> Idle {
        let clock = Arc::new(ManualClock::new(
            Mono::from_millis(1),
            Wall(1_000_000_000_001),
        ));
        let mut env = env_at(Arc::<ManualClock>::clone(&clock));
        env.shared.memory = memory;
        let poll = Poll::new().expect("poll");
        let bell = Doorbell::new(poll.registry(), MAIL).expect("bell");
        let (_, inbox) = mailbox(&bell, 1);
        let resolver = env.resolver.clone();
        let fetcher = Fetcher::new(poll.registry(), &bell, FIRST_FETCH, resolver).expect("fetcher");
        Idle {
            worker: Worker::new(env, pulse("t").0, inbox, fetcher),
            clock,
            last: published::Shared::new(LastScrape::default()),
            _poll: poll,
        }
    }

    fn start(&mut self, config: &Arc<ScrapeConfig>, address: &str) -> u64 {
        let start = start_of(config, address, &self.last);
        let id = start.target.identity.id;
        self.worker.obey(Order::Start(Box::new(start)));
        id
    }

    fn scrape(&mut self, id: u64, refused: Option<&str>) {
        self.worker.obey(Order::Scrape {
            id,
            scheduled: self.clock.mono(),
            refused: refused.map(Arc::from),
        });
        self.worker.begin_due();
    }

    fn outcome(&self) -> (Health, String) {
        self.last.with(|last| {
            let error = last.error.as_deref().unwrap_or_default();
            (last.health, error.to_owned())
        })
    }
}

#[test]
fn a_certificate_that_comes_later_heals_its_job() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("ca.pem");
    let mut config = job("j");
    config.http_client.tls.ca = Some(TextSource::File(file.clone()));
    let (config, other) = (Arc::new(config), Arc::new(job("other")));
    let mut idle = Idle::new(MemoryBudget::unlimited());
    let ids = ["127.0.0.1:1", "127.0.0.2:1"].map(|address| idle.start(&config, address));
    idle.start(&other, "127.0.0.3:1");
    idle.scrape(ids[0], None);
    let (health, error) = idle.outcome();
    assert_eq!(health, Health::Down);
    assert!(error.contains("ca.pem"), "{error}");
    std::fs::write(&file, Authority::new().pem).expect("written");
    idle.scrape(ids[1], None);
    assert_eq!(
        idle.worker.fetcher.active(),
        0,
        "it is not tried all the time"
    );
    idle.clock.advance_ms(limits::SD_REOPEN.as_millis() as u64);
    for (id, active) in ids.into_iter().zip(1..) {
        idle.scrape(id, None);
        assert_eq!(idle.worker.fetcher.active(), active, "it is fetched");
    }
    let metrics = &idle.worker.env.metrics;
    assert!(!metrics.client_failed(&config, false), "it was counted");
}

mod twins;

#[test]
fn a_scrape_that_is_ordered_ahead_begins_in_time() {
    let mut idle = Idle::new(MemoryBudget::unlimited());
    let id = idle.start(&Arc::new(job("j")), "127.0.0.1:1");
    let scheduled = idle.clock.mono() + limits::SCRAPE_AHEAD;
    for _ in 0..2 {
        idle.worker.obey(Order::Scrape {
            id,
            scheduled,
            refused: None,
        });
    }
    idle.worker.begin_due();
    let begun = |idle: &Idle| idle.worker.targets[&id].is_running();
    assert!(!begun(&idle), "it is too early");
    assert_eq!(idle.worker.wait(), Some(limits::SCRAPE_AHEAD));
    idle.clock
        .advance_ms(limits::SCRAPE_AHEAD.as_millis() as u64);
    assert_eq!(idle.worker.wait(), Some(Duration::ZERO));
    idle.worker.begin_due();
    assert!(begun(&idle));
    let missed = idle.worker.env.metrics.missed.get();
    assert_eq!(missed, 0.0, "twice the same is one scrape");
}

/// As after the process was suspended, with a scrape ordered ahead.
#[test]
fn a_slot_that_passed_before_the_last_scrape_began_is_not_made_up_for() {
    let mut idle = Idle::new(MemoryBudget::unlimited());
    let id = idle.start(&Arc::new(job("j")), "127.0.0.1:1");
    let kept = Arc::new(Kept::default());
    idle.worker.env.sink = Arc::<Kept>::clone(&kept);
    let first = idle.clock.mono() + limits::SCRAPE_AHEAD;
    let order = |idle: &mut Idle, scheduled: Mono| {
        idle.worker.obey(Order::Scrape {
            id,
            scheduled,
            refused: Some("not asked".into()),
        });
        idle.worker.begin_due();
        (kept.0.lock().len(), idle.worker.env.metrics.missed.get())
    };
    assert_eq!(order(&mut idle, first), (0, 0.0));
    idle.clock.advance_ms(4_000);
    idle.worker.begin_due();
    let second = first + Duration::from_millis(200);
    assert_eq!(order(&mut idle, second), (1, 1.0), "the first stood for it");
    let third = idle.clock.mono();
    assert_eq!(order(&mut idle, third), (2, 1.0));
}

#[test]
fn the_target_limit_holds_while_memory_runs_short() {
    let memory = MemoryBudget::short_of(&Registry::default(), Relief::Concurrency);
    let mut idle = Idle::new(memory);
    let config = Arc::new(job("j"));
    for number in 1..=limits::MEMORY_EXCHANGES {
        let id = idle.start(&config, &format!("127.0.0.{number}:1"));
        idle.scrape(id, None);
    }
    assert_eq!(idle.worker.fetcher.active(), limits::MEMORY_EXCHANGES);
    let id = idle.start(&config, "127.0.1.1:1");
    idle.scrape(id, Some("target_limit exceeded"));
    let expected = (Health::Down, "target_limit exceeded".to_owned());
    assert_eq!(idle.outcome(), expected);
    assert!(!idle.worker.waiting.contains(id));
}

#[test]
fn an_attempt_that_waits_for_memory_is_not_overtaken_by_the_next_one_ahead_of_its_time() {
    let memory = MemoryBudget::short_of(&Registry::default(), Relief::Concurrency);
    let mut idle = Idle::new(memory);
    let config = Arc::new(job("j"));
    let id = idle.start(&config, "127.0.1.1:1");
    idle.scrape(id, Some("not asked"));
    for number in 1..=limits::MEMORY_EXCHANGES {
        let other = idle.start(&config, &format!("127.0.0.{number}:1"));
        idle.scrape(other, None);
    }
    idle.scrape(id, None);
    assert!(idle.worker.waiting.contains(id));
    idle.worker.obey(Order::Scrape {
        id,
        scheduled: idle.clock.mono() + limits::SCRAPE_AHEAD,
        refused: None,
    });
    assert_eq!(idle.worker.env.metrics.missed.get(), 0.0, "its time comes");
    assert_eq!(idle.worker.wait(), Some(limits::SCRAPE_AHEAD));
}

#[test]
fn a_target_that_is_down_is_tried_ahead_with_others() {
    let mut idle = Idle::new(MemoryBudget::unlimited());
    let id = idle.start(&Arc::new(job("j")), "127.0.0.1:1");
    let ahead = |idle: &mut Idle, by: Duration| {
        let scheduled = idle.clock.mono() + by;
        idle.worker.obey(Order::Scrape {
            id,
            scheduled,
            refused: Some("not asked".into()),
        });
        scheduled
    };
    let kept = Arc::new(Kept::default());
    idle.worker.env.sink = Arc::<Kept>::clone(&kept);
    let first = ahead(&mut idle, limits::SCRAPE_AHEAD);
    assert_eq!(kept.0.lock().len(), 0, "nothing is known of it yet");
    idle.clock
        .advance_ms(limits::SCRAPE_AHEAD.as_millis() as u64);
    idle.worker.begin_due();
    idle.clock.advance_ms(5_000);
    let second = ahead(&mut idle, limits::SCRAPE_AHEAD);
    let stamps = |scheduled: [Mono; 2]| scheduled.map(|at| EPOCH.offset_ms(at));
    let found: Vec<i64> = kept.0.lock().iter().map(|own| own.offset_ms).collect();
    assert_eq!(found, stamps([first, second]), "as if in time");
    // More than a tenth of the interval is too early.
    ahead(&mut idle, Duration::from_millis(1_501));
    assert_eq!(kept.0.lock().len(), 2);
}

#[test]
fn a_page_that_was_asked_for_ahead_has_the_time_when_it_was() {
    let env = env();
    let last = published::Shared::new(LastScrape::default());
    let mut assigned = assigned(&env, &last);
    let (mut buffers, tolerance) = (Buffers::default(), Duration::from_millis(2));
    let page = Fetched::plain(200, b"a 1\n");
    let mut scrape = |scheduled: u64, now: u64| {
        let now = Mono::from_millis(now);
        let _spec = assigned.begin(Mono::from_millis(scheduled), now, &EPOCH, tolerance);
        let blocks = assigned.complete(Ok(&page), &mut buffers, now, &env.metrics);
        blocks[0].offset_ms
    };
    assert_eq!(scrape(15_000, 14_900), 14_900);
    assert_eq!(scrape(30_001, 30_001), 30_001);
    assert_eq!(scrape(45_001, 45_003), 45_001);
    assert_eq!(scrape(60_001, 60_004), 60_004);
}
