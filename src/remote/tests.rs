//! The whole room over real sockets: a receiver that answers as scripted and keeps books, a log in
//! memory, the real client.

mod histograms;
mod receiver;
mod speaking;
mod zstd;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use parking_lot::Mutex;

use self::receiver::{Receiver, Reply};
use super::testing::{Ledger, block, config, list, twin_list};
use super::*;
use crate::model::block::{EpochId, ScrapeBlock};
use crate::model::loss::LossReason;
use crate::model::metadata::{Family, MetricType};
use crate::model::source::Next;
use crate::model::time::Wall;
use crate::model::timeline::Epoch;
use crate::sys::clock::SystemClock;
use crate::sys::fs_sim::{Fault, SimFs};

/// Long enough for a slow machine, short enough to notice a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// The folder of refused samples on the simulated disk.
const REJECTED: &str = "/data/narthex/rejected";

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Arc<ScrapeBlock>>>>);

impl BlockSource for Log {
    fn next(&mut self, after: Sequence) -> io::Result<Next> {
        let blocks = self.0.lock();
        let at = blocks.partition_point(|block| block.sequence <= after);
        let next = blocks.get(at).map(Arc::clone);
        Ok(next.map_or(Next::CaughtUp, Next::Block))
    }
}

#[derive(Debug, Default)]
struct Families(Vec<Arc<Family>>);

impl MetadataSource for Families {
    fn families(&self) -> Vec<Arc<Family>> {
        self.0.clone()
    }
}

fn epoch(frozen: bool) -> Timeline {
    let mut timeline = Timeline::default();
    timeline.insert(Epoch {
        id: EpochId(1),
        base_wall: Wall(0),
        frozen,
    });
    timeline
}

/// An endpoint with its log and its receiver.
struct Rig {
    log: Log,
    wake: Sender<()>,
    receiver: Receiver,
    settled: Shared<AckRanges>,
    timeline: Published<Timeline>,
    registry: Registry,
    losses: Arc<Ledger>,
    disk: SimFs,
    handle: EndpointHandle,
    written: usize,
}

impl Rig {
    fn start(script: Vec<Reply>, change: impl FnOnce(&mut RemoteWriteConfig)) -> Rig {
        let receiver = Receiver::start(script);
        let mut config = config(&receiver.url());
        change(&mut config);
        let log = Log::default();
        let (wake, woken) = bounded(1);
        let timeline = Published::new(epoch(true));
        let settled = Shared::new(AckRanges::default());
        let registry = Registry::default();
        let family = Family::new("m", MetricType::Unknown, "Help.", "");
        let (losses, disk) = (Arc::<Ledger>::default(), SimFs::default());
        let recorder = Arc::clone(&losses);
        let handle = start(EndpointSpec {
            config: Arc::new(config),
            external_labels: Labels::from_pairs([("site", "s")]),
            source: Box::new(log.clone()),
            settled: settled.clone(),
            start: Sequence::ZERO,
            sent_before: Sequence::ZERO,
            wake: woken,
            timeline: timeline.clone(),
            metadata: Arc::new(Families(vec![Arc::new(family)])),
            clock: Arc::new(SystemClock),
            jitter: Jitter::seeded(1),
            incoming: Arc::new(Incoming::new(&registry)),
            registry: registry.clone(),
            user_agent: "narthex/test".to_owned(),
            losses: recorder,
            rejected: Some((Arc::new(disk.clone()), PathBuf::from(REJECTED))),
            memory: MemoryBudget::unlimited(),
            resolver: None,
        })
        .expect("started");
        Rig {
            log,
            wake,
            receiver,
            settled,
            timeline,
            registry,
            losses,
            disk,
            handle,
            written: 0,
        }
    }

    /// Writes `rounds` scrapes of `targets` targets with `series` series each.
    fn write(&mut self, rounds: u64, targets: u64, series: usize) {
        for _ in 0..rounds {
            for target in 0..targets {
                let mut blocks = self.log.0.lock();
                let sequence = blocks.len() as u64 + 1;
                blocks.push(Arc::new(block(sequence, &list(target, series))));
                self.written += series;
            }
            let _full = self.wake.try_send(());
        }
    }

