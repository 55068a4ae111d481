//! The plain data that the engines exchange. No I/O, no clock, no threads, no locks.
//!
//! The unit of data is the [`block::ScrapeBlock`]: one scrape of one target, from the parser to
//! the wire. Its labels live in a shared [`series::SeriesList`], so that a sample costs eight
//! bytes and a series that did not change costs nothing.

pub mod block;
pub mod calendar;
pub mod duration;
pub mod exemplar;
pub mod file_name;
pub mod float;
pub mod histogram;
pub mod label_map;
pub mod labels;
pub mod line;
pub mod loss;
pub mod metadata;
pub mod position;
pub mod pressure;
pub mod series;
pub mod size;
pub mod sorting;
pub mod source;
pub mod target_group;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;
pub mod time;
pub mod timeline;
pub mod value;
