//! narthex: a Prometheus-compatible metrics agent for small machines at the edge.
//!
//! This file is the map. A sample travels through the rooms in this order: `discovery` finds
//! targets, `scrape` fetches and parses their pages into blocks, `wal` keeps the blocks on disk,
//! `remote` delivers them. The four engines never import one another: they meet in `model` and
//! are joined in `agent`. A room may use only rooms of a lower rank (`tests/tidy.rs` holds that);
//! `ARCHITECTURE.md` draws the threads and the channels between them.

// Rank 0: every capacity and deadline.
pub mod limits;

// Rank 1: the doors to the operating system, the data, the bytes.
pub mod bytes;
pub mod model;
pub mod sys;

// Rank 2: pure transformations, and our own metrics and log.
pub mod exposition;
pub mod http;
pub mod relabel;
pub mod telemetry;
pub mod wire;

// Rank 3: text in, a valid configuration or an error with file, line and key path out.
pub mod config;

// Rank 4: sockets, TLS, names.
pub mod net;

// Rank 5: the engines, which never know one another.
pub mod discovery;
pub mod remote;
pub mod scrape;
pub mod wal;

// Rank 6: what looks at the engines from outside, and the embedded receiver.
pub mod preview;
pub mod receive;
pub mod web;

// Rank 7: joins everything and supervises it.
pub mod agent;

// Rank 8: flags and exit statuses.
pub mod cli;

// Beside the ranks: what the fuzz targets, and the tests that replay their corpus, run.
#[cfg(any(test, feature = "internals"))]
pub mod fuzzing;
