//! Integers and bounded reads of the formats we write ourselves.

pub mod cursor;
pub mod varint;
