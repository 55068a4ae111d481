//! Every capacity, size and deadline of the program: a name with its unit, and the reason.
//!
//! A number that bounds something a peer, a file or a user can grow stands here and nowhere else.
//! Values that Prometheus fixes say so; where a configuration key exists, the constant is its
//! default.

mod auth;
mod client;
mod discovery;
mod kubernetes;
mod loss;
mod mdns;
mod preview;
mod remote;
mod scrape;
mod server;
mod service;
mod stores;
mod wal;

use std::time::Duration;

pub use self::auth::*;
pub use self::client::*;
pub use self::discovery::*;
pub use self::kubernetes::*;
pub use self::loss::*;
pub use self::mdns::*;
pub use self::preview::*;
pub use self::remote::*;
pub use self::scrape::*;
pub use self::server::*;
pub use self::service::*;
pub use self::stores::*;
pub use self::wal::*;

/// Stack of every thread. Address space only: pages are taken when touched. Deep enough for a TLS
/// handshake and for the regex compiler, which are the deepest callers we have.
pub const THREAD_STACK_BYTES: usize = 1024 * 1024;

/// Blocks of memory from this size come from the system one by one, in bytes, and go back to it when
/// they are freed. The last page of each is half empty on average: 3% of the smallest. A system call
/// and page faults for each are paid by bodies of pages, buffers and tables while they grow.
pub const LARGE_BLOCK_BYTES: usize = 64 * 1024;

/// By so many bytes the heap of small blocks grows and shrinks: the smallest hole that can go back to
/// the system. A power of two.
pub const HEAP_SEGMENT_BYTES: usize = 64 * 1024;

/// The heap looks for segments to give back every so many frees of blocks of 256 bytes and more.
pub const HEAP_RELEASE_FREES: usize = 1024;

/// Every so often main gives back what is free in the heap, however little it is used.
pub const HEAP_RELEASE_INTERVAL: Duration = Duration::from_secs(10);

/// Share of the memory limit of the process's cgroup, in percent, that is the memory budget unless
/// one is written: the rest is for stacks, the program's pages and what the kernel keeps for us.
pub const MEMORY_BUDGET_PERCENT: u64 = 75;

/// A page may have one part in this many of the memory budget, decoded or not: while it is read for
/// the first time, what comes of it takes several times as much, on as many workers as there are.
pub const MEMORY_BODY_PARTS: u64 = 16;

/// A page may have so many bytes however small the memory budget is.
pub const MEMORY_BODY_BYTES_MIN: u64 = 256 * 1024;

/// Clients of the web side that are served while memory runs short: the agent itself, and somebody who
/// watches it.
pub const MEMORY_CLIENTS: usize = 2;

/// Scrapes under way on one worker while memory runs short.
pub const MEMORY_EXCHANGES: usize = 1;

/// How long small pages go before larger ones that wait, while memory runs short.
pub const MEMORY_PATIENCE: Duration = Duration::from_secs(2);

/// After a target was given up for want of memory, its worker gives up no other for so long: what it
/// held is free when its last block has gone.
pub const MEMORY_GIVE_UP_PAUSE: Duration = Duration::from_secs(5);

/// Requests have one part in this many of their usual size while memory runs short.
pub const MEMORY_BATCH_PARTS: u64 = 8;

/// The program's file is mapped in stretches of so many bytes, which bounds what the system makes
/// resident around one page that is needed. Smaller ones save little more and cost the system a
/// note of 200 bytes each.
pub const PROGRAM_STRETCH_BYTES: usize = 16 * 1024;

/// After the start, pages of the program file are let go for the first time then, when all that is
/// needed only once has happened; each next time after twice as long.
pub const PROGRAM_FORGET_FIRST: Duration = Duration::from_secs(10);

/// The longest pause between two times that pages of the program file are let go: what a reload or a
/// visitor of the web pages needed is gone after that.
pub const PROGRAM_FORGET_PAUSE_MAX: Duration = Duration::from_secs(600);

/// Times before this (2026-01-01 UTC) cannot be right: the program did not exist.
pub const CLOCK_PLAUSIBLE_AFTER_MS: i64 = 1_767_225_600_000;

/// How long a clock that lies behind the newest time in the log holds sending back before it is
/// believed: long enough for a time service to start on a slow link.
pub const CLOCK_DOUBT_MAX: Duration = Duration::from_secs(600);

/// A difference between both clocks that counts as a step; slewing stays below it for hours.
pub const CLOCK_STEP_MIN: Duration = Duration::from_secs(1);

/// Bytes of one configuration file. Far above any real one (50,000 static targets are about
/// 2 MB); bounds what a wrong path, say a log, can make us read.
pub const CONFIG_FILE_BYTES: usize = 16 * 1024 * 1024;

/// Nodes of a YAML document with every alias written out. A file that needs no aliases is bounded
/// by its size; this stops the few lines that unfold into gigabytes.
pub const YAML_NODES: usize = 1_000_000;

/// Nesting of a YAML document. Prometheus's deepest section has eight levels; reading and dropping
/// the tree recurses, so this also bounds the stack.
pub const YAML_DEPTH: usize = 64;

/// Files that one pattern of `scrape_config_files` may match; a guard against `/*`.
pub const SCRAPE_CONFIG_FILES: usize = 10_000;

/// Longest regular expression of a rule. Alternations of every metric name of a job fit.
pub const REGEX_SOURCE_BYTES_MAX: usize = 256 * 1024;

/// Memory of one compiled expression; larger ones are refused, as RE2 does.
pub const REGEX_PROGRAM_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Memory that one thread may spend on speeding up one expression.
pub const REGEX_CACHE_BYTES_MAX: usize = 512 * 1024;

/// Deepest nesting of groups in an expression: keeps the compiler's recursion within a stack.
pub const REGEX_NESTING_MAX: u32 = 200;

/// Highest count in a repetition such as `a{1000}`; RE2's own limit.
pub const REGEX_REPEAT_MAX: u32 = 1000;

/// Keys of one keyed rate limiter. More than the endpoints and jobs of a large configuration, and
/// small enough that a flood of distinct keys costs a few kilobytes.
pub const RATE_LIMIT_KEYS_MAX: usize = 256;

/// Bytes of one log line. A pipe takes this much at once or nothing (`PIPE_BUF`), so lines of
/// several threads never mix and a write to a pipe with room never blocks.
pub const LOG_LINE_BYTES_MAX: usize = 4096;

/// Milliseconds that a log line waits for a full pipe before it is dropped and counted.
pub const LOG_WAIT_MS: i64 = 20;

/// Signals that wait for the main thread. One of each kind is enough: they ask for the same.
pub const SIGNALS_CAPACITY: usize = 4;

/// Requests of the web side that wait for main; more are refused.
pub const LIFE_REQUESTS: usize = 4;

/// How often main looks after the clocks, the threads and the configuration files. A wall clock
/// that steps is noticed that late; each round is one wake-up of an idle process.
pub const LIFE_ROUND: Duration = Duration::from_secs(1);

/// Observations that the quantiles of a summary are computed from, 8 bytes each: enough that the
/// 99th hundredth is more than the largest one.
pub const SUMMARY_WINDOW: usize = 256;
