//! A shard's shell with a scripted network and a clock that is set.

use parking_lot::Mutex;

use super::*;
use crate::config::remote_write::RemoteWriteConfig;
use crate::model::block::Sequence;
use crate::model::time::Wall;
use crate::remote::lanes::Lanes;
use crate::remote::testing::{Ledger, block, config, list, piece};
use crate::remote::transport::HttpAnswer;
use crate::sys::clock::{ManualClock, SystemClock};
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

/// What a lane needs, and its books.
fn context(
    config: &RemoteWriteConfig,
    transport: Arc<dyn Transport>,
    clock: &Arc<ManualClock>,
) -> (LaneContext, Arc<Ledger>) {
    let losses = Arc::<Ledger>::default();
    let context = LaneContext {
        name: "test".into(),
        transport,
        settings: Arc::new(QueueSettings::new(config)),
        settled: Shared::new(AckRanges::default()),
        metrics: Arc::new(QueueMetrics::new(&Registry::default(), "test", "")),
        progress: Arc::default(),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        losses: Arc::clone(&losses) as Arc<dyn LossRecorder>,
        rejected: None,
        rate: None,
        memory: MemoryBudget::unlimited(),
        speech: Arc::new(Speech::new(Protocol::V1Zstd)),
    };
    (context, losses)
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Mono::from_millis(1000), Wall(1000)))
}

#[test]
fn a_doubt_about_zstd_ends_with_the_batch_when_that_is_too_old() {
    let mut config = config("http://receiver/");
    config.queue.sample_age_limit = Duration::from_secs(10);
    let (network, clock) = (Arc::<Script>::default(), clock());
    network.0.lock().0.push(400);
    let transport = Arc::clone(&network) as Arc<dyn Transport>;
    let (context, losses) = context(&config, transport, &clock);
    let speech = Arc::clone(&context.speech);
    let mut lane = Lane::new(context, Jitter::seeded(1));
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

#[test]
fn what_is_given_up_before_the_first_turn_is_counted_and_settled() {
    let config = config("http://receiver/");
    let (context, losses) = context(&config, Arc::<Script>::default(), &clock());
    let settled = context.settled.clone();
    let mut lane = Lane::new(context, Jitter::seeded(1));
    for sequence in 1..=limits::REMOTE_ASIDE_BATCHES as u64 + 1 {
        let mut aside = piece(Mono(0), block(sequence, &list(1, 1)));
        aside.aside = Some(Mono(sequence));
        lane.push(aside);
    }
    let left = lane.into_pieces();
    assert_eq!(left.len(), limits::REMOTE_ASIDE_BATCHES);
    assert_eq!(losses.0.lock().values().sum::<u64>(), 1);
    assert_eq!(settled.with(|ranges| ranges.floor()), Sequence(1));
}

#[test]
fn a_shard_that_dies_while_it_is_full_is_noticed() {
    struct Broken;
    impl Transport for Broken {
        fn post(&self, _: Post<'_>) -> Answer {
            panic!("as asked")
        }
        fn cut(&self) {}
    }
    let mut config = config("http://receiver/");
    config.queue.capacity = Some(1);
    config.queue.max_samples_per_send = Some(1);
    let (context, _) = context(&config, Arc::new(Broken), &clock());
    let mut lanes = Lanes::start(context, Jitter::seeded(1), 2).expect("threads");
    let series = list(1, 5);
    let end = SystemClock.mono() + Duration::from_secs(20);
    for sequence in 1.. {
        let own = piece(Mono(0), block(sequence, &series));
        while !lanes.has_room(&own.item.block) {
            assert!(SystemClock.mono() < end, "waits for ever");
            std::thread::yield_now();
        }
        if !lanes.push(own) {
            break;
        }
    }
    assert!(lanes.stop().is_none());
}
