//! Strict reading of sections: every key is asked for by name, what nobody asked for is an error.
//!
//! A [`Cursor`] is a node and the key path that leads to it. [`Fields`] reads a mapping: each getter
//! takes one key; a wrong value is noted and reported by [`Fields::finish`] together with unknown
//! keys, so that one run shows all mistakes of a section. Types and null follow go-yaml v2: a
//! written null is the zero value, not the default. Wording is go-yaml's and Prometheus's. Defaults
//! and rules between fields are the business of the section.

mod cursor;
mod fields;
#[cfg(test)]
mod tests;

pub use cursor::Cursor;
pub use fields::Fields;

use super::error::Problems;

/// What reading yields.
pub type Decoded<T> = Result<T, Problems>;
