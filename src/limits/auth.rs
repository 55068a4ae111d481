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
