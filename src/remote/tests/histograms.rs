//! Native histograms over real sockets: what is counted, and what an endpoint does not get.

use super::*;
use crate::config::remote_write::ProtobufMessage;
use crate::model::block::SideTables;
use crate::model::histogram::{CUSTOM_BUCKETS, NativeHistogram};
use crate::model::testing::Observed;
use crate::remote::rejected::file;
use crate::telemetry::registry::Counter;

fn rig(version: ProtobufMessage, send: bool, script: Vec<Reply>) -> Rig {
    Rig::start(script, |config| {
        config.protobuf_message = version;
        config.send_native_histograms = send;
        config.queue.max_samples_per_send = Some(1000);
    })
}

fn counter(rig: &Rig, name: &'static str) -> Arc<Counter> {
    let url = rig.receiver.url();
    let labels = [("remote_name", "test"), ("url", url.as_str())];
    rig.registry.counter(name, "", &labels)
}

fn dropped(rig: &Rig, reason: &'static str) -> Arc<Counter> {
    let url = rig.receiver.url();
    let name = "prometheus_remote_storage_histograms_dropped_total";
    let labels = [("remote_name", "test"), ("url", &*url), ("reason", reason)];
    rig.registry.counter(name, "", &labels)
}

fn observed() -> NativeHistogram {
    let mut own = Observed::new(1, 4);
    own.observe(20, 4.0);
    own.histogram()
}

/// A scrape of four series: two floats, a histogram, and one with custom buckets.
fn scrape(rig: &Rig) {
    let mut blocks = rig.log.0.lock();
    let mut own = block(blocks.len() as u64 + 1, &list(1, 4));
    let custom = NativeHistogram {
        schema: CUSTOM_BUCKETS,
        ..observed()
    };
    own.side = Some(Box::new(SideTables {
        histograms: vec![(2, observed()), (3, custom)],
        ..SideTables::default()
    }));
    blocks.push(Arc::new(own));
    let _full = rig.wake.try_send(());
}

const NAMES: [&str; 3] = [
    "prometheus_remote_storage_samples_total",
    "prometheus_remote_storage_histograms_total",
    "narthex_remote_samples_acknowledged_total",
];

#[test]
fn histograms_are_counted_apart_and_acknowledged_as_samples() {
    let mut rig = rig(ProtobufMessage::V2, true, vec![Reply::Status(503)]);
    let counters = NAMES.map(|name| counter(&rig, name));
    let retried = counter(&rig, "prometheus_remote_storage_histograms_retried_total");
    scrape(&rig);
    rig.written = 4;
    let registry = rig.finish();
    // The first request was repeated.
    assert_eq!(counters.map(|own| own.get()), [4.0, 4.0, 4.0]);
    assert_eq!(retried.get(), 2.0);
    let all = |name| registry.counter(name, "", &[]).get();
    assert_eq!(all("prometheus_remote_storage_samples_in_total"), 2.0);
    assert_eq!(all("prometheus_remote_storage_histograms_in_total"), 2.0);
}

#[test]
fn custom_buckets_are_lost_in_1_0_and_stand_in_the_books() {
    let mut rig = rig(ProtobufMessage::V1, true, Vec::new());
    let counters = NAMES.map(|name| counter(&rig, name));
    let (custom, other) = (
        dropped(&rig, "nhcb_in_rw1_not_supported"),
        dropped(&rig, "not_configured"),
    );
    let losses = Arc::clone(&rig.losses);
    scrape(&rig);
    rig.written = 3;
    rig.finish();
    assert_eq!(counters.map(|own| own.get()), [2.0, 1.0, 3.0]);
    assert_eq!((custom.get(), other.get()), (1.0, 0.0));
    let key = ("job".to_owned(), LossReason::CustomBuckets);
    assert_eq!(*losses.0.lock(), [(key, 1)].into());
}

#[test]
fn an_endpoint_that_wants_no_histograms_gets_none_and_everything_is_settled() {
    for version in [ProtobufMessage::V1, ProtobufMessage::V2] {
        let mut rig = rig(version, false, Vec::new());
        let counters = NAMES.map(|name| counter(&rig, name));
        let (custom, other) = (
            dropped(&rig, "nhcb_in_rw1_not_supported"),
            dropped(&rig, "not_configured"),
        );
        let losses = Arc::clone(&rig.losses);
        scrape(&rig);
        rig.written = 2;
        rig.finish();
        assert_eq!(counters.map(|own| own.get()), [2.0, 0.0, 2.0]);
        assert_eq!((custom.get(), other.get()), (0.0, 2.0));
        // What is not wanted is not lost.
        assert!(losses.0.lock().is_empty());
    }
}

#[test]
fn a_refused_histogram_is_lost_alone_counted_and_kept_to_look_at() {
    let mut rig = rig(ProtobufMessage::V2, true, Vec::new());
    let failed = [
        "prometheus_remote_storage_samples_failed_total",
        "prometheus_remote_storage_histograms_failed_total",
    ];
    let failed = failed.map(|name| counter(&rig, name));
    rig.receiver.refuse("t1/2");
    scrape(&rig);
    rig.written = 3;
    let disk = rig.disk.clone();
    rig.finish();
    assert_eq!(failed.map(|own| own.get()), [0.0, 1.0]);
    let entries = file::read(&disk, Path::new(REJECTED)).expect("readable");
    assert_eq!(entries.len(), 1);
    let value = &entries[0].value;
    assert!(value.starts_with("{count:20,sum:"), "{value}");
}

#[test]
fn histograms_that_a_receiver_says_it_did_not_write_are_counted() {
    let mut rig = rig(ProtobufMessage::V2, true, vec![Reply::Says(2)]);
    let counters = [
        counter(&rig, "narthex_remote_partial_writes_total"),
        counter(&rig, "narthex_remote_samples_unwritten_total"),
    ];
    scrape(&rig);
    rig.written = 4;
    rig.finish();
    assert_eq!(counters.map(|own| own.get()), [1.0, 2.0]);
}
