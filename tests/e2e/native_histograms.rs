//! Requests with native histograms, as narthex makes them, to Debian's Prometheus and to our receiver.

use std::sync::Arc;

use narthex::model::block::{EpochId, ScrapeBlock, Sequence, SideTables};
use narthex::model::histogram::{
    Buckets, CUSTOM_BUCKETS, Counts, NativeHistogram, ResetHint, Span,
};
use narthex::model::labels::Labels;
use narthex::model::series::{ChunkBuilder, SeriesList, TargetIdentity};
use narthex::model::time::Mono;
use narthex::model::value::STALE;
use narthex::remote::body::BodyBuilder;
use narthex::remote::outgoing::OutgoingCache;
use narthex::remote::piece::{Item, Piece};
use narthex::remote::request::Rules;
use narthex::wire::version::Version;

use super::support::prom::Server;
use super::support::strict::Strict;
use super::support::{client, wait};

fn histogram(counts: &[u64]) -> NativeHistogram {
    let mut before = 0;
    let delta = |count: &u64| {
        let own = *count as i64 - before;
        before = *count as i64;
        own
    };
    NativeHistogram {
        reset_hint: ResetHint::Unknown,
        schema: 1,
        zero_threshold: 1e-9,
        counts: Counts::Integer(Buckets {
            count: counts.iter().sum::<u64>() + 1,
            zero: 1,
            positive: counts.iter().map(delta).collect(),
            negative: [].into(),
        }),
        positive_spans: [
            Span {
                offset: -3,
                length: 2,
            },
            Span {
                offset: 4,
                length: counts.len() as u32 - 2,
            },
        ]
        .into(),
        negative_spans: [].into(),
        custom_values: [].into(),
    }
}

/// A gauge of floats.
fn gauge() -> NativeHistogram {
    NativeHistogram {
        reset_hint: ResetHint::Gauge,
        counts: Counts::Float(Buckets {
            count: 6.5,
            zero: 0.5,
            positive: [1.0, 2.0, 3.0].into(),
            negative: [].into(),
        }),
        ..histogram(&[0, 0, 0])
    }
}

fn custom() -> NativeHistogram {
    NativeHistogram {
        schema: CUSTOM_BUCKETS,
        zero_threshold: 0.0,
        counts: Counts::Integer(Buckets {
            count: 3,
            zero: 0,
            positive: [2, -1].into(),
            negative: [].into(),
        }),
        positive_spans: [Span {
            offset: 0,
            length: 2,
        }]
        .into(),
        custom_values: [0.5].into(),
        ..histogram(&[0, 0, 0])
    }
}

/// Two scrapes of four series, ending at `now_ms`; the last series is gone in the second.
fn pieces(now_ms: i64) -> Vec<Piece> {
    let mut series = ChunkBuilder::default();
    for name in ["seconds", "load", "ended", "bounds"] {
        series.push([("__name__", name)]);
    }
    let identity = TargetIdentity {
        id: 1,
        job: "j".into(),
        labels: Labels::from_pairs([("job", "j")]),
    };
    let chunk = Arc::new(series.finish(None));
    let list = Arc::new(SeriesList::new(Arc::new(identity), vec![chunk]));
    let mut cache = OutgoingCache::default();
    let scrapes = [(now_ms - 1000, [2, 3, 1], 0.25), (now_ms, [2, 5, 9], STALE)];
    let piece = |(wall_ms, counts, ended): (i64, [u64; 3], f64)| {
        let mut histograms = vec![(0, histogram(&counts)), (1, gauge())];
        if ended == 0.25 {
            histograms.push((2, histogram(&counts)));
        }
        histograms.push((3, custom()));
        let block = ScrapeBlock {
            sequence: Sequence(wall_ms as u64),
            epoch: EpochId(1),
            offset_ms: wall_ms,
            series: Arc::clone(&list),
            values: [counts[2] as f64, 7.5, ended, 1.5].into(),
            side: Some(Box::new(SideTables {
                starts: vec![(0, now_ms - 60_000)],
                histograms,
                ..SideTables::default()
            })),
        };
        Piece::whole(Item {
            outgoing: cache.get(&list, &Labels::default(), &[]),
            wall_ms,
            block: Arc::new(block),
            arrived: Mono(0),
        })
    };
    scrapes.map(piece).into()
}

