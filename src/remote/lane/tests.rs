//! A shard's shell with a scripted network and a clock that is set.

use parking_lot::Mutex;

use super::*;
use crate::model::time::Wall;
use crate::remote::testing::{Ledger, block, config, list, piece};
use crate::remote::transport::HttpAnswer;
use crate::sys::clock::ManualClock;
use crate::telemetry::registry::Registry;

/// Answers with these statuses, then with 204; remembers in which protocol it was asked.
#[derive(Default)]
struct Script(Mutex<(Vec<u16>, Vec<Protocol>)>);

impl Transport for Script {
    fn post(&self, post: Post<'_>) -> Answer {
        let mut own = self.0.lock();
        own.1.push(post.protocol);
        let next = (!own.0.is_empty()).then(|| own.0.remove(0));
        Answer::Http(HttpAnswer {
            status: next.unwrap_or(204),
            ..HttpAnswer::default()
        })
    }

    fn cut(&self) {}
}

#[test]
fn a_doubt_about_zstd_ends_with_the_batch_when_that_is_too_old() {
    let mut config = config("http://receiver/");
    config.queue.sample_age_limit = Duration::from_secs(10);
    let network = Arc::new(Script(Mutex::new((vec![400], Vec::new()))));
    let clock = Arc::new(ManualClock::new(Mono::from_millis(1000), Wall(1000)));
    let losses = Arc::<Ledger>::default();
    let speech = Arc::new(Speech::new(Protocol::V1Zstd));
    let mut lane = Lane::new(
        LaneContext {
            name: "test".into(),
            transport: Arc::clone(&network) as Arc<dyn Transport>,
            settings: Arc::new(QueueSettings::new(&config)),
            settled: Shared::new(AckRanges::default()),
            metrics: Arc::new(QueueMetrics::new(&Registry::default(), "test", "")),
            progress: Arc::default(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            losses: Arc::clone(&losses) as Arc<dyn LossRecorder>,
            rejected: None,
            rate: None,
            memory: MemoryBudget::unlimited(),
            speech: Arc::clone(&speech),
        },
        Jitter::seeded(1),
    );
    let series = list(1, 3);
    lane.push(piece(Mono(0), block(1, &series)));
    assert_eq!(lane.turn(clock.mono()), Turn::Sent);
    clock.advance_ms(60_000);
    assert_eq!(lane.turn(clock.mono()), Turn::Sent);
    assert_eq!(losses.0.lock().values().sum::<u64>(), 3);
    lane.push(piece(Mono(0), block(60, &series)));
    assert_eq!(lane.turn(clock.mono()), Turn::Sent);
    assert_eq!(network.0.lock().1, [Protocol::V1Zstd; 2]);
    assert_eq!(speech.spoken(), Protocol::V1Zstd);
}
