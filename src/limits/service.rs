//! What passes between the agent and the manager of services.

use std::time::Duration;

/// Sockets that a service manager may hand over; a few addresses of one web side.
pub const HANDED_SOCKETS_MAX: i32 = 16;

/// How often the pulses of the threads are looked at, and the status line is told when it has
/// changed. Also the longest pause between two signs of life, whatever the manager would allow.
pub const SERVICE_ROUND: Duration = Duration::from_secs(10);

/// How long a thread may work without taking a step before it counts as stuck, where the service
/// manager does not say how long it waits for a sign of life. Longer than any write to a slow flash
/// card takes, and than a page of the largest size takes to be read.
pub const STUCK_AFTER: Duration = Duration::from_secs(60);
