//! Integers and bounded reads of the formats we write ourselves, and what is hot about bytes.

pub mod cursor;
pub mod same;
pub mod varint;
