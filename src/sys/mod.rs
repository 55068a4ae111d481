//! The doors to the operating system: clock, threads, files, signals, randomness.
//!
//! Nothing in here knows a word of the domain.

pub mod cgroup;
pub mod clock;
pub mod fs;
#[cfg(any(test, feature = "internals"))]
pub mod fs_sim;
pub mod harden;
pub mod host;
pub mod interfaces;
pub mod jitter;
pub mod mailbox;
pub mod memory;
pub mod memory_dir;
pub mod published;
pub mod pulse;
pub mod sandbox;
pub mod service;
pub mod signal;
pub mod thread;
pub mod usage;
