//! Our own metrics and our own log.

pub mod budget;
pub mod limited;
pub mod log;
pub mod process;
pub mod registry;
pub mod render;
pub mod summary;
