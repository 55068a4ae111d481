//! Limits of discovery: providers, their sets, their files.

use std::time::Duration;

/// Target sets are published at most this often when targets change, at once after such a pause;
/// the interval of Prometheus's scrape manager.
pub const SD_COALESCE: Duration = Duration::from_secs(5);

/// The first groups of a provider are published this long after the last publication at the
/// latest: a start should not wait for [`SD_COALESCE`], and each provider starts only once.
pub const SD_COALESCE_FIRST: Duration = Duration::from_millis(100);

/// After a start or a reload, how long the first publication waits for providers that only read
/// local files. Those take milliseconds, unless a file system hangs.
pub const SD_START_GRACE: Duration = Duration::from_millis(200);

/// Updates between the providers and the manager. When full, providers wait: back-pressure.
pub const SD_UPDATES: usize = 64;

/// Plans waiting to be applied. When full, the caller waits: reloads are rare.
pub const SD_PLANS: usize = 2;

/// Targets of one provider. A larger set is refused and the last good one stays: a compromised
/// source must not fill the memory. Static targets are the user's own and are not counted.
pub const SD_TARGETS_PER_PROVIDER: usize = 10_000;

/// Bytes of one target file.
pub const SD_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Files that the patterns of one file provider may match; a guard against `/*`.
pub const SD_FILES_PER_PROVIDER: usize = 10_000;

/// Bytes of one answer of an HTTP discovery server, decoded.
pub const SD_HTTP_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Shortest refresh interval; shorter ones are lengthened to it. Guards against a busy loop.
pub const SD_REFRESH_MIN: Duration = Duration::from_millis(100);

/// First pause after a provider failed before it ever succeeded, or panicked; doubles up to the
/// refresh interval. A network that comes up after us should not cost a whole interval.
pub const SD_RETRY_MIN: Duration = Duration::from_secs(1);

/// Longest pause before a provider that watches is started again.
pub const SD_RETRY_MAX: Duration = Duration::from_secs(60);

/// Pause before a provider that could not be created is tried again, say for a missing CA file.
pub const SD_REOPEN: Duration = Duration::from_secs(30);

/// A provider logs a failure at most this often; failures between are counted.
pub const SD_LOG_EVERY: Duration = Duration::from_secs(60);

/// Files change in bursts; they are read when this long has passed since the first event.
pub const SD_FILE_SETTLE: Duration = Duration::from_millis(50);

/// A file that was written to but not closed is left alone this long after the last write, in case
/// its writer is only slow; some writers never close.
pub const SD_FILE_WRITER: Duration = Duration::from_secs(5);

/// A missing file keeps its targets this long: some writers delete before they write anew.
pub const SD_FILE_GONE: Duration = Duration::from_secs(1);

/// Events between inotify and a file provider. When full they are dropped and everything is looked
/// at instead.
pub const SD_FILE_EVENTS: usize = 256;

/// Time for all provider threads to end when the agent stops; those still blocked in the system
/// are left behind.
pub const SD_STOP: Duration = Duration::from_secs(2);