fn body(version: Version, now_ms: i64) -> Vec<u8> {
    let rules = Rules {
        oldest_ms: i64::MIN,
        exemplars: true,
        histograms: true,
    };
    let mut builder = BodyBuilder::default();
    let counts = builder
        .build(version.into(), &pieces(now_ms), rules)
        .expect("built");
    let left_out = if version == Version::V1 { 2 } else { 0 };
    assert_eq!(counts.custom_buckets, left_out);
    builder.finish().expect("finished").to_vec()
}

#[test]
fn prometheus_stores_what_it_is_sent() {
    let server = Server::with(&["--enable-feature=native-histograms"]);
    let answer = server.write(&body(Version::V1, wait::wall_ms()));
    assert!(answer.starts_with("204"), "{answer}");
    for (query, expected) in [
        ("histogram_count(seconds)", Some(17.0)),
        ("histogram_sum(seconds)", Some(9.0)),
        ("histogram_count(load)", Some(6.5)),
        ("histogram_sum(load)", Some(7.5)),
        ("count_over_time(seconds[1m])", Some(2.0)),
        // Its staleness marker ends it.
        ("ended", None),
        ("count_over_time(ended[1m])", Some(1.0)),
    ] {
        assert_eq!(server.scalar(query), expected, "{query}");
    }
    // Where the buckets are: all of the last ones lie between 2 and 2.83 (schema 1).
    let median = server
        .scalar("histogram_quantile(0.9, seconds)")
        .expect("a quantile");
    assert!((2.0..2.83).contains(&median), "{median}");
}

#[test]
fn a_strict_receiver_takes_both_versions_and_shows_what_is_in_them() {
    let receiver = Strict::start();
    let shown = |version, name, now_ms| {
        let answer = client::write(receiver.port, name, &body(version, now_ms)).expect("an answer");
        assert_eq!(answer.status, 204, "{}", answer.body);
        answer.head
    };
    shown(Version::V1, "1.0", 10_000);
    let head = shown(Version::V2, "2.0", 100_000);
    assert!(
        head.contains("X-Prometheus-Remote-Write-Histograms-Written: 7"),
        "{head}"
    );
    assert!(
        head.contains("X-Prometheus-Remote-Write-Samples-Written: 1"),
        "{head}"
    );
    let text = receiver.text();
    let at = |time: &str| {
        let lines = text.lines();
        let own = lines.filter(|line| line.split(' ').any(|word| word == time));
        own.count()
    };
    assert_eq!(["9000", "10000", "99000", "100000"].map(at), [3, 3, 4, 4]);
    for line in [
        "seconds{job=\"j\"} {count:7,sum:1,schema:1,zero_threshold:1e-09,zero_count:1,\
         positive_spans:[-3:2,4:1],positive_buckets:[2,3,1]} 9000\n",
        "seconds{job=\"j\"} {count:17,sum:9,schema:1,zero_threshold:1e-09,zero_count:1,\
         positive_spans:[-3:2,4:1],positive_buckets:[2,5,9]} 100000 st@40000\n",
        "load{job=\"j\"} {count:6.5,sum:7.5,schema:1,zero_threshold:1e-09,zero_count:0.5,\
         positive_spans:[-3:2,4:1],positive_buckets:[1,2,3],reset:gauge} 99000\n",
        "bounds{job=\"j\"} {count:3,sum:1.5,schema:-53,custom_values:[0.5],\
         positive_spans:[0:2],positive_buckets:[2,1]} 100000\n",
        "ended{job=\"j\"} StaleNaN 100000\n",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}
