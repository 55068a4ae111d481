//! Limits of sending: batches, shards, waits.

use std::time::Duration;

/// Most samples of a request when `max_samples_per_send` is not written. Larger requests gain
/// nothing with snappy, smaller ones cost round trips (13 times as many at Prometheus's old 500).
pub const REMOTE_BATCH_SAMPLES: u64 = 10_000;

/// Largest request before compression, in bytes, by estimate: snappy makes it about 1 MiB at the
/// worst label sets seen, and receivers refuse messages that unpack to more than 32 MiB.
pub const REMOTE_BATCH_RAW_BYTES: usize = 4 * 1024 * 1024;

/// Samples a shard holds beside its batch when `capacity` is not written (Prometheus's default).
pub const REMOTE_SHARD_CAPACITY_SAMPLES: u64 = 10_000;

/// Most blocks a shard holds, whatever they contain: bounds its channel. The endpoint counts
/// them and never sends more, so its sends never block.
pub const REMOTE_SHARD_BLOCKS: usize = 1024;

/// Most shards when `max_shards` is not written: a small machine's uplink is full before.
pub const REMOTE_SHARDS_MAX: u32 = 4;

/// Orders to an endpoint (reconfigure, stop) that wait for its thread. Senders block.
pub const REMOTE_ORDERS: usize = 4;

/// Longest wait that a receiver's `Retry-After` can cause. What it says beyond is not believed.
pub const REMOTE_RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Time between requests while the receiver answers 401, 403, 404, 407 or 415: somebody has to
/// repair credentials or an address, and a request in a minute notices it soon enough.
pub const REMOTE_HOLD: Duration = Duration::from_secs(60);

/// Requests spent on finding the refused samples of one batch. Two bad series of 10,000 samples
/// need 56. When they are spent, what is refused is dropped without looking closer.
pub const REMOTE_BISECT_REQUESTS: u32 = 128;

/// How often a block that the receiver "already has" is halved before the rest of it is believed
/// to be a repetition too, as after a crash: seven requests a block instead of two a sample.
pub const REMOTE_REPEATED_DEPTH: u8 = 2;

/// Bytes of an answer's body that are read.
pub const REMOTE_ANSWER_BYTES: usize = 4096;

/// Characters of an answer's body that are logged and shown.
pub const REMOTE_EXCERPT_CHARS: usize = 200;

/// Time between log lines about one endpoint's failures.
pub const REMOTE_COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// Time between decisions about the number of shards, and the length of a rate's tick
/// (Prometheus's `shardUpdateDuration`).
pub const REMOTE_RESHARD_INTERVAL: Duration = Duration::from_secs(10);

/// Wait before the source is asked again after it failed, and before a block whose epoch is not
/// frozen is looked at again.
pub const REMOTE_SOURCE_RETRY: Duration = Duration::from_secs(1);

/// Blocks taken from the source before the clock is read and the channels are looked at again.
pub const REMOTE_PULL_BLOCKS: usize = 256;

/// While stopping: time without an acknowledgement after which flushing ends. What is left stays
/// in the log and its position says so.
pub const REMOTE_STOP_PATIENCE: Duration = Duration::from_millis(900);

/// While stopping: time that an endpoint's thread gets to end after its requests were cut. One
/// that hangs in a call of the system is left behind; the process is ending.
pub const REMOTE_CUT_PATIENCE: Duration = Duration::from_millis(100);

/// Longest sleep of an endpoint's thread.
pub const REMOTE_SLEEP_MAX: Duration = Duration::from_secs(60);

/// A request buffer larger than this is given back after the request, in bytes: what a backlog
/// needed, a quiet link does not.
pub const REMOTE_BODY_KEEP_BYTES: usize = 256 * 1024;
