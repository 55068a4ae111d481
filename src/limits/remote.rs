//! Limits of sending: batches, shards, waits.

use std::time::Duration;

/// Most samples of a request when `max_samples_per_send` is not written. Larger requests gain
/// nothing with snappy, smaller ones cost round trips (13 times as many at Prometheus's old 500).
pub const REMOTE_BATCH_SAMPLES: u64 = 10_000;

/// Largest request before compression, in bytes, by estimate: snappy makes it about 1 MiB at the
/// worst label sets seen, and receivers refuse messages that unpack to more than 32 MiB.
pub const REMOTE_BATCH_RAW_BYTES: usize = 4 * 1024 * 1024;

/// Native histograms at which a request is full, whatever it may hold of other samples; a shard holds
/// twice as many. Each takes a kilobyte or two in memory, where another sample takes 8 bytes.
pub const REMOTE_BATCH_HISTOGRAMS: u64 = 2048;

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

/// Time between requests while the receiver answers 401 to 405, 407 or 415: somebody has to
/// repair credentials or an address, and a request in a minute notices it soon enough.
pub const REMOTE_HOLD: Duration = Duration::from_secs(60);

/// Refusals that lead to a closer look at one batch, two requests each. One bad series in 10,000
/// samples needs 14, three in different places about 40. When they are spent, what is refused is
/// given up without looking closer, and counted as `unsearched`.
pub const REMOTE_BISECT_REQUESTS: u32 = 128;

/// The same for refusals as already there, which follow a crash: a batch of 200 small blocks, all
/// repeated, needs 1,600.
pub const REMOTE_REPEATED_REQUESTS: u32 = 2048;

/// Full requests that are taken before requests that a 413 has made smaller grow again: it costs one
/// refused request to find that the limit still holds.
pub const REMOTE_GROW_AFTER: u32 = 8;

/// The same after many a 413: such a request in hundreds is no burden for any uplink.
pub const REMOTE_GROW_AFTER_MAX: u32 = 256;

/// How often a block that the receiver "already has" is halved before the rest of it is believed
/// to be a repetition too, as after a crash: eight requests a block instead of two a sample.
pub const REMOTE_REPEATED_DEPTH: u8 = 2;

/// Time for which a batch gets nothing but 5xx before it is suspected of being the cause. Most
/// outages are over by then, and the suspicion alone costs nothing.
pub const REMOTE_SET_ASIDE_AFTER: Duration = Duration::from_secs(300);

/// 5xx answers that it gets at least before it is suspected.
pub const REMOTE_SET_ASIDE_ATTEMPTS: u32 = 10;

/// Failures, each after something else was taken since the one before, that make it certain.
/// An ill receiver that takes every other request gives three by chance once in eight times, but
/// not after five minutes of nothing else.
pub const REMOTE_SET_ASIDE_STRIKES: u32 = 3;

/// Time between two tries of what is set aside; one request each.
pub const REMOTE_ASIDE_RETRY: Duration = Duration::from_secs(60);

/// Time after which what is set aside is given up, if it still fails while others are taken: a
/// receiver gets repaired within a working day or not at all.
pub const REMOTE_ASIDE_MAX: Duration = Duration::from_secs(6 * 3600);

/// Batches that a shard sets aside; beyond, the oldest is given up. One request a minute tries
/// each of them every hour.
pub const REMOTE_ASIDE_BATCHES: usize = 64;

/// Samples that a shard sets aside; each may hold a whole block in memory.
pub const REMOTE_ASIDE_SAMPLES: u64 = 10_000;

/// Bytes of a request beside its body, by estimate: request line, headers and, on an encrypted
/// connection, the framing. Counts against `max_bytes_per_second`.
pub const REMOTE_HEAD_BYTES: u64 = 512;

/// What a limit of bytes a second lets through at once after a pause, as time at that limit.
pub const REMOTE_RATE_BURST: Duration = Duration::from_secs(1);

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
/// in the log and its position says so. A reload waits as long for a flush that it has cut short.
pub const REMOTE_STOP_PATIENCE: Duration = Duration::from_millis(900);

/// While stopping: time that an endpoint's thread gets to end after its requests were cut. One
/// that hangs in a call of the system is left behind; the process is ending.
pub const REMOTE_CUT_PATIENCE: Duration = Duration::from_millis(100);

/// Longest sleep of an endpoint's thread.
pub const REMOTE_SLEEP_MAX: Duration = Duration::from_secs(60);

/// A request buffer larger than this is given back after the request, in bytes: what a backlog
/// needed, a quiet link does not.
pub const REMOTE_BODY_KEEP_BYTES: usize = 256 * 1024;

/// Bytes of the table of symbols that are handed to the compressor at once: what it looks back to.
pub const REMOTE_SYMBOLS_PART_BYTES: usize = 64 * 1024;

/// Time for which an endpoint that does not understand remote write 2.0, or zstd, gets 1.0 with snappy
/// before it is tried again, with one request: receivers are updated, and the refused request is small.
pub const REMOTE_VERSION_PROBE: Duration = Duration::from_secs(3600);

/// zstd looks back two to the power of so many bytes: as far as the raw message of 9,000 samples goes,
/// so that an entry is found again in that of another target. It also is what its encoder holds, beside
/// 0.9 MB of tables and buffers; what a smaller request leaves empty is never touched.
pub const ZSTD_WINDOW_LOG: u32 = 20;

/// Two to the power of so many places, of four bytes each, of the table by which zstd finds matches: a
/// larger one saves nothing.
pub const ZSTD_HASH_LOG: u32 = 14;