    fn last(&self) -> Sequence {
        Sequence(self.log.0.lock().len() as u64)
    }

    /// Waits until everything has arrived, stops, and checks that it arrived once and in order.
    fn finish(self) -> Registry {
        self.receiver.wait_for(self.written, PATIENCE);
        let last = self.last();
        let report = self.handle.stop(PATIENCE);
        assert!(report.finished && report.flushed, "{report:?}");
        assert_eq!(report.settled_up_to, last);
        assert_eq!(
            self.settled.with(|ranges| ranges.clone()),
            AckRanges::up_to(last)
        );
        self.receiver.check(|books| {
            books.assert_in_order();
            assert_eq!(books.samples(), self.written);
        });
        self.registry
    }
}

#[test]
fn blocks_arrive_with_the_headers_of_the_protocol() {
    let mut rig = Rig::start(Vec::new(), |config| {
        config.headers = vec![("X-Scope-OrgID".to_owned(), "tenant".to_owned())];
        config.metadata.send_interval = Duration::from_millis(1);
    });
    rig.write(3, 2, 50);
    rig.receiver.wait_for_metadata(PATIENCE);
    let head = rig.receiver.last_head().to_ascii_lowercase();
    for line in [
        "post /api/v1/write http/1.1",
        "content-encoding: snappy",
        "content-type: application/x-protobuf",
        "user-agent: narthex/test",
        "x-prometheus-remote-write-version: 0.1.0",
        "x-scope-orgid: tenant",
    ] {
        assert!(head.contains(line), "{line} is missing in {head}");
    }
    assert!(!head.contains("retry-attempt"), "{head}");
    let status = rig.handle.status();
    assert_eq!((status.name.as_str(), status.shards), ("test", 1));
    rig.finish();
}

#[test]
fn nothing_is_lost_doubled_or_reordered_by_a_failing_receiver() {
    let script = [
        Reply::Status(503),
        Reply::Reset,
        Reply::Ok,
        Reply::Slow(Duration::from_millis(30)),
        Reply::Status(429),
        Reply::Page,
        Reply::Redirect,
        Reply::Status(500),
        Reply::Ok,
        Reply::Status(413),
        Reply::Reset,
    ];
    for shards in [1, 3] {
        let script = script.iter().cycle().take(60).cloned().collect();
        let mut rig = Rig::start(script, |config| {
            config.queue.max_samples_per_send = Some(100);
            config.queue.min_shards = shards;
        });
        for _ in 0..10 {
            rig.write(2, 7, 30);
        }
        rig.write(1, 3, 450);
        rig.finish();
    }
}

#[test]
fn a_changed_configuration_applies_to_what_is_unsent_and_loses_nothing() {
    let mut rig = Rig::start(vec![Reply::Status(503); 3], |_| {});
    rig.write(5, 4, 20);
    rig.receiver.wait_for_requests(1, PATIENCE);
    let mut changed = config(&rig.receiver.url());
    changed.queue.min_shards = 2;
    changed.queue.max_samples_per_send = Some(30);
    rig.handle
        .reconfigure(&changed, Labels::from_pairs([("site", "new")]))
        .expect("reconfigured");
    rig.write(5, 4, 20);
    rig.receiver.wait_for(rig.written, PATIENCE);
    assert_eq!(rig.receiver.sites(), ["new"]);
    assert_eq!(rig.handle.status().shards, 2);
    rig.finish();
}

#[test]
fn the_number_of_shards_changes_without_loss() {
    let mut rig = Rig::start(Vec::new(), |config| {
        config.queue.max_samples_per_send = Some(50);
        config.queue.capacity = Some(50);
    });
    let url = rig.receiver.url();
    for shards in [4, 1, 3, 2] {
        rig.write(20, 5, 25);
        let mut changed = config(&url);
        changed.queue.min_shards = shards;
        changed.queue.max_shards = Some(shards);
        changed.queue.max_samples_per_send = Some(50);
        rig.handle
            .reconfigure(&changed, Labels::default())
            .expect("reconfigured");
    }
    rig.write(20, 5, 25);
    rig.finish();
}

