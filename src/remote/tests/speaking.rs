//! Remote write 2.0 over real sockets: what the specification asks of a sender, one test for each
//! sentence that is about more than one message, and what follows from answers.

use super::receiver::Understands;
use super::*;
use crate::config::remote_write::ProtobufMessage;
use crate::telemetry::registry::Counter;
use crate::wire::version::Version;

/// A counter of the endpoint; it stays readable when the endpoint is gone.
fn counter(rig: &Rig, name: &'static str) -> Arc<Counter> {
    let url = rig.receiver.url();
    let labels = [("remote_name", "test"), ("url", url.as_str())];
    rig.registry.counter(name, "", &labels)
}

/// An endpoint that is configured for 2.0.
fn rig(understands: Understands, script: Vec<Reply>) -> Rig {
    let rig = Rig::start(script, |config| {
        config.protobuf_message = ProtobufMessage::V2;
        config.queue.max_samples_per_send = Some(1000);
        config.metadata.send_interval = Duration::from_millis(1);
    });
    rig.receiver.understand(understands);
    rig
}

#[test]
fn senders_must_send_the_reserved_headers() {
    let mut rig = rig(Understands::All, Vec::new());
    rig.write(3, 2, 50);
    rig.receiver.wait_for(rig.written, PATIENCE);
    let head = rig.receiver.last_head();
    for line in [
        "POST /api/v1/write HTTP/1.1",
        "Content-Encoding: snappy",
        "Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request",
        "X-Prometheus-Remote-Write-Version: 2.0.0",
        "User-Agent: narthex/test",
    ] {
        let found = head.lines().any(|own| own.eq_ignore_ascii_case(line));
        assert!(found, "{line} is missing in {head}");
    }
    assert!(
        rig.receiver
            .versions()
            .iter()
            .all(|own| *own == Version::V2)
    );
    assert_eq!(
        counter(&rig, "narthex_remote_version_fallbacks_total").get(),
        0.0
    );
    rig.finish();
}

#[test]
fn senders_may_fall_back_if_the_receiver_answers_415_and_keep_to_it() {
    for understands in [
        Understands::Refuses(415),
        // "Senders SHOULD expect 400 from 1.x receivers".
        Understands::Refuses(400),
        // "Senders SHOULD assume 415 on a 2xx without Written headers".
        Understands::Careless,
    ] {
        let mut rig = rig(understands, Vec::new());
        rig.write(3, 2, 50);
        rig.receiver.wait_for(rig.written, PATIENCE);
        rig.write(3, 2, 50);
        rig.receiver.wait_for(rig.written, PATIENCE);
        // 1.0 has metadata of its own.
        rig.receiver.wait_for_metadata(PATIENCE);
        let versions = rig.receiver.versions();
        let tries = versions.iter().filter(|own| **own == Version::V2).count();
        assert_eq!(tries, 1, "{understands:?}: {versions:?}");
        assert_eq!(versions[0], Version::V2);
        let fallbacks = counter(&rig, "narthex_remote_version_fallbacks_total");
        assert_eq!(fallbacks.get(), 1.0);
        let url = rig.receiver.url();
        let labels = [("remote_name", "test"), ("url", url.as_str())];
        let gauge = rig
            .registry
            .gauge("narthex_remote_protocol_version", "", &labels);
        assert_eq!(gauge.get(), 1.0);
        rig.finish();
    }
}

#[test]
fn a_new_configuration_asks_for_2_0_again() {
    let mut rig = rig(Understands::Refuses(415), Vec::new());
    rig.write(2, 2, 10);
    rig.receiver.wait_for(rig.written, PATIENCE);
    rig.receiver.understand(Understands::All);
    let mut changed = config(&rig.receiver.url());
    changed.protobuf_message = ProtobufMessage::V2;
    rig.handle
        .reconfigure(&changed, Labels::default())
        .expect("reconfigured");
    rig.write(2, 2, 10);
    rig.receiver.wait_for(rig.written, PATIENCE);
    assert_eq!(rig.receiver.versions().last(), Some(&Version::V2));
    rig.finish();
}

#[test]
fn senders_must_retry_5xx_and_nothing_is_lost_doubled_or_reordered() {
    let script = [
        Reply::Status(503),
        Reply::Reset,
        Reply::Ok,
        Reply::Slow(Duration::from_millis(10)),
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
            config.protobuf_message = ProtobufMessage::V2;
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
fn senders_must_not_retry_4xx_and_lose_the_refused_series_alone() {
    let mut rig = rig(Understands::All, Vec::new());
    rig.write(1, 1, 5);
    rig.receiver.wait_for(5, PATIENCE);
    rig.receiver.refuse("t0/3");
    rig.write(1, 1, 300);
    rig.receiver.wait_for(5 + 299, PATIENCE);
    let report = rig.handle.stop(PATIENCE);
    assert!(report.flushed, "{report:?}");
    assert!(
        rig.receiver
            .versions()
            .iter()
            .all(|own| *own == Version::V2)
    );
    let lost: u64 = rig.losses.0.lock().values().sum();
    assert_eq!(lost, 1);
}

#[test]
fn what_a_receiver_accepts_and_says_it_did_not_write_is_counted() {
    let mut rig = rig(Understands::All, vec![Reply::Says(7)]);
    let counters = [
        counter(&rig, "narthex_remote_partial_writes_total"),
        counter(&rig, "narthex_remote_samples_unwritten_total"),
    ];
    rig.write(1, 1, 10);
    rig.finish();
    assert_eq!(counters.map(|one| one.get()), [1.0, 3.0]);
}
