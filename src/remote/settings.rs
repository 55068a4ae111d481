//! The settings of a queue with narthex's own choices filled in.

use std::time::Duration;

use super::answer::Manners;
use super::reshard::ShardBounds;
use super::shard::ShardSettings;
use crate::config::remote_write::RemoteWriteConfig;
use crate::config::secret::Secret;
use crate::limits;
use crate::net::mask::Mask;

/// What the threads of an endpoint need of its configuration.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// For each shard.
    pub shard: ShardSettings,
    /// Samples that a shard holds beside its batch.
    pub capacity: u64,
    /// Number of shards.
    pub bounds: ShardBounds,
    /// Time for one attempt.
    pub timeout: Duration,
    /// What the configuration says about answers.
    pub manners: Manners,
    /// What must not be shown of what the endpoint says.
    pub mask: Mask,
    /// Samples older than this are not sent.
    pub age_limit: Option<Duration>,
    /// Whether exemplars are sent.
    pub exemplars: bool,
    /// Whether native histograms are sent.
    pub histograms: bool,
}

impl QueueSettings {
    /// A written value is taken to the letter; an unwritten one is ours.
    #[must_use]
    pub fn new(config: &RemoteWriteConfig) -> QueueSettings {
        let queue = &config.queue;
        let min = queue.min_shards.max(1);
        let max = queue
            .max_shards
            .unwrap_or(limits::REMOTE_SHARDS_MAX.max(min));
        QueueSettings {
            shard: ShardSettings {
                samples: queue
                    .max_samples_per_send
                    .unwrap_or(limits::REMOTE_BATCH_SAMPLES)
                    .max(1),
                raw_bytes: limits::REMOTE_BATCH_RAW_BYTES,
                deadline: queue.batch_send_deadline,
                min_backoff: queue.min_backoff,
                max_backoff: queue.max_backoff,
            },
            capacity: queue
                .capacity
                .unwrap_or(limits::REMOTE_SHARD_CAPACITY_SAMPLES),
            bounds: ShardBounds {
                min,
                max: max.max(min),
            },
            timeout: config.remote_timeout,
            manners: Manners {
                retry_429: queue.retry_on_http_429 != Some(false),
                unauthorized: config.narthex.unauthorized,
            },
            mask: mask(config),
            age_limit: (queue.sample_age_limit > Duration::ZERO).then_some(queue.sample_age_limit),
            exemplars: config.send_exemplars,
            histograms: config.send_native_histograms,
        }
    }

    /// The oldest timestamp that is still sent at `wall_ms`, milliseconds since 1970.
    #[must_use]
    pub fn oldest_ms(&self, wall_ms: i64) -> i64 {
        self.age_limit.map_or(i64::MIN, |limit| {
            let limit = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
            wall_ms.saturating_sub(limit)
        })
    }
}

/// What must not be shown of what an endpoint says.
pub fn mask(config: &RemoteWriteConfig) -> Mask {
    let headers = config.headers.iter();
    let headers = headers.map(|(_, value)| Secret::new(value.as_str()));
    Mask::new(&config.http_client, headers.collect())
}