#[test]
fn targets_with_the_same_labels_share_a_shard() {
    let slow = Reply::Slow(Duration::from_millis(5));
    let script = [Reply::Ok, slow, Reply::Status(503)];
    let script = script.iter().cycle().take(60).cloned().collect();
    let mut rig = Rig::start(script, |config| {
        config.queue.min_shards = 4;
        config.queue.max_samples_per_send = Some(20);
    });
    let twins: Vec<_> = (0..8).map(|id| twin_list(id, 1, 10)).collect();
    for (list, sequence) in twins.iter().cycle().take(80).zip(1..) {
        rig.log.0.lock().push(Arc::new(block(sequence, list)));
        rig.written += list.len();
    }
    rig.write(10, 4, 10);
    rig.finish();
}

#[test]
fn a_receiver_that_hangs_is_not_waited_for_in_memory() {
    for shards in [1, 2] {
        let mut rig = Rig::start(vec![Reply::Silence; 10_000], |config| {
            config.queue.min_shards = shards;
            config.queue.max_samples_per_send = Some(100);
            config.queue.capacity = Some(200);
            config.remote_timeout = Duration::from_millis(10);
        });
        rig.write(100, 4, 50);
        // Long enough for every shard to have taken what it ever takes.
        rig.receiver.wait_for_requests(20, PATIENCE);
        let pending = rig.handle.status().pending_samples;
        // A batch, the capacity, and one block that goes beyond.
        let most = u64::from(shards) * (100 + 200 + 50);
        assert!((100..=most).contains(&pending), "{pending} of {most}");
        let report = rig.handle.stop(PATIENCE);
        assert!(report.finished && !report.flushed, "{report:?}");
    }
}

#[test]
fn stopping_in_an_outage_takes_less_than_a_second_and_keeps_the_position() {
    for reply in [Reply::Status(503), Reply::Silence, Reply::Status(401)] {
        for shards in [1, 2] {
            let script = vec![reply.clone(); 10_000];
            let mut rig = Rig::start(script, |config| config.queue.min_shards = shards);
            rig.write(3, 2, 10);
            rig.receiver.wait_for_requests(1, PATIENCE);
            let begun = SystemClock.mono();
            let report = rig.handle.stop(Duration::from_secs(60));
            let took = SystemClock.mono().since(begun);
            assert!(took < Duration::from_millis(1500), "{reply:?}: {took:?}");
            assert!(!report.flushed && report.finished, "{reply:?}: {report:?}");
            assert_eq!(report.settled_up_to, Sequence::ZERO);
            assert_eq!(
                rig.settled.with(|ranges| ranges.clone()),
                AckRanges::default()
            );
        }
    }
}

#[test]
fn refused_samples_are_lost_alone_counted_and_kept_if_the_disk_allows() {
    for full in [false, true] {
        let mut rig = Rig::start(Vec::new(), |config| {
            config.queue.max_samples_per_send = Some(1000);
        });
        if full {
            rig.disk.inject(1, Fault::Full);
        }
        let metrics = [
            "narthex_remote_rejected_kept_total",
            "narthex_remote_rejected_dropped_total",
        ];
        let url = rig.receiver.url();
        let labels = [("remote_name", "test"), ("url", url.as_str())];
        let counts = metrics.map(|name| rig.registry.counter(name, "", &labels));
        rig.receiver.refuse("t1/7");
        rig.write(1, 4, 50);
        rig.receiver.wait_for(199, PATIENCE);
        let last = rig.last();
        let report = rig.handle.stop(PATIENCE);
        assert_eq!((report.flushed, report.settled_up_to), (true, last));
        rig.receiver
            .check(|books| assert!(!books.series.contains_key("t1/7")));
        let key = ("job".to_owned(), LossReason::Invalid);
        assert_eq!(*rig.losses.0.lock(), [(key, 1)].into());
        let entries = rejected::file::read(&rig.disk, Path::new(REJECTED)).expect("readable");
        let series: Vec<String> = entries.iter().map(rejected::entry::Entry::series).collect();
        let name = "m{instance=\"t1\", job=\"job\", n=\"7\", site=\"s\"}";
        assert_eq!(series, if full { vec![] } else { vec![name] });
        let expected = if full { [0.0, 1.0] } else { [1.0, 0.0] };
        assert_eq!(counts.map(|count| count.get()), expected);
    }
}

