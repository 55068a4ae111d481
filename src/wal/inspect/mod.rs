//! Looking at a log from outside: what is in it, whether it is sound, its samples as text.
//!
//! Works on the folder of a dead agent and on that of a live one: nothing is locked, nothing is
//! written, files are opened for reading alone. Of a live log it shows the state at one moment:
//! positions are read before segments, so that they never name what was not yet seen; a segment
//! that grows is read as far as it went, one that is deleted meanwhile is left out. Memory is
//! bounded by the definitions of one segment and one frame.

pub mod continuity;
pub mod damage;
pub mod dump;
pub mod folder;
pub mod keys;
pub mod queues;
pub mod scan;
pub mod survey;
mod table;
pub mod verify;

pub use self::folder::{Folder, FolderError};
