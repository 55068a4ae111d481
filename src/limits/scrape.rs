//! Limits of scraping: pages, rows, targets, workers.

use std::time::Duration;

/// Rows of a key chunk before a cut by content is considered: a chunk costs about 400
/// bytes beside its texts, with what the log keeps of it.
pub const CHUNK_ROWS_MIN: usize = 16;

/// Rows after which a key chunk is cut in any case: what one changed row may cost to rebuild.
pub const CHUNK_ROWS_MAX: usize = 512;

/// One row text in this many is a cut by content, so large families are cut every 64 rows or so.
pub const CHUNK_CUT_MODULUS: u64 = 64;

/// How far in the future an explicit timestamp may lie (Prometheus's `maxAheadTime`).
pub const FUTURE_SAMPLE_MS_MAX: i64 = 10 * 60 * 1000;

/// Characters in the labels of an exemplar, names and values together (OpenMetrics).
pub const EXEMPLAR_LABEL_CHARS_MAX: usize = 128;

/// Samples of a scrape when the configuration gives no `sample_limit`: a million, ten times what
/// the largest known exporters show.
pub const SCRAPE_SAMPLES_MAX: u64 = 1_000_000;

/// Synthetic series of a target: `up` and its seven companions.
pub const REPORT_SERIES_MAX: usize = 8;

/// Targets of a job whose errors are logged one by one at a sync; the rest is only counted.
pub const TARGET_ERRORS_LOGGED_MAX: usize = 10;

/// Dropped targets remembered per job when `keep_dropped_targets` is not written. Prometheus has
/// no bound there; a job that discovers a whole cluster and keeps one node must not fill memory.
pub const DROPPED_TARGETS_KEPT_MAX: usize = 1000;

/// Longest item of a page: a row with its labels, or a comment. Bounds what is kept while the
/// rest of an item is awaited. No exporter comes near it.
pub const EXPOSITION_ITEM_BYTES_MAX: usize = 1024 * 1024;

/// Bytes that a page may take as rows (protobuf, or histograms that are put together): each row
/// repeats the labels that the page has once, so little can become much.
pub const ROWS_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How many times the memory of a page its rows may take within a memory budget.
pub const ROWS_BYTES_FACTOR: u64 = 4;

/// Parameters of a `Content-Type`. Targets send three at most; the time to look for duplicates grows with
/// the square.
pub const CONTENT_TYPE_PARAMETERS_MAX: usize = 32;

/// Bytes of a page that an error message quotes.
pub const PARSE_ERROR_EXCERPT_BYTES: usize = 256;

/// Decoded bytes of a page when the configuration gives no `body_size_limit`: the largest known
/// exporters stay below a third of it.
pub const SCRAPE_BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// When a scrape is due, those that are due so soon after it are ordered with it, for the workers to
/// begin in time: the scheduler wakes ten times a second at most.
pub const SCRAPE_AHEAD: Duration = Duration::from_millis(100);

/// A poll counts in milliseconds, and would be up to one late if it were asked for less: what is left
/// of a millisecond is not waited for.
pub const POLL_STEP: Duration = Duration::from_millis(1);

/// Orders a worker's mailbox holds: a thousand targets may be due in one turn.
pub const WORKER_MAILBOX: usize = 1024;

/// Scrape workers: one keeps a core busy; more than four do not help on the hosts this is for.
pub const SCRAPE_WORKERS_MAX: usize = 4;

/// Events a worker takes from its poll at once; more wait for the next turn.
pub const WORKER_EVENTS: usize = 256;

/// Other targets with the same public labels that are asked what they have shown when one of them
/// ends. Where relabelling makes more of them equal, nothing in their series tells them apart, and
/// none of them gets markers as long as there are so many.
pub const SCRAPE_TWINS_MAX: usize = 16;
