//! Limits of the web server's own security: passwords, TLS.

use std::time::Duration;

/// TLS sessions that the web server remembers, so that clients that come back need no whole
/// handshake; about 1 KiB each.
pub const WEB_TLS_SESSIONS: usize = 64;

/// Bytes of a web configuration file.
pub const WEB_CONFIG_BYTES: u64 = 1024 * 1024;

/// Passwords of which the outcome is remembered, good and bad ones apart, so that bad ones never
/// displace good ones. Prometheus keeps 100.
pub const WEB_VERDICTS: usize = 100;

/// Passwords waiting to be checked. Each client of the server has one request under way.
pub const WEB_CHECKS: usize = 32;

/// Wrong passwords that are checked in a row; each costs the processor about a tenth of a second.
pub const WEB_WRONG_PASSWORDS: u32 = 20;

/// How long until one more wrong password may be checked.
pub const WEB_WRONG_PASSWORD_INTERVAL: Duration = Duration::from_secs(2);

/// How often the log repeats that a client was refused, or that a file cannot be used.
pub const WEB_COMPLAINT_INTERVAL: Duration = Duration::from_mins(1);

/// How long before its end a token or temporary key is not used any more, as Go's client has it; a
/// quarter of its life if that is less.
pub const GRANT_MARGIN: Duration = Duration::from_secs(10);

/// How long before its end the next one is fetched at the earliest; a fifth of its life if that is
/// less.
pub const GRANT_RENEWAL: Duration = Duration::from_mins(5);

/// Pause after the first failure to fetch one; it doubles with each. One that lasts no longer than
/// that is a failure too.
pub const GRANT_RETRY_MIN: Duration = Duration::from_secs(1);

/// The longest pause.
pub const GRANT_RETRY_MAX: Duration = Duration::from_mins(1);

/// How often who waits for one looks whether its client was shut down.
pub const GRANT_WAIT_TURN: Duration = Duration::from_millis(250);

/// How often the log repeats that a source fails.
pub const GRANT_COMPLAINT_INTERVAL: Duration = Duration::from_mins(1);

/// Time for one request to a token server or a metadata service.
pub const GRANT_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of an answer of theirs that are read: tokens have a few KiB.
pub const GRANT_ANSWER_BYTES: usize = 256 * 1024;

/// Letters of a server's explanation that are shown.
pub const GRANT_ERROR_CHARS: usize = 200;

/// How long a signed assertion is valid, as in Prometheus.
pub const ASSERTION_LIFETIME: Duration = Duration::from_mins(10);

/// Time for one question to a metadata service: it is on this host or next to it, or not there.
pub const AWS_METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a file of AWS's tools that are read.
pub const AWS_FILE_BYTES: u64 = 1024 * 1024;

/// How long keys from a file, or without an end, are used before they are looked up again.
pub const AWS_FILE_KEYS_LIFETIME: Duration = Duration::from_mins(10);

/// Profiles that may lead to one another.
pub const AWS_PROFILE_DEPTH: usize = 4;
