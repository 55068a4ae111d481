//! Limits of `narthex discover`.

use std::time::Duration;

/// How long to wait for every provider to answer; the default of promtool.
pub const PREVIEW_TIMEOUT: Duration = Duration::from_secs(30);

/// Pause between two publications of changes: somebody is watching.
pub const PREVIEW_COALESCE: Duration = Duration::from_millis(100);

/// How often the state of the providers is looked at.
pub const PREVIEW_TICK: Duration = Duration::from_millis(100);
