//! What records mean: blocks and the definitions they refer to, as bytes and back. Pure.
//!
//! Implements sections 4 to 6 of `docs/log-format.md`. The encoder and the decoder keep the same
//! state, one per target, and never touch a file; arbitrary bytes never make the decoder panic.

pub mod body;
pub mod chunk;
pub mod decoder;
pub mod definition;
pub mod digest;
pub mod encoder;
pub mod interner;
pub mod living;
pub mod measure;
pub mod side;
pub mod spans;
pub mod tables;
pub mod values;

#[cfg(test)]
mod tests;
