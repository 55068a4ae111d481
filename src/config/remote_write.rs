//! A remote-write endpoint.

use std::time::Duration;

use super::http_client::HttpClientConfig;
use crate::relabel::rule::Rule;
use crate::wire::compress::Compression;

/// One entry of `remote_write`.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteWriteConfig {
    /// Where to POST. Userinfo has been moved into `http_client.auth`.
    pub url: String,
    /// Written name, or six hex digits derived from the entry.
    pub name: String,
    /// Whether `name` was written: then it names the queue's position for ever.
    pub name_written: bool,
    /// Time for one attempt.
    pub remote_timeout: Duration,
    /// `headers`: extra request headers, values hidden in dumps.
    pub headers: Vec<(String, String)>,
    /// Applied to series after external labels.
    pub write_relabel_configs: Vec<Rule>,
    /// Which message is sent.
    pub protobuf_message: ProtobufMessage,
    /// Send exemplars.
    pub send_exemplars: bool,
    /// Send native histograms.
    pub send_native_histograms: bool,
    /// Try the addresses of the name in a random order for every new connection.
    pub round_robin_dns: bool,
    /// Log requests that the receiver refused.
    pub failed_request_logging: bool,
    /// Queue settings.
    pub queue: QueueConfig,
    /// Metadata settings (remote write 1.0 only).
    pub metadata: MetadataConfig,
    /// Settings that Prometheus does not have.
    pub narthex: NarthexConfig,
    /// How to reach the endpoint.
    pub http_client: HttpClientConfig,
}

/// Remote-write protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtobufMessage {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

/// `queue_config`. None means: not written, narthex chooses (requests fill to 10,000 samples or the
/// deadline; at most 4 shards). A written value is honoured to the letter, within a fixed number
/// of bytes a request.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueConfig {
    /// Samples a shard may hold beside the batch it builds.
    pub capacity: Option<u64>,
    /// Most shards.
    pub max_shards: Option<u32>,
    /// Fewest shards.
    pub min_shards: u32,
    /// Samples of a request.
    pub max_samples_per_send: Option<u64>,
    /// Longest wait of a sample in an unfilled batch.
    pub batch_send_deadline: Duration,
    /// First delay after a failure.
    pub min_backoff: Duration,
    /// Longest delay.
    pub max_backoff: Duration,
    /// None: retried, within the age limit; `Some(false)`: a 429 drops the batch.
    pub retry_on_http_429: Option<bool>,
    /// Samples older than this are dropped; zero for no limit.
    pub sample_age_limit: Duration,
}

/// `narthex`: settings of an endpoint that Prometheus does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NarthexConfig {
    /// Most bytes a second on the wire, positive; none for no limit.
    pub max_bytes_per_second: Option<u64>,
    /// What follows an answer that says that credentials or the address are wrong.
    pub unauthorized: Unauthorized,
    /// What messages of 1.0 are compressed with; those of 2.0 with snappy.
    pub compression: Compression,
}

/// What becomes of a request that is answered with 401 to 405 or 407.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Unauthorized {
    /// It is kept and sent again once a minute: somebody will repair it.
    #[default]
    Hold,
    /// It is dropped, as Prometheus does.
    Drop,
}

/// `metadata_config`.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataConfig {
    /// Whether metadata is sent.
    pub send: bool,
    /// How often.
    pub send_interval: Duration,
    /// Families of a request.
    pub max_samples_per_send: u64,
}
