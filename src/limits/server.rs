//! Limits of what others ask of us: the web side and the embedded receiver.

use std::time::Duration;

/// Bytes of a request line: a longer one is an attack or a mistake.
pub const HTTP_REQUEST_LINE_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a request's head, and of a body's trailers.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Headers of a request.
pub const HTTP_HEADERS_MAX: usize = 64;

/// Bytes of the line before a chunk, extensions included, and of one trailer.
pub const HTTP_CHUNK_LINE_BYTES_MAX: usize = 1024;

/// Empty lines that are read over before a request; clients of old sent one.
pub const HTTP_EMPTY_LINES_MAX: usize = 8;

/// Time for the head of a request: from its first byte, or from the connect of a new client.
pub const HTTP_HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for the body of a request, all of it.
pub const HTTP_BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for a handler that promised its answer; longer than a reload takes that is still going
/// to end.
pub const HTTP_HANDLING_TIMEOUT: Duration = Duration::from_secs(60);

/// Time for a client to take its answer, all of it.
pub const HTTP_WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a closed conversation waits for the client to have read its last answer.
pub const HTTP_LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for requests under way when the server stops.
pub const HTTP_STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a new client is safe from being sent away for another: time to say something.
pub const HTTP_GRACE: Duration = Duration::from_millis(500);

/// Bytes of a request's body, or of an answer, that must move within that time for a client to keep its
/// place when others wait for one.
pub const HTTP_PROGRESS_BYTES: usize = 1024;

/// Bytes of all answers that clients have not taken yet, or the part of the memory budget that a page
/// may have where that is less.
pub const HTTP_ANSWERS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// An answer may have so many bytes whatever is held: the agent scrapes itself, and is watched.
pub const HTTP_ANSWER_BYTES_MIN: usize = 512 * 1024;

/// Bodies of at most so many bytes are copied behind their head, so that both go out in one write.
pub const HTTP_COPIED_BODY_BYTES: usize = 16 * 1024;

/// Pause after a failed accept, which is mostly a lack of file descriptors.
pub const HTTP_ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Bytes of one read from a client.
pub const HTTP_READ_BYTES: usize = 16 * 1024;

/// Events of one poll; more simply come with the next.
pub const HTTP_EVENTS: usize = 64;

/// Reads and writes of one client before the others have their turn.
pub const HTTP_ROUNDS: usize = 16;

/// Places in the server's mailbox beside one for each client's promised answer: for the order to
/// stop, and for late answers to clients that are gone.
pub const HTTP_MAIL_SPARE: usize = 8;

/// Clients of the web side at once.
pub const WEB_CLIENTS_MAX: usize = 32;

/// Bytes of body that a web route takes; none uses it, but POST requests may carry a form.
pub const WEB_BODY_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of the compiled regular expressions of a request's selector, all together.
pub const SELECTOR_REGEX_BYTES_MAX: usize = 512 * 1024;

/// Matchers of a request's selector.
pub const SELECTOR_MATCHERS_MAX: usize = 16;

/// Bytes of one answer of the web side.
pub const WEB_ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of a help text that the API shows.
pub const WEB_HELP_BYTES_MAX: usize = 16 * 1024;

/// Targets on the status page; the API shows all.
pub const STATUS_TARGETS_MAX: usize = 1000;

/// Clients of the embedded receiver: shards of a few agents.
pub const RECEIVE_CLIENTS_MAX: usize = 64;

/// How long a sender may pause: longer than the default scrape interval.
pub const RECEIVE_IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Bytes of a compressed message: what Prometheus's largest configured batches need, and more.
pub const RECEIVE_BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bytes of a message when decompressed.
pub const RECEIVE_MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of the labels of all series of a 2.0 message, each written out: as many as a message of 1.0
/// could hold.
pub const RECEIVE_UNFOLDED_BYTES_MAX: usize = RECEIVE_MESSAGE_BYTES_MAX;

/// Jobs that are counted apart.
pub const RECEIVE_JOBS_MAX: usize = 1000;

/// Targets that are told apart.
pub const RECEIVE_TARGETS_MAX: usize = 100_000;

/// Series whose order is checked; 24 bytes each.
pub const RECEIVE_SERIES_MAX: usize = 1_000_000;

/// Samples that are shown as examples.
pub const RECEIVE_EXAMPLES: usize = 5;

/// Jobs in the table on the terminal: what fits beside the rest.
pub const RECEIVE_TABLE_ROWS: usize = 15;

/// How often the terminal is refreshed.
pub const RECEIVE_REPORT_INTERVAL: Duration = Duration::from_secs(1);
