//! The books of what queues have lost, kept beside their positions across restarts.
//!
//! [`book`] takes losses from every thread, [`mod@file`] stores them (`docs/log-format.md`, 9),
//! [`seat`] decides which blocks a queue loses when they leave the log, [`tally`] counts them.
//!
//! A loss counts once, also across a crash: it is stored together with the position that settles
//! its block, because before that the block is sent, and perhaps refused, again.

pub mod book;
pub mod file;
pub mod seat;
pub mod tally;

pub use self::book::LossBook;
pub use self::file::read;
