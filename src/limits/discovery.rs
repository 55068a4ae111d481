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

/// Bytes of labels of all targets of one provider, those of a group or a container counted in each
/// of its targets: a small answer could become a very large set. With as many targets as there may
/// be, 6.7 KB each.
pub const SD_LABEL_BYTES_PER_PROVIDER: usize = 64 * 1024 * 1024;

/// Bytes of one target file.
pub const SD_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Files that the patterns of one file provider may match; a guard against `/*`.
pub const SD_FILES_PER_PROVIDER: usize = 10_000;

/// Bytes of one answer of a server that is asked for targets, decoded.
pub const SD_HTTP_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Shortest refresh interval; shorter ones are lengthened to it. Guards against a busy loop.
pub const SD_REFRESH_MIN: Duration = Duration::from_millis(100);

/// First pause after a provider failed before it ever succeeded, or panicked; doubles up to the
/// refresh interval. A network that comes up after us should not cost a whole interval.
pub const SD_RETRY_MIN: Duration = Duration::from_secs(1);

/// Longest pause before a provider that watches is started again.
pub const SD_RETRY_MAX: Duration = Duration::from_secs(60);

/// Shortest time for one answer, however short the refresh interval: a busy server is not a dead
/// one.
pub const SD_ANSWER_MIN: Duration = Duration::from_secs(1);

/// Longest time for one answer, however long the refresh interval.
pub const SD_ANSWER_MAX: Duration = Duration::from_secs(60);

/// After a provider hears of a change, how long it waits for the rest of the burst: starting one
/// container is a handful of events.
pub const SD_NEWS_SETTLE: Duration = Duration::from_millis(200);

/// Refreshes because of news begin at least this far apart: a container that restarts in a loop
/// must not become a loop of refreshes.
pub const SD_NEWS_GAP: Duration = Duration::from_secs(1);

/// Time until a stream of events begins.
pub const SD_EVENTS_HEAD: Duration = Duration::from_secs(30);

/// A stream of events that says nothing for so long is opened anew: its peer may be gone without a
/// word.
pub const SD_EVENTS_SILENCE: Duration = Duration::from_mins(10);

/// Blocking queries of one Consul provider for the health of services, a thread each. With no more
/// services than this each is asked about all the time, with more they take turns. One more thread
/// asks for the list of services, and one for services that are new.
pub const SD_CONSUL_WATCHERS: usize = 8;

/// Services that one Consul provider watches; the first ones in the order of their names. Half of
/// the targets a provider may have.
pub const SD_CONSUL_SERVICES: usize = 5_000;

/// Longest wait of a blocking query for the list of services: Prometheus's figure.
pub const SD_CONSUL_LIST_WAIT: Duration = Duration::from_mins(2);

/// Longest wait of a blocking query for the health of a service. Prometheus waits 2 minutes; here
/// so many services can appear meanwhile that they have to take turns.
pub const SD_CONSUL_HEALTH_WAIT: Duration = Duration::from_secs(30);

/// What an answer of Consul may take beyond the wait, to which Consul adds up to a sixteenth:
/// Prometheus's figure.
pub const SD_CONSUL_SLACK: Duration = Duration::from_secs(15);

/// Answers that one query may have early, that is with news, within a refresh interval: the first
/// changes after a quiet time are seen at once, a service that changes all the time costs what its
/// interval allows. Also how often within a refresh interval each service has its turn, if they
/// take turns.
pub const SD_CONSUL_BURST: u32 = 3;

/// When services take turns, all rounds together have one question in this time: thousands of
/// services do not become thousands of questions a second.
pub const SD_CONSUL_TURN: Duration = Duration::from_millis(20);

/// Pause before a provider that could not be created is tried again, say for a missing CA file.
pub const SD_REOPEN: Duration = Duration::from_secs(30);

/// A provider logs a failure at most this often; failures between are counted.
pub const SD_LOG_EVERY: Duration = Duration::from_secs(60);

/// Files change in bursts; they are read when this long has passed since the first event.
pub const SD_FILE_SETTLE: Duration = Duration::from_millis(50);

/// A file that was written to but not closed is left alone this long after the last write, in case
/// its writer is only slow; some writers never close.
pub const SD_FILE_WRITER: Duration = Duration::from_secs(5);

/// A missing file, or one that was emptied, keeps its targets this long: some writers delete before
/// they write anew, most empty the file.
pub const SD_FILE_GONE: Duration = Duration::from_secs(1);

/// Events between inotify and a file provider. When full they are dropped and everything is looked
/// at instead.
pub const SD_FILE_EVENTS: usize = 256;

/// Time for all provider threads to end when the agent stops; those still blocked in the system
/// are left behind.
pub const SD_STOP: Duration = Duration::from_secs(2);
