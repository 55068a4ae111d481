//! The series cache of one target: what its last page looked like, and the fast walk along it.
//!
//! A target repeats its last order, so the next bytes are compared with the expected ones before
//! anything is searched, hashed or parsed as labels ([`walk`]). Only a page that differs is taken
//! apart ([`rebuild`]): labels are parsed and relabelled once per new series, unchanged chunks are
//! kept, and what is missing becomes the staleness markers. Text and labels are stored once for
//! all targets that expose the same ([`interner`]).

pub mod chunk;
pub mod entry;
pub mod family;
pub mod interner;
pub mod rebuild;
pub mod row;
pub mod scan;
pub mod seek;
mod seen;
pub mod walk;
