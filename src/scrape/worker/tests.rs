//! What a panic costs.

use super::*;
use crate::exposition::protocol::Format;
use crate::exposition::transcode::PageView;
use crate::model::block::EpochId;
use crate::model::target_group::LabelMap;
use crate::model::time::Wall;
use crate::model::value::is_stale;
use crate::scrape::cache::interner::Interner;
use crate::scrape::report::ReportSeries;
use crate::scrape::status::{Health, LastScrape};
use crate::scrape::target::{self, Built};
use crate::scrape::target_loop::ScrapeTime;
use crate::scrape::testing::{job, labels};
use crate::sys::clock::SystemClock;
use crate::sys::published;
use crate::telemetry::budget::MemoryBudget;
use crate::telemetry::registry::Registry;

const EPOCH: EpochClock = EpochClock {
    id: EpochId(1),
    base_mono: Mono(0),
    base_wall: Wall(1_000_000_000_000),
};

#[derive(Debug)]
struct Nowhere;

impl BlockSink for Nowhere {
    fn accept(&self, _block: ScrapeBlock) -> bool {
        true
    }
}

fn env() -> WorkerEnv {
    let registry = Registry::default();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    WorkerEnv {
        timestamp_tolerance: Duration::from_millis(2),
        resolver: Resolver::start(Arc::clone(&clock), &registry)
            .expect("resolver")
            .0,
        clock,
        sink: Arc::new(Nowhere),
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

fn assigned(env: &WorkerEnv, last: &published::Shared<LastScrape>) -> Assigned {
    let config = Arc::new(job("j"));
    let own = labels(&[("__address__", "a:1")]);
    let Ok(Built::Active(target)) = target::build(&config, &"j".into(), &LabelMap::new(), &own)
    else {
        panic!("not built");
    };
    let start = Start {
        target: Arc::new(target),
        config: Arc::clone(&config),
        inherit: None,
        last: last.clone(),
    };
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
