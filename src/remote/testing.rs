//! What the tests of this room share: blocks of small targets, and a receiver that keeps books.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prost::Message;

use super::outgoing::OutgoingCache;
use super::piece::{Item, Piece};
use crate::config::http_client::HttpClientConfig;
use crate::config::remote_write::{
    MetadataConfig, NarthexConfig, ProtobufMessage, QueueConfig, RemoteWriteConfig,
};
use crate::model::block::{EpochId, ScrapeBlock, Sequence};
use crate::model::labels::Labels;
use crate::model::loss::{LossReason, LossRecorder, Lost};
use crate::model::series::{ChunkBuilder, SeriesList, TargetIdentity};
use crate::model::time::Mono;
use crate::wire::{compress, prompb, prompb_v2};

thread_local! {
    static CACHE: RefCell<OutgoingCache> = RefCell::default();
    static LISTS: RefCell<BTreeMap<(u64, usize), Arc<SeriesList>>> = RefCell::default();
}

/// The list of [`new_list`], the same one for the same numbers: as a target that does not change.
pub(crate) fn list(target: u64, series: usize) -> Arc<SeriesList> {
    LISTS.with_borrow_mut(|lists| {
        let list = lists.entry((target, series));
        Arc::clone(list.or_insert_with(|| new_list(target, series)))
    })
}

/// A list of `series` series `m{n="0"}`, `m{n="1"}`, ... of target number `target`, in chunks of
/// three.
pub(crate) fn new_list(target: u64, series: usize) -> Arc<SeriesList> {
    twin_list(target, target, series)
}

/// A list as that of `target`, of another target whose number is `id`.
pub(crate) fn twin_list(id: u64, target: u64, series: usize) -> Arc<SeriesList> {
    let identity = TargetIdentity {
        id,
        job: "job".into(),
        labels: Labels::from_pairs([("instance", format!("t{target}")), ("job", "job".into())]),
    };
    let numbers: Vec<String> = (0..series).map(|number| number.to_string()).collect();
    let chunk = |numbers: &[String]| {
        let mut builder = ChunkBuilder::default();
        for number in numbers {
            builder.push([("__name__", "m"), ("n", number.as_str())]);
        }
        Arc::new(builder.finish(None))
    };
    let chunks = numbers.chunks(3).map(chunk).collect();
    Arc::new(SeriesList::new(Arc::new(identity), chunks))
}

/// A block whose values are `sequence`, at `sequence` seconds of epoch 1.
pub(crate) fn block(sequence: u64, series: &Arc<SeriesList>) -> ScrapeBlock {
    ScrapeBlock {
        sequence: Sequence(sequence),
        epoch: EpochId(1),
        offset_ms: sequence as i64 * 1000,
        series: Arc::clone(series),
        values: vec![sequence as f64; series.len()].into(),
        side: None,
    }
}

/// The whole of such a block as a piece; its epoch begins at 1970.
pub(crate) fn piece(now: Mono, block: ScrapeBlock) -> Piece {
    let outgoing = CACHE.with_borrow_mut(|cache| cache.get(&block.series, &Labels::default(), &[]));
    Piece::whole(Item {
        wall_ms: block.offset_ms,
        outgoing,
        arrived: now,
        block: Arc::new(block),
    })
}

/// Decodes a request's body.
pub(crate) fn decode(body: &[u8]) -> prompb::WriteRequest {
    let mut raw = Vec::new();
    compress::decompress(body, &mut raw, 64 << 20).expect("snappy");
    prompb::WriteRequest::decode(raw.as_slice()).expect("protobuf")
}

/// Decodes a body of 1.0 with zstd, by another implementation.
pub(crate) fn decode_zstd(body: &[u8]) -> prompb::WriteRequest {
    let mut raw = Vec::new();
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(body).expect("zstd");
    std::io::Read::read_to_end(&mut decoder, &mut raw).expect("zstd");
    prompb::WriteRequest::decode(raw.as_slice()).expect("protobuf")
}

