//! The bytes of a segment: header, frames, records. Pure: bytes in, values or nothing out.
//!
//! Implements sections 2 to 4 of `docs/log-format.md`. Knows nothing of what records mean
//! (`codec`) nor of files (`segment`, `writer`, `reader`). Arbitrary bytes never make it panic.

pub mod compress;
pub mod frame;
pub mod header;
pub mod record;