#[test]
fn blocks_of_an_open_epoch_are_sent_when_it_is_frozen() {
    let mut rig = Rig::start(Vec::new(), |_| {});
    rig.timeline.publish(epoch(false));
    rig.write(3, 1, 5);
    rig.timeline.publish(epoch(true));
    rig.write(1, 1, 5);
    rig.finish();
}

#[test]
fn a_request_that_was_stored_before_the_connection_broke_is_the_only_one_doubled() {
    let mut rig = Rig::start(vec![Reply::Ok, Reply::StoreAndReset, Reply::Ok], |config| {
        config.queue.max_samples_per_send = Some(10);
    });
    rig.write(5, 1, 10);
    rig.receiver.wait_for(60, PATIENCE);
    let report = rig.handle.stop(PATIENCE);
    assert!(report.flushed, "{report:?}");
    rig.receiver.check(|books| {
        assert_eq!(books.samples(), 60);
        let times = &books.series["t0/0"];
        assert_eq!(times, &[1000, 2000, 2000, 3000, 4000, 5000]);
    });
}

#[test]
fn metrics_say_what_happened_and_leave_with_the_endpoint() {
    let mut rig = Rig::start(vec![Reply::Status(503)], |_| {});
    rig.write(1, 1, 10);
    rig.receiver.wait_for(10, PATIENCE);
    let head = rig.receiver.last_head().to_ascii_lowercase();
    assert!(head.contains("retry-attempt: 1"), "{head}");
    let labels = rig.registry.snapshot();
    let names: Vec<_> = labels.iter().map(|(name, _)| *name).collect();
    for name in [
        "prometheus_remote_storage_samples_total",
        "prometheus_remote_storage_samples_retried_total",
        "prometheus_remote_storage_sent_batch_duration_seconds",
        "prometheus_remote_storage_queue_highest_sent_timestamp_seconds",
        "prometheus_remote_storage_shards_desired",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    let status = rig.handle.status();
    assert_eq!(status.lost_samples, 0);
    let error = status.last_error.expect("a failure was seen");
    assert_eq!(error.text, "HTTP 503");
    let registry = rig.finish();
    let left = registry.snapshot();
    assert!(left.iter().all(|(name, _)| name.ends_with("_in_total")
        || name.ends_with("_in_seconds")
        || name.ends_with("_releases_total")));
}

#[test]
fn a_url_that_is_changed_and_changed_back_keeps_its_metrics() {
    let mut rig = Rig::start(vec![Reply::Slow(Duration::from_millis(300))], |_| {});
    rig.write(1, 1, 10);
    // Stored, but not answered yet.
    rig.receiver.wait_for(10, PATIENCE);
    let here = rig.receiver.url();
    for url in ["http://127.0.0.1:9/other", here.as_str()] {
        let external = Labels::from_pairs([("site", "s")]);
        rig.handle
            .reconfigure(&config(url), external)
            .expect("changed");
    }
    rig.write(2, 1, 10);
    rig.receiver.wait_for(30, PATIENCE);
    let families = rig.registry.snapshot();
    let name = "narthex_remote_requests_total";
    let own = families.iter().find(|(own, _)| *own == name);
    let urls: Vec<_> = own.iter().flat_map(|(_, own)| own.metrics.keys()).collect();
    let shown = urls.iter().map(|labels| labels[1].1.as_str());
    assert_eq!(shown.collect::<Vec<_>>(), [here.as_str()]);
    rig.finish();
}
