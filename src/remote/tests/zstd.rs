//! VictoriaMetrics' protocol over real sockets: what is sent, and what follows from answers.

use super::receiver::Understands;
use super::*;
use crate::telemetry::registry::{Counter, Gauge};
use crate::wire::compress::Compression;
use crate::wire::version::Protocol;

/// An endpoint that is configured for zstd; its metadata is not in the way.
fn rig(understands: Understands, script: Vec<Reply>) -> Rig {
    let rig = Rig::start(script, |config| {
        config.narthex.compression = Compression::Zstd;
        config.queue.max_samples_per_send = Some(1000);
        config.metadata.send = false;
    });
    rig.receiver.understand(understands);
    rig
}

fn fallbacks(rig: &Rig) -> Arc<Counter> {
    let url = rig.receiver.url();
    let labels = [("remote_name", "test"), ("url", url.as_str())];
    let name = "narthex_remote_version_fallbacks_total";
    rig.registry.counter(name, "", &labels)
}

fn is_zstd(rig: &Rig) -> Arc<Gauge> {
    let url = rig.receiver.url();
    let labels = [("remote_name", "test"), ("url", url.as_str())];
    rig.registry.gauge("narthex_remote_zstd", "", &labels)
}

fn of_zstd(rig: &Rig) -> usize {
    let protocols = rig.receiver.protocols();
    let zstd = protocols.iter().filter(|own| **own == Protocol::V1Zstd);
    zstd.count()
}

#[test]
fn a_request_says_that_it_is_in_victoria_metrics_protocol() {
    let mut rig = rig(Understands::All, Vec::new());
    rig.write(3, 4, 50);
    rig.receiver.wait_for(rig.written, PATIENCE);
    let head = rig.receiver.last_head();
    for line in [
        "Content-Encoding: zstd",
        "Content-Type: application/x-protobuf",
        "X-VictoriaMetrics-Remote-Write-Version: 1",
    ] {
        let found = head.lines().any(|own| own.eq_ignore_ascii_case(line));
        assert!(found, "{line} is missing in {head}");
    }
    let lower = head.to_ascii_lowercase();
    assert!(!lower.contains("x-prometheus-remote-write"), "{head}");
    assert_eq!(of_zstd(&rig), rig.receiver.protocols().len());
    assert_eq!((is_zstd(&rig).get(), fallbacks(&rig).get()), (1.0, 0.0));
    rig.finish();
}

#[test]
fn a_receiver_that_does_not_know_zstd_gets_the_same_batch_with_snappy_at_once() {
    for status in [415, 400, 406, 422, 500, 501] {
        let mut rig = rig(Understands::Refuses(status), Vec::new());
        rig.write(3, 2, 50);
        rig.receiver.wait_for(rig.written, PATIENCE);
        rig.write(3, 2, 50);
        rig.receiver.wait_for(rig.written, PATIENCE);
        let protocols = rig.receiver.protocols();
        assert_eq!(protocols[..2], [Protocol::V1Zstd, Protocol::V1], "{status}");
        assert_eq!(of_zstd(&rig), 1, "{status}: {protocols:?}");
        assert_eq!((is_zstd(&rig).get(), fallbacks(&rig).get()), (0.0, 1.0));
        assert!(rig.losses.0.lock().is_empty());
        rig.finish();
    }
}

#[test]
fn a_400_about_samples_loses_them_alone_and_zstd_stays() {
    let mut rig = rig(Understands::All, Vec::new());
    rig.receiver.refuse("t0/3");
    rig.write(1, 1, 300);
    rig.receiver.wait_for(299, PATIENCE);
    rig.write(1, 2, 3);
    // Of the second target, and of the first one the same series before the refused one.
    rig.receiver.wait_for(299 + 6, PATIENCE);
    let last = rig.receiver.protocols().last().copied();
    assert_eq!(last, Some(Protocol::V1Zstd));
    assert_eq!((is_zstd(&rig).get(), fallbacks(&rig).get()), (1.0, 0.0));
    let losses = Arc::clone(&rig.losses);
    let report = rig.handle.stop(PATIENCE);
    assert!(report.flushed, "{report:?}");
    let lost: u64 = losses.0.lock().values().sum();
    assert_eq!(lost, 1);
}

#[test]
fn an_outage_between_both_tries_loses_and_doubles_nothing() {
    let script = [
        Reply::Status(400),
        Reply::Status(503),
        Reply::Status(400),
        Reply::Reset,
        Reply::Status(503),
        Reply::Ok,
        Reply::Status(400),
        Reply::Page,
        Reply::Status(413),
        Reply::Status(429),
        // Shards share the script. One that sends snappy already would hold for a minute.
        Reply::RefusesZstd(415),
        Reply::Status(503),
    ];
    for shards in [1, 3] {
        let script = script.to_vec();
        let mut rig = Rig::start(script, |config| {
            config.narthex.compression = Compression::Zstd;
            config.queue.max_samples_per_send = Some(100);
            config.queue.min_shards = shards;
            config.metadata.send = false;
        });
        for _ in 0..5 {
            rig.write(2, 7, 30);
        }
        rig.finish();
    }
}

#[test]
fn a_new_configuration_asks_for_zstd_again() {
    let mut rig = rig(Understands::Refuses(415), Vec::new());
    rig.write(2, 2, 10);
    rig.receiver.wait_for(rig.written, PATIENCE);
    rig.receiver.understand(Understands::All);
    let mut changed = config(&rig.receiver.url());
    changed.narthex.compression = Compression::Zstd;
    changed.metadata.send = false;
    rig.handle
        .reconfigure(&changed, Labels::default())
        .expect("reconfigured");
    rig.write(2, 2, 10);
    rig.receiver.wait_for(rig.written, PATIENCE);
    assert_eq!(rig.receiver.protocols().last(), Some(&Protocol::V1Zstd));
    // And back.
    changed.narthex.compression = Compression::Snappy;
    rig.handle
        .reconfigure(&changed, Labels::default())
        .expect("reconfigured");
    rig.write(1, 2, 10);
    rig.receiver.wait_for(rig.written, PATIENCE);
    assert_eq!(rig.receiver.protocols().last(), Some(&Protocol::V1));
    rig.finish();
}