/// Decodes a body of 2.0 to what 1.0 would have sent, without metadata.
pub(crate) fn decode_v2(body: &[u8]) -> prompb::WriteRequest {
    let mut raw = Vec::new();
    compress::decompress(body, &mut raw, 64 << 20).expect("snappy");
    let request = prompb_v2::Request::decode(raw.as_slice()).expect("protobuf");
    assert_eq!(request.symbols.first().map(String::as_str), Some(""));
    let text = |at: &u32| request.symbols[*at as usize].clone();
    let labels = |refs: &[u32]| {
        let pairs = refs.chunks_exact(2);
        let label = |pair: &[u32]| prompb::Label {
            name: text(&pair[0]),
            value: text(&pair[1]),
        };
        pairs.map(label).collect()
    };
    let exemplar = |own: &prompb_v2::Exemplar| prompb::Exemplar {
        labels: labels(&own.labels_refs),
        value: own.value,
        timestamp: own.timestamp,
    };
    let sample = |own: &prompb_v2::Sample| prompb::Sample {
        value: own.value,
        timestamp: own.timestamp,
    };
    let series = |own: &prompb_v2::TimeSeries| prompb::TimeSeries {
        labels: labels(&own.labels_refs),
        samples: own.samples.iter().map(sample).collect(),
        exemplars: own.exemplars.iter().map(exemplar).collect(),
        histograms: own.histograms.clone(),
    };
    prompb::WriteRequest {
        timeseries: request.timeseries.iter().map(series).collect(),
        metadata: Vec::new(),
    }
}

/// A series as text, `instance/n`.
pub(crate) fn series_name(series: &prompb::TimeSeries) -> String {
    let value = |name: &str| {
        let label = series.labels.iter().find(|label| label.name == name);
        label.map_or("", |label| label.value.as_str())
    };
    format!("{}/{}", value("instance"), value("n"))
}

/// What a receiver has stored: the timestamps of every series in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) series: BTreeMap<String, Vec<i64>>,
}

impl Books {
    /// Stores a request.
    pub(crate) fn store(&mut self, request: &prompb::WriteRequest) {
        for series in &request.timeseries {
            let stored = self.series.entry(series_name(series)).or_default();
            stored.extend(series.samples.iter().map(|sample| sample.timestamp));
            stored.extend(series.histograms.iter().map(|own| own.timestamp));
        }
    }

    /// Samples stored.
    pub(crate) fn samples(&self) -> usize {
        self.series.values().map(Vec::len).sum()
    }

    /// Panics unless every series was stored in strict order of time: nothing twice, nothing
    /// late.
    pub(crate) fn assert_in_order(&self) {
        for (series, stored) in &self.series {
            let sorted = stored.windows(2).all(|pair| pair[0] < pair[1]);
            assert!(sorted, "{series}: {stored:?}");
        }
    }
}

/// An endpoint with Prometheus's defaults, quick retries and nothing written in its queue.
pub(crate) fn config(url: &str) -> RemoteWriteConfig {
    RemoteWriteConfig {
        url: url.to_owned(),
        name: "test".to_owned(),
        name_written: true,
        remote_timeout: Duration::from_secs(5),
        headers: Vec::new(),
        write_relabel_configs: Vec::new(),
        protobuf_message: ProtobufMessage::V1,
        send_exemplars: false,
        send_native_histograms: false,
        round_robin_dns: false,
        failed_request_logging: false,
        queue: QueueConfig {
            capacity: None,
            max_shards: None,
            min_shards: 1,
            max_samples_per_send: None,
            batch_send_deadline: Duration::from_millis(50),
            min_backoff: Duration::from_millis(5),
            max_backoff: Duration::from_millis(20),
            retry_on_http_429: None,
            sample_age_limit: Duration::ZERO,
        },
        metadata: MetadataConfig {
            send: true,
            send_interval: Duration::from_secs(60),
            max_samples_per_send: 2000,
        },
        narthex: NarthexConfig::default(),
        http_client: HttpClientConfig::default(),
    }
}

/// Books of losses in memory: samples by job and reason.
#[derive(Debug, Default)]
pub(crate) struct Ledger(pub(crate) Mutex<BTreeMap<(String, LossReason), u64>>);

impl LossRecorder for Ledger {
    fn lost(&self, lost: Lost<'_>) {
        let key = (lost.job.to_owned(), lost.reason);
        *self.0.lock().entry(key).or_default() += lost.samples;
    }
}
