//! `queue_config` and `metadata_config` of an endpoint.

use std::time::Duration;

use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::remote_write::{MetadataConfig, QueueConfig};

/// What Prometheus uses where nothing is written; only checks between fields need them.
const MAX_SHARDS: i64 = 50;
const MIN_SHARDS: i64 = 1;
const DEADLINE: Duration = Duration::from_secs(5);
const MIN_BACKOFF: Duration = Duration::from_millis(30);
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// An endpoint without `queue_config`.
pub(super) fn default() -> QueueConfig {
    QueueConfig {
        capacity: None,
        max_shards: None,
        min_shards: 1,
        max_samples_per_send: None,
        batch_send_deadline: DEADLINE,
        min_backoff: MIN_BACKOFF,
        max_backoff: MAX_BACKOFF,
        retry_on_http_429: None,
        sample_age_limit: Duration::ZERO,
    }
}

pub(super) fn read(at: &Cursor<'_>) -> Decoded<QueueConfig> {
    if at.node.is_null() {
        // go-yaml makes all fields zero, which Prometheus refuses.
        return Err(at.rule("remote write queue max_shards must be positive"));
    }
    let mut fields = Fields::new(at, "config.QueueConfig")?;
    let max_shards = fields.i64("max_shards");
    let min_shards = fields.i64("min_shards");
    let per_send = fields.i64("max_samples_per_send");
    let capacity = fields.i64("capacity");
    positive(&mut fields, "max_shards", max_shards);
    positive(&mut fields, "min_shards", min_shards);
    positive(&mut fields, "max_samples_per_send", per_send);
    positive(&mut fields, "capacity", capacity);
    let (least, most) = (
        min_shards.unwrap_or(MIN_SHARDS),
        max_shards.unwrap_or(MAX_SHARDS),
    );
    if most > 0 && least > most {
        fields.rule(
            "min_shards",
            "remote write queue min_shards must not be greater than max_shards",
        );
    }
    let queue = QueueConfig {
        capacity: capacity.map(natural),
        max_shards: max_shards.map(small),
        min_shards: small(least),
        max_samples_per_send: per_send.map(natural),
        batch_send_deadline: fields.duration("batch_send_deadline").unwrap_or(DEADLINE),
        min_backoff: fields.duration("min_backoff").unwrap_or(MIN_BACKOFF),
        max_backoff: fields.duration("max_backoff").unwrap_or(MAX_BACKOFF),
        retry_on_http_429: fields.bool("retry_on_http_429"),
        sample_age_limit: fields.duration("sample_age_limit").unwrap_or_default(),
    };
    if queue.max_backoff < queue.min_backoff {
        fields.rule(
            "max_backoff",
            "remote write queue max_backoff must not be less than min_backoff",
        );
    }
    fields.finish()?;
    Ok(queue)
}

fn positive(fields: &mut Fields<'_>, key: &str, number: Option<i64>) {
    if number.is_some_and(|number| number <= 0) {
        fields.rule(key, format!("remote write queue {key} must be positive"));
    }
}

fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn small(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

/// An endpoint without `metadata_config`.
pub(super) fn default_metadata() -> MetadataConfig {
    MetadataConfig {
        send: true,
        send_interval: Duration::from_secs(60),
        max_samples_per_send: 2000,
    }
}

pub(super) fn read_metadata(at: &Cursor<'_>) -> Decoded<MetadataConfig> {
    let default = match at.node.is_null() {
        false => default_metadata(),
        true => MetadataConfig {
            send: false,
            send_interval: Duration::ZERO,
            max_samples_per_send: 0,
        },
    };
    let mut fields = Fields::new(at, "config.MetadataConfig")?;
    let metadata = MetadataConfig {
        send: fields.bool("send").unwrap_or(default.send),
        send_interval: fields
            .duration("send_interval")
            .unwrap_or(default.send_interval),
        max_samples_per_send: fields
            .i64("max_samples_per_send")
            .map_or(default.max_samples_per_send, natural),
    };
    fields.finish()?;
    Ok(metadata)
}
